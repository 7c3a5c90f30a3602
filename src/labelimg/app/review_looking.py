"""Looking at whole images one after the other: which comes next, and what is said of it."""

from __future__ import annotations

import numpy as np

from labelimg.app.review_gallery import GalleryView
from labelimg.app.review_page import Page
from labelimg.app.review_zoom import Zoom
from labelimg.clusterimg.review import Review
from labelimg.errors import printable


class Looking:
    """Leads the whole image along the page; it is the one that is chosen there."""

    def __init__(self, review: Review, gallery: GalleryView, zoom: Zoom, page: Page) -> None:
        self._review, self._gallery, self._zoom, self._page = review, gallery, zoom, page
        gallery.zoom_wanted.connect(self.show)
        zoom.step.connect(self.step)
        zoom.closed.connect(gallery.setFocus)

    def show(self, row: int) -> None:
        """Show an image whole."""
        self._gallery.choose([row], current=row)
        self._gallery.bring_into_sight(row)
        gallery, images = self._gallery.gallery, self._review.images
        at = gallery.position(row)
        section = gallery.sections[gallery.section_at(at)]
        beside = tuple(images[int(gallery.rows[k])] for k in (at + 1, at - 1) if 0 <= k < len(gallery))
        number = int(np.searchsorted(section.rows, row)) + 1
        cluster = printable(self._review.now.name_of(int(self._review.now.clusters[row])))
        caption = f"{cluster}  ·  {number:,} of {len(section.rows):,}{self._page.told_of(row)}"
        self._zoom.show_image(images[row], printable(images[row]), caption, beside)

    def show_current(self) -> None:
        """Show the current image whole, or the first."""
        if len(self._gallery.gallery):
            current = self._gallery.current
            self.show(current if current >= 0 else int(self._gallery.gallery.rows[0]))

    def step(self, by: int) -> None:
        """Go on by so many images, as far as there are any."""
        gallery = self._gallery.gallery
        at = gallery.position(self._gallery.current) if self._gallery.current >= 0 else 0
        self.show(int(gallery.rows[min(max(at + by, 0), len(gallery) - 1)]))

    def follow(self) -> None:
        """After a change: the image that is shown stays, or the one that has come into its place."""
        if not self._zoom.isVisible():
            return
        if self._gallery.current >= 0 and self._gallery.gallery.position(self._gallery.current) >= 0:
            self.show(self._gallery.current)
        else:
            self._zoom.leave()
