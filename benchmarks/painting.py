"""How fast painting is: an image of 24 megapixels with 20,000 segments, and one with a segment of half of the image.

Prints the tables of docs/painting.md. Run: python benchmarks/painting.py [--megapixels 24] [--segments 20000]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from labelimg.segmentatimg.geometry import Rect
from labelimg.segmentatimg.index import SegmentIndex
from labelimg.segmentatimg.journal import Journal
from labelimg.segmentatimg.masks import encode_mask, load_masks, save_masks
from labelimg.segmentatimg.painting import Painting
from labelimg.segmentatimg.templates import find_matches, make_template

RED = (204, 0, 0)
COLOURS = [(index * 25, 255 - index * 25, 90) for index in range(10)]
ACTIONS = 1000
CUTS = 300


def label_map(height: int, width: int, segments: int, rng: np.random.Generator) -> np.ndarray:
    """Cells of a grid with wavy, ragged borders: about so many segments, as superpixels have them."""
    side = (height * width / segments) ** 0.5
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    for each in (rows, columns):
        for scale, strength in ((40, 0.3), (6, 0.03)):
            waves = rng.normal(0, strength * side, (height // scale + 2, width // scale + 2)).astype(np.float32)
            each += cv2.resize(waves, (width, height), interpolation=cv2.INTER_CUBIC)
    return (
        np.floor(rows / side).clip(0).astype(np.int32) * 10_000 + np.floor(columns / side).clip(0).astype(np.int32) + 1
    )


def with_edges(labels: np.ndarray) -> np.ndarray:
    """The same segments with edges of one or two pixels between them, as the method `edge` draws them."""
    edges = np.zeros(labels.shape, np.bool_)
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edges[1:] |= labels[1:] != labels[:-1]
    return np.where(edges, 0, labels).astype(np.int32)


def with_half(labels: np.ndarray, rng: np.random.Generator, *, holes: float = 0) -> np.ndarray:
    """One segment over the left half, with a border as ragged as noise is, and some share of its pixels not in it."""
    border = labels.shape[1] // 2 + rng.integers(-30, 30, (labels.shape[0], 1))
    half = np.arange(labels.shape[1])[None] < border
    if holes:
        half &= rng.random(labels.shape, np.float32) >= holes
    return np.where(half, np.int32(2**30), labels)


def milliseconds(act: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> np.ndarray:
    """How long each call takes, by the clock and of the processor: (n, 2)."""
    return np.array([timed(lambda each=each: act(*each)) for each in arguments])  # type: ignore[misc]


def timed(act: Callable[[], Any]) -> tuple[float, float]:
    """How many milliseconds a call takes, by the clock and of the processor; other programs lengthen only the first."""
    begin, worked = time.perf_counter(), time.thread_time()
    act()
    return (time.perf_counter() - begin) * 1000, (time.thread_time() - worked) * 1000


def row(name: str, taken: np.ndarray, aim: float) -> None:
    """Print a line of a table of actions."""
    clock, work = np.percentile(taken, 99, axis=0)
    missed = "" if clock < aim else ", **missed**" if work >= aim else ", missed by the clock"
    print(f"| {name} | {np.median(taken[:, 0]):.3f} | {clock:.2f} | {work:.2f} | {aim:g}{missed} |", flush=True)


def painting_table(image: np.ndarray, maps: list[np.ndarray], rng: np.random.Generator, *, journal: bool) -> None:
    """Print how long actions all over the image take."""
    height, width = image.shape[:2]
    painting = Painting(image, maps)
    for level in range(len(maps)):
        painting.level(level)
    painting.level(0)

    def places(count: int) -> list[tuple[int, int]]:
        return [(int(rng.integers(width)), int(rng.integers(height))) for _ in range(count)]

    with tempfile.TemporaryDirectory() as folder:
        writer = Journal(Path(folder, "j"), painting, "")
        if journal:
            writer.replay()
        row("fill", milliseconds(lambda x, y: painting.fill(x, y, RED), places(ACTIONS)), 5)
        row("unfill", milliseconds(painting.unfill, places(ACTIONS)), 5)
        strokes = [([(x, y), (x + 200, y + 90)], RED) for x, y in places(ACTIONS)]
        row("stroke of 220 pixels", milliseconds(painting.stroke, strokes), 5)
        brushes = [([(x, y), (x + 30, y + 20)], 15, RED) for x, y in places(ACTIONS)]
        row("brush of radius 15, 36 pixels on", milliseconds(painting.brush, brushes), 5)
        short = [((x, y), (x + 400, y - 300)) for x, y in places(CUTS)]
        row("cut of 500 pixels", milliseconds(painting.cut, short), 30)
        row(
            "cut between any two points",
            milliseconds(painting.cut, list(zip(places(CUTS), places(CUTS), strict=True))),
            30,
        )
        row("undo, cuts", milliseconds(painting.undo, [()] * (2 * CUTS)), 5)
        row("undo, others", milliseconds(painting.undo, [()] * ACTIONS), 5)
        row("redo", milliseconds(painting.redo, [()] * ACTIONS), 5)
        writer.close()


def half_table(image: np.ndarray, labels: np.ndarray) -> None:
    """Print how long actions on the segment of the left half take."""
    height, width = image.shape[:2]
    painting = Painting(image, labels)
    kinds: dict[str, list[tuple[float, float]]] = {}

    def done(name: str, act: Callable[[], Rect]) -> None:
        kinds.setdefault(name, []).append(timed(act))

    for turn in range(32):
        done("fill", lambda: painting.fill(9, 9, RED))
        done("undo of it", painting.undo)
        done("redo of it", painting.redo)
        painting.brush([(0, 0), (width // 3, height)], 9, COLOURS[turn % 10])
        done("unfill of several colours", lambda: painting.unfill(9, 9))
        done("undo of it ", painting.undo)
        x = width // 5 + 7 * turn
        done("cut down its middle", lambda x=x: painting.cut((x, 0), (x + 9, height - 1)))  # type: ignore[misc]
        done("undo of the cut", painting.undo)
        done("cut across", lambda: painting.cut((0, height // 2), (width - 1, height // 2 + 5)))
        painting.undo()
        painting.reset()
    for name, taken in kinds.items():
        row(name.strip(), np.array(taken[2:]), 60)


def figure(name: str, value: float, unit: str, aim: float | None) -> None:
    """Print a line of the table of figures."""
    limit = "" if aim is None else f"{aim:g} {unit}" + ("" if value < aim else ", **missed**")
    print(f"| {name} | {value:.3g} {unit} | {limit} |", flush=True)


def seconds(act: Callable[[], Any], times: int = 5) -> float:
    """The median time of a call."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        act()
        taken.append(time.perf_counter() - begin)
    return float(np.median(taken))


def history(image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Megabytes that 1,000 actions take: of fills, strokes and brushes, and of a segment of half of the image."""
    height, width = image.shape[:2]
    sizes = []
    for big in (False, True):
        painting = Painting(image, with_half(labels, rng) if big else labels)
        painting.fill(9, 9, RED)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(ACTIONS):
            x, y = int(rng.integers(width)), int(rng.integers(height))
            if big:
                painting.fill(9, 9, COLOURS[number % 10])
            elif number % 3 == 0:
                painting.stroke([(x, y), (x + 200, y + 90)], COLOURS[number % 10])
            elif number % 3 == 1:
                painting.brush([(x, y), (x + 30, y + 20)], 15, COLOURS[number % 10])
            else:
                painting.cut((x, y), (x + 400, y - 300))
        sizes.append((tracemalloc.get_traced_memory()[0] - before) / 1e6)
        tracemalloc.stop()
    return sizes[0], sizes[1]


def plain_index(labels: np.ndarray) -> dict[int, list[tuple[int, int]]]:
    """The plain way: the coordinates of each label's pixels in Python lists."""
    found: dict[int, list[tuple[int, int]]] = {}
    for y, line in enumerate(labels.tolist()):
        for x, label in enumerate(line):
            found.setdefault(label, []).append((x, y))
    return found


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--segments", type=int, default=20_000)
    options = parser.parse_args()
    height = round((options.megapixels * 1e6 / 1.5) ** 0.5)
    width = round(height * 1.5)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    labels = label_map(height, width, options.segments, rng)
    coarse = labels // 20_000 * 10_000 + labels % 10_000 // 2 + 1
    Painting(image[:99, :99], labels[:99, :99].copy()).cut((0, 0), (50, 60))  # compiled, or loaded
    counted = Painting(image, labels)
    load = os.getloadavg()[0]
    print(f"{width} x {height}, {counted.segment_count:,} segments; {load:.1f} programs at work before it began\n")
    heading = "| action | median ms | 99% ms | 99% processor ms | aim ms |\n|---|---|---|---|---|"
    print(heading)
    painting_table(image, [labels], rng, journal=False)
    print(f"\nThree levels, all of them visited, and the journal:\n\n{heading}")
    painting_table(image, [labels, coarse, coarse // 7 + 1], rng, journal=True)
    print(f"\nEdges between the segments:\n\n{heading}")
    painting_table(image, [with_edges(labels)], rng, journal=False)
    print(f"\nOne segment of half of the image:\n\n{heading}")
    half_table(image, with_half(labels, rng))
    print(f"\nThe same with 2% of its pixels, all over it, not in it:\n\n{heading}")
    half_table(image, with_half(labels, rng, holes=0.02))
    print(f"\nOne of half of the image, with edges:\n\n{heading}")
    half_table(image, with_edges(with_half(labels, rng)))

    print("\n| what | measured | aim |\n|---|---|---|")
    figure("building the index", seconds(lambda: SegmentIndex(labels, height, width)), "s", 1)
    figure("a new painting, with the index", seconds(lambda: Painting(image, labels)), "s", None)
    painting = Painting(image, [labels, coarse])
    painting.level(1)
    figure(
        "going to another level that is indexed", seconds(lambda: painting.level(1 - painting.current_level)), "s", None
    )
    small, large = history(image, labels, rng)
    figure("1,000 actions of history: strokes, brushes, cuts", small, "MB", 100)
    figure("1,000 actions of history: half of the image each", large, "MB", 100)
    painting = Painting(image, labels)
    for number in range(1, painting.segment_count, 2):
        rect = painting.segment_rect(number)
        painting.fill(rect.left, rect.top, COLOURS[number // 2 % 10])
    with tempfile.TemporaryDirectory() as folder:
        figure("saving the masks of ten colours", seconds(lambda: save_masks(folder, "x", painting.masks())), "s", 1)
        names = save_masks(folder, "x", painting.masks())
        paths = {colour: Path(folder, name) for colour, name in names.items()}
        figure("loading them", seconds(lambda: load_masks(paths, (width, height)), 3), "s", None)
        figure("their size", sum(path.stat().st_size for path in paths.values()) / 1e6, "MB", None)
    mask = painting.masks()[COLOURS[0]]
    figure("writing one mask", seconds(lambda: encode_mask(mask)), "s", None)
    fastest = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    figure("the same with OpenCV at its fastest", seconds(lambda: cv2.imencode(".png", mask, fastest)), "s", None)
    template = make_template("t", image[99:199, 99:219].copy(), image[99:199, 99:219] // 128 * 255)
    figure("looking for a template of 120 x 100", seconds(lambda: find_matches(image, [template]), 1), "s", None)
    part = np.ascontiguousarray(labels[:1000, :1000])
    ratio = seconds(lambda: plain_index(part), 3) / seconds(lambda: SegmentIndex(part, 1000, 1000))
    figure("index of a megapixel against coordinates in Python lists", ratio, "times faster", None)


if __name__ == "__main__":
    main()
