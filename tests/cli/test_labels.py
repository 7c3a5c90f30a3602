"""`labelimg labels` and `labelimg preview` as a person meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from test_cli import options_of, refused, run, summary

import labelimg
from labelimg import cli
from labelimg.cli.parameters import flag
from labelimg.segmentatimg import labelling
from labelimg.segmentatimg.labelmaps import load_labels
from labelimg.segmentatimg.methods import NAMES, method_class
from labelimg.segmentatimg.methods.base import fields_of
from pictures import make_album, photograph, save, truncated_png


@pytest.fixture
def two(tmp_path):
    save(tmp_path / "in/coffee.png", photograph("coffee"))
    truncated_png(tmp_path / "in/cut.png")
    return tmp_path / "in"


def test_label_maps_of_other_images_are_not_replaced_unasked(two, tmp_path, capsys):
    other, out = tmp_path / "other", tmp_path / "maps"
    save(other / "coffee.png", photograph("moon"))
    run("labels", two, "--out", out, "--method", "superpixel")
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with pytest.raises(labelimg.OutputError, match="holds label maps of other images; add --overwrite"):
        run("labels", other, "--out", out, "--method", "superpixel")
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_labels_prints_a_summary_and_names_the_unreadable(two, tmp_path):
    result = run("labels", two, "--out", tmp_path / "out")
    segments = labelimg.segment(photograph("coffee")).max()
    shown = summary(result.stdout)
    assert float(shown.pop("seconds")) >= 0
    assert shown == {
        "images": "2",
        "labelled": "1",
        "earlier": "0",
        "unreadable": "1",
        "segments": str(segments),
        "method": "graph",
        "result": str(tmp_path / "out"),
    }
    assert result.stderr.startswith("labelimg: cut.png: ")
    quiet = run("labels", two, "--out", tmp_path / "out", "--quiet", "--json")
    assert quiet.stderr == ""
    printed = json.loads(quiet.stdout)
    assert printed.pop("seconds") >= 0
    assert printed == {
        "images": 2, "labelled": 1, "earlier": 1, "unreadable": 1, "segments": segments, "method": "graph",
        "out": str(tmp_path / "out"),
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_of_every_method_is_an_option(name, tmp_path, monkeypatch):
    seen: list[Any] = []

    def look(images: Any, **options: Any) -> None:
        seen.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(labelling, "label_folders", look)
    given: dict[str, Any] = {}
    for field in fields_of(method_class(name)):
        given[field.name] = field.choices[-1] if field.choices else field.kind(field.high)
    flags = [word for key, value in given.items() for word in (flag(key), str(value))]
    from test_cli import runner

    runner.invoke(cli.app, ["labels", "in", "--out", "o", "--method", name, *flags])
    assert {key: seen[0].get(key) for key in given} == given
    assert seen[0]["method"] == name
    runner.invoke(cli.app, ["labels", "in", "--out", "o"])
    assert not given.keys() & seen[1].keys()


def test_the_options_say_which_method_has_them_with_which_default():
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    options = {option.name: option for option in options_of(commands["labels"])}
    for name in NAMES:
        for field in fields_of(method_class(name)):
            said = options[field.name].help
            default = field.default if isinstance(field.default, str) else f"{field.default:,g}"
            assert f"{name} {default}" in said
            assert said.lower().startswith(field.help.lower())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--k", "0"], "k must be a number between 1 and 5000, got 0.0"),
        (["--region-size", "9"], "region_size is no parameter of method graph"),
        (["--method", "sift"], "method must be one of"),
        (["--format", "jpg"], "format must be one of tiff, png, got 'jpg'"),
        (["--processes", "0"], "processes must be at least 1, got 0"),
        (["--exclude", "*"], "no images in"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(two, tmp_path, capsys, options, text):
    status, line = refused(capsys, "labels", two, "--out", tmp_path / "out", *options)
    assert status == 2
    assert text in line
    assert not (tmp_path / "out").exists()


def test_a_run_that_was_killed_leaves_no_process_and_goes_on(tmp_path):
    folder = make_album(tmp_path / "album")
    for number in range(12):
        save(folder / f"large {number}.png", np.repeat(np.repeat(photograph("coffee"), 5, 0), 5, 1))
    out = tmp_path / "out"
    command = [sys.executable, "-c", "from labelimg.cli import main; main()", "labels", str(folder), "--out", str(out)]
    with subprocess.Popen([*command, "--processes", "2"], start_new_session=True) as process:
        for _ in range(600):
            if list(out.glob("*_labels.tif")):
                break
            time.sleep(0.1)
        process.kill()
    for _ in range(100):  # the workers notice and leave
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail("processes went on after their parent was killed")
    for path in out.glob("*_labels.tif"):
        assert load_labels(path).max() > 0
    done = json.loads(run("labels", folder, "--out", out, "--json", "--processes", "1").stdout)
    assert done["labelled"] == done["images"] == 21
    assert done["earlier"] >= 1
    assert not list(out.rglob("*.part"))


def test_preview_writes_a_sheet_and_prints_its_figures(two, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    printed = run("preview", two / "coffee.png", "--out", sheet, "--tile", "64").stdout.splitlines()
    assert [line.split()[0] for line in printed] == [*NAMES, "result"]
    with Image.open(sheet) as picture:
        assert picture.format == "PNG"
        assert picture.width > 3 * 64
    before = sheet.read_bytes()
    status, line = refused(capsys, "preview", two / "coffee.png", "--out", sheet)
    assert (status, "--overwrite" in line, sheet.read_bytes() == before) == (1, True, True)
    (sheet.parent / "link.png").symlink_to("nowhere")
    assert run("preview", two / "coffee.png", "--out", sheet.parent / "link.png", "--overwrite", "--tile", "64")
    printed = run("preview", two / "coffee.png", "--out", sheet, "--overwrite", "--json", "--tile", "64").stdout
    assert [each["method"] for each in json.loads(printed)["methods"]] == list(NAMES)


def test_preview_refuses_in_one_line(two, tmp_path, capsys):
    for arguments, expected, text in (
        ([two / "cut.png", "--out", tmp_path / "s.png"], 1, "cut.png: truncated or damaged"),
        ([two / "none.png", "--out", tmp_path / "s.png"], 1, "no such file"),
        ([two / "coffee.png", "--out", tmp_path / "s.gif"], 2, "--out must end in"),
        ([two / "coffee.png", "--out", tmp_path / "s.png", "--tile", "9"], 2, "tile must be at least 64, got 9"),
        ([two / "coffee.png", "--out", two / "coffee.png", "--overwrite"], 1, "is there already"),
    ):
        status, line = refused(capsys, "preview", *arguments)
        assert (status, text in line) == (expected, True), line
    assert not list(tmp_path.glob("s.*"))
