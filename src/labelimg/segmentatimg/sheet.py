"""All methods on one image, side by side on a sheet."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UsageError
from labelimg.segmentatimg.labelmaps import with_boundaries
from labelimg.segmentatimg.methods import NAMES, make_method
from labelimg.segmentatimg.pixels import as_rgb
from labelimg.segmentatimg.regions import Pixels

if TYPE_CHECKING:
    from PIL import ImageDraw

_COLUMNS = 3
_GAP = 12
_PAPER = (250, 250, 250)
_INK = (30, 30, 30)
_QUIET_INK = (110, 110, 110)


@dataclass(frozen=True)
class Tried:
    """What a method made of the image: how many segments, in how many seconds."""

    method: str
    segments: int
    seconds: float


def preview(
    image_rgb: NDArray[Any], *, tile: int = 640, progress: Callable[[str, int, int], None] | None = None
) -> tuple[Pixels, tuple[Tried, ...]]:
    """A sheet with the image and what each method makes of it, uint8 (h, w, 3), and the figures written on it.

    Every method runs with its default parameters on the whole image; its libraries are loaded before its seconds
    count. `tile`: the longest side of each picture on the sheet, in pixels; segments smaller than its pixels cannot be
    seen. progress: called with (stage, done, total). Raises UsageError for an image without pixels or a tile below 64.
    """
    image = as_rgb(image_rgb)
    if not image.size:
        raise UsageError(f"image_rgb must have pixels, got {image.shape[:2]}")
    if tile < 64:
        raise UsageError(f"tile must be at least 64, got {tile}")
    pictures = [with_boundaries(image, np.ones(image.shape[:2], np.int32), longest=tile)]
    titles = [("the image", f"{image.shape[1]} x {image.shape[0]}")]
    tried = []
    warm = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))
    for number, name in enumerate(NAMES):
        if progress is not None:
            progress("segmenting", number, len(NAMES))
        method = make_method(name)
        method.segment(warm)
        began = time.perf_counter()
        labels = method.segment(image)
        seconds = time.perf_counter() - began
        tried.append(Tried(name, int(labels.max()), seconds))
        pictures.append(with_boundaries(image, labels, longest=tile))
        del labels  # of a large image much, and the next method needs as much
        titles.append((name, f"{tried[-1].segments:,} segments, {seconds:.2f} s"))
    if progress is not None:
        progress("segmenting", len(NAMES), len(NAMES))
    return _sheet(pictures, titles), tuple(tried)


def _sheet(pictures: list[Pixels], titles: list[tuple[str, str]]) -> Pixels:
    from PIL import Image, ImageDraw, ImageFont

    # A narrow picture still has room for what is written above it.
    height, width = pictures[0].shape[:2]
    cell = max(width, 300)
    font = ImageFont.load_default(size=18)
    head = 34
    rows = -(-len(pictures) // _COLUMNS)
    paper = Image.new("RGB", (_COLUMNS * (cell + _GAP) + _GAP, rows * (height + head + _GAP) + _GAP), _PAPER)
    draw = ImageDraw.Draw(paper)
    for number, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        row, column = divmod(number, _COLUMNS)
        left, top = _GAP + column * (cell + _GAP), _GAP + row * (height + head + _GAP)
        _write(draw, left, top, title, font)
        paper.paste(Image.fromarray(picture), (left, top + head))
    return np.asarray(paper)


def _write(draw: ImageDraw.ImageDraw, left: int, top: int, title: tuple[str, str], font: Any) -> None:
    draw.text((left, top + 4), title[0], fill=_INK, font=font)
    draw.text((left + draw.textlength(title[0] + "   ", font=font), top + 4), title[1], fill=_QUIET_INK, font=font)
