"""The two windows of pointing: one takes the annotations, the other shows what was found."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QColor, QKeyEvent, QPainter, QPixmap
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from labelimg.app import theme
from labelimg.app.canvas import Canvas
from labelimg.app.messages import Message
from labelimg.app.pointing_canvas import (
    LARGEST_BRUSH,
    PointingCanvas,
    draw_area,
    draw_mark,
    draw_point,
    is_ours,
)
from labelimg.segmentatimg.pointing import Tool
from labelimg.segmentatimg.scene import Scene

GRABCUT_LOOKS = (
    ("area", "area to look in", "middle drag"),
    ("foreground", "foreground", "left drag"),
    ("background", "background", "right drag"),
    ("probable foreground", "probably foreground", "Ctrl + left drag"),
    ("probable background", "probably background", "Ctrl + right drag"),
)
SAM_LOOKS = (
    ("area", "box: an object", "middle drag"),
    ("foreground", "foreground", "left click"),
    ("background", "background", "right click"),
)
KEYS = {
    "grabcut": (
        ("space", "an iteration; again till it settles"),
        ("f", "finishes: hands over to painting"),
        ("z, Shift+Z", "undo, redo"),
        ("r", "resets the annotations"),
        ("n, p", "next, previous image"),
        ("q", "quits"),
    ),
    "sam": (
        ("space", "predicts the masks"),
        ("f", "finishes: hands over to painting"),
        ("z, Shift+Z", "undo, redo"),
        ("r", "resets the annotations"),
        ("n, p", "next, previous image"),
        ("q", "quits"),
    ),
}
"""What the help of the window lists; the mouse is listed by the looks."""

TITLES = {"grabcut": "Segments", "sam": "Mask"}
FIND = {"grabcut": "Iterate", "sam": "Predict"}
_SWATCH = QSize(36, 22)
_GROUND = "#3a3f47"  # of a swatch: like a picture it is neither light nor dark


class AnnotationsWindow(QWidget):
    """Takes the pointing. `command` tells which key or button was used."""

    command = Signal(str)

    def __init__(self, tool: Tool) -> None:
        super().__init__()
        self.setWindowTitle("Annotations")
        self.tool: Tool = tool
        self.may_close = False
        self.canvas = PointingCanvas(tool)
        self.canvas.command.connect(self.command)
        self.message = Message(self.canvas)
        self.state = QLabel()
        self.state.setObjectName("faint")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.canvas, 1)
        column.addWidget(self._panel())
        self.restyle()
        self.resize(820, 760)

    def _panel(self) -> QWidget:
        """Looks, brush, keys and buttons below the picture."""
        panel = QFrame()
        column = QVBoxLayout(panel)
        column.setContentsMargins(14, 10, 14, 10)
        column.setSpacing(8)
        looks = QGridLayout()
        looks.setHorizontalSpacing(8)
        looks.setVerticalSpacing(4)
        self.swatches: dict[str, QLabel] = {}
        for place, (name, text, how) in enumerate(GRABCUT_LOOKS if self.tool == "grabcut" else SAM_LOOKS):
            row, across = divmod(place, 3)
            swatch = self.swatches[name] = QLabel()
            swatch.setFixedSize(_SWATCH)
            hint = QLabel(how)
            hint.setObjectName("faint")
            looks.addWidget(swatch, row, 4 * across)
            looks.addWidget(QLabel(text), row, 4 * across + 1)
            looks.addWidget(hint, row, 4 * across + 2)
            looks.setColumnStretch(4 * across + 3, 1)
        column.addLayout(looks)
        if self.tool == "grabcut":
            column.addLayout(self._brush())
        bottom = QHBoxLayout()
        bottom.setSpacing(6)
        bottom.addWidget(self.state, 1)
        self.buttons: dict[str, QPushButton] = {}
        for name, text, key in (
            ("undo", "Undo", "z"),
            ("redo", "Redo", "Shift+Z"),
            ("reset", "Reset", "r"),
            ("find", FIND[self.tool], "space"),
            ("finish", "Finish", "f"),
        ):
            button = self.buttons[name] = QPushButton(text)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setToolTip(f"{text} ({key})")
            button.clicked.connect(lambda _=False, name=name: self.command.emit(name))
            bottom.addWidget(button)
        self.buttons["finish"].setDefault(True)
        column.addLayout(bottom)
        column.addLayout(self._keys())
        return panel

    def _keys(self) -> QGridLayout:
        """What the keys do, in three columns."""
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        for place, (keys, text) in enumerate(KEYS[self.tool]):
            row, across = divmod(place, 3)
            caps = QHBoxLayout()
            caps.setSpacing(3)
            for key in keys.split(", "):
                cap = QLabel(key)
                cap.setObjectName("key")
                caps.addWidget(cap)
            meaning = QLabel(text)
            meaning.setObjectName("faint")
            grid.addLayout(caps, row, 3 * across, Qt.AlignmentFlag.AlignLeft)
            grid.addWidget(meaning, row, 3 * across + 1)
            grid.setColumnStretch(3 * across + 2, 1)
        return grid

    def _brush(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(10)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.slider.setRange(0, LARGEST_BRUSH)
        self.slider.setValue(self.canvas.brush_radius)
        size = QLabel()
        size.setMinimumWidth(90)

        def show(radius: int) -> None:
            self.slider.setValue(radius)
            size.setText(f"{2 * radius + 1} px wide")

        show(self.canvas.brush_radius)
        self.slider.valueChanged.connect(self.canvas.set_brush_radius)
        self.canvas.brush_changed.connect(show)
        row.addWidget(QLabel("brush"))
        row.addWidget(self.slider, 1)
        row.addWidget(size)
        hint = QLabel("Ctrl + wheel")
        hint.setObjectName("faint")
        row.addWidget(hint)
        return row

    def enable(self, **commands: bool) -> None:
        """Let commands be given by their buttons, or not."""
        for name, enabled in commands.items():
            self.buttons[name].setEnabled(enabled)

    def restyle(self) -> None:
        """Take the colours of another theme."""
        self.canvas.background = QColor(theme.current().canvas)
        for name, swatch in self.swatches.items():
            swatch.setPixmap(swatch_of(name, self.tool))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys belong to the canvas."""
        self.canvas.setFocus()
        self.canvas.keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """To close it is to quit."""
        _close(self, event)


class FoundWindow(QWidget):
    """Shows what was found, at the place that the annotations are looked at. Keys are passed on."""

    command = Signal(str)
    key = Signal(QKeyEvent)

    def __init__(self, tool: Tool) -> None:
        super().__init__()
        self._title = TITLES[tool]
        self.setWindowTitle(self._title)
        self.may_close = False
        self.canvas = Canvas()
        self.canvas.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.state = QLabel()
        self.state.setObjectName("faint")
        self.state.setContentsMargins(14, 8, 14, 8)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.canvas, 1)
        column.addWidget(self.state)
        self.restyle()
        self.resize(700, 620)

    def show_scene(self, scene: Scene | None, name: str, *, keep_view: bool = False) -> None:
        """Show a scene of an image."""
        self.canvas.show_scene(scene, keep_view=keep_view)
        self.setWindowTitle(f"{self._title} - {name}" if name else self._title)

    def look_where(self, other: Canvas) -> None:
        """Show as large as another canvas what that has in its middle; all of the picture if that shows all."""
        if other.fitted:
            self.canvas.fit()
            return
        view, across, down = other.view, other.width() - self.canvas.width(), other.height() - self.canvas.height()
        self.canvas.set_view(
            replace(view, left=view.left + across / 2 / view.scale, top=view.top + down / 2 / view.scale)
        )

    def restyle(self) -> None:
        """Take the colours of another theme."""
        self.canvas.background = QColor(theme.current().canvas)
        self.canvas.update()

    def event(self, event: QEvent) -> bool:
        """A key is not a shortcut of the painting windows here."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and is_ours(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys belong to the annotations."""
        self.key.emit(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Keys belong to the annotations."""
        self.key.emit(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """To close it is to quit."""
        _close(self, event)


def _close(window: AnnotationsWindow | FoundWindow, event: QCloseEvent) -> None:
    if window.may_close:
        event.accept()
    else:
        event.ignore()
        window.command.emit("quit")


def swatch_of(name: str, tool: Tool) -> QPixmap:
    """A small picture of how a kind of annotation looks."""
    pixmap = QPixmap(_SWATCH)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(_GROUND))
    painter.drawRoundedRect(QRectF(pixmap.rect()), 4, 4)
    middle = _SWATCH.height() / 2
    if name == "area":
        draw_area(painter, QRectF(3, 4, _SWATCH.width() - 6, _SWATCH.height() - 8))
    elif tool == "sam":
        draw_point(painter, QPointF(_SWATCH.width() / 2, middle), name == "foreground")
    else:
        ends = [QPointF(9, middle), QPointF(_SWATCH.width() - 9, middle)]
        draw_mark(painter, ends, 14, name)  # type: ignore[arg-type]
    painter.end()
    return pixmap
