"""Dragging images, or a whole cluster, to another cluster on the page, or choosing what lies in a rectangle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect, QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QPainter, QPixmap
from PySide6.QtWidgets import QApplication, QLabel, QRubberBand

from labelimg.app import theme
from labelimg.clusterimg.arrangement import OUTLIERS
from labelimg.clusterimg.gallery import Hit

if TYPE_CHECKING:
    from labelimg.app.review_gallery import GalleryView

NEW = -1
"""The number that stands for a cluster of their own."""
NOWHERE = -2

_EDGE = 56  # pixels from the top and the bottom within which the page scrolls
_TURN_MS = 16


class Dragging:
    """What goes on between a press and its release."""

    def __init__(self, view: GalleryView) -> None:
        self._view = view
        self._pressed: QPoint | None = None
        self._hit = Hit()
        self._at = QPoint()
        self._begun_at = QPoint()  # of the page, for the rectangle
        self._before: NDArray[np.bool_] = np.zeros(0, bool)
        self.is_dragging = False
        self.rows: list[int] = []
        self.whole = NOWHERE  # the cluster that is dragged by its heading
        self.target = NOWHERE
        self._band: QRubberBand | None = None
        self._ghost = QLabel(view)
        self._ghost.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._ghost.setObjectName("ghost")
        self._ghost.hide()
        self.zones: dict[int, QLabel] = {}
        for number, text in ((NEW, "a new cluster"), (OUTLIERS, "the outliers")):
            zone = QLabel(text, view)
            zone.setObjectName("zone")
            zone.setAlignment(Qt.AlignmentFlag.AlignCenter)
            zone.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            zone.hide()
            self.zones[number] = zone
        self._turns = QTimer(view)
        self._turns.setInterval(_TURN_MS)
        self._turns.timeout.connect(self._turn)

    @property
    def is_pressed(self) -> bool:
        """Whether the button is down."""
        return self._pressed is not None

    def pressed(self, at: QPoint, hit: Hit) -> None:
        """The button went down on something."""
        self._pressed, self._hit, self._at = at, hit, at
        self._begun_at = at + QPoint(0, self._view.verticalScrollBar().value())
        self._before = self._view.chosen.copy()

    def moved(self, at: QPoint) -> None:
        """The pointer went on with the button down."""
        self._at = at
        assert self._pressed is not None
        if not self.is_dragging and self._band is None:
            if (at - self._pressed).manhattanLength() < QApplication.startDragDistance():
                return
            self._begin()
        self._follow()

    def released(self, at: QPoint) -> bool:
        """The button went up; whether anything was dragged."""
        self._at = at
        was_dragging, band, target, rows = self.is_dragging, self._band, self.target, self.rows
        if was_dragging:
            self._follow()
            target = self.target
        self._end()
        if was_dragging and target != NOWHERE:
            if self.whole > OUTLIERS and target > OUTLIERS:
                self._view.merged.emit(self.whole, target)
            else:
                self._view.dropped.emit(rows, target)
        return was_dragging or band is not None

    def cancel(self) -> bool:
        """End without doing anything; whether something was being dragged."""
        was = self.is_dragging or self._band is not None
        if self._band is not None:
            self._view.chosen[:] = self._before
            self._view.chosen_changed.emit()
        self._end()
        return was

    def scrolled(self) -> None:
        """The page moved on under the pointer."""
        if self.is_dragging or self._band is not None:
            self._view.viewport().update()

    def place_zones(self) -> None:
        """The places for a new cluster and the outliers are at the bottom, whatever is in sight."""
        view = self._view.viewport()
        width, height = min(260, (view.width() - 48) // 2), 54
        left, top = (view.width() - 2 * width - 12) // 2, view.height() - height - 14
        for number, zone in self.zones.items():
            zone.setGeometry(left + (0 if number == NEW else width + 12), top, width, height)

    def _begin(self) -> None:
        view, hit = self._view, self._hit
        self._turns.start()
        if hit.position < 0 and not hit.heading:
            self._band = QRubberBand(QRubberBand.Shape.Rectangle, view.viewport())
            self._band.show()
            return
        if not view.may_change:
            self._pressed = None
            self._turns.stop()
            return
        section = view.gallery.sections[hit.section]
        self.whole = section.number if hit.heading else NOWHERE
        self.rows = [int(row) for row in section.rows] if hit.heading else view.chosen_rows
        if not self.rows:
            self._pressed = None
            self._turns.stop()
            return
        self.is_dragging = True
        self._draw_ghost()
        self.place_zones()
        for zone in self.zones.values():
            zone.show()
            zone.raise_()
        self._ghost.raise_()

    def _draw_ghost(self) -> None:
        """The image in hand follows the pointer, with how many there are."""
        row = self.rows[0] if self._view.current not in self.rows else self._view.current
        rect = self._view.rect_of(row)
        rect.setHeight(self._view.gallery.picture[1])
        seen = rect.isValid() and self._view.viewport().rect().contains(rect)
        picture = self._view.viewport().grab(rect) if seen else QPixmap(110, 60)
        if not seen:
            picture.fill(QColor(theme.current().hover))
        picture = picture.scaled(
            110, 88, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        count = len(self.rows)
        if count > 1:
            _add_badge(picture, f"{count:,}")
        self._ghost.setPixmap(picture)
        what = "1 image" if count == 1 else f"{count:,} images"
        for number, zone in self.zones.items():
            where = "a new cluster" if number == NEW else "the outliers"
            zone.setText(f"{what} to {where}")
        self._ghost.adjustSize()
        self._ghost.show()

    def _follow(self) -> None:
        view = self._view
        if self._band is not None:
            begun = self._begun_at - QPoint(0, view.verticalScrollBar().value())
            rect = QRect(begun, self._at).normalized()
            self._band.setGeometry(rect)
            page = rect.translated(0, view.verticalScrollBar().value())
            within = view.gallery.within((page.left(), page.top(), page.width(), page.height()))
            chosen = self._before.copy()
            chosen[view.gallery.rows[within]] = True
            if not np.array_equal(chosen, view.chosen):
                view.chosen[:] = chosen
                view.viewport().update()
                view.chosen_changed.emit()
            return
        if not self.is_dragging:
            return
        self._ghost.move(self._at + QPoint(14, 14))
        target = next((number for number, zone in self.zones.items() if zone.geometry().contains(self._at)), NOWHERE)
        over_zone = target != NOWHERE
        if not over_zone:
            hit = view.hit(self._at)
            target = view.gallery.sections[hit.section].number if hit.section >= 0 else NOWHERE
        if target != self.target:
            self.target = target
            view.viewport().update()
            for number, zone in self.zones.items():
                zone.setProperty("over", over_zone and number == target)
                zone.style().unpolish(zone)
                zone.style().polish(zone)
        shape = Qt.CursorShape.ForbiddenCursor if target == NOWHERE else Qt.CursorShape.DragMoveCursor
        view.viewport().setCursor(shape)

    def _turn(self) -> None:
        """Scroll while the pointer is near an edge, the faster the nearer."""
        bar, room = self._view.verticalScrollBar(), self._view.viewport().height()
        below_zone = any(zone.isVisible() and zone.geometry().contains(self._at) for zone in self.zones.values())
        if self._at.y() < _EDGE:
            by = -(_EDGE - max(0, self._at.y())) // 3
        elif self._at.y() > room - _EDGE and not below_zone:
            by = (_EDGE - max(0, room - self._at.y())) // 3
        else:
            return
        before = bar.value()
        bar.setValue(before + by)
        if bar.value() != before:
            self._follow()

    def _end(self) -> None:
        self._turns.stop()
        self._pressed, self.is_dragging, self.target = None, False, NOWHERE
        self._ghost.hide()
        for zone in self.zones.values():
            zone.hide()
        if self._band is not None:
            self._band.hide()
            self._band.deleteLater()
            self._band = None
        self._view.viewport().setCursor(Qt.CursorShape.ArrowCursor)
        self._view.viewport().update()


def _add_badge(picture: QPixmap, text: str) -> None:
    look = theme.current()
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    font = painter.font()
    font.setBold(True)
    painter.setFont(font)
    width = painter.fontMetrics().horizontalAdvance(text) + 14
    rect = QRectF(picture.width() / picture.devicePixelRatio() - width - 4, 4, width, 22)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(look.accent))
    painter.drawRoundedRect(rect, 11, 11)
    painter.setPen(QColor(look.accent_text))
    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, text)
    painter.end()
