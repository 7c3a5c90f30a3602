"""Build a folder of sample photographs with near-duplicates: python benchmarks/sample_photos.py --out DIR.

The photographs are those that are part of the installed scikit-image and scikit-learn; nothing is downloaded. Most
come as an original and in four to seven versions: smaller, with fewer bytes, brighter, cut, grey, with a watermark, as
PNG or WebP. A few come alone. Names and dates say nothing about which belong together. The same packages give the
same files.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageEnhance, ImageFont

Picture = Image.Image
Draw = random.Random

WITH_VERSIONS = (
    "sklearn.datasets:images/china.jpg",
    "sklearn.datasets:images/flower.jpg",
    "skimage:data/astronaut.png",
    "skimage:data/camera.png",
    "skimage:data/chelsea.png",
    "skimage:data/coffee.png",
    "skimage:data/coins.png",
    "skimage:data/hubble_deep_field.jpg",
    "skimage:data/ihc.png",
    "skimage:data/motorcycle_left.png",
    "skimage:data/retina.jpg",
    "skimage:data/rocket.jpg",
)
ALONE = (
    "skimage:data/brick.png",
    "skimage:data/cell.png",
    "skimage:data/clock_motion.png",
    "skimage:data/grass.png",
    "skimage:data/gravel.png",
    "skimage:data/moon.png",
)
LONGEST = 1000
FIRST_DAY = 1_714_550_400  # 1 May 2024, seconds since 1970
DAY = 86_400


def photograph(place: str) -> Picture:
    """Return the bundled picture as RGB, at most LONGEST pixels long; exits with one line if it is not there."""
    package, _, name = place.partition(":")
    found = find_spec(package)
    path = Path(found.origin).parent / name if found is not None and found.origin is not None else None
    if path is None or not path.is_file():
        sys.exit(f'sample_photos: {name} of {package} is not installed: pip install -e ".[demo]"')
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return picture


def smaller(picture: Picture, draw: Draw) -> Picture:
    """Return it at half to three quarters of its size."""
    factor = draw.uniform(0.5, 0.75)
    width, height = round(picture.width * factor), round(picture.height * factor)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def cut(picture: Picture, draw: Draw) -> Picture:
    """Return it without 4 % of its width and height."""
    left, top = (round(side * 0.04 * draw.random()) for side in picture.size)
    width, height = (round(side * 0.96) for side in picture.size)
    return picture.crop((left, top, left + width, top + height))


def brighter(picture: Picture, draw: Draw) -> Picture:
    """Return it brighter or darker."""
    return ImageEnhance.Brightness(picture).enhance(draw.choice((0.7, 0.8, 1.2, 1.3)))


def contrast(picture: Picture, draw: Draw) -> Picture:
    """Return it with more or less contrast."""
    return ImageEnhance.Contrast(picture).enhance(draw.choice((0.7, 1.3)))


def warmer(picture: Picture, _draw: Draw) -> Picture:
    """Return it as after a filter of a telephone: stronger, warmer colours."""
    red, green, blue = ImageEnhance.Color(picture).enhance(1.4).split()
    return Image.merge("RGB", (red.point(lambda v: min(255, v * 1.1)), green, blue.point(lambda v: v * 0.88)))


def grey(picture: Picture, _draw: Draw) -> Picture:
    """Return it in grey."""
    return picture.convert("L")


def watermark(picture: Picture, draw: Draw) -> Picture:
    """Return it with a few words in a lower corner."""
    marked = picture.copy()
    font = ImageFont.load_default(size=max(14, picture.width // 24))
    at_left = draw.random() < 0.5
    place = (picture.width * (0.04 if at_left else 0.96), picture.height * 0.95)
    anchor = "ls" if at_left else "rs"
    ImageDraw.Draw(marked).text(
        place, "my photo album", fill="white", stroke_width=1, stroke_fill="black", font=font, anchor=anchor
    )
    return marked


def as_it_is(picture: Picture, _draw: Draw) -> Picture:
    """Return it unchanged."""
    return picture


# How a version is made, then how it is saved: the name's ending and the quality (0 where there is none).
Version = tuple[Callable[[Picture, Draw], Picture], str, int]
ORIGINAL: Version = (as_it_is, "jpg", 93)
VERSIONS: tuple[Version, ...] = (
    (as_it_is, "jpg", 30),
    (as_it_is, "jpg", 60),
    (as_it_is, "png", 0),
    (as_it_is, "webp", 75),
    (smaller, "jpg", 85),
    (smaller, "JPG", 70),
    (cut, "jpg", 88),
    (brighter, "jpg", 88),
    (contrast, "jpg", 88),
    (warmer, "jpg", 85),
    (grey, "jpg", 88),
    (watermark, "jpeg", 88),
)
NAMES = ("IMG_{:04d}", "holiday_{:03d}", "DSC{:05d}", "summer 2024 ({})", "photo-{}", "scan_{:03d}", "WA{:04d}")


def names(count: int, draw: Draw) -> list[str]:
    """Return so many different names without an ending, as cameras, telephones and people give them."""
    numbers = draw.sample(range(1, 1000), count)
    return [draw.choice(NAMES).format(number) for number in numbers]


def build(out: Path) -> dict[str, str]:
    """Write the photographs into the folder; the photograph that each file shows, by the file's name."""
    draw = Draw(12)
    out.mkdir(parents=True, exist_ok=True)
    planned: list[tuple[str, Version]] = []
    for place in WITH_VERSIONS:
        chosen = draw.sample(VERSIONS, draw.randint(4, 7))
        planned += [(place, version) for version in (ORIGINAL, *chosen)]
    planned += [(place, ORIGINAL) for place in ALONE]
    draw.shuffle(planned)
    pictures = {place: photograph(place) for place, _ in planned}
    shows = {}
    stems = names(len(planned), draw)
    for number, (stem, (place, (change, ending, quality))) in enumerate(zip(stems, planned, strict=True)):
        path = out / f"{stem}.{ending}"
        changed = change(pictures[place], draw)
        options: dict[str, Any] = {"quality": quality} if quality else {}
        changed.save(path, **options)
        taken = FIRST_DAY + number * DAY + draw.randrange(DAY)
        os.utime(path, (taken, taken))
        shows[path.name] = place
    return shows


def main() -> None:
    """Build the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Build a folder of sample photographs with near-duplicates.")
    parser.add_argument("--out", type=Path, required=True, help="folder to build in")
    arguments = parser.parse_args()
    try:
        shows = build(arguments.out)
    except OSError as error:
        sys.exit(f"sample_photos: cannot write {arguments.out}: {error.strerror or error}")
    kinds = f"{len(WITH_VERSIONS)} in several versions, {len(ALONE)} without a twin"
    print(f"{len(shows)} files in {arguments.out}: photographs, {kinds}")


if __name__ == "__main__":
    main()
