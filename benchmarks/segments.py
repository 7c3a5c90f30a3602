"""Measure segmenting: what painting an object costs by each method and level, and how fast what is ours is.

    python benchmarks/segments.py clicks DIR [--methods graph,edge] [--levels N] [--part check] [--set graph.k=20,40]
    python benchmarks/segments.py speed IMAGE [--repeat N] [--megapixels 1,24]

`clicks` needs the data set `objects` (python benchmarks/datasets.py --out DIR objects). A simulated painter fills every
segment that lies mostly, by more than half of its pixels, in an object; edge pixels between segments of one colour are
painted with them. For each method and level: segments clicked for an object, the intersection over union of what was
painted with the object (mean and median over objects), objects that no segment lies mostly in (counted as 0), segments
and seconds for an image. The images are in two parts: parameters were chosen by `--part choose` (even numbers), the
tables are of `--part check` (odd numbers), which no choice has seen.

`speed` times each method, what is ours in it, and the plain way to do the same: a flood fill and a dilation for each
region, the coordinates of each pixel in Python lists, a scan of the image for each superpixel.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from labelimg.decoding import Shrink, read, resize
from labelimg.segmentatimg import hierarchy
from labelimg.segmentatimg.loops import grow, second_owners
from labelimg.segmentatimg.methods import NAMES, make_method, method_class
from labelimg.segmentatimg.methods.base import fields_of
from labelimg.segmentatimg.methods.kmeans import pixel_rows
from labelimg.segmentatimg.methods.slickmeans import means_of
from labelimg.segmentatimg.methods.superpixel import superpixels
from labelimg.segmentatimg.pixels import lab
from labelimg.segmentatimg.regions import Labels, Pixels, absorb_small, connected_regions, refined

Cutter = Callable[[Pixels], Labels]


# ------------------------------------------------------------------------------------------------------------ clicks


def painted(image: Pixels, labels: Labels, truth: NDArray[np.uint8]) -> list[tuple[int, float]]:
    """For each object of the truth: segments clicked, and intersection over union."""
    objects, count = int(truth.max()), int(labels.max())
    both = np.bincount(
        labels.ravel().astype(np.int64) * (objects + 1) + truth.ravel(), minlength=(count + 1) * (objects + 1)
    ).reshape(count + 1, objects + 1)
    chosen = 2 * both > both.sum(axis=1, keepdims=True)  # (segment, object)
    chosen[0] = chosen[:, 0] = False
    inside = (both * chosen).sum(axis=0)
    area = (both.sum(axis=1, keepdims=True) * chosen).sum(axis=0)
    if (labels == 0).any():
        owners = labels.copy()
        grow(owners, lab(image))
        seconds = second_owners(labels, owners)
        edge = labels == 0
        for k in range(1, objects + 1):
            filled = edge & chosen[owners, k] & chosen[seconds, k]
            area[k] += filled.sum()
            inside[k] += (filled & (truth == k)).sum()
    whole = both.sum(axis=0)
    return [
        (int(chosen[:, k].sum()), float(inside[k] / (whole[k] + area[k] - inside[k])))
        for k in range(1, objects + 1)
        if whole[k]  # another object may cover it all
    ]


def plain_slic(image: Pixels) -> Labels:
    """What is to be beaten: SLIC of region size 40, made connected by OpenCV; a label is a segment."""
    made = cv2.ximgproc.createSuperpixelSLIC(lab(image), cv2.ximgproc.SLIC, 40, 10.0)
    made.iterate(10)
    made.enforceLabelConnectivity()
    return np.asarray(made.getLabels() + 1)


def plain_graph(image: Pixels) -> Labels:
    """What is to be beaten: graph segmentation with sigma 0.5, k 15, min 100; a label is a segment."""
    return np.asarray(cv2.ximgproc.segmentation.createGraphSegmentation(0.5, 15, 100).processImage(image) + 1)


def variants(method: str, settings: list[str]) -> Iterator[tuple[str, Cutter]]:
    """The method with each combination of the values that were given for its parameters."""
    kinds = {field.name: field.kind for field in fields_of(method_class(method))}
    tried: dict[str, list[Any]] = {}
    for text in settings:
        key, values = text.split("=")
        name, parameter = key.split(".")
        if name == method:
            tried[parameter] = [kinds[parameter](value) for value in values.split(",")]
    for values in itertools.product(*tried.values()):
        chosen = dict(zip(tried, values, strict=True))
        title = " ".join([method, *(f"{name}={value}" for name, value in chosen.items())])
        yield title, make_method(method, **chosen).segment


def clicks(arguments: argparse.Namespace) -> None:
    """Print the table of clicks."""
    start = {"choose": 0, "check": 1, "all": 0}[arguments.part]
    paths = sorted((arguments.folder / "objects").glob("*.jpg"))[start :: 1 if arguments.part == "all" else 2]
    images = [read(str(path), Shrink(colour=True)) for path in paths]
    truths = [cv2.imread(str(arguments.folder / "objects_truth" / f"{path.stem}.png"), 0) for path in paths]
    cutters: list[tuple[str, Cutter]] = []
    if arguments.plain:
        cutters += [("plain SLIC, region size 40", plain_slic), ("plain graph, 0.5, 15, 100", plain_graph)]
    for method in arguments.methods.split(","):
        cutters += variants(method, arguments.set)
    print(f"{len(images)} images; OpenCV in {cv2.getNumThreads()} threads")
    print("| method | level | clicks | IoU, mean | IoU, median | missed | segments | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for title, cutter in cutters:
        rows: list[list[tuple[int, float]]] = [[] for _ in range(arguments.levels)]
        segments: list[list[int]] = [[] for _ in range(arguments.levels)]
        seconds = []
        for image, truth in zip(images, truths, strict=True):
            began = time.perf_counter()
            labels = cutter(image)
            seconds.append(time.perf_counter() - began)
            for k, level in enumerate(hierarchy.levels(image, labels, arguments.levels)):
                rows[k] += painted(image, level, truth)
                segments[k].append(int(level.max()))
        for k, row in enumerate(rows):
            overlaps = [overlap for _, overlap in row]
            cells = (
                title,
                str(k),
                f"{statistics.mean(count for count, _ in row):.1f}",
                f"{statistics.mean(overlaps):.3f}",
                f"{statistics.median(overlaps):.3f}",
                str(sum(not count for count, _ in row)),
                f"{statistics.mean(segments[k]):.0f}",
                f"{statistics.median(seconds):.2f}" if not k else "",
            )
            print(f"| {' | '.join(cells)} |", flush=True)


# ------------------------------------------------------------------------------------------------------------- speed


def plain_regions(labels: NDArray[Any]) -> list[NDArray[np.uint8]]:
    """Regions the plain way: a flood fill and a dilation for each."""
    left = np.ascontiguousarray(labels.astype(np.int32))
    found = []
    for y, x in itertools.product(range(labels.shape[0]), range(labels.shape[1])):
        if left[y, x] <= 0:
            continue
        mask = np.zeros((labels.shape[0] + 2, labels.shape[1] + 2), np.uint8)
        cv2.floodFill(left, mask, (x, y), -1, flags=4 | cv2.FLOODFILL_MASK_ONLY | (1 << 8))
        region = mask[1:-1, 1:-1]
        left[region > 0] = -1
        found.append(cv2.dilate(region, np.ones((3, 3), np.uint8)))
    return found


def plain_rows(image_lab: Pixels, importance: float) -> NDArray[np.float32]:
    """Colour and place of each pixel the plain way: in lists."""
    height, width = image_lab.shape[:2]
    colour, place = importance / 255, (1 - importance) / max(height, width)
    rows = []
    for y in range(height):
        for x in range(width):
            lightness, a, b = image_lab[y, x]
            rows.append([lightness * colour, a * colour, b * colour, x * place, y * place])
    return np.array(rows, np.float32)


def plain_means(image_lab: Pixels, pieces: NDArray[Any]) -> list[list[float]]:
    """Means of superpixels the plain way: a scan of the image for each."""
    rows = []
    for k in range(int(pieces.max()) + 1):
        y, x = np.nonzero(pieces == k)
        rows.append([*image_lab[y, x].mean(axis=0), x.mean(), y.mean()])
    return rows


def seconds_of(functions: dict[str, Callable[[], Any]], repeat: int) -> dict[str, float]:
    """The median time of each, taken in turns, after one call of each that is not counted."""
    took: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(repeat + 1):
        for name, function in functions.items():
            began = time.perf_counter()
            function()
            if turn:
                took[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in took.items()}


def speed(arguments: argparse.Namespace) -> None:
    """Print the tables of times."""
    whole = read(str(arguments.image), Shrink(colour=True))
    side = (whole.shape[1] / whole.shape[0]) ** 0.5
    sizes = {float(text): (round(1e3 * float(text) ** 0.5 * side), round(1e3 * float(text) ** 0.5 / side))
             for text in arguments.megapixels.split(",")}  # fmt: skip
    images = {size: resize(whole, pixels) for size, pixels in sizes.items()}
    print(f"OpenCV in {cv2.getNumThreads()} threads, median of {arguments.repeat}\n")
    print("| method | copy | segments | library, ms | regions, ms | small, ms | join, ms | ours of library |")
    print("|---|---|---|---|---|---|---|---|")
    image = images[min(images)]
    for name in NAMES:
        method = make_method(name)
        copy = method.work_copy(image)
        image_lab, raw = lab(copy), np.asarray(method.raw(copy))
        regions = connected_regions(raw)
        large = absorb_small(image_lab, regions, method.min_size)  # type: ignore[attr-defined]
        took = seconds_of(
            {
                "library": functools.partial(method.raw, copy),
                "regions": functools.partial(connected_regions, raw),
                "small": functools.partial(absorb_small, image_lab, regions, method.min_size),  # type: ignore[attr-defined]
                "join": functools.partial(hierarchy.joined, image_lab, large, method.join),  # type: ignore[attr-defined]
            },
            arguments.repeat,
        )
        ours = took["regions"] + took["small"] + took["join"]
        times = " | ".join(f"{1e3 * value:.1f}" for value in took.values())
        print(
            f"| {name} | {copy.shape[1]} x {copy.shape[0]} | {method.cut(copy).max():,} | {times} "
            f"| {100 * ours / took['library']:.1f} % |",
            flush=True,
        )
    print("\n| method | " + " | ".join(f"{size:g} megapixels, s" for size in images) + " | of which refining, s |")
    print("|---|" + "---|" * (len(images) + 1))
    for name in NAMES:
        method = make_method(name)
        took = seconds_of({str(size): functools.partial(method.segment, each) for size, each in images.items()}, 1)
        last = images[max(images)]
        cut = method.cut(method.work_copy(last))
        took["refining"] = seconds_of({"": functools.partial(refined, last, cut)}, 1)[""]
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in took.values()) + " |", flush=True)
    print("\n| what | of | ours, ms | the plain way, ms | times |")
    print("|---|---|---|---|---|")
    small = resize(image, (image.shape[1] // 2, image.shape[0] // 2))
    image_lab = lab(small)
    labels = make_method("graph", join=0.0).raw(small)
    pieces = superpixels(image_lab, "SLIC", 8, 25.0, 0.075, 10)
    last_piece = int(pieces.max())
    for title, of, fast, plain in (
        ("regions", f"{connected_regions(labels).max():,} regions",
         functools.partial(connected_regions, labels), functools.partial(plain_regions, labels)),
        ("coordinates", f"{pieces.size:,} pixels",
         functools.partial(pixel_rows, image_lab, 0.9), functools.partial(plain_rows, image_lab, 0.9)),
        ("means", f"{last_piece + 1:,} superpixels",
         functools.partial(means_of, image_lab, pieces), functools.partial(plain_means, image_lab, pieces)),
    ):  # fmt: skip
        took = seconds_of({"fast": fast}, 9) | seconds_of({"plain": plain}, 1)
        print(
            f"| {title} | {of} | {1e3 * took['fast']:.2f} | {1e3 * took['plain']:.0f} "
            f"| {took['plain'] / took['fast']:.0f} |",
            flush=True,
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    study = commands.add_parser("clicks")
    study.add_argument("folder", type=Path, help="what benchmarks/datasets.py built")
    study.add_argument("--methods", default=",".join(NAMES), help="methods, by comma")
    study.add_argument("--levels", type=int, default=1, help="levels of each, the method's own being 0")
    study.add_argument("--part", choices=("choose", "check", "all"), default="check", help="which images")
    study.add_argument("--set", action="append", default=[], metavar="METHOD.PARAMETER=A,B", help="values to try")
    study.add_argument("--no-plain", dest="plain", action="store_false", help="without what is to be beaten")
    study.set_defaults(run=clicks)
    times = commands.add_parser("speed")
    times.add_argument("image", type=Path, help="a photograph; it is resized")
    times.add_argument("--repeat", type=int, default=5, help="how often each is timed")
    times.add_argument("--megapixels", default="1,24", help="sizes to segment at, by comma")
    times.set_defaults(run=speed)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
