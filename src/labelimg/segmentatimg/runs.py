"""Runs of pixels: found in a map, connected, grouped by segment, written.

A *run* is a stretch of pixels of one row: its first flat position (row * width + column) and its length, both int32.
Runs are kept in raster order. Each function makes room for a compiled loop in `kernels` and calls it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg.segmentatimg import kernels
from labelimg.segmentatimg.geometry import Positions, Rect

Runs = tuple[Positions, Positions]
Labels = NDArray[np.int32]

THICKEST_EDGE = 7
"""An edge of more pixels than this, measured across, does not take the colour of what it lies between."""


def runs_of(values: NDArray[Any]) -> tuple[Positions, Positions, NDArray[Any]]:
    """The maximal runs of equal values other than 0 in a map (h, w): starts, lengths, values."""
    values = np.ascontiguousarray(values)
    count = kernels.count_runs(values)
    starts, lengths = np.empty(count, np.int32), np.empty(count, np.int32)
    kinds = np.empty(count, values.dtype)
    kernels.runs_of(values, starts, lengths, kinds)
    return starts, lengths, kinds


def connect(starts: Positions, lengths: Positions, kinds: Labels, width: int) -> tuple[Labels, int]:
    """The 4-connected segments of runs: of each run the number of its segment, 1.. in raster order; and how many.

    Runs are connected when they touch from one row to the next and are of one kind; `kinds` is as long as `starts`,
    or of length 1 if all are of one kind.
    """
    number = np.empty(len(starts), np.int32)
    count: int = kernels.connect(starts, lengths, kinds, width, number, np.empty(len(starts), np.int32))
    return number, count


def group(starts: Positions, lengths: Positions, number: Labels, count: int) -> tuple[Positions, Positions, Any]:
    """The runs sorted by the number of their segment, each segment's in raster order; and where each begins.

    Segment s has the runs first[s] : first[s + 1]; there is none of number 0.
    """
    first = np.zeros(count + 2, np.int64)
    its_starts, its_lengths = np.empty(len(starts), np.int32), np.empty(len(starts), np.int32)
    kernels.group(starts, lengths, number, first, np.empty(count + 1, np.int64), its_starts, its_lengths)
    return its_starts, its_lengths, first


def without(starts: Positions, lengths: Positions, holes: Positions) -> tuple[Positions, Positions, Any]:
    """The runs without the pixels at `holes`, which are sorted, each once, and all lie in the runs.

    Starts, lengths, and which of the given runs each is a piece of.
    """
    most = len(starts) + len(holes)
    found = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int64)
    count = kernels.without(starts, lengths, holes, *found)
    return found[0][:count].copy(), found[1][:count].copy(), found[2][:count].copy()


def put(flat: NDArray[Any], starts: Positions, lengths: Positions, values: NDArray[Any]) -> None:
    """Write a value to all pixels of each run; of one value only, the same to all."""
    kernels.put(flat, starts, lengths, values)


def put_numbers(flat: Labels, starts: Positions, lengths: Positions, first: Any) -> None:
    """Write the number of its segment to all pixels of each run, sorted as `group` does."""
    kernels.put_numbers(flat, starts, lengths, first)


def only_value(flat: NDArray[Any], starts: Positions, lengths: Positions) -> int:
    """The value that all pixels of the runs have, -1 where they have several; there is at least one run."""
    return int(kernels.only_value(flat, starts, lengths))


def changes(
    flat: NDArray[Any], starts: Positions, lengths: Positions, value: int
) -> tuple[Positions, Positions, NDArray[Any]]:
    """The parts of the runs that are not of the value yet: starts, lengths, and the value that they have."""
    count = kernels.count_changes(flat, starts, lengths, value)
    found = np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count, flat.dtype)
    kernels.changes(flat, starts, lengths, value, *found)
    return found


def rect_of(runs: Runs, width: int) -> Rect:
    """The rectangle around runs in raster order."""
    starts, lengths = runs
    return Rect(*kernels.bounds(starts, lengths, width)) if len(starts) else Rect()


def follow(
    paint: NDArray[np.uint8], edges: NDArray[np.uint8], drawn: Positions, rows: Any, rect: Rect
) -> tuple[Positions, NDArray[np.uint8]]:
    """The edge pixels of the rectangle whose paint is not what follows from their surroundings: positions, colours.

    Only pixels with 1 in `edges` follow: those that a method drew and that nobody painted themselves. Such a pixel
    gets a colour when along one of the four lines through it the nearest other pixels on both sides have this colour
    and the edge is at most THICKEST_EDGE pixels there; where the lines say different colours, none.

    `drawn` are the positions of all pixels that the method drew, sorted; those of a row are rows[row] : rows[row + 1].
    """
    most = int(rows[rect.bottom] - rows[rect.top])
    positions, colours = np.empty(most, np.int32), np.empty(most, np.uint8)
    corners = rect.left, rect.top, rect.right, rect.bottom
    found = kernels.follow(paint, edges, drawn, rows, *corners, THICKEST_EDGE, positions, colours)
    return positions[:found].copy(), colours[:found].copy()
