"""The colour window: what is being done, the colours, and the class that each stands for."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QColorDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from labelimg.app import theme
from labelimg.app.icons import icon, pixmap
from labelimg.segmentatimg.gestures import Mode
from labelimg.segmentatimg.palette import KEYS, Palette

Colour = tuple[int, int, int]

MODES = {
    Mode.SEGMENTS: ("fill", "Segments", "Left click fills, right click unfills, middle click cuts."),
    Mode.FILLING: (
        "fill",
        "Continuous filling",
        "Whatever the pointer passes over is filled. Double left or Esc ends.",
    ),
    Mode.UNFILLING: (
        "unfill",
        "Continuous unfilling",
        "Whatever the pointer passes over is unfilled. Double right or Esc ends.",
    ),
    Mode.CUTTING: ("cut", "Cut", "The next middle click cuts along the line. Esc ends."),
    Mode.BRUSH: ("brush", "Brush", "Left paints, right erases, Ctrl+wheel sizes. B returns to segments."),
}


class Swatch(QWidget):
    """A colour as a round chip."""

    def __init__(self, colour: Colour, side: int = 22) -> None:
        super().__init__()
        self.colour = colour
        self.setFixedSize(side, side)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the chip."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(*self.colour))
        painter.setPen(QPen(QColor(0, 0, 0, 70), 1))
        painter.drawEllipse(self.rect().adjusted(1, 1, -1, -1))
        painter.end()


class _Row(QFrame):
    """One colour: its key, its chip, its class."""

    chosen = Signal(int)
    renamed = Signal(int, str)

    def __init__(self, index: int, colour: Colour, name: str) -> None:
        super().__init__()
        self.setObjectName("row")
        self._index = index
        key = QLabel(str(index + 1) if index < KEYS else "")
        if index < KEYS:
            key.setObjectName("key")
        key.setFixedWidth(20)
        key.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.name = QLineEdit(name)
        self.name.setPlaceholderText("name of the class")
        self.name.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.name.editingFinished.connect(self._named)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 3, 6, 3)
        row.setSpacing(9)
        row.addWidget(key)
        row.addWidget(Swatch(colour))
        row.addWidget(self.name, 1)
        self.setToolTip("R {}, G {}, B {}".format(*colour))

    def set_current(self, current: bool) -> None:
        """Show whether it is the colour in hand."""
        if self.property("current") != current:
            self.setProperty("current", current)
            self.style().unpolish(self)
            self.style().polish(self)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take this colour in hand."""
        self.chosen.emit(self._index)

    def _named(self) -> None:
        self.renamed.emit(self._index, self.name.text())


class ColourWindow(QWidget):
    """Colours to take in hand. Keys that no name field wants are passed on."""

    chosen = Signal(int)
    renamed = Signal(int, str)
    added = Signal(object)
    key = Signal(QKeyEvent)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(
            parent, Qt.WindowType.Tool | Qt.WindowType.WindowTitleHint | Qt.WindowType.WindowCloseButtonHint
        )
        self.setWindowTitle("Colours")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._rows: list[_Row] = []
        self._shown: list[tuple[Colour, str]] = []
        self._mode, self._colour = Mode.SEGMENTS, (204, 0, 0)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 12, 12, 12)
        column.setSpacing(10)
        column.addWidget(self._card())
        self._list = QVBoxLayout()
        self._list.setContentsMargins(0, 0, 0, 0)
        self._list.setSpacing(2)
        inside = QWidget()
        inner = QVBoxLayout(inside)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addLayout(self._list)
        inner.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(inside)
        column.addWidget(scroll, 1)
        self._add = QPushButton("Another colour…")
        self._add.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._add.clicked.connect(self.ask_colour)
        column.addWidget(self._add)
        self.restyle()

    def sizeHint(self) -> QSize:
        """Nine colours without scrolling."""
        return QSize(272, 560)

    def _card(self) -> QFrame:
        card = QFrame()
        card.setObjectName("card")
        self._sign = QLabel()
        self._sign.setFixedSize(36, 36)
        self._sign.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._title, self._hint = QLabel(), QLabel()
        self._title.setObjectName("title")
        self._hint.setObjectName("faint")
        self._hint.setWordWrap(True)
        self._hint.setMinimumHeight(3 * self.fontMetrics().height() + 4)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        top = QHBoxLayout()
        top.setSpacing(10)
        top.addWidget(self._sign)
        top.addWidget(self._title, 1)
        column = QVBoxLayout(card)
        column.setContentsMargins(12, 10, 12, 8)
        column.setSpacing(6)
        column.addLayout(top)
        column.addWidget(self._hint)
        return card

    # ---------------------------------------------------------------------------------------------- what is shown

    def show_palette(self, palette: Palette) -> None:
        """Show the colours, their classes, and which is in hand."""
        wanted = [(colour, palette.name(colour)) for colour in palette.colours]
        if [colour for colour, _ in wanted] != [colour for colour, _ in self._shown]:
            for row in self._rows:
                self._list.removeWidget(row)
                row.deleteLater()
            self._rows = []
            for index, (colour, name) in enumerate(wanted):
                row = _Row(index, colour, name)
                row.chosen.connect(self.chosen)
                row.renamed.connect(self.renamed)
                self._list.addWidget(row)
                self._rows.append(row)
        for index, (row, (_, name)) in enumerate(zip(self._rows, wanted, strict=True)):
            if row.name.text() != name and not row.name.hasFocus():
                row.name.setText(name)
            row.set_current(index == palette.current_index)
        self._shown = wanted
        self._colour = palette.current
        self.show_mode(self._mode)

    def show_mode(self, mode: Mode) -> None:
        """Show what the hand is doing."""
        self._mode = mode
        sign, title, hint = MODES[mode]
        self._title.setText(title)
        self._hint.setText(hint)
        filling = mode in (Mode.SEGMENTS, Mode.FILLING, Mode.BRUSH)
        back = QColor(*self._colour) if filling else QColor(theme.current().hover)
        ink = QColor("#ffffff" if back.lightness() < 150 else "#17181b")
        self._sign.setStyleSheet(f"background: {back.name()}; border-radius: 18px;")
        self._sign.setPixmap(pixmap(sign, ink, 22))

    @property
    def mode_text(self) -> str:
        """The name of the mode that is shown."""
        return self._title.text()

    def row_names(self) -> list[str]:
        """The classes that are shown, a text for each colour."""
        return [row.name.text() for row in self._rows]

    def row(self, index: int) -> QWidget:
        """The row of a colour."""
        return self._rows[index]

    def name_field(self, index: int) -> QLineEdit:
        """The field with the class of a colour."""
        return self._rows[index].name

    def restyle(self) -> None:
        """Take the colours of another theme."""
        self._add.setIcon(icon("add"))
        self.show_mode(self._mode)

    # ---------------------------------------------------------------------------------------------- events

    def ask_colour(self) -> None:
        """Let a person choose any colour."""
        chosen = QColorDialog.getColor(QColor(*self._colour), self, "Another colour")
        if chosen.isValid():
            self.added.emit((chosen.red(), chosen.green(), chosen.blue()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter ends the naming of a class; other keys belong to the picture."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.setFocus()
            return
        self.key.emit(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """They belong to the picture."""
        self.key.emit(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click beside a name ends its editing."""
        self.setFocus()

    def closeEvent(self, event: QCloseEvent) -> None:
        """It can be shown again from the menu."""
        super().closeEvent(event)
        self.closed.emit()
