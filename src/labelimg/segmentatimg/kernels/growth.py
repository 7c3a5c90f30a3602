"""Compiled growth of labels over pixels that have none, along the smallest differences of colour."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from labelimg.segmentatimg.kernels.regions import difference

Array = NDArray[Any]

_LEVELS = 256


@njit(nogil=True, cache=True)
def grow(labels: Array, image: Array, within: Array) -> None:
    """Give each pixel of label 0 the label of a 4-neighbour, over the lowest differences of colour; in place.

    The watershed of Meyer's flooding: a pixel is reached over a path whose largest difference is the smallest there
    is, and among equals by the fewest steps. Growth never leaves the area of one value of `within`, which is empty
    (0, 0) where there is one area alone. Pixels that nothing reaches stay 0.
    """
    height, width = labels.shape
    bounded = within.shape[0] > 0
    offered = np.full((height, width), _LEVELS, np.uint16)  # the lowest level a pixel waits at
    first = np.full(_LEVELS, -1, np.int64)
    last = np.full(_LEVELS, -1, np.int64)
    room = 1024
    pixel = np.empty(room, np.int64)  # 4 * position + the way it was reached
    after = np.empty(room, np.int64)
    used = 0
    free = np.int64(-1)
    dy = np.array([0, 0, 1, -1])
    dx = np.array([1, -1, 0, 0])
    level = 0
    start = np.int64(0)
    total = height * width
    # Two phases in one loop: every labelled pixel offers itself to its neighbours, then the lowest level is served.
    y = 0
    x = 0
    while True:
        if start < total:
            y = start // width
            x = start - y * width
            start += 1
            here = labels[y, x]
            if here <= 0:
                continue
            floor = 0
        else:
            while level < _LEVELS and first[level] == -1:
                level += 1
            if level == _LEVELS:
                break
            entry = first[level]
            first[level] = after[entry]
            code = pixel[entry]
            after[entry] = free
            free = entry
            way = code & 3
            place = code >> 2
            y = place // width
            x = place - y * width
            if labels[y, x] != 0:
                continue
            here = labels[y - dy[way], x - dx[way]]
            labels[y, x] = here
            floor = level
        for k in range(4):
            v = y + dy[k]
            u = x + dx[k]
            if v < 0 or u < 0 or v == height or u == width or labels[v, u] != 0:
                continue
            if bounded and within[v, u] != within[y, x]:
                continue
            cost = max(floor, difference(image, y, x, v, u))
            if cost >= offered[v, u]:
                continue
            offered[v, u] = cost
            if free != -1:
                entry = free
                free = after[entry]
            else:
                if used == room:
                    more_pixel = np.empty(2 * room, np.int64)
                    more_pixel[:room] = pixel
                    pixel = more_pixel
                    more_after = np.empty(2 * room, np.int64)
                    more_after[:room] = after
                    after = more_after
                    room *= 2
                entry = used
                used += 1
            pixel[entry] = 4 * (np.int64(v) * width + u) + k
            after[entry] = -1
            if first[cost] == -1:
                first[cost] = entry
            else:
                after[last[cost]] = entry
            last[cost] = entry


@njit(nogil=True, cache=True)
def enlarged(small: Array, count: int, height: int, width: int) -> Array:
    """A label map at a larger size that is sure of its labels; 0 near boundaries, where `grow` decides.

    A pixel of `small` with equal neighbours all round (8) fills its block. Of a label that has no such pixel, each
    fills the middle of its block.
    """
    rows, columns = small.shape
    sure = np.ones((rows, columns), np.bool_)
    thick = np.zeros(count + 1, np.bool_)
    for i in range(rows):
        for j in range(columns):
            label = small[i, j]
            for v in range(max(0, i - 1), min(rows, i + 2)):
                for u in range(max(0, j - 1), min(columns, j + 2)):
                    sure[i, j] &= small[v, u] == label
            thick[label] |= sure[i, j]
    out = np.zeros((height, width), np.int32)
    for i in range(rows):
        top = i * height // rows
        bottom = (i + 1) * height // rows
        for j in range(columns):
            left = j * width // columns
            right = (j + 1) * width // columns
            label = small[i, j]
            if sure[i, j]:
                for y in range(top, bottom):
                    for x in range(left, right):
                        out[y, x] = label
            elif not thick[label]:
                out[(top + bottom) // 2, (left + right) // 2] = label
    return out


@njit(nogil=True, cache=True)
def lowest_places(gradient: Array, step: int) -> Array:
    """A label map with one pixel 1.. in each cell of step x step pixels: the one of the lowest gradient, else 0."""
    height, width = gradient.shape
    out = np.zeros((height, width), np.int32)
    label = np.int32(0)
    for top in range(0, height, step):
        for left in range(0, width, step):
            at_y = top
            at_x = left
            for y in range(top, min(height, top + step)):
                for x in range(left, min(width, left + step)):
                    if gradient[y, x] < gradient[at_y, at_x]:
                        at_y = y
                        at_x = x
            label += np.int32(1)
            out[at_y, at_x] = label
    return out


@njit(nogil=True, cache=True)
def second_owners(labels: Array, owners: Array) -> Array:
    """For each pixel that is 0 in `labels`: the other label it lies between; its owner where there is none.

    `owners` is `labels` grown. A pixel beside another owner has that one; it passes it on to the 0 pixels of its own
    owner, step by step. int32, 0 where `labels` is not.
    """
    height, width = labels.shape
    out = np.zeros((height, width), np.int32)
    queue = np.empty(height * width, np.int64)
    put = 0
    dy = np.array([0, 0, 1, -1])
    dx = np.array([1, -1, 0, 0])
    for y in range(height):
        for x in range(width):
            if labels[y, x] != 0:
                continue
            for k in range(4):
                v = y + dy[k]
                u = x + dx[k]
                if v < 0 or u < 0 or v == height or u == width:
                    continue
                if owners[v, u] != owners[y, x]:
                    out[y, x] = owners[v, u]
                    queue[put] = y * width + x
                    put += 1
                    break
    got = 0
    while got < put:
        y = queue[got] // width
        x = queue[got] - y * width
        got += 1
        for k in range(4):
            v = y + dy[k]
            u = x + dx[k]
            if v < 0 or u < 0 or v == height or u == width:
                continue
            if labels[v, u] == 0 and out[v, u] == 0 and owners[v, u] == owners[y, x]:
                out[v, u] = out[y, x]
                queue[put] = v * width + u
                put += 1
    for y in range(height):
        for x in range(width):
            if labels[y, x] == 0 and out[y, x] == 0:
                out[y, x] = owners[y, x]
    return out
