"""The masks of one image: their names, how they are written and read; the names of the colours."""

from __future__ import annotations

import json
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from labelimg import files
from labelimg.decoding import Shrink, read
from labelimg.errors import OutputError, UnreadableImageError, printable

A = TypeVar("A")
B = TypeVar("B")
Colour = tuple[int, int, int]
Mask = NDArray[np.uint8]

CLASSES = "classes.json"

_THREADS = min(8, os.cpu_count() or 1)
_WHITE = 128
_BAND = 64  # rows
_NAME = re.compile(r"(?P<image>.+)_mask_(?P<colour>\(R[:-]\d{1,3},G[:-]\d{1,3},B[:-]\d{1,3}\))\.png", re.DOTALL)
_COLOUR = re.compile(r"\(?R[:-](\d{1,3}),\s*G[:-](\d{1,3}),\s*B[:-](\d{1,3})\)?")


def colour_text(colour: Colour, *, colons: bool = True) -> str:
    """The colour as it stands in the name of a mask.

    >>> colour_text((204, 0, 0))
    '(R:204,G:0,B:0)'
    """
    sign = ":" if colons else "-"
    return "({})".format(",".join(f"{letter}{sign}{value}" for letter, value in zip("RGB", colour, strict=True)))


@lru_cache(maxsize=1024)  # a folder has many masks of a few colours
def colour_of(text: str) -> Colour | None:
    """The colour that a text such as "(R:204,G:0,B:0)" or "R-204,G-0,B-0" says; None for any other text."""
    found = _COLOUR.fullmatch(text)
    if found is None:
        return None
    r, g, b = (int(each) for each in found.groups())
    return (r, g, b) if max(r, g, b) <= 255 else None


def mask_name(image: str, colour: Colour, *, colons: bool = True) -> str:
    """The file name of a mask of an image; `image` is its name, mostly without the ending: see `MaskFolder`."""
    return f"{image}_mask_{colour_text(colour, colons=colons)}.png"


def image_and_colour(name: str) -> tuple[str, Colour] | None:
    """What `mask_name` made the file name of, with or without colons; None if it is no mask's.

    >>> image_and_colour("jet1_mask_(R-204,G-0,B-0).png")
    ('jet1', (204, 0, 0))
    """
    found = _NAME.fullmatch(name)
    colour = None if found is None else colour_of(found["colour"])
    return None if found is None or colour is None else (found["image"], colour)


def encode_mask(mask: Mask) -> bytes:
    """The mask (h, w), 0 and not 0, as a PNG of one 8-bit channel with 0 and 255.

    Each row is written as its difference to the one above, of which long runs of 0 are left, and zlib looks for runs
    alone: two and a half times as fast as OpenCV's writer at its fastest.
    """
    height, width = mask.shape
    packer = zlib.compressobj(1, strategy=zlib.Z_RLE)
    packed = []
    above = np.zeros((1, width), np.uint8)
    for top in range(0, height, _BAND):  # a part that stays in the processor's cache
        white = (mask[top : top + _BAND] != 0).view(np.uint8) * np.uint8(255)
        rows = np.empty((len(white), width + 1), np.uint8)
        rows[:, 0] = 2  # the filter "up"
        np.subtract(white[:1], above, out=rows[:1, 1:])
        np.subtract(white[1:], white[:-1], out=rows[1:, 1:])
        above = white[-1:]
        packed.append(packer.compress(rows.data))
    data = b"".join(packed) + packer.flush()
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def save_masks(
    folder: files.StrPath, image: str, masks: Mapping[Colour, Mask], old: Iterable[str] = ()
) -> dict[Colour, str]:
    """Write the masks of an image into the folder, and remove those of the `old` names that were not written again.

    What comes back are the names by colour. Where the file system refuses colons, they are hyphens. All masks are on
    the disk before the first takes its name, and old ones go after the last did. Raises OutputError, then nothing was
    changed, or TransferError for an old one that cannot be removed.
    """
    encoded = dict(zip(masks, _in_threads(encode_mask, masks.values()), strict=True))
    place = Path(folder)
    files.make_folder(place)
    names = {colour: mask_name(image, colour) for colour in masks}
    try:
        files.write_together({place / names[colour]: data for colour, data in encoded.items()})
    except OutputError as error:
        if files.stops_everything(error):
            raise
        names = {colour: mask_name(image, colour, colons=False) for colour in masks}
        try:
            files.write_together({place / names[colour]: data for colour, data in encoded.items()})
        except OutputError:
            raise error from error.__cause__
    for name in set(old) - set(names.values()):
        files.remove_file(place / name)
    return names


def load_masks(paths: Mapping[Colour, files.StrPath], size: tuple[int, int] | None = None) -> dict[Colour, Mask]:
    """Read masks, uint8 (h, w) with 0 and 255, in the order of their colours.

    Of grey in a file the lighter half is 255; where there is none of that, all that is not black is. Raises
    UnreadableImageError for a mask that cannot be read or is not of the `size` (width, height).
    """

    def one(path: files.StrPath) -> Mask:
        grey = read(os.fspath(path), Shrink(colour=False))
        if size is not None and grey.shape != (size[1], size[0]):
            found = f"{grey.shape[1]} x {grey.shape[0]}"
            reason = f"the mask is {found}, the image {size[0]} x {size[1]}; move the mask away or make it fit"
            raise UnreadableImageError(os.fspath(path), reason)
        white = grey >= _WHITE
        return np.where(white if white.any() else grey > 0, np.uint8(255), np.uint8(0))

    colours = sorted(paths)
    return dict(zip(colours, _in_threads(one, [paths[colour] for colour in colours]), strict=True))


def load_classes(folder: files.StrPath) -> dict[Colour, str]:
    """The names of the colours in the folder's classes.json, in its order; none where there is no such file.

    Raises OutputError where it is not a JSON object of names by colours such as {"(R:204,G:0,B:0)": "plane"}.
    """
    path = Path(folder) / CLASSES
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot read {printable(path)}: {files.reason(error)}; mend it or move it away") from error
    names = {colour_of(key): name for key, name in found.items()} if isinstance(found, dict) else {None: None}
    if None in names or not all(isinstance(name, str) for name in names.values()):
        rule = 'it must be names by colours, such as {"(R:204,G:0,B:0)": "plane"}'
        raise OutputError(f"cannot read {printable(path)}: {rule}; mend it or move it away")
    return {colour: str(name) for colour, name in names.items() if colour is not None}


def save_classes(folder: files.StrPath, classes: Mapping[Colour, str]) -> None:
    """Write the names of the colours to the folder's classes.json; colours without a name are left out."""
    files.make_folder(folder)
    named = {colour_text(colour): name for colour, name in classes.items() if name}
    files.write_atomic(Path(folder) / CLASSES, json.dumps(named, indent=1, ensure_ascii=False) + "\n")


def _in_threads(function: Callable[[A], B], values: Iterable[A]) -> list[B]:
    given = list(values)
    if len(given) < 2:
        return [function(value) for value in given]
    with ThreadPoolExecutor(min(_THREADS, len(given)), thread_name_prefix="labelimg-masks") as pool:
        return list(pool.map(function, given))
