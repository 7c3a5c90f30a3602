"""A small JPEG of one picture, made from what its decoding gives anyway."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

LONGEST = 160  # pixels of the longer side at most
_QUALITY = 75
_TIMES = 3  # as large as the thumbnail a large picture is brought quickly, then averaged
_SMALL_FILE = 6_000  # bytes; a file as short as a thumbnail is its own


class Thumbnail:
    """Filled while a picture is decoded; `jpeg` is empty until then. May be filled again: the last counts.

    Never larger than LONGEST pixels, and never enlarged: a method that looks at a small copy of a small picture leaves
    no more than that copy.
    """

    def __init__(self) -> None:
        self.jpeg = b""

    def is_the_file(self, data: bytes, width: int, height: int, orientation: int) -> bool:
        """Take a JPEG file that is small enough as it is; whether it was."""
        if len(data) > _SMALL_FILE or max(width, height) > LONGEST or orientation != 1:
            return False
        self.jpeg = bytes(data)
        return True

    def of_pixels(self, pixels: Pixels, order: str = "RGB") -> None:
        """Make it of grey (h, w) pixels, or of colours (h, w, 3) in this order, as they are shown."""
        import simplejpeg

        pixels = np.ascontiguousarray(_shrunk(pixels))
        if pixels.ndim == 2:
            self.jpeg = simplejpeg.encode_jpeg(pixels[..., None], _QUALITY, "GRAY", "Gray")
        else:
            self.jpeg = simplejpeg.encode_jpeg(pixels, _QUALITY, order, "420")

    def of_planes(self, planes: Pixels) -> None:
        """Make it of Y, Cb, Cr (h, w, 3) as they are shown."""
        import cv2

        rgb: Any = cv2.cvtColor(np.ascontiguousarray(_shrunk(planes)[..., [0, 2, 1]]), cv2.COLOR_YCrCb2RGB)
        self.of_pixels(rgb)


def _shrunk(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    factor = LONGEST / max(width, height)
    if factor >= 1:
        return pixels
    import cv2

    size = max(1, round(width * factor)), max(1, round(height * factor))
    pixels = np.ascontiguousarray(pixels)
    # Averages over all pixels of a large picture would take longer than all the rest; and an eye looks at this.
    if factor * _TIMES < 1:
        pixels = cv2.resize(pixels, (_TIMES * size[0], _TIMES * size[1]), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
