"""Which images share a batch: near-duplicates must meet.

While an image is decoded a signature of it is taken. Batches come from cutting the images in two, again and again,
where their signatures leave the widest gap. What was measured is in docs/decisions/0002-batches.md.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from labelimg.memory import available_memory as available_memory

_SIDE = 32
_FREQUENCIES = 8
SIGNATURE_SIZE = _FREQUENCIES * _FREQUENCIES - 1

_DIRECTIONS = 8  # values of the signature that a cut may be made along: those that vary most
_MARGIN = 0.25  # share of the images that both sides of a cut have at least


def signature(pixels: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The low frequencies of a grey or RGB image without its mean, brought to one length, (63,) int8.

    So brightness and contrast do not count. An image of one grey has all zeros.
    """
    from labelimg.decoding import resize

    small = resize(pixels, (_SIDE, _SIDE)).astype(np.float64)
    if small.ndim == 3:
        small = small @ np.array([0.299, 0.587, 0.114])
    cosines = _cosines()
    low = (cosines @ small @ cosines.T).ravel()[1:]
    length = np.sqrt((low**2).sum())
    if length < 1e-6:
        return np.zeros(SIGNATURE_SIZE, np.int8)
    rounded: NDArray[np.int8] = np.round(low * (127 / length)).astype(np.int8)
    return rounded


@cache
def _cosines() -> NDArray[np.float64]:
    k, x = np.arange(_FREQUENCIES)[:, None], np.arange(_SIDE)[None]
    cosines = np.cos(np.pi * k * (2 * x + 1) / (2 * _SIDE))
    cosines[0] /= np.sqrt(2)
    return cosines


def split(signatures: NDArray[np.int8], size: int) -> list[NDArray[np.int32]]:
    """Batches of at most `size` images, each in ascending order, together all rows once.

    signatures: (n, d). The batches come in the order of their first image. No images: no batch.
    """
    whole = np.arange(len(signatures), dtype=np.int32)
    todo, done = [whole] if len(whole) else [], []
    while todo:
        rows = todo.pop()
        if len(rows) <= size:
            done.append(rows)
        else:
            todo += _cut(signatures, rows)
    return sorted(done, key=lambda rows: int(rows[0]))


def shares(count: int, size: int) -> list[NDArray[np.int32]]:
    """As few batches of at most `size` images as can be, of every second image, or every third, and so on.

    >>> [rows.tolist() for rows in shares(5, 3)]
    [[0, 2, 4], [1, 3]]
    """
    batches = -(-count // size)
    return [np.arange(first, count, batches, dtype=np.int32) for first in range(batches)]


def _cut(signatures: NDArray[np.int8], rows: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    """Two parts, divided at the widest gap along one of the values that vary most."""
    values = signatures[rows]
    low = max(1, int(len(rows) * _MARGIN))
    high = len(rows) - low
    widest, order, place = -1, np.arange(len(rows)), len(rows) // 2
    for direction in np.argsort(-values.var(axis=0), kind="stable")[:_DIRECTIONS]:
        along = values[:, direction].astype(np.int16)
        sort = np.argsort(along, kind="stable")
        gaps = np.diff(along[sort[low - 1 : high + 1]])
        gap = int(gaps.max())
        if gap > widest:
            # Of equally wide gaps the one nearest the middle: identical images have no gap at all.
            ties = np.flatnonzero(gaps == gap) + low
            widest, order, place = gap, sort, int(ties[np.abs(ties - len(rows) / 2).argmin()])
    return [np.sort(rows[order[:place]]), np.sort(rows[order[place:]])]
