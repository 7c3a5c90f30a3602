"""Halved copies of a picture, of its paint and of its boundaries, and how a part of them is kept up to date.

Level 0 is the picture, level k is halved k times; an odd side is rounded up, its last pixel standing for itself. A part
that changed is halved alone, so that a click costs what it changed.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Bounds = tuple[int, int, int, int]  # left, top, right, bottom; half open

_SMALLEST = 512  # the longest side at which halving ends


def level_count(width: int, height: int) -> int:
    """How many levels the pyramid of a picture has, at least 1."""
    levels = 1
    while max(width, height) > _SMALLEST:
        width, height = half(width), half(height)
        levels += 1
    return levels


def half(side: int) -> int:
    """The length of a side that was halved, rounded up.

    >>> half(7), half(1)
    (4, 1)
    """
    return (side + 1) // 2


def halved(pixels: Pixels) -> Pixels:
    """The picture at half its size, each pixel the mean of four; uint8 (h, w) or (h, w, channels)."""
    height, width = pixels.shape[:2]
    result = np.empty((half(height), half(width), *pixels.shape[2:]), np.uint8)
    halve_into(result, pixels, (0, 0, width, height))
    return result


def halve_into(result: Pixels, pixels: Pixels, bounds: Bounds, gain: float = 1.0) -> Bounds:
    """Renew what lies under `bounds` of `pixels` in the halved `result`; returns the bounds of that in `result`.

    With a gain, the means are multiplied by it and end at 255: lines that are one pixel wide fade more slowly.
    """
    height, width = pixels.shape[:2]
    left, top = bounds[0] // 2 * 2, bounds[1] // 2 * 2
    right, bottom = min(width, half(bounds[2]) * 2), min(height, half(bounds[3]) * 2)
    if right <= left or bottom <= top:
        return 0, 0, 0, 0
    part = pixels[top:bottom, left:right]
    if (right - left) % 2 or (bottom - top) % 2:
        part = np.asarray(
            cv2.copyMakeBorder(part, 0, (bottom - top) % 2, 0, (right - left) % 2, cv2.BORDER_REPLICATE), np.uint8
        )
    size = part.shape[1] // 2, part.shape[0] // 2
    small: Any = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    if gain != 1.0:
        small = cv2.convertScaleAbs(small, alpha=gain)
    where = left // 2, top // 2, left // 2 + size[0], top // 2 + size[1]
    result[where[1] : where[3], where[0] : where[2]] = small
    return where


def image_levels(image: Pixels) -> list[Pixels]:
    """The picture and its halved copies, the largest first."""
    levels = [image]
    for _ in range(level_count(image.shape[1], image.shape[0]) - 1):
        levels.append(halved(levels[-1]))
    return levels


class PaintPyramid:
    """The halved copies of a paint map: premultiplied RGB and coverage, uint8 (h, w, 4); none for level 0.

    Nothing is allocated before there is paint.
    """

    def __init__(self, width: int, height: int) -> None:
        self._sizes = [(width, height)]
        for _ in range(level_count(width, height) - 1):
            self._sizes.append((half(self._sizes[-1][0]), half(self._sizes[-1][1])))
        self._levels: list[Pixels] = []

    @property
    def nbytes(self) -> int:
        """Bytes of all copies."""
        return sum(level.nbytes for level in self._levels)

    def level(self, k: int) -> Pixels | None:
        """Level k >= 1; None while nothing is painted."""
        return self._levels[k - 1] if self._levels else None

    def update(self, paint: Pixels, palette: Pixels, bounds: Bounds) -> None:
        """Renew what lies under the bounds of the paint map (h, w); palette: (n, 4) RGBA, row 0 all zero."""
        if len(self._sizes) == 1:
            return
        left, top, right, bottom = bounds
        if not self._levels:
            if not paint[top:bottom, left:right].any():
                return
            self._levels = [np.zeros((height, width, 4), np.uint8) for width, height in self._sizes[1:]]
        # Whole pairs of pixels, and bands of rows, so that a whole picture needs little memory.
        width, height = self._sizes[0]
        left, top = left // 2 * 2, top // 2 * 2
        right, bottom = min(width, half(right) * 2), min(height, half(bottom) * 2)
        four_bytes = palette.view(np.uint32)[:, 0]  # looked up at once
        for start in range(top, bottom, 128):
            stop = min(bottom, start + 128)
            here = paint[start:stop, left:right]
            target = self._levels[0][start // 2 : half(stop), left // 2 : half(right)]
            if not here.any() and not target.any():
                continue
            colours = four_bytes.take(here).view(np.uint8).reshape(*here.shape, 4)
            halve_into(target, colours, (0, 0, right - left, stop - start))
        bounds = left // 2, top // 2, half(right), half(bottom)
        for finer, coarser in zip(self._levels, self._levels[1:], strict=False):
            bounds = halve_into(coarser, finer, bounds)


class EdgePyramid:
    """The boundaries and their halved copies: coverage 0 .. 255, uint8 (h, w)."""

    GAIN = 1.6  # a line of one pixel loses a fifth of its strength with each halving, not half of it

    def __init__(self, edges: Pixels) -> None:
        """`edges`: (h, w), 0 or 255; it is kept and changed by `update`."""
        self.levels = [edges]
        for _ in range(level_count(edges.shape[1], edges.shape[0]) - 1):
            finer = self.levels[-1]
            height, width = finer.shape
            coarser = np.empty((half(height), half(width)), np.uint8)
            halve_into(coarser, finer, (0, 0, width, height), self.GAIN)
            self.levels.append(coarser)

    @property
    def nbytes(self) -> int:
        """Bytes of all copies."""
        return sum(level.nbytes for level in self.levels)

    def update(self, part: Pixels, bounds: Bounds) -> None:
        """Put the part at its bounds into level 0 and renew the others there."""
        left, top, right, bottom = bounds
        self.levels[0][top:bottom, left:right] = part
        for finer, coarser in zip(self.levels, self.levels[1:], strict=False):
            bounds = halve_into(coarser, finer, bounds, self.GAIN)
