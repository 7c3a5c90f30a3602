"""Compiled merging of neighbouring regions, the most alike first."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from labelimg.segmentatimg.kernels.regions import find_root

Array = NDArray[Any]

_LAST = 1e9  # more than any two regions differ by


@njit(nogil=True, cache=True)
def _unlike(
    i: int, j: int, size: Array, colour: Array, strength: float, contrast: float, growth: float, barrier: float
) -> Any:
    apart = 0.0
    for c in range(colour.shape[1]):
        apart += (colour[i, c] - colour[j, c]) ** 2
    common = 2 * size[i] * size[j] / (size[i] + size[j])
    return (np.sqrt(apart) + contrast * strength + 1e-3) * (common / 100) ** growth + barrier


@njit(nogil=True, cache=True)
def merge_order(
    a: Array,
    b: Array,
    length: Array,
    strength: Array,
    size: Array,
    colour: Array,
    inside: Array,
    contrast: float,
    growth: float,
    most: float,
) -> Any:
    """(first, second) int32: the regions that merge, in order; a merged region goes by the name of either.

    a, b, length, strength: the pairs that touch, as `neighbours` gives them. size (n + 1,) float64, colour
    (n + 1, c) float64: of each region, written over. The pair that differs least merges first: the distance of the
    mean colours, plus `contrast` times the mean strength of the common boundary, times the harmonic mean of the sizes,
    in hundreds of pixels, to the power of `growth`. Pairs whose `inside` differ merge after all others. No pair that
    differs by more than `most` merges.
    """
    edges = len(a)
    n = len(size)
    end = np.empty((edges, 2), np.int32)
    long = np.empty(edges, np.float64)
    strong = np.empty(edges, np.float64)
    barrier = np.zeros(edges, np.float64)
    alive = np.ones(edges, np.bool_)
    waits = np.empty(edges, np.float64)  # the weight of the entry by which a pair waits; others of it are void
    head = np.full(n, -1, np.int32)
    after = np.empty(2 * edges, np.int32)
    degree = np.zeros(n, np.int32)
    heap: Any = [(0.0, np.int64(0))]
    heap.pop()
    for e in range(edges):
        end[e, 0] = a[e]
        end[e, 1] = b[e]
        long[e] = length[e]
        strong[e] = strength[e]
        if inside[a[e]] != inside[b[e]]:
            barrier[e] = _LAST
        for side in range(2):
            node = end[e, side]
            after[2 * e + side] = head[node]
            head[node] = 2 * e + side
            degree[node] += 1
        weight = _unlike(a[e], b[e], size, colour, strong[e] / long[e], contrast, growth, barrier[e])
        waits[e] = weight
        heap.append((weight, np.int64(e)))
    heapq.heapify(heap)
    mark = np.full(n, -1, np.int32)
    first = np.empty(n, np.int32)
    second = np.empty(n, np.int32)
    done = 0
    while len(heap) > 0:
        weight, top = heapq.heappop(heap)
        if not alive[top] or weight != waits[top]:
            continue
        i = end[top, 0]
        j = end[top, 1]
        now = _unlike(i, j, size, colour, strong[top] / long[top], contrast, growth, barrier[top])
        if now > weight:
            waits[top] = now
            heapq.heappush(heap, (now, top))
            continue
        if now > most:
            break
        if degree[i] < degree[j]:
            i, j = j, i
        first[done] = i
        second[done] = j
        done += 1
        alive[top] = False
        whole = size[i] + size[j]
        for c in range(colour.shape[1]):
            colour[i, c] = (colour[i, c] * size[i] + colour[j, c] * size[j]) / whole
        size[i] = whole
        # The edges of i, without dead ones; then those of j, which become i's.
        kept = np.int32(-1)
        many = 0
        half = head[i]
        while half != -1:
            following = after[half]
            f = half >> 1
            if alive[f]:
                after[half] = kept
                kept = half
                many += 1
                mark[end[f, 1 - (half & 1)]] = f
            half = following
        half = head[j]
        while half != -1:
            following = after[half]
            f = half >> 1
            if alive[f]:
                other = end[f, 1 - (half & 1)]
                same = mark[other]
                if same != -1:
                    long[same] += long[f]
                    strong[same] += strong[f]
                    barrier[same] = max(barrier[same], barrier[f])
                    alive[f] = False
                else:
                    end[f, half & 1] = i
                    after[half] = kept
                    kept = half
                    many += 1
            half = following
        head[i] = kept
        degree[i] = many
        half = kept
        while half != -1:
            f = half >> 1
            other = end[f, 1 - (half & 1)]
            mark[other] = -1
            # A pair that has become more unlike is weighed again when its turn comes.
            weight = _unlike(i, other, size, colour, strong[f] / long[f], contrast, growth, barrier[f])
            if weight < waits[f]:
                waits[f] = weight
                heapq.heappush(heap, (weight, np.int64(f)))
            half = after[half]
    return first[:done], second[:done]


@njit(nogil=True, cache=True)
def cut(first: Array, second: Array, merges: int, n: int) -> Array:
    """The name of each region, int32 (n,), after that many merges: the lowest of those it was merged from; 0 is 0."""
    parent = np.arange(n).astype(np.int32)
    for k in range(merges):
        i = find_root(parent, first[k])
        j = find_root(parent, second[k])
        if i < j:
            parent[j] = i
        else:
            parent[i] = j
    for k in range(n):
        parent[k] = find_root(parent, k)
    return parent
