"""Measure segmenting: what painting an object costs by each method and level, and how fast what is ours is.

    python benchmarks/segments.py clicks DIR [--methods graph,edge] [--levels N] [--part check] [--set graph.k=20,40]
    python benchmarks/segments.py speed [--image FILE] [--repeat N] [--megapixels 1,24]

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
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from labelimg.decoding import Shrink, read
from labelimg.segmentatimg import hierarchy
from labelimg.segmentatimg.kernels.growth import grow, second_owners
from labelimg.segmentatimg.methods import NAMES, make_method, method_class
from labelimg.segmentatimg.methods.base import fields_of
from labelimg.segmentatimg.pixels import lab
from labelimg.segmentatimg.regions import Labels, Pixels

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
        grow(owners, lab(image), np.empty((0, 0), np.int32))
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
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
