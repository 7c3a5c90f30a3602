"""The real program: on a virtual screen with a virtual hand, and where there is no screen at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from labelimg.decoding import Shrink, read
from labelimg.segmentatimg.hierarchy import levels
from labelimg.segmentatimg.methods import segment
from labelimg.segmentatimg.painting import Painting
from pictures import photograph, save

TOOLS = ("Xvfb", "xdotool")
missing = [tool for tool in TOOLS if shutil.which(tool) is None]
RED, BLUE, MAGENTA = (204, 0, 0), (31, 119, 208), (255, 0, 255)


@pytest.fixture
def programs() -> Iterator[list[subprocess.Popen[bytes]]]:
    begun: list[subprocess.Popen[bytes]] = []
    yield begun
    for program in begun:
        program.kill()
        program.wait()


def _answers(display: str) -> bool:
    """Whether programs reach the screen; a server that ends meanwhile may take the other's socket with it."""
    words = ["xdotool", "getdisplaygeometry"]
    return (
        subprocess.run(words, env={**os.environ, "DISPLAY": display}, capture_output=True, timeout=30).returncode == 0
    )


@pytest.fixture
def display(tmp_path: Path) -> Iterator[str]:
    for _ in range(5):  # a server that was begun elsewhere at the same time may have taken the number
        read_end, write_end = os.pipe()
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1300x900x24", "-nolisten", "tcp"],
            pass_fds=[write_end],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(write_end)
        with os.fdopen(read_end) as said:
            number = said.readline().strip()
        if number and _answers(f":{number}"):
            break
        server.terminate()
        server.wait()
    else:
        pytest.fail("no virtual screen could be started")
    yield f":{number}"
    server.terminate()
    server.wait()


class Person:
    """Drives the real program by xdotool."""

    def __init__(self, display: str, folder: Path, home: Path, programs: list[subprocess.Popen[bytes]]) -> None:
        self.environment = {
            **os.environ,
            "DISPLAY": display,
            "XDG_CONFIG_HOME": str(home),
            "QT_QPA_PLATFORM": "xcb",
            "PYTHONWARNINGS": "error",
            "QT_FATAL_WARNINGS": "0",
        }
        self.log = home / "log.txt"
        with self.log.open("w") as log:
            self.program = subprocess.Popen(
                [sys.executable, "-m", "labelimg", "segment", str(folder), "--method", "superpixel", "--ahead", "1"],
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        programs.append(self.program)

    def do(self, *words: object) -> str:
        done = subprocess.run(
            ["xdotool", *map(str, words)], env=self.environment, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    def title(self) -> str:
        found = self.do("search", "--onlyvisible", "--name", "Labelimg").split()
        return " | ".join(self.do("getwindowname", window).strip() for window in found)

    def focus(self, name: str) -> None:
        """Give the window of this name the keys; a search that meets a window in the making may find none at first."""
        found: list[str] = []

        def search() -> bool:
            found[:] = self.do("search", "--onlyvisible", "--name", name).split()
            return bool(found)

        self.until(search, name)
        self.do("windowfocus", found[0])

    def until(self, true: object, what: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not true():  # type: ignore[operator]
            assert time.monotonic() < end, f"{what} did not come: {self.title()!r}, log: {self.log.read_text()}"
            assert self.program.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def end(self) -> int:
        status = self.program.wait(20)
        assert self.log.read_text() == ""
        return status


def masks_in(folder: Path) -> dict[str, np.ndarray]:
    return {
        path.name: np.asarray(cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED))
        for path in sorted(folder.glob("*.png"))
    }


def frame_on_screen(person: Person, home: Path) -> tuple[int, int, int, int] | None:
    """Where the picture's magenta frame is on the screen: left, top, right, bottom; None while there is none."""
    shot = home / "screen.png"
    shot.unlink(missing_ok=True)
    code = "import sys; from PySide6.QtGui import QGuiApplication as A; a = A([]); "
    code += "a.primaryScreen().grabWindow(0).save(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(shot)], env=person.environment, capture_output=True)
    if not shot.exists():
        return None
    blue, green, red = np.moveaxis(np.asarray(cv2.imread(str(shot)), int), -1, 0)
    found = (red > 150) & (green < 90) & (blue > 150)
    # The thumbnails have frames, too, but small ones.
    columns, rows = np.flatnonzero(found.sum(axis=0) > 200), np.flatnonzero(found.sum(axis=1) > 200)
    if not (len(columns) and len(rows)):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def settled_frame(person: Person, home: Path) -> tuple[int, int, int, int]:
    """Where the frame is once the windows have found their places: it has been there twice, and is no thumbnail's."""
    seen: list[tuple[int, int, int, int] | None] = [None]

    def stays() -> bool:
        seen.append(frame_on_screen(person, home))
        now = seen[-1]
        return now is not None and now == seen[-2] and now[2] - now[0] > 400

    person.until(stays, "the picture")
    assert seen[-1] is not None
    return seen[-1]


@pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed: apt-get install xvfb xdotool")
def test_the_real_program_paints_as_the_painting_functions_do(
    display: str, tmp_path: Path, programs: list[subprocess.Popen[bytes]]
) -> None:
    folder, home, out = tmp_path / "photos", tmp_path / "home", tmp_path / "photos_segmented"
    home.mkdir()
    size = 480, 360
    for name, photo in (("a", "coffee"), ("b", "rocket")):
        pixels = np.array(photograph(photo, *size))
        for edge in (pixels[:4], pixels[-4:], pixels[:, :4], pixels[:, -4:]):
            edge[...] = MAGENTA
        save(folder / f"{name}.png", pixels)

    def until_journal(path: Path, click: Callable[[], None]) -> None:
        """Click until it is written down; until there are segments, a click does nothing."""
        end = time.monotonic() + 40
        while not path.exists():
            assert person.program.poll() is None, person.log.read_text()
            assert time.monotonic() < end, f"no click arrives: {person.title()!r}, {person.log.read_text()}"
            click()

    # The same by functions.
    expected: dict[str, np.ndarray] = {}
    paintings = []
    for name in "ab":
        image = read(str(folder / f"{name}.png"), Shrink(colour=True))
        maps = levels(image, segment(image, "superpixel"), 4, finer=1)
        painting = Painting(image, maps)
        painting.level(1)
        paintings.append(painting)
    a, b = paintings
    a.fill(60, 60, RED)
    a.stroke([(100, 200), (300, 210)], RED)
    a.cut((380, 60), (420, 240))
    a.fill(240, 100, BLUE)
    b.fill(200, 200, BLUE)
    for name, painting in zip("ab", paintings, strict=True):
        for colour, mask in painting.masks().items():
            expected["{}_mask_(R:{},G:{},B:{}).png".format(name, *colour)] = mask

    person = Person(display, folder, home, programs)
    person.until(lambda: "a.png - 1 of 2" in person.title(), "the window")
    person.focus("a.png")
    left, top, right, bottom = settled_frame(person, home)

    def place(x: float, y: float) -> tuple[int, int]:
        return (
            round(left + (x + 0.5) * (right - left) / size[0]),
            round(top + (y + 0.5) * (bottom - top) / size[1]),
        )

    def wait(seconds: float) -> None:
        time.sleep(seconds)

    def click(x: float, y: float, button: int = 1, repeat: int = 1) -> None:
        person.do("mousemove", *place(x, y))
        wait(0.6)  # no double click with the one before
        person.do("click", "--repeat", repeat, "--delay", 60, button)
        wait(0.15)

    journal = out / ".labelimg" / "journals" / "a.png.journal"
    click(60, 60)
    until_journal(journal, lambda: click(60, 60))
    click(100, 200, repeat=2)
    person.do("mousemove", *place(300, 210))
    wait(0.2)
    person.do("key", "Escape")
    click(380, 60, 2)
    click(420, 240, 2)
    person.do("key", "Escape")
    click(150, 300)
    person.do("key", "z")
    person.do("key", "2")
    click(240, 100)
    person.do("key", "space")
    person.until(lambda: "b.png - 2 of 2" in person.title(), "the next image")
    person.until(lambda: len(masks_in(out)) == 2, "the masks of the first image")
    first = masks_in(out)
    assert first.keys() == {name for name in expected if name.startswith("a_")}
    for name, mask in first.items():
        assert (mask == expected[name]).all(), name
    # The next image: painted, not saved; quit asks, and saves.
    second = out / ".labelimg" / "journals" / "b.png.journal"
    until_journal(second, lambda: click(200, 200))
    person.do("key", "q")
    person.until(lambda: person.do("search", "--onlyvisible", "--name", "Unsaved paint"), "the question")
    # Nobody manages windows here, so nobody gives the question the keyboard.
    person.focus("Unsaved paint")
    person.do("key", "Return")
    assert person.end() == 0
    assert masks_in(out).keys() == expected.keys()

    # Opened again, everything is done and as it was; quitting asks nothing.
    again = Person(display, folder, home, programs)
    again.until(lambda: "a.png - 1 of 2" in again.title(), "the window")
    settled_frame(again, home)
    again.focus("a.png")
    again.do("mousemove", 150, 650, "click", 1)  # in the list, below its images
    wait(0.3)
    again.do("key", "q")
    assert again.end() == 0
    for name, mask in masks_in(out).items():
        assert (mask == expected[name]).all(), name


def test_without_a_display_one_line_says_what_to_do(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    done = subprocess.run(
        [sys.executable, "-m", "labelimg", "segment", str(tmp_path)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "no DISPLAY" in done.stderr and "QT_QPA_PLATFORM=vnc" in done.stderr and "labelimg labels" in done.stderr


def test_a_display_that_cannot_be_reached_is_said_in_one_line(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    done = subprocess.run(
        [sys.executable, "-m", "labelimg", "segment", str(tmp_path)],
        env={**environment, "DISPLAY": ":4711"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "there is no display" in done.stderr
