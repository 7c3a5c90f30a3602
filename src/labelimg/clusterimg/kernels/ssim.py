"""The search among images by their mean structural similarity.

SSIM of two images is the mean, over all 7x7 windows, of a luminance term of the windows' means times a term of their
variances and covariance. Means and variances are kept as integers: sums over the window, and 49 times the sum of
squares less the square of the sum, which is 48 * 49 times the sample variance.

Two bounds come before a pair is computed. Both terms are at most (2ab + C) / (a^2 + b^2 + C) of the two means and of
the two deviations, since a covariance is at most the product of the deviations; and that grows as a and b come closer.
So for a block of windows of which each image's least and greatest mean and deviation are known, the closest values that
those ranges allow bound all its windows: first in blocks of 8x8 windows, then in blocks of 4x4. Ranges are rounded
outwards to whole numbers, in which they take a byte.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]

_WINDOW = 7
_BAND = 8  # rows of windows that are bounded together
_SAMPLES = _WINDOW * _WINDOW
_SCALE = np.float32(_SAMPLES * (_SAMPLES - 1))
_C1 = np.float32((0.01 * 255) ** 2)
_C2 = np.float32((0.03 * 255) ** 2)
_SCALED_C1 = np.float32((0.01 * 255) ** 2 * _SAMPLES * _SAMPLES)
_SCALED_C2 = np.float32((0.03 * 255) ** 2 * _SAMPLES * (_SAMPLES - 1))
_SLACK = 1e-5  # more than single precision can add to the mean of the windows' similarities
_ROUNDING = 1e-3  # more than it can add to a mean or a deviation


@njit(error_model="numpy")
def _window_sums(
    image: Array, top: int, end: int, sums: Array, variances: Array, columns: Array, squares: Array
) -> None:
    """Fill the sums and the scaled variances of the 7x7 windows whose upper rows are top <= r < end.

    image: (h, w) uint8; sums, variances: (h - 6, w - 6) float32, each value a whole number; columns, squares: (w,)
    int32, room to work in.
    """
    columns[:] = 0
    squares[:] = 0
    for r in range(top, top + _WINDOW - 1):
        _add_moments(image[r], columns, squares)
    for r in range(top, end):
        _add_moments(image[r + _WINDOW - 1], columns, squares)
        _row_moments(columns, squares, sums[r], variances[r])
        _subtract_moments(image[r], columns, squares)


@njit(error_model="numpy")
def _add_moments(row: Array, columns: Array, squares: Array) -> None:
    for c in range(len(columns)):
        columns[c] += np.int32(row[c])
        squares[c] += np.int32(np.int32(row[c]) * np.int32(row[c]))


@njit(error_model="numpy")
def _subtract_moments(row: Array, columns: Array, squares: Array) -> None:
    for c in range(len(columns)):
        columns[c] -= np.int32(row[c])
        squares[c] -= np.int32(np.int32(row[c]) * np.int32(row[c]))


@njit(error_model="numpy")
def _row_moments(columns: Array, squares: Array, sums: Array, variances: Array) -> None:
    for c in range(len(sums)):
        s = np.int32(
            columns[c]
            + columns[c + 1]
            + columns[c + 2]
            + columns[c + 3]
            + columns[c + 4]
            + columns[c + 5]
            + columns[c + 6]
        )
        q = np.int32(
            squares[c]
            + squares[c + 1]
            + squares[c + 2]
            + squares[c + 3]
            + squares[c + 4]
            + squares[c + 5]
            + squares[c + 6]
        )
        sums[c] = s
        variances[c] = np.int32(np.int32(_SAMPLES) * q - np.int32(s * s))


@njit(error_model="numpy")
def ssim_ranges(
    images: Array,
    start: int,
    stop: int,
    coarse: Array,
    fine: Array,
    sums: Array,
    variances: Array,
    columns: Array,
    squares: Array,
    least: Array,
    most: Array,
) -> None:
    """Fill what bounds are made of, for the images start <= k < stop.

    images: (n, h, w) uint8. coarse: (n, 4, width) uint8, the least and greatest mean and the least and greatest
    deviation of the blocks of 8x8 windows, row after row, then zeros. fine: (n, bands, 4, width) uint8, the same of the
    blocks of 4x4 windows, for each band of 8 rows of windows. Room to work in: sums, variances (h - 6, w - 6) float32,
    columns, squares (w,) int32, least, most (w - 6,) float32.
    """
    for k in range(start, stop):
        _window_sums(images[k], 0, sums.shape[0], sums, variances, columns, squares)
        scale = np.float32(1 / _SAMPLES)
        _fine_ranges(sums, scale, 0, least, most, fine[k])
        _square_roots(variances)
        _fine_ranges(variances, np.float32(1 / math.sqrt(_SAMPLES * (_SAMPLES - 1))), 2, least, most, fine[k])
        _coarse_ranges(fine[k], sums.shape[0], sums.shape[1], coarse[k])


@njit(error_model="numpy")
def _square_roots(values: Array) -> None:
    for r in range(values.shape[0]):
        row = values[r]
        for c in range(len(row)):
            row[c] = np.float32(math.sqrt(row[c]))


@njit(error_model="numpy")
def _fine_ranges(values: Array, scale: Any, kind: int, least: Array, most: Array, ranges: Array) -> None:
    """Fill ranges[:, kind] and ranges[:, kind + 1], the least and the greatest of the scaled values of each block."""
    oh, ow = values.shape
    side = _BAND // 2
    across = (ow + side - 1) // side
    ranges[:, kind : kind + 2] = 0
    for top in range(0, oh, side):
        band, down = top // _BAND, (top % _BAND) // side
        least[:] = np.inf
        most[:] = 0
        for r in range(top, min(oh, top + side)):
            _widen(values[r], least, most)
        for block in range(across):
            low = least[block * side]
            high = most[block * side]
            for c in range(block * side + 1, min(ow, (block + 1) * side)):
                low = min(low, least[c])
                high = max(high, most[c])
            place = down * across + block
            ranges[band, kind, place] = math.floor(max(low * scale - _ROUNDING, 0.0))
            ranges[band, kind + 1, place] = min(math.ceil(high * scale + _ROUNDING), 255)


@njit(error_model="numpy")
def _widen(row: Array, least: Array, most: Array) -> None:
    for c in range(len(row)):
        least[c] = min(least[c], row[c])
        most[c] = max(most[c], row[c])


@njit(error_model="numpy")
def _coarse_ranges(fine: Array, oh: int, ow: int, ranges: Array) -> None:
    side = _BAND // 2
    fine_across = (ow + side - 1) // side
    across = (ow + _BAND - 1) // _BAND
    ranges[:] = 0
    for band in range(fine.shape[0]):
        halves = 2 if band * _BAND + side < oh else 1
        for block in range(across):
            place = band * across + block
            for kind in range(4):
                value = fine[band, kind, 2 * block]
                for down in range(halves):
                    for c in range(2 * block, min(2 * block + 2, fine_across)):
                        other = fine[band, kind, down * fine_across + c]
                        value = min(value, other) if kind % 2 == 0 else max(value, other)
                ranges[kind, place] = value


@njit(error_model="numpy", fastmath={"reassoc"})
def _bound(x: Array, y: Array, weights: Array) -> Any:
    """An upper bound of the sum of the similarities of some blocks' windows. x, y: (4, m) uint8; weights: (m,)."""
    least_x, most_x, flattest_x, roughest_x = x[0], x[1], x[2], x[3]
    least_y, most_y, flattest_y, roughest_y = y[0], y[1], y[2], y[3]
    two = np.float32(2)
    total = np.float32(0)
    for k in range(len(weights)):
        # Where the ranges overlap, the greater of the least is no more than the lesser of the most: a = b, the term 1.
        b = np.float32(max(least_x[k], least_y[k]))
        a = min(np.float32(min(most_x[k], most_y[k])), b)
        q = np.float32(max(flattest_x[k], flattest_y[k]))
        p = min(np.float32(min(roughest_x[k], roughest_y[k])), q)
        total += (
            weights[k] * ((two * a * b + _C1) * (two * p * q + _C2)) / ((a * a + b * b + _C1) * (p * p + q * q + _C2))
        )
    return total


@njit(error_model="numpy")
def _fine_bound(x: Array, y: Array, weights: Array, order: Array, needed: float, full: Array, most: Array) -> Any:
    """An upper bound of the sum of all windows, no closer than to `needed`; most[b] becomes that of band b.

    full: (bands,) float64, the windows of each band.
    """
    total = 0.0
    for band in range(len(most)):
        most[band] = full[band]
        total += full[band]
    for k in range(len(order)):
        band = order[k]
        most[band] = np.float64(_bound(x[band], y[band], weights[band]))
        total += most[band] - full[band]
        if total <= needed:
            return total
    return total


@njit(error_model="numpy")
def _ssim_sum(
    x: Array,
    y: Array,
    sums_x: Array,
    variances_x: Array,
    sums_y: Array,
    variances_y: Array,
    ready_x: Array,
    ready_y: Array,
    most: Array,
    bound: float,
    order: Array,
    needed: float,
    columns: Array,
    products: Array,
) -> Any:
    """The sum of the windows' similarities, or -inf as soon as it cannot exceed `needed`.

    Bands are gone through in the given order, and most[b] becomes what band b comes to in place of the most
    that it could; they are added up from top to bottom. The windows' sums are made band by band as they are needed.
    """
    oh, ow = sums_x.shape
    others = bound
    for place in range(len(order)):
        band = order[place]
        others -= most[band]
        top = band * _BAND
        end = min(oh, top + _BAND)
        if not ready_x[band]:
            _window_sums(x, top, end, sums_x, variances_x, columns, products)
            ready_x[band] = True
        if not ready_y[band]:
            _window_sums(y, top, end, sums_y, variances_y, columns, products)
            ready_y[band] = True
        columns[:] = 0
        for r in range(top, top + _WINDOW - 1):
            _add_products(x[r], y[r], columns)
        total = 0.0
        for row in range(top, end):
            # A row comes to at most 1 for each window, and the rows of the band to no more than the band could.
            if others + min(total + (end - row) * ow, most[band]) <= needed:
                return -np.inf
            _add_products(x[row + _WINDOW - 1], y[row + _WINDOW - 1], columns)
            total += _row_similarity(columns, sums_x, variances_x, sums_y, variances_y, row, products)
            _subtract_products(x[row], y[row], columns)
        others += total
        most[band] = total
    total = 0.0
    for band in range(len(most)):
        total += most[band]
    return total


@njit(error_model="numpy")
def _add_products(x: Array, y: Array, columns: Array) -> None:
    for c in range(len(columns)):
        columns[c] += np.int32(np.int32(x[c]) * np.int32(y[c]))


@njit(error_model="numpy")
def _subtract_products(x: Array, y: Array, columns: Array) -> None:
    for c in range(len(columns)):
        columns[c] -= np.int32(np.int32(x[c]) * np.int32(y[c]))


@njit(error_model="numpy", fastmath={"reassoc"})
def _row_similarity(
    columns: Array, sums_x: Array, variances_x: Array, sums_y: Array, variances_y: Array, row: int, products: Array
) -> Any:
    """The sum of the similarities of the windows of one row.

    columns: (w,) int32, the products of the pixels summed over 7 rows; products: (w,) int32, room to work in.
    """
    n = sums_x.shape[1]
    for c in range(n):
        products[c] = (
            columns[c]
            + columns[c + 1]
            + columns[c + 2]
            + columns[c + 3]
            + columns[c + 4]
            + columns[c + 5]
            + columns[c + 6]
        )
    two = np.float32(2)
    total = np.float32(0)
    for c in range(n):
        a = sums_x[row, c]
        b = sums_y[row, c]
        ab = np.int32(np.int32(a) * np.int32(b))
        covariance = np.float32(np.int32(np.int32(_SAMPLES) * products[c] - ab))
        luminance = (two * np.float32(ab) + _SCALED_C1) * (two * covariance + _SCALED_C2)
        total += luminance / ((a * a + b * b + _SCALED_C1) * (variances_x[row, c] + variances_y[row, c] + _SCALED_C2))
    return total


@njit(error_model="numpy")
def ssim_pairs(
    images: Array,
    coarse: Array,
    fine: Array,
    coarse_weights: Array,
    fine_weights: Array,
    full: Array,
    orders: Array,
    sums: Array,
    variances: Array,
    ready: Array,
    most: Array,
    columns: Array,
    products: Array,
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
    """Pairs of images whose mean SSIM is greater than `threshold`.

    images: (n, h, w) uint8; coarse, fine: of `ssim_ranges`; the weights: (width,) and (bands, width) float32, the
    windows of each block; full: (bands,) float64, the windows of each band; orders: (n, bands) int64, the bands of each
    image, the most telling first; out_s: float64, the mean SSIM. Room to work in: sums, variances (rows + 1, h - 6,
    w - 6) float32, ready (rows + 1, bands) bool, most (bands,) float64, columns, products (w,) int32.
    """
    h, w = images.shape[1:]
    windows = (h - _WINDOW + 1) * (w - _WINDOW + 1)
    needed = threshold * windows - _SLACK * windows
    rows = stop - start
    ready[:] = False
    count = 0
    for j in range(max(column, start + 1), until):
        if count + rows > len(out_i):
            return count, j
        ready[rows] = False
        for i in range(start, min(stop, j)):
            if labels[i] == labels[j]:
                continue
            if _bound(coarse[i], coarse[j], coarse_weights) <= needed:
                continue
            bound = _fine_bound(fine[i], fine[j], fine_weights, orders[i], needed, full, most)
            if bound <= needed:
                continue
            k = i - start
            total = _ssim_sum(
                images[i],
                images[j],
                sums[k],
                variances[k],
                sums[rows],
                variances[rows],
                ready[k],
                ready[rows],
                most,
                bound,
                orders[i],
                needed,
                columns,
                products,
            )
            similarity = total / windows
            if similarity > threshold:
                out_i[count] = i
                out_j[count] = j
                out_s[count] = similarity
                count += 1
    return count, until
