"""Every command goes over hundreds of bad files: no traceback, no hang, little memory, everything accounted for."""

from __future__ import annotations

import csv
import fnmatch
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from corpus import COUNT, LARGE, make_corpus
from pictures import photograph, save

ALL = os.environ.get("LABELIMG_FAULTS") == "all"
SEED = int(os.environ.get("LABELIMG_FAULTS_SEED", "0"))
SAMPLE = 60
NO_IMAGES = {"others/up", "others/folder.jpg"}  # a link to a folder, which is not followed, and a folder
MOST_MB = 1000
MOST_MB_DEEP = 1500  # PyTorch and a model take half of it before the first image; docs/reliability.md says so
MOST_S = 5.0  # a file

# Runs a command with its memory measured; what it prints goes through.
_MEASURED = """
import json, resource, subprocess, sys
status = subprocess.call([sys.executable, "-m", "labelimg", *sys.argv[2:]], timeout=float(sys.argv[1]))
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps({"status": status, "peak_mb": peak / 1024}))
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder and the names of its files. Two of them are good ones, so that there is something to find."""
    folder = tmp_path_factory.mktemp("corpus") / "bad"
    names = make_corpus(folder, SEED, only=None if ALL else SAMPLE)
    for name in ("good/a.png", "good/b.png"):
        save(folder / name, photograph("coffee"))
    return folder, [*names, "good/a.png", "good/b.png"]


def run(*arguments: object, files: int, most_mb: int = MOST_MB) -> tuple[str, str, dict[str, float]]:
    """What a command prints, and how it went; fails for a traceback, for what takes too long and for much memory."""
    limit = 60 + MOST_S * files
    command = [sys.executable, "-c", _MEASURED, str(limit), *map(str, arguments)]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, errors="surrogateescape", check=True)
    *printed, last = done.stdout.splitlines()
    how: dict[str, float] = json.loads(last)
    how["seconds"] = time.perf_counter() - began
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    assert how["peak_mb"] < most_mb, how
    assert all(line.startswith("labelimg: ") for line in done.stderr.splitlines()), done.stderr[-2000:]
    return "\n".join(printed), done.stderr, how


def images_in(path: Path, column: str = "image") -> list[str]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return [row[column] for row in csv.DictReader(file)]


def without_large(names: list[str]) -> list[str]:
    return [name for name in names if not any(fnmatch.fnmatch(name, glob) for glob in LARGE)]


EXCLUDING_LARGE = [word for glob in LARGE for word in ("--exclude", glob)]


def check_accounted_for(names: list[str], out: Path, listed: str = "clusters.csv") -> tuple[int, int]:
    """Each image is in exactly one of the two tables; how many are in each."""
    clustered, unreadable = images_in(out / listed), images_in(out / "unreadable.csv")
    expected = sorted(name for name in names if name not in NO_IMAGES)
    assert sorted([*clustered, *unreadable]) == expected
    return len(clustered), len(unreadable)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


METHODS = ("imagehash", "ssim", "minhash", "orb", "tm") if ALL else ("imagehash",)


@pytest.mark.parametrize("method", METHODS)
def test_clustering_accounts_for_every_file_and_undoing_leaves_none(corpus, tmp_path, method):
    folder, names = corpus
    before = snapshot(folder)
    out = tmp_path / "out"
    arguments = ["cluster", folder, "--out", out, "--method", method, "--cache", tmp_path / "cache", "--batch-size", 50]
    _, _, how = run(*arguments, "--no-merge", files=len(names))
    assert how["status"] == 0
    clustered, unreadable = check_accounted_for(names, out)
    assert clustered >= 2 and unreadable >= len(names) // 3, (clustered, unreadable)
    _, _, how = run("merge", out, "--cache", tmp_path / "cache", files=len(names))
    assert how["status"] == 0
    assert check_accounted_for(names, out) == (clustered, unreadable)
    printed, _, how = run(*arguments, "--no-merge", files=1)
    assert (how["status"], printed.splitlines()[0]) == (0, "all is done already")
    for command in (["report", out], ["review", out, "--plan", out / "clusters.csv"]):
        _, _, how = run(*command, files=len(names))
        assert how["status"] == 0
    assert check_accounted_for(names, out) == (clustered, unreadable)
    assert "<script>alert" not in (out / "report.html").read_text("utf-8", "surrogateescape")
    _, _, how = run("undo", out, files=1)
    assert (how["status"], out.exists()) == (0, False)
    assert snapshot(folder) == before


def test_labels_account_for_every_file(corpus, tmp_path):
    folder, names = corpus
    out = tmp_path / "labels"
    arguments = ["labels", folder, "--out", out, "--method", "superpixel", "--work-size", 200, "--no-preview"]
    _, _, how = run(*arguments, *EXCLUDING_LARGE, "--quiet", files=len(names))
    assert how["status"] == 0
    labelled, unreadable = check_accounted_for(without_large(names), out, "labels.csv")
    assert labelled >= 2 and unreadable >= len(names) // 3


def test_masks_and_stamp_go_over_every_file(corpus, tmp_path):
    whole, names = corpus
    folder = tmp_path / "bad"
    subprocess.run(["cp", "-a", whole, folder], check=True)
    for name in {*names} - {*without_large(names)}:
        (folder / name).unlink()
    save(tmp_path / "templates/cup.png", photograph("coffee")[30:70, 40:90].copy())
    save(tmp_path / "segments/cup.png", np.full((40, 50, 3), (204, 0, 0), np.uint8))
    masks = tmp_path / "masks"
    _, _, how = run(
        *("stamp", folder, "--out", masks, "--templates", tmp_path / "templates", "--segments", tmp_path / "segments"),
        *("--template-threshold", "0.02"),
        files=len(names),
    )
    assert how["status"] == 0
    assert list((masks / "good").glob("a_mask_*.png"))
    _, _, how = run("masks", folder, "--out", masks, files=len(names))
    assert how["status"] == 0


@pytest.mark.skipif(not ALL, reason="make test-faults")
def test_a_threshold_is_found_among_bad_files(corpus, tmp_path):
    folder, names = corpus
    _, _, how = run("threshold", folder, "--table", "--cache", tmp_path / "cache", files=len(names))
    assert how["status"] == 0


@pytest.mark.skipif(not ALL, reason="make test-faults")
def test_preview_says_of_each_kind_of_bad_file_what_is_wrong(corpus, tmp_path):
    folder, names = corpus
    for name in without_large(names)[:: max(1, len(names) // 12)]:
        _, complaint, how = run("preview", folder / name, "--out", tmp_path / "sheet.png", files=8)
        assert how["status"] in (0, 1, 2)
        assert how["status"] == 0 or complaint.count("\n") == 1


@pytest.mark.skipif(not ALL, reason="make test-faults")
def test_deep_models_account_for_every_file(corpus, tmp_path):
    folder, names = corpus
    run_options = ["--out", tmp_path / "out", "--cache", tmp_path / "cache", "--clusters", "5"]
    _, _, how = run("deep", folder, *run_options, files=len(names), most_mb=MOST_MB_DEEP)
    assert how["status"] == 0
    check_accounted_for(names, tmp_path / "out")


@pytest.mark.skipif(not ALL, reason="make test-faults")
def test_training_goes_over_every_file(corpus, tmp_path):
    folder, names = corpus
    _, _, how = run("train", folder, "--out", tmp_path / "model.ckpt", "--epochs", 1, files=len(names))
    assert how["status"] == 0


@pytest.mark.skipif(not ALL, reason="make test-faults")
def test_the_corpus_is_as_large_as_is_said(corpus):
    assert len(corpus[1]) > COUNT
