"""The real review window, on a virtual screen with a virtual hand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import labelimg
from pictures import make_album

TOOLS = ("Xvfb", "xdotool")
missing = [tool for tool in TOOLS if shutil.which(tool) is None]


@pytest.fixture
def display() -> Iterator[str]:
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
    yield f":{number}"
    server.terminate()
    server.wait()


@pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed: apt-get install xvfb xdotool")
def test_images_are_dragged_and_applied_in_the_real_program(display: str, tmp_path: Path) -> None:
    labelimg.cluster(make_album(tmp_path / "album"), out=tmp_path / "out", threshold=0.69)
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "DISPLAY": display, "XDG_CONFIG_HOME": str(home), "QT_QPA_PLATFORM": "xcb"}
    environment["PYTHONWARNINGS"] = "error"
    log = home / "log.txt"
    with log.open("w") as file:
        command = [sys.executable, "-m", "labelimg", "review", str(tmp_path / "out")]
        program = subprocess.Popen(command, env=environment, stdout=file, stderr=file)

    def do(*words: object) -> str:
        done = subprocess.run(
            ["xdotool", *map(str, words)], env=environment, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    def until(true: Callable[[], object], what: str) -> None:
        end = time.monotonic() + 60
        while not true():
            assert time.monotonic() < end, f"{what} did not come, log: {log.read_text()}"
            assert program.poll() is None, log.read_text()
            time.sleep(0.05)

    def window(name: str) -> str:
        found = do("search", "--onlyvisible", "--name", name).split()
        return found[0] if found else ""

    try:
        until(lambda: window("Review"), "the window")
        do("windowmove", window("Review"), 0, 0)
        do("windowfocus", window("Review"))
        time.sleep(0.5)
        # The first image of the first cluster goes to the place for a new cluster: end with the place of the pointer.
        do("mousemove", 90, 190, "mousedown", 1)
        for x, y in ((120, 230), (300, 400), (480, 760), (490, 765)):
            do("mousemove", x, y)
            time.sleep(0.1)
        do("mouseup", 1)
        journal = tmp_path / "out/.labelimg/review.jsonl"
        until(journal.exists, "a change")
        do("key", "ctrl+s")
        until(lambda: window("Apply changes"), "the question")
        do("windowfocus", window("Apply changes"))
        do("key", "Return")
        made = tmp_path / "out/results/cluster_3"
        until(lambda: made.is_dir() and not journal.exists(), "the folder")
        assert [path.name for path in made.iterdir()] == ["astronaut.png"]
        do("windowfocus", window("Review"))
        time.sleep(0.3)
        do("key", "q")
        assert program.wait(20) == 0
        assert log.read_text() == ""
    finally:
        program.kill()
        program.wait()
    assert labelimg.undo(tmp_path / "out") == ()


@pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed: apt-get install xvfb xdotool")
def test_killed_it_leaves_what_is_pending_for_the_next_time(display: str, tmp_path: Path) -> None:
    labelimg.cluster(make_album(tmp_path / "album"), out=tmp_path / "out", threshold=0.69)
    with labelimg.Review(tmp_path / "out") as review:
        review.move(["moon.png"], "night")
    environment = {**os.environ, "DISPLAY": display, "XDG_CONFIG_HOME": str(tmp_path), "QT_QPA_PLATFORM": "xcb"}
    command = [sys.executable, "-m", "labelimg", "review", str(tmp_path / "out")]
    program = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        search = ["xdotool", "search", "--onlyvisible", "--name", "Review"]
        while not subprocess.run(search, env=environment, capture_output=True).stdout:
            assert time.monotonic() < end and program.poll() is None
            time.sleep(0.1)
    finally:
        program.kill()
        program.wait()
    with labelimg.Review(tmp_path / "out") as review:
        assert [move.image for move in review.pending] == ["moon.png"]
