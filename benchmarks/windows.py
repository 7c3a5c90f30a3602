"""How quick the windows are: from an event to repainted pixels, offscreen; prints the table of docs/windows.md.

An image of 24 megapixels in 20,000 segments, a canvas of 1280 x 900. Run it on a quiet machine:

    python benchmarks/windows.py [start] [next] [paint] [busy] [folder]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import cv2
import numpy as np
from PIL import Image
from PySide6.QtCore import QEvent, QPointF, Qt, qInstallMessageHandler
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication

from labelimg.app import theme
from labelimg.app.controller import Controller
from labelimg.app.opening import Wishes
from labelimg.segmentatimg.jobs import Job
from labelimg.segmentatimg.methods import make_method
from labelimg.segmentatimg.painting import Painting
from labelimg.segmentatimg.picture import edges_of

WIDTH, HEIGHT = 6000, 4000
SEGMENTS = 20_000

# What a child process runs: the real command, which tells when the picture and when the painting are on the screen.
CHILD = """
import sys
from labelimg.segmentatimg import crew
begin = crew.begin
def begun():
    begin()
    from labelimg.app import controller
    told = controller.Controller._told
    def tell(self, what, picture, text):
        told(self, what, picture, text)
        if what in ("image", "segments", "painting"):
            self.window.canvas.repaint()
            print(what, flush=True)
    controller.Controller._told = tell
crew.begin = begun
from labelimg.cli import run
run()
"""


def picture(seed: int = 0) -> np.ndarray:
    """A smooth image with some grain, 24 megapixels."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    large = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return cv2.add(large, rng.integers(0, 12, large.shape, dtype=np.uint8))


def segments() -> np.ndarray:
    """A label map of about 20,000 segments with wavy boundaries."""
    side = (WIDTH * HEIGHT / SEGMENTS) ** 0.5
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    columns = ((x + 9 * np.sin(y / 17)) / side).astype(np.int32)
    rows = ((y + 9 * np.sin(x / 23)) / side).astype(np.int32)
    return np.ascontiguousarray((rows + 1) * (int(WIDTH / side) + 4) + columns + 2)


class Bench:
    """The windows on one image, and a hand that is timed."""

    def __init__(self, folder: Path) -> None:
        self.app = QApplication.instance() or QApplication(["labelimg"])
        theme.apply(self.app, "dark")
        self.controller = Controller(Wishes(make_method("superpixel"), ahead=1, memory=8 << 30))
        self.controller.window.resize(1790, 1000)
        self.controller.show()
        self.controller.open(str(folder))
        self.canvas = self.controller.window.canvas
        self.until(lambda: self.controller.picture.complete)
        self.canvas.setFixedSize(1280, 900)
        self.until(lambda: self.canvas.width() == 1280)

    def until(self, true: Callable[[], Any], seconds: float = 300) -> None:
        """Let events happen until something is true."""
        end = time.monotonic() + seconds
        while not true():
            self.app.processEvents()
            time.sleep(0.002)
            if time.monotonic() > end:
                raise SystemExit("something that was waited for did not come")

    def use(self, labels: np.ndarray) -> None:
        """Let the picture in sight have these segments."""
        shown = self.controller.picture
        shown.painting = Painting(shown.scene.image, [labels])
        shown.scene.set_paint(shown.painting.paint, ())
        shown.show_segments(shown.painting.labels, edges_of(shown.painting.labels))
        self.canvas.show_segments(shown)
        self.canvas.scene_changed()
        self.app.processEvents()

    def timed(self, *events: Any) -> float:
        """Milliseconds from the events to repainted pixels."""
        start = time.perf_counter()
        for event in events:
            self.app.sendEvent(self.canvas, event)
        self.app.processEvents()
        return 1000 * (time.perf_counter() - start)

    def mouse(self, kind: QEvent.Type, x: float, y: float, button: Any = Qt.MouseButton.NoButton) -> QMouseEvent:
        """A mouse event at a point of the canvas."""
        at = QPointF(x, y)
        return QMouseEvent(kind, at, self.canvas.mapToGlobal(at), button, button, Qt.KeyboardModifier.NoModifier)

    def click(self, x: float, y: float, button: Any = Qt.MouseButton.LeftButton) -> float:
        """Milliseconds from a button's press to repainted pixels."""
        self.timed(self.mouse(QEvent.Type.MouseMove, x, y))
        spent = self.timed(self.mouse(QEvent.Type.MouseButtonPress, x, y, button))
        self.timed(self.mouse(QEvent.Type.MouseButtonRelease, x, y, button))
        return spent

    def key(self, name: str) -> float:
        """Milliseconds from a command to repainted pixels."""
        start = time.perf_counter()
        self.controller.do(name)
        self.app.processEvents()
        return 1000 * (time.perf_counter() - start)

    def wheel(self, x: float, y: float, steps: int) -> float:
        """Milliseconds from a turn of the wheel to repainted pixels."""
        at = QPointF(x, y)
        event = QWheelEvent(
            at,
            self.canvas.mapToGlobal(at),
            at.toPoint() * 0,
            (QPointF(0, 120) * steps).toPoint(),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        return self.timed(event)


def painting_rows(bench: Bench) -> list[tuple[str, list[float], float]]:
    """Filling, pointing, undoing, cutting, zooming, panning."""
    rng = np.random.default_rng(1)
    rows: list[tuple[str, list[float], float]] = []
    for where, scale in (("zoomed out", None), ("at 400 %", 4.0)):
        bench.canvas.fit()
        if scale is not None:
            bench.canvas.zoom(scale / bench.canvas.view.scale)
        for _ in range(30):
            bench.app.processEvents()
        points = rng.uniform((60, 60), (1220, 840), (400, 2))
        bench.click(*points[0])
        rows.append((f"fill, {where}", [bench.click(*point) for point in points[1:]], 16))
        moves = rng.uniform((60, 60), (1220, 840), (400, 2))
        hover = [bench.timed(bench.mouse(QEvent.Type.MouseMove, *point)) for point in moves]
        rows.append((f"hover, {where}", hover, 16))
        rows.append((f"undo, {where}", [bench.key("undo") for _ in range(60)], 16))
        cuts = []
        for _ in range(40):
            x, y = rng.uniform((60, 60), (900, 500))
            bench.click(x, y, Qt.MouseButton.MiddleButton)
            cuts.append(bench.click(x + 300, y + 200, Qt.MouseButton.MiddleButton))
            bench.controller.do("stop")
        undone = [bench.key("undo") for _ in range(40)]
        rows.append((f"cut across 360 window pixels, {where}", cuts, 50))
        rows.append((f"undo of such a cut, {where}", undone, 16))
    bench.canvas.fit()
    frames = []
    for steps in (1, -1):
        frames += [bench.wheel(640, 450, steps) for _ in range(14)]
    rows.append(("zoom, a frame", frames, 33))
    bench.canvas.fit()
    bench.canvas.zoom(0.7 / bench.canvas.view.scale)
    frames = []
    for dx, dy in ((-37, 0), (0, -23), (37, 0), (0, 23)) * 3:
        for _ in range(12):
            start = time.perf_counter()
            bench.canvas.pan(dx, dy)
            bench.app.processEvents()
            frames.append(1000 * (time.perf_counter() - start))
    rows.append(("pan at 70 %, a frame", frames, 33))
    return rows


def busy_rows(bench: Bench, folder: Path) -> list[tuple[str, list[float], float]]:
    """Filling while nothing else is done, and while a worker segments ahead by a slow method; in turn."""
    crew = bench.controller.session._crew
    rng = np.random.default_rng(2)
    spent: dict[bool, list[float]] = {False: [], True: []}
    bench.canvas.fit()
    bench.until(lambda: bench.controller.session._pictures[1].complete and not crew.doing())  # nothing else is wanted
    for turn, busy in enumerate((False, True) * 2):
        if busy:
            jobs = [
                Job(10_000 + 10 * turn + k, str(folder / f"{k % 2}.jpg"), make_method("quickshift")) for k in range(4)
            ]
            crew.ahead(jobs)
            bench.until(lambda jobs=jobs: jobs[0] in crew.doing())
        bench.click(600, 400)
        for point in rng.uniform((60, 60), (1220, 840), (200, 2)):
            spent[busy].append(bench.click(*point))
            time.sleep(0.005)
            assert not busy or crew.doing()
        crew.ahead([])
        bench.until(lambda: not crew.doing())
    return [
        ("fill, zoomed out, nothing else going on", spent[False], 16),
        ("fill, zoomed out, while a worker segments ahead", spent[True], 16),
    ]


def next_row(bench: Bench) -> tuple[str, list[float], float]:
    """Going to images that were prepared."""
    session = bench.controller.session
    spent = []
    for step in ("next", "previous", "next", "previous"):
        row = (session.current.row + (1 if step == "next" else -1)) % len(session)
        bench.until(lambda row=row: row in session._pictures and session._pictures[row].painting is not None)
        spent.append(bench.key(step))
    return "the next image, prepared", spent, 100


def folder_row(bench: Bench, place: Path) -> tuple[str, list[float], float]:
    """A folder of 50,000 names."""
    folder = place / "many"
    folder.mkdir()
    Image.fromarray(picture()[:300, :400]).save(folder / "00000.png")
    for number in range(1, 50_000):
        (folder / f"{number:05}.png").touch()
    start = time.perf_counter()
    bench.controller.open(str(folder))
    bench.app.processEvents()
    return "a folder of 50,000 names opens", [1000 * (time.perf_counter() - start)], 1000


def start_rows(folder: Path) -> list[tuple[str, list[float], float]]:
    """From the command to what is on the screen, in processes of their own."""
    times: dict[str, list[float]] = {"image": [], "segments": [], "painting": []}
    for _ in range(7):
        start = time.perf_counter()
        words = [sys.executable, "-c", CHILD, "segment", str(folder), "--method", "superpixel", "--ahead", "1"]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert child.stdout is not None
        while line := child.stdout.readline():
            times[line.strip()].append(1000 * (time.perf_counter() - start))
            if line.strip() == "painting":
                break
        child.kill()
        child.wait()
        child.stdout.close()
        time.sleep(3)  # until its workers have seen that it is gone
    return [
        ("from command to first picture, 2 megapixels", times["image"], 1500),
        ("from command to its segments in sight", times["segments"], 1500),
        ("from command to segments to paint on", times["painting"], 1500),
    ]


def main() -> None:
    """Measure what is asked for, and print the table."""
    qInstallMessageHandler(lambda *_: None)
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CONFIG_HOME"] = place
        large, small = Path(place, "large"), Path(place, "small")
        large.mkdir()
        small.mkdir()
        for number in range(2):
            Image.fromarray(picture(number)).save(large / f"{number}.jpg", quality=90)
            Image.fromarray(picture(number)[:1200, :1600]).save(small / f"{number}.jpg", quality=90)
        wanted = set(sys.argv[1:]) or {"start", "next", "paint", "busy", "folder"}
        rows: list[tuple[str, list[float], float]] = []
        count = 0
        if "start" in wanted:
            rows += start_rows(small)
        if wanted - {"start"}:
            bench = Bench(large if wanted & {"next", "paint", "busy"} else small)
            if "next" in wanted:
                rows.append(next_row(bench))
            if wanted & {"paint", "busy"}:
                bench.use(segments())
                count = bench.controller.picture.painting.segment_count
            if "paint" in wanted:
                rows += painting_rows(bench)
            if "busy" in wanted:
                rows += busy_rows(bench, large)
            if "folder" in wanted:
                rows.append(folder_row(bench, Path(place)))
            bench.controller.session.unsaved.clear()
            bench.controller._close()
    print(f"{WIDTH * HEIGHT / 1e6:.0f} megapixels, {count:,} segments, canvas 1280 x 900\n")
    print("| what | median ms | 99th percentile ms | aim ms |\n| --- | ---: | ---: | ---: |")
    for name, spent, aim in rows:
        late = "" if np.percentile(spent, 99) <= aim else " (short of it)"
        print(f"| {name} | {np.median(spent):.1f} | {np.percentile(spent, 99):.1f} | {aim:.0f}{late} |")


if __name__ == "__main__":
    main()
