"""`make test-soak`: 50,000 small images are clustered, merged and undone, again and again in one process.

After each round the open file descriptors, the threads and the memory are counted: they must not grow.

usage: soak.py [images] [rounds]
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

import labelimg
from labelimg import FeatureCache

IMAGES, ROUNDS = 50_000, 5
MOST_GROWTH_MB = 60  # from the end of the first round to that of the last


def make_images(folder: Path, count: int) -> None:
    """Small pictures in folders of 1,000: of every five two are near-duplicates, and they are all JPEG."""
    dice = np.random.default_rng(0)
    for number in range(count):
        if number % 1000 == 0:
            place = folder / f"{number // 1000:03}"
            place.mkdir(parents=True)
        if number % 5 != 1:
            coarse = dice.integers(0, 256, (18, 24, 3), np.uint8)
        picture = Image.fromarray(coarse).resize((48, 36), Image.Resampling.BICUBIC)
        picture.save(place / f"{number:06}.jpg", quality=90 - number % 5)


def count() -> dict[str, float]:
    """Open descriptors, threads, and the memory that is held once what was freed was given back, in MB."""
    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/status").read_text().splitlines()
    held = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "memory_mb": round(held / 1024, 1),
    }


def main() -> int:
    """Do the rounds; the exit status."""
    images = int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    counts = []
    with tempfile.TemporaryDirectory(prefix="labelimg-soak-") as place:
        folder, out = Path(place, "in"), Path(place, "out")
        began = time.perf_counter()
        make_images(folder, images)
        before = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*.jpg"))
        print(f"made {images:,} images in {time.perf_counter() - began:.0f} s")  # noqa: T201
        for number in range(rounds):
            began = time.perf_counter()
            with FeatureCache(Path(place, "cache")) as cache:
                batched = labelimg.cluster(
                    folder, out=out, merge=False, batch_size=max(2, images // 8), transfer="move", cache=cache
                )
                clusters = len(batched.clusters)
                del batched
                merged = labelimg.merge(out, cache=cache)
                found = len(merged.clusters), merged.clustered
                del merged
            assert labelimg.undo(out) == ()
            assert not out.exists()
            counts.append({**count(), "seconds": round(time.perf_counter() - began, 1)})
            print(f"round {number + 1}: {clusters:,} clusters, {found[0]:,} merged, {found[1]:,} images in them; "  # noqa: T201
                  f"{counts[-1]}", flush=True)  # fmt: skip
        after = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*.jpg"))
    flat = (
        after == before
        and len({each["descriptors"] for each in counts}) == 1
        and len({each["threads"] for each in counts}) == 1
        and counts[-1]["memory_mb"] - counts[0]["memory_mb"] < MOST_GROWTH_MB
    )
    print("all images are as they were; descriptors, threads and memory are flat" if flat else "NOT FLAT")  # noqa: T201
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
