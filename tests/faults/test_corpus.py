"""Every command goes over hundreds of bad files: no traceback, no hang, little memory, everything accounted for."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from corpus import COUNT, make_corpus
from pictures import photograph, save

ALL = os.environ.get("LABELIMG_FAULTS") == "all"
SEED = int(os.environ.get("LABELIMG_FAULTS_SEED", "0"))
SAMPLE = 60
NO_IMAGES = {"others/up", "others/folder.jpg"}  # a link to a folder, which is not followed, and a folder
MOST_MB = 1000  # millions of bytes
MOST_S = 5.0  # a file

# Runs a command with its memory measured, and limited to as much where that is asked for; what it prints goes through.
_MEASURED = """
import json, resource, subprocess, sys
seconds, most, *command = sys.argv[1:]
if most != "0":
    resource.setrlimit(resource.RLIMIT_DATA, (int(most), int(most)))
status = subprocess.call([sys.executable, *command], timeout=float(seconds))
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps({"status": status, "peak_mb": peak * 1024 / 1e6}))
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder and the names of its files. Two of them are good ones, so that there is something to find."""
    folder = tmp_path_factory.mktemp("corpus") / "bad"
    names = make_corpus(folder, SEED, only=None if ALL else SAMPLE)
    for name in ("good/a.png", "good/b.png"):
        save(folder / name, photograph("coffee"))
    return folder, [*names, "good/a.png", "good/b.png"]


def run(
    *arguments: object, files: int, limited: bool = False, script: bool = False
) -> tuple[str, str, dict[str, float]]:
    """What a command prints, and how it went; fails for a traceback, for what takes too long and for much memory.

    limited: let the system refuse it more memory than that, so that it has to say of large images that they do not fit.
    """
    limit = 60 + MOST_S * files
    program = [] if script else ["-m", "labelimg"]
    most = MOST_MB * 1_000_000 if limited else 0
    command = [sys.executable, "-c", _MEASURED, str(limit), str(most), *program, *map(str, arguments)]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, errors="surrogateescape", check=True)
    *printed, last = done.stdout.splitlines()
    how: dict[str, float] = json.loads(last)
    how["seconds"] = time.perf_counter() - began
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    assert how["peak_mb"] < MOST_MB, how
    assert all(line.startswith("labelimg: ") for line in done.stderr.splitlines()), done.stderr[-2000:]
    return "\n".join(printed), done.stderr, how


def images_in(path: Path, column: str = "image") -> list[str]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return [row[column] for row in csv.DictReader(file)]


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


def reasons(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return {row["image"]: row["reason"] for row in csv.DictReader(file)}


def test_labels_account_for_every_file(corpus, tmp_path):
    folder, names = corpus
    out = tmp_path / "labels"
    arguments = ["labels", folder, "--out", out, "--method", "superpixel", "--work-size", 200, "--no-preview"]
    _, _, how = run(*arguments, "--quiet", files=len(names), limited=True)
    assert how["status"] == 0
    labelled, unreadable = check_accounted_for(names, out, "labels.csv")
    assert labelled >= 2 and unreadable >= len(names) // 3
    too_large = {name for name, reason in reasons(out / "unreadable.csv").items() if "GB of memory" in reason}
    assert all(name.startswith("bombs/") for name in too_large)
    if ALL:
        assert too_large >= {"bombs/9000.png", "bombs/9000.tif", "bombs/13000.png", "bombs/13000.tif"}


@pytest.mark.skipif(not ALL, reason="make test-faults")
def test_masks_of_a_model_account_for_every_file(corpus, tmp_path, checkpoint):
    folder, names = corpus
    out = tmp_path / "labels"
    arguments = ["labels", folder, "--out", out, "--method", "sam", "--sam-checkpoint", checkpoint, "--sam-points", 2]
    _, _, how = run(*arguments, "--no-preview", "--device", "cpu", "--quiet", files=len(names), limited=True)
    assert how["status"] == 0
    labelled, unreadable = check_accounted_for(names, out, "labels.csv")
    assert labelled >= 2 and unreadable >= len(names) // 3


def test_masks_and_stamp_go_over_every_file(corpus, tmp_path):
    folder, names = corpus
    save(tmp_path / "templates/cup.png", photograph("coffee")[30:70, 40:90].copy())
    save(tmp_path / "segments/cup.png", np.full((40, 50, 3), (204, 0, 0), np.uint8))
    masks = tmp_path / "masks"
    printed, _, how = run(
        *("stamp", folder, "--out", masks, "--templates", tmp_path / "templates", "--segments", tmp_path / "segments"),
        *("--template-threshold", "0.02", "--json"),
        files=len(names),
        limited=True,
    )
    assert how["status"] == 0
    told = json.loads(printed)
    looked_at = [*told["matches"], *told["unreadable"]]
    assert sorted(looked_at) == sorted(name for name in names if name not in NO_IMAGES)
    assert list((masks / "good").glob("a_mask_*.png"))
    _, _, how = run("masks", folder, "--out", masks, files=len(names), limited=True)
    assert how["status"] == 0


@pytest.mark.skipif(not ALL, reason="make test-faults")
@pytest.mark.parametrize("work", ["embed", "grabcut", "preview"])
def test_what_takes_one_image_at_a_time_accounts_for_every_file(corpus, work):
    folder, names = corpus
    script = Path(__file__).parent / "library.py"
    printed, _, how = run(script, work, folder, files=len(names), limited=work == "preview", script=True)
    assert how["status"] == 0
    became = json.loads(printed)
    assert became.keys() == {"done", "unreadable"} and sum(became.values()) == len(set(names) - NO_IMAGES)
    assert became["done"] >= 2


@pytest.mark.skipif(not ALL, reason="make test-faults")
def test_a_threshold_is_found_among_bad_files(corpus, tmp_path):
    folder, names = corpus
    _, _, how = run("threshold", folder, "--table", "--cache", tmp_path / "cache", files=len(names))
    assert how["status"] == 0


@pytest.mark.skipif(not ALL, reason="make test-faults")
def test_preview_says_of_each_kind_of_bad_file_what_is_wrong(corpus, tmp_path):
    folder, names = corpus
    chosen = {*names[:: max(1, len(names) // 12)], *(name for name in names if name.startswith("bombs/"))}
    for name in sorted(chosen):
        _, complaint, how = run(
            *("preview", folder / name, "--out", tmp_path / "sheet.png", "--overwrite"), files=8, limited=True
        )
        assert how["status"] in (0, 1, 2)
        assert how["status"] == 0 or complaint.count("\n") == 1


@pytest.mark.skipif(not ALL, reason="make test-faults")
def test_deep_models_account_for_every_file(corpus, tmp_path):
    folder, names = corpus
    run_options = ["--out", tmp_path / "out", "--cache", tmp_path / "cache", "--clusters", "5"]
    _, _, how = run("deep", folder, *run_options, files=len(names))
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
