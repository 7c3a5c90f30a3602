"""Searches among images by their squared differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]

_COARSE = 32  # pixels of a side of the blocks whose sums bound the difference from below
_FINE = 8
_CHANNELS = 3


@njit(error_model="numpy")
def norms_and_sums(
    values: Array, width: int, start: int, stop: int, norms: Array, coarse: Array, fine: Array, sums: Array
) -> None:
    """Fill the sum of squares and the sums of blocks of the images start <= k < stop.

    values: (n, h * width * 3) uint8; norms: (n,) int64; coarse, fine: (n, blocks * 3) float32, the sum of each block of
    32x32 and of 8x8 pixels over the root of the block's size: by Cauchy's inequality the squared distance of two
    images' rows is at most that of the images. sums: (width * 3,) int32, room to work in.
    """
    for k in range(start, stop):
        norms[k] = _inner_product(values[k], values[k])
        _block_sums(values[k], width, _COARSE, sums, coarse[k])
        _block_sums(values[k], width, _FINE, sums, fine[k])


@njit(error_model="numpy")
def _block_sums(values: Array, width: int, side: int, sums: Array, out: Array) -> None:
    length = width * _CHANNELS
    h = len(values) // length
    place = 0
    for top in range(0, h, side):
        bottom = min(h, top + side)
        sums[:] = 0
        for r in range(top, bottom):
            _add(values[r * length : (r + 1) * length], sums)
        for left in range(0, width, side):
            right = min(width, left + side)
            root = math.sqrt((right - left) * (bottom - top))
            for channel in range(_CHANNELS):
                total = np.int64(0)
                for c in range(left, right):
                    total += sums[c * _CHANNELS + channel]
                out[place] = total / root
                place += 1


@njit(error_model="numpy")
def _add(row: Array, sums: Array) -> None:
    for c in range(len(sums)):
        sums[c] += np.int32(row[c])


@njit(error_model="numpy")
def _inner_product(x: Array, y: Array) -> Any:
    """The sum of the products, exact. x, y: (m,) uint8."""
    total = np.int64(0)
    step = 16384  # so many products of at most 255^2 fit an int32
    for begin in range(0, len(x), step):
        total += _short_inner_product(x[begin : begin + step], y[begin : begin + step])
    return total


@njit(error_model="numpy")
def _short_inner_product(x: Array, y: Array) -> Any:
    total = np.int32(0)
    for k in range(len(x)):
        total = np.int32(total + np.int32(x[k]) * np.int32(y[k]))
    return total


@njit(error_model="numpy", fastmath={"reassoc"})
def _distance(x: Array, y: Array) -> Any:
    total = np.float32(0)
    for k in range(len(x)):
        d = x[k] - y[k]
        total += d * d
    return total


@njit(error_model="numpy")
def sqdiff_pairs(
    values: Array,
    norms: Array,
    coarse: Array,
    fine: Array,
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
    """Pairs of images of one size whose 1 - (normed squared difference) is greater than `threshold`.

    values: (n, m) uint8; norms, coarse, fine of `norms_and_sums`; out_s: float64.
    """
    count = 0
    for j in range(max(column, start + 1), until):
        if count + (stop - start) > len(out_i):
            return count, j
        for i in range(start, min(stop, j)):
            if labels[i] == labels[j]:
                continue
            scale = np.sqrt(np.float64(norms[i]) * np.float64(norms[j]))
            limit = ((1.0 - threshold) * scale * (1 + 1e-9) + 1e-9) / 0.9999  # of distances in single precision
            if threshold >= 0 and (_distance(coarse[i], coarse[j]) > limit or _distance(fine[i], fine[j]) > limit):
                continue
            difference = norms[i] + norms[j] - 2 * _inner_product(values[i], values[j])
            # As OpenCV has it: an error is at most 1, and 1 where there is nothing to divide by.
            similarity = 1.0 - difference / scale if difference < scale else 0.0
            if similarity > threshold:
                out_i[count] = i
                out_j[count] = j
                out_s[count] = similarity
                count += 1
    return count, until


@njit(error_model="numpy")
def _squared_distance(x: Array, y: Array) -> Any:
    """The sum of the squared differences, exact. x, y: (m,) uint8."""
    total = np.int64(0)
    step = 16384
    for begin in range(0, len(x), step):
        total += _short_squared_distance(x[begin : begin + step], y[begin : begin + step])
    return total


@njit(error_model="numpy")
def _short_squared_distance(x: Array, y: Array) -> Any:
    total = np.int32(0)
    for k in range(len(x)):
        d = np.int32(np.int32(x[k]) - np.int32(y[k]))
        total = np.int32(total + d * d)
    return total


@njit(error_model="numpy")
def _best_place(
    small: Array, h: int, w: int, large: Array, tall: int, wide: int, threshold: float, norms: Array
) -> Any:
    """1 - the smallest normed squared difference of `small` over its places in `large`.

    small: (h * w * 3,) uint8; large: (tall * wide * 3,) uint8; norms: ((tall + 1) * (wide + 1),) int64, room for the
    integral of the squares of `large`. A place whose similarity cannot exceed `threshold` may be left unfinished, so a
    result of at most `threshold` means no more than that.
    """
    stride = wide + 1
    norms[:stride] = 0
    for r in range(tall):
        along = np.int64(0)
        norms[(r + 1) * stride] = 0
        for c in range(wide):
            at = (r * wide + c) * _CHANNELS
            for k in range(at, at + _CHANNELS):
                along += np.int64(large[k]) * np.int64(large[k])
            norms[(r + 1) * stride + c + 1] = norms[r * stride + c + 1] + along
    norm = _inner_product(small, small)
    length = w * _CHANNELS
    best = 0.0
    for top in range(tall - h + 1):
        for left in range(wide - w + 1):
            above, below = top * stride + left, (top + h) * stride + left
            under = norms[below + w] - norms[below] - norms[above + w] + norms[above]
            scale = np.sqrt(np.float64(norm) * np.float64(under))
            limit = (1.0 - max(best, threshold)) * scale * (1 + 1e-9) + 1e-9
            difference = np.int64(0)
            for r in range(h):
                at = ((top + r) * wide + left) * _CHANNELS
                difference += _squared_distance(small[r * length : (r + 1) * length], large[at : at + length])
                if difference > limit:
                    break
            if difference <= limit and difference < scale:
                best = max(best, 1.0 - difference / scale)
    return best


@njit(error_model="numpy")
def template_pairs(
    values: Array,
    offsets: Array,
    shapes: Array,
    norms: Array,
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
    """`sqdiff_pairs` for images of several sizes: the smaller is looked for in the larger.

    values: flat uint8; shapes: (n, 3) int64; norms: (the largest (h + 1) * (w + 1),) int64, room to work in. Where
    neither fits in the other the pair has no similarity.
    """
    count = 0
    for j in range(max(column, start + 1), until):
        if count + (stop - start) > len(out_i):
            return count, j
        for i in range(start, min(stop, j)):
            if labels[i] == labels[j]:
                continue
            a, b = i, j
            if shapes[i, 0] > shapes[j, 0] or shapes[i, 1] > shapes[j, 1]:
                a, b = j, i
            if shapes[a, 0] > shapes[b, 0] or shapes[a, 1] > shapes[b, 1]:
                continue
            similarity = _best_place(
                values[offsets[a] : offsets[a + 1]],
                shapes[a, 0],
                shapes[a, 1],
                values[offsets[b] : offsets[b + 1]],
                shapes[b, 0],
                shapes[b, 1],
                threshold,
                norms,
            )
            if similarity > threshold:
                out_i[count] = i
                out_j[count] = j
                out_s[count] = similarity
                count += 1
    return count, until
