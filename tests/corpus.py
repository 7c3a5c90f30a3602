"""At least 500 files that are bad, or odd, in one way each, made from good ones; the same ones for the same seed."""

from __future__ import annotations

import io
import os
import random
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pictures import OLD_NS, photograph

COUNT = 500  # at least

_FORMATS: dict[str, dict[str, Any]] = {
    ".jpg": {"format": "JPEG", "quality": 85},
    ".png": {"format": "PNG"},
    ".webp": {"format": "WEBP", "quality": 80},
    ".tif": {"format": "TIFF", "compression": "tiff_deflate"},
    ".tiff": {"format": "TIFF", "compression": "tiff_lzw"},
    ".gif": {"format": "GIF"},
    ".bmp": {"format": "BMP"},
    ".ppm": {"format": "PPM"},
    ".jp2": {"format": "JPEG2000"},
    ".avif": {"format": "AVIF"},
    ".tga": {"format": "TGA"},
    ".ico": {"format": "ICO"},
    ".heic": {"format": "HEIF"},
}
_NAMES = ("coffee", "moon", "rocket", "chelsea")


def good_images() -> dict[str, bytes]:
    """One good file of each format that can be written here, by its ending."""
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    found = {}
    for number, (ending, options) in enumerate(_FORMATS.items()):
        picture, data = Image.fromarray(photograph(_NAMES[number % len(_NAMES)], 96, 72)), io.BytesIO()
        with suppress(KeyError, OSError, ValueError):
            picture.save(data, **options)
            found[ending] = data.getvalue()
    return found


def bad_images(seed: int = 0) -> Iterator[tuple[str, bytes | Callable[[], bytes]]]:
    """(name, content) of every bad file; the content of large bombs is made when it is asked for."""
    dice = random.Random(seed)
    good = good_images()
    for ending, data in good.items():
        what = ending[1:]
        for part in (1, 2, 4, 12, 30, len(data) // 4, len(data) // 2, len(data) * 3 // 4, len(data) - 2):
            yield f"{what}/cut at {part}{ending}", data[:part]
        for number in range(8):
            yield f"{what}/flipped {number}{ending}", _flipped(data, dice, 1 + number * 3, 0, len(data))
        for number in range(8):
            yield f"{what}/head flipped {number}{ending}", _flipped(data, dice, 1 + number, 0, min(64, len(data)))
        for number in range(3):
            at = dice.randrange(len(data))
            yield f"{what}/hole {number}{ending}", data[:at] + bytes(200) + data[at + 200 :]
        yield f"{what}/empty{ending}", b""
        yield f"{what}/text{ending}", b"This is no picture.\n" * 20
        yield f"{what}/noise{ending}", dice.randbytes(3000)
        yield f"{what}/twice{ending}", data + data
        yield f"{what}/with a tail{ending}", data + dice.randbytes(500)
        for other in (".jpg", ".png", ".tif", ".webp"):
            if other != ending:
                yield f"{what}/really {what}{other}", data
    for number in range(12):
        yield (
            f"exif/garbage {number}.jpg",
            _with_segment(good[".jpg"], 0xE1, b"Exif\0\0" + dice.randbytes(20 * number + 1)),
        )
        yield f"exif/loop {number}.jpg", _with_segment(good[".jpg"], 0xE1, b"Exif\0\0" + _looping_exif(dice, number))
        yield (
            f"icc/garbage {number}.jpg",
            _with_segment(good[".jpg"], 0xE2, b"ICC_PROFILE\0" + bytes([1, 1]) + dice.randbytes(100 + number)),
        )
        yield (
            f"icc/garbage {number}.png",
            _with_chunk(good[".png"], b"iCCP", b"profile\0\0" + zlib.compress(dice.randbytes(100 + number))),
        )
        yield f"exif/garbage {number}.png", _with_chunk(good[".png"], b"eXIf", dice.randbytes(10 + number * 9))
    for kind, start in ((b"iCCP", b"profile\0\0"), (b"zTXt", b"Comment\0\0")):
        yield f"bombs/{kind.decode()}.png", partial(_packed_chunk, good[".png"], kind, start)
    yield from _huge(good)
    yield from _animated()


def make_corpus(folder: Path, seed: int = 0, *, only: int | None = None) -> list[str]:
    """Write the corpus, or a sample of so many, into the folder; gives the names of all."""
    files = list(bad_images(seed))
    others = list(_others())
    if only is not None:
        dice = random.Random(seed)
        files = dice.sample(files, only - len(others))
    for name, data in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data() if callable(data) else data)
        os.utime(path, ns=(OLD_NS, OLD_NS))
    for name, make in others:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)
    return [name for name, _ in (*files, *others)]


def _others() -> Iterator[tuple[str, Callable[[Path], Any]]]:
    """What is no file, and names that are odd."""
    data = good_images()[".png"]
    yield "others/folder.jpg", Path.mkdir
    yield "others/pipe.jpg", os.mkfifo
    yield "others/socket.png", _socket
    yield "others/nowhere.jpg", lambda path: path.symlink_to("not there.jpg")
    yield "others/loop.jpg", lambda path: path.symlink_to("loop.jpg")
    yield "others/device.png", lambda path: path.symlink_to("/dev/zero")
    yield "others/up", lambda path: path.symlink_to("..")
    yield f"others/{'n' * 251}.png", lambda path: path.write_bytes(data)
    yield os.fsdecode(b"others/\xff\xfe.png"), lambda path: path.write_bytes(data)
    yield "others/line\nbreak.png", lambda path: path.write_bytes(data)
    yield "others/<script>alert(1)<script>.png", lambda path: path.write_bytes(data)
    yield "others/ -rf.png", lambda path: path.write_bytes(data)


def _socket(path: Path) -> None:
    """A socket: its name is made in a short folder, for names of sockets are short."""
    before = Path.cwd()
    try:
        os.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


def _flipped(data: bytes, dice: random.Random, bits: int, low: int, high: int) -> bytes:
    changed = bytearray(data)
    for _ in range(bits):
        changed[dice.randrange(low, high)] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _with_segment(jpeg: bytes, kind: int, body: bytes) -> bytes:
    return jpeg[:2] + bytes([0xFF, kind]) + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _with_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    return png[:33] + _chunk(kind, body) + png[33:]


def _looping_exif(dice: random.Random, number: int) -> bytes:
    """A directory of EXIF data whose entries, counts and offsets are wrong, and that leads back to itself."""
    entries = b"".join(
        struct.pack(
            "<HHII", 0x0112 if k == 0 else dice.randrange(65536), dice.randrange(14), dice.randrange(1 << 32), 8
        )
        for k in range(number + 1)
    )
    return b"II*\0" + struct.pack("<IH", 8, number + 1) + entries + struct.pack("<I", 8)


def _png(width: int, height: int, raw: bytes, *, depth: int = 8, colour: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(raw, 9)) + _chunk(b"IEND", b"")


def _tiff(width: int, height: int, strip: bytes, *, samples: int = 1) -> bytes:
    """One strip of deflated data."""
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 8), (262, 3, 1 if samples == 1 else 2),
        (273, 4, 8), (277, 3, samples), (278, 4, height), (279, 4, len(strip)),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + struct.pack("<H", len(tags)) + entries + bytes(4)


def _packed_chunk(png: bytes, kind: bytes, start: bytes) -> bytes:
    return _with_chunk(png, kind, start + zlib.compress(bytes(200_000_000), 9))


def _grey_png(side: int, rows: int, *, depth: int = 8) -> bytes:
    return _png(side, side, bytes(rows * (side * depth // 8 + 1)), depth=depth, colour=0)


def _grey_tiff(side: int, size: int) -> bytes:
    return _tiff(side, side, zlib.compress(bytes(size), 9))


def _huge(good: dict[str, bytes]) -> Iterator[tuple[str, bytes | Callable[[], bytes]]]:
    """Headers of enormous size, and bombs: small files that unpack to much."""
    for side in (0, 20_000, 100_000, 0x7FFFFFFF, 0xFFFFFFFF):
        yield f"huge/{side}.png", _png(side, side, bytes(100))
        yield f"huge/{side}.tif", _tiff(side, side, zlib.compress(bytes(100)))
        yield f"huge/{side}.bmp", good[".bmp"][:18] + struct.pack("<II", side, side) + good[".bmp"][26:]
        yield f"huge/{side}.ppm", b"P6 %d %d 255\n" % (side, side) + bytes(100)
    for side in (0, 40_000, 0xFFFF):
        start = good[".jpg"].index(b"\xff\xc0") + 5
        yield f"huge/{side}.jpg", good[".jpg"][:start] + struct.pack(">HH", side, side) + good[".jpg"][start + 4 :]
        yield f"huge/{side}.gif", good[".gif"][:6] + struct.pack("<HH", side, side) + good[".gif"][10:]
    for side in (9_000, 13_000, 20_000):  # within the limit, at it, beyond it
        yield f"bombs/{side}.png", partial(_grey_png, side, side)
        yield f"bombs/{side}.tif", partial(_grey_tiff, side, side * side)
    yield "bombs/lie.png", partial(_grey_png, 100, 3_000_000)
    yield "bombs/lie.tif", partial(_grey_tiff, 100, 300_000_000)
    yield "bombs/16 bit.png", partial(_grey_png, 8000, 8000, depth=16)


def _animated() -> Iterator[tuple[str, bytes]]:
    frames = [Image.fromarray(np.roll(photograph("coffee", 64, 48), 3 * k, axis=1)) for k in range(60)]
    for ending, options in ((".gif", {}), (".png", {}), (".webp", {"quality": 40})):
        data = io.BytesIO()
        frames[0].save(data, _FORMATS[ending]["format"], save_all=True, append_images=frames[1:], **options)
        yield f"animated/whole{ending}", data.getvalue()
        yield f"animated/cut{ending}", data.getvalue()[: len(data.getvalue()) // 2]
