"""Clustering by deep models, measured: agreement with labels, speed of embedding, memory.

    python benchmarks/datasets.py --out DIR fashion photos
    python benchmarks/deep.py DIR [quality] [autoencoder] [speed] [memory]

quality      adjusted Rand index and normalised mutual information on `fashion`: KMeans on raw pixels, and
             `labelimg deep` with its defaults and --clusters 10, in one batch and in four
autoencoder  the same for autoencoders that are trained first (with --size 32, as the pictures have 28 pixels), one
             with the loss mse, one with perceptual over EfficientNet-Lite0, and how long that took
speed        embedding 1,000 photographs against the bare forward passes with the same pictures, alternating
memory       the most memory that clustering 50,000 embeddings took, in batches of 5,000
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
from labelimg.clusterimg.deep.embedding import Embedder, torch_threads
from labelimg.clusterimg.deep.models import open_model
from labelimg.decoding import Shrink, read
from labelimg.images import find_images, read_many

MEMORY = 1 << 30  # bytes that the run of `memory` is told it may take
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


def truth(folder: Path) -> dict[str, str]:
    """The class of each file of `fashion`."""
    with (folder / "fashion.csv").open(newline="") as table:
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
    paths = (
        find_images([folder / "thousand"]) if (folder / "thousand").is_dir() else find_images([folder / "photos"])
    ).paths
    paths = tuple(paths[k % len(paths)] for k in range(1000))
    threads = len(os.sched_getaffinity(0))
    for size in (None, 160):
        embedder = Embedder(open_model("efficientnet_lite0", size=size), threads=threads)
        pictures = [pixels for _, pixels in read_many(paths, embedder.shrink, lambda pixels: pixels, threads=threads)]
        bare, whole, worked = [], [], []
        for _ in range(3):
            with torch_threads(threads):
                began, before = time.perf_counter(), time.process_time()
                embedder.embed(pictures)
                bare.append(time.perf_counter() - began)
            began, between = time.perf_counter(), time.process_time()
            read_ahead = read_many(paths, embedder.shrink, lambda pixels: (pixels, None), threads=threads)
            made = sum(1 for _ in embedder.finish(read_ahead))
            whole.append(time.perf_counter() - began)
            worked.append((time.process_time() - between) / (between - before))
            assert made == len(paths)
        ratio = median(w / b for w, b in zip(whole, bare, strict=True))
        seconds = f"bare {median(bare):.1f} s, all {median(whole):.1f} s, {ratio:.2f} times"
        print(f"size {embedder.model.size}: {seconds}, {median(worked):.2f} times the processor time", flush=True)


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

    from labelimg.clusterimg import flow
    from labelimg.clusterimg.batches import shares
    from labelimg.clusterimg.deep.averaging import averaged
    from labelimg.clusterimg.deep.candidates import Search
    from labelimg.clusterimg.deep.grouper import Choosing, DeepGrouper
    from labelimg.clusterimg.features import FeatureStore

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


MEASURES = {"quality": quality, "autoencoder": autoencoder, "speed": speed, "memory": memory}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory-of"]:
        memory_of(int(sys.argv[2]))
    else:
        main()
