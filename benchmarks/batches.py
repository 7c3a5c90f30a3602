"""The share of true pairs that meet in one batch, by how images are divided among batches.

python benchmarks/datasets.py --out DIR photos
python benchmarks/batches.py DIR
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.batches import split
from labelimg.clusterimg.extraction import extract
from labelimg.clusterimg.methods import make_method
from quality import load


def share(batches: list[NDArray[Any]], truth: NDArray[np.int64]) -> float:
    """The pairs of one group that share a batch, of all pairs of one group."""
    batch = np.empty(len(truth), int)
    for number, rows in enumerate(batches):
        batch[rows] = number
    same = (truth[:, None] == truth[None]) & np.triu(np.ones((len(truth), len(truth)), bool), 1)
    return float((same & (batch[:, None] == batch[None])).sum() / same.sum())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what benchmarks/datasets.py built")
    paths, truth = load(parser.parse_args().folder, "photos")
    grey = extract(paths, make_method("ssim", size=(32, 32)), threads=2, memory=1 << 30)
    hashes = extract(paths, make_method("imagehash", hash_size=8), threads=2, memory=1 << 30).features.values
    orders = {
        "name": np.arange(len(paths)),
        "file size": np.argsort([os.path.getsize(path) for path in paths], kind="stable"),
        "mean grey": np.argsort(grey.features.stacked().mean(axis=(1, 2)), kind="stable"),
        "64-bit phash": np.argsort(hashes, kind="stable"),
    }
    print("| order | at 50 a batch | batches | at 200 a batch | batches |\n|---|---|---|---|---|")
    for name, order in orders.items():
        cells = []
        for size in (50, 200):
            batches = [order[first : first + size] for first in range(0, len(order), size)]
            cells += [f"{share(batches, truth):.3f}", str(len(batches))]
        print(f"| {name} | {' | '.join(cells)} |")
    cells = []
    for size in (50, 200):
        batches = list(split(grey.signatures, size))
        cells += [f"{share(batches, truth):.3f}", str(len(batches))]
    print(f"| cut at the widest gap of signatures | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
