"""Build the labelled data sets that the project is tuned and measured on.

    python benchmarks/datasets.py --out DIR [photos] [digits] [objects] [fashion] [samples] [categories] [stamps]
        [tiles] [clothes] [--seed N]

Everything comes from Debian packages (fetched with apt-get download, unpacked with dpkg -x, nothing installed) and
from scikit-image; it is the same from run to run. Needs what `pip install -e ".[demo]"` installs, and apt and dpkg.

DIR/photos/            40 photographs with 5 to 12 near-duplicates each, and 26 that have no twin:
                       JPEG, PNG, WebP and BMP, 640 to 1600 px
DIR/photos.csv         file,group,variant      the same group means the same photograph
DIR/digits/            1,000 drawings of a digit, 256 x 256 PNG
DIR/digits.csv         file,group              the group is the digit
DIR/objects/           60 photographs of 800 x 600 px with 1 to 3 objects pasted in
DIR/objects_truth/     NAME.png, uint8: 0 background, 1.. the object under each pixel
DIR/fashion/           2,000 clothes, 28 x 28 PNG, in ten classes
DIR/fashion.csv        file,group
DIR/stamps/            drawings and cut-out photographs on white, 320 x 320 JPEG; 60 have 1 to 6 near-duplicates
DIR/stamps.csv         file,group
DIR/tiles/             nine parts each of the photographs, no pixel in two of them; 60 have 1 to 6 near-duplicates
DIR/tiles.csv          file,group
DIR/samples/           sample_0, sample_1, sample_2: 2,000 more clothes each, none of them in fashion, to tune by
DIR/samples.csv        file,group
DIR/categories/        372 drawings and photographs of things on white, in 15 categories, to tune by
DIR/categories.csv     file,group
DIR/clothes/           600 clothes, enlarged to 224 x 224 JPEG; 60 have 1 to 6 near-duplicates
DIR/clothes.csv        file,group

Another seed makes other near-duplicates of other pictures: sets to try on what was tuned on the first.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

PHOTO_PACKAGES = ["mate-backgrounds", "opencv-doc", "ukui-wallpapers", "lomiri-wallpapers-16.04"]
STAMP_PACKAGE = "tuxpaint-stamps-default"
FASHION_PACKAGE = "dataset-fashion-mnist"
STAMP_CATEGORIES = [
    "animals/mammals",
    "animals/birds",
    "animals/insects",
    "animals/fish",
    "food/fruit",
    "food/vegetables",
    "plants/flowers",
    "town/houses",
    "town/roadsigns",
    "symbols/money",
    "seasonal/christmas",
    "seasonal/halloween",
    "household/tools",
    "hobbies/music",
    "space/planets",
]
SUFFIXES = {".jpg", ".jpeg", ".png"}
# The second view of a pair: whether it is the same picture as the first is a matter of taste.
SECOND_VIEWS = {
    "aero3.jpg",
    "aloeR.jpg",
    "graf3.png",
    "right.jpg",
    "motorcycle_right.png",
    "analogpattern_by_Peter_Nerlich.jpg",
    "sunset_by_Aitzol_Berasategi.jpg",
    "ela_modified.jpg",
    "Ubuntu-Mate-Radioactive-no-logo.png",
}
LOOKS: list[NDArray[np.int16]] = []

Picture = Image.Image


class BuildError(Exception):
    """A data set cannot be built; the text is one line that says why."""


def unpack(package: str, cache: Path) -> Path:
    """Download a Debian package once and return the folder it is unpacked in."""
    target = cache / package
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        print(f"fetching {package}", flush=True)
        partial = cache / f"{package}.part"
        try:
            try:
                run("apt-get", "download", package, folder=cache)
            except BuildError:  # a fresh machine has no lists of packages yet
                run("apt-get", "update", folder=cache)
                run("apt-get", "download", package, folder=cache)
            deb = next(cache.glob(f"{package}_*.deb"))
            run("dpkg", "-x", str(deb.name), str(partial.name), folder=cache)
        except FileNotFoundError as error:
            raise BuildError(f"{error.filename} is missing: the photographs come from Debian packages") from error
        partial.rename(target)
        deb.unlink()
    return target


def run(*command: str, folder: Path) -> None:
    """Run a command in the folder; raises BuildError with the last line that it printed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise BuildError(f"`{' '.join(command)}` failed: {lines[-1]} (does `apt-get update` help?)")


def flatten(image: Picture) -> Picture:
    """Return the picture as RGB, transparency laid on white."""
    if image.mode in ("RGBA", "LA", "P"):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def photographs(cache: Path) -> list[Path]:
    """Real pictures of at least 450 px with many colours, one of each name, in a fixed order."""
    import skimage.data

    folders = [unpack(p, cache) for p in PHOTO_PACKAGES] + [Path(skimage.data.__file__).parent]
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() not in SUFFIXES or path.is_symlink():
                continue
            if "html" in path.parts or path.name in SECOND_VIEWS:
                continue
            try:
                with Image.open(path) as image:
                    if min(image.size) < 300 or max(image.size) < 450:
                        continue
                    small = flatten(image).resize((64, 64))
            except OSError:
                continue
            colours = len(np.unique(np.asarray(small).reshape(-1, 3) // 8, axis=0))
            looks = np.asarray(small.resize((8, 8)).convert("L"), np.int16)
            if colours < 250 or looks.std() < 12:
                continue
            if any(np.abs(looks - other).mean() < 9 for other in LOOKS):
                continue
            LOOKS.append(looks)
            found.setdefault(path.name, path)
    return list(found.values())


def crop(image: Picture, share: float) -> Picture:
    """Cut off this share of both sides, divided at random between left and right, top and bottom."""
    w, h = image.size
    left, top = random.random(), random.random()
    return image.crop(
        (
            int(w * share * left),
            int(h * share * top),
            int(w - w * share * (1 - left)),
            int(h - h * share * (1 - top)),
        )
    )


def resize(image: Picture, factor: float) -> Picture:
    """Resize by the factor, but to no less than 640 px on the longest side."""
    factor = max(factor, 640 / max(image.size))
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def add_noise(image: Picture, deviation: float) -> Picture:
    """Add normal noise of this standard deviation."""
    noisy = np.asarray(image, np.float32) + np.random.normal(0, deviation, (image.height, image.width, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def watermark(image: Picture) -> Picture:
    """Write a word into the upper left corner."""
    image = image.copy()
    w, h = image.size
    font = ImageFont.load_default(size=max(16, w // 22))
    place = (w * 0.05, h * 0.06)
    ImageDraw.Draw(image).text(place, "sample", fill="white", stroke_width=2, stroke_fill="black", font=font)
    return image


def shift(image: Picture) -> Picture:
    """Move the picture by 2 % on black."""
    moved = Image.new("RGB", image.size)
    moved.paste(image, (int(image.width * random.choice((-0.02, 0.02))), int(image.height * 0.02)))
    return moved


# Format, quality (0 where there is none) and picture of a variant.
Variant = tuple[str, int, Picture]
VARIANTS: dict[str, Callable[[Picture], Variant]] = {
    "q35": lambda m: ("jpg", 35, m),
    "q60": lambda m: ("jpg", 60, m),
    "q85": lambda m: ("jpg", 85, m),
    "smaller": lambda m: ("jpg", 88, resize(m, 0.55)),
    "larger": lambda m: ("jpg", 88, resize(m, 1.2)),
    "crop": lambda m: ("jpg", 90, crop(m, 0.05)),
    "bright": lambda m: ("jpg", 90, ImageEnhance.Brightness(m).enhance(random.choice((0.75, 1.25)))),
    "contrast": lambda m: ("jpg", 90, ImageEnhance.Contrast(m).enhance(random.choice((0.75, 1.3)))),
    "colour": lambda m: ("jpg", 90, ImageEnhance.Color(m).enhance(random.choice((0.3, 1.6)))),
    "blur": lambda m: ("jpg", 90, m.filter(ImageFilter.GaussianBlur(random.choice((1.5, 2.5))))),
    "noise": lambda m: ("jpg", 90, add_noise(m, random.choice((8, 14)))),
    "mark": lambda m: ("jpg", 90, watermark(m)),
    "shift": lambda m: ("jpg", 90, shift(m)),
    "png": lambda m: ("png", 0, m),
    "webp": lambda m: ("webp", 80, m),
    "bmp": lambda m: ("bmp", 0, resize(m, 0.6)),
}


def build_photos(out: Path, cache: Path) -> None:
    """Write photographs with near-duplicates, and some without."""
    folder = out / "photos"
    folder.mkdir(parents=True, exist_ok=True)
    sources = photographs(cache)
    random.shuffle(sources)
    n_groups = round(len(sources) * 0.6)
    records: list[tuple[int, str, Variant]] = []
    for group, source in enumerate(sources):
        image = flatten(Image.open(source))
        size = min(random.choice((1024, 1280, 1600)), max(640, int(max(image.size) * 1.3)))
        longest = max(image.size)
        width, height = (max(1, round(side * size / longest)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
        records.append((group, "original", ("jpg", 94, image)))
        if group < n_groups:
            for name in random.sample(list(VARIANTS), random.randint(5, 12)):
                records.append((group, name, VARIANTS[name](image)))
    random.shuffle(records)
    with (out / "photos.csv").open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["file", "group", "variant"])
        for number, (group, variant, (suffix, quality, image)) in enumerate(records):
            name = f"photo_{number:04d}.{suffix}"
            options: dict[str, Any] = {"quality": quality} if quality else {}
            image.save(folder / name, **options)
            writer.writerow([name, group, variant])
    print(f"photos: {len(records)} files, {n_groups} groups and {len(sources) - n_groups} single photographs")


def build_digits(out: Path, _cache: Path) -> None:
    """Write drawings of digits."""
    folder = out / "digits"
    folder.mkdir(parents=True, exist_ok=True)
    font = ImageFont.load_default(size=220)
    with (out / "digits.csv").open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["file", "group"])
        for number in range(1000):
            digit = random.choice("0123456789")
            image = Image.new("RGB", (256, 256), (245, 245, 220))
            place = (128 + random.randint(-5, 5), 128 + random.randint(-5, 5))
            ImageDraw.Draw(image).text(place, digit, fill="black", font=font, anchor="mm", stroke_width=4)
            name = f"digit_{number:04d}.png"
            image.save(folder / name)
            writer.writerow([name, digit])
    print("digits: 1000 files")


def build_objects(out: Path, cache: Path) -> None:
    """Write photographs with objects pasted in, and where they are."""
    images, truths = out / "objects", out / "objects_truth"
    images.mkdir(parents=True, exist_ok=True)
    truths.mkdir(parents=True, exist_ok=True)
    stamps = []
    for path in sorted(unpack(STAMP_PACKAGE, cache).rglob("*.png")):
        with Image.open(path) as image:
            if image.mode != "RGBA" or min(image.size) < 90:
                continue
            pixels = np.asarray(image)
        solid = pixels[pixels[..., 3] > 200][:, :3]
        if len(solid) > 4000 and len(np.unique(solid // 8, axis=0)) > 900:
            stamps.append(path)
    backgrounds = photographs(cache)
    random.shuffle(stamps)
    random.shuffle(backgrounds)
    pasted = 0
    for number in range(60):
        background = flatten(Image.open(backgrounds[number % len(backgrounds)]))
        scene = background.resize((800, 600), Image.Resampling.LANCZOS)
        truth = np.zeros((600, 800), np.uint8)
        for label in range(1, random.randint(1, 3) + 1):
            stamp: Picture = Image.open(stamps[pasted % len(stamps)])
            pasted += 1
            factor = random.uniform(180, 380) / max(stamp.size)
            width, height = (max(1, round(side * factor)) for side in stamp.size)
            stamp = stamp.resize((width, height), Image.Resampling.LANCZOS)
            x, y = random.randint(0, 800 - stamp.width), random.randint(0, 600 - stamp.height)
            scene.paste(stamp, (x, y), stamp)
            under = truth[y : y + stamp.height, x : x + stamp.width]
            under[np.asarray(stamp)[..., 3] > 127] = label
        scene.save(images / f"object_{number:02d}.jpg", quality=92)
        Image.fromarray(truth).save(truths / f"object_{number:02d}.png")
    print(f"objects: 60 files with {pasted} objects out of {len(stamps)}")


def fashion(cache: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pictures of clothes, (n, 28, 28), and their classes."""
    source = unpack(FASHION_PACKAGE, cache) / "usr/share/datasets/fashion-mnist"
    images, labels = (
        np.frombuffer(gzip.decompress((source / f"{part}-{name}-ubyte.gz").read_bytes()), np.uint8, offset=offset)
        for name, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    return images.reshape(-1, 28, 28), labels


def build_fashion(out: Path, cache: Path) -> None:
    """Write small pictures of clothes."""
    folder = out / "fashion"
    folder.mkdir(parents=True, exist_ok=True)
    pictures, labels = fashion(cache, "t10k")
    pictures = pictures[:2000]
    with (out / "fashion.csv").open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["file", "group"])
        for number, (image, label) in enumerate(zip(pictures, labels, strict=False)):
            name = f"fashion_{number:04d}.png"
            Image.fromarray(image).save(folder / name)
            writer.writerow([name, int(label)])
    print("fashion: 2000 files")


def build_stamps(out: Path, cache: Path) -> None:
    """Write drawings of things on white, and near-duplicates of some."""
    pictures = []
    for path in sorted(unpack(STAMP_PACKAGE, cache).rglob("*.png")):
        with Image.open(path) as image:
            if min(image.size) < 90 or path.is_symlink() or "alphabets" in path.parts:
                continue
            stamp = flatten(image)
        stamp.thumbnail((300, 300))
        canvas = Image.new("RGB", (320, 320), "white")
        canvas.paste(stamp, ((320 - stamp.width) // 2, (320 - stamp.height) // 2))
        pictures.append(canvas)
    write_with_duplicates(out, "stamps", pictures)


def build_tiles(out: Path, cache: Path) -> None:
    """Write parts of photographs that do not overlap, and near-duplicates of some."""
    pictures = []
    for source in photographs(cache):
        image = flatten(Image.open(source)).resize((1200, 1200))
        pictures += [image.crop((x, y, x + 400, y + 400)) for x in range(0, 1200, 400) for y in range(0, 1200, 400)]
    write_with_duplicates(out, "tiles", pictures)


def build_clothes(out: Path, cache: Path) -> None:
    """Write pictures of clothes, and near-duplicates of some."""
    source = unpack(FASHION_PACKAGE, cache) / "usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"
    images = np.frombuffer(gzip.decompress(source.read_bytes()), np.uint8, offset=16).reshape(-1, 28, 28)
    first = 3000 + 700 * (random.randrange(9))
    pictures = [
        Image.fromarray(image).resize((224, 224), Image.Resampling.BICUBIC).convert("RGB")
        for image in images[first : first + 600]
    ]
    write_with_duplicates(out, "clothes", pictures)


def write_with_duplicates(out: Path, name: str, pictures: list[Picture]) -> None:
    """Write the pictures, each a group of its own, and 1 to 6 near-duplicates of 60 of them."""
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    chosen = set(random.sample(range(len(pictures)), 60))
    kinds = [kind for kind in VARIANTS if kind not in ("larger", "smaller", "bmp")]
    rows = []
    for group, picture in enumerate(pictures):
        made = [picture]
        if group in chosen:
            made += [VARIANTS[kind](picture)[2] for kind in random.sample(kinds, random.randint(1, 6))]
        for number, image in enumerate(made):
            file = f"{name}_{random.randrange(10**6):06d}_{group:04d}_{number}.jpg"  # twins are not neighbours
            image.save(folder / file, quality=92 if number == 0 else 75)
            rows.append((file, group))
    with (out / f"{name}.csv").open("w", newline="") as table:
        csv.writer(table).writerows([("file", "group"), *sorted(rows)])
    print(f"{name}: {len(rows)} files, {len(pictures)} pictures, {len(chosen)} with near-duplicates")


def build_samples(out: Path, cache: Path) -> None:
    """Write samples of the clothes that `fashion` is not taken from."""
    pictures, labels = fashion(cache, "train")
    with (out / "samples.csv").open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["file", "group"])
        for sample in range(3):
            folder = out / f"samples/sample_{sample}"
            folder.mkdir(parents=True, exist_ok=True)
            rows = np.random.default_rng(1000 + sample).choice(len(pictures), 2000, replace=False)
            for number, row in enumerate(rows.tolist()):
                name = f"sample_{sample}_{number:04d}.png"
                Image.fromarray(pictures[row]).save(folder / name)
                writer.writerow([name, int(labels[row])])
    print("samples: 6000 files")


def build_categories(out: Path, cache: Path) -> None:
    """Write the stamps of some categories on white."""
    folder = out / "categories"
    folder.mkdir(parents=True, exist_ok=True)
    source = unpack(STAMP_PACKAGE, cache) / "usr/share/tuxpaint/stamps"
    number = 0
    with (out / "categories.csv").open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["file", "group"])
        for category in STAMP_CATEGORIES:
            for path in sorted((source / category).rglob("*.png")):
                if not path.name.endswith("_mirror.png"):
                    name = f"stamp_{number:04d}.png"
                    with Image.open(path) as stamp:
                        flatten(stamp).save(folder / name)
                    writer.writerow([name, category])
                    number += 1
    print(f"categories: {number} files")


BUILDERS: dict[str, Callable[[Path, Path], None]] = {
    "photos": build_photos,
    "digits": build_digits,
    "objects": build_objects,
    "fashion": build_fashion,
    "stamps": build_stamps,
    "tiles": build_tiles,
    "samples": build_samples,
    "categories": build_categories,
    "clothes": build_clothes,
}


def main() -> None:
    """Build the data sets named on the command line, all of them if none is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to build in")
    parser.add_argument("names", nargs="*", help=f"data sets: {', '.join(BUILDERS)} (default: all)")
    parser.add_argument("--seed", type=int, default=20, help="what random numbers begin with (default: 20)")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in BUILDERS:
            parser.error(f"no data set of the name {name!r}; there are {', '.join(BUILDERS)}")
    for name in arguments.names or BUILDERS:
        random.seed(arguments.seed)
        np.random.seed(arguments.seed)
        LOOKS.clear()
        try:
            BUILDERS[name](arguments.out, arguments.out / "packages")
        except BuildError as error:
            sys.exit(f"datasets: {name}: {error}")


if __name__ == "__main__":
    main()
