"""Masks that may overlap, made one label map: smaller ones on top of larger ones, the rest of the image around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UsageError
from labelimg.segmentatimg.regions import Labels, Pixels, connected_regions

Around = Literal["superpixel", "connected"]
AROUND: tuple[Around, ...] = ("superpixel", "connected")
Mask = NDArray[np.bool_]


def stacked(masks: Sequence[Mask], size: tuple[int, int]) -> Labels:
    """Which mask is on top: int32 (h, w), k + 1 for masks[k], 0 where there is none.

    The masks lie on each other from the largest to the smallest, of equals the later one on top, so that the parts of
    a thing stay visible on it. size: width and height.
    """
    labels = np.zeros((size[1], size[0]), np.int32)
    areas = [int(np.count_nonzero(mask)) for mask in masks]
    for k in sorted(range(len(masks)), key=lambda k: (-areas[k], k)):
        labels[masks[k]] = k + 1
    return labels


def label_map(masks: Sequence[Mask], image: Pixels, around: Around = "connected") -> Labels:
    """The segments that masks, bool (h, w), make of an image, uint8 (h, w, 3): int32 (h, w), from 1, none left out.

    What no mask covers is divided into its connected regions, or by superpixels. As with every method a segment is
    4-connected: a mask in several pieces is several segments. Raises UsageError for another `around`.

    >>> mask = np.array([[True, False, True]])
    >>> label_map([mask], np.zeros((1, 3, 3), np.uint8))
    array([[1, 2, 3]], dtype=int32)
    """
    if around not in AROUND:
        raise UsageError(f"around must be one of {', '.join(AROUND)}, got {around!r}")
    height, width = image.shape[:2]
    labels = stacked(masks, (width, height))
    rest = labels == 0
    if around == "superpixel" and rest.any():
        from labelimg.segmentatimg.methods import make_method

        labels[rest] = make_method("superpixel").segment(image)[rest] + len(masks)
    else:
        labels[rest] = len(masks) + 1
    return connected_regions(labels)
