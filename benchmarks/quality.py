"""How well clusters agree with labels: pairwise precision, recall, F1 and the adjusted Rand index.

    python benchmarks/datasets.py --out DIR photos digits
    python benchmarks/quality.py DIR [photos] [digits] [--methods ssim,orb] [--set orb.good_bits=24]
    python benchmarks/quality.py DIR [photos] [digits] --auto [--each]

For every method and data set: a row for each threshold, and the best. Then what `labelimg.cluster` gives at the
method's own threshold at batch sizes of 50, 200 and all images. With --auto: how good the threshold is that is found
where none is given, of the sets and their subsets (thresholds.py). Features and pairs are the package's own.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import pair_confusion_matrix

import labelimg
from labelimg.clusterimg.extraction import extract
from labelimg.clusterimg.methods import NAMES, make_method

THRESHOLDS = np.round(np.arange(0.02, 1.0, 0.02), 2)


def load(folder: Path, name: str) -> tuple[list[str], NDArray[np.int64]]:
    """Paths in name order and the group of each."""
    with (folder / f"{name}.csv").open(newline="") as table:
        rows = sorted(csv.DictReader(table), key=lambda row: row["file"])
    paths = [str(folder / name / row["file"]) for row in rows]
    return paths, np.unique([row["group"] for row in rows], return_inverse=True)[1]


def scores(truth: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[float, float, float, float]:
    """Pairwise precision, recall and F1, and the adjusted Rand index. No pair at all: precision 1."""
    (_, false_positive), (false_negative, true_positive) = pair_confusion_matrix(truth, labels)
    precision = true_positive / max(1, true_positive + false_positive) if true_positive + false_positive else 1.0
    recall = true_positive / max(1, true_positive + false_negative)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return precision, recall, f1, adjusted_rand_score(truth, labels)


def sweep(name: str, paths: list[str], truth: NDArray[np.int64], parameters: dict[str, object]) -> list[list[float]]:
    """A row (threshold, precision, recall, F1, ARI) for each threshold."""
    method = make_method(name, **parameters)
    extracted = extract(paths, method, threads=2, memory=1 << 33)
    assert len(extracted.rows) == len(paths), extracted.unreadable
    pairs = method.similar_pairs(extracted.features, -2.0, threads=2)
    n = len(paths)
    rows = []
    for threshold in THRESHOLDS:
        keep = pairs.similarity > threshold
        graph = coo_matrix((keep[keep], (pairs.i[keep], pairs.j[keep])), shape=(n, n))
        rows.append([threshold, *scores(truth, connected_components(graph, directed=False)[1])])
    return rows


def labels_of(result: labelimg.Clustering, paths: list[str]) -> NDArray[np.int64]:
    """The cluster of each image, an outlier being a cluster of one."""
    number = {str(path): k for k, path in enumerate(paths)}
    labels = np.arange(len(paths)) + len(paths)
    for k, cluster in enumerate(result.clusters):
        for path in cluster:
            labels[number[str(path)]] = k
    return labels


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what benchmarks/datasets.py built")
    parser.add_argument("names", nargs="*", help="data sets (default: photos digits)")
    parser.add_argument("--methods", default=",".join(NAMES), help="methods, by comma")
    parser.add_argument("--set", action="append", default=[], metavar="METHOD.PARAMETER=N", help="try a parameter")
    parser.add_argument("--auto", action="store_true", help="the threshold that is found, in place of all of these")
    parser.add_argument("--each", action="store_true", help="with --auto, a row for each subset")
    parser.add_argument("--brief", action="store_true", help="the best threshold of each alone")
    arguments = parser.parse_args()
    parameters: dict[str, dict[str, object]] = {}
    for text in arguments.set:
        key, value = text.split("=")
        parameters.setdefault(key.split(".")[0], {})[key.split(".")[1]] = int(value)
    names = arguments.names or ["photos", "digits"]
    if arguments.auto:
        from thresholds import print_quality

        print_quality(arguments.folder, names, arguments.methods.split(","), arguments.each)
        return
    print("| data set | method | threshold | precision | recall | F1 | ARI | F1 >= 0.99 |")
    print("|---|---|---|---|---|---|---|---|")
    for name in names:
        paths, truth = load(arguments.folder, name)
        for method in arguments.methods.split(","):
            rows = sweep(method, paths, truth, parameters.get(method, {}))
            best = max(row[3] for row in rows)
            at = [row for row in rows if row[3] == best]
            good = [row[0] for row in rows if row[3] >= 0.99]
            for row in [] if arguments.brief else rows:
                print(f"| {name} | {method} | " + " | ".join(f"{v:.3f}" for v in row) + " | |")
            middle = at[len(at) // 2]
            span = f"{good[0]:.2f} to {good[-1]:.2f}" if good else "nowhere"
            cells = (name, method, f"**{middle[0]:.2f}**", *(f"{value:.4f}" for value in middle[1:]), span)
            print(f"| {' | '.join(cells)} |", flush=True)
    if arguments.methods != ",".join(NAMES) or parameters:
        return
    print("\n| data set | method | batch size | precision | recall | F1 | ARI |\n|---|---|---|---|---|---|---|")
    for name in names:
        paths, truth = load(arguments.folder, name)
        for method in NAMES:
            for size in (50, 200, None):
                own = make_method(method).default_threshold
                result = labelimg.cluster(arguments.folder / name, method=method, batch_size=size, threshold=own)
                row = scores(truth, labels_of(result, paths))
                cells = (name, method, str(size or "all"), *(f"{value:.4f}" for value in row))
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
