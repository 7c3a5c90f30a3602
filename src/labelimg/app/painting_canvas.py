"""The canvas that is painted on: it turns events into orders, and shows what the hand is about to do."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QCursor,
    QFocusEvent,
    QFont,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPen,
)
from PySide6.QtWidgets import QWidget

from labelimg.app.canvas import Canvas
from labelimg.app.cursors import cursor_for
from labelimg.segmentatimg import kernels
from labelimg.segmentatimg.gestures import Button, Gestures, Mode, Order
from labelimg.segmentatimg.pyramid import Bounds

Colour = tuple[int, int, int]

_BUTTONS: dict[Qt.MouseButton, Button] = {
    Qt.MouseButton.LeftButton: "left",
    Qt.MouseButton.MiddleButton: "middle",
    Qt.MouseButton.RightButton: "right",
}
_HOVER_ALPHA = 90


class Pointed(Protocol):
    """What the canvas asks about the segments under the pointer."""

    @property
    def labels(self) -> NDArray[np.int32]:
        """The label map of what can be clicked."""

    def segment_at(self, x: int, y: int) -> int:
        """The segment that a click there takes, 0 for none."""

    def bounds_of(self, segment: int) -> Bounds:
        """The rectangle around a segment."""


class PaintingCanvas(Canvas):
    """Sends orders; shows the segment under the pointer, the cut that would be made, and the brush."""

    orders = Signal(object)
    pointed = Signal(int, int, int)  # x, y, segment; -1, -1, 0 when the pointer is not on the picture
    paint_hidden = Signal(bool)
    mode_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.gestures = Gestures()
        self.colour: Colour = (204, 0, 0)
        self.brush_radius = 12
        self.note = ""
        self._segments: Pointed | None = None
        self._pointer: QPointF | None = None
        self._hovered = 0
        self._shown_mode: Mode | None = None
        self._hidden = False
        self.setAcceptDrops(False)  # the window takes what is dropped
        self._show_mode()

    # ---------------------------------------------------------------------------------------------- what is shown

    def show_segments(self, segments: Pointed | None) -> None:
        """Let the pointer find these segments; None while there are none to click."""
        self._segments = segments
        self._hovered = 0
        self._hover()
        self._show_mode()

    def show_note(self, text: str) -> None:
        """Show a few words in the corner, for what takes a moment; empty for none."""
        if text != self.note:
            self.note = text
            self.update()

    def set_colour(self, colour: Colour) -> None:
        """Show that another colour is in hand."""
        self.colour = colour
        self._shown_mode = None
        self._show_mode()
        self.update()

    def set_brush_radius(self, radius: int) -> None:
        """Show another brush."""
        self._update_brush()
        self.brush_radius = radius
        self._update_brush()

    def segments_changed(self) -> None:
        """The segments are others now: look again which one the pointer is on."""
        self._hovered = 0
        self._hover()

    def end_gesture(self) -> None:
        """End continuous filling, a chain of cuts, a stroke: something else is going to happen."""
        self._carry_out(self.gestures.end())

    def toggle_brush(self) -> None:
        """The brush, or back to segments."""
        self._carry_out(self.gestures.toggle_brush())
        self.update()

    # ---------------------------------------------------------------------------------------------- events

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A button went down."""
        button = _BUTTONS.get(event.button())
        if button is not None:
            self._moved(event)
            self._carry_out(self.gestures.press(button, self.pixel_at(event.position()), _point(event)))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The second press of a double click."""
        button = _BUTTONS.get(event.button())
        if button is not None:
            self._moved(event)
            self._carry_out(self.gestures.double(button, self.pixel_at(event.position()), _point(event)))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The pointer moved."""
        self._moved(event)
        self._carry_out(self.gestures.move(self.pixel_at(event.position()), _point(event)))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A button went up."""
        button = _BUTTONS.get(event.button())
        if button is not None:
            self._carry_out(self.gestures.release(button, self.pixel_at(event.position()), _point(event)))

    def wheel_turned(self, steps: float, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """The wheel turned."""
        ctrl = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        self._carry_out(self.gestures.wheel(steps, (at.x(), at.y()), ctrl=ctrl))

    def leaveEvent(self, event: QEvent) -> None:
        """The pointer left: what lies between its last place and the border was passed over, too."""
        point = QPointF(self.mapFromGlobal(QCursor.pos()))
        if self._pointer is not None and not self.rect().contains(point.toPoint()):
            self._carry_out(self.gestures.leave(self.pixel_at(point)))
        self._update_overlays()
        self._pointer = None
        self._hover()
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space, Tab and Esc; all other keys are those of the menus."""
        if event.isAutoRepeat() and event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Tab):
            return
        match event.key():
            case Qt.Key.Key_Space:
                self.gestures.space_down()
                self._show_mode()
            case Qt.Key.Key_Tab:
                self._hide_paint(True)
            case Qt.Key.Key_Escape:
                self.end_gesture()
            case _:
                super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Space saves unless something was dragged; Tab shows the paint again."""
        if event.isAutoRepeat():
            return
        match event.key():
            case Qt.Key.Key_Space:
                self._carry_out(self.gestures.space_up())
            case Qt.Key.Key_Tab:
                self._hide_paint(False)
            case _:
                super().keyReleaseEvent(event)

    def focusNextPrevChild(self, next: bool) -> bool:
        """Tab hides the paint and does not go to another widget."""
        return False

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """What is held is held no more."""
        self._carry_out(self.gestures.lose_focus())
        self._hide_paint(False)
        super().focusOutEvent(event)

    def _moved(self, event: QMouseEvent) -> None:
        self._update_overlays()
        self._pointer = event.position()
        self._update_overlays()
        self._hover()

    def _carry_out(self, orders: list[Order]) -> None:
        if self.gestures.chain_end is None and self._shown_mode is Mode.CUTTING:
            self.update()
        for order in orders:
            self.orders.emit(order)
        self._show_mode()

    def _hide_paint(self, hidden: bool) -> None:
        if hidden != self._hidden:
            self._hidden = hidden
            self.paint_hidden.emit(hidden)

    def _show_mode(self) -> None:
        if self.gestures.panning:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif self.gestures.space_held:
            self.setCursor(Qt.CursorShape.OpenHandCursor)
        elif self._segments is None:
            self.setCursor(Qt.CursorShape.BusyCursor if self.scene is not None else Qt.CursorShape.ArrowCursor)
        else:
            self.setCursor(cursor_for(self.gestures.mode, self.colour))
        if self.gestures.mode is not self._shown_mode:
            self._shown_mode = self.gestures.mode
            self._hover()
            self.mode_changed.emit()

    # ---------------------------------------------------------------------------------------------- overlays

    def _hover(self) -> None:
        """Find the segment under the pointer, and repaint where it was and where it is."""
        x, y = (-1, -1) if self._pointer is None else self.pixel_at(self._pointer)
        width, height = (0, 0) if self.scene is None else self.scene.size
        inside = 0 <= x < width and 0 <= y < height
        found = self._segments.segment_at(x, y) if inside and self._segments is not None else 0
        if found != self._hovered:
            if self._segments is not None:
                for segment in (self._hovered, found):
                    if segment:
                        self.update(self.window_rect(self._segments.bounds_of(segment)))
            self._hovered = found
        self.pointed.emit(x if inside else -1, y if inside else -1, found)

    def _update_overlays(self) -> None:
        self._update_brush()
        if self.gestures.chain_end is not None and self._pointer is not None:
            start = QPointF(*self._middle(self.gestures.chain_end))
            self.update(QRectF(start, self._pointer).normalized().toAlignedRect().adjusted(-6, -6, 6, 6))

    def _update_brush(self) -> None:
        if self.gestures.mode is Mode.BRUSH and self._pointer is not None:
            reach = math.ceil((self.brush_radius + 1) * self.view.scale) + 4
            middle = self._pointer.toPoint()
            self.update(QRect(middle - QPoint(reach, reach), QSize(2 * reach + 1, 2 * reach + 1)))

    def _middle(self, pixel: tuple[int, int]) -> tuple[float, float]:
        return self.view.to_window((pixel[0] + 0.5, pixel[1] + 0.5))

    def paint_over(self, painter: QPainter, exposed: QRect) -> None:
        """Paint the segment under the pointer, the cut, the brush and the note."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._hovered and self._segments is not None and self.gestures.mode is not Mode.BRUSH:
            self._paint_hovered(painter, exposed, self._segments)
        if self.gestures.chain_end is not None and self._pointer is not None:
            self._paint_cut(painter, QPointF(*self._middle(self.gestures.chain_end)), self._pointer)
        if self.gestures.mode is Mode.BRUSH and self._pointer is not None:
            radius = max(1.5, (self.brush_radius + 0.5) * self.view.scale)
            for colour, width in ((QColor(0, 0, 0, 170), 3.0), (QColor(255, 255, 255), 1.4)):
                painter.setPen(QPen(colour, width))
                painter.drawEllipse(self._pointer, radius, radius)
        if self.note:
            self._paint_note(painter)

    def _paint_hovered(self, painter: QPainter, exposed: QRect, segments: Pointed) -> None:
        where = self.window_rect(segments.bounds_of(self._hovered)).intersected(exposed)
        if where.isEmpty():
            return
        ratio = self.devicePixelRatioF()
        across, down = max(1, math.ceil(where.width() * ratio)), max(1, math.ceil(where.height() * ratio))
        out = np.empty((down, across, 4), np.uint8)
        view = self._screen_view()
        x0, y0 = view.to_image((where.x() * ratio, where.y() * ratio))
        shown = (255, 255, 255) if self.gestures.mode is Mode.UNFILLING else self.colour
        kernels.mark_segment(out, segments.labels, self._hovered, view.scale, x0, y0, *shown, _HOVER_ALPHA)
        image = QImage(out.data, across, down, 4 * across, QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(ratio)
        painter.drawImage(where.topLeft(), image)

    def _paint_cut(self, painter: QPainter, start: QPointF, end: QPointF) -> None:
        for colour, width, style in (
            (QColor(0, 0, 0, 190), 3.4, Qt.PenStyle.SolidLine),
            (QColor(255, 255, 255), 1.6, Qt.PenStyle.DashLine),
        ):
            painter.setPen(QPen(colour, width, style, Qt.PenCapStyle.RoundCap))
            painter.drawLine(start, end)
        painter.setPen(QPen(QColor(0, 0, 0, 190), 1.2))
        painter.setBrush(QColor(255, 255, 255))
        painter.drawEllipse(start, 3.4, 3.4)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _paint_note(self, painter: QPainter) -> None:
        font = QFont(self.font())
        font.setPointSizeF(font.pointSizeF() * 0.95)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        box = QRectF(14, self.height() - 44, metrics.horizontalAdvance(self.note) + 28, 30)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 165))
        painter.drawRoundedRect(box, 15, 15)
        painter.setPen(QColor(255, 255, 255))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self.note)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def _point(event: QMouseEvent) -> tuple[float, float]:
    return event.position().x(), event.position().y()
