"""The page of a review's clusters as thumbnails: drawn where it is in sight, chosen from, moved about in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QAbstractScrollArea, QFrame

from labelimg.app import theme
from labelimg.app.review_dragging import Dragging
from labelimg.app.review_drawing import FOLD, TilePainter, Title, draw_heading, draw_target
from labelimg.app.review_pictures import Pictures
from labelimg.app.review_renaming import NameEditor
from labelimg.app.review_walking import Walking
from labelimg.clusterimg.gallery import MARGIN, Gallery, Hit, Section
from labelimg.errors import printable

SIDES = (72, 96, 128, 160, 208, 272, 352)


class GalleryView(QAbstractScrollArea):
    """Shows sections of images. What is done to them is told by signals; only the choice of images is its own."""

    chosen_changed = Signal()
    dropped = Signal(object, int)  # rows, the number of the cluster they are for, NEW for one of their own
    merged = Signal(int, int)  # a cluster that was dragged, the one it was dropped on
    zoom_wanted = Signal(int)
    renamed = Signal(int, str)
    menu_wanted = Signal(QPoint)
    fold_wanted = Signal(int)
    size_wanted = Signal(int)

    def __init__(self, pictures: Pictures, names: Sequence[str]) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._pictures = pictures
        pictures.ready.connect(self._picture_came)
        self.side = 128
        self.may_change = True
        self.show_images(names)
        self._titles: tuple[Title, ...] = ()
        self._changed: NDArray[np.bool_] = np.zeros(len(names), bool)
        self.gallery = Gallery((), 100, self.side)
        self.editor: NameEditor | None = None
        self.dragging = Dragging(self)
        self.walking = Walking(self)

    # ------------------------------------------------------------------------------------------ what is shown

    def show_images(self, names: Sequence[str]) -> None:
        """Show other images: nothing is chosen."""
        self._names = [printable(name.rpartition("/")[2]) for name in names]
        self._full_names = tuple(names)
        self._row_of = {name: row for row, name in enumerate(names)}
        self.chosen: NDArray[np.bool_] = np.zeros(len(names), bool)
        self.cut: NDArray[np.bool_] = np.zeros(len(names), bool)
        self.current = -1
        self._anchor = -1
        self._elided: dict[int, str] = {}

    def show_sections(self, sections: Sequence[Section], titles: Sequence[Title], changed: NDArray[np.bool_]) -> None:
        """Show these clusters; what was in sight stays there as far as it can."""
        before, top = self.gallery, self.verticalScrollBar().value()
        keep, offset = -1, 0
        if len(before):
            position = before.position(self.current)
            if position < 0 or not self._is_in_sight(before.place(position), top):
                first = next((k for s in before.seen(top, top + 1) for k in before.seen_in(s, top, top + 400)), -1)
                position = first
            if position >= 0:
                keep, offset = int(before.rows[position]), before.place(position)[1] - top
        self._titles, self._changed = tuple(titles), changed
        self.gallery = Gallery(sections, self.viewport().width(), self.side)
        self._set_range()
        position = self.gallery.position(keep) if keep >= 0 else -1
        if position >= 0:
            self.verticalScrollBar().setValue(self.gallery.place(position)[1] - offset)
        self.end_editing()
        shown = np.zeros(len(self.chosen), bool)
        for section in self.gallery.sections:
            shown[section.rows] = True
        if (self.chosen & ~shown).any():
            self.chosen &= shown
            self.chosen_changed.emit()
        if self.current >= 0 and not shown[self.current]:
            self.current = -1
        self.viewport().update()

    def set_side(self, side: int) -> None:
        """Show thumbnails of this side."""
        if side != self.side:
            self.side = side
            self._elided.clear()
            self.show_sections(self.gallery.sections, self._titles, self._changed)

    @property
    def chosen_rows(self) -> list[int]:
        """The images that are chosen, ascending."""
        return [int(row) for row in np.flatnonzero(self.chosen)]

    @property
    def current_number(self) -> int:
        """The number of the cluster that the current image is in, -1 if there is none."""
        position = self.gallery.position(self.current) if self.current >= 0 else -1
        return -1 if position < 0 else self.gallery.sections[self.gallery.section_at(position)].number

    def choose(self, rows: Sequence[int] | NDArray[np.int32], *, current: int = -1) -> None:
        """Choose these images and no others."""
        self.chosen[:] = False
        self.chosen[np.asarray(rows, np.int64)] = True
        if current >= 0:
            self.current = self._anchor = current
        self.viewport().update()
        self.chosen_changed.emit()

    def go_to(self, row: int) -> None:
        """Make an image the current one, chosen alone, and bring it into sight."""
        self.choose([row], current=row)
        self.bring_into_sight(row)

    def bring_into_sight(self, row: int) -> None:
        """Scroll until the image is in sight; its heading, too, where it is in the first line."""
        position = self.gallery.position(row)
        if position < 0:
            return
        section = self.gallery.section_at(position)
        _, top, _, height = self.gallery.place(position)
        first_line = position < self.gallery.starts[section] + self.gallery.columns
        upper = int(self.gallery.tops[section]) if first_line else top - 8
        bar, room = self.verticalScrollBar(), self.viewport().height()
        if upper < bar.value():
            bar.setValue(upper)
        elif top + height + 8 > bar.value() + room:
            bar.setValue(top + height + 8 - room)

    def go_to_section(self, number: int) -> None:
        """Scroll to a cluster; its first image becomes the current one."""
        section = self.gallery.section_of(number)
        if section < 0:
            return
        self.verticalScrollBar().setValue(int(self.gallery.tops[section]))
        if len(self.gallery.sections[section].rows):
            row = int(self.gallery.sections[section].rows[0])
            self.choose([row], current=row)

    def rect_of(self, row: int) -> QRect:
        """Where an image is shown in the viewport; empty if it is not on the page."""
        position = self.gallery.position(row)
        return QRect() if position < 0 else QRect(*self.gallery.place(position)).translated(0, -self._top)

    def heading_rect(self, number: int) -> QRect:
        """Where a cluster's heading is shown in the viewport; empty if it is not on the page."""
        section = self.gallery.section_of(number)
        return QRect() if section < 0 else QRect(*self.gallery.heading(section)).translated(0, -self._top)

    def hit(self, point: QPoint) -> Hit:
        """What lies at a point of the viewport."""
        return self.gallery.at(point.x(), point.y() + self._top)

    def edit_name(self, number: int) -> None:
        """Let the name of a cluster be changed in its heading; `renamed` tells the new one."""
        section = self.gallery.section_of(number)
        if section < 0:
            return
        top = int(self.gallery.tops[section])
        if not self._top <= top <= self._top + self.viewport().height() - 60:
            self.verticalScrollBar().setValue(top)
        self.end_editing()
        rect = self.heading_rect(number)
        place = QRect(MARGIN + FOLD - 8, rect.top() + 5, min(420, rect.width() - 80), rect.height() - 9)
        self.editor = NameEditor(self.viewport(), printable(self._titles[section].name), place)
        self.editor.entered.connect(lambda name: self.renamed.emit(number, name))
        self.editor.left.connect(self._editor_left)

    def end_editing(self) -> None:
        """The name is what it should be."""
        if self.editor is not None:
            self.editor.finish()

    def _editor_left(self) -> None:
        self.editor = None
        self.setFocus()

    # ------------------------------------------------------------------------------------------------- the hand

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose what is under the pointer, or begin to drag it."""
        point = event.position().toPoint()
        hit = self.hit(point)
        if event.button() == Qt.MouseButton.RightButton:
            if hit.position >= 0 and not self.chosen[self.gallery.rows[hit.position]]:
                self.choose_one(int(self.gallery.rows[hit.position]), event.modifiers())
            elif hit.heading:
                self._choose_section(hit.section, event.modifiers())
            self.menu_wanted.emit(event.globalPosition().toPoint())
            return
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if hit.heading and point.x() < MARGIN + FOLD:
            self.fold_wanted.emit(self.gallery.sections[hit.section].number)
            return
        self.dragging.pressed(point, hit)
        plain = not event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
        if hit.heading:
            rows = self.gallery.sections[hit.section].rows
            if not (plain and len(rows) and self.chosen[rows].all()):
                self._choose_section(hit.section, event.modifiers())
        elif hit.position >= 0:
            row = int(self.gallery.rows[hit.position])
            if plain and self.chosen[row]:
                self.current = self._anchor = row  # perhaps all that is chosen will be dragged
                self.viewport().update()
            else:
                self.choose_one(row, event.modifiers())
        elif plain:
            self.choose([])

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag on, or show what a click would do."""
        point = event.position().toPoint()
        if self.dragging.is_pressed:
            self.dragging.moved(point)
            return
        hit = self.hit(point)
        hand = hit.position >= 0 or (hit.heading and point.x() < MARGIN + FOLD)
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if hand else Qt.CursorShape.ArrowCursor)
        tip = self._full_names[int(self.gallery.rows[hit.position])] if hit.position >= 0 else ""
        self.viewport().setToolTip(printable(tip))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Drop what was dragged; a click on one of several chosen chooses it alone."""
        if event.button() != Qt.MouseButton.LeftButton or not self.dragging.is_pressed:
            return
        hit = self.hit(event.position().toPoint())
        plain = not event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
        if not self.dragging.released(event.position().toPoint()) and plain:
            if hit.position >= 0:
                row = int(self.gallery.rows[hit.position])
                self.choose([row], current=row)
            elif hit.heading:
                self._choose_section(hit.section, event.modifiers())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """On an image: show it whole. On a name: change it."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        hit = self.hit(event.position().toPoint())
        if hit.position >= 0:
            self.zoom_wanted.emit(int(self.gallery.rows[hit.position]))
        elif hit.heading and self.may_change:
            if event.position().x() < MARGIN + FOLD:
                self.fold_wanted.emit(self.gallery.sections[hit.section].number)
            elif self.gallery.sections[hit.section].number:
                self.edit_name(self.gallery.sections[hit.section].number)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll; with Ctrl, other sizes."""
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.size_wanted.emit(1 if event.angleDelta().y() > 0 else -1)
        else:
            super().wheelEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows go from image to image, with Shift they choose all between; space shows one whole."""
        if event.key() == Qt.Key.Key_Escape:
            if not self.dragging.cancel():
                self.cut[:] = False
                self.choose([])
        elif not self.walking.pressed(Qt.Key(event.key()), event.modifiers()):
            super().keyPressEvent(event)

    def choose_one(self, row: int, modifiers: Qt.KeyboardModifier) -> None:
        """Choose an image as lists do it: alone; with Ctrl besides the others, or no more; with Shift all between."""
        if modifiers & Qt.KeyboardModifier.ShiftModifier and self._anchor >= 0:
            first, last = sorted((max(0, self.gallery.position(self._anchor)), self.gallery.position(row)))
            self.chosen[:] = False
            self.chosen[self.gallery.rows[first : last + 1]] = True
            self.current = row
        elif modifiers & Qt.KeyboardModifier.ControlModifier:
            self.chosen[row] ^= True
            self.current = self._anchor = row
        else:
            self.choose([row], current=row)
            return
        self.viewport().update()
        self.chosen_changed.emit()

    def _choose_section(self, section: int, modifiers: Qt.KeyboardModifier) -> None:
        rows = self.gallery.sections[section].rows
        value = True
        if modifiers & Qt.KeyboardModifier.ControlModifier:
            value = not (len(rows) and self.chosen[rows].all())
        elif not modifiers & Qt.KeyboardModifier.ShiftModifier:
            self.chosen[:] = False
        self.chosen[rows] = value
        if len(rows):
            self.current = self._anchor = int(rows[0])
        self.viewport().update()
        self.chosen_changed.emit()

    # ------------------------------------------------------------------------------------------------- the eye

    @property
    def _top(self) -> int:
        return self.verticalScrollBar().value()

    def _is_in_sight(self, place: tuple[int, int, int, int], top: int) -> bool:
        return top - place[3] < place[1] < top + self.viewport().height()

    def _set_range(self) -> None:
        bar, room = self.verticalScrollBar(), self.viewport().height()
        bar.setRange(0, max(0, self.gallery.height - room))
        bar.setPageStep(room)
        bar.setSingleStep(48)

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Only what comes into sight is drawn anew."""
        self._pictures.wait()
        self.viewport().scroll(0, dy)
        self.dragging.scrolled()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """As many columns as there is room for."""
        self._pictures.wait()
        super().resizeEvent(event)
        if self.viewport().width() != self.gallery.width:
            self.show_sections(self.gallery.sections, self._titles, self._changed)
        else:
            self._set_range()
        self.dragging.place_zones()

    def sizeHint(self) -> QSize:
        """Room for some clusters."""
        return QSize(900, 620)

    def _picture_came(self, name: str) -> None:
        row = self._row_of.get(name, -1)
        if row >= 0:
            rect = self.rect_of(row)
            if rect.intersects(self.viewport().rect()):
                self.viewport().update(rect)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the headings and images that the rectangle touches."""
        self._pictures.wait()
        look, area, gallery = theme.current(), event.rect(), self.gallery
        painter = QPainter(self.viewport())
        painter.fillRect(area, QColor(look.window))
        painter.translate(0, -self._top)
        top, bottom = area.top() + self._top, area.bottom() + 1 + self._top
        tile = TilePainter(painter, self.side, self.devicePixelRatioF(), look, self.font())
        for section in gallery.seen(top, bottom):
            if int(gallery.tops[section]) + gallery.heading(section)[3] > top:
                folded = gallery.sections[section].folded
                draw_heading(
                    painter, QRect(*gallery.heading(section)), self._titles[section], look, self.font(), folded
                )
            for position in gallery.seen_in(section, top, bottom):
                left, upper, _, _ = gallery.place(position)
                row = int(gallery.rows[position])
                name = self._elided.get(row)
                if name is None:
                    name = self._elided[row] = tile.elided(self._names[row])
                picture = self._pictures.get(self._full_names[row], tile.pixels)
                marks = (bool(self.chosen[row]), row == self.current and self.hasFocus(), bool(self._changed[row]))
                unreadable = picture is None and self._pictures.is_unreadable(self._full_names[row])
                tile.draw(left, upper, name, picture, *marks, cut=bool(self.cut[row]), unreadable=unreadable)
            if self.dragging.target == gallery.sections[section].number and self.dragging.is_dragging:
                draw_target(painter, QRect(*gallery.area(section)), look)
        painter.end()
