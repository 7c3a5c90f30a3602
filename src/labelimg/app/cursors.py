"""The cursor of each mode: a cross to aim with, and beside it what a click would do, in the colour in hand."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QCursor, QPainter, QPen, QPixmap

from labelimg.segmentatimg.gestures import Mode

Colour = tuple[int, int, int]

_SIDE = 40
_HOT = 12


@lru_cache(maxsize=64)
def cursor_for(mode: Mode, colour: Colour) -> QCursor:
    """The cursor of a mode with a colour in hand."""
    pixmap = QPixmap(_SIDE, _SIDE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    _cross(painter)
    badge = QRectF(18, 18, 18, 18)
    match mode:
        case Mode.SEGMENTS:
            _disc(painter, badge.adjusted(3, 3, -3, -3), QColor(*colour))
        case Mode.FILLING:
            _disc(painter, badge, QColor(*colour))
            _sign(painter, badge, plus=True)
        case Mode.UNFILLING:
            _disc(painter, badge, QColor(60, 62, 68))
            _sign(painter, badge, plus=False)
        case Mode.CUTTING:
            _blade(painter, badge)
        case Mode.BRUSH:
            _brush(painter, badge, QColor(*colour))
    painter.end()
    return QCursor(pixmap, _HOT, _HOT)


def _cross(painter: QPainter) -> None:
    middle = _HOT + 0.5
    for colour, width in ((QColor(0, 0, 0, 200), 3.0), (QColor(255, 255, 255), 1.2)):
        painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        for near, far in ((-9, -3), (3, 9)):
            painter.drawLine(QPointF(middle + near, middle), QPointF(middle + far, middle))
            painter.drawLine(QPointF(middle, middle + near), QPointF(middle, middle + far))


def _disc(painter: QPainter, where: QRectF, colour: QColor) -> None:
    painter.setPen(QPen(QColor(0, 0, 0, 190), 3))
    painter.setBrush(colour)
    painter.drawEllipse(where.adjusted(1.5, 1.5, -1.5, -1.5))
    painter.setPen(QPen(QColor(255, 255, 255), 1.5))
    painter.drawEllipse(where.adjusted(1.5, 1.5, -1.5, -1.5))


def _sign(painter: QPainter, where: QRectF, *, plus: bool) -> None:
    middle = where.center()
    painter.setPen(QPen(QColor(255, 255, 255), 2.2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.drawLine(middle - QPointF(3.5, 0), middle + QPointF(3.5, 0))
    if plus:
        painter.drawLine(middle - QPointF(0, 3.5), middle + QPointF(0, 3.5))


def _blade(painter: QPainter, where: QRectF) -> None:
    for colour, width in ((QColor(0, 0, 0, 200), 5.0), (QColor(255, 255, 255), 2.4)):
        painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(where.topLeft() + QPointF(4, 4), where.bottomRight() - QPointF(2, 2))
        painter.setPen(QPen(colour, width - 1, Qt.PenStyle.DotLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(where.topRight() + QPointF(-3, 5), where.bottomLeft() + QPointF(5, -3))


def _brush(painter: QPainter, where: QRectF, colour: QColor) -> None:
    tip, end = where.topLeft() + QPointF(4, 4), where.bottomRight() - QPointF(2, 2)
    for ink, width in ((QColor(0, 0, 0, 200), 6.0), (QColor(255, 255, 255), 3.4)):
        painter.setPen(QPen(ink, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(tip + QPointF(4, 4), end)
    _disc(painter, QRectF(tip.x() - 2, tip.y() - 2, 10, 10), colour)
