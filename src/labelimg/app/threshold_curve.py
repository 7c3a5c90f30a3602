"""The curve in the window: the pointer looks at a threshold, a click chooses it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from labelimg.app import theme
from labelimg.clusterimg.curve_drawing import Axes, Words, axes_of, drawing_of
from labelimg.clusterimg.threshold import Curve


class CurveView(QWidget):
    """The curve of a sample. `hovered` tells the place of the threshold under the pointer, -1 when it has left."""

    hovered = Signal(int)
    clicked = Signal(int)

    def __init__(self, curve: Curve, chosen: int) -> None:
        super().__init__()
        self._curve = curve
        self._chosen = chosen
        self._looked_at = -1
        self.setMouseTracking(True)
        self.setMinimumSize(360, 300)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName("Threshold and similar pairs")

    def sizeHint(self) -> QSize:
        """Wide enough to read."""
        return QSize(640, 460)

    @property
    def axes(self) -> Axes:
        """Where thresholds and pairs are, in pixels of the widget."""
        return axes_of(self._curve, self.width(), self.height())

    def choose(self, place: int) -> None:
        """Draw the threshold of this place in the curve as the one that is chosen."""
        self._chosen = place
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the curve, the threshold that is chosen, and the one that is looked at."""
        now = theme.current()
        colours = {
            "text": now.text,
            "faint": now.faint,
            "line": now.line,
            "accent": now.accent,
            "second": now.done,
            "chosen": now.warning,
        }
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(now.raised))
        axes, chosen = self.axes, float(self._curve.thresholds[self._chosen])
        for mark in drawing_of(self._curve, axes, chosen):
            colour = QColor(colours[mark.colour])
            if isinstance(mark, Words):
                _write(painter, mark, colour)
                continue
            pen = QPen(colour, mark.width)
            if mark.dashed:
                pen.setDashPattern([4, 3])
            painter.setPen(pen)
            painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in mark.points]))
        if self._looked_at >= 0:
            y = axes.y(float(self._curve.thresholds[self._looked_at]))
            x = axes.x(float(self._curve.expected_pairs[self._looked_at]))
            painter.setPen(QPen(QColor(now.accent), 1))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)  # one sharp line
            painter.drawLine(QPointF(axes.left, y), QPointF(axes.right, y))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setBrush(QColor(now.accent))
            painter.drawEllipse(QPointF(x, y), 4.5, 4.5)
        painter.end()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Look at the threshold under the pointer."""
        self._look_at(self._place(event))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the threshold under the pointer."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(self._place(event))

    def leaveEvent(self, event: QEvent) -> None:
        """Look at the one that is chosen again."""
        self._look_at(-1)

    def _place(self, event: QMouseEvent) -> int:
        return self._curve.place(self.axes.threshold(event.position().y()))

    def _look_at(self, place: int) -> None:
        if place != self._looked_at:
            self._looked_at = place
            self.update()
            self.hovered.emit(place)


def _write(painter: QPainter, words: Words, colour: QColor) -> None:
    font = QFont(painter.font())
    font.setPixelSize(round(words.size))
    font.setBold(words.bold)
    painter.save()
    painter.setFont(font)
    painter.setPen(colour)
    length = painter.fontMetrics().horizontalAdvance(words.text)
    painter.translate(words.x, words.y)
    if words.turned:
        painter.rotate(-90)
    painter.drawText(QPointF(-length * {"start": 0.0, "middle": 0.5, "end": 1.0}[words.anchor], 0), words.text)
    painter.restore()
