"""How fast clustering is, against what reading the images costs and against the reference libraries.

    python benchmarks/datasets.py --out DIR photos
    python benchmarks/speed.py DIR [--only whole kernels growth memory] [--runs 5] [--against PYTHON]

whole: `labelimg cluster` on 1,000 photographs, process start to exit, against decoding the same files with OpenCV in
two threads; in turn, medians. kernels: the time of a pair against the reference library's call, one thread. growth:
planted near-duplicates among random features, and the exponent of cost against count. memory: 100,000 images in one
batch.
`--against` names the Python of an environment with imagededup; its phash is timed on the same photographs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from labelimg.clusterimg.features import Features, features_of
from labelimg.clusterimg.methods import NAMES, make_method

COUNT = 1000
PIXELS = 1_000_000


def thousand_photographs(folder: Path) -> Path:
    """1,000 JPEG photographs of about a megapixel: the photos set, repeated with crops and other brightness."""
    out = folder / "thousand"
    if len(list(out.glob("*.jpg"))) == COUNT:
        return out
    out.mkdir(exist_ok=True)
    sources = sorted((folder / "photos").iterdir())

    def make(number: int) -> None:
        turn, which = divmod(number, len(sources))
        with Image.open(sources[which]) as opened:
            image = opened.convert("RGB")
        w, h = image.size
        margin = 0.03 * turn
        image = image.crop((int(w * margin), int(h * margin), w, h))
        factor = (PIXELS / (image.width * image.height)) ** 0.5
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)
        ImageEnhance.Brightness(image).enhance(1 - 0.07 * turn).save(out / f"photo_{number:04d}.jpg", quality=90)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(make, range(COUNT)))
    return out


def decode_all(paths: list[str], flag: int) -> float:
    """Seconds that OpenCV takes for all files in two threads."""
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        for image in pool.map(lambda path: cv2.imread(path, flag) is not None, paths):
            assert image
    return time.perf_counter() - began


def run(command: list[str]) -> tuple[float, float]:
    """Seconds of a command from start to exit, and the megabytes it held at most."""
    # As a user has it: modules that were loaded before are not compiled to bytecode again.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        sys.exit(f"failed: {' '.join(command)}\n{said.decode(errors='replace')}")
    return seconds, usage.ru_maxrss / 1024


def whole(folder: Path, runs: int, against: str | None, *, defaults: bool = False) -> None:
    """The table of whole runs; with `defaults` they find their threshold and leave their page."""
    photos = thousand_photographs(folder)
    paths = [str(path) for path in sorted(photos.iterdir())]
    out = folder / "thousand_clustered"
    base = [sys.executable, "-m", "labelimg", "cluster", str(photos), "--no-cache", "--quiet"]
    base += ["--out", str(out), "--overwrite"]
    if not defaults:
        base += ["--threshold", "0.9", "--no-report"]
    flags = {"grey 1/4": cv2.IMREAD_REDUCED_GRAYSCALE_4, "grey full": cv2.IMREAD_GRAYSCALE}
    limits: dict[str, list[float]] = {name: [] for name in flags}
    seconds: dict[str, list[float]] = {}
    memory: dict[str, float] = {}
    comparing: dict[str, list[float]] = {}
    copies: list[float] = []
    for turn in range(runs + 1):  # the first round warms the disk cache and compiles
        for name, flag in flags.items():
            limits[name].append(decode_all(paths, flag))
        for method in NAMES:
            wall, held = run([*base, "--method", method, "--transfer", "none"])
            stages = json.loads((out / "run.json").read_text())["seconds"]
            seconds.setdefault(method, []).append(wall)
            comparing.setdefault(method, []).append(stages["comparing"])
            memory[method] = max(memory.get(method, 0), held)
        seconds.setdefault("copy", []).append(run([*base, "--transfer", "copy"])[0])
        shutil.rmtree(folder / "copied", ignore_errors=True)
        copies.append(run(["cp", "-r", str(photos), str(folder / "copied")])[0])
        if against is not None:
            code = f"from imagededup.methods import PHash; PHash().find_duplicates(image_dir={str(photos)!r})"
            seconds.setdefault("imagededup phash", []).append(run([against, "-c", code])[0])
        print(f"round {turn} of {runs}", file=sys.stderr)
    shutil.rmtree(folder / "copied", ignore_errors=True)
    shutil.rmtree(out)

    def median(values: list[float]) -> float:
        return statistics.median(values[1:])

    megabytes = sum(os.path.getsize(path) for path in paths) / 1e6
    print(f"\n{COUNT} photographs, {megabytes:.0f} MB, {os.cpu_count()} cores\n")
    print("| run | decode limit | s | ours s | pairs s | ratio | pairs/s | MB |\n|---|---|---|---|---|---|---|---|")
    for method in NAMES:
        apart = method in ("orb", "minhash")
        limit = "grey full" if apart else "grey 1/4"
        pairs = median(comparing[method])
        ratios = [
            (ours - (of_pairs if apart else 0)) / decoding
            for ours, of_pairs, decoding in zip(seconds[method], comparing[method], limits[limit], strict=True)
        ]
        print(
            f"| {method} | {limit} | {median(limits[limit]):.2f} | {median(seconds[method]):.2f} | {pairs:.2f} "
            f"| {median(ratios):.2f}{' without pairs' if apart else ''} | {COUNT * (COUNT - 1) / 2 / pairs:,.0f} "
            f"| {memory[method]:.0f} |"
        )
    ratio = median([a / (b + c) for a, b, c in zip(seconds["copy"], seconds[NAMES[0]], copies, strict=True)])
    print(f"\n--transfer copy: {median(seconds['copy']):.2f} s, {ratio:.2f} times the run without transfer and cp -r")
    if against is not None:
        print(f"imagededup phash: {median(seconds['imagededup phash']):.2f} s")


def timed(work: Callable[[], Any], repeat: int = 3) -> float:
    """The median of the seconds that the work takes, after a run that does not count."""
    work()
    taken = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def kernels(folder: Path) -> None:
    """The table of pairs against reference calls, one thread."""
    import imagehash
    from datasketch import MinHash
    from skimage.metrics import structural_similarity

    cv2.setNumThreads(1)
    files = sorted((folder / "photos").glob("*.jpg"))[:120]
    images = [cv2.resize(cv2.imread(str(path)), (512, 384), interpolation=cv2.INTER_AREA) for path in files]
    small = [cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA) for image in images]
    grey = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in small]
    orb = make_method("orb", orb_features=500, orb_size=640)
    large = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in images]
    points = [feature for feature in (orb.feature(image) for image in large) if len(feature) >= 490][:40]
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
    hashes = [imagehash.phash(Image.fromarray(image), hash_size=12) for image in grey]
    sets = []
    for k in range(60):
        one = MinHash(num_perm=128)
        one.update_batch([bytes([k, j]) for j in range(100)])
        sets.append(one)

    def bits(dtype: Any, *shape: int) -> list[NDArray[Any]]:
        return list(np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype))

    def ssim(i: int, j: int) -> None:
        structural_similarity(grey[i], grey[j], data_range=255)

    def brute_force(i: int, j: int) -> None:
        matcher.match(points[i], points[j])
        matcher.match(points[j], points[i])

    def template(i: int, j: int) -> None:
        cv2.matchTemplate(small[i], small[j], cv2.TM_SQDIFF_NORMED)

    cases: list[tuple[str, str, list[Any], Callable[[int, int], Any], tuple[float, ...]]] = [
        ("ssim 128x128", "ssim", grey, ssim, (-2, 0.9)),
        ("orb 500", "orb", points, brute_force, (-1, 0.9)),
        ("tm 128x128x3", "tm", small, template, (-1, 0.9)),
        ("imagehash 144 bits", "imagehash", bits(np.uint64, 12_000, 3), lambda i, j: hashes[i] - hashes[j], (0.69,)),
        ("minhash 128", "minhash", bits(np.uint32, 4000, 128), lambda i, j: sets[i].jaccard(sets[j]), (0.0, 0.9)),
    ]
    print("\n| pair | reference us | ours us, all pairs | times | ours us at 0.9 | times |\n|---|---|---|---|---|---|")
    for title, name, features, reference, thresholds in cases:
        method = make_method(name)
        packed = features_of(features, method.dtype)
        n = len(features)
        some = [(i, i + 1) for i in range(0, 38, 2)]
        theirs = timed(lambda reference=reference, some=some: [reference(i, j) for i, j in some]) / len(some)
        row = [title, f"{theirs * 1e6:.1f}"]
        for threshold in thresholds:
            ours = timed(lambda m=method, p=packed, t=threshold: m.similar_pairs(p, t)) / (n * (n - 1) / 2)
            row += [f"{ours * 1e6:.4f}", f"{theirs / ours:,.0f}"]
        print("| " + " | ".join(row + [""] * (6 - len(row))) + " |", flush=True)


GROWTH: tuple[tuple[str, str, dict[str, Any], tuple[int, ...], float], ...] = (
    ("imagehash 64 bits", "imagehash", {"hash_size": 8}, (1_000, 10_000, 100_000, 1_000_000), 0.9),
    ("imagehash 144 bits", "imagehash", {}, (1_000, 10_000, 100_000), 0.9),
    ("imagehash 144 bits", "imagehash", {}, (1_000, 10_000, 100_000), 0.7),
    ("minhash 128", "minhash", {}, (1_000, 10_000, 100_000), 0.9),
    ("ssim 64x64", "ssim", {"size": (64, 64)}, (1_000, 5_000, 20_000), 0.9),
    ("tm 64x64x3", "tm", {"size": (64, 64)}, (1_000, 5_000, 10_000), 0.9),
    ("orb 200", "orb", {}, (250, 500, 1_000), 0.3),
)


def growth() -> None:
    """The table of cost against count; each row is measured in a process of its own."""
    print("\n| features | count | s | pairs found | MB | exponent |\n|---|---|---|---|---|---|")
    for case, (title, _, _, counts, threshold) in enumerate(GROWTH):
        seconds = []
        for count in counts:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                took, found, megabytes = pool.submit(grown, case, count).result()
            seconds.append(took)
            exponent = ""
            if count == counts[-1]:
                exponent = f"{np.polyfit(np.log(counts[-2:]), np.log(seconds[-2:]), 1)[0]:.2f}"
            cells = (f"{title} at {threshold}", f"{count:,}", f"{took:.3f}", f"{found:,}", f"{megabytes:.0f}", exponent)
            print(f"| {' | '.join(cells)} |", flush=True)


def grown(case: int, count: int) -> tuple[float, int, float]:
    """Seconds of one search, the pairs found, and the megabytes that the process held at most, features included."""
    _, name, parameters, _, threshold = GROWTH[case]
    method = make_method(name, **parameters)
    method.warm_up(1 << 30)
    features = planted(name, method, count)
    began = time.perf_counter()
    found = method.similar_pairs(features, threshold, threads=2, most=1_000_000)
    took = time.perf_counter() - began
    return took, len(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def planted(name: str, method: Any, count: int) -> Features:
    """Random features of which a tenth are near-duplicates of others."""
    random = np.random.default_rng(count)
    fresh = count - count // 10
    if name == "imagehash":
        bits = np.zeros((count, -(-method.bits // 64) * 64), np.uint8)
        bits[:fresh, : method.bits] = random.integers(0, 2, (fresh, method.bits), np.uint8)
        bits[fresh:] = bits[: count - fresh]
        for _ in range(4):
            bits[np.arange(fresh, count), random.integers(0, method.bits, count - fresh)] ^= 1
        words = np.packbits(bits, axis=1, bitorder="little").view(np.uint64)
        return stacked(words)
    if name == "minhash":
        values = random.integers(0, 1 << 32, (count, method.permutations), np.uint32)
        values[fresh:] = values[: count - fresh]
        values[fresh:, : method.permutations // 20] = 7
        return stacked(values)
    if name == "orb":
        descriptors = random.integers(0, 256, (count, method.orb_features, 32), np.uint8)
        descriptors[fresh:] = descriptors[: count - fresh]
        return stacked(descriptors)
    width, height = method.size
    channels = (3,) if name == "tm" else ()
    images = np.empty((count, height, width, *channels), np.uint8)
    for k in range(fresh):
        blobs = random.random((6, 6, *channels)).astype(np.float32)
        smooth = cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC) * 255
        images[k] = np.clip(smooth + random.normal(0, 12, smooth.shape), 0, 255)
    images[fresh:] = np.minimum(images[: count - fresh], 250) + random.integers(0, 5, images[fresh:].shape, np.uint8)
    return stacked(images)


def stacked(values: NDArray[Any]) -> Features:
    """Features of one shape without a copy."""
    size = values[0].size
    return Features(
        values.reshape(-1),
        np.arange(len(values) + 1, dtype=np.int64) * size,
        np.tile(np.asarray(values.shape[1:], np.int64), (len(values), 1)),
    )


def many_small(folder: Path) -> Path:
    """100,000 JPEG images of 64 x 64, unlike each other."""
    many = folder / "many"
    if not many.exists():
        random = np.random.default_rng(0)
        for k in range(100_000):
            part = many / f"{k // 1000:03d}"
            part.mkdir(parents=True, exist_ok=True)
            blobs = cv2.resize(random.integers(0, 256, (8, 8), np.uint8), (64, 64), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(part / f"{k:06d}.jpg"), blobs)
    return many


def memory(folder: Path) -> None:
    """The peak of a run over 100,000 small images."""
    command = [sys.executable, "-m", "labelimg", "cluster", str(many_small(folder)), "--transfer", "none", "--no-cache"]
    seconds, held = run([*command, "--no-report", "--quiet", "--overwrite", "--out", str(folder / "many_clustered")])
    print(f"\n100,000 images of 64x64, imagehash, one batch: {seconds:.1f} s, {held:.0f} MB at most")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what benchmarks/datasets.py built")
    parser.add_argument("--only", nargs="+", default=["whole", "kernels", "growth", "memory"], help="which tables")
    parser.add_argument("--runs", type=int, default=5, help="rounds of the whole runs")
    parser.add_argument("--against", metavar="PYTHON", help="the Python of an environment that has imagededup")
    parser.add_argument("--defaults", action="store_true", help="whole runs with their page, the threshold not given")
    arguments = parser.parse_args()
    if "whole" in arguments.only:
        whole(arguments.folder, arguments.runs, arguments.against, defaults=arguments.defaults)
    if "kernels" in arguments.only:
        kernels(arguments.folder)
    if "growth" in arguments.only:
        growth()
    if "memory" in arguments.only:
        memory(arguments.folder)


if __name__ == "__main__":
    main()
