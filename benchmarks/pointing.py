"""Measure GrabCut by pointing: how well the foreground is found, and what each stroke adds.

    python benchmarks/pointing.py DIR [--images N] [--part choose|check|all]

Needs the data set `objects` (python benchmarks/datasets.py --out DIR objects). For each object a simulated user draws
its true bounding box enlarged by 10% and lets five iterations run. Then up to three times: where the error is largest
(the largest 4-connected region of wrong pixels) the user draws a stroke, the longest straight line through the deepest
place of that region that stays inside it, with a brush that fits, saying what is certainly there; two more iterations
run. The table gives the mean and median intersection over union with the object after 0, 1, 2 and 3 strokes, and that
of plain cv2.grabCut with five iterations from the same box. An object that is right to the pixel gets no more strokes.

The even images are for choosing, the odd ones for checking. `--part choose` compares how much of an area's size is
looked at around it, by the box alone.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from labelimg.decoding import Shrink, read
from labelimg.segmentatimg import grabcut as grabcut_module
from labelimg.segmentatimg.geometry import Rect
from labelimg.segmentatimg.grabcut import GrabCut
from labelimg.segmentatimg.prompts import Mark, Prompts

Mask = NDArray[np.bool_]
STROKES, FIRST, AFTER = 3, 5, 2
BRUSH = 8
ROOMS = (0.25, 0.5, 1.0)


def overlap(a: Mask, b: Mask) -> float:
    """Intersection over union."""
    return float((a & b).sum() / max(1, (a | b).sum()))


def box_of(mask: Mask, enlarged: float = 0.1) -> Rect:
    """The bounding box, its width and height enlarged by a tenth, within the image."""
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, right, top, bottom = int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
    across, down = round((right - left) * enlarged / 2), round((bottom - top) * enlarged / 2)
    return Rect(max(0, left - across), max(0, top - down), min(width, right + across), min(height, bottom + down))


def stroke(found: Mask, truth: Mask) -> Mark | None:
    """What the user draws where the error is largest; None if there is no error."""
    wrong = (found != truth).astype(np.uint8)
    count, regions, stats, _ = cv2.connectedComponentsWithStats(wrong, connectivity=4)
    if count == 1:
        return None
    worst = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    region: Any = cv2.copyMakeBorder((regions == worst).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    depth = cv2.distanceTransform(region, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    radius = int(max(0, min(BRUSH, depth[y, x] / 2 - 1)))
    longest, best = -1, ((int(x), int(y)),) * 2
    for angle in np.linspace(0, np.pi, 24, endpoint=False):
        ends = []
        for way in (1, -1):
            step = 0
            while True:
                column = round(x + way * (step + 1) * np.cos(angle))
                row = round(y + way * (step + 1) * np.sin(angle))
                if not (0 <= row < depth.shape[0] and 0 <= column < depth.shape[1]) or depth[row, column] <= radius + 1:
                    break
                step += 1
            ends.append((step, (round(x + way * step * np.cos(angle)), round(y + way * step * np.sin(angle)))))
        if ends[0][0] + ends[1][0] > longest:
            longest, best = ends[0][0] + ends[1][0], (ends[0][1], ends[1][1])
    return Mark(best, radius, "foreground" if truth[y, x] else "background")


def plain(image: NDArray[np.uint8], box: Rect) -> Mask:
    """cv2.grabCut from the box, five iterations."""
    mask = np.zeros(image.shape[:2], np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)
    rect = (box.left, box.top, box.width, box.height)
    cv2.grabCut(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), mask, rect, *models, FIRST, cv2.GC_INIT_WITH_RECT)
    return np.asarray(mask % 2 == 1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--part", choices=["choose", "check", "all"], default="all")
    arguments = parser.parse_args()
    paths = sorted((arguments.folder / "objects").glob("*.jpg"))
    paths = {"choose": paths[::2], "check": paths[1::2], "all": paths}[arguments.part][: arguments.images]
    if arguments.part == "choose":
        choose(paths, arguments.folder)
    else:
        measure(paths, arguments.folder)


def objects_in(paths: list[Path], folder: Path) -> Iterator[tuple[NDArray[np.uint8], Mask]]:
    """Each object: the image it is in, and where."""
    for path in paths:
        image = read(str(path), Shrink(colour=True))
        objects: Any = cv2.imread(str(folder / "objects_truth" / f"{path.stem}.png"), 0)
        for k in range(1, int(objects.max()) + 1):
            if (objects == k).any():
                yield image, np.asarray(objects == k)


def choose(paths: list[Path], folder: Path) -> None:
    """Print the table of rooms."""
    print("| room around an area | IoU, mean | IoU, median |\n| --- | --- | --- |")
    for room in ROOMS:
        grabcut_module._ROOM = room
        found = [
            overlap(grabcut_module.grabcut(image, Prompts((box_of(truth),)), FIRST), truth)
            for image, truth in objects_in(paths, folder)
        ]
        print(f"| {room} | {statistics.mean(found):.3f} | {statistics.median(found):.3f} |", flush=True)


def measure(paths: list[Path], folder: Path) -> None:
    """Print the table of strokes."""
    rows: list[list[float]] = [[] for _ in range(STROKES + 2)]
    seconds: list[list[float]] = [[], []]
    for image, truth in objects_in(paths, folder):
        box = box_of(truth)
        began = time.perf_counter()
        rows[0].append(overlap(plain(image, box), truth))
        seconds[0].append((time.perf_counter() - began) / FIRST)
        cut, prompts = GrabCut(image), Prompts((box,))
        began = time.perf_counter()
        done = 0
        for _ in range(FIRST):
            done += 1
            if not cut.iterate(prompts):
                break
        seconds[1].append((time.perf_counter() - began) / done)
        for number in range(STROKES + 1):
            found = cut.foreground(prompts)
            rows[1 + number].append(overlap(found, truth))
            drawn = stroke(found, truth)
            if drawn is not None:
                prompts = prompts.with_(drawn)
                for _ in range(AFTER):
                    cut.iterate(prompts)
    print(f"{len(paths)} images, {len(rows[0])} objects")
    print("| | IoU, mean | IoU, median | objects above 0.9 |\n| --- | --- | --- | --- |")
    names = ["plain `cv2.grabCut`, 5 iterations", "the box alone", *(f"{n} stroke{'s' * (n > 1)}" for n in (1, 2, 3))]
    for name, row in zip(names, rows, strict=True):
        good = sum(value > 0.9 for value in row) / len(row)
        print(f"| {name} | {statistics.mean(row):.3f} | {statistics.median(row):.3f} | {good:.0%} |")
    ours, theirs = (1000 * statistics.median(times) for times in (seconds[1], seconds[0]))
    print(f"an iteration takes {ours:.0f} ms at the median, one of plain cv2.grabCut {theirs:.0f} ms")


if __name__ == "__main__":
    main()
