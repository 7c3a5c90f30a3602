"""`labelimg threshold` and `labelimg cluster --threshold`, as a user has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import labelimg
from labelimg import cli
from pictures import photograph, save

runner = CliRunner()


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for name in ("coffee", "astronaut", "chelsea", "rocket", "moon"):
        for quality in (30, 60, 80, 95):
            save(tmp_path / f"in/{name}_{quality}.jpg", photograph(name), quality=quality)
    return tmp_path / "in"


def run(*arguments: object) -> Any:
    return runner.invoke(cli.app, [*map(str, arguments), "--no-cache"], catch_exceptions=False)


def real(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("QT_QPA_PLATFORM", "DISPLAY")}
    command = [sys.executable, "-c", "from labelimg.cli import main; main()", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env={**kept, **environment}
    )


def test_without_a_window_the_number_alone_goes_to_stdout(many, tmp_path):
    done = real("threshold", many, "--plot", tmp_path / "curve.svg")
    assert done.returncode == 0
    assert float(done.stdout) == labelimg.suggest_threshold(many).threshold
    assert done.stdout.count("\n") == 1
    assert done.stderr.startswith("labelimg: ")
    chosen = done.stdout.strip()
    assert real("cluster", many, "--threshold", chosen, "--out", tmp_path / "out").returncode == 0


def test_a_plot_replaces_nothing_that_is_there(many, tmp_path):
    image, plot = many / "coffee_30.jpg", tmp_path / "curve.png"
    image.rename(many / "coffee.png")
    before = (many / "coffee.png").read_bytes()
    for words in ([], ["--overwrite"]):
        done = real("threshold", many, "--plot", many / "coffee.png", *words)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert (many / "coffee.png").read_bytes() == before
    plot.write_bytes(b"mine")
    assert "--overwrite" in real("threshold", many, "--plot", plot).stderr
    assert plot.read_bytes() == b"mine"
    assert real("threshold", many, "--plot", plot, "--overwrite").returncode == 0
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_svg_has_axes_units_and_the_threshold(many, tmp_path):
    run("threshold", many, "--plot", tmp_path / "curve.svg")
    root = ET.fromstring((tmp_path / "curve.svg").read_text())
    words = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "threshold (similarity, 0 to 1)" in words
    assert any(text.startswith("similar pairs among 20 images") for text in words)
    assert any(text.startswith("threshold 0.") for text in words)
    assert {"1.0", "0.9", "10", "100"} <= set(words)


def test_png_shows_the_curve(many, tmp_path):
    run("threshold", many, "--plot", tmp_path / "curve.PNG")
    with Image.open(BytesIO((tmp_path / "curve.PNG").read_bytes())) as image:
        assert image.size == (1280, 840)
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    for colour in ((0x25, 0x63, 0xD9), (0xB3, 0x26, 0x1E), (0x1F, 0x8A, 0x4C)):  # pairs, threshold, images
        assert (np.abs(pixels.astype(int) - colour).max(axis=1) < 12).sum() > 100


def test_html_asks_the_network_for_nothing_and_has_all_numbers(many, tmp_path):
    run("threshold", many, "--plot", tmp_path / "curve.html")
    page = (tmp_path / "curve.html").read_text()
    assert page.count("http") == page.count("http://www.w3.org/2000/svg") == 1
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert len(data["rows"]) == 201
    assert data["chosen"] == labelimg.suggest_threshold(many).threshold


def test_the_table_marks_the_threshold_and_gives_the_reason(many):
    lines = run("threshold", many, "--table").stdout.splitlines()
    marked = [line for line in lines if line.startswith("*")]
    found = labelimg.suggest_threshold(many)
    assert marked[0].split() == ["*", f"{found.threshold:g}", "30", "20", "5", "30", "20", "5"]
    assert marked[1] == f"* {found.reason}"


def test_json_is_the_whole_curve(many):
    told = json.loads(run("threshold", many, "--json", "--sample", 10, "--seed", 3).stdout)
    assert list(told) == ["threshold", "reason", "method", "images", "sample", "unreadable", "curve"]
    assert (told["images"], told["sample"]) == (20, 10)
    assert len(told["curve"]["thresholds"]) == len(told["curve"]["expected_pairs"]) == 201
    assert told["curve"]["expected_pairs"][0] == pytest.approx(told["curve"]["pairs"][0] * 20 * 19 / 90, abs=0.001)
    assert json.loads(run("threshold", many, "--json", "--sample", 10, "--seed", 3).stdout) == told


def test_methods_and_their_options_are_those_of_cluster(many):
    told = json.loads(run("threshold", many, "--json", "--method", "orb", "--orb-features", 50).stdout)
    assert told["method"] == "orb"
    assert real("threshold", many, "--table", "--orb-features", "50").returncode == 2


def test_one_image_and_equal_images_are_defined(tmp_path):
    save(tmp_path / "a/only.png", photograph("coffee"))
    for name in "bcd":
        save(tmp_path / f"same/{name}.png", photograph("coffee"))
    for folder, expected in (("a", "0 0 0"), ("same", "3 3 1")):
        lines = run("threshold", tmp_path / folder, "--table").stdout.splitlines()
        marked = next(line for line in lines if line.startswith("*"))
        assert " ".join(marked.split()[2:5]) == expected
        for ending in ("png", "svg", "html"):
            assert run("threshold", tmp_path / folder, "--plot", tmp_path / f"{folder}.{ending}").exit_code == 0


def test_without_a_display_the_table_goes_to_stderr_and_the_number_to_stdout(many):
    done = real("threshold", many)
    assert done.returncode == 0
    assert float(done.stdout) == labelimg.suggest_threshold(many).threshold
    reason, *table = done.stderr.splitlines()
    assert "no DISPLAY is set" in reason
    assert table == real("threshold", many, "--table").stdout.splitlines()
    quiet = real("threshold", many, "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, done.stdout, "")


def test_nothing_can_be_picked_without_a_display(many):
    done = real("cluster", many, "--threshold", "pick")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--threshold" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--plot", "curve.gif"], ["--sample", "1", "--table"], ["--method", "nonsense", "--table"], ["--sample", "5000"]],
)
def test_what_cannot_be_is_refused_in_a_line(many, arguments):
    done = real("threshold", many, *arguments, QT_QPA_PLATFORM="offscreen")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_a_folder_without_images_is_wrong_usage(tmp_path):
    done = real("threshold", tmp_path, "--table")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_plot_that_cannot_be_written_is_one_line(many, tmp_path):
    done = real("threshold", many, "--plot", tmp_path / "nowhere/curve.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("labelimg: ")
    assert "Traceback" not in done.stderr


def test_what_the_window_gives_is_printed_or_used(many, tmp_path, monkeypatch):
    from labelimg.app import threshold_program

    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.setattr(threshold_program, "choose", lambda sampled: 0.8125)
    assert run("threshold", many).stdout == "0.8125\n"
    printed = json.loads(run("cluster", many, "--threshold", "pick", "--out", tmp_path / "out", "--json").stdout)
    assert printed["threshold"] == 0.8125
    monkeypatch.setattr(threshold_program, "choose", lambda sampled: None)
    left = run("threshold", many)
    assert (left.exit_code, left.stdout) == (1, "")
    left = run("cluster", many, "--threshold", "pick", "--out", tmp_path / "other")
    assert (left.exit_code, left.stdout, (tmp_path / "other").exists()) == (1, "", False)


def test_auto_is_the_default_and_can_be_said(many, tmp_path):
    default = json.loads(run("cluster", many, "--out", tmp_path / "a", "--json").stdout)
    said = json.loads(run("cluster", many, "--threshold", "auto", "--out", tmp_path / "b", "--json").stdout)
    assert default["threshold"] == said["threshold"] == labelimg.suggest_threshold(many).threshold
    assert default["threshold_reason"] == said["threshold_reason"]
    shown = run("cluster", many, "--out", tmp_path / "c").stdout
    assert f"why         {default['threshold_reason']}\n" in shown
