"""How the page of a review draws its headings and images."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen, QPixmap, QPolygon

from labelimg.app import theme
from labelimg.clusterimg.gallery import MARGIN, NAME, picture_size
from labelimg.errors import printable

FOLD = 22
"""The width of the sign by which a section is folded."""


@dataclass(frozen=True)
class Title:
    """What a section's heading says: the folder's name, something beside it, and whether it is pending."""

    name: str
    details: str
    changed: bool = False


def draw_heading(painter: QPainter, rect: QRect, title: Title, look: theme.Theme, font: QFont, folded: bool) -> None:
    """Draw the heading of a section."""
    painter.setPen(QColor(look.line))
    if rect.top():
        painter.drawLine(MARGIN, rect.top(), rect.right() - MARGIN, rect.top())
    middle, left = rect.top() + 23, MARGIN + 3
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(look.faint), 1.6))
    sign = ((0, -4), (4, 0), (0, 4)) if folded else ((-2, -2), (2, 2), (6, -2))
    painter.drawPolyline(QPolygon([QPoint(left + x, middle + y) for x, y in sign]))
    left = MARGIN + FOLD
    bold = QFont(font)
    bold.setWeight(QFont.Weight.DemiBold)
    metrics = QFontMetrics(bold)
    baseline = middle + metrics.ascent() // 2 - 1
    painter.setFont(bold)
    painter.setPen(QColor(look.text))
    name = metrics.elidedText(printable(title.name), Qt.TextElideMode.ElideMiddle, rect.width() // 2)
    painter.drawText(left, baseline, name)
    left += metrics.horizontalAdvance(name) + 12
    painter.setFont(font)
    painter.setPen(QColor(look.faint))
    painter.drawText(left, baseline, title.details)
    left += QFontMetrics(font).horizontalAdvance(title.details) + 12
    if title.changed:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(look.accent))
        painter.drawEllipse(QPoint(left, middle), 3, 3)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def draw_target(painter: QPainter, area: QRect, look: theme.Theme) -> None:
    """Show that what is dragged would come into this area."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    tint = QColor(look.accent)
    tint.setAlpha(26)
    painter.setPen(QPen(QColor(look.accent), 2))
    painter.setBrush(tint)
    painter.drawRoundedRect(area.adjusted(6, 2, -6, -4), 10, 10)
    painter.setBrush(Qt.BrushStyle.NoBrush)


class TilePainter:
    """Draws images, all of one size."""

    def __init__(self, painter: QPainter, side: int, ratio: float, look: theme.Theme, font: QFont) -> None:
        self._painter, self._side, self._look, self._ratio = painter, side, look, ratio
        self._room = picture_size(side)
        self.pixels = round(side * ratio)
        self._font = QFont(font)
        self._font.setPointSizeF(max(7.0, font.pointSizeF() - 1.0))
        self._metrics = QFontMetrics(self._font)
        self._text, self._faint = QColor(look.text), QColor(look.faint)
        self._field, self._accent = QColor(look.hover), QColor(look.accent)
        self._tint = QColor(look.accent)
        self._tint.setAlpha(38)

    def elided(self, name: str) -> str:
        """As much of a name as there is room for."""
        return self._metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, self._side)

    def draw(
        self,
        left: int,
        top: int,
        name: str,
        picture: QPixmap | None,
        chosen: bool,
        current: bool,
        changed: bool,
        *,
        cut: bool,
        unreadable: bool,
    ) -> None:
        """Draw an image at a place."""
        painter, side = self._painter, self._side
        body = QRect(left, top, *self._room)
        if chosen:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(self._accent, 2))
            painter.setBrush(self._tint)
            painter.drawRoundedRect(body.adjusted(-4, -4, 4, NAME + 1), 7, 7)
            painter.setBrush(Qt.BrushStyle.NoBrush)
        elif current:
            painter.setPen(QPen(self._faint, 1, Qt.PenStyle.DashLine))
            painter.drawRect(body.adjusted(-4, -4, 3, NAME))
        if picture is None:
            painter.fillRect(body, self._field)
            if unreadable:
                painter.setPen(QColor(self._look.warning))
                painter.setFont(self._font)
                painter.drawText(body, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, "cannot be read")
        else:
            self._draw_picture(body, picture, cut)
        painter.setPen(self._accent if chosen else self._text if current else self._faint)
        painter.setFont(self._font)
        below = QRect(left, body.bottom() + 3, side, NAME - 4)
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, name)
        if changed:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(self._look.window), 2))
            painter.setBrush(self._accent)
            painter.drawEllipse(QPoint(left + side - 8, top + 8), 6, 6)
            painter.setBrush(Qt.BrushStyle.NoBrush)

    def _draw_picture(self, body: QRect, picture: QPixmap, cut: bool) -> None:
        size = QSize(picture.width(), picture.height())
        wide, high = picture_size(self.pixels)
        if size.width() > wide or size.height() > high:  # one of another size, for the time being
            size.scale(wide, high, Qt.AspectRatioMode.KeepAspectRatio)
        width, height = round(size.width() / self._ratio), round(size.height() / self._ratio)
        left, top = body.left() + (body.width() - width) // 2, body.top() + (body.height() - height) // 2
        if cut:
            self._painter.setOpacity(0.4)
        self._painter.drawPixmap(QRect(left, top, width, height), picture)
        self._painter.setOpacity(1.0)
