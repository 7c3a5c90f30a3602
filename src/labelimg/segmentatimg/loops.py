"""Loops over the pixels of a label map: connected regions, their sums, their neighbours, their growth, their merging.

Each makes room for a compiled loop in `kernels` and calls it. Label maps are int32 (h, w), images uint8 (h, w, c).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelimg.segmentatimg import kernels

Labels = NDArray[np.int32]
Pixels = NDArray[np.uint8]
Numbers = NDArray[np.int64]
Names = NDArray[np.int32]

_NOWHERE = np.empty((0, 0), np.int32)
_ROOM = 1 << 16  # pixels that wait at a time; where there are more, there comes to be more room


def connected(labels: Labels, out: Labels | None = None) -> tuple[Labels, int]:
    """4-connected pixels of one label, numbered 1.. in raster order, and how many there are; 0 stays 0.

    out: another array to write them to, C-contiguous.
    """
    if out is None:
        out = np.empty(labels.shape, np.int32)
    parent = np.empty(labels.size + 1, np.int32)  # only what is written of it takes memory
    return out, kernels.connected(np.ascontiguousarray(labels), out, parent)


def sums(labels: Labels, image: Pixels, count: int) -> tuple[Numbers, Numbers]:
    """(pixels int64 (count + 1,), sums of the channels int64 (count + 1, c)) of each label; rows by label."""
    size, total = np.zeros(count + 1, np.int64), np.zeros((count + 1, image.shape[2]), np.int64)
    kernels.sums(np.ascontiguousarray(labels), np.ascontiguousarray(image), size, total)
    return size, total


def places(labels: Labels, count: int) -> Numbers:
    """Sums of the x and the y of the pixels of each label, int64 (count + 1, 2)."""
    total = np.zeros((count + 1, 2), np.int64)
    kernels.places(np.ascontiguousarray(labels), total)
    return total


def neighbours(labels: Labels, image: Pixels, count: int) -> tuple[Names, Names, Numbers, Numbers]:
    """Pairs of labels that touch: (a, b int32, a < b; length, strength int64), in the order they are met.

    length: pairs of pixels side by side; strength: the sum of the differences of the colours across them. 0 touches
    nothing. Raises ValueError unless the labels are 4-connected.
    """
    slots = 64
    while slots < 8 * count:
        slots *= 2
    room = 4 * count + 16
    key, at = np.full(slots, -1, np.int64), np.empty(slots, np.int32)
    a, b = np.empty(room, np.int32), np.empty(room, np.int32)
    length, strength = np.zeros(room, np.int64), np.zeros(room, np.int64)
    labels, image = np.ascontiguousarray(labels), np.ascontiguousarray(image)
    n = kernels.neighbours(labels, image, count, key, at, a, b, length, strength)
    if n < 0:
        raise ValueError("labels must be 4-connected")  # else the pairs are not those of a plane
    return a[:n], b[:n], length[:n], strength[:n]


def absorb(a: Names, b: Names, size: Numbers, total: Numbers, least: int, own: NDArray[np.bool_]) -> Names:
    """What each label becomes, int32 (count + 1,), when those that cannot stand alone join a neighbour.

    A label stands alone if it has at least `least` pixels and `own`, bool (count + 1,), is set. `size`, `total` and
    `own` are written over.
    """
    parent, best = np.empty((2, len(size)), np.int32)
    left, right = np.empty((2, len(a)), np.int32)
    stands, nearest = np.empty(len(size), np.bool_), np.empty(len(size), np.float64)
    kernels.absorb(a, b, size, total, least, own, parent, stands, best, nearest, left, right)
    return parent


def renamed(labels: Labels, names: Names, out: Labels | None = None) -> Labels:
    """names[labels]; out: an array to write them to."""
    if out is None:
        out = np.empty(labels.shape, np.int32)
    kernels.renamed(np.ascontiguousarray(labels), names, out)
    return out


def grow(labels: Labels, image: Pixels, within: Labels = _NOWHERE) -> None:
    """Give each pixel of label 0 the label of a 4-neighbour, over the lowest differences of colour; in place.

    The watershed of Meyer's flooding: a pixel is reached over a path whose largest difference is the smallest there
    is, and among equals by the fewest steps. Growth never leaves the area of one value of `within`, if that is given.
    Pixels that nothing reaches stay 0.
    """
    image, within = np.ascontiguousarray(image), np.ascontiguousarray(within)
    offered = np.full(labels.shape, 256, np.uint16)
    first, last = np.full((2, 256), -1, np.int64)
    state = np.array([0, 0, 0, -1], np.int64)
    pixel, after = np.empty((2, _ROOM), np.int64)
    while kernels.grow(labels, image, within, offered, first, last, pixel, after, state):
        pixel, after = (np.concatenate([each, np.empty_like(each)]) for each in (pixel, after))


def enlarged(small: Labels, count: int, height: int, width: int) -> Labels:
    """A label map at a larger size that is sure of its labels; 0 near boundaries, where `grow` decides.

    A pixel of `small` with equal neighbours all round (8) fills its block. Of a label that has no such pixel, each
    fills the middle of its block.
    """
    out = np.zeros((height, width), np.int32)
    sure, thick = np.empty(small.shape, np.bool_), np.zeros(count + 1, np.bool_)
    kernels.enlarged(np.ascontiguousarray(small), out, sure, thick)
    return out


def lowest_places(gradient: NDArray[np.float32], step: int) -> Labels:
    """A label map with one pixel 1.. in each cell of step x step pixels: the one of the lowest gradient, else 0."""
    out = np.zeros(gradient.shape, np.int32)
    kernels.lowest_places(gradient, step, out)
    return out


def second_owners(labels: Labels, owners: Labels) -> Labels:
    """For each pixel that is 0 in `labels`: the other label it lies between; its owner where there is none.

    `owners` is `labels` grown. 0 where `labels` is not.
    """
    out = np.zeros(labels.shape, np.int32)
    kernels.second_owners(labels, owners, out, np.empty(labels.size, np.int64))
    return out


def merge_order(
    pairs: tuple[Names, Names, Numbers, Numbers],
    size: NDArray[np.float64],
    colour: NDArray[np.float64],
    inside: Names,
    *,
    contrast: float,
    growth: float,
    most: float = np.inf,
) -> tuple[Names, Names]:
    """(first, second) int32: the regions that merge, in order; a merged region goes by the name of either.

    pairs: as `neighbours` gives them. size (n + 1,), colour (n + 1, c): of each region, written over. How unlike two
    are, and what the other arguments mean, says `kernels.merging.merge_order`. No pair that differs by more than `most`
    merges.
    """
    k, n = len(pairs[0]), len(size)
    first, second = np.empty((2, n), np.int32)
    done = kernels.merge_order(
        *pairs,
        size,
        colour,
        inside,
        contrast,
        growth,
        float(most),
        first,
        second,
        np.empty((4, k), np.int32),
        np.empty(2 * k, np.int32),
        np.empty((4, k), np.float64),
        np.empty(k, np.bool_),
        np.empty((3, n), np.int32),
    )
    return first[:done], second[:done]


def names_after(first: Names, second: Names, merges: int, n: int) -> Names:
    """The name of each region, int32 (n,), after that many merges: the lowest of those it was merged from; 0 is 0."""
    parent = np.empty(n, np.int32)
    kernels.cut(first, second, merges, parent)
    return parent
