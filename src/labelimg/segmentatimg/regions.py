"""Segments as regions of pixels: make them 4-connected, draw their boundaries, join those that are too small."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UsageError
from labelimg.segmentatimg.loops import absorb, connected, enlarged, grow, neighbours, renamed, sums

Labels = NDArray[np.int32]
Pixels = NDArray[np.uint8]

_BAND = 64  # rows
_PART_PIXELS = 1 << 22


def checked_labels(labels: NDArray[Any]) -> Labels:
    """The label map as int32 (h, w), C-contiguous, itself if it is that.

    Raises UsageError for another shape, for numbers that are not whole, and for those below 0 or above 2**31 - 1.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iub":
        raise UsageError(f"labels must be whole numbers (h, w), got {labels.dtype} {labels.shape}")
    if labels.size and not (int(labels.min()) >= 0 and int(labels.max()) < 2**31):
        raise UsageError(f"labels must be between 0 and {2**31 - 1}, got {labels.min()} to {labels.max()}")
    return np.ascontiguousarray(labels, np.int32)


def connected_regions(labels: NDArray[Any]) -> Labels:
    """The 4-connected segments of a label map: int32 (h, w), numbered 1.. by their first pixel in raster order.

    Pixels of one label that do not touch side by side are several segments; 0 stays 0. As
    `skimage.measure.label(labels, connectivity=1)`. An empty map gives an empty map. Raises UsageError for what is no
    label map.

    >>> connected_regions(np.array([[7, 0, 7], [7, 7, 9]]))
    array([[1, 0, 2],
           [1, 1, 3]], dtype=int32)
    """
    return connected(checked_labels(labels))[0]


def boundaries(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """The pixels to draw so that one sees the segments: bool (h, w).

    A pixel is drawn if it is 0, or if the pixel to its right or below it has another label that is not 0. So a line
    between two segments is one pixel wide, and lines drawn by a method keep their width.

    >>> boundaries(np.array([[1, 1, 2], [1, 1, 0]])).astype(int)
    array([[0, 1, 0],
           [0, 0, 1]])
    """
    labels = np.asarray(labels)
    drawn = np.empty(labels.shape, np.bool_)
    for top in range(0, len(labels), _BAND):  # a part that stays in the processor's cache
        band, here = labels[top : top + _BAND + 1], drawn[top : top + _BAND]
        rows, below = len(here), len(band) - 1
        np.equal(band[:rows], 0, out=here)
        beside = band[:rows, :-1] != band[:rows, 1:]
        beside &= ~here[:, 1:]
        under = band[:below] != band[1:]
        under &= band[1:] != 0
        here[:, :-1] |= beside
        here[:below] |= under
    return drawn


def absorb_small(image: Pixels, labels: Labels, least: int) -> Labels:
    """The segments when those of fewer than `least` pixels have joined a neighbour: int32 (h, w), numbered anew.

    `image` uint8 (h, w, c), in a colour space in which distances mean something; `labels` as `connected_regions` gives
    them. A segment that is too small joins the one of the nearest mean colour, in rounds until none is too small. What
    no segment touches, as it lies between pixels of label 0, becomes 0 if it is too small and stays otherwise; the last
    segment of a map without 0 stays whatever its size.
    """
    if least <= 1 or not labels.any():
        return labels
    return _absorbed(image, labels, least, np.ones(int(labels.max()) + 1, np.bool_))


def _absorbed(
    image: Pixels, labels: Labels, least: int, own: NDArray[np.bool_], room: tuple[Labels, Labels] | None = None
) -> Labels:
    """The segments when those that are too small or have not their `own` joined a neighbour.

    room: two label maps that may be written over, the second of which comes back; it may be `labels`.
    """
    between, out = room or (None, None)
    count = int(labels.max())
    size, total = sums(labels, image, count)
    if (own & (size >= least))[1:].all():
        return labels
    a, b, _, _ = neighbours(labels, image, count)
    edges = bool(size[0])
    names = absorb(a, b, size, total, least, own)
    if edges:
        names[size[names] < least] = 0
    return connected(renamed(labels, names, between), out)[0]


def refined(image: Pixels, labels: Labels) -> Labels:
    """A label map of a reduced copy at the size of the whole image, its boundaries moved to where the colours change.

    `image` uint8 (h, w, c) is the whole image, `labels` int32 are segments of the copy, as `connected_regions` gives
    them. By steps of at most twice the size, pixels within a reduced pixel of a boundary go to the segment that reaches
    them over the smallest differences of colour; what that cuts off from a segment joins a neighbour, so that the
    segments are as many as before. Edges (0) become lines of one pixel between segments, in which what is smaller
    than a reduced pixel may be lost. Numbered as `connected_regions` does.
    """
    if labels.shape == image.shape[:2]:
        return labels
    if not labels.any():
        return np.zeros(image.shape[:2], np.int32)
    from labelimg.decoding import resize

    # From the whole image down, so that each step sees the colours of its own size.
    images = [image]
    while max(images[-1].shape[0] / labels.shape[0], images[-1].shape[1] / labels.shape[1]) > 2:
        height, width = images[-1].shape[:2]
        images.append(resize(images[-1], (-(-width // 2), -(-height // 2))))
    whole = labels
    while images:
        whole = _refined_once(images.pop(), whole)
    if labels.all():
        return whole
    whole[boundaries(whole)] = 0
    reduced_pixel = whole.size // labels.size
    return absorb_small(image, connected_regions(whole), reduced_pixel)


def _refined_once(image: Pixels, labels: Labels) -> Labels:
    height, width = image.shape[:2]
    large = enlarged(labels, int(labels.max()), height, width)
    grow(large, image)
    pieces, count = connected(large)
    if count == labels.max():
        return pieces
    # Of each segment the largest piece is the segment, the first of equals.
    size, segment = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int32)
    rows = max(1, _PART_PIXELS // width)
    for top in range(0, height, rows):  # numpy makes 64-bit numbers of what it counts and is indexed by
        part = pieces[top : top + rows]
        size += np.bincount(part.ravel(), minlength=count + 1)
        segment[part] = large[top : top + rows]
    order = np.lexsort((-size, segment))
    largest = np.zeros(count + 1, np.bool_)
    largest[order[np.flatnonzero(np.diff(segment[order], prepend=-1))]] = True
    return _absorbed(image, pieces, 0, largest, (large, pieces))
