"""Compiled loops of painting.

A *run* is a stretch of pixels of one row: its first flat position (row * width + column) and its length, both int32.
Runs are kept in raster order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(error_model="numpy")
def count_runs(values: Array) -> int:
    """How many maximal runs of equal values other than 0 a map (h, w) has."""
    height, width = values.shape
    count = 0
    for row in range(height):
        before = np.int64(0)
        for column in range(width):
            value = np.int64(values[row, column])
            count += value != before and value != 0
            before = value
    return count


@njit(error_model="numpy")
def runs_of(values: Array, starts: Array, lengths: Array, kinds: Array) -> None:
    """Fill in the maximal runs of equal values other than 0 of a map (h, w), and their values; there is room."""
    height, width = values.shape
    last = -1
    for row in range(height):
        before = np.int64(0)
        for column in range(width):
            value = np.int64(values[row, column])
            at = row * width + column
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


@njit(error_model="numpy")
def connect(starts: Array, lengths: Array, kinds: Array, width: int, number: Array, parent: Array) -> int:
    """Fill `number` with each run's 4-connected segment, 1.. in raster order; returns how many there are.

    Runs are connected when they touch from one row to the next and are of one kind; `kinds` is as long as `starts`,
    or of length 1 if all are of one kind. number, parent (room to work in): int32, as long as `starts`.
    """
    count = starts.size
    several = kinds.size > 1
    for run in range(count):
        parent[run] = run
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
    return found


@njit(error_model="numpy")
def group(
    starts: Array, lengths: Array, number: Array, first: Array, at: Array, sorted_starts: Array, sorted_lengths: Array
) -> None:
    """Fill in the runs sorted by the number of their segment, each segment's in raster order; and where each begins.

    Segment s has the runs first[s] : first[s + 1]; there is none of number 0. first: int64 (segments + 2,), all 0; at,
    room to work in: one shorter.
    """
    for run in range(starts.size):
        first[number[run] + 1] += 1
    for segment in range(1, first.size):
        first[segment] += first[segment - 1]
    for segment in range(at.size):
        at[segment] = first[segment]
    for run in range(starts.size):
        place = at[number[run]]
        at[number[run]] += 1
        sorted_starts[place] = starts[run]
        sorted_lengths[place] = lengths[run]


@njit(error_model="numpy")
def without(starts: Array, lengths: Array, holes: Array, new_starts: Array, new_lengths: Array, source: Array) -> int:
    """Fill in the runs without the pixels at `holes`, and which of the given runs each is a piece of; returns how many.

    The holes are sorted, each once, and all lie in the runs. There is room for as many as runs and holes together.
    """
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
    return count


@njit(error_model="numpy")
def put(flat: Array, starts: Array, lengths: Array, values: Array) -> None:
    """Write a value to all pixels of each run; of one value only, the same to all."""
    last = values.size - 1
    for run in range(starts.size):
        value = values[min(run, last)]
        for at in range(starts[run], starts[run] + lengths[run]):
            flat[at] = value


@njit(error_model="numpy")
def put_numbers(flat: Array, starts: Array, lengths: Array, first: Array) -> None:
    """Write the number of its segment to all pixels of each run, sorted as `group` does."""
    for segment in range(1, first.size - 1):
        for run in range(first[segment], first[segment + 1]):
            for at in range(starts[run], starts[run] + lengths[run]):
                flat[at] = segment


@njit(error_model="numpy")
def only_value(flat: Array, starts: Array, lengths: Array) -> Any:
    """The value that all pixels of the runs have, -1 where they have several."""
    value = flat[starts[0]]
    for run in range(starts.size):
        different = value ^ value
        for at in range(starts[run], starts[run] + lengths[run]):
            different |= flat[at] ^ value
        if different != 0:
            return -1
    return np.int64(value)


@njit(error_model="numpy")
def count_changes(flat: Array, starts: Array, lengths: Array, value: int) -> int:
    """How many runs `changes` finds."""
    count = 0
    for run in range(starts.size):
        before: Any = value
        for at in range(starts[run], starts[run] + lengths[run]):
            count += flat[at] != before and flat[at] != value
            before = np.int64(flat[at])
    return count


@njit(error_model="numpy")
def changes(
    flat: Array, starts: Array, lengths: Array, value: int, new_starts: Array, new_lengths: Array, olds: Array
) -> None:
    """Fill in the parts of the runs that are not of the value yet, and the value they have; there is room for all."""
    last = -1
    for run in range(starts.size):
        before: Any = value
        stop = starts[run] + lengths[run]
        for at in range(starts[run], stop):
            old = np.int64(flat[at])
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


@njit(error_model="numpy")
def bounds(starts: Array, lengths: Array, width: int) -> Any:
    """The rectangle around runs in raster order: left, top, right, bottom, half open."""
    left, right = width, 0
    for run in range(starts.size):
        column = starts[run] % width
        left = min(left, column)
        right = max(right, column + lengths[run])
    return left, starts[0] // width, right, starts[-1] // width + 1


@njit(error_model="numpy")
def _seen(paint: Array, edges: Array, row: int, column: int, down: int, across: int, most: int) -> Any:
    """What is seen from an edge pixel along a line through edge pixels that have no paint of their own.

    The steps to the first other pixel, and its paint; 0 for the paint where there is none near enough.
    """
    height, width = paint.shape
    for step in range(1, most + 1):
        row += down
        column += across
        if row < 0 or column < 0 or row >= height or column >= width:
            break
        if edges[row, column] != 1:
            return step, paint[row, column]
    return most + 1, np.uint8(0)


@njit(error_model="numpy")
def follow(
    paint: Array,
    edges: Array,
    drawn: Array,
    rows: Array,
    left: int,
    top: int,
    right: int,
    bottom: int,
    most: int,
    positions: Array,
    colours: Array,
) -> int:
    """Fill in the edge pixels of the rectangle whose paint is not what follows from their surroundings; how many.

    positions int32, and colours uint8, what follows: there is room for all edge pixels of these rows.

    Only pixels with 1 in `edges` follow: those that a method drew and that nobody painted themselves. Such a pixel
    gets a colour when along one of the four lines through it the nearest other pixels on both sides have this colour
    and the edge is at most `most` pixels there; where the lines say different colours, none.

    `drawn` are the positions of all pixels that the method drew, sorted; those of a row are rows[row] : rows[row + 1].
    """
    width = paint.shape[1]
    found = 0
    for row in range(top, bottom):
        first, last = rows[row], rows[row + 1]
        while first < last:
            middle = (first + last) >> 1
            if drawn[middle] < row * width + left:
                first = middle + 1
            else:
                last = middle
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
                steps, there = _seen(paint, edges, row, column, down, across, most)
                if there == 0 or there == colour:
                    continue
                back, here = _seen(paint, edges, row, column, -down, -across, most)
                if here == there and steps + back - 1 <= most:
                    if colour != 0:
                        colour = np.uint8(0)
                        break
                    colour = there
            if colour != paint[row, column]:
                positions[found] = row * width + column
                colours[found] = colour
                found += 1
    return found
