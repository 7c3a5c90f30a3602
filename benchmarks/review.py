"""How quick the review window is with many images: opening, scrolling, dragging, applying.

python benchmarks/review.py [--images 10000] [--clusters 400]

It makes its own images, and a result of them by its own hand, in a temporary folder; the disk is part of what is
measured. Offscreen: what is measured is from the event to repainted pixels, without the time of a screen.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"

import numpy as np
from PIL import Image
from PySide6.QtCore import QPoint, Qt, qInstallMessageHandler
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from labelimg.clusterimg.applying import write_tables
from labelimg.clusterimg.folders import apply, plan_transfers, record_tables
from labelimg.clusterimg.report import write_report
from labelimg.clusterimg.standing import standing_of
from labelimg.clusterimg.thumbnails import Collected

FRAME_MS = 1000 / 60


def make_result(place: Path, images: int, clusters: int) -> Path:
    """A result of so many small photographs in so many clusters, as `labelimg cluster` leaves it."""
    rng = np.random.default_rng(0)
    source, out = place / "photos", place / "out"
    source.mkdir()
    patterns = []
    for _ in range(64):
        coarse = rng.integers(0, 255, (6, 8, 3), np.uint8)
        pixels = Image.fromarray(coarse).resize((400, 300), Image.Resampling.BICUBIC)
        encoded, small = BytesIO(), BytesIO()
        pixels.save(encoded, "JPEG", quality=85)
        pixels.resize((160, 120)).save(small, "JPEG", quality=80)
        patterns.append((encoded.getvalue(), small.getvalue()))
    names = [f"IMG_{row:06}.jpg" for row in range(images)]
    sizes = np.sort(rng.pareto(1.2, clusters) + 1)[::-1]
    of = rng.choice(clusters + 1, images, p=np.r_[sizes / sizes.sum() * 0.9, 0.1])
    for row, name in enumerate(names):
        (source / name).write_bytes(patterns[of[row] % 64][0])
    folders = [f"results/cluster_{k}" if k < clusters else "results/outliers" for k in of.tolist()]
    layout = [(str(source / name), folder) for name, folder in zip(names, folders, strict=True)]
    apply(plan_transfers(out, "hardlink", layout, folders=["results/outliers"]), roots=[str(source)])
    with Collected(out) as collected:
        for row in range(images):
            collected.add(patterns[of[row] % 64][1])
        collected.write(out, names)
    settings = {"folders": [str(source)], "method": "imagehash", "threshold": 0.69, "transfer": "hardlink"}
    rest = {"parameters": {"hash_size": 12, "frequency_factor": 4}, "include": [], "exclude": []}
    run = {"settings": {**settings, **rest}, "root": str(source), "merged": True, "counts": {"batches": 1}}
    (out / "run.json").write_text(json.dumps(run))
    with (out / "clusters.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "cluster", "representative", "written")])
    (out / "similarities").mkdir()
    with (out / "similarities/batch_0.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("image_a", "image_b", "similarity"))
        first: dict[int, str] = {}
        for row, name in enumerate(names):
            if of[row] < clusters and first.setdefault(int(of[row]), name) != name:
                table.writerow((first[int(of[row])], name, f"{rng.uniform(0.7, 1):.6f}"))
    record_tables(out, ["run.json", "clusters.csv", "similarities/batch_0.csv", "thumbnails.bin"])
    write_tables(standing_of(out, run))
    write_report(out, make_thumbnails=False)
    return out


def report(what: str, times_ms: list[float], aim_ms: float) -> None:
    """A line of the table."""
    ordered = sorted(times_ms)
    median, late = statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    print(f"| {what} | {median:.1f} | {late:.1f} | {aim_ms:.1f}{'' if late <= aim_ms else ' (short of it)'} |")


def timed(act: Callable[[], object]) -> float:
    """Milliseconds until what was done is drawn."""
    begun = time.perf_counter()
    act()
    QApplication.processEvents()
    return 1000 * (time.perf_counter() - begun)


def opening(out: Path, times: int) -> list[float]:
    """From command to first picture, each in a process of its own."""
    code = (
        "import sys, time; "
        "from PySide6.QtWidgets import QApplication; app = QApplication([]); "
        "from labelimg.clusterimg.review import Review; from labelimg.app.review_controller import ReviewController; "
        "review = Review(sys.argv[1]); c = ReviewController(review); c.show(); app.processEvents(); "
        "c.window.grab(); print(1000 * (time.time() - float(sys.argv[2]))); c.close()"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    found = []
    for _ in range(times + 1):
        command = [sys.executable, "-c", code, str(out), str(time.time())]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.append(float(done.stdout.split()[-1]))
    return found[1:]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--clusters", type=int, default=400)
    wanted = parser.parse_args()
    qInstallMessageHandler(lambda *_: None)
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CONFIG_HOME"] = place
        out = make_result(Path(place), wanted.images, wanted.clusters)
        print(f"{wanted.images:,} images, {wanted.clusters} clusters, window 1240 x 820")
        print("| what | median ms | 99th percentile ms | aim ms |\n| --- | ---: | ---: | ---: |")
        report("opening: from starting Python to the first picture", opening(out, 3), 1000)
        measure(out)


def measure(out: Path) -> None:
    """What is done in an open window."""
    app = QApplication.instance() or QApplication(["labelimg"])
    from labelimg.app import theme
    from labelimg.app.review_controller import ReviewController
    from labelimg.clusterimg.review import Review

    assert isinstance(app, QApplication)
    theme.apply(app, "dark")
    review = Review(out)
    controller = ReviewController(review)
    controller.show()
    controller.window.resize(1240, 820)
    gallery = controller.gallery
    gallery.set_side(128)

    def settle() -> None:
        for _ in range(300):
            app.processEvents()
            time.sleep(0.005)
            if controller.pictures.is_idle and controller.page.similarities is not None:
                break

    settle()
    bar, view = gallery.verticalScrollBar(), gallery.viewport()
    # At 60 frames a second, 40 pixels in each: pictures come in threads meanwhile, as in life.
    frames = []
    for step in range(600):
        begun = time.perf_counter()
        frames.append(timed(lambda step=step: bar.setValue(40 * step)))
        time.sleep(max(0.0, FRAME_MS / 1000 - (time.perf_counter() - begun)))
    report("scrolling, a frame of 40 pixels", frames, FRAME_MS)
    jumps = [timed(lambda k=k: bar.setValue(bar.maximum() * ((7 * k) % 50) // 50)) for k in range(60)]
    report("jumping anywhere, a frame", jumps, 2 * FRAME_MS)
    pages = []
    for k in range(20):  # as somebody who stops to look: until nothing of the page is missing
        begun = time.perf_counter()
        bar.setValue(bar.maximum() * ((7 * k + 3) % 20) // 20 + 37 * k)
        app.processEvents()
        while not controller.pictures.is_idle:
            app.processEvents()
        pages.append(1000 * (time.perf_counter() - begun))
    report("a page elsewhere, with all its thumbnails", pages, 250)
    bar.setValue(0)
    settle()
    rows = gallery.gallery.sections[0].rows[:500]
    gallery.choose(rows, current=int(rows[0]))
    app.processEvents()
    begin = gallery.rect_of(int(rows[0])).center()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, begin)
    QTest.mouseMove(view, begin + QPoint(20, 20))
    moves = []
    for k in range(240):
        at = QPoint(60 + (9 * k) % (view.width() - 120), 90 + (5 * k) % (view.height() - 240))
        moves.append(timed(lambda at=at: QTest.mouseMove(view, at)))
    report(f"dragging {len(rows)} images, a move of the pointer", moves, FRAME_MS)
    zone = gallery.dragging.zones[-1].geometry().center()
    QTest.mouseMove(view, zone)
    drop = timed(lambda: QTest.mouseRelease(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, zone))
    report(f"dropping {len(rows)} images", [drop], 100)
    report(
        "undo and redo of that",
        [timed(controller._do_undo if k % 2 else controller._do_redo) for k in range(1, 9)],
        100,
    )
    ordering = [timed(lambda name=name: controller.do(name)) for name in ("by_name", "by_tightness", "by_size") * 3]
    report("another order", ordering, 100)
    filtering = []
    for text in ("1", "12", "123", "", "99", ""):
        controller.page.filter = text
        filtering.append(timed(controller.show_review))
    report("a letter in the filter", filtering, 100)
    keys = [timed(lambda: QTest.keyClick(gallery, Qt.Key.Key_Down)) for _ in range(100)]
    report("an arrow key", keys, FRAME_MS)
    resizing = [timed(lambda k=k: controller.window.resize(1000 + 8 * k, 820)) for k in range(30)]
    report("resizing the window, a frame", resizing, 2 * FRAME_MS)
    settle()
    whole = []
    for _ in range(20):
        name = controller.window.zoom.name

        def next_whole(name: str = name) -> None:
            controller.looking.step(1)
            while not controller.window.zoom.is_sharp or controller.window.zoom.name == name:
                app.processEvents()

        whole.append(timed(next_whole))
    report("the next whole image, sharp", whole, 100)
    controller.window.zoom.leave()
    begun = time.perf_counter()
    review.apply()
    report(f"applying {len(rows)} moves, report included", [1000 * (time.perf_counter() - begun)], 2000)
    controller.close()


if __name__ == "__main__":
    main()
