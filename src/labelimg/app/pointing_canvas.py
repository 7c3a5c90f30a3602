"""The canvas that takes the pointing: it turns events into annotations, and draws them, each kind with its own look."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QKeyEvent, QMouseEvent, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from labelimg.app.canvas import Canvas
from labelimg.segmentatimg.geometry import Rect
from labelimg.segmentatimg.pointing import Tool
from labelimg.segmentatimg.prompts import Annotation, Click, Kind, Mark, Prompts

LARGEST_BRUSH = 200
_CLICK_REACH = 4.0  # window pixels that a hand may move within a click


@dataclass(frozen=True)
class Look:
    """How a kind of annotation is drawn."""

    colour: str
    pattern: Qt.BrushStyle = Qt.BrushStyle.SolidPattern


LOOKS: dict[str, Look] = {
    "area": Look("#4da3ff"),
    "foreground": Look("#26c281"),
    "background": Look("#f0524f"),
    "probable foreground": Look("#b8e986", Qt.BrushStyle.BDiagPattern),
    "probable background": Look("#f5a623", Qt.BrushStyle.DiagCrossPattern),
}
"""Of each kind its look: colours that differ, and for what is only probable a pattern, too."""


class PointingCanvas(Canvas):
    """Sends annotations as they are finished, and keys that mean something."""

    annotated = Signal(object)
    command = Signal(str)
    brush_changed = Signal(int)

    def __init__(self, tool: Tool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tool = tool
        self.brush_radius = 6
        self.prompts = Prompts()
        self._button: Qt.MouseButton | None = None
        self._kind: Kind = "foreground"
        self._start = QPointF()
        self._path: list[tuple[int, int]] = []
        self._pointer: QPointF | None = None
        self._space = False
        self._panned = False
        self.setCursor(Qt.CursorShape.CrossCursor)

    # ---------------------------------------------------------------------------------------------- what is shown

    def show_prompts(self, prompts: Prompts) -> None:
        """Draw these annotations."""
        self.prompts = prompts
        self.update()

    def set_brush_radius(self, radius: int) -> None:
        """Take another brush."""
        radius = min(LARGEST_BRUSH, max(0, radius))
        if radius != self.brush_radius:
            self.brush_radius = radius
            self.brush_changed.emit(radius)
            self.update()

    # ---------------------------------------------------------------------------------------------- events

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """An annotation begins; with space held, or without a picture, the picture is moved."""
        if self._button is not None or self.scene is None:
            return
        if self._space:
            self._panned = True
            super().mousePressEvent(event)
            return
        if event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton):
            return
        self._button, self._start = event.button(), event.position()
        self._path = [self.pixel_at(event.position())]
        certain = "" if not event.modifiers() & Qt.KeyboardModifier.ControlModifier else "probable "
        side = "foreground" if event.button() == Qt.MouseButton.LeftButton else "background"
        self._kind = f"{certain}{side}"  # type: ignore[assignment]
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The pointer moved."""
        self._pointer = event.position()
        if self._button is None:
            super().mouseMoveEvent(event)
        elif (pixel := self.pixel_at(event.position())) != self._path[-1]:
            self._path.append(pixel)
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """An annotation is finished."""
        if self._button is None:
            super().mouseReleaseEvent(event)
        elif event.button() == self._button:
            if (pixel := self.pixel_at(event.position())) != self._path[-1]:
                self._path.append(pixel)
            annotation = self._annotation(event.position())
            self._button = None
            self.update()
            if annotation is not None:
                self.annotated.emit(annotation)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Two clicks are two clicks."""
        self.mousePressEvent(event)

    def _annotation(self, end: QPointF) -> Annotation | None:
        """What the gesture that ends here means; None if it means nothing."""
        assert self.scene is not None
        width, height = self.scene.size
        if self._button == Qt.MouseButton.MiddleButton:
            area = self._area()
            return area if area.width > 1 and area.height > 1 else None
        if self.tool == "grabcut":
            mark = Mark(tuple(self._path), self.brush_radius, self._kind)
            rect = mark.rect
            return mark if rect.left < width and rect.top < height and rect.right > 0 and rect.bottom > 0 else None
        moved = end - self._start
        x, y = self._path[0]
        if math.hypot(moved.x(), moved.y()) > _CLICK_REACH or not (0 <= x < width and 0 <= y < height):
            return None
        return Click(x, y, self._button == Qt.MouseButton.LeftButton)

    def _area(self) -> Rect:
        """The rectangle between the first and the last point, both in it, within the image."""
        assert self.scene is not None
        width, height = self.scene.size
        (x0, y0), (x1, y1) = self._path[0], self._path[-1]
        return Rect(max(0, min(x0, x1)), max(0, min(y0, y1)), min(width, max(x0, x1) + 1), min(height, max(y0, y1) + 1))

    def wheel_turned(self, steps: float, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """The wheel zooms; with Ctrl it sizes the brush."""
        if modifiers & Qt.KeyboardModifier.ControlModifier and self.tool == "grabcut":
            radius = self.brush_radius * 1.2**steps
            radius = max(radius, self.brush_radius + 1) if steps > 0 else min(radius, self.brush_radius - 1)
            self.set_brush_radius(round(radius))
        else:
            super().wheel_turned(steps, at, modifiers)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The keys of the table."""
        if event.key() == Qt.Key.Key_Space:
            if not event.isAutoRepeat():
                self._space, self._panned = True, False
            return
        if event.key() == Qt.Key.Key_Escape:
            if self._button is not None:
                self._button = None
                self.update()
            else:
                self.command.emit("stop")
            return
        name = command_of(event)
        if name:
            self.command.emit(name)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Space finds when it is released, unless something was dragged with it."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            if self._space and not self._panned:
                self.command.emit("find")
            self._space = False
            return
        super().keyReleaseEvent(event)

    def event(self, event: QEvent) -> bool:
        """A key of the table is not a shortcut of the painting windows here."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and is_ours(event):
            event.accept()
            return True
        return super().event(event)

    def leaveEvent(self, event: QEvent) -> None:
        """The pointer left: no brush is shown."""
        self._pointer = None
        self.update()
        super().leaveEvent(event)

    # ---------------------------------------------------------------------------------------------- drawing

    def paint_over(self, painter: QPainter, exposed: QRect) -> None:
        """Draw the annotations, the one that is being made, and the brush."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for each in self.prompts.annotations:
            self._draw(painter, each)
        if self._button is not None and self.scene is not None:
            if self._button == Qt.MouseButton.MiddleButton:
                self._draw(painter, self._area())
            elif self.tool == "grabcut":
                self._draw(painter, Mark(tuple(self._path), self.brush_radius, self._kind))
        if self.tool == "grabcut" and self._pointer is not None and self.scene is not None:
            radius = max(1.5, (self.brush_radius + 0.5) * self.view.scale)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for colour, width in ((QColor(0, 0, 0, 170), 3.0), (QColor(255, 255, 255), 1.4)):
                painter.setPen(QPen(colour, width))
                painter.drawEllipse(self._pointer, radius, radius)

    def _draw(self, painter: QPainter, annotation: Annotation) -> None:
        match annotation:
            case Rect():
                left, top = self.view.to_window((annotation.left, annotation.top))
                right, bottom = self.view.to_window((annotation.right, annotation.bottom))
                draw_area(painter, QRectF(left, top, right - left, bottom - top))
            case Mark():
                path = [QPointF(*self.view.to_window((x + 0.5, y + 0.5))) for x, y in annotation.points]
                draw_mark(painter, path, max(2.0, (2 * annotation.radius + 1) * self.view.scale), annotation.kind)
            case Click():
                at = QPointF(*self.view.to_window((annotation.x + 0.5, annotation.y + 0.5)))
                draw_point(painter, at, annotation.foreground)


def draw_area(painter: QPainter, where: QRectF) -> None:
    """A rectangle to look in."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(0, 0, 0, 170), 3.4))
    painter.drawRect(where)
    painter.setPen(QPen(QColor(LOOKS["area"].colour), 1.8, Qt.PenStyle.DashLine))
    painter.drawRect(where)


def draw_mark(painter: QPainter, path: list[QPointF], width: float, kind: Kind) -> None:
    """A stroke of the brush: full where it is certain, with a pattern where it is probable."""
    look = LOOKS[kind]
    colour = QColor(look.colour)
    solid = look.pattern is Qt.BrushStyle.SolidPattern
    under = QColor(colour)
    under.setAlpha(190 if solid else 80)
    brushes = [QBrush(under)] if solid else [QBrush(under), QBrush(colour, look.pattern)]
    for brush in brushes:
        painter.setPen(QPen(brush, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
        if len(path) == 1:
            painter.drawPoint(path[0])
        else:
            painter.drawPolyline(QPolygonF(path))


def draw_point(painter: QPainter, at: QPointF, foreground: bool) -> None:
    """A point: plus for foreground, minus for background."""
    painter.setPen(QPen(QColor(0, 0, 0, 200), 3))
    painter.setBrush(QColor(LOOKS["foreground" if foreground else "background"].colour))
    painter.drawEllipse(at, 7.5, 7.5)
    painter.setPen(QPen(QColor(255, 255, 255), 1.6))
    painter.drawEllipse(at, 7.5, 7.5)
    painter.drawLine(at - QPointF(3.5, 0), at + QPointF(3.5, 0))
    if foreground:
        painter.drawLine(at - QPointF(0, 3.5), at + QPointF(0, 3.5))
    painter.setBrush(Qt.BrushStyle.NoBrush)


_KEYS = {
    Qt.Key.Key_F: "finish",
    Qt.Key.Key_R: "reset",
    Qt.Key.Key_Q: "quit",
    Qt.Key.Key_N: "next",
    Qt.Key.Key_P: "previous",
}


def is_ours(event: QKeyEvent) -> bool:
    """Whether a key means something here."""
    return event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Escape) or bool(command_of(event))


def command_of(event: QKeyEvent) -> str:
    """The command that a key gives, empty for none. Space is not here: it counts when it is released."""
    if event.key() == Qt.Key.Key_Z:
        return "redo" if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else "undo"
    if event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
        return ""
    return _KEYS.get(Qt.Key(event.key()), "")
