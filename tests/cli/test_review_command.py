"""`labelimg review`: without a display, and by a table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import labelimg
from labelimg.clusterimg.review import Review


def run(*words: object, display: bool = False) -> subprocess.CompletedProcess[str]:
    unset = () if display else ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    return subprocess.run(
        [sys.executable, "-m", "labelimg", "review", *map(str, words)], env=environment, capture_output=True, text=True
    )


@pytest.fixture
def out(album: Path, tmp_path: Path) -> Path:
    labelimg.cluster(album, out=tmp_path / "out", threshold=0.69)
    return tmp_path / "out"


def test_without_a_display_one_line_says_what_to_do(out):
    done = run(out)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "no DISPLAY" in done.stderr and "--plan" in done.stderr


def test_a_table_is_shown_and_then_followed(out, tmp_path):
    plan = tmp_path / "plan.csv"
    plan.write_text("image,cluster\nmoon.png,night\ncoffee.png,outliers\n")
    shown = run(out, "--plan", plan, "--dry-run")
    assert shown.returncode == 0 and shown.stderr == ""
    assert shown.stdout.splitlines() == [
        "coffee.png: cluster_1 -> outliers",
        "moon.png: outliers -> night",
        "clusters    4",
        "outliers    2",
        "moved       2",
        "result      nothing was changed",
    ]
    assert not (out / "results/night").exists()
    done = run(out, "--plan", plan, "--json")
    assert json.loads(done.stdout) == {
        "moves": [
            {"image": "coffee.png", "before": "cluster_1", "after": "outliers"},
            {"image": "moon.png", "before": "outliers", "after": "night"},
        ],
        "applied": True,
        "out": str(out),
    }
    assert (out / "results/night/moon.png").exists() and (out / "results/outliers/coffee.png").exists()
    again = run(out, "--plan", plan)
    assert again.returncode == 0 and "moved       0" in again.stdout
    back = run(out, "--plan", out / "clusters_before_review.csv")
    assert back.returncode == 0 and (out / "results/cluster_1/coffee.png").exists()
    assert not (out / "results/night").exists()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("image,cluster\nnothing.png,night\n", "not in the result: nothing.png"),
        ("image,cluster\nmoon.png,a\nmoon.png,b\n", "twice"),
        ("image,cluster\nmoon.png,../up\n", "without /"),
        ("image,cluster\nmoon.png\n", "without an image or a cluster"),
        ("picture,folder\n", "no columns"),
        ("", "no columns"),
    ],
)
def test_a_table_that_cannot_be_followed_changes_nothing(out, tmp_path, text, complaint):
    plan = tmp_path / "plan.csv"
    plan.write_text(text)
    done = run(out, "--plan", plan)
    assert done.returncode in (1, 2) and done.stderr.count("\n") == 1 and complaint in done.stderr
    assert (out / "results/outliers/moon.png").exists()
    with Review(out) as review:
        assert review.pending == ()


def test_changes_of_a_window_are_not_overruled(out, tmp_path):
    with Review(out) as review:
        review.move(["moon.png"], "night")
    plan = tmp_path / "plan.csv"
    plan.write_text("image,cluster\nmoon.png,moons\n")
    done = run(out, "--plan", plan)
    assert done.returncode == 1 and "not applied" in done.stderr


@pytest.mark.parametrize(
    "written", ["\ufeffimage,cluster\r\nmoon.png,night\r\n", "\ufeffimage;cluster\nmoon.png;night\n"]
)
def test_a_table_that_a_spreadsheet_wrote_is_followed(out, tmp_path, written):
    (tmp_path / "plan.csv").write_text(written, "utf-8")
    assert "moon.png: outliers -> night" in run(out, "--plan", tmp_path / "plan.csv", "--dry-run").stdout


def test_the_same_command_after_a_review_counts_what_the_review_left(album, out, tmp_path):
    (tmp_path / "plan.csv").write_text("image,cluster\ncoffee.png,outliers\nmoon.png,night\nrocket.png,night\n")
    assert run(out, "--plan", tmp_path / "plan.csv").returncode == 0
    again = labelimg.cluster(album, out=out, threshold=0.69)
    told = json.loads((out / "run.json").read_text())["counts"]
    assert again.earlier
    assert (len(again.clusters), len(again.outliers), again.clustered) == (
        *(told["clusters"], told["outliers"], told["clustered"]),
    )
    assert [path.name for path in next(each for each in again.clusters if album / "moon.png" in each)] == [
        *("moon.png", "rocket.png"),
    ]


@pytest.mark.parametrize("words", [["--dry-run"], ["--json"]])
def test_what_needs_a_table_says_so(out, words):
    done = run(out, *words)
    assert done.returncode == 2 and "--plan" in done.stderr


def test_the_window_opens_and_ends_with_the_program(out, tmp_path):
    code = (
        "import sys; from PySide6.QtCore import QTimer; from PySide6.QtWidgets import QApplication; "
        "app = QApplication([]); QTimer.singleShot(400, lambda: [w.close() for w in app.topLevelWidgets()]); "
        "sys.argv = ['labelimg', 'review', sys.argv[1]]; from labelimg.cli import main; main()"
    )
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_CONFIG_HOME": str(tmp_path / "config")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(out)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("This plugin does not support")]
    assert (done.returncode, said, done.stdout) == (0, [], "")
