"""Searches among bit strings and minhashes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from labelimg.clusterimg.kernels.bits import bits_apart, count_at_most, more_bits_apart, popcount

Array = NDArray[Any]


@njit(error_model="numpy")
def hamming_pairs(
    words: Array,
    distances: Array,
    start: int,
    stop: int,
    column: int,
    until: int,
    most: int,
    labels: Array,
    out_i: Array,
    out_j: Array,
    out_d: Array,
) -> tuple[int, int]:
    """Pairs of bit strings with at most `most` differing bits.

    words: (w, n) uint64, the w-th word of every string contiguous; distances: int32, room to work in. out_d: int32,
    the differing bits.
    """
    w = words.shape[0]
    chunk = len(distances)
    count = 0
    j0 = max(column, start + 1)
    while j0 < until:
        j1 = min(j0 + chunk, until)
        if count + (j1 - j0) * (stop - start) > len(out_i):
            return count, j0
        for i in range(start, min(stop, j1 - 1)):
            first = max(j0, i + 1)
            size = j1 - first
            d = distances[:size]
            bits_apart(words[0, i], words[0, first:j1], d)
            for word in range(1, w):
                more_bits_apart(words[word, i], words[word, first:j1], d)
            if count_at_most(d, most) == 0:
                continue
            for k in range(size):
                if d[k] <= most and labels[i] != labels[first + k]:
                    out_i[count] = i
                    out_j[count] = first + k
                    out_d[count] = d[k]
                    count += 1
        j0 = j1
    return count, until


@njit(error_model="numpy")
def bucket_pairs(
    words: Array,
    masks: Array,
    radii: Array,
    keys: Array,
    flips: Array,
    flip_starts: Array,
    starts: Array,
    members: Array,
    start: int,
    stop: int,
    row: int,
    until: int,
    most: int,
    labels: Array,
    out_i: Array,
    out_j: Array,
    out_d: Array,
) -> tuple[int, int]:
    """Pairs of bit strings with at most `most` differing bits, through blocks of bits that must nearly agree.

    Two strings that differ in at most `most` bits differ in at most radii[b] bits of some block b, so a string is
    compared only with those whose block is within that radius of its own. A pair is written for the first such
    block alone. words: (n, w) uint64; masks: (blocks, w) uint64; keys: (blocks, n) uint32, the block's bits;
    flips[flip_starts[b]:flip_starts[b + 1]]: the differences to try; members: (blocks, n) int32, the strings in
    order of their key; starts: (blocks, keys + 1) int64, where each key's begin. It goes by rows: `row` and `until`
    bound i, and the second value returned is a row.
    """
    w = words.shape[1]
    blocks = len(radii)
    count = 0
    for i in range(max(row, start), min(until, stop)):
        kept = count
        for b in range(blocks):
            if radii[b] < 0:
                continue
            for f in range(flip_starts[b], flip_starts[b + 1]):
                key = keys[b, i] ^ flips[f]
                for place in range(starts[b, key], starts[b, key + 1]):
                    j = members[b, place]
                    if j <= i:
                        continue
                    d = 0
                    for word in range(w):
                        d += popcount(words[i, word] ^ words[j, word])
                    if d > most or labels[i] == labels[j]:
                        continue
                    first = True
                    for earlier in range(b):
                        if radii[earlier] < 0:
                            continue
                        e = 0
                        for word in range(w):
                            e += popcount((words[i, word] ^ words[j, word]) & masks[earlier, word])
                        if e <= radii[earlier]:
                            first = False
                            break
                    if first:
                        if count == len(out_i):
                            return kept, i
                        out_i[count] = i
                        out_j[count] = j
                        out_d[count] = d
                        count += 1
    return count, until


@njit(error_model="numpy")
def _count_equal(a: Array, b: Array) -> Any:
    count = np.int32(0)
    for k in range(len(a)):
        count += np.int32(a[k] == b[k])
    return count


@njit(error_model="numpy")
def equal_pairs(
    values: Array,
    start: int,
    stop: int,
    column: int,
    until: int,
    least: int,
    labels: Array,
    out_i: Array,
    out_j: Array,
    out_e: Array,
) -> tuple[int, int]:
    """Pairs of rows that agree in at least `least` places. values: (n, p) uint32; out_e: int32, the places."""
    p = values.shape[1]
    step = 64
    count = 0
    for j in range(max(column, start + 1), until):
        if count + (stop - start) > len(out_i):
            return count, j
        for i in range(start, min(stop, j)):
            if labels[i] == labels[j]:
                continue
            equal = 0
            place = 0
            while place < p:
                end = min(place + step, p)
                equal += _count_equal(values[i, place:end], values[j, place:end])
                if equal + (p - end) < least:
                    break
                place = end
            if place >= p and equal >= least:
                out_i[count] = i
                out_j[count] = j
                out_e[count] = equal
                count += 1
    return count, until
