"""Disks that are full or read-only, rights that are missing, files that vanish or change, names that are long."""

from __future__ import annotations

import csv
import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import labelimg
from labelimg import LabelimgError, OutputError, UsageError, files
from labelimg.clusterimg import continuing
from pictures import ALBUM_GROUPS, groups_of, make_album, photograph, save


@pytest.fixture(autouse=True)
def no_hook() -> Iterator[None]:
    yield
    files.on_operation = None


def mounted(place: Path, *options: str) -> bool:
    place.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", ",".join(["size=3m", *options]), "tmpfs", str(place)]
    return (
        shutil.which("mount") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of 3 MB; who may not mount one skips."""
    place = tmp_path / "disk"
    if not mounted(place):
        pytest.skip("needs the right to mount a file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, leave: int = 0) -> None:
    """Fill a disk but for so many bytes."""
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            pass
        filler.truncate(max(0, filler.tell() - leave))


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".labelimg" not in path.parts
    }


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


# ------------------------------------------------------------------------------------------------------------- disks


@pytest.mark.parametrize("transfer", ["copy", "move", "none"])
def test_a_run_that_a_full_disk_ended_goes_on_when_there_is_room(album, disk, transfer, monkeypatch):
    monkeypatch.setattr(continuing, "WORTH_KEEPING_S", 0.0)
    before, out = contents(album), disk / "out"

    def hook(name: str, path: str) -> None:
        if path.endswith(("cluster_1/coffee.jpg", "clusters.csv")) and name in ("rename", "move", "replace"):
            files.on_operation = None
            fill(disk)

    files.on_operation = hook
    with pytest.raises(OutputError, match="no space left on the disk") as caught:
        labelimg.cluster(album, out=out, transfer=transfer, threads=1)
    assert "\n" not in str(caught.value)
    assert contents(album) == before
    (disk / "filler").unlink()
    result = labelimg.cluster(album, out=out, transfer=transfer, threads=1)
    assert groups_of(result.clusters, album) == {frozenset(group) for group in ALBUM_GROUPS}
    assert labelimg.undo(out) == ()
    assert contents(album) == before and not out.exists()


def test_an_undo_that_a_full_disk_hinders_loses_nothing(album, disk):
    before, out = contents(album), disk / "out"
    labelimg.cluster(album, out=out, transfer="move", threads=1)
    fill(disk)
    try:
        assert labelimg.undo(out) == ()
    except LabelimgError as error:
        assert "no space left" in str(error)
        (disk / "filler").unlink()
        assert labelimg.undo(out) == ()
    assert contents(album) == before


def test_a_read_only_disk_is_one_line_and_changes_nothing(album, tmp_path, disk):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    before = contents(album)
    with pytest.raises(OutputError) as caught:
        labelimg.cluster(album, out=disk / "out")
    assert "read-only" in str(caught.value) or "permission denied" in str(caught.value)
    assert contents(album) == before


def test_a_disk_that_turns_read_only_on_the_way_loses_nothing(album, tmp_path):
    before, out = contents(album), tmp_path / "out"
    read_only: list[bool] = []

    def hook(name: str, path: str) -> None:
        if read_only or (path.endswith("cluster_1/coffee.jpg") and name == "move"):
            read_only.append(True)
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    files.on_operation = hook
    with pytest.raises(OutputError, match="read-only"):
        labelimg.cluster(album, out=out, transfer="move", threads=1)
    files.on_operation = None
    assert {data for data, _ in before.values()} <= {
        data for data, _ in [*contents(album).values(), *contents(out).values()]
    }
    labelimg.cluster(album, out=out, transfer="move", threads=1)
    assert labelimg.undo(out) == ()
    assert contents(album) == before


def test_masks_on_a_full_disk_stay_what_they_were(tmp_path, disk):
    picture = save(tmp_path / "in/a.png", photograph("coffee"))
    folder = labelimg.MaskFolder(tmp_path / "in", disk / "masks")
    noise = np.random.default_rng(0).integers(0, 2, (700, 700), np.uint8)
    folder.save(str(picture), {(1, 2, 3): noise, (3, 2, 1): 1 - noise})
    before = contents(disk / "masks")
    fill(disk, leave=20_000)
    other = np.random.default_rng(1).integers(0, 2, (700, 700), np.uint8)
    with pytest.raises(OutputError, match="no space left on the disk"):
        folder.save(str(picture), {(1, 2, 3): other, (9, 9, 9): noise})
    assert contents(disk / "masks") == before


# ------------------------------------------------------------------------------------------------------------ rights


@pytest.fixture
def without_rights() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command that must heed rights: root does not, unless it gives up what lets it pass over them."""
    before: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root heeds no rights, and there is no setpriv to make it")
        before = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [*before, sys.executable, "-m", "labelimg", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def changed_modes() -> Iterator[Callable[[Path, int], None]]:
    """Changes modes of files, and back at the end."""
    changed: list[tuple[Path, int]] = []

    def change(path: Path, mode: int) -> None:
        changed.append((path, path.stat().st_mode))
        path.chmod(mode)

    yield change
    for path, mode in reversed(changed):
        path.chmod(mode)


def test_images_and_folders_that_may_not_be_read_are_listed(album, tmp_path, without_rights, changed_modes):
    changed_modes(album / "moon.png", 0)
    changed_modes(album / "copies", 0)
    done = without_rights("cluster", album, "--out", tmp_path / "out", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert {row["image"]: row["reason"] for row in rows(tmp_path / "out/unreadable.csv")} == {
        "moon.png": "permission denied",
        "copies": "the folder cannot be listed: permission denied",
    }
    assert len(rows(tmp_path / "out/clusters.csv")) == 5


def test_a_folder_that_may_not_be_written_is_one_line(album, tmp_path, without_rights, changed_modes):
    (tmp_path / "closed").mkdir()
    changed_modes(tmp_path / "closed", 0o555)
    for command in (["cluster"], ["labels", "--method", "superpixel"]):
        done = without_rights(*command, album, "--out", tmp_path / "closed/out")
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1 and "permission denied" in done.stderr


def test_what_may_not_be_moved_stays_and_is_listed(album, tmp_path, without_rights, changed_modes):
    before = contents(album)
    for folder in (album / "copies", album):
        changed_modes(folder, 0o555)
    done = without_rights("cluster", album, "--out", tmp_path / "out", "--transfer", "move", "--quiet")
    assert done.returncode == 0, done.stderr
    assert contents(album) == before
    assert {row["reason"] for row in rows(tmp_path / "out/unreadable.csv")} == {"not transferred: permission denied"}
    assert without_rights("undo", tmp_path / "out").returncode == 0
    assert contents(album) == before and not (tmp_path / "out").exists()


# ---------------------------------------------------------------------------------------- what changes during a run


def during(stage: str, change: Callable[[], Any]) -> Callable[[str, int, int], None]:
    """A progress function that lets something happen when a stage begins."""
    happened: list[str] = []

    def told(now: str, done: int, total: int) -> None:
        if now == stage and not happened:
            happened.append(now)
            change()

    return told


@pytest.mark.parametrize("stage", ["decoding", "comparing", "copying", "moving"])
def test_an_image_that_vanishes_is_listed_and_the_rest_goes_on(album, tmp_path, stage):
    told = during(stage, (album / "moon.png").unlink)
    transfer = "move" if stage == "moving" else "copy"
    result = labelimg.cluster(album, out=tmp_path / "out", transfer=transfer, progress=told)
    assert [(Path(each.path).name, each.reason) for each in result.unreadable] == [
        ("moon.png", "vanished: no such file" if stage == "decoding" else "not transferred: it is gone")
    ]
    assert groups_of(result.clusters, album) == {frozenset(group) for group in ALBUM_GROUPS}
    assert len(result.written) == 8


def test_a_folder_that_vanishes_is_listed_image_by_image(album, tmp_path):
    told = during("decoding", lambda: shutil.rmtree(album / "copies"))
    result = labelimg.cluster(album, out=tmp_path / "out", progress=told)
    assert len(result.unreadable) == 3
    assert len(result.written) == 6


@pytest.mark.parametrize("transfer", ["copy", "move", "hardlink"])
def test_an_image_that_changes_after_it_was_looked_at_stays(album, tmp_path, transfer):
    new = photograph("camera")
    stages = {"copy": "copying", "move": "moving", "hardlink": "linking"}

    def change() -> None:
        save(album / "moon.png", new)

    # The record is made before the first file moves, so the change falls between it and the transfer.
    def hook(name: str, path: str) -> None:
        if path.endswith("results/cluster_0") and name == "make_folder":
            files.on_operation = None
            change()

    files.on_operation = hook
    result = labelimg.cluster(album, out=tmp_path / "out", transfer=transfer, threads=1)
    assert [(Path(each.path).name, each.reason) for each in result.unreadable] == [
        ("moon.png", "not transferred: it was changed after the run began")
    ]
    assert stages[transfer] in result.seconds
    assert (album / "moon.png").is_file()
    assert not (tmp_path / "out/results/outliers/moon.png").exists()


def test_an_output_folder_that_vanishes_is_one_line_and_originals_stay(album, tmp_path):
    before, out = contents(album), tmp_path / "out"
    told = during("copying", lambda: shutil.rmtree(out))
    with pytest.raises(LabelimgError) as caught:
        labelimg.cluster(album, out=out, progress=told)
    assert "\n" not in str(caught.value)
    assert contents(album) == before


def test_two_runs_into_one_output_the_second_is_refused_and_a_killed_one_leaves_no_lock(album, tmp_path):
    code = (
        "import sys, time, labelimg\n"
        "def told(stage, done, total):\n"
        "    if stage == 'comparing': print('there', flush=True); time.sleep(60)\n"
        "labelimg.cluster(sys.argv[1], out=sys.argv[2], progress=told)\n"
    )
    command = [sys.executable, "-c", code, str(album), str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None and first.stdout.readline() == "there\n"
        for second in (labelimg.cluster, lambda *a, **k: labelimg.undo(tmp_path / "out")):
            with pytest.raises(OutputError, match="another run is working in"):
                second(album, out=tmp_path / "out")
        first.send_signal(signal.SIGKILL)
    assert labelimg.cluster(album, out=tmp_path / "out").written


# ------------------------------------------------------------------------------------------------- names and folders


def test_names_of_255_bytes_go_through_everything(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    longest = {"x" * 251 + ".png": "coffee", "é" * 125 + "a.png": "coffee", "y" * 251 + ".png": "moon"}
    for name, picture in longest.items():
        save(folder / "one" / name, photograph(picture))
        save(folder / "two" / name, photograph(picture))
    before = contents(folder)
    result = labelimg.cluster(folder, out=out, transfer="move", merge=False, batch_size=4)
    assert len(result.written) == 6
    merged = labelimg.merge(out)
    assert len(merged.written) == 6 and all(path.is_file() for path in merged.written.values())
    assert labelimg.undo(out) == ()
    assert contents(folder) == before


def test_label_maps_of_names_of_255_bytes_are_listed_as_what_cannot_be_written(tmp_path):
    from labelimg.segmentatimg.labelling import label_folders

    save(tmp_path / "in" / ("x" * 251 + ".png"), photograph("coffee", 32, 24))
    save(tmp_path / "in/a.png", photograph("coffee", 32, 24))
    result = label_folders([tmp_path / "in"], out=tmp_path / "out", method="superpixel", processes=1)
    assert [Path(each.image).name for each in result.labelled] == ["a.png"]
    assert len(result.unreadable) == 1 and "File name too long" in result.unreadable[0].reason


def test_loops_of_links_end(album, tmp_path):
    (album / "loop").symlink_to(album)
    (album / "copies/up").symlink_to("..")
    (album / "self").symlink_to("self")
    (album / "self.png").symlink_to("self.png")
    (album / "a.png").symlink_to("b.png")
    (album / "b.png").symlink_to("a.png")
    result = labelimg.cluster(album, out=tmp_path / "out")
    assert len(result.images) == 9
    assert {Path(each.path).name for each in result.unreadable} == {"self.png", "a.png", "b.png"}


def test_folders_deeper_than_a_path_may_be_are_listed_or_clustered(tmp_path):
    """A path of more than 4,096 bytes cannot be opened by its name."""
    deep = tmp_path / "in"
    save(deep / "a.png", photograph("coffee"))
    here = os.open(deep, os.O_RDONLY)
    try:
        for _ in range(25):
            os.mkdir("d" * 200, dir_fd=here)
            below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        inner = os.open("b.png", os.O_WRONLY | os.O_CREAT, dir_fd=here)
        os.write(inner, (deep / "a.png").read_bytes())
        os.close(inner)
    finally:
        os.close(here)
    result = labelimg.cluster(deep, out=tmp_path / "out")
    assert [path.name for path in result.images] == ["a.png"]
    assert len(result.unreadable) == 1 and "too long" in result.unreadable[0].reason
    subprocess.run(["rm", "-rf", str(deep)], check=True)


@pytest.mark.skipif(os.environ.get("LABELIMG_FAULTS") != "all", reason="make test-faults")
def test_100_000_files_in_one_folder(tmp_path):
    folder = tmp_path / "in"
    names = ("coffee", "moon") * 10  # a file may have 65,000 names, on some disks fewer
    pictures = [save(folder / f"{k}.png", photograph(name, 32, 24)) for k, name in enumerate(names)]
    for number in range(100_000 - len(pictures)):
        os.link(pictures[number % len(pictures)], folder / f"link {number:06}.png")
    out = tmp_path / "out"
    result = labelimg.cluster(folder, out=out, transfer="hardlink", method="imagehash")
    assert (result.count, len(result.clusters)) == (100_000, 2)
    assert len(os.listdir(out / "results/cluster_0")) == 50_000
    assert labelimg.cluster(folder, out=out, transfer="hardlink").earlier
    assert labelimg.undo(out) == ()
    assert len(os.listdir(folder)) == 100_000


def test_few_descriptors_are_enough(album, tmp_path):
    """A run holds few files open, whatever the number of images."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = make_album(tmp_path / "many")
    for number in range(300):
        os.link(many / "moon.png", many / f"moon {number}.png")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, len(os.listdir("/proc/self/fd")) + 40), hard))
    try:
        result = labelimg.cluster(many, out=tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not result.unreadable
    assert threading.active_count() < 20


def test_a_missing_and_an_unlistable_folder_are_refused_in_words(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        labelimg.cluster(tmp_path / "nowhere", out=tmp_path / "out")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError):
        labelimg.cluster(tmp_path / "loop", out=tmp_path / "out")
