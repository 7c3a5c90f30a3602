"""Going from image to image on the page of a review, and from cluster to cluster, with keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

if TYPE_CHECKING:
    from labelimg.app.review_gallery import GalleryView

_ARROWS = {
    Qt.Key.Key_Left: "left",
    Qt.Key.Key_Right: "right",
    Qt.Key.Key_Up: "up",
    Qt.Key.Key_Down: "down",
}


class Walking:
    """What keys do on the page."""

    def __init__(self, view: GalleryView) -> None:
        self._view = view

    def pressed(self, key: Qt.Key, modifiers: Qt.KeyboardModifier) -> bool:
        """A key was pressed; whether it is one of those that lead somewhere."""
        view, gallery = self._view, self._view.gallery
        control = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        at = self._at()
        if control and key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.by_section(1 if key == Qt.Key.Key_Down else -1)
        elif key in _ARROWS:
            self._go(0 if at < 0 else gallery.beside(at, _ARROWS[key]), modifiers)
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self._go(0 if key == Qt.Key.Key_Home else len(gallery) - 1, modifiers)
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self._by_page(at, "down" if key == Qt.Key.Key_PageDown else "up", modifiers)
        elif key == Qt.Key.Key_Space and control and view.current >= 0:
            view.choose_one(view.current, Qt.KeyboardModifier.ControlModifier)
        elif key in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter) and not control and len(gallery):
            view.zoom_wanted.emit(int(gallery.rows[max(0, at)]))
        else:
            return False
        return True

    def by_section(self, by: int) -> None:
        """Go to the first image of the next cluster that has any, or of the one before."""
        sections, at = self._view.gallery.sections, self._at()
        section = (self._view.gallery.section_at(at) if at >= 0 else -1) + by
        while 0 <= section < len(sections) and not len(sections[section].rows):
            section += by
        if 0 <= section < len(sections):
            self._view.go_to_section(sections[section].number)

    def _at(self) -> int:
        return self._view.gallery.position(self._view.current) if self._view.current >= 0 else -1

    def _go(self, position: int, modifiers: Qt.KeyboardModifier) -> None:
        view = self._view
        if not 0 <= position < len(view.gallery):
            return
        row = int(view.gallery.rows[position])
        view.choose_one(row, modifiers & Qt.KeyboardModifier.ShiftModifier)
        view.bring_into_sight(row)

    def _by_page(self, at: int, direction: str, modifiers: Qt.KeyboardModifier) -> None:
        gallery = self._view.gallery
        for _ in range(max(1, self._view.viewport().height() // gallery.tile[1] - 1)):
            at = 0 if at < 0 else gallery.beside(at, direction)
        self._go(at, modifiers)
