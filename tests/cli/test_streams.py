"""The command line in a world that is not as usual: closed or full streams, odd locales, a folder that is gone."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pictures import photograph, save

PROGRAM = f"{shlex.quote(sys.executable)} -m labelimg"


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    words = ["sh", "-c", command.replace("labelimg", PROGRAM, 1)]
    return subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **environment}
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path / "in/漢字.png", photograph("coffee"))
    (tmp_path / "in/ж.png").write_bytes(b"none")
    return tmp_path / "in"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_streams_closed_before_the_start_are_done_without(folder, closed):
    done = shell(f"labelimg cluster {folder} --no-cache {closed}")
    assert done.returncode == 0
    assert "Traceback" not in done.stdout + done.stderr
    assert (folder.parent / "in_clustered/clusters.csv").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux's")
@pytest.mark.parametrize("words", ["--version", "--help", "cluster {} --dry-run --no-cache"])
def test_what_cannot_be_printed_is_said_in_one_line(folder, words):
    done = shell(f"labelimg {words.format(folder)} > /dev/full")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "labelimg: the system refuses to go on: No space left on device"
    assert "Traceback" not in done.stderr


def test_a_name_that_the_terminal_cannot_show_is_escaped(folder):
    done = shell(f"labelimg cluster {folder} --dry-run --no-cache", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(r"\u6f22\u5b57.png -> ")
    assert r"\u0436.png" in done.stderr


@pytest.mark.parametrize("words", ["cluster .", "threshold .", "masks . --out m", "train . --loss mse"])
def test_a_folder_that_is_gone_is_said_in_one_line(folder, words):
    away = folder.parent / "gone"
    away.mkdir()
    command = f"cd {away}; rmdir {away}; {PROGRAM} {words}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) in {(1, ""), (2, "")}
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("labelimg: ")
