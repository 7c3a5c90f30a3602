"""Compiled loops over the pixels of a label map: connected regions, their sums, their neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(error_model="numpy")
def find_root(parent: Array, x: int) -> Any:
    """The root of x; the path to it is halved on the way."""
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@njit(error_model="numpy")
def _joined(parent: Array, a: int, b: int) -> Any:
    """Join two trees; the smaller root becomes the root, and is returned."""
    a = find_root(parent, a)
    b = find_root(parent, b)
    if a < b:
        parent[b] = a
        return a
    parent[a] = b
    return b


@njit(error_model="numpy")
def connected(labels: Array, out: Array, parent: Array) -> int:
    """Fill `out` with 4-connected pixels of one label, 1.. in raster order; 0 stays 0. Returns how many there are.

    labels, out: int32 (h, w). parent: int32 (h * w + 1,), room to work in.
    """
    height, width = labels.shape
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
                parent[count] = count
                here = count
            out[y, x] = here
    # A root is the smallest of its tree, so it comes first and has its final number when the others ask.
    final = 0
    for k in range(1, count + 1):
        if parent[k] == k:
            final += 1
            parent[k] = final
        else:
            parent[k] = parent[parent[k]]
    parent[0] = 0
    for y in range(height):
        for x in range(width):
            out[y, x] = parent[out[y, x]]
    return final


@njit(error_model="numpy")
def sums(labels: Array, image: Array, size: Array, total: Array) -> None:
    """Add each label's pixels to `size`, int64 (n,), and their channels to `total`, int64 (n, c); rows by label."""
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            label = labels[y, x]
            size[label] += 1
            for c in range(image.shape[2]):
                total[label, c] += image[y, x, c]


@njit(error_model="numpy")
def places(labels: Array, total: Array) -> None:
    """Add the x and the y of each label's pixels to `total`, int64 (n, 2)."""
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            label = labels[y, x]
            total[label, 0] += x
            total[label, 1] += y


@njit(error_model="numpy")
def difference(image: Array, y: int, x: int, v: int, u: int) -> Any:
    """The largest difference of a channel between two pixels, 0 to 255."""
    most: Any = 0
    for c in range(image.shape[2]):
        apart = abs(np.int64(image[y, x, c]) - np.int64(image[v, u, c]))
        most = max(most, apart)
    return most


@njit(error_model="numpy")
def neighbours(
    labels: Array, image: Array, count: int, key: Array, at: Array, a: Array, b: Array, length: Array, strength: Array
) -> int:
    """Pairs of labels that touch, in the order they are met; returns how many, -1 if more than there is room for.

    labels: 1 .. count; 0 touches nothing. Fills a, b (int32, a < b), length, strength (int64, which are 0): pairs of
    pixels side by side, and the sum of the differences of the colours across them. key, at: a table of int64 and int32
    to find a pair by, of a power of two of places; all of `key` is -1.
    """
    height, width = labels.shape
    n = 0
    mask = key.shape[0] - 1
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
                    if n == a.shape[0]:
                        return -1
                    key[slot] = wanted
                    at[slot] = n
                    a[n] = low
                    b[n] = high
                    n += 1
                e = at[slot]
                length[e] += 1
                strength[e] += difference(image, y, x, v, u)
    return n


@njit(error_model="numpy")
def absorb(
    a: Array,
    b: Array,
    size: Array,
    total: Array,
    least: int,
    own: Array,
    parent: Array,
    stands: Array,
    best: Array,
    nearest: Array,
    left: Array,
    right: Array,
) -> None:
    """Fill `parent`, int32 (n,), with what each label becomes when those that cannot stand alone join a neighbour.

    a, b, size, total: of `neighbours` and `sums`. A label stands alone if it has at least `least` pixels and `own`,
    bool (n,), is set. In rounds: each label that does not chooses the touching label of the nearest mean colour (the
    lower one of equals), and joins it unless it has come to stand alone meanwhile; until all do or those that do not
    have no neighbour. `size`, `total` and `own` are written over. Room to work in: stands bool, best int32, nearest
    float64, all (n,); left, right int32, as long as `a`.
    """
    count = len(size) - 1
    for k in range(count + 1):
        parent[k] = k
        stands[k] = own[k] and size[k] >= least
    n = 0
    for e in range(len(a)):
        if not (stands[a[e]] and stands[b[e]]):
            left[n] = a[e]
            right[n] = b[e]
            n += 1
    again = n > 0
    while again:
        again = False
        for k in range(count + 1):
            best[k] = -1
            nearest[k] = np.inf
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


@njit(error_model="numpy")
def renamed(labels: Array, names: Array, out: Array) -> None:
    """Fill `out` with names[labels]; all int32."""
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            out[y, x] = names[labels[y, x]]
