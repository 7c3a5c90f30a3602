"""The command line: what it prints where, how it ends, and that its help tells the truth."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import labelimg
from labelimg import cli
from labelimg.cli.runs import default_out
from labelimg.clusterimg import pipeline
from labelimg.clusterimg.methods import DEFAULT, NAMES, method_class
from pictures import make_album, photograph, save, truncated_png

README = Path(__file__).parents[2] / "README.md"
JSON_KEYS = ["images", "clusters", "clustered", "outliers", "unreadable", "threshold", "method", "out", "seconds"]
FOUND_KEYS = [*JSON_KEYS[:6], "threshold_reason", *JSON_KEYS[6:]]
runner = CliRunner()


def run(*arguments: object) -> Any:
    """A command that is to succeed, in this process; its stdout and stderr apart."""
    result = runner.invoke(cli.app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """The exit status of a command that is to fail, and its one line on stderr."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["labelimg", *map(str, arguments)])
        cli.main()
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("\n") == 1, written.err
    assert written.err.startswith("labelimg: ")
    assert isinstance(ended.value.code, int)
    return ended.value.code, written.err


def real(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """A command as a process of its own."""
    command = [sys.executable, "-c", "from labelimg.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)


def every_command() -> Iterator[tuple[str, Any]]:
    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for each in getattr(command, "commands", {}).values():
            yield from walk(f"{name} {each.name}".strip(), each)

    return walk("", typer.main.get_command(cli.app))


def options_of(command: Any) -> list[Any]:
    return [each for each in command.params if each.param_type_name == "option" and each.name != "help"]


def summary(text: str) -> dict[str, str]:
    return {line[:11].strip(): line[12:] for line in text.splitlines()}


# ---------------------------------------------------------------------------------------------------- what is printed


def test_the_summary_goes_to_stdout_and_nothing_to_stderr(album):
    result = run("cluster", album)
    out = album.with_name("album_clustered")
    shown = summary(result.stdout)
    assert result.stderr == ""
    assert float(shown.pop("seconds")) >= 0
    assert re.fullmatch(
        r"the method's own; clusters change least here, though chance may reach 0\.\d\d among 9 images",
        shown.pop("why"),
    )
    assert shown == {
        "images": "9",
        "clusters": "3",
        "clustered": "7",
        "outliers": "2",
        "unreadable": "0",
        "no images": "1 files of other kinds",
        "method": f"imagehash, threshold {method_class('imagehash').default_threshold:g}",
        "result": str(out / "results"),
    }
    assert (out / "run.json").is_file()


def test_json_is_one_object_with_the_documented_keys(album, tmp_path):
    truncated_png(album / "cut.png")
    result = run("cluster", album, "--json", "--out", tmp_path / "out", "--threshold", 0.75)
    printed = json.loads(result.stdout)
    assert list(printed) == JSON_KEYS
    assert 0 < printed.pop("seconds") < 60
    assert printed == {
        "images": 10,
        "clusters": 3,
        "clustered": 7,
        "outliers": 2,
        "unreadable": 1,
        "threshold": 0.75,
        "method": "imagehash",
        "out": str(tmp_path / "out"),
    }


def test_unreadable_images_are_named_on_stderr_unless_quiet(album):
    truncated_png(album / "copies/cut.png")
    loud = run("cluster", album)
    assert re.fullmatch(r"labelimg: copies/cut\.png: .+\n", loud.stderr)
    assert run("cluster", album, "--overwrite", "--quiet").stderr == ""
    assert run("cluster", album, "--overwrite", "-q").stdout.startswith("images ")


def test_many_unreadable_images_are_named_up_to_a_number(album):
    for number in range(25):
        (album / f"{number}.jpg").touch()
    lines = run("cluster", album).stderr.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "labelimg: and 5 more, all in unreadable.csv"


def test_a_dry_run_prints_the_plan_and_writes_nothing(album, tmp_path):
    printed = run("cluster", album, "--dry-run", "--out", tmp_path / "out").stdout
    assert f"copies/coffee.jpg -> {tmp_path / 'out/results/cluster_1/coffee.jpg'}\n" in printed
    assert printed.count(" -> ") == 9
    assert summary(printed)["result"] == "nothing was written"
    assert not (tmp_path / "out").exists()
    as_json = run("cluster", album, "--dry-run", "--json", "--out", tmp_path / "out")
    assert list(json.loads(as_json.stdout)) == FOUND_KEYS
    assert not (tmp_path / "out").exists()


def test_the_result_without_transfer_is_the_table(album):
    shown = summary(run("cluster", album, "--transfer", "none").stdout)
    assert shown["result"] == str(album.with_name("album_clustered") / "clusters.csv")


def test_merge_prints_what_cluster_would_have(album, tmp_path):
    at_once = json.loads(run("cluster", album, "--batch-size", 4, "--out", tmp_path / "a", "--json").stdout)
    run("cluster", album, "--batch-size", 4, "--out", tmp_path / "b", "--no-merge")
    later = json.loads(run("merge", tmp_path / "b", "--json").stdout)
    assert list(later) == FOUND_KEYS
    assert later["out"] == str(tmp_path / "b")
    del at_once["out"], at_once["seconds"], later["out"], later["seconds"]
    assert later == at_once


def test_merge_shows_a_summary(album, tmp_path):
    run("cluster", album, "--batch-size", 4, "--out", tmp_path / "out", "--no-merge")
    shown = summary(run("merge", tmp_path / "out", "--no-rescue", "--threshold", 0.9).stdout)
    assert (shown["images"], shown["method"]) == ("9", "imagehash, threshold 0.9")
    assert shown["result"] == str(tmp_path / "out/results")


def test_cache_info_and_clear(album, tmp_path):
    run("cluster", album, "--cache", tmp_path / "cache")
    info = run("cache", "info", "--cache", tmp_path / "cache").stdout
    assert re.search(r"^features +18$", info, re.MULTILINE)  # and their thumbnails
    assert str(tmp_path / "cache") in info
    assert run("cache", "clear", "--cache", tmp_path / "cache").stdout.startswith("removed ")
    assert re.search(r"^features +0$", run("cache", "info", "--cache", tmp_path / "cache").stdout, re.MULTILINE)


def test_want_of_memory_is_one_line(monkeypatch, capsys):
    def want(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(cli, "application", lambda names: want)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    assert capsys.readouterr().err == (
        "labelimg: there is not enough memory for it: shrink the images, or allow it more\n"
    )


def test_no_cache_keeps_nothing(album, cache_home):
    run("cluster", album, "--no-cache")
    assert not [path for path in cache_home.rglob("*") if path.is_file() and "labelimg" in str(path)]


def test_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert run("--version").stdout == f"labelimg {version('labelimg-suite')}\n"


# ------------------------------------------------------------------------------------------------------- the options


def test_every_option_reaches_the_function(album, tmp_path, monkeypatch):
    class SeenError(Exception):
        pass

    seen: dict[str, Any] = {}

    def look(images: Any, **options: Any) -> None:
        seen.update(options, images=images)
        raise SeenError

    monkeypatch.setattr(pipeline, "cluster", look)
    text = """--method orb --threshold 0.25 --batch-size 7 --size 30x40 --scale 0.5 --out o --transfer move
        --no-recursive --include a* --include b* --exclude c* --no-merge --keep-batches --no-rescue --overwrite
        --threads 3 --dry-run --quiet --json --no-cache --hash-size 9 --frequency-factor 3 --corner-size 20 --corners 5
        --grid 6 --permutations 7 --orb-size 50 --orb-features 8 --good-bits 9 --no-report"""
    result = runner.invoke(cli.app, ["cluster", "in", "in2", *text.split()])
    assert isinstance(result.exception, SeenError), result.output
    assert seen.pop("progress") is not None
    assert seen == {
        "images": [Path("in"), Path("in2")],
        "method": "orb",
        "threshold": 0.25,
        "batch_size": 7,
        "size": (30, 40),
        "scale": 0.5,
        "out": Path("o"),
        "transfer": "move",
        "recursive": False,
        "include": ["a*", "b*"],
        "exclude": ["c*"],
        "merge": False,
        "keep_batches": True,
        "rescue": False,
        "overwrite": True,
        "threads": 3,
        "dry_run": True,
        "cache": None,
        "hash_size": 9,
        "frequency_factor": 3,
        "corner_size": 20,
        "corners": 5,
        "grid": 6,
        "permutations": 7,
        "orb_size": 50,
        "orb_features": 8,
        "good_bits": 9,
        "report": False,
    }


def test_defaults_are_those_of_the_function(monkeypatch):
    import inspect

    class SeenError(Exception):
        pass

    seen: dict[str, Any] = {}

    def look(images: Any, **options: Any) -> None:
        seen.update(options)
        raise SeenError

    defaults = {name: each.default for name, each in inspect.signature(pipeline.cluster).parameters.items()}
    monkeypatch.setattr(pipeline, "cluster", look)
    assert isinstance(runner.invoke(cli.app, ["cluster", "in", "--no-cache"]).exception, SeenError)
    assert seen.pop("out") == Path("in_clustered").absolute()
    assert seen.pop("progress") is not None
    assert seen == {name: defaults[name] for name in seen}
    assert defaults["method"] == DEFAULT


@pytest.mark.parametrize("name", NAMES)
def test_every_method_runs_from_the_command_line(album, tmp_path, name):
    printed = json.loads(run("cluster", album, "--method", name, "--out", tmp_path / "out", "--json").stdout)
    assert printed["method"] == name
    assert printed["threshold"] == labelimg.suggest_threshold(album, method=name).threshold


def test_unicode_and_spaces_in_names(tmp_path):
    folder = make_album(tmp_path / "Übung 写真 ")
    shown = summary(run("cluster", folder).stdout)
    assert shown["result"] == str(tmp_path / "Übung 写真 _clustered/results")
    assert (tmp_path / "Übung 写真 _clustered/results/cluster_2/ünïcode rocket.png").is_file()


def test_several_folders_go_beside_the_first(album, tmp_path):
    save(tmp_path / "more/moon.png", photograph("moon"))
    printed = json.loads(run("cluster", album, tmp_path / "more", "--json").stdout)
    assert (printed["images"], printed["clusters"]) == (10, 4)
    assert printed["out"] == str(tmp_path / "album_clustered")


def test_include_exclude_and_no_recursive_choose_images(album):
    chosen = ["--include", "*.png", "--exclude", "moon*", "--exclude", "rocket*", "--no-recursive", "--dry-run"]
    printed = run("cluster", album, *chosen).stdout
    assert [line.split(" -> ")[0] for line in printed.splitlines() if " -> " in line] == [
        "astronaut.png",
        "chelsea.png",
        "coffee.png",
        "ünïcode rocket.png",
    ]


def test_the_default_out_is_beside_the_images(monkeypatch, tmp_path):
    (tmp_path / "photos/deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "photos/deep")
    assert default_out(Path("/a/b/")) == Path("/a/b_clustered")
    assert default_out(Path("x")) == tmp_path / "photos/deep/x_clustered"
    assert default_out(Path(".")) == tmp_path / "photos/deep_clustered"
    assert default_out(Path("..")) == tmp_path / "photos_clustered"
    assert default_out(Path("a.b")).name == "a.b_clustered"


# ---------------------------------------------------------------------------------------------------------- refusals


def test_folders_that_cannot_be_are_refused_in_one_line(album, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for folder, text in (
        (tmp_path / "empty", "no images in"),
        (tmp_path / "nowhere", "no such folder"),
        (album / "moon.png", "not a folder"),
    ):
        status, line = refused(capsys, "cluster", folder)
        assert status == 2
        assert text in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["album", "empty"]


def test_the_root_has_no_place_beside_it_for_a_default_out(capsys, monkeypatch):
    monkeypatch.setattr(pipeline, "cluster", lambda *arguments, **options: pytest.fail("would read the whole disk"))
    status, line = refused(capsys, "cluster", "/")
    assert (status, "--out" in line) == (2, True)


def test_a_missing_folder_with_a_line_break_in_its_name_is_still_one_line(tmp_path, capsys):
    (tmp_path / "a\nb").mkdir()
    assert refused(capsys, "cluster", tmp_path / "a\nb")[0] == 2
    assert refused(capsys, "cluster", tmp_path / "c\nd")[0] == 2


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        (["--threshold", "1.7"], 2, "threshold must be between 0 and 1, got 1.7"),
        (["--threshold", "-0.5"], 2, "threshold must be between 0 and 1, got -0.5"),
        (["--threshold", "x"], 2, "--threshold must be a number from 0 to 1, auto or pick, got 'x'"),
        (["--threshold", "nan"], 2, "threshold must be between 0 and 1"),
        (["--method", "sift"], 2, "method must be one of imagehash, ssim, minhash, orb, tm, got 'sift'"),
        (["--method", "ssim", "--corners", "5"], 2, "corners is no parameter of method ssim"),
        (["--transfer", "move", "--keep-batches"], 2, "move and keep-batches exclude each other"),
        (["--transfer", "teleport"], 2, "transfer must be one of"),
        (["--size", "big"], 2, "--size must be a width and a height such as 128x128, got 'big'"),
        (["--size", "0x5"], 2, "size must be"),
        (["--size", "10x10", "--scale", "0.5"], 2, "size and scale exclude each other"),
        (["--scale", "2"], 2, "scale must be"),
        (["--batch-size", "1"], 2, "batch size must be at least 2, got 1"),
        (["--threads", "0"], 2, "threads must be at least 1, got 0"),
        (["--exclude", "*"], 2, "no images in"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(album, capsys, options, status, text):
    code, line = refused(capsys, "cluster", album, *options)
    assert code == status
    assert text in line
    assert not album.with_name("album_clustered").exists()


def test_out_inside_the_images_is_refused_in_one_line(album, capsys):
    assert refused(capsys, "cluster", album, "--out", album / "out")[0] == 2
    assert not (album / "out").exists()


def test_an_existing_out_is_refused_in_one_line(album, capsys):
    run("cluster", album)
    status, line = refused(capsys, "cluster", album, "--threshold", "0.5")
    assert (status, "--overwrite" in line) == (1, True)
    run("cluster", album, "--overwrite")


def test_merging_what_cannot_be_merged_is_refused_in_one_line(album, tmp_path, capsys):
    assert refused(capsys, "merge", tmp_path / "nowhere")[0] == 1
    assert refused(capsys, "merge", album)[0] == 1
    run("cluster", album, "--no-merge", "--transfer", "none")
    status, line = refused(capsys, "merge", album.with_name("album_clustered"))
    assert (status, "--transfer none" in line) == (1, True)


def test_what_cannot_be_parsed_is_wrong_usage():
    for arguments in (["cluster"], ["cluster", ".", "--nonsense"], ["nonsense"]):
        assert runner.invoke(cli.app, arguments).exit_code == 2


# --------------------------------------------------------------------------------------------------- real processes


def test_a_real_run_succeeds_with_json_alone_on_stdout(album):
    done = real("cluster", album, "--json", env={**os.environ, "PYTHONWARNINGS": "error"})
    assert (done.returncode, done.stderr) == (0, "")
    assert list(json.loads(done.stdout)) == FOUND_KEYS


def test_a_real_failure_is_one_line_and_no_traceback(tmp_path):
    done = real("cluster", tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"labelimg: no such folder: .*\n", done.stderr)


def test_names_of_any_bytes_are_printed_without_a_traceback(tmp_path):
    save(tmp_path / "in/a.png", photograph("coffee"))
    (tmp_path / "in/a.png").rename(tmp_path / "in" / os.fsdecode(b"\xff.png"))
    (tmp_path / "in" / os.fsdecode(b"\xfe.png")).touch()
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}  # as in any UTF-8 locale
    done = real("cluster", tmp_path / "in", "--dry-run", errors="surrogateescape", env=strict)
    assert done.returncode == 0, done.stderr
    assert " -> " in done.stdout
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_gets_no_traceback(album):
    command = [sys.executable, "-c", "from labelimg.cli import main; main()", "cluster", str(album), "--dry-run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) in (0, 1)


def test_help_loads_nothing_heavy_and_answers_at_once():
    seen = "import sys; print(*sorted({'numpy', 'numba', 'cv2', 'PIL', 'scipy', 'datasketch'} & sys.modules.keys()))"
    code = f"import atexit; atexit.register(lambda: exec({seen!r}, {{}}))\nfrom labelimg.cli import main\nmain()"
    took = []
    for arguments in (["--help"], ["cluster", "--help"], ["merge", "--help"]):
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert "Usage" in done.stdout
        took.append(time.perf_counter() - began)
        assert done.stdout.splitlines()[-1] == ""
    assert min(took) < 2  # 0.3 s on a machine that does nothing else


def test_the_installed_command_is_the_command_line():
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="labelimg")
    assert script.load() is cli.run


# -------------------------------------------------------------------------------------------------------------- help


def test_every_command_and_option_has_help():
    commands = dict(every_command())
    assert commands.keys() >= {"cluster", "merge", "cache info", "cache clear"}
    for name, command in commands.items():
        assert command.help, name
        assert all(option.help for option in options_of(command)), name


@pytest.mark.parametrize("name", ["", "cluster", "merge", "cache", "cache info", "cache clear"])
def test_help_is_shown_for_every_command(name):
    assert "Usage" in run(*name.split(), "--help").stdout


def test_options_of_the_methods_are_made_of_their_parameters():
    command = dict(every_command())["cluster"]
    options = {option.name: option for option in options_of(command)}
    for name in NAMES:
        fields = [field for field in dataclasses.fields(method_class(name)) if "help" in field.metadata]
        panel = [
            each for each in options.values() if getattr(each, "rich_help_panel", None) == f"Options of --method {name}"
        ]
        assert {each.name for each in panel} == {field.name for field in fields}, name
        for field in fields:
            option, said = options[field.name], field.metadata
            assert option.default is None, "else the method could not tell whether it was given"
            meaning, _, default = option.help.rstrip(".").rpartition(". Default ")
            assert default == str(field.default), field.name
            assert meaning.lower() == said["help"].lower(), field.name
            assert option.opts == [f"--{field.name.replace('_', '-')}"]


@pytest.mark.parametrize("name", NAMES)
def test_options_of_the_methods_have_the_ranges_of_their_parameters(name, monkeypatch):
    seen: list[Any] = []

    def look(images: Any, **options: Any) -> None:
        seen.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "cluster", look)
    for field in dataclasses.fields(method_class(name)):
        if "low" not in field.metadata:
            continue
        low, high, flag = field.metadata["low"], field.metadata["high"], f"--{field.name.replace('_', '-')}"
        for value, fits in ((low, True), (high, True), (low - 1, False), (high + 1, False)):
            seen.clear()
            result = runner.invoke(cli.app, ["cluster", "in", "--no-cache", flag, str(value)])
            assert [options[field.name] for options in seen] == [value] * fits, (flag, value)
            assert (result.exit_code == 2) == (not fits)


def test_help_names_every_method_and_transfer():
    options = {option.name: option for option in options_of(dict(every_command())["cluster"])}
    assert all(re.search(rf"\b{name}\b", options["method"].help) for name in NAMES)
    assert options["method"].default == DEFAULT
    assert all(re.search(rf"\b{each}\b", options["transfer"].help) for each in pipeline.TRANSFERS)


def test_the_readme_has_every_command_and_option():
    text = README.read_text("utf-8")
    missing = []
    for name, command in every_command():
        if name and f"labelimg {name}" not in text:
            missing.append(f"labelimg {name}")
        for option in options_of(command):
            for flag in (*option.opts, *option.secondary_opts):
                if flag.startswith("--") and not re.search(rf"{re.escape(flag)}(?![\w-])", text):
                    missing.append(f"labelimg {name} {flag}")
    assert missing == []


def test_the_readme_names_no_option_that_is_not_there():
    known = {
        flag
        for _, command in every_command()
        for option in options_of(command)
        for flag in (*option.opts, *option.secondary_opts)
    }
    lines = [line for line in README.read_text("utf-8").splitlines() if "labelimg " in line]
    named = {flag for line in lines for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line)}
    assert named - known - {"--help"} == set()


# ---------------------------------------------------------------------------------------------------------- progress


def test_progress_is_drawn_on_a_terminal_only(album, monkeypatch):
    from labelimg.cli.show import Progress

    with Progress(quiet=False) as progress:
        progress("decoding", 1, 2)
        assert progress._bars is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Progress(quiet=True) as progress:
        progress("decoding", 1, 2)
        assert progress._bars is None


def test_a_terminal_sees_stages_and_the_screen_is_left_in_order(album, tmp_path):
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from labelimg.cli import main; main()", "cluster", str(album)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
        assert process.wait(60) == 0
    os.close(ours)
    text = shown.decode("utf-8")
    assert all(stage in text for stage in ("decoding", "comparing", "copying"))
    assert "9/9" in text
    assert np.sign(text.rfind("\x1b[?25h") - text.rfind("\x1b[?25l")) == 1, "the cursor stays hidden"
