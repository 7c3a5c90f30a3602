"""Pairs of pictures beside the curve: those just above the threshold that is looked at, and those just below."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from labelimg.app import theme
from labelimg.app.threshold_pictures import Thumbnails

_ROW, _GAP, _HEAD = 112, 8, 26


@dataclass(frozen=True)
class Pair:
    """Two images by their paths, what to call them, and how similar they are."""

    first: str
    second: str
    names: str
    similarity: float


class PairsView(QWidget):
    """Up to `most` pairs under a heading, as pictures that come when they are decoded."""

    def __init__(self, heading: str, thumbnails: Thumbnails, most: int) -> None:
        super().__init__()
        self._heading = heading
        self._thumbnails = thumbnails
        self._most = most
        self._pairs: list[Pair] = []
        thumbnails.came.connect(self._came)
        self.setMinimumWidth(300)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_HEAD + most * (_ROW + _GAP))
        self.setAccessibleName(heading)

    @property
    def pairs(self) -> list[Pair]:
        """What is shown."""
        return self._pairs

    def sizeHint(self) -> QSize:
        """Two pictures wide."""
        return QSize(360, self.height())

    def show_pairs(self, pairs: list[Pair]) -> None:
        """Show these in place of those before."""
        if pairs != self._pairs:
            self._pairs = pairs
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the heading and a row for each pair."""
        now = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        heading, small = QFont(self.font()), QFont(self.font())
        heading.setBold(True)
        painter.setFont(heading)
        painter.setPen(QColor(now.faint))
        painter.drawText(QRect(0, 0, self.width(), _HEAD - 6), Qt.AlignmentFlag.AlignVCenter, self._heading)
        small.setPixelSize(11)
        if not self._pairs:
            painter.setFont(small)
            painter.drawText(QRect(0, _HEAD, self.width(), 20), Qt.AlignmentFlag.AlignVCenter, "none")
        for k, pair in enumerate(self._pairs[: self._most]):
            top = _HEAD + k * (_ROW + _GAP)
            card = QRect(0, top, self.width() - 1, _ROW)
            painter.setPen(QColor(now.line))
            painter.setBrush(QColor(now.raised))
            painter.drawRoundedRect(card, 8, 8)
            half = (card.width() - 18) // 2
            for side, path in enumerate((pair.first, pair.second)):
                place = QRect(6 + side * (half + 6), top + 6, half, _ROW - 28)
                _draw(painter, self._thumbnails.get(path), place, QColor(now.hover))
            painter.setFont(small)
            painter.setPen(QColor(now.text))
            words = QRect(10, top + _ROW - 20, card.width() - 20, 16)
            number = f"{pair.similarity:.3f}"
            painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, number)
            painter.setPen(QColor(now.faint))
            room = words.width() - painter.fontMetrics().horizontalAdvance(number) - 10
            names = painter.fontMetrics().elidedText(pair.names, Qt.TextElideMode.ElideMiddle, room)
            painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, names)
        painter.end()

    def _came(self, path: str) -> None:
        if any(path in (pair.first, pair.second) for pair in self._pairs):
            self.update()


def _draw(painter: QPainter, picture: QPixmap | None, place: QRect, waiting: QColor) -> None:
    """The picture as large as fits; a blank where it is not there yet."""
    if picture is None or picture.isNull():
        painter.fillRect(place, waiting)
        return
    size = picture.size().scaled(place.size(), Qt.AspectRatioMode.KeepAspectRatio)
    corner = place.topLeft() + QPoint((place.width() - size.width()) // 2, (place.height() - size.height()) // 2)
    painter.drawPixmap(QRect(corner, size), picture)
