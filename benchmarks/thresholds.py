"""How good the threshold is that is found in the images: of labelled sets, of their subsets, and among many images.

    python benchmarks/datasets.py --out DIR photos digits tiles stamps clothes
    python benchmarks/thresholds.py DIR [photos] [tiles] ... [--methods ssim,orb] [--each]
    python benchmarks/thresholds.py --planted 1000,10000,100000
    python benchmarks/thresholds.py DIR photos tiles --extrapolated

A subset is a table's row with --each, else a part of a mean:

full      all images                                  many    the groups of two or more, without single images
few       2, 3 and 5 groups of two or more, twice     pairs   at most two images of a group
sparse    5 groups, and one image of all others       none    one image of each group: no duplicates at all
one       one group alone, three times             alone   3 to 45 images of as many groups, 14 times

The best F1 is that of the best threshold of all there are, for this very subset. The last columns: pairs that are
together where there are no duplicates at all; and how many of the few images alone have any. quality.py --auto prints
the same tables.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.extraction import extract
from labelimg.clusterimg.features import features_of
from labelimg.clusterimg.linkage import link
from labelimg.clusterimg.methods import NAMES, make_method
from labelimg.clusterimg.pairs import components
from labelimg.clusterimg.suggestion import sample_for, suggest
from labelimg.clusterimg.threshold import choose_rows, curve_of, sample_similarities
from quality import load

Rows = NDArray[np.int64]


@dataclass
class Row:
    """What came of a subset."""

    subset: str
    images: int
    best: float
    f1: float
    false_pairs: int
    threshold: float
    reason: str


def subsets(truth: Rows) -> Iterator[tuple[str, Rows]]:
    """Names and rows of the subsets of a labelled set."""
    rng = np.random.default_rng(7)
    counts = np.bincount(truth)
    several, every = np.flatnonzero(counts > 1), np.flatnonzero(counts)

    def of(groups: Rows) -> Rows:
        return np.flatnonzero(np.isin(truth, groups))

    def at_most(rows: Rows, most: int) -> Rows:
        seen: dict[int, int] = {}
        kept = []
        for row in rng.permutation(rows).tolist():
            seen[truth[row]] = seen.get(truth[row], 0) + 1
            if seen[truth[row]] <= most:
                kept.append(row)
        return np.sort(np.asarray(kept, np.int64))

    whole = np.arange(len(truth))
    yield "full", whole
    for groups in (2, 3, 5):
        for _ in range(2):
            if groups < len(several):
                yield "few", of(rng.choice(several, groups, replace=False))
    if len(several) < len(every):
        yield "many", of(several)
        yield "pairs", at_most(whole, 2)
        chosen = rng.choice(several, 5, replace=False)
        yield "sparse", np.sort(np.r_[of(chosen), at_most(of(np.setdiff1d(every, chosen)), 1)])
        yield "none", at_most(whole, 1)
    for _ in range(3):
        yield "one", of(rng.choice(several, 1))
    if len(several) < len(every):
        single = np.unique(truth, return_index=True)[1]
        for size in (3, 4, 6, 9, 14, 25, 45):
            for _ in range(2):
                yield "alone", np.sort(rng.choice(single, size, replace=False))


def f1_of(truth: Rows, labels: Rows) -> tuple[float, int]:
    """Pairwise F1, and how many pairs are together that should not be. Right where nothing is to be found: 1."""
    together = int((np.bincount(labels) * (np.bincount(labels) - 1) // 2).sum())
    should = int((np.bincount(truth) * (np.bincount(truth) - 1) // 2).sum())
    both = np.unique(truth.astype(np.int64) * (labels.max() + 1) + labels, return_counts=True)[1]
    right = int((both * (both - 1) // 2).sum())
    return (2 * right / (together + should) if together + should else 1.0), together - right


def rows_of(name: str, folder: Path, data: str) -> list[Row]:
    """What comes of every subset of a labelled set, compared by a method."""
    method = make_method(name)
    paths, truth = load(folder, data)
    extracted = extract(paths, method, threads=2, memory=1 << 33)
    rows = []
    for subset, chosen in subsets(truth):
        features = extracted.features.take(chosen, memory=1 << 33)
        own = np.unique(truth[chosen], return_inverse=True)[1]
        pairs = method.similar_pairs(features, -2.0, threads=2)
        linkage = link(len(chosen), pairs.i, pairs.j, pairs.similarity)
        levels = np.unique(np.r_[linkage.level - 1e-9, 1.0])
        best = max(f1_of(own, linkage.labels(int(k)))[0] for k in np.unique(linkage.joins(levels)))
        found = suggest(sample_for(features, method, threads=2), method)
        f1, false = f1_of(own, linkage.labels(int(linkage.joins(np.array([found.threshold]))[0])))
        rows.append(Row(subset, len(chosen), best, f1, false, found.threshold, found.reason))
    return rows


def print_quality(folder: Path, names: list[str], methods: list[str], each: bool) -> None:
    """A table of means and worst cases, or of every subset."""
    if each:
        print("| method | data set | subset | images | threshold | F1 | best F1 | false pairs | reason |")
        print("|---|---|---|---|---|---|---|---|---|")
    else:
        print("| method | data set | F1, full | best | mean loss | worst loss | at | false, none | false, alone |")
        print("|---|---|---|---|---|---|---|---|---|")
    for method in methods:
        for data in names:
            rows = rows_of(method, folder, data)
            for row in rows if each else ():
                cells = (method, data, row.subset, row.images, f"{row.threshold:.3f}", f"{row.f1:.3f}")
                print("|", " | ".join(map(str, (*cells, f"{row.best:.3f}", row.false_pairs, row.reason))), "|")
            if not each:
                some = [row for row in rows if row.subset not in ("none", "alone")]
                loss = [row.best - row.f1 for row in some]
                worst = some[int(np.argmax(loss))]
                none = [f"{row.false_pairs} of {row.images}" for row in rows if row.subset == "none"]
                alone = [row.false_pairs > 0 for row in rows if row.subset == "alone"]
                right = f"{sum(alone)} of {len(alone)}" if alone else ""
                numbers = (f"{rows[0].f1:.3f}", f"{rows[0].best:.3f}", f"{np.mean(loss):.3f}", f"{max(loss):.3f}")
                where = f"{worst.subset}, {worst.images} images"
                print("|", " | ".join((method, data, *numbers, where, none[0] if none else "", right)), "|", flush=True)


def clouds(rng: np.random.Generator, count: int, side: int) -> NDArray[np.float64]:
    """Pictures whose frequencies fall off as those of photographs do, otherwise random: (count, side, side)."""
    down, across = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    strength = np.hypot(down, across)
    strength[0, 0] = np.inf
    shape = (count, side, side // 2 + 1)
    waves = (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / strength
    pictures = np.fft.irfft2(waves, s=(side, side))
    return pictures / pictures.std(axis=(1, 2), keepdims=True)


def print_planted(counts: list[int]) -> None:
    """The threshold for twins, 1 in 100, among many unlike images."""
    print("| images | hash | threshold | s | F1 | false pairs | F1 at 0.69 | false pairs | largest cluster |")
    print("|---|---|---|---|---|---|---|---|---|")
    for count in counts:
        for size in (12, 16):
            method = make_method("imagehash", hash_size=size)
            rng = np.random.default_rng(3)
            hashes, twins = [], []
            for first in range(0, count, 2000):
                pictures = clouds(rng, min(2000, count - first), method.side)
                hashes += [method.feature(_grey(picture)) for picture in pictures]
                for picture in pictures[: len(pictures) // 100]:
                    disturbed = picture * rng.uniform(0.7, 1.2) + rng.normal(size=picture.shape) * rng.uniform(0.1, 0.5)
                    twins.append((first + len(twins) % 20, method.feature(_grey(disturbed))))
            places = [first for first in range(0, count, 2000) for _ in range(min(2000, count - first) // 100)]
            numbers = [place + k % 20 for k, place in enumerate(places)]
            truth = np.r_[np.arange(count), numbers]
            features = features_of([*hashes, *(twin for _, twin in twins)], np.uint64)
            began = time.perf_counter()
            found = suggest(sample_for(features, method, threads=2), method)
            took = time.perf_counter() - began
            cells = [f"{len(truth):,}", f"{size} x {size}", f"{found.threshold:.3f}", f"{took:.2f}"]
            for threshold in (found.threshold, 0.69):
                pairs = method.similar_pairs(features, threshold, threads=2, most=1_000_000)
                labels = components(len(features), pairs)
                f1, false = f1_of(truth, labels)
                cells += [f"{f1:.3f}", f"{false:,}"]
            print("|", " | ".join([*cells, str(np.bincount(labels).max())]), "|", flush=True)


def _grey(picture: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(128 + 45 * picture, 0, 255).astype(np.uint8)


def print_extrapolated(folder: Path, names: list[str]) -> None:
    """How far the numbers extrapolated from samples are from those of all images: medians over ten samples."""
    print("| data set | sample | threshold | pairs | off by | clustered | off by | clusters | off by |")
    print("|---|---|---|---|---|---|---|---|---|")
    method = make_method("imagehash")
    for data in names:
        paths, _ = load(folder, data)
        features = extract(paths, method, threads=2, memory=1 << 33).features
        every = curve_of(sample_similarities(features, method, np.arange(len(features))))
        for share in (0.1, 0.25, 0.5):
            size = round(len(features) * share)
            curves = [
                curve_of(sample_similarities(features, method, choose_rows(len(features), size, seed)))
                for seed in range(10)
            ]
            for threshold in (0.62, 0.69, 0.8, 0.95):
                k = every.place(threshold)
                cells = [data, f"{size} of {len(features)}", f"{threshold}"]
                for name in ("pairs", "clustered", "clusters"):
                    true = int(getattr(every, name)[k])
                    off = [abs(getattr(curve, f"expected_{name}")[k] - true) / max(true, 1) for curve in curves]
                    cells += [f"{true:,}", f"{np.median(off):.0%}"]
                print("|", " | ".join(cells), "|", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="what benchmarks/datasets.py built")
    parser.add_argument("names", nargs="*", help="data sets (default: photos digits)")
    parser.add_argument("--methods", default=",".join(NAMES), help="methods, by comma")
    parser.add_argument("--each", action="store_true", help="a row for each subset")
    parser.add_argument("--planted", metavar="N,N", help="twins among so many unlike images")
    parser.add_argument("--extrapolated", action="store_true", help="samples against all images")
    arguments = parser.parse_args()
    names = arguments.names or ["photos", "digits"]
    if arguments.planted:
        print_planted([int(count) for count in arguments.planted.split(",")])
    elif arguments.extrapolated:
        print_extrapolated(arguments.folder, names)
    else:
        print_quality(arguments.folder, names, arguments.methods.split(","), arguments.each)


if __name__ == "__main__":
    main()
