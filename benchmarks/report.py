"""What the page and its thumbnails cost a run, and how soon the page is there in a browser.

    python benchmarks/datasets.py --out DIR photos
    python benchmarks/report.py DIR [--runs 5] [--only thousand many] [--out DIR] [--chromium /usr/bin/chromium]

thousand: 1,000 photographs of about a megapixel, with each method. many: 100,000 images of 64 x 64. `labelimg cluster`
from start to exit with and without --no-report, in turn, medians; the aim is 10% of the run or 0.5 s, whichever is
more. Then the page is opened from the disk in headless Chromium: until its first clusters are shown (aim: 1 s).
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from pathlib import Path

from labelimg.clusterimg.methods import NAMES
from speed import decode_all, many_small, run, thousand_photographs

ALLOWED_SHARE, ALLOWED_S = 0.10, 0.5


def compared(photos: Path, out: Path, method: str, runs: int) -> list[str]:
    """A row of the table: seconds without and with the page, the difference, what was allowed, memory, bytes."""
    base = [sys.executable, "-m", "labelimg", "cluster", str(photos), "--method", method, "--transfer", "none"]
    base += ["--no-cache", "--quiet", "--overwrite", "--out", str(out / f"{photos.name}_{method}")]
    plain, whole, held = [], [], 0.0
    for _ in range(runs + 1):  # the first round warms the disk cache and compiles
        # Removing an earlier page, of some hundred files, is no cost of this one.
        shutil.rmtree(out / f"{photos.name}_{method}", ignore_errors=True)
        plain.append(run([*base, "--no-report"])[0])
        shutil.rmtree(out / f"{photos.name}_{method}", ignore_errors=True)
        seconds, megabytes = run(base)
        whole.append(seconds)
        held = max(held, megabytes)
    folder = out / f"{photos.name}_{method}"
    wrote = [folder / "report.html", folder / "thumbnails.bin", *folder.glob("report_parts/*")]
    megabytes = sum(path.stat().st_size for path in wrote) / 1e6
    without, with_ = statistics.median(plain[1:]), statistics.median(whole[1:])
    more = statistics.median(b - a for a, b in zip(plain[1:], whole[1:], strict=True))
    allowed = max(ALLOWED_S, ALLOWED_SHARE * without)
    return [
        method,
        f"{without:.2f}",
        f"{with_:.2f}",
        f"{more:.2f}",
        f"{allowed:.2f}",
        f"{held:.0f}",
        f"{megabytes:.0f}",
    ]


def opened(page: Path, chromium: str, shown: str) -> tuple[float, float]:
    """Seconds until the first images of a tab are shown: the median of five openings, and the worst of them."""
    from playwright.sync_api import sync_playwright

    taken = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(5):
            tab = browser.new_page()
            began = time.perf_counter()
            tab.goto(f"{page.absolute().as_uri()}#{shown}", wait_until="commit")
            tab.wait_for_selector(".image img")
            tab.wait_for_function("[...document.querySelectorAll('.image img')].slice(0, 5).every((i) => i.complete)")
            taken.append(time.perf_counter() - began)
            tab.close()
        browser.close()
    return statistics.median(taken), max(taken)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what benchmarks/datasets.py built")
    parser.add_argument("--out", type=Path, help="where the results go; default: the folder")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=["thousand", "many"])
    parser.add_argument("--methods", nargs="+", default=list(NAMES), help="for the thousand photographs")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    out = arguments.out or arguments.folder
    head = ("run", "without s", "with s", "more s", "aim s", "MB held", "MB written")
    sets = []
    if "thousand" in arguments.only:
        sets.append((thousand_photographs(arguments.folder), arguments.methods, arguments.runs))
    if "many" in arguments.only:
        sets.append((many_small(arguments.folder), ["imagehash"], min(arguments.runs, 3)))
    for photos, methods, runs in sets:
        print(f"\n{photos.name}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
        for method in methods:
            print(f"| {' | '.join(compared(photos, out, method, runs))} |", flush=True)
        if photos.name == "thousand":
            import cv2

            paths = [str(path) for path in sorted(photos.iterdir())]
            limit = statistics.median(decode_all(paths, cv2.IMREAD_REDUCED_GRAYSCALE_4) for _ in range(3))
            print(f"\nOpenCV decodes them, grey, at a quarter of their size, in two threads: {limit:.2f} s")
        shown = "clusters" if photos.name == "thousand" else "outliers"  # the many are unlike
        median, worst = opened(out / f"{photos.name}_{methods[0]}" / "report.html", arguments.chromium, shown)
        print(f"\nopened in {median:.2f} s (the slowest of five: {worst:.2f} s)")


if __name__ == "__main__":
    main()
