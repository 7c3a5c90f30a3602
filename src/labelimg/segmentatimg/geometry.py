"""Rectangles, and which pixels a line, a path or a brush covers. Coordinates are (x, y), pixel centres, integers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Point = tuple[int, int]
Positions = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle of pixels, `right` and `bottom` not in it. One without pixels is false: nothing changed.

    >>> Rect(2, 3, 5, 4) | Rect()
    Rect(left=2, top=3, right=5, bottom=4)
    """

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def __bool__(self) -> bool:
        return self.left < self.right and self.top < self.bottom

    def __or__(self, other: Rect) -> Rect:
        """The smallest rectangle around both."""
        if not other:
            return self
        if not self:
            return other
        return Rect(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    @property
    def width(self) -> int:
        """How many columns it has."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """How many rows it has."""
        return self.bottom - self.top

    @property
    def slices(self) -> tuple[slice, slice]:
        """What cuts it out of an array (h, w): rows, columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, by: int, width: int, height: int) -> Rect:
        """The rectangle with `by` pixels more on each side, within an image of this size."""
        if not self:
            return self
        return Rect(
            max(0, self.left - by), max(0, self.top - by), min(width, self.right + by), min(height, self.bottom + by)
        )


def as_points(points: Sequence[Point]) -> list[Point]:
    """The points with Python's own integers."""
    return [(int(x), int(y)) for x, y in points]


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """The values, sorted, each once; for a few thousand of them many times faster than np.unique, which hashes."""
    values = np.sort(values)
    new = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return values[new]


def pixels_of(starts: Positions, lengths: Positions) -> NDArray[np.intp]:
    """The flat positions of all pixels of some runs, in their order."""
    if not len(starts):
        return np.empty(0, np.intp)
    steps = np.ones(int(lengths.sum()), np.intp)
    steps[0] = starts[0]
    steps[np.cumsum(lengths[:-1])] = starts[1:] - (starts[:-1] + lengths[:-1] - 1)
    return np.cumsum(steps)


def line_pixels(p: Point, q: Point, width: int, height: int) -> Positions:
    """The flat positions of the one-pixel line from p to q that lie in the image, sorted: int32 (n,).

    The line goes a pixel on along its longer direction and is rounded in the other (Bresenham), so it is 8-connected
    and parts what is 4-connected. It is the same from q to p. However far away the ends are, no more than the longer
    side of the image is computed.
    """
    (x0, y0), (x1, y1) = sorted((p, q))
    steep = abs(y1 - y0) > x1 - x0
    if steep:
        x0, y0, x1, y1 = (y0, x0, y1, x1) if y0 <= y1 else (y1, x1, y0, x0)
    columns, rows = (height, width) if steep else (width, height)
    run, rise = x1 - x0, y1 - y0
    first, last = max(0, -x0), min(run, columns - 1 - x0)
    if first > last:
        return np.empty(0, np.int32)
    # Python's integers where the product might not fit: a point may be anywhere.
    steps: NDArray[Any] = np.arange(first, last + 1, dtype=np.int64 if max(abs(rise), run) < 2**30 else object)
    across = x0 + steps
    down = y0 + (2 * steps * rise + run) // (2 * run) if run else y0 + 0 * steps
    inside = (down >= 0) & (down < rows)
    across, down = across[inside].astype(np.int64), down[inside].astype(np.int64)
    flat = across * width + down if steep else down * width + across
    return np.sort(flat).astype(np.int32)


def path_pixels(points: Sequence[Point], width: int, height: int) -> Positions:
    """The flat positions of the lines between consecutive points, sorted, each once; of one point, its pixel."""
    if not points:
        return np.empty(0, np.int32)
    pairs = list(itertools.pairwise(points)) or [(points[0], points[0])]
    return distinct(np.concatenate([line_pixels(p, q, width, height) for p, q in pairs]))


def brush_runs(points: Sequence[Point], radius: int, width: int, height: int) -> tuple[Positions, Positions]:
    """The runs (starts, lengths) of all pixels whose centre is at most `radius` from the path, in raster order.

    With radius 0 these are the pixels of `path_pixels`.
    """
    if radius <= 0:
        flat = path_pixels(points, width, height)
        return flat, np.ones(len(flat), np.int32)
    spans = [
        _capsule_spans(p, q, radius, width, height)
        for p, q in (list(itertools.pairwise(points)) or [(p, p) for p in points])
    ]
    if not spans:
        return np.empty(0, np.int32), np.empty(0, np.int32)
    starts, stops = (np.concatenate(each) for each in zip(*spans, strict=True))
    return _united(starts, stops)


def _united(starts: NDArray[Any], stops: NDArray[Any]) -> tuple[Positions, Positions]:
    """The union of runs, none of which goes beyond its row, as runs in raster order."""
    if not len(starts):
        return np.empty(0, np.int32), np.empty(0, np.int32)
    order = np.argsort(starts, kind="stable")
    starts, stops = starts[order], np.maximum.accumulate(stops[order])
    new = np.concatenate([[True], starts[1:] >= stops[:-1]])  # at the end of a row they touch the next one
    first = np.flatnonzero(new)
    last = np.concatenate([first[1:] - 1, [len(starts) - 1]])
    return starts[first].astype(np.int32), (stops[last] - starts[first]).astype(np.int32)


def _capsule_spans(p: Point, q: Point, radius: int, width: int, height: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of each row the flat positions from, to (not in it) that are within `radius` of the line from p to q."""
    (x0, y0), (x1, y1) = p, q
    top, bottom = max(0, min(y0, y1) - radius), min(height - 1, max(y0, y1) + radius)
    nothing = np.empty(0, np.int64)
    if top > bottom:
        return nothing, nothing
    rows = np.arange(top, bottom + 1, dtype=np.float64)
    dx, dy = float(x1 - x0), float(y1 - y0)
    long = float(np.hypot(dx, dy))
    low, high = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    for end, row in (p, q):
        square = radius * radius - (rows - row) ** 2
        half = np.where(square >= 0, np.sqrt(np.maximum(square, 0)), -np.inf)
        low, high = np.minimum(low, end - half), np.maximum(high, end + half)
    if long:
        # Between the ends the border is two straight lines: where they are in a row is an end of its span.
        for side in (-radius, radius):
            ax, ay = x0 - side * dy / long, y0 + side * dx / long
            if dy:
                t = (rows - ay) / dy
                inside = (t >= 0) & (t <= 1)
                x = ax + t * dx
                low = np.where(inside, np.minimum(low, x), low)
                high = np.where(inside, np.maximum(high, x), high)
    # A pixel that is exactly on the border is in, whatever the rounding: with integer ends no other is as near.
    left = np.ceil(np.maximum(low, 0) - 1e-7)
    right = np.floor(np.minimum(high, width - 1) + 1e-7)
    some = left <= right
    base = rows[some].astype(np.int64) * width
    return base + left[some].astype(np.int64), base + right[some].astype(np.int64) + 1
