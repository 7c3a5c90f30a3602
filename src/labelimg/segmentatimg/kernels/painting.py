"""The inner loops of painting, compiled by numba.

A *run* is a stretch of pixels of one row: its first flat position (row * width + column) and its length, both int32.
Runs are kept in raster order. All functions release the GIL.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]

THICKEST_EDGE = 7
"""An edge of more pixels than this, measured across, does not take the colour of what it lies between."""


@njit(nogil=True, cache=True)
def runs_of(values: Array) -> Any:
    """The maximal runs of equal values other than 0 in a map (h, w): starts, lengths, values."""
    height, width = values.shape
    flat = values.ravel()
    count = 0
    for row in range(height):
        before = 0
        for at in range(row * width, (row + 1) * width):
            count += flat[at] != before and flat[at] != 0
            before = flat[at]
    starts = np.empty(count, np.int32)
    lengths = np.empty(count, np.int32)
    kinds = np.empty(count, values.dtype)
    last = -1
    for row in range(height):
        before = 0
        for at in range(row * width, (row + 1) * width):
            value = flat[at]
            if value != before:
                if before != 0:
                    lengths[last] = at - starts[last]
                if value != 0:
                    last += 1
                    starts[last] = at
                    kinds[last] = value
                before = value
        if before != 0:
            lengths[last] = (row + 1) * width - starts[last]
    return starts, lengths, kinds


@njit(nogil=True, cache=True)
def connect(starts: Array, lengths: Array, kinds: Array, width: int) -> Any:
    """The 4-connected segments of runs: of each run the number of its segment, 1.. in raster order; and how many.

    Runs are connected when they touch from one row to the next and are of one kind; `kinds` is as long as `starts`,
    or of length 1 if all are of one kind.
    """
    count = starts.size
    several = kinds.size > 1
    parent = np.arange(count).astype(np.int32)
    above = 0
    for run in range(count):
        first = starts[run] - width
        stop = first + lengths[run]
        while above < run and starts[above] + lengths[above] <= first:
            above += 1
        other = above
        while other < run and starts[other] < stop:
            if not several or kinds[other] == kinds[run]:
                a, b = np.int32(run), np.int32(other)
                while parent[a] != a:
                    parent[a] = parent[parent[a]]
                    a = parent[a]
                while parent[b] != b:
                    parent[b] = parent[parent[b]]
                    b = parent[b]
                # The root is the first run, so that segments can be numbered on the way.
                if a < b:
                    parent[b] = a
                else:
                    parent[a] = b
            other += 1
    number = np.empty(count, np.int32)
    found = 0
    for run in range(count):
        if parent[run] == run:
            found += 1
            number[run] = found
        else:
            root = parent[run]
            while parent[root] != root:
                root = parent[root]
            parent[run] = root
            number[run] = number[root]
    return number, found


@njit(nogil=True, cache=True)
def group(starts: Array, lengths: Array, number: Array, count: int) -> Any:
    """The runs sorted by the number of their segment, each segment's in raster order; and where each begins.

    Segment s has the runs first[s] : first[s + 1]; there is none of number 0.
    """
    first = np.zeros(count + 2, np.int64)
    for run in range(starts.size):
        first[number[run] + 1] += 1
    for segment in range(1, count + 2):
        first[segment] += first[segment - 1]
    at = first[:-1].copy()
    sorted_starts = np.empty_like(starts)
    sorted_lengths = np.empty_like(lengths)
    for run in range(starts.size):
        place = at[number[run]]
        at[number[run]] += 1
        sorted_starts[place] = starts[run]
        sorted_lengths[place] = lengths[run]
    return sorted_starts, sorted_lengths, first


@njit(nogil=True, cache=True)
def without(starts: Array, lengths: Array, holes: Array) -> Any:
    """The runs without the pixels at `holes`, which are sorted, each once, and all lie in the runs.

    Starts, lengths, and which of the given runs each is a piece of.
    """
    most = starts.size + holes.size
    source = np.empty(most, np.int64)
    new_starts = np.empty(most, np.int32)
    new_lengths = np.empty(most, np.int32)
    count = 0
    hole = 0
    for run in range(starts.size):
        at = starts[run]
        stop = at + lengths[run]
        while hole < holes.size and holes[hole] < stop:
            if holes[hole] > at:
                new_starts[count] = at
                new_lengths[count] = holes[hole] - at
                source[count] = run
                count += 1
            at = holes[hole] + 1
            hole += 1
        if at < stop:
            new_starts[count] = at
            new_lengths[count] = stop - at
            source[count] = run
            count += 1
    return new_starts[:count].copy(), new_lengths[:count].copy(), source[:count].copy()


@njit(nogil=True, cache=True)
def put(flat: Array, starts: Array, lengths: Array, values: Array) -> None:
    """Write a value to all pixels of each run; of one value only, the same to all."""
    last = values.size - 1
    for run in range(starts.size):
        flat[starts[run] : starts[run] + lengths[run]] = values[min(run, last)]


@njit(nogil=True, cache=True)
def put_numbers(flat: Array, starts: Array, lengths: Array, first: Array) -> None:
    """Write the number of its segment to all pixels of each run, sorted as `group` does."""
    for segment in range(1, first.size - 1):
        for run in range(first[segment], first[segment + 1]):
            flat[starts[run] : starts[run] + lengths[run]] = segment


@njit(nogil=True, cache=True)
def only_value(flat: Array, starts: Array, lengths: Array) -> int:
    """The value that all pixels of the runs have, -1 where they have several."""
    value = flat[starts[0]]
    for run in range(starts.size):
        different = value ^ value
        for at in range(starts[run], starts[run] + lengths[run]):
            different |= flat[at] ^ value
        if different != 0:
            return -1
    return int(value)


@njit(nogil=True, cache=True)
def changes(flat: Array, starts: Array, lengths: Array, value: int) -> Any:
    """The parts of the runs that are not of the value yet: starts, lengths, and the value that they have."""
    count = 0
    for run in range(starts.size):
        before = value
        for at in range(starts[run], starts[run] + lengths[run]):
            count += flat[at] != before and flat[at] != value
            before = flat[at]
    new_starts = np.empty(count, np.int32)
    new_lengths = np.empty(count, np.int32)
    olds = np.empty(count, flat.dtype)
    last = -1
    for run in range(starts.size):
        before = value
        stop = starts[run] + lengths[run]
        for at in range(starts[run], stop):
            old = flat[at]
            if old != before:
                if before != value:
                    new_lengths[last] = at - new_starts[last]
                if old != value:
                    last += 1
                    new_starts[last] = at
                    olds[last] = old
                before = old
        if before != value:
            new_lengths[last] = stop - new_starts[last]
    return new_starts, new_lengths, olds


@njit(nogil=True, cache=True)
def bounds(starts: Array, lengths: Array, width: int) -> Any:
    """The rectangle around runs in raster order: left, top, right, bottom, half open."""
    left, right = width, 0
    for run in range(starts.size):
        column = starts[run] % width
        left = min(left, column)
        right = max(right, column + lengths[run])
    return left, starts[0] // width, right, starts[-1] // width + 1


@njit(nogil=True, cache=True)
def _seen(paint: Array, edges: Array, row: int, column: int, down: int, across: int) -> Any:
    """What is seen from an edge pixel along a line through edge pixels that have no paint of their own.

    The steps to the first other pixel, and its paint; 0 for the paint where there is none near enough.
    """
    height, width = paint.shape
    for step in range(1, THICKEST_EDGE + 1):
        row += down
        column += across
        if row < 0 or column < 0 or row >= height or column >= width:
            break
        if edges[row, column] != 1:
            return step, paint[row, column]
    return THICKEST_EDGE + 1, np.uint8(0)


@njit(nogil=True, cache=True)
def follow(paint: Array, edges: Array, drawn: Array, rows: Array, left: int, top: int, right: int, bottom: int) -> Any:
    """The edge pixels of the rectangle whose paint is not what follows from their surroundings: positions, colours.

    Only pixels with 1 in `edges` follow: those that a method drew and that nobody painted themselves. Such a pixel
    gets a colour when along one of the four lines through it the nearest other pixels on both sides have this colour
    and the edge is at most THICKEST_EDGE pixels there; where the lines say different colours, none.

    `drawn` are the positions of all pixels that the method drew, sorted; those of a row are rows[row] : rows[row + 1].
    """
    width = paint.shape[1]
    most = rows[bottom] - rows[top]
    positions = np.empty(most, np.int32)
    colours = np.empty(most, np.uint8)
    found = 0
    for row in range(top, bottom):
        first = rows[row] + np.searchsorted(drawn[rows[row] : rows[row + 1]], row * width + left)
        for place in range(first, rows[row + 1]):
            column = drawn[place] - row * width
            if column >= right:
                break
            if edges[row, column] != 1:
                continue
            colour = np.uint8(0)
            for line in range(4):
                down = 0 if line == 0 else 1
                across = 1 if line == 0 else line - 2
                steps, there = _seen(paint, edges, row, column, down, across)
                if there == 0 or there == colour:
                    continue
                back, here = _seen(paint, edges, row, column, -down, -across)
                if here == there and steps + back - 1 <= THICKEST_EDGE:
                    if colour != 0:
                        colour = np.uint8(0)
                        break
                    colour = there
            if colour != paint[row, column]:
                positions[found] = row * width + column
                colours[found] = colour
                found += 1
    return positions[:found].copy(), colours[:found].copy()
