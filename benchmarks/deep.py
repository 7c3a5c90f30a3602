"""Clustering by deep models, measured: agreement with labels, speed of embedding, memory.

    python benchmarks/datasets.py --out DIR fashion photos samples categories
    python benchmarks/deep.py DIR [quality] [divisions] [autoencoder] [speed] [memory] [tuning]

quality      adjusted Rand index and normalised mutual information on `fashion`: KMeans on raw pixels, and
             `labelimg deep` with its defaults and --clusters 10, in one batch and in four
divisions    the defaults and `--neighbours 0` on `fashion` in four batches that eight ways of dividing give
autoencoder  the same for autoencoders that are trained first (with --size 32, as the pictures have 28 pixels), one
             with the loss mse, one with perceptual over EfficientNet-Lite0, and how long that took
speed        embedding 1,000 photographs against the bare forward passes with the same pictures, 100 at a time in turns
memory       the most memory that clustering 50,000 embeddings took, in batches of 5,000
tuning       what the defaults were chosen by: sets that `fashion` has nothing of
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

import labelimg
from labelimg.clusterimg import flow
from labelimg.clusterimg.batches import shares
from labelimg.clusterimg.deep.averaging import averaged
from labelimg.clusterimg.deep.candidates import Search
from labelimg.clusterimg.deep.embedding import Embedder, torch_threads
from labelimg.clusterimg.deep.grouper import Choosing, DeepGrouper
from labelimg.clusterimg.deep.models import open_model
from labelimg.clusterimg.deep.preparing import prepared
from labelimg.clusterimg.features import FeatureStore, features_of
from labelimg.decoding import Shrink, read
from labelimg.images import find_images, read_many

MEMORY = 1 << 30  # bytes that the run of `memory` is told it may take
AIM = 0.45  # of the adjusted Rand index
FOUR = 500  # of 2,000 images
SEER = {"loss": "perceptual", "perceptual_model": "efficientnet_lite0", "perceptual_layer": "features.11"}
TRAININGS = {"mse": {"size": 32, "epochs": 60}, "perceptual": {"size": 32, "epochs": 25, **SEER}}


def main() -> None:
    """Measure what is named on the command line, all of it if nothing is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", nargs="*", metavar="WHAT", help="default: all")
    arguments = parser.parse_args()
    for name in arguments.what or MEASURES:
        print(f"## {name}", flush=True)
        MEASURES[name](arguments.folder)


def truth(folder: Path, name: str = "fashion") -> dict[str, str]:
    """The class of each file of a set."""
    with (folder / f"{name}.csv").open(newline="") as table:
        return {row["file"]: row["group"] for row in csv.DictReader(table)}


def agreement(result: labelimg.Clustering, classes: dict[str, str]) -> tuple[float, float]:
    """Adjusted Rand index and normalised mutual information; an outlier is a cluster of one."""
    groups = [*result.clusters, *((image,) for image in result.outliers)]
    found = {image.name: number for number, group in enumerate(groups) for image in group}
    names = sorted(found)
    wanted, got = [classes[name] for name in names], [found[name] for name in names]
    return adjusted_rand_score(wanted, got), normalized_mutual_info_score(wanted, got)


def in_batches(folder: Path, title: str, cache: labelimg.FeatureCache, **options: object) -> None:
    """A row for one batch and one for four."""
    classes = truth(folder)
    for name, size in (("one", None), ("four", FOUR)):
        result = labelimg.deep_cluster(folder / "fashion", clusters=[10], batch_size=size, cache=cache, **options)
        index, information = agreement(result, classes)
        print(f"| {title} | {name} | {index:.3f} | {information:.3f} |", flush=True)


def quality(folder: Path) -> None:
    """Raw pixels, and the defaults."""
    classes = truth(folder)
    names = sorted(classes)
    pixels = np.stack([read(str(folder / "fashion" / name), Shrink(colour=False)).ravel() for name in names]) / 255
    labels = KMeans(10, n_init=10, random_state=0).fit_predict(pixels)
    wanted = [classes[name] for name in names]
    index, information = adjusted_rand_score(wanted, labels), normalized_mutual_info_score(wanted, labels)
    print(f"| KMeans on raw pixels | one | {index:.3f} | {information:.3f} |", flush=True)
    with tempfile.TemporaryDirectory() as scratch, labelimg.FeatureCache(Path(scratch)) as cache:
        in_batches(folder, "labelimg deep --clusters 10", cache)
        in_batches(folder, "the same, --algorithm hierarchy", cache, algorithm="hierarchy")
        in_batches(folder, "the same, --algorithm all", cache, algorithm="all")


def divided(embeddings: np.ndarray, classes: list[str], clusters: int, neighbours: int) -> tuple[float, list[float]]:
    """The adjusted Rand index in one batch, and in four of each of eight divisions; the first is in name order."""
    one, four = 0.0, []
    for division in range(8):
        order = np.arange(len(classes))
        if division:
            order = np.random.default_rng(division - 1).permutation(len(classes))
        features = features_of(list(embeddings[order]), np.float32)
        grouper = DeepGrouper(
            features,
            averaged(features, neighbours),
            Choosing(Search("kmeans", clusters=(clusters,)), pca=64, neighbours=neighbours),
        )
        wanted = [classes[k] for k in order]
        for count in (1, 4) if division == 0 else (4,):
            batches = [flow.group_batch(grouper, rows) for rows in shares(len(order), -(-len(order) // count))]
            merged = flow.merge_batches(grouper, [(b.clusters, b.outliers) for b in batches], rescue=False)
            found = np.empty(len(order), int)
            for number, rows in enumerate(merged.clusters):
                found[rows] = number
            index = adjusted_rand_score(wanted, found)
            if count == 1:
                one = index
            else:
                four.append(index)
    return one, four


def print_divided(title: str, one: float, four: list[float]) -> None:
    """A row."""
    enough = sum(index >= AIM for index in four)
    print(f"| {title} | {one:.3f} | {np.mean(four):.3f} | {min(four):.3f} | {enough} of {len(four)} |", flush=True)


def divisions(folder: Path) -> None:
    """How much the way of dividing matters."""
    classes = truth(folder)
    embeddings = labelimg.embed(folder / "fashion")
    names = sorted(classes)
    for neighbours in (0, 20):
        print_divided(f"--neighbours {neighbours}", *divided(embeddings, [classes[n] for n in names], 10, neighbours))


def tuning(folder: Path) -> None:
    """Preparations on categories; neighbours on categories and on the samples."""
    categories = truth(folder, "categories")
    wanted = [categories[name] for name in sorted(categories)]
    for size in (128, 160, 224):
        model = open_model("efficientnet_lite0", size=size)
        embeddings = labelimg.embed(folder / "categories", model)
        features = features_of(list(embeddings), np.float32)
        for title, values, pca, unit in (
            ("standardised", features, None, False),
            ("64 components", features, 64, False),
            ("64 components, length 1", features, 64, True),
            ("averaged over 20 neighbours, 64 components, length 1", averaged(features, 20), 64, True),
        ):
            points = prepared(values.stacked(), pca=pca, unit_length=unit)
            found = [KMeans(15, n_init=10, random_state=seed).fit_predict(points) for seed in range(5)]
            index = np.mean([adjusted_rand_score(wanted, labels) for labels in found])
            print(f"| categories at {size} | {title} | {index:.3f} |", flush=True)
    samples = truth(folder, "samples")
    sets = [("categories", embeddings, wanted, 15)]
    for number in range(3):
        names = sorted(name for name in samples if name.startswith(f"sample_{number}_"))
        values = labelimg.embed(folder / f"samples/sample_{number}")
        sets.append((f"sample {number}", values, [samples[name] for name in names], 10))
    for title, values, classes, clusters in sets:
        for neighbours in (0, 5, 10, 20, 50):
            print_divided(f"{title} | {neighbours}", *divided(values, classes, clusters, neighbours))


def autoencoder(folder: Path) -> None:
    """Autoencoders trained on the images themselves."""
    for loss, training in TRAININGS.items():
        with tempfile.TemporaryDirectory() as scratch, labelimg.FeatureCache(Path(scratch)) as cache:
            file = Path(scratch, "model.ckpt")
            began, before = time.perf_counter(), time.process_time()
            trained = labelimg.train(folder / "fashion", out=file, **training)
            took, worked = time.perf_counter() - began, time.process_time() - before
            print(f"{loss}: {trained.epochs} epochs in {took:.0f} s, {worked:.0f} s of processor time", flush=True)
            in_batches(folder, f"autoencoder, {loss}", cache, model=file)


def speed(folder: Path) -> None:
    """Embedding with decoding against forward passes with decoded pictures."""
    whole_set = folder / ("thousand" if (folder / "thousand").is_dir() else "photos")
    paths = find_images([whole_set]).paths
    threads = len(os.sched_getaffinity(0))
    embedder = Embedder(open_model("efficientnet_lite0"), threads=threads)
    seconds, worked = np.zeros((10, 2)), np.zeros((10, 2))
    for turn in range(10):
        some = [paths[k % len(paths)] for k in range(100 * turn, 100 * turn + 100)]
        pictures = [pixels for _, pixels in read_many(some, embedder.shrink, lambda pixels: pixels, threads=threads)]
        for column in (turn % 2, 1 - turn % 2):
            began, before = time.perf_counter(), time.process_time()
            if column == 0:
                with torch_threads(threads):
                    embedder.embed(pictures)
            else:
                read_ahead = read_many(some, embedder.shrink, lambda pixels: (pixels, None), threads=threads)
                assert sum(1 for _ in embedder.finish(read_ahead)) == len(some)
            seconds[turn, column], worked[turn, column] = time.perf_counter() - began, time.process_time() - before
    ratios = np.sort(seconds[:, 1] / seconds[:, 0])
    print(f"bare {seconds[:, 0].sum():.1f} s, with decoding {seconds[:, 1].sum():.1f} s", flush=True)
    print(f"times as long: median {median(ratios):.2f}, from {ratios[0]:.2f} to {ratios[-1]:.2f}; ", end="")
    print(f"processor time {median(worked[:, 1] / worked[:, 0]):.2f} times", flush=True)


def memory(_folder: Path) -> None:
    """In a process of its own: the peak with 50,000 embeddings less the peak without."""
    peaks = []
    for count in (0, 50_000):
        out = subprocess.run(
            [sys.executable, __file__, "--memory-of", str(count)], check=True, capture_output=True, text=True
        )
        peaks.append(int(out.stdout.split()[-1]))
    more, least = (peaks[1] - peaks[0]) / 1024, peaks[0] / 1024
    print(f"50,000 embeddings of 1,280 values, which take 244 MB: {more:.0f} MB above the {least:.0f} of a run of 40")


def memory_of(count: int) -> None:
    """Cluster so many random embeddings, and print the most memory that was held, in KB."""
    import torch  # noqa: F401 (what a run holds, too)

    store = FeatureStore(np.float32, memory=MEMORY)
    random = np.random.default_rng(0)
    centres = random.normal(size=(20, 1280)).astype(np.float32)
    for number in range(max(count, 40)):
        store.add(centres[number % 20] + random.normal(size=1280).astype(np.float32))
    features = store.features()
    how = Choosing(Search("kmeans", clusters=(10, 20)), 64, neighbours=20)
    grouper = DeepGrouper(features, averaged(features, how.neighbours, memory=MEMORY // 4), how)
    batches = [flow.group_batch(grouper, rows) for rows in shares(len(features), 5000)]
    merged = flow.merge_batches(grouper, [(b.clusters, b.outliers) for b in batches], rescue=False)
    assert sum(map(len, merged.clusters)) == len(features)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


MEASURES = {
    "quality": quality,
    "divisions": divisions,
    "autoencoder": autoencoder,
    "speed": speed,
    "memory": memory,
    "tuning": tuning,
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory-of"]:
        memory_of(int(sys.argv[2]))
    else:
        main()
