"""Compiled merging of neighbouring regions, the most alike first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from labelimg.segmentatimg.kernels.regions import find_root

Array = NDArray[Any]

_LAST = 1e9  # more than any two regions differ by


@njit(error_model="numpy")
def _unlike(
    i: int, j: int, size: Array, colour: Array, strength: float, contrast: float, growth: float, barrier: float
) -> Any:
    apart = 0.0
    for c in range(colour.shape[1]):
        apart += (colour[i, c] - colour[j, c]) ** 2
    common = 2 * size[i] * size[j] / (size[i] + size[j])
    return (np.sqrt(apart) + contrast * strength + 1e-3) * (common / 100) ** growth + barrier


@njit(error_model="numpy")
def _sift_up(heap: Array, place: Array, waits: Array, at: int) -> None:
    """Move the pair at a place of the heap up to where it belongs; of equal weights the lower number comes first."""
    e = heap[at]
    while at > 0:
        above = (at - 1) >> 1
        f = heap[above]
        if waits[f] < waits[e] or (waits[f] == waits[e] and f < e):
            break
        heap[at] = f
        place[f] = at
        at = above
    heap[at] = e
    place[e] = at


@njit(error_model="numpy")
def _sift_down(heap: Array, place: Array, waits: Array, at: int, length: int) -> None:
    """Move the pair at a place of the heap down to where it belongs."""
    e = heap[at]
    while True:
        below = 2 * at + 1
        if below >= length:
            break
        f = heap[below]
        if below + 1 < length:
            g = heap[below + 1]
            if waits[g] < waits[f] or (waits[g] == waits[f] and g < f):
                below += 1
                f = g
        if waits[e] < waits[f] or (waits[e] == waits[f] and e < f):
            break
        heap[at] = f
        place[f] = at
        at = below
    heap[at] = e
    place[e] = at


@njit(error_model="numpy")
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
    first: Array,
    second: Array,
    pairs: Array,
    links: Array,
    weights: Array,
    alive: Array,
    nodes: Array,
) -> int:
    """Fill first and second, int32 (n + 1,), with the regions that merge, in order; returns how many merges there are.

    A merged region goes by the name of either. a, b, length, strength: the pairs that touch, as `neighbours` gives
    them. size (n + 1,) float64, colour (n + 1, c) float64: of each region, written over. The pair that differs least
    merges first: the distance of the mean colours, plus `contrast` times the mean strength of the common boundary,
    times the harmonic mean of the sizes, in hundreds of pixels, to the power of `growth`. Pairs whose `inside` differ
    merge after all others. No pair that differs by more than `most` merges.

    Room to work in, of k pairs: pairs int32 (4, k), links int32 (2 * k,), weights float64 (4, k), alive bool (k,),
    nodes int32 (3, n + 1).
    """
    edges = len(a)
    n = len(size)
    one, other_end, heap, place = pairs[0], pairs[1], pairs[2], pairs[3]
    long, strong, barrier, waits = weights[0], weights[1], weights[2], weights[3]
    head, degree, mark = nodes[0], nodes[1], nodes[2]
    for k in range(n):
        head[k] = -1
        degree[k] = 0
        mark[k] = -1
    for e in range(edges):
        one[e] = a[e]
        other_end[e] = b[e]
        long[e] = length[e]
        strong[e] = strength[e]
        barrier[e] = _LAST if inside[a[e]] != inside[b[e]] else 0.0
        alive[e] = True
        for side in range(2):
            node = a[e] if side == 0 else b[e]
            links[2 * e + side] = head[node]
            head[node] = 2 * e + side
            degree[node] += 1
        # The weight by which a pair waits in the heap; it may be less than what it has come to be.
        waits[e] = _unlike(a[e], b[e], size, colour, strong[e] / long[e], contrast, growth, barrier[e])
        heap[e] = e
        place[e] = e
    waiting = edges
    for at in range(edges // 2 - 1, -1, -1):
        _sift_down(heap, place, waits, at, waiting)
    done = 0
    while waiting > 0:
        top = heap[0]
        i = one[top]
        j = other_end[top]
        if alive[top]:
            now = _unlike(i, j, size, colour, strong[top] / long[top], contrast, growth, barrier[top])
            if now > waits[top]:
                waits[top] = now
                _sift_down(heap, place, waits, 0, waiting)
                continue
            if now > most:
                break
        waiting -= 1
        place[top] = -1
        if waiting > 0:
            heap[0] = heap[waiting]
            _sift_down(heap, place, waits, 0, waiting)
        if not alive[top]:
            continue
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
        kept = -1
        many = 0
        half = head[i]
        while half != -1:
            following = links[half]
            f = half >> 1
            if alive[f]:
                links[half] = kept
                kept = half
                many += 1
                mark[one[f] if half & 1 else other_end[f]] = f
            half = following
        half = head[j]
        while half != -1:
            following = links[half]
            f = half >> 1
            if alive[f]:
                other = one[f] if half & 1 else other_end[f]
                same = mark[other]
                if same != -1:
                    long[same] += long[f]
                    strong[same] += strong[f]
                    barrier[same] = max(barrier[same], barrier[f])
                    alive[f] = False
                else:
                    if half & 1:
                        other_end[f] = i
                    else:
                        one[f] = i
                    links[half] = kept
                    kept = half
                    many += 1
            half = following
        head[i] = kept
        degree[i] = many
        half = kept
        while half != -1:
            f = half >> 1
            other = one[f] if half & 1 else other_end[f]
            mark[other] = -1
            # A pair that has become more unlike is weighed again when its turn comes.
            weight = _unlike(i, other, size, colour, strong[f] / long[f], contrast, growth, barrier[f])
            if weight < waits[f]:
                waits[f] = weight
                _sift_up(heap, place, waits, place[f])
            half = links[half]
    return done


@njit(error_model="numpy")
def cut(first: Array, second: Array, merges: int, parent: Array) -> None:
    """Fill `parent`, int32 (n,), with each region's name after that many merges: the lowest of those merged; 0 is 0."""
    for k in range(len(parent)):
        parent[k] = k
    for k in range(merges):
        i = find_root(parent, first[k])
        j = find_root(parent, second[k])
        if i < j:
            parent[j] = i
        else:
            parent[i] = j
    for k in range(len(parent)):
        parent[k] = find_root(parent, k)
