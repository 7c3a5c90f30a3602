"""`labelimg labels --method sam` and the options of pointing, as a person meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from test_cli import refused, run

from labelimg.segmentatimg.labelling import label_folders
from labelimg.segmentatimg.labelmaps import load_labels
from labelimg.segmentatimg.methods.sam import SamMasks
from pictures import photograph, save, truncated_png

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def says(capsys):
    """The one line that a command which is refused leaves, and the exit status that is expected of it."""

    def ask(*arguments, status=2):
        code, line = refused(capsys, *arguments)
        assert code == status, line
        return line

    return ask


@pytest.fixture
def two(tmp_path):
    save(tmp_path / "in/coffee.png", photograph("coffee"))
    save(tmp_path / "in/rocket.png", photograph("rocket"))
    return tmp_path / "in"


@pytest.fixture
def options(checkpoint):
    return ["--method", "sam", "--sam-checkpoint", checkpoint, "--sam-points", "3"]


def test_labels_of_a_folder_are_those_of_the_model_and_a_second_run_does_nothing(two, tmp_path, options, checkpoint):
    truncated_png(two / "cut.png")
    out = tmp_path / "out"
    result = run("labels", two, "--out", out, *options, "--json")
    assert result.stderr.startswith("labelimg: cut.png: ")
    shown = json.loads(result.stdout)
    assert (shown["images"], shown["labelled"], shown["unreadable"], shown["method"]) == (3, 2, 1, "sam")
    expected = SamMasks(checkpoint=str(checkpoint), points_per_side=3).segment(photograph("coffee"))
    assert (load_labels(out / "coffee_labels.tif") == expected).all()
    assert (out / "rocket_preview.jpg").exists()
    again = json.loads(run("labels", two, "--out", out, *options, "--json", "--quiet").stdout)
    assert (again["labelled"], again["earlier"]) == (2, 2)


def test_a_run_goes_with_the_weights_wherever_their_file_is(two, tmp_path, options, checkpoint, says, capsys):
    out, moved, other = tmp_path / "out", tmp_path / "moved.pth", tmp_path / "other.pth"
    run("labels", two, "--out", out, *options)
    moved.write_bytes(checkpoint.read_bytes())
    same = run("labels", two, "--out", out, "--method", "sam", "--sam-checkpoint", moved, "--sam-points", 3, "--json")
    assert json.loads(same.stdout)["earlier"] == 2
    from small_sam import save_small_sam

    save_small_sam(other, seed=1)
    others = ["labels", two, "--out", out, "--method", "sam", "--sam-checkpoint", other, "--sam-points", "3"]
    assert "holds label maps of other settings (sam); add --overwrite" in says(*others, status=1)
    assert run(*others, "--overwrite").exit_code == 0


def test_progress_counts_the_images(two, tmp_path, checkpoint):
    said = []
    masks = SamMasks(checkpoint=str(checkpoint), points_per_side=3)
    label_folders([two], out=tmp_path / "out", method=masks, progress=lambda *step: said.append(step))
    assert said == [("segmenting", 0, 2), ("segmenting", 1, 2), ("segmenting", 2, 2)]


def test_a_run_that_was_interrupted_goes_on(two, tmp_path, options, checkpoint):
    """Ctrl-C while the second image is looked at: no traceback, status 130; the next run does the second alone."""
    program = f"""
import os, signal, sys
from labelimg.segmentatimg.methods.sam import SamMasks
plain, seen = SamMasks.cut, []
def cut(self, image):
    seen.append(image)
    if len(seen) == 2:
        os.kill(os.getpid(), {int(signal.SIGINT)})
    return plain(self, image)
SamMasks.cut = cut
from labelimg.cli import run
sys.argv[1:] = {[str(each) for each in ("labels", two, "--out", tmp_path / "out", *options)]!r}
run()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 130 and "Traceback" not in ended.stderr
    assert (tmp_path / "out/coffee_labels.tif").exists() and not (tmp_path / "out/rocket_labels.tif").exists()
    shown = json.loads(run("labels", two, "--out", tmp_path / "out", *options, "--json").stdout)
    assert (shown["labelled"], shown["earlier"]) == (2, 1)


def test_an_image_that_memory_does_not_hold_is_listed_and_the_others_are_labelled(two, tmp_path, options, monkeypatch):
    from labelimg.errors import ModelError

    plain, seen = SamMasks.cut, []

    def cut(self, image):
        seen.append(image)
        if len(seen) == 1:
            raise ModelError("there is too little memory for this model: use a smaller one")
        return plain(self, image)

    monkeypatch.setattr(SamMasks, "cut", cut)
    result = run("labels", two, "--out", tmp_path / "out", *options)
    assert "coffee.png: sam fails on it: there is too little memory for this model" in result.stderr
    assert (tmp_path / "out/rocket_labels.tif").exists()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["--method", "sam"], "--method sam needs --sam-checkpoint FILE"),
        (["--method", "sam", "--sam-checkpoint", "none.pth"], "--sam-checkpoint none.pth: no such file"),
        (["--sam-checkpoint", "none.pth"], "--sam-checkpoint goes with --method sam, got --method graph"),
        (["--device", "cpu", "--method", "edge"], "--device goes with --method sam, got --method edge"),
        (["--method", "sam", "--sam-checkpoint", "x", "--k", "30"], "k is no parameter of method sam"),
        (["--method", "sam", "--sam-checkpoint", "x", "--sam-points", "0"], "points_per_side must be"),
        (["--method", "grabcut"], "method must be one of"),
    ],
)
def test_options_that_do_not_go_together_are_refused(two, tmp_path, given, text, says):
    assert text in says("labels", two, "--out", tmp_path / "out", *given)
    assert not (tmp_path / "out").exists()


def test_more_than_one_process_is_refused_for_a_model(two, tmp_path, options, says):
    line = says("labels", two, "--out", tmp_path / "out", *options, "--processes", 2)
    assert "sam works in one process, got 2" in line


def test_a_package_that_is_not_installed_is_one_line(two, tmp_path, options, says, monkeypatch):
    from labelimg.segmentatimg.methods import sam

    monkeypatch.setattr(sam, "_loaded", {})
    monkeypatch.setitem(sys.modules, "segment_anything", None)
    said = says("labels", two, "--out", tmp_path / "out", *options, status=1)
    assert "segment_anything, which cannot be imported" in said and "pip install 'labelimg-suite[sam]'" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["--method", "sam"], "--method sam needs --sam-checkpoint FILE"),
        (["--method", "grabcut", "--sam-mode", "auto"], "--sam-mode goes with --method sam, got --method grabcut"),
        (["--live"], "--live goes with --method grabcut or sam, got --method graph"),
        (["--method", "sam", "--sam-checkpoint", "x", "--sam-mode", "magic"], "--sam-mode must be one of prompt, auto"),
        (
            ["--method", "sam", "--sam-checkpoint", "x", "--around", "air"],
            "--around must be one of superpixel, connected",
        ),
        (
            ["--method", "sam", "--sam-checkpoint", "x", "--sam-mode", "auto", "--live"],
            "--live goes with --sam-mode prompt",
        ),
        (["--method", "sam", "--sam-checkpoint", "none.pth"], "--sam-checkpoint none.pth: no such file"),
        (
            ["--method", "sam", "--sam-checkpoint", "x", "--sam-model", "vit_x"],
            "--sam-model must be one of auto, vit_b",
        ),
    ],
)
def test_options_of_the_windows_that_cannot_be_are_refused(two, given, text, says, monkeypatch):
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert text in says("segment", two, *given)


def test_cache_info_and_clear_count_embeddings(tmp_path):
    from labelimg.segmentatimg.embeddings import EmbeddingStore, embeddings_folder
    from labelimg.segmentatimg.sam import Embedding

    class Model:
        name = fingerprint = "x"

    store = EmbeddingStore(Model(), embeddings_folder(tmp_path / "cache"))
    path = store.path(np.zeros((2, 2, 3), np.uint8))
    store.put(path, Embedding((np.zeros((1, 4), np.float32),), (2, 2)))
    size = path.stat().st_size
    assert f"1 embeddings for pointing, {size:,} bytes" in run("cache", "info", "--cache", tmp_path / "cache").stdout
    assert run("cache", "clear", "--cache", tmp_path / "cache").stdout == f"removed {size:,} bytes\n"
    assert not path.exists()
