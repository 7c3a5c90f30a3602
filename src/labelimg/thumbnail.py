"""A small JPEG of one picture, made from what its decoding gives anyway."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

LONGEST = 160  # pixels of the longer side at most
_QUALITY = 75
_TIMES = 3  # as large as the thumbnail, at most, a picture is before it is averaged
_SAYS_SIZE = b"labelimg "  # in a comment, the first segment
_SMALL_FILE = 6_000  # bytes; a file as short as a thumbnail is its own


class Thumbnail:
    """Filled while a picture is decoded; `jpeg` is empty until then. May be filled again: the last counts.

    `size`, set before it is filled, is that of the whole picture as it is shown; `size_of` reads it from the JPEG.

    Never larger than LONGEST pixels, and never enlarged: a method that looks at a small copy of a small picture leaves
    no more than that copy.
    """

    def __init__(self) -> None:
        self.jpeg = b""
        self.size = 0, 0

    def is_the_file(self, data: bytes, orientation: int) -> bool:
        """Take a JPEG file that is small enough as it is; whether it was."""
        if len(data) > _SMALL_FILE or max(self.size) > LONGEST or orientation != 1:
            return False
        self.jpeg = self._with_size(data)
        return True

    def of_pixels(self, pixels: Pixels, order: str = "RGB") -> None:
        """Make it of grey (h, w) pixels, or of colours (h, w, 3) in this order, as they are shown."""
        import simplejpeg

        pixels = np.ascontiguousarray(_shrunk(pixels))
        if pixels.ndim == 2:
            jpeg = simplejpeg.encode_jpeg(pixels[..., None], _QUALITY, "GRAY", "Gray")
        else:
            jpeg = simplejpeg.encode_jpeg(pixels, _QUALITY, order, "420")
        self.jpeg = self._with_size(jpeg)

    def _with_size(self, jpeg: bytes) -> bytes:
        return b"".join([jpeg[:2], _comment(*self.size), jpeg[2:]])

    def of_planes(self, planes: Pixels) -> None:
        """Make it of Y, Cb, Cr (h, w, 3) as they are shown."""
        import cv2

        y, cb, cr = cv2.split(_shrunk(planes))
        rgb: Any = cv2.cvtColor(cv2.merge((y, cr, cb)), cv2.COLOR_YCrCb2RGB)
        self.of_pixels(rgb)


@lru_cache
def _comment(width: int, height: int) -> bytes:
    said = b"%s%dx%d" % (_SAYS_SIZE, width, height)
    return b"\xff\xfe" + (2 + len(said)).to_bytes(2, "big") + said


def size_of(jpeg: bytes) -> tuple[int, int]:
    """Width and height of the picture that a thumbnail was made of; (0, 0) where that cannot be told."""
    if jpeg[2:4] == b"\xff\xfe" and jpeg.startswith(_SAYS_SIZE, 6):
        width, _, height = jpeg[6 + len(_SAYS_SIZE) : 4 + int.from_bytes(jpeg[4:6], "big")].partition(b"x")
        return int(width), int(height)
    import simplejpeg

    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(jpeg)
    except ValueError:
        return 0, 0
    return int(width), int(height)


def _shrunk(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    factor = LONGEST / max(width, height)
    if factor >= 1:
        return pixels
    import cv2

    size = max(1, round(width * factor)), max(1, round(height * factor))
    pixels = np.ascontiguousarray(pixels)
    # Lines between neighbours leave nothing out down to half the size. From there averages over whole multiples are
    # quick, and an eye looks at this: over three at most.
    times = min(math.ceil(0.5 / factor), _TIMES)
    larger = times * size[0], times * size[1]
    pixels = cv2.resize(pixels, larger, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    if times > 1:
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return pixels
