"""Pictures for the tests: pieces of real photographs, and changed copies of them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

# Long past: the cache does not trust files that were changed a moment ago.
OLD_NS = 1_600_000_000_000_000_000

# The groups of `make_album`, as names relative to it; every method finds them at the thresholds of ALBUM_THRESHOLDS.
ALBUM_GROUPS = (
    ("astronaut.png", "copies/astronaut.jpg", "copies/astronaut small.png"),
    ("coffee.png", "copies/coffee.jpg"),
    ("rocket.png", "ünïcode rocket.png"),
)
ALBUM_LONE = ("chelsea.png", "moon.png")
ALBUM_THRESHOLDS = {"imagehash": 0.7, "ssim": 0.6, "minhash": 0.45, "orb": 0.3, "tm": 0.99}


@cache
def photograph(name: str, width: int = 160, height: int = 120) -> Pixels:
    """A photograph that comes with scikit-image, shrunk, RGB; not to be written to."""
    from skimage import data

    pixels = np.asarray(getattr(data, name)())
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    small.setflags(write=False)
    return np.asarray(small)


def photographs() -> list[Pixels]:
    """Eight different photographs, 160x120 RGB."""
    names = ("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "moon", "rocket")
    return [photograph(name) for name in names]


def grey(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))


def brighter(pixels: Pixels, by: int = 20) -> Pixels:
    return np.clip(pixels.astype(int) + by, 0, 255).astype(np.uint8)


def softer(pixels: Pixels) -> Pixels:
    """Shrunk to two thirds and enlarged again."""
    height, width = pixels.shape[:2]
    small = cv2.resize(pixels, (width * 2 // 3, height * 2 // 3), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))


def shifted(pixels: Pixels, by: int = 1) -> Pixels:
    return np.ascontiguousarray(np.roll(pixels, by, axis=1))


def save(path: Path, pixels: Pixels, **options: Any) -> Path:
    """Write a picture in the format that its name says, last changed at OLD_NS; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    os.utime(path, ns=(OLD_NS, OLD_NS))
    return path


def make_album(folder: Path) -> Path:
    """ALBUM_GROUPS and ALBUM_LONE as files, and a text file that is no picture."""
    astronaut, coffee, rocket = (photograph(name) for name in ("astronaut", "coffee", "rocket"))
    save(folder / "astronaut.png", astronaut)
    save(folder / "copies/astronaut.jpg", astronaut, quality=85)
    save(folder / "copies/astronaut small.png", softer(astronaut))
    save(folder / "coffee.png", coffee)
    save(folder / "copies/coffee.jpg", coffee, quality=80)
    save(folder / "rocket.png", rocket)
    save(folder / "ünïcode rocket.png", brighter(rocket, 4))
    save(folder / "chelsea.png", photograph("chelsea"))
    save(folder / "moon.png", photograph("moon"))
    (folder / "notes.txt").write_text("no picture", "utf-8")
    return folder


def make_numbered(folder: Path, pictures: Iterable[Pixels]) -> Path:
    """00.png, 01.png, ... in the folder."""
    for number, pixels in enumerate(pictures):
        save(folder / f"{number:02}.png", pixels)
    return folder


def truncated_png(path: Path) -> Path:
    """A file that begins as a picture and ends too soon."""
    save(path, photograph("coffee"))
    path.write_bytes(path.read_bytes()[:400])
    return path


def bomb_png(path: Path) -> Path:
    """A small file that claims to hold 100,000 x 100,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (100_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )
    path.write_bytes(data)
    return path


def relative(paths: Iterable[Path], root: Path) -> list[str]:
    """Names relative to the root, with "/"."""
    return [Path(path).relative_to(root).as_posix() for path in paths]


def groups_of(clusters: Sequence[Sequence[Path]], root: Path) -> set[frozenset[str]]:
    return {frozenset(relative(cluster, root)) for cluster in clusters}
