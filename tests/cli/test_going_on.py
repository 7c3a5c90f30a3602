"""The commands say how to go on, when all is done, and leave at once when they are interrupted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import labelimg
from labelimg import cli, files

runner = CliRunner()


def program(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "labelimg", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def interrupted(process: subprocess.Popen[str], when: float) -> tuple[float, int, str]:
    """How long it took to leave after SIGINT, the status, and what was on stderr."""
    time.sleep(when)
    assert process.poll() is None, process.communicate()
    began = time.perf_counter()
    process.send_signal(signal.SIGINT)
    try:
        _, text = process.communicate(timeout=20)
    finally:
        process.kill()
    return time.perf_counter() - began, process.returncode, text


def test_a_second_call_says_that_all_is_done(album, tmp_path):
    out = tmp_path / "out"
    assert runner.invoke(cli.app, ["cluster", str(album), "--out", str(out)]).exit_code == 0
    again = runner.invoke(cli.app, ["cluster", str(album), "--out", str(out)])
    assert (again.exit_code, again.stdout.splitlines()[0]) == (0, "all is done already")
    shutil.rmtree(out / "results/cluster_0")
    again = runner.invoke(cli.app, ["cluster", str(album), "--out", str(out)])
    assert again.stdout.splitlines()[0].startswith("all is done already; 3 of its files have gone since: --overwrite")
    printed = json.loads(runner.invoke(cli.app, ["cluster", str(album), "--out", str(out), "--json"]).stdout)
    assert printed["earlier"] is True


def test_what_was_kept_is_told_and_undo_finishes(album, tmp_path, monkeypatch):
    def hook(name: str, path: str) -> None:
        if path.endswith("outliers/moon.png"):
            raise KeyboardInterrupt

    out = tmp_path / "out"
    monkeypatch.setattr(files, "on_operation", hook)
    with pytest.raises(KeyboardInterrupt):
        labelimg.cluster(album, out=out, transfer="move")
    monkeypatch.setattr(files, "on_operation", None)
    shutil.copytree(tmp_path, tmp_path.with_name("copy"), symlinks=True)
    told = runner.invoke(cli.app, ["undo", str(out), "--finish"]).stdout
    assert told == f"finished: {out}: 9 images, 3 clusters\n"
    assert runner.invoke(cli.app, ["undo", str(out), "--finish"]).stdout == f"finished: {out}: nothing was left to do\n"
    again = runner.invoke(cli.app, ["cluster", str(album), "--out", str(out), "--transfer", "move"])
    assert again.stdout.startswith("all is done already\n")
    assert runner.invoke(cli.app, ["undo", str(out)]).stdout == f"undone: {out}\n"


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Pictures that take long to decode."""
    folder = tmp_path / "large"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (2600, 2600, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "0.png", compress_level=1)
    for number in range(1, 60):
        os.link(folder / "0.png", folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("arguments", "when"), [(["cluster", "--no-cache"], 2.0), (["labels", "--method", "superpixel"], 3.0)]
)
def test_ctrl_c_leaves_within_a_second_with_one_line_that_says_how_to_go_on(large, tmp_path, arguments, when):
    process = program(*arguments, large, "--out", tmp_path / "out", "--quiet")
    took, status, text = interrupted(process, when)
    assert text.count("\n") == 1
    assert text.startswith("labelimg: interrupted; the same command goes on from here")
    assert status == 130
    assert took < 1.5  # a second, and what a busy machine adds


def test_ctrl_c_during_what_cannot_be_stopped_leaves_too():
    code = (
        "import signal, sys, time\n"
        "from labelimg.cli import patience\n"
        "signal.signal(signal.SIGINT, lambda *_: None)\n"  # as a library does that is busy
        "with patience(lambda: 'interrupted; go on'):\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(30)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    took, status, text = interrupted(process, 0.1)
    assert (status, text) == (130, "labelimg: interrupted; go on\n")
    assert took < 1.5
