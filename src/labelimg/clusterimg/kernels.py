"""The inner loops, compiled by numba; nothing else of the package is compiled.

Every search kernel looks at the pairs (i, j), i < j, of the rows `start <= i < stop` and the columns
`column <= j < until`. It leaves out pairs whose `labels` are equal, writes what it finds into the three output
arrays, and returns `(count, resume)`: how many pairs it wrote and the first column it has not looked at. That is
before `until` only when the output might not take one more round: the caller empties it and calls again.

All kernels release the GIL, and none depends on what another thread does: the same rows give the same pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[Any]

SSIM_WINDOW = 7
SSIM_BLOCK = 8
ORB_WORDS = 4
_DESCRIPTORS_AT_ONCE = 64

_SAMPLES = SSIM_WINDOW * SSIM_WINDOW
# Means and variances are kept as integers: sums over the window, and 49 times the sum of squares less the square
# of the sum, which is 48 * 49 times the sample variance. The constants of SSIM are scaled alike.
_C1 = np.float32((0.01 * 255) ** 2 * _SAMPLES * _SAMPLES)
_C2 = np.float32((0.03 * 255) ** 2 * _SAMPLES * (_SAMPLES - 1))
_SLACK = 1e-5  # more than single precision can add to the mean of the windows' similarities


def _popcount(_context: Any, _value: Any) -> Any:
    """The number of bits set in a uint64, as int64 (LLVM ctpop)."""

    def generate(_c: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


popcount: Any = intrinsic(_popcount)


# ---------------------------------------------------------------------------------------------- groups of pairs


@njit(nogil=True, cache=True)
def find_root(parent: Array, x: int) -> Any:
    """The root of x; the path to it is halved on the way."""
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@njit(nogil=True, cache=True)
def join(parent: Array, i: Array, j: Array) -> Array:
    """Join the trees of i[k] and j[k] for each k in turn; True where that joined two trees.

    The smaller root becomes the root, so that a tree's root is its smallest member.
    """
    joined = np.zeros(len(i), np.bool_)
    for k in range(len(i)):
        a = find_root(parent, i[k])
        b = find_root(parent, j[k])
        if a != b:
            joined[k] = True
            if a < b:
                parent[b] = a
            else:
                parent[a] = b
    return joined


@njit(nogil=True, cache=True)
def roots(parent: Array) -> Array:
    """The root of every element."""
    out = np.empty_like(parent)
    for x in range(len(parent)):
        out[x] = find_root(parent, x)
    return out


# ------------------------------------------------------------------------------------------------------- hashes


# Loops over a whole slice from its first element on are what LLVM turns into vector instructions: numba would check
# an index with an offset for being negative, and widen int32 arithmetic that is not cast back.


@njit(nogil=True, cache=True)
def _bits_apart(word: Any, words: Array, distances: Array) -> None:
    for k in range(len(distances)):
        distances[k] = popcount(word ^ words[k])


@njit(nogil=True, cache=True)
def _more_bits_apart(word: Any, words: Array, distances: Array) -> None:
    for k in range(len(distances)):
        distances[k] += np.int32(popcount(word ^ words[k]))


@njit(nogil=True, cache=True)
def _count_at_most(distances: Array, most: int) -> Any:
    limit = np.int32(most)
    count = np.int32(0)
    for k in range(len(distances)):
        count += np.int32(distances[k] <= limit)
    return count


@njit(nogil=True, cache=True)
def hamming_pairs(
    words: Array,
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

    words: (w, n) uint64, the w-th word of every string contiguous. out_d: int32, the differing bits.
    """
    w = words.shape[0]
    chunk = 2048
    distances = np.empty(chunk, np.int32)
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
            _bits_apart(words[0, i], words[0, first:j1], d)
            for word in range(1, w):
                _more_bits_apart(words[word, i], words[word, first:j1], d)
            if _count_at_most(d, most) == 0:
                continue
            for k in range(size):
                if d[k] <= most and labels[i] != labels[first + k]:
                    out_i[count] = i
                    out_j[count] = first + k
                    out_d[count] = d[k]
                    count += 1
        j0 = j1
    return count, until


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def _count_equal(a: Array, b: Array) -> Any:
    count = np.int32(0)
    for k in range(len(a)):
        count += np.int32(a[k] == b[k])
    return count


@njit(nogil=True, cache=True)
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


# --------------------------------------------------------------------------------------------------------- SSIM


@njit(nogil=True, cache=True)
def window_sums(image: Array, sums: Array, variances: Array) -> None:
    """Fill the sums and the scaled variances of every 7x7 window that lies in the image.

    image: (h, w) uint8; sums, variances: (h - 6, w - 6) float32, each value a whole number.
    """
    h, w = image.shape
    columns = np.zeros(w, np.int32)
    squares = np.zeros(w, np.int32)
    for r in range(SSIM_WINDOW - 1):
        _add_moments(image[r], columns, squares)
    for top in range(h - SSIM_WINDOW + 1):
        _add_moments(image[top + SSIM_WINDOW - 1], columns, squares)
        _row_moments(columns, squares, sums[top], variances[top])
        _subtract_moments(image[top], columns, squares)


@njit(nogil=True, cache=True)
def _add_moments(row: Array, columns: Array, squares: Array) -> None:
    for c in range(len(columns)):
        columns[c] += np.int32(row[c])
        squares[c] += np.int32(np.int32(row[c]) * np.int32(row[c]))


@njit(nogil=True, cache=True)
def _subtract_moments(row: Array, columns: Array, squares: Array) -> None:
    for c in range(len(columns)):
        columns[c] -= np.int32(row[c])
        squares[c] -= np.int32(np.int32(row[c]) * np.int32(row[c]))


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def ssim_ranges(image: Array, ranges: Array) -> None:
    """Fill the least and greatest window sum and scaled deviation of every block of 8x8 windows.

    ranges: (blocks down, 4, blocks across) float32: least and greatest sum, least and greatest deviation.
    """
    oh = image.shape[0] - SSIM_WINDOW + 1
    ow = image.shape[1] - SSIM_WINDOW + 1
    sums = np.empty((oh, ow), np.float32)
    variances = np.empty((oh, ow), np.float32)
    window_sums(image, sums, variances)
    for down in range(ranges.shape[0]):
        for across in range(ranges.shape[2]):
            low = np.float32(np.inf)
            high = np.float32(0)
            flat = np.float32(np.inf)
            rough = np.float32(0)
            for r in range(down * SSIM_BLOCK, min(oh, (down + 1) * SSIM_BLOCK)):
                for c in range(across * SSIM_BLOCK, min(ow, (across + 1) * SSIM_BLOCK)):
                    low = min(low, sums[r, c])
                    high = max(high, sums[r, c])
                    flat = min(flat, variances[r, c])
                    rough = max(rough, variances[r, c])
            ranges[down, 0, across] = low
            ranges[down, 1, across] = high
            ranges[down, 2, across] = np.sqrt(flat)
            ranges[down, 3, across] = np.sqrt(rough)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc"})
def _ssim_bound(x: Array, y: Array, weights: Array, most: Array) -> Any:
    """An upper bound of the sum of the windows' similarities; most[b] is that of the windows of block row b.

    Luminance and contrast are (2ab + C) / (a^2 + b^2 + C), which grows as a and b come closer; the covariance is
    at most the product of the deviations. So the closest values that the blocks' ranges allow bound both.
    """
    two = np.float32(2)
    total = 0.0
    for down in range(x.shape[0]):
        row: Any = np.float32(0)
        for across in range(x.shape[2]):
            a = min(x[down, 1, across], y[down, 1, across])
            b = max(x[down, 0, across], y[down, 0, across])
            low = min(a, b)
            high = max(low, b)
            p = min(x[down, 3, across], y[down, 3, across])
            q = max(x[down, 2, across], y[down, 2, across])
            flat = min(p, q)
            rough = max(flat, q)
            if a >= b:  # the ranges overlap: the term is 1
                low = high = np.float32(0)
            if p >= q:
                flat = rough = np.float32(0)
            row += (
                weights[down, across]
                * ((two * low * high + _C1) * (two * flat * rough + _C2))
                / ((low * low + high * high + _C1) * (flat * flat + rough * rough + _C2))
            )
        most[down] = row
        total += row
    return total


@njit(nogil=True, cache=True)
def _ssim_sum(
    x: Array,
    y: Array,
    sums_x: Array,
    variances_x: Array,
    sums_y: Array,
    variances_y: Array,
    most: Array,
    bound: float,
    order: Array,
    needed: float,
    columns: Array,
    products: Array,
) -> Any:
    """The sum of the windows' similarities, or -inf as soon as it cannot exceed `needed`.

    Block rows are gone through in the given order, and most[b] becomes what block row b comes to in place of the most
    that it could; they are added up from top to bottom.
    """
    oh, ow = sums_x.shape
    others = bound
    for band in order:
        others -= most[band]
        columns[:] = 0
        top = band * SSIM_BLOCK
        end = min(oh, top + SSIM_BLOCK)
        for r in range(top, top + SSIM_WINDOW - 1):
            _add_products(x[r], y[r], columns)
        total = 0.0
        for row in range(top, end):
            # A row comes to at most 1 for each window, and the rows of the band to no more than the band could.
            if others + min(total + (end - row) * ow, most[band]) <= needed:
                return -np.inf
            _add_products(x[row + SSIM_WINDOW - 1], y[row + SSIM_WINDOW - 1], columns)
            total += _row_similarity(columns, sums_x, variances_x, sums_y, variances_y, row, products)
            _subtract_products(x[row], y[row], columns)
        others += total
        most[band] = total
    return np.sum(most)


@njit(nogil=True, cache=True)
def _add_products(x: Array, y: Array, columns: Array) -> None:
    for c in range(len(columns)):
        columns[c] += np.int32(np.int32(x[c]) * np.int32(y[c]))


@njit(nogil=True, cache=True)
def _subtract_products(x: Array, y: Array, columns: Array) -> None:
    for c in range(len(columns)):
        columns[c] -= np.int32(np.int32(x[c]) * np.int32(y[c]))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc"})
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
        luminance = (two * np.float32(ab) + _C1) * (two * covariance + _C2)
        total += luminance / ((a * a + b * b + _C1) * (variances_x[row, c] + variances_y[row, c] + _C2))
    return total


@njit(nogil=True, cache=True)
def ssim_pairs(
    images: Array,
    ranges: Array,
    weights: Array,
    orders: Array,
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

    images: (n, h, w) uint8; ranges: (n, ...) of `ssim_ranges`; weights: (blocks down, blocks across) float32, the
    windows of each block; orders: (n, blocks down) int64, the block rows of each image, the most telling first; out_s:
    float64, the mean SSIM.
    """
    h, w = images.shape[1:]
    oh = h - SSIM_WINDOW + 1
    ow = w - SSIM_WINDOW + 1
    windows = oh * ow
    needed = threshold * windows - _SLACK * windows
    rows = stop - start
    sums = np.empty((rows, oh, ow), np.float32)
    variances = np.empty((rows, oh, ow), np.float32)
    ready = np.zeros(rows, np.bool_)
    sums_j = np.empty((oh, ow), np.float32)
    variances_j = np.empty((oh, ow), np.float32)
    most = np.empty(ranges.shape[1])
    columns = np.empty(w, np.int32)
    products = np.empty(w, np.int32)
    count = 0
    for j in range(max(column, start + 1), until):
        if count + rows > len(out_i):
            return count, j
        ready_j = False
        for i in range(start, min(stop, j)):
            if labels[i] == labels[j]:
                continue
            bound = _ssim_bound(ranges[i], ranges[j], weights, most)
            if bound <= needed:
                continue
            k = i - start
            if not ready[k]:
                window_sums(images[i], sums[k], variances[k])
                ready[k] = True
            if not ready_j:
                window_sums(images[j], sums_j, variances_j)
                ready_j = True
            total = _ssim_sum(
                images[i],
                images[j],
                sums[k],
                variances[k],
                sums_j,
                variances_j,
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


# --------------------------------------------------------------------------------------------- template matching


@njit(nogil=True, cache=True)
def squared_norms(values: Array) -> Array:
    """The sum of squares of each row. values: (n, m) uint8; int64 out."""
    out = np.empty(values.shape[0], np.int64)
    for i in range(values.shape[0]):
        out[i] = _inner_product(values[i], values[i])
    return out


@njit(nogil=True, cache=True)
def _inner_product(x: Array, y: Array) -> Any:
    """The sum of the products, exact. x, y: (m,) uint8."""
    total = np.int64(0)
    step = 16384  # so many products of at most 255^2 fit an int32
    for begin in range(0, len(x), step):
        total += _short_inner_product(x[begin : begin + step], y[begin : begin + step])
    return total


@njit(nogil=True, cache=True)
def _short_inner_product(x: Array, y: Array) -> Any:
    total = np.int32(0)
    for k in range(len(x)):
        total = np.int32(total + np.int32(x[k]) * np.int32(y[k]))
    return total


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc"})
def _coarse_difference(x: Array, y: Array) -> Any:
    total = np.float32(0)
    for k in range(len(x)):
        d = x[k] - y[k]
        total += d * d
    return total


@njit(nogil=True, cache=True)
def sqdiff_pairs(
    values: Array,
    norms: Array,
    coarse: Array,
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

    values: (n, m) uint8; norms: (n,) int64 of `squared_norms`; coarse: (n, b) float32 with
    sum((coarse[i] - coarse[j])^2) at most the squared difference of i and j; out_s: float64.
    """
    count = 0
    for j in range(max(column, start + 1), until):
        if count + (stop - start) > len(out_i):
            return count, j
        for i in range(start, min(stop, j)):
            if labels[i] == labels[j]:
                continue
            scale = np.sqrt(np.float64(norms[i]) * np.float64(norms[j]))
            limit = (1.0 - threshold) * scale * (1 + 1e-9) + 1e-9
            if threshold >= 0 and _coarse_difference(coarse[i], coarse[j]) * 0.9999 > limit:
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


@njit(nogil=True, cache=True)
def _best_place(small: Array, large: Array, threshold: float) -> Any:
    """1 - the smallest normed squared difference of `small` over its places in `large`; both (h, w, c) uint8.

    A place whose similarity cannot exceed `threshold` may be left unfinished, so a result of at most `threshold`
    means no more than that.
    """
    h, w, channels = small.shape
    norm = np.int64(0)
    for r in range(h):
        for c in range(w):
            for k in range(channels):
                norm += np.int64(small[r, c, k]) * np.int64(small[r, c, k])
    best = 0.0
    integral = np.zeros((large.shape[0] + 1, large.shape[1] + 1), np.int64)
    for r in range(large.shape[0]):
        along = np.int64(0)
        for c in range(large.shape[1]):
            for k in range(channels):
                along += np.int64(large[r, c, k]) * np.int64(large[r, c, k])
            integral[r + 1, c + 1] = integral[r, c + 1] + along
    for top in range(large.shape[0] - h + 1):
        for left in range(large.shape[1] - w + 1):
            under = (
                integral[top + h, left + w] - integral[top, left + w] - integral[top + h, left] + integral[top, left]
            )
            scale = np.sqrt(np.float64(norm) * np.float64(under))
            limit = (1.0 - max(best, threshold)) * scale * (1 + 1e-9) + 1e-9
            difference = np.int64(0)
            for r in range(h):
                for c in range(w):
                    for k in range(channels):
                        d = np.int64(small[r, c, k]) - np.int64(large[top + r, left + c, k])
                        difference += d * d
                if difference > limit:
                    break
            if difference <= limit and difference < scale:
                best = max(best, 1.0 - difference / scale)
    return best


@njit(nogil=True, cache=True)
def template_pairs(
    values: Array,
    offsets: Array,
    shapes: Array,
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

    values: flat uint8; shapes: (n, 3) int64. Where neither fits in the other the pair has no similarity.
    """
    count = 0
    for j in range(max(column, start + 1), until):
        if count + (stop - start) > len(out_i):
            return count, j
        for i in range(start, min(stop, j)):
            if labels[i] == labels[j]:
                continue
            a = values[offsets[i] : offsets[i + 1]].reshape((shapes[i, 0], shapes[i, 1], shapes[i, 2]))
            b = values[offsets[j] : offsets[j + 1]].reshape((shapes[j, 0], shapes[j, 1], shapes[j, 2]))
            if a.shape[0] <= b.shape[0] and a.shape[1] <= b.shape[1]:
                similarity = _best_place(a, b, threshold)
            elif b.shape[0] <= a.shape[0] and b.shape[1] <= a.shape[1]:
                similarity = _best_place(b, a, threshold)
            else:
                continue
            if similarity > threshold:
                out_i[count] = i
                out_j[count] = j
                out_s[count] = similarity
                count += 1
    return count, until


# ---------------------------------------------------------------------------------------------------------- ORB


@njit(nogil=True, cache=True)
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
            _bits_apart(a[i, 0], b[0, begin:end], d)
            _more_bits_apart(a[i, 1], b[1, begin:end], d)
            if _count_at_most(d, good) == 0:
                continue
            for k in range(end - begin):
                if d[k] <= good:
                    rest = popcount(a[i, 2] ^ b[2, begin + k]) + popcount(a[i, 3] ^ b[3, begin + k])
                    if d[k] + rest <= good:
                        nearest_a[i] = True
                        nearest_b[begin + k] = True
    return np.sum(nearest_a[: len(a)]) + np.sum(nearest_b[:kb])


@njit(nogil=True, cache=True)
def match_pairs(
    words: Array,
    offsets: Array,
    good: int,
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
    descriptor's nearest one in the other image, good when it differs in at most `good` bits.
    """
    n = len(offsets) - 1
    most = 1
    for i in range(n):
        most = max(most, offsets[i + 1] - offsets[i])
    nearest_a = np.empty(most, np.bool_)
    nearest_b = np.empty(most, np.bool_)
    distances = np.empty(_DESCRIPTORS_AT_ONCE, np.int32)
    turned = np.empty((ORB_WORDS, most), np.uint64)
    count = 0
    for j in range(max(column, start + 1), until):
        if count + (stop - start) > len(out_i):
            return count, j
        kb = offsets[j + 1] - offsets[j]
        for k in range(kb):
            for word in range(ORB_WORDS):
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
