"""The pixels that are segmented: any image array as RGB, and RGB as Lab."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UsageError
from labelimg.segmentatimg.regions import Pixels


def as_rgb(image: NDArray[Any]) -> Pixels:
    """The image as uint8 (h, w, 3), C-contiguous; itself if it is that, and never written to.

    Grey (h, w) or (h, w, 1), RGB (h, w, 3) and RGBA (h, w, 4), which is laid on white. uint8; bool; uint16, 65535 being
    white; or floats from 0 to 1. Raises UsageError for anything else.
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        raise UsageError(f"image_rgb must be (h, w), (h, w, 3) or (h, w, 4), got {image.shape}")
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    elif image.dtype == np.bool_:
        image = image.astype(np.uint8) * np.uint8(255)
    elif image.dtype.kind == "f":
        if image.size and not (image.min() >= 0 and image.max() <= 1):
            raise UsageError(f"image_rgb of floats must be between 0 and 1, got {image.min():g} to {image.max():g}")
        image = np.rint(image * 255).astype(np.uint8)
    elif image.dtype != np.uint8:
        raise UsageError(f"image_rgb must be uint8, uint16, bool or floats from 0 to 1, got {image.dtype}")
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    elif image.shape[2] == 4:
        colour, alpha = image[..., :3].astype(np.uint32), image[..., 3:].astype(np.uint32)
        image = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(image)


def lab(image_rgb: Pixels) -> Pixels:
    """CIE Lab as OpenCV keeps it in bytes: uint8 (h, w, 3), L from 0 to 255, a and b about 128."""
    import cv2

    return np.asarray(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2Lab), np.uint8)
