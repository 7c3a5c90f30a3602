"""Compiled loops over the pixels of a label map: connected regions, their sums, their neighbours, their growth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(nogil=True, cache=True)
def find_root(parent: Array, x: int) -> Any:
    """The root of x; the path to it is halved on the way."""
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@njit(nogil=True, cache=True)
def _joined(parent: Array, a: int, b: int) -> Any:
    """Join two trees; the smaller root becomes the root, and is returned."""
    a = find_root(parent, a)
    b = find_root(parent, b)
    if a < b:
        parent[b] = a
        return a
    parent[a] = b
    return b


@njit(nogil=True, cache=True)
def connected(labels: Array) -> Any:
    """(regions int32 (h, w), their number): 4-connected pixels of one label, 1.. in raster order; 0 stays 0."""
    height, width = labels.shape
    parent = np.empty(1024, np.int32)
    out = np.empty((height, width), np.int32)
    count = np.int32(0)
    for y in range(height):
        for x in range(width):
            value = labels[y, x]
            if value == 0:
                out[y, x] = 0
                continue
            if x > 0 and labels[y, x - 1] == value:
                here = out[y, x - 1]
                # Where the pixel above the left one has the label too, they were joined there.
                if y > 0 and labels[y - 1, x] == value and labels[y - 1, x - 1] != value and out[y - 1, x] != here:
                    here = _joined(parent, out[y - 1, x], here)
            elif y > 0 and labels[y - 1, x] == value:
                here = out[y - 1, x]
            else:
                count += np.int32(1)
                if count >= len(parent):
                    larger = np.empty(2 * len(parent), parent.dtype)
                    larger[: len(parent)] = parent
                    parent = larger
                parent[count] = count
                here = count
            out[y, x] = here
    # A root is the smallest of its tree, so it comes first and has its final number when the others ask.
    final = np.int32(0)
    for k in range(1, count + 1):
        if parent[k] == k:
            final += np.int32(1)
            parent[k] = final
        else:
            parent[k] = parent[parent[k]]
    parent[0] = 0
    flat = out.ravel()
    for p in range(len(flat)):
        flat[p] = parent[flat[p]]
    return out, final


@njit(nogil=True, cache=True)
def sums(labels: Array, image: Array, count: int) -> Any:
    """(pixels int64 (count + 1,), sums of the channels int64 (count + 1, c)) of each label; rows by label."""
    height, width = labels.shape
    channels = image.shape[2]
    size = np.zeros(count + 1, np.int64)
    total = np.zeros((count + 1, channels), np.int64)
    for y in range(height):
        for x in range(width):
            label = labels[y, x]
            size[label] += 1
            for c in range(channels):
                total[label, c] += image[y, x, c]
    return size, total


@njit(nogil=True, cache=True)
def places(labels: Array, count: int) -> Array:
    """Sums of the x and the y of the pixels of each label, int64 (count + 1, 2)."""
    height, width = labels.shape
    total = np.zeros((count + 1, 2), np.int64)
    for y in range(height):
        for x in range(width):
            label = labels[y, x]
            total[label, 0] += x
            total[label, 1] += y
    return total


@njit(nogil=True, cache=True)
def difference(image: Array, y: int, x: int, v: int, u: int) -> Any:
    """The largest difference of a channel between two pixels, 0 to 255."""
    most: Any = 0
    for c in range(image.shape[2]):
        apart = abs(np.int64(image[y, x, c]) - np.int64(image[v, u, c]))
        most = max(most, apart)
    return most


@njit(nogil=True, cache=True)
def neighbours(labels: Array, image: Array, count: int) -> Any:
    """Pairs of labels that touch: (a, b int32, a < b; length, strength int64), in the order they are met.

    length: pairs of pixels side by side; strength: the sum of the differences of the colours across them. 0 touches
    nothing. The labels are 4-connected.
    """
    height, width = labels.shape
    slots = 64
    while slots < 8 * count:
        slots *= 2
    key = np.full(slots, -1, np.int64)
    at = np.empty(slots, np.int32)
    room = 4 * count + 16
    a = np.empty(room, np.int32)
    b = np.empty(room, np.int32)
    length = np.zeros(room, np.int64)
    strength = np.zeros(room, np.int64)
    n = 0
    mask = slots - 1
    for y in range(height):
        for x in range(width):
            here = labels[y, x]
            if here == 0:
                continue
            for way in range(2):
                v = y + way
                u = x + 1 - way
                if v == height or u == width:
                    continue
                there = labels[v, u]
                if there == here or there == 0:
                    continue
                low = min(here, there)
                high = max(here, there)
                wanted = np.int64(low) * np.int64(count + 1) + np.int64(high)
                slot = ((wanted * 0x9E3779B97F4A7C1) >> 20) & mask
                while key[slot] != wanted and key[slot] != -1:
                    slot = (slot + 1) & mask
                if key[slot] == -1:
                    if n == room:
                        raise ValueError("labels must be 4-connected")  # else the pairs are not those of a plane
                    key[slot] = wanted
                    at[slot] = n
                    a[n] = low
                    b[n] = high
                    n += 1
                e = at[slot]
                length[e] += 1
                strength[e] += difference(image, y, x, v, u)
    return a[:n], b[:n], length[:n], strength[:n]


@njit(nogil=True, cache=True)
def absorb(a: Array, b: Array, size: Array, total: Array, least: int, own: Array) -> Array:
    """What each label becomes, int32 (count + 1,), when those that cannot stand alone join a neighbour.

    A label stands alone if it has at least `least` pixels and `own`, bool (count + 1,), is set. In rounds: each label
    that does not chooses the touching label of the nearest mean colour (the lower one of equals), and joins it unless
    it has come to stand alone meanwhile; until all do or those that do not have no neighbour. `size`, `total` and `own`
    are written over.
    """
    count = len(size) - 1
    parent = np.arange(count + 1).astype(np.int32)
    stands = own & (size >= least)
    best = np.empty(count + 1, np.int32)
    nearest = np.empty(count + 1, np.float64)
    left = np.empty(len(a), np.int32)
    right = np.empty(len(a), np.int32)
    n = 0
    for e in range(len(a)):
        if not (stands[a[e]] and stands[b[e]]):
            left[n] = a[e]
            right[n] = b[e]
            n += 1
    again = n > 0
    while again:
        again = False
        best[:] = -1
        nearest[:] = np.inf
        kept = 0
        for e in range(n):
            i = find_root(parent, left[e])
            j = find_root(parent, right[e])
            if i == j or (stands[i] and stands[j]):
                continue
            left[kept] = i
            right[kept] = j
            kept += 1
            apart = 0.0
            for c in range(total.shape[1]):
                apart += (total[i, c] / size[i] - total[j, c] / size[j]) ** 2
            if not stands[i] and (apart < nearest[i] or (apart == nearest[i] and j < best[i])):
                nearest[i] = apart
                best[i] = j
            if not stands[j] and (apart < nearest[j] or (apart == nearest[j] and i < best[j])):
                nearest[j] = apart
                best[j] = i
        n = kept
        for k in range(1, count + 1):
            if best[k] == -1:
                continue
            i = find_root(parent, k)
            j = find_root(parent, best[k])
            if i == j or stands[i]:
                continue
            again = True
            root = _joined(parent, i, j)
            other = i + j - root
            size[root] += size[other]
            own[root] |= own[other]
            stands[root] = own[root] and size[root] >= least
            for c in range(total.shape[1]):
                total[root, c] += total[other, c]
    for k in range(count + 1):
        parent[k] = find_root(parent, k)
    return parent


@njit(nogil=True, cache=True)
def renamed(labels: Array, names: Array) -> Array:
    """names[labels], int32."""
    out = np.empty(labels.shape, np.int32)
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            out[y, x] = names[labels[y, x]]
    return out
