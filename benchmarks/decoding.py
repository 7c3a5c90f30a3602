"""Time the ways to decode the images of a folder: python benchmarks/decoding.py FOLDER [--repeat 3].

Milliseconds of wall clock a file, on two threads. Within a repeat every way reads the same files, in an order
that turns from repeat to repeat; the figure is the median of the repeats. Files are in the page cache.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from labelimg.decoding import Shrink, read
from labelimg.images import find_images

Way = Callable[[str], object]
THREADS = 2
SIDE = 128


def content(path: str) -> bytes:
    """Return the file's bytes."""
    return Path(path).read_bytes()


def by_pillow(mode: str, *, draft: bool = False) -> Way:
    """Return what decodes with Pillow, with the JPEG decoder told the size wanted if `draft`."""

    def way(path: str) -> object:
        with Image.open(path) as picture:
            if draft:
                picture.draft(mode, (SIDE, SIDE))
            return np.asarray(picture.convert(mode))

    return way


def by_simplejpeg(path: str) -> object:
    """Decode to the smallest scale that keeps both sides at SIDE or more."""
    return simplejpeg.decode_jpeg(content(path), "GRAY", min_width=SIDE, min_height=SIDE)


def by_opencv(flag: int) -> Way:
    """Return what decodes a file's bytes with OpenCV."""
    return lambda path: cv2.imdecode(np.frombuffer(content(path), np.uint8), flag)


def by_turbojpeg() -> Way | None:
    """Return what decodes with PyTurboJPEG to SIDE or more, None where it or its library is not installed."""
    try:
        from turbojpeg import TJPF_GRAY, TurboJPEG

        jpeg = TurboJPEG()
    except (ImportError, RuntimeError, OSError):
        return None

    def way(path: str) -> object:
        data = content(path)
        width, height, *_ = jpeg.decode_header(data)
        eighths = next((n for n in (1, 2, 4) if min(width, height) * n >= SIDE * 8), 8)
        return jpeg.decode(data, pixel_format=TJPF_GRAY, scaling_factor=(eighths, 8))

    return way


def by_us(colour: bool) -> Way:
    """Return our own reading, to SIDE x SIDE."""
    return lambda path: read(path, Shrink(colour, size=(SIDE, SIDE)))


def medians(paths: list[str], ways: dict[str, Way], repeat: int) -> dict[str, float]:
    """Return the median milliseconds a file of each way."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    order = list(ways)
    with ThreadPoolExecutor(THREADS) as pool:
        for way in ways.values():
            list(pool.map(way, paths[:2]))
        for _ in range(repeat):
            for name in order:
                start = time.perf_counter()
                list(pool.map(ways[name], paths))
                taken[name].append((time.perf_counter() - start) / len(paths) * 1000)
            order = order[1:] + order[:1]
    return {name: statistics.median(times) for name, times in taken.items()}


def main() -> None:
    """Print one table for the JPEGs and one for each other format."""
    parser = argparse.ArgumentParser(description="Time the ways to decode the images of a folder.")
    parser.add_argument("folder")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    paths = find_images([options.folder]).paths
    ours = {"ours, grey 128x128": by_us(False), "ours, RGB 128x128": by_us(True)}
    jpeg: dict[str, Way] = {
        "cv2.imread, grey, full": lambda path: cv2.imread(path, cv2.IMREAD_GRAYSCALE),
        "cv2.imread, grey, 1/4": lambda path: cv2.imread(path, cv2.IMREAD_REDUCED_GRAYSCALE_4),
        "cv2.imread, grey, 1/8": lambda path: cv2.imread(path, cv2.IMREAD_REDUCED_GRAYSCALE_8),
        "Pillow, draft, grey": by_pillow("L", draft=True),
        "simplejpeg, reduced, grey": by_simplejpeg,
    }
    turbojpeg = by_turbojpeg()
    if turbojpeg is None:
        print("PyTurboJPEG: left out, it or its library is not installed\n")
    else:
        jpeg["PyTurboJPEG, reduced, grey"] = turbojpeg
    other: dict[str, Way] = {
        "cv2.imdecode, grey": by_opencv(cv2.IMREAD_GRAYSCALE),
        "cv2.imdecode, BGR": by_opencv(cv2.IMREAD_COLOR),
        "Pillow, grey": by_pillow("L"),
        "Pillow, RGB": by_pillow("RGB"),
    }
    for format, endings, ways in (
        ("JPEG", (".jpg", ".jpeg"), jpeg),
        ("PNG", (".png",), other),
        ("WebP", (".webp",), other),
        ("BMP", (".bmp",), other),
    ):
        chosen = [path for path in paths if path.lower().endswith(endings)]
        if not chosen:
            print(f"{format}: no files\n")
            continue
        print(f"| {format}, {len(chosen)} files, {THREADS} threads | ms/file |\n| --- | ---: |")
        for name, milliseconds in medians(chosen, ways | ours, options.repeat).items():
            print(f"| {name} | {milliseconds:.2f} |")
        print()


if __name__ == "__main__":
    main()
