"""Results made up for the page: folders as a run leaves them, without the run."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from labelimg.clusterimg.record import Record, record_tables, write_record
from labelimg.clusterimg.thumbnails import THUMBNAILS, Collected
from labelimg.thumbnail import Thumbnail


def jpeg(k: int, size: int = 40) -> bytes:
    """A small picture of one colour, another for each k."""
    colour = np.full((size, size, 3), ((37 * k) % 256, (91 * k) % 256, (153 * k) % 256), np.uint8)
    thumbnail = Thumbnail()
    thumbnail.size = size, size
    thumbnail.of_pixels(colour)
    return thumbnail.jpeg


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def make_result(
    root: Path, sizes: Sequence[int], outliers: int, *, names: Sequence[str] = (), deep: bool = False, few: bool = False
) -> Path:
    """The folder of a result with clusters of these sizes; `few`: few pictures, used again and again, for speed.

    Image k is called names[k] or like `0000042.jpg`, rows go round the clusters and the outliers. Every image of a
    cluster is 0.9 similar to its representative but the last, which is 0.75 similar to the one before it.
    """
    out, n = root / "out", sum(sizes) + outliers
    images = sorted([*names, *(f"{k:07}.jpg" for k in range(n - len(names)))])
    places = [*np.repeat(np.arange(len(sizes)), sizes).tolist(), *([-1] * outliers)]
    order = np.random.default_rng(1).permutation(n) if n < 5000 else np.arange(n)
    cluster = [places[k] for k in order.tolist()]
    members: dict[int, list[int]] = {}
    for row, number in enumerate(cluster):
        members.setdefault(number, []).append(row)
    rows = []
    for row, number in enumerate(cluster):
        folder = "outliers" if number < 0 else f"cluster_{number}"
        first = "" if number < 0 else images[members[number][0]]
        rows.append((images[row], folder, first, f"results/{folder}/{images[row]}"))
    write_csv(out / "clusters.csv", ("image", "cluster", "representative", "written"), rows)
    settings = {
        "folders": [str(root / "photos")],
        "method": "deep" if deep else "imagehash",
        "parameters": {"model": "efficientnet_lite0"} if deep else {},
        "threshold": None if deep else 0.7,
        "transfer": "copy",
    }
    run = {"settings": settings, "root": str(root / "photos"), "versions": {"labelimg-suite": "1.0"}, "counts": {}}
    (out / "run.json").write_text(json.dumps({**run, "merged": True, "spanning_forests": []}), "utf-8")
    reasons = [("broken & <b>.jpg", "truncated or damaged: 'x' < 3")]
    write_csv(out / "unreadable.csv", ("image", "reason"), reasons)
    if deep:
        points = np.random.default_rng(0).normal(size=(n, 2))
        told = [(name, f"{x:.4f}", f"{y:.4f}", "0.8") for name, (x, y) in zip(images, points.tolist(), strict=True)]
        write_csv(out / "map.csv", ("image", "x", "y", "cosine"), told)
        columns = ("batch", "algorithm", "parameters", "clusters", "noise", "total", "seconds", "chosen", "note")
        models = [("batch_0", "kmeans", "clusters=2", 2, 0, "1.5", "0.100", "", "")]
        models.append(("batch_0", "kmeans", "clusters=3", 3, 0, "2.5", "0.200", "yes", ""))
        write_csv(out / "models.csv", columns, models)
    else:
        pairs = []
        for number, inside in members.items():
            if number >= 0:
                pairs += [(images[inside[0]], images[row], "0.900000") for row in inside[1:-1]]
                pairs.append((images[inside[-2]], images[inside[-1]], "0.750000"))
        write_csv(out / "similarities/batch_0.csv", ("image_a", "image_b", "similarity"), pairs)
        ends = [members[k][0] for k in members]
        misses = [(images[a], images[b], "0.650000") for a, b in pairwise(ends)]
        write_csv(out / "near_misses.csv", ("image_a", "image_b", "similarity"), misses[:50])
        (out / "report.json").write_text('{"curve":null,"misses_of":1000}\n', "utf-8")
    pictures = [jpeg(k) for k in range(16 if few else n)]
    with Collected(out) as collected:
        for row in range(n):
            collected.add(pictures[row % len(pictures)])
        collected.write(out, images)
    write_record(out, Record("copy", (), ()))
    record_tables(out, [THUMBNAILS])
    return out
