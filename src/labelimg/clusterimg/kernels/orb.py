"""Searches among sets of descriptors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from labelimg.clusterimg.kernels.bits import bits_apart, count_at_most, more_bits_apart, popcount

Array = NDArray[Any]

_WORDS = 4


@njit(error_model="numpy")
def _good_matches(a: Array, b: Array, nearest_a: Array, nearest_b: Array, distances: Array, good: int) -> Any:
    """How many descriptors of `a` and of `b` have one of the other within `good` bits.

    a: (ka, 4) uint64; b: (4, kb) uint64. Two words tell most descriptors apart, so the other two are looked at only
    where some descriptor of a chunk is still within reach.
    """
    kb = b.shape[1]
    nearest_a[: len(a)] = False
    nearest_b[:kb] = False
    for begin in range(0, kb, len(distances)):
        end = min(begin + len(distances), kb)
        d = distances[: end - begin]
        for i in range(len(a)):
            bits_apart(a[i, 0], b[0, begin:end], d)
            more_bits_apart(a[i, 1], b[1, begin:end], d)
            if count_at_most(d, good) == 0:
                continue
            for k in range(end - begin):
                if d[k] <= good:
                    rest = popcount(a[i, 2] ^ b[2, begin + k]) + popcount(a[i, 3] ^ b[3, begin + k])
                    if d[k] + rest <= good:
                        nearest_a[i] = True
                        nearest_b[begin + k] = True
    good_ones = np.int64(0)
    for i in range(len(a)):
        good_ones += np.int64(nearest_a[i])
    for k in range(kb):
        good_ones += np.int64(nearest_b[k])
    return good_ones


@njit(error_model="numpy")
def match_pairs(
    words: Array,
    offsets: Array,
    good: int,
    nearest_a: Array,
    nearest_b: Array,
    distances: Array,
    turned: Array,
    start: int,
    stop: int,
    column: int,
    until: int,
    threshold: float,
    labels: Array,
    out_i: Array,
    out_j: Array,
    out_s: Array,
) -> tuple[int, int]:
    """Pairs of descriptor sets whose share of good matches is greater than `threshold`.

    words: (total, 4) uint64, the descriptors of image i in rows offsets[i]:offsets[i + 1]; a match is a
    descriptor's nearest one in the other image, good when it differs in at most `good` bits. Room to work in, for up
    to `most` descriptors an image: nearest_a, nearest_b (most,) bool, distances (any,) int32, turned (4, most) uint64.
    """
    count = 0
    for j in range(max(column, start + 1), until):
        if count + (stop - start) > len(out_i):
            return count, j
        kb = offsets[j + 1] - offsets[j]
        for k in range(kb):
            for word in range(_WORDS):
                turned[word, k] = words[offsets[j] + k, word]
        for i in range(start, min(stop, j)):
            ka = offsets[i + 1] - offsets[i]
            if labels[i] == labels[j]:
                continue
            similarity = 0.0
            if ka > 0 and kb > 0:
                matched = _good_matches(
                    words[offsets[i] : offsets[i + 1]], turned[:, :kb], nearest_a, nearest_b, distances, good
                )
                similarity = matched / (ka + kb)
            if similarity > threshold:
                out_i[count] = i
                out_j[count] = j
                out_s[count] = similarity
                count += 1
    return count, until
