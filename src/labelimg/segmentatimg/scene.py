"""What a window shows of a picture, as pixels of any level and rectangle; no window.

A scene has a `size`, a number of `levels` and `compose`. The canvas asks for parts of it as they come into sight, and
again for parts that changed.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from labelimg.segmentatimg import kernels
from labelimg.segmentatimg.pyramid import Bounds, EdgePyramid, PaintPyramid, image_levels, level_count
from labelimg.segmentatimg.view import View

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int32]
T = TypeVar("T", bound=np.generic)

_TONE_LEVEL = 3
_NO_MAP = np.zeros((0, 0), np.uint8)
_NO_LABELS = np.zeros((0, 0), np.int32)
_NO_COLOURS = np.zeros((0, 0, 4), np.uint8)


class Scene(Protocol):
    """Anything a canvas can show."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    @property
    def levels(self) -> int:
        """How many levels there are, each half of the one before."""

    def compose(self, level: int, left: int, top: int, out: Pixels) -> None:
        """Fill `out` (h, w, 4), BGRA, with the pixels of a level from (left, top) on; all of them lie inside."""

    def compose_close(self, view: View, left: int, top: int, out: Pixels) -> None:
        """Fill `out` with an enlarged part, from the window pixel (left, top) on, as the view shows it."""


class PictureScene:
    """An image, paint over it and the boundaries of its segments.

    `paint_alpha` and `edge_alpha` are opacities, 0 .. 1. Until there are segments the image is shown alone.
    """

    def __init__(self, image: Pixels, levels: list[Pixels] | None = None) -> None:
        """`image`: uint8 (h, w, 3) RGB, never written; `levels`: its halved copies if they exist already."""
        self.image = np.ascontiguousarray(image)
        self._images = levels or image_levels(self.image)
        self.paint_alpha, self.edge_alpha = 0.6, 0.5
        self._tone = _tone(self._images)
        self._paint: Pixels = _NO_MAP
        self._palette = np.zeros((256, 4), np.uint8)
        self._overlay = PaintPyramid(*self.size)
        self._edges: EdgePyramid | None = None
        self._labels: Labels = _NO_LABELS

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return len(self._images)

    @property
    def nbytes(self) -> int:
        """Bytes of the image, the boundaries and all copies; label map and paint are not its own."""
        kept = sum(each.nbytes for each in (*self._images, self._tone)) + self._overlay.nbytes
        return kept + (0 if self._edges is None else self._edges.nbytes)

    @property
    def has_edges(self) -> bool:
        """Whether there are segments to show."""
        return self._edges is not None

    def set_segments(self, labels: Labels, edges: EdgePyramid) -> None:
        """Show the boundaries of other segments: the label map (h, w), and which pixels are drawn from afar."""
        self._labels, self._edges = labels, edges

    def set_paint(self, paint: Pixels, colours: tuple[tuple[int, int, int], ...]) -> None:
        """Show a paint map (h, w), 0 none, k the colour colours[k - 1]; changes in it are told by `paint_changed`."""
        self._paint = paint
        self.paint_changed((0, 0, *self.size), colours)

    def paint_changed(self, bounds: Bounds, colours: tuple[tuple[int, int, int], ...]) -> None:
        """The paint within the bounds is another, and perhaps there are more colours."""
        self._palette[1:] = 0
        if colours:
            self._palette[1 : len(colours) + 1, :3] = colours
            self._palette[1 : len(colours) + 1, 3] = 255
        self._overlay.update(self._paint, self._palette, bounds)

    def edges_changed(self, part: NDArray[np.bool_], bounds: Bounds) -> None:
        """The boundaries within the bounds are these."""
        if self._edges is not None:
            self._edges.update(part.astype(np.uint8) * np.uint8(255), bounds)

    def compose(self, level: int, left: int, top: int, out: Pixels) -> None:
        """Fill `out` with image, paint and boundaries."""
        overlay = self._overlay.level(level) if level else None
        paint = self._paint if level == 0 and self.paint_alpha else _NO_MAP
        edge_alpha = round(256 * self.edge_alpha)
        edges = self._edges.levels[level] if self._edges is not None and edge_alpha else _NO_MAP
        image = self._images[level]
        if not (paint.size or overlay is not None or edges.size):
            height, width = out.shape[:2]
            cv2.cvtColor(image[top : top + height, left : left + width], cv2.COLOR_RGB2BGRA, dst=out)
            return
        kernels.compose(
            out,
            image,
            paint,
            np.ascontiguousarray(self._palette[:, :3]),
            overlay if overlay is not None and self.paint_alpha else _NO_COLOURS,
            edges,
            self._tone,
            left,
            top,
            level,
            min(_TONE_LEVEL, len(self._images) - 1),
            round(256 * self.paint_alpha),
            edge_alpha,
        )

    def compose_close(self, view: View, left: int, top: int, out: Pixels) -> None:
        """Fill `out` with an enlarged part; the lines between segments are as thin as the window can draw them."""
        if not (self._paint.size or self._labels.size):
            cv2.cvtColor(_enlarged(self.image, view, left, top, out), cv2.COLOR_RGB2BGRA, dst=out)
            return
        x0, y0 = view.to_image((left, top))
        kernels.compose_close(
            out,
            self.image,
            self._paint,
            np.ascontiguousarray(self._palette[:, :3]),
            self._labels,
            self._tone,
            view.scale,
            x0,
            y0,
            min(_TONE_LEVEL, len(self._images) - 1),
            round(256 * self.paint_alpha),
            round(256 * self.edge_alpha),
            1 if view.scale < 6 else 2,
        )


class SegmentsScene:
    """A label map, each segment in a colour of its own; 0, an edge, is black."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self._colours = _distinct(1 << 12)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.labels.shape[1], self.labels.shape[0]

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return level_count(*self.size)

    def compose(self, level: int, left: int, top: int, out: Pixels) -> None:
        """Fill `out`; a coarser level takes every second pixel of the finer one."""
        part = _every(self.labels, level, left, top, out)
        out[...] = self._coloured(part)

    def compose_close(self, view: View, left: int, top: int, out: Pixels) -> None:
        """Fill `out` with an enlarged part."""
        out[...] = self._coloured(_enlarged(self.labels, view, left, top, out))

    def _coloured(self, labels: Labels) -> Pixels:
        # The last colours come round again; only 0 is black.
        return self._colours[np.where(labels == 0, 0, 1 + labels % (len(self._colours) - 1))]


class PaintScene:
    """A paint map alone, on black."""

    def __init__(self, paint: Pixels, colours: tuple[tuple[int, int, int], ...]) -> None:
        self.paint = paint
        self.colours = colours

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.paint.shape[1], self.paint.shape[0]

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return level_count(*self.size)

    def compose(self, level: int, left: int, top: int, out: Pixels) -> None:
        """Fill `out`; a coarser level takes every second pixel of the finer one."""
        out[...] = self._palette()[_every(self.paint, level, left, top, out)]

    def compose_close(self, view: View, left: int, top: int, out: Pixels) -> None:
        """Fill `out` with an enlarged part."""
        out[...] = self._palette()[_enlarged(self.paint, view, left, top, out)]

    def _palette(self) -> Pixels:
        palette = np.zeros((256, 4), np.uint8)
        palette[:, 3] = 255
        if self.colours:
            palette[1 : len(self.colours) + 1, :3] = np.asarray(self.colours, np.uint8)[:, ::-1]
        return palette


def _enlarged(pixels: NDArray[T], view: View, left: int, top: int, out: Pixels) -> NDArray[T]:
    x0, y0 = view.to_image((left, top))
    columns = np.clip((x0 + (np.arange(out.shape[1]) + 0.5) / view.scale).astype(np.intp), 0, pixels.shape[1] - 1)
    rows = np.clip((y0 + (np.arange(out.shape[0]) + 0.5) / view.scale).astype(np.intp), 0, pixels.shape[0] - 1)
    enlarged: NDArray[T] = pixels[rows[:, None], columns]
    return enlarged


def _every(pixels: NDArray[T], level: int, left: int, top: int, out: Pixels) -> NDArray[T]:
    step = 1 << level
    return pixels[top * step : (top + out.shape[0]) * step : step, left * step : (left + out.shape[1]) * step : step]


def _distinct(count: int) -> Pixels:
    """Colours (count, 4), BGRA: black, then hues by the golden angle, so that neighbours in number differ."""
    k = np.arange(count)
    hsv = np.stack([k * 111 % 180, 120 + k * 37 % 110, 150 + k * 53 % 105], axis=1).astype(np.uint8)
    colours = np.full((count, 4), 255, np.uint8)
    colours[:, :3] = cv2.cvtColor(hsv[None], cv2.COLOR_HSV2BGR)[0]
    colours[0, :3] = 0
    return colours


def _tone(images: list[Pixels]) -> Pixels:
    """The smoothed brightness of the picture, from one of the halved copies."""
    small = images[min(_TONE_LEVEL, len(images) - 1)]
    return np.ascontiguousarray(cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), (0, 0), 2.0), np.uint8)
