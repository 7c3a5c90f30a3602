"""Compiled growth of labels over pixels that have none, along the smallest differences of colour."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from labelimg.segmentatimg.kernels.regions import difference

Array = NDArray[Any]

_LEVELS = 256


@njit(error_model="numpy")
def grow(
    labels: Array,
    image: Array,
    within: Array,
    offered: Array,
    first: Array,
    last: Array,
    pixel: Array,
    after: Array,
    state: Array,
) -> int:
    """Give each pixel of label 0 the label of a 4-neighbour, over the lowest differences of colour; in place.

    The watershed of Meyer's flooding: a pixel is reached over a path whose largest difference is the smallest there
    is, and among equals by the fewest steps. Growth never leaves the area of one value of `within`, which is empty
    (0, 0) where there is one area alone. Pixels that nothing reaches stay 0.

    Returns 0 when it is done, 1 when there is no room left in `pixel` and `after` (int64): call again with longer ones
    that begin with these. Between the calls the others keep where it is. Before the first: offered, uint16 (h, w), is
    256 all over, first and last, int64 (256,), are -1, state, int64 (4,), is 0, 0, 0, -1.
    """
    height, width = labels.shape
    bounded = within.shape[0] > 0
    # Queues of waiting pixels by level, first and last of each; `free` chains the places of those that were served.
    start, level, used, free = state[0], state[1], state[2], state[3]
    total = height * width
    room = pixel.shape[0]
    # Two phases in one loop: every labelled pixel offers itself to its neighbours, then the lowest level is served.
    while True:
        if used + 4 > room:
            state[0], state[1], state[2], state[3] = start, level, used, free
            return 1
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
                return 0
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
            sign = 1 - 2 * (way & 1)
            here = labels[y - (way >> 1) * sign, x - (1 - (way >> 1)) * sign]
            labels[y, x] = here
            floor = level
        for k in range(4):  # right, left, down, up
            sign = 1 - 2 * (k & 1)
            v = y + (k >> 1) * sign
            u = x + (1 - (k >> 1)) * sign
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
                entry = used
                used += 1
            pixel[entry] = 4 * (np.int64(v) * width + u) + k
            after[entry] = -1
            if first[cost] == -1:
                first[cost] = entry
            else:
                after[last[cost]] = entry
            last[cost] = entry


@njit(error_model="numpy")
def enlarged(small: Array, out: Array, sure: Array, thick: Array) -> None:
    """Fill `out`, int32, all 0, with a label map at a larger size that is sure of its labels; the rest stays 0.

    A pixel of `small` with equal neighbours all round (8) fills its block. Of a label that has no such pixel, each
    fills the middle of its block. Room to work in: sure bool, as `small`; thick bool (n,), all False.
    """
    rows, columns = small.shape
    height, width = out.shape
    for i in range(rows):
        for j in range(columns):
            label = small[i, j]
            alike = True
            for v in range(max(0, i - 1), min(rows, i + 2)):
                for u in range(max(0, j - 1), min(columns, j + 2)):
                    alike &= small[v, u] == label
            sure[i, j] = alike
            thick[label] |= alike
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


@njit(error_model="numpy")
def lowest_places(gradient: Array, step: int, out: Array) -> None:
    """Write 1.. into `out`, int32, all 0, at the lowest gradient of each cell of step x step pixels."""
    height, width = gradient.shape
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


@njit(error_model="numpy")
def second_owners(labels: Array, owners: Array, out: Array, queue: Array) -> None:
    """Fill `out` for each pixel that is 0 in `labels` with the other label it lies between; its owner if there is none.

    `owners` is `labels` grown. A pixel beside another owner has that one; it passes it on to the 0 pixels of its own
    owner, step by step. out: int32, all 0, and 0 where `labels` is not. queue: int64 (h * w,), room to work in.
    """
    height, width = labels.shape
    put = 0
    for y in range(height):
        for x in range(width):
            if labels[y, x] != 0:
                continue
            for k in range(4):
                sign = 1 - 2 * (k & 1)
                v = y + (k >> 1) * sign
                u = x + (1 - (k >> 1)) * sign
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
            sign = 1 - 2 * (k & 1)
            v = y + (k >> 1) * sign
            u = x + (1 - (k >> 1)) * sign
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
