"""How the windows look: a light and a dark theme over Qt's Fusion style."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

Choice = Literal["system", "light", "dark"]
CHOICES: dict[str, Choice] = {"theme_system": "system", "theme_light": "light", "theme_dark": "dark"}
"""Of each command what it chooses."""


@dataclass(frozen=True)
class Theme:
    """The colours of a theme."""

    dark: bool
    window: str
    raised: str
    field: str
    text: str
    faint: str
    line: str
    hover: str
    accent: str
    accent_text: str
    canvas: str
    warning: str
    done: str


LIGHT = Theme(
    dark=False,
    window="#f4f5f7",
    raised="#ffffff",
    field="#ffffff",
    text="#1d2025",
    faint="#646a75",
    line="#d9dce2",
    hover="#e8ebf0",
    accent="#2563d9",
    accent_text="#ffffff",
    canvas="#cfd2d8",
    warning="#b3261e",
    done="#1f8a4c",
)
DARK = Theme(
    dark=True,
    window="#25272c",
    raised="#2d3036",
    field="#1e2024",
    text="#e6e8ec",
    faint="#9aa1ad",
    line="#3b3f47",
    hover="#363a42",
    accent="#5b93ff",
    accent_text="#0e1626",
    canvas="#17181b",
    warning="#ff8a80",
    done="#5fd08c",
)

_SHEET = """
QMainWindow::separator {{ background: {line}; width: 1px; height: 1px; }}
QToolBar {{ background: {raised}; border: 0; border-bottom: 1px solid {line}; padding: 4px 8px; spacing: 2px; }}
QToolBar::separator {{ background: {line}; width: 1px; margin: 5px 7px; }}
QToolButton {{ border: 1px solid transparent; border-radius: 6px; padding: 5px; }}
QToolButton[popupMode="2"] {{ padding-right: 16px; }}
QToolButton:hover {{ background: {hover}; }}
QToolButton:checked {{ background: {hover}; border-color: {accent}; }}
QMenuBar {{ background: {raised}; padding: 2px 6px; }}
QMenuBar::item {{ padding: 4px 9px; border-radius: 5px; background: transparent; }}
QMenuBar::item:selected {{ background: {hover}; }}
QMenu {{ background: {raised}; border: 1px solid {line}; padding: 5px; }}
QMenu::item {{ padding: 5px 26px 5px 10px; border-radius: 5px; }}
QMenu::item:selected {{ background: {accent}; color: {accent_text}; }}
QMenu::item:disabled {{ color: {faint}; background: transparent; }}
QMenu::separator {{ height: 1px; background: {line}; margin: 5px 6px; }}
QMenu::icon {{ padding-left: 8px; }}
QStatusBar {{ background: {raised}; border-top: 1px solid {line}; }}
QStatusBar::item {{ border: 0; }}
QStatusBar QLabel {{ color: {faint}; padding: 2px 8px; }}
QDockWidget {{ color: {faint}; }}
QDockWidget::title {{ background: {window}; padding: 8px 12px 4px 12px; text-align: left; }}
QListView {{ background: {window}; border: 0; outline: 0; }}
QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox {{ background: {field}; border: 1px solid {line}; border-radius: 6px;
    padding: 4px 7px; selection-background-color: {accent}; selection-color: {accent_text}; }}
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus {{ border-color: {accent}; }}
QSpinBox::up-button, QSpinBox::down-button, QDoubleSpinBox::up-button, QDoubleSpinBox::down-button {{ width: 0; }}
QComboBox::drop-down {{ border: 0; width: 20px; }}
QComboBox QAbstractItemView {{ background: {raised}; border: 1px solid {line};
    selection-background-color: {accent}; selection-color: {accent_text}; outline: 0; }}
QPushButton {{ background: {raised}; border: 1px solid {line}; border-radius: 6px; padding: 6px 14px; }}
QPushButton:hover {{ background: {hover}; }}
QPushButton:default {{ background: {accent}; border-color: {accent}; color: {accent_text}; }}
QPushButton:disabled {{ background: {window}; border-color: {line}; color: {faint}; }}
QSlider::groove:horizontal {{ height: 4px; border-radius: 2px; background: {line}; }}
QSlider::sub-page:horizontal {{ height: 4px; border-radius: 2px; background: {accent}; }}
QSlider::handle:horizontal {{ width: 14px; height: 14px; margin: -5px 0; border-radius: 7px; background: {knob};
    border: 1px solid {knob_line}; }}
QSlider::handle:horizontal:hover {{ border-color: {accent}; }}
QScrollArea {{ border: 0; background: {window}; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {scroll}; border-radius: 4px; margin: 1px; min-height: 28px; min-width: 28px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QToolTip {{ background: {raised}; color: {text}; border: 1px solid {line}; padding: 5px; }}
QLabel#faint {{ color: {faint}; }}
QLabel#heading {{ color: {faint}; font-weight: 600; }}
QLabel#title {{ font-size: 15px; font-weight: 600; }}
QFrame#card {{ background: {raised}; border: 1px solid {line}; border-radius: 10px; }}
QFrame#message {{ background: {raised}; border: 1px solid {line}; border-left: 4px solid {accent};
    border-radius: 8px; }}
QFrame#warning {{ background: {raised}; border: 1px solid {line}; border-left: 4px solid {warning};
    border-radius: 8px; }}
QFrame#row {{ border: 1px solid transparent; border-radius: 8px; }}
QFrame#row:hover {{ background: {hover}; }}
QFrame#row[current="true"] {{ background: {raised}; border: 1px solid {accent}; }}
QFrame#row QLineEdit {{ background: transparent; border: 1px solid transparent; }}
QFrame#row QLineEdit:hover {{ border-color: {line}; }}
QFrame#row QLineEdit:focus {{ background: {field}; border-color: {accent}; }}
QLabel#zone {{ background: {raised}; border: 2px dashed {line}; border-radius: 10px; color: {text}; }}
QLabel#zone[over="true"] {{ background: {accent}; border: 2px solid {accent}; color: {accent_text}; }}
QLabel#ghost {{ background: {raised}; border: 2px solid {accent}; border-radius: 6px; padding: 3px; }}
QFrame#bar {{ background: {raised}; border: 0; border-bottom: 1px solid {line}; }}
QLabel#key {{ color: {faint}; border: 1px solid {line}; border-radius: 4px; padding: 0 5px; font-size: 11px; }}
"""


def apply(app: QApplication, choice: Choice = "system") -> Theme:
    """Give the application a theme; "system" follows the desktop."""
    theme = theme_of(choice)
    if app.style().objectName().lower() != "fusion":
        app.setStyle("Fusion")
    app.setPalette(_palette(theme))
    values = {name: getattr(theme, name) for name in theme.__dataclass_fields__}
    knob, knob_line, scroll = ("#d4d8df", "#17181b", "#4a4f59") if theme.dark else ("#ffffff", "#aab0bb", "#c2c7cf")
    app.setStyleSheet(_SHEET.format(**values, knob=knob, knob_line=knob_line, scroll=scroll))
    return theme


def theme_of(choice: Choice) -> Theme:
    """The theme that a choice means now."""
    if choice == "system":
        return DARK if QGuiApplication.styleHints().colorScheme() is Qt.ColorScheme.Dark else LIGHT
    return DARK if choice == "dark" else LIGHT


def current() -> Theme:
    """The theme that is shown."""
    return DARK if QApplication.palette().color(QPalette.ColorRole.Window).lightness() < 128 else LIGHT


def _palette(theme: Theme) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for colour, roles in (
        (theme.window, (role.Window,)),
        (theme.field, (role.Base,)),
        (theme.hover, (role.AlternateBase,)),
        (theme.raised, (role.Button, role.ToolTipBase)),
        (theme.text, (role.WindowText, role.Text, role.ButtonText, role.ToolTipText)),
        (theme.faint, (role.PlaceholderText,)),
        (theme.accent, (role.Highlight, role.Link)),
        (theme.accent_text, (role.HighlightedText,)),
        (theme.line, (role.Mid,)),
    ):
        for each in roles:
            palette.setColor(each, QColor(colour))
    for each in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, each, QColor(theme.faint))
    return palette
