"""Coarser and finer segments: a nested hierarchy over any label map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UsageError
from labelimg.segmentatimg.loops import (
    connected,
    grow,
    lowest_places,
    merge_order,
    names_after,
    neighbours,
    renamed,
    second_owners,
    sums,
)
from labelimg.segmentatimg.pixels import as_rgb, lab
from labelimg.segmentatimg.regions import Labels, Pixels, connected_regions

# Chosen by the clicks study, see docs/segments.md.
CONTRAST = 0.5
GROWTH = 0.7


def levels(image_rgb: NDArray[Any], labels: NDArray[Any], n: int, *, finer: int = 0) -> list[Labels]:
    """`finer` + n label maps of an image from fine to coarse, int32 (h, w); that at [finer] is the given one.

    Every segment is a union of segments of the map before. Each map has half as many segments as the one before,
    rounded up, or as near to it as it can: at 1 (or at one for each part that edges cut off) they stay as they are. A
    finer map cuts each segment further where the colours change, as far as the pixels go.

    The segments that touch are a graph. The two that are most alike merge first: by the distance of their mean colours,
    the strength of the boundary between them, and less readily the larger they are. Ties go by number.

    `labels` are taken as their 4-connected segments (`connected_regions`). Edges (0) keep their place in the given map
    and finer ones; in a coarser one those between merged segments belong to the segment. `image_rgb` as for `segment`,
    of the same size. Raises UsageError for arrays that do not fit and for n < 1 or finer < 0.
    """
    image, given = as_rgb(image_rgb), connected_regions(labels)
    if image.shape[:2] != given.shape:
        raise UsageError(f"labels must have the size of the image, {image.shape[:2]}, got {given.shape}")
    for name, value, least in (("n", n, 1), ("finer", finer, 0)):
        if type(value) is not int or value < least:
            raise UsageError(f"{name} must be a whole number of at least {least}, got {value!r}")
    if not given.any():
        return [given.copy() for _ in range(finer + n)]
    image_lab = lab(image)
    atoms = _atoms(image_lab, given, finer) if finer else given
    count = int(atoms.max())
    inside = np.zeros(count + 1, np.int32)
    inside[atoms] = given
    owners = _grown(image_lab, atoms)
    size, total = sums(atoms, image_lab, count)
    pixels = np.maximum(size, 1).astype(np.float64)
    pairs = neighbours(owners, image_lab, count)
    order = merge_order(pairs, pixels, total / pixels[:, None], inside, contrast=CONTRAST, growth=GROWTH)
    return _Hierarchy(atoms, owners, *order).maps(given, n, finer)


def joined(image_lab: Pixels, labels: Labels, most: float) -> Labels:
    """The segments when touching ones that differ by at most `most` have merged, in the order of `levels`.

    image_lab: uint8 (h, w, 3). labels: int32 (h, w) as `connected_regions` gives them, and so is what comes back. The
    difference is in levels of 255, for two segments of 100 pixels; of larger ones less is enough to keep them apart.
    """
    if not most or not labels.any():
        return labels
    count = int(labels.max())
    size, total = sums(labels, image_lab, count)
    pairs = neighbours(labels, image_lab, count)
    pixels = np.maximum(size, 1).astype(np.float64)
    colour, inside = total / pixels[:, None], np.zeros(count + 1, np.int32)
    first, second = merge_order(pairs, pixels, colour, inside, contrast=CONTRAST, growth=GROWTH, most=most)
    return connected(renamed(labels, names_after(first, second, len(first), count + 1)))[0]


def _grown(image_lab: Pixels, labels: Labels) -> Labels:
    """The labels with edges given to the segments beside them; the same array where there are none."""
    if labels.all():
        return labels
    grown = labels.copy()
    grow(grown, image_lab)
    return grown


def _atoms(image_lab: Pixels, given: Labels, finer: int) -> Labels:
    """Pieces of the segments, about 2 ** (finer + 1) of each: watersheds of the colours from a grid of quiet places."""
    area = given.size / int(given.max()) / 2 ** (finer + 1)
    step = max(1, int(area**0.5))
    pieces = lowest_places(_gradient(image_lab), step)
    pieces[given == 0] = 0
    grow(pieces, image_lab, given)
    # A segment without a quiet place of its own is a piece.
    alone = (pieces == 0) & (given != 0)
    pieces[alone] = given[alone] + int(pieces.max())
    return connected_regions(pieces)


def _gradient(image_lab: Pixels) -> Any:
    """How fast the colours change at each pixel, float32 (h, w)."""
    import cv2

    across = cv2.Sobel(image_lab, cv2.CV_32F, 1, 0, ksize=3)
    down = cv2.Sobel(image_lab, cv2.CV_32F, 0, 1, ksize=3)
    return cv2.magnitude(across, down).sum(axis=2)


class _Hierarchy:
    """The order in which pieces merge, cut where there are as many as asked for."""

    def __init__(self, atoms: Labels, owners: Labels, first: NDArray[np.int32], second: NDArray[np.int32]) -> None:
        self._atoms, self._owners, self._count = atoms, owners, int(atoms.max())
        self._first, self._second = first, second
        self._seconds: Labels | None = None

    def maps(self, given: Labels, n: int, finer: int) -> list[Labels]:
        segments = int(given.max())
        fine = [self._cut(min(self._count, segments * 2**k)) for k in range(finer, 0, -1)]
        coarse = [given]
        for _ in range(n - 1):
            segments = max(1, -(-segments // 2))
            coarse.append(self._coarse(segments))
        return fine + coarse

    def _names(self, segments: int) -> Labels:
        merges = min(len(self._first), self._count - segments)
        return names_after(self._first, self._second, merges, self._count + 1)

    def _cut(self, segments: int) -> Labels:
        """A map no coarser than the given one: edges are where they were."""
        return connected_regions(self._names(segments)[self._atoms])

    def _coarse(self, segments: int) -> Labels:
        names = self._names(segments)
        if self._owners is self._atoms:
            return connected_regions(names[self._atoms])
        if self._seconds is None:
            self._seconds = second_owners(self._atoms, self._owners)
        mine = names[self._owners]
        result = np.where((self._atoms == 0) & (mine != names[self._seconds]), 0, mine)
        regions = connected_regions(result)
        # Edge pixels that touch none of the segments they lie between are edges still.
        held = np.zeros(int(regions.max()) + 1, np.bool_)
        held[regions[self._atoms != 0]] = True
        return regions if held[1:].all() else connected_regions(np.where(held[regions], regions, 0))
