"""What only a run can know for its report, gathered while its images are decoded and its features are in memory.

It goes into a folder of what the run keeps, and from there to its place beside the tables, so that a run that was
interrupted has it too.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from labelimg import files
from labelimg.clusterimg.features import Features
from labelimg.clusterimg.flow import Grouper
from labelimg.clusterimg.kept import GATHERED
from labelimg.clusterimg.methods.base import Method
from labelimg.clusterimg.pairs import Pairs, no_pairs
from labelimg.clusterimg.pairwise import MOST_PAIRS, PairwiseGrouper
from labelimg.clusterimg.results import Clustering
from labelimg.clusterimg.tables import FOUND, MAP, NEAR_MISSES
from labelimg.clusterimg.threshold import Curve, choose_rows, curve_of, sample_similarities
from labelimg.clusterimg.thumbnails import Collected

_MISSES = 200  # pairs that are kept
_LOWEST = 0.15  # below the threshold a pair is no near miss
# Processor seconds that may be spent on a look at the similarities: some, and some for each image. By counts and not by
# a clock, so that the same run gives the same.
_SOME_S, _EACH_S = 0.15, 30e-6


class Gathered:
    """Thumbnails, and what was found by looking at the features once more."""

    def __init__(self, near: files.StrPath) -> None:
        self.thumbnails = Collected(near)
        self._tables: dict[str, str] = {}

    def look(self, grouper: Grouper, result: Clustering) -> None:
        """Look at the features of a run that has grouped its images."""
        names = result.names
        if isinstance(grouper, PairwiseGrouper):
            curve, misses, images = _looked(grouper, _labels(result))
            found = {"curve": None if curve is None else _curve_as_json(curve), "misses_of": images}
            self._tables[FOUND] = json.dumps(found, separators=(",", ":")) + "\n"
            rows = zip(misses.i.tolist(), misses.j.tolist(), misses.similarity.tolist(), strict=True)
            self._tables[NEAR_MISSES] = _csv(
                ("image_a", "image_b", "similarity"), [(names[i], names[j], f"{value:.6f}") for i, j, value in rows]
            )
        elif result.settings.method == "deep" and len(names) > 1:
            from labelimg.clusterimg.deep.map import embedding_map

            places, cosine = embedding_map(grouper, _labels(result))
            told = [
                (name, f"{x:.5g}", f"{y:.5g}", "" if np.isnan(c) else f"{c:.4f}")
                for name, (x, y), c in zip(names, places.tolist(), cosine.tolist(), strict=True)
            ]
            self._tables[MAP] = _csv(("image", "x", "y", "cosine"), told)

    def write(self, folder: Path, result: Clustering) -> None:
        """Write it all into a folder; raises OutputError."""
        self.thumbnails.write(folder, result.names)
        for name, text in self._tables.items():
            files.write_atomic(folder / name, text, durable=False)


def publish(folder: Path, out: Path) -> list[str]:
    """Move what was gathered from the folder to its place in `out`; the names of what is there then."""
    for name in GATHERED:
        if files.is_there(folder / name):
            files.remove_file(out / name)
            files.rename(folder / name, out / name)
    return [name for name in GATHERED if files.is_there(out / name)]


def _labels(result: Clustering) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The number of each image's cluster; an outlier has one of its own."""
    labels = np.arange(len(result.images), 2 * len(result.images))
    for number, (folder, rows) in enumerate(result.folders()):
        if not folder.endswith("/outliers"):
            labels[rows] = number
    return labels


def _looked(
    grouper: PairwiseGrouper, labels: np.ndarray[Any, np.dtype[np.int64]]
) -> tuple[Curve | None, Pairs, int | None]:
    """The curve, the nearest misses, and among how many images they were looked for, None for all."""
    method, features, n = grouper.method, grouper.features, len(grouper.features)
    if n < 2:
        return None, no_pairs(), None
    budget = _SOME_S + _EACH_S * n
    each = _pair_seconds(method, features)
    sample = grouper.sample
    if sample is None:
        rows = choose_rows(n, min(method.looked_at, max(2, int((2 * budget / each) ** 0.5))))
        sample = sample_similarities(features, method, rows, threads=grouper.threads)
    rows = sample.rows
    floor = max(grouper.threshold - _LOWEST, -1.0)
    near = np.flatnonzero(sample.values > floor)
    i, j = sample.pair(near)
    of_sample = _apart(rows[i], rows[j], sample.values[near], labels)
    curve = curve_of(sample)
    if len(rows) == n:
        return curve, of_sample, None
    if each * n * (n - 1) / 2 <= budget:
        # About as far down as there are enough pairs, going by the sample.
        share = len(rows) * (len(rows) - 1) / (n * (n - 1))
        place = min(int(_MISSES * share), len(of_sample) - 1)
        lowest = float(of_sample.similarity[place]) if len(of_sample) else floor
        pairs = method.similar_pairs(features, max(floor, lowest - 0.01), threads=grouper.threads, most=MOST_PAIRS)
        if pairs.complete:
            return curve, _apart(pairs.i, pairs.j, pairs.similarity, labels), None
    return curve, of_sample, len(rows)


def _apart(i: Any, j: Any, similarity: Any, labels: Any) -> Pairs:
    """The most similar pairs of images that are not together, the most similar first; of two clusters one pair."""
    apart = np.flatnonzero(labels[i] != labels[j])
    order = apart[np.lexsort((j[apart], i[apart], -similarity[apart]))]
    one, two = labels[i[order]], labels[j[order]]
    _, first = np.unique(np.minimum(one, two) * (2 * len(labels)) + np.maximum(one, two), return_index=True)
    order = order[np.sort(first)][:_MISSES]
    return Pairs(i[order].astype(np.int32), j[order].astype(np.int32), similarity[order])


def _pair_seconds(method: Method, features: Features) -> float:
    """About what a pair costs one thread when its similarity has to be known exactly (docs/speed.md)."""
    size = len(features.values) / len(features)
    name = type(method).__name__
    if name == "Ssim":
        return 1.1e-9 * size
    if name == "TemplateMatching":
        return 0.06e-9 * size if features.same_shape else 0.1e-9 * size**2 / 3
    if name == "Orb":
        return 0.8e-9 * (size / 32) ** 2
    return 0.15e-9 * size + 1e-9


def _curve_as_json(curve: Curve) -> dict[str, Any]:
    def told(values: Any) -> list[Any]:
        return [round(value, 4) for value in values.tolist()]

    arrays = [name for name in curve.__dataclass_fields__ if name not in ("sample", "count")]
    return {"sample": curve.sample, "count": curve.count, **{name: told(getattr(curve, name)) for name in arrays}}


def curve_from(told: Any) -> Curve | None:
    """The curve that `Gathered` kept; None where there is none or it is not as it was written."""
    try:
        arrays = {
            name: np.asarray(told[name]) for name in Curve.__dataclass_fields__ if name not in ("sample", "count")
        }
        if len({array.shape for array in arrays.values()}) != 1 or arrays["thresholds"].ndim != 1:
            return None
        if not all(array.dtype.kind in "iuf" and np.isfinite(array).all() for array in arrays.values()):
            return None
        if any((array < 0).any() for array in arrays.values()) or (np.diff(arrays["thresholds"]) <= 0).any():
            return None
        return Curve(sample=int(told["sample"]), count=int(told["count"]), **arrays)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _csv(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
