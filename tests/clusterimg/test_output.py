"""What a run leaves in its output folder: the images and their names, by every kind of transfer."""

from __future__ import annotations

import contextlib
import csv
import errno
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import labelimg
from labelimg import OutputError, UsageError, files
from labelimg.clusterimg import pipeline
from pictures import ALBUM_GROUPS, ALBUM_LONE, make_album, photograph, relative, save, truncated_png


def tree(folder: Path) -> list[str]:
    """All files below the folder but for the record of the run, sorted."""
    found = relative((path for path in folder.rglob("*") if not path.is_dir()), folder)
    return sorted(name for name in found if not name.startswith(".labelimg/"))


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {name: ((folder / name).read_bytes(), (folder / name).stat().st_mtime_ns) for name in tree(folder)}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


PAGE = ["near_misses.csv", "report.html", "report.json", "thumbnails.bin"]
TABLES = sorted([*PAGE, "clusters.csv", "run.json", "similarities/batch_0.csv", "unreadable.csv"])
ALBUM_TREE = [
    "results/cluster_0/astronaut small.png",
    "results/cluster_0/astronaut.jpg",
    "results/cluster_0/astronaut.png",
    "results/cluster_1/coffee.jpg",
    "results/cluster_1/coffee.png",
    "results/cluster_2/rocket.png",
    "results/cluster_2/ünïcode rocket.png",
    "results/outliers/chelsea.png",
    "results/outliers/moon.png",
]


@pytest.fixture
def in_two_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches by even and odd rows, so that every group of the album is torn apart."""
    monkeypatch.setattr(
        pipeline,
        "_batches",
        lambda extracted, size: [np.arange(k, len(extracted.rows), 2, dtype=np.int32) for k in (0, 1)],
    )


@pytest.mark.parametrize("transfer", ["copy", "hardlink", "symlink"])
def test_images_go_to_their_clusters_and_originals_stay(album, tmp_path, transfer):
    before = contents(album)
    out = tmp_path / "out"
    result = labelimg.cluster(album, out=out, transfer=transfer)
    assert tree(out) == sorted([*TABLES, *ALBUM_TREE])
    assert contents(album) == before
    for image, written in result.written.items():
        assert written.read_bytes() == image.read_bytes()
        assert written.is_symlink() == (transfer == "symlink")
        assert (written.stat().st_ino == image.stat().st_ino) == (transfer != "copy")
    assert result.out == out
    assert result.written.keys() == set(result.images)


def test_moved_images_are_in_one_place_and_lose_nothing(album, tmp_path):
    before = contents(album)
    result = labelimg.cluster(album, out=tmp_path / "out", transfer="move")
    assert tree(album) == ["notes.txt"]
    assert tree(tmp_path / "out") == sorted([*TABLES, *ALBUM_TREE])
    for image, written in result.written.items():
        assert (written.read_bytes(), written.stat().st_mtime_ns) == before[image.relative_to(album).as_posix()]


def test_transfer_none_leaves_only_tables(album, tmp_path):
    before = contents(album)
    result = labelimg.cluster(album, out=tmp_path / "out", transfer="none")
    assert tree(tmp_path / "out") == TABLES
    assert contents(album) == before
    assert result.written == {}
    assert {row["written"] for row in rows(tmp_path / "out/clusters.csv")} == {""}


def test_there_is_always_a_folder_of_outliers(tmp_path):
    for name in ("a.png", "b.png"):
        save(tmp_path / "in" / name, photograph("coffee"))
    labelimg.cluster(tmp_path / "in", out=tmp_path / "out")
    assert (tmp_path / "out/results/outliers").is_dir()


def test_files_of_one_name_from_different_folders_both_survive(tmp_path):
    coffee, moon = photograph("coffee"), photograph("moon")
    for name in ("one/a.png", "two/a.png", "three/A.PNG", "three/a__2.png"):
        save(tmp_path / "in" / name, coffee)
    save(tmp_path / "in/one/moon.png", moon)
    labelimg.cluster(tmp_path / "in", out=tmp_path / "out")
    listed = {row["image"]: row["written"] for row in rows(tmp_path / "out/clusters.csv")}
    assert listed.pop("one/moon.png") == "results/outliers/moon.png"
    assert listed["one/a.png"] == "results/cluster_0/a.png"
    assert len({written.lower() for written in listed.values()}) == 4
    assert sorted(listed.values()) == sorted(
        f"results/cluster_0/{p.name}" for p in (tmp_path / "out/results/cluster_0").iterdir()
    )
    assert "results/cluster_0/a__2.png" in listed.values()


def test_equal_names_in_different_clusters_keep_their_names(tmp_path):
    for folder, name in (("one", "coffee"), ("two", "moon")):
        save(tmp_path / "in" / folder / "a.png", photograph(name))
        save(tmp_path / "in" / folder / "b.png", photograph(name))
    labelimg.cluster(tmp_path / "in", out=tmp_path / "out")
    for number in (0, 1):
        assert sorted(p.name for p in (tmp_path / f"out/results/cluster_{number}").iterdir()) == ["a.png", "b.png"]


# --------------------------------------------------------------------------------------------------- batch folders


def test_without_merging_there_are_batch_folders_and_no_results(album, tmp_path, in_two_batches):
    result = labelimg.cluster(album, out=tmp_path / "out", merge=False)
    folders = sorted(relative((path for path in (tmp_path / "out").glob("[!.]*/*") if path.is_dir()), tmp_path / "out"))
    assert not (tmp_path / "out/results").exists()
    # Even rows: astronaut, coffee, copies/astronaut.jpg, moon, ünïcode rocket. Odd: the others.
    assert folders == ["batch_0/cluster_0", "batch_0/outliers", "batch_1/outliers"]
    assert sorted(p.name for p in (tmp_path / "out/batch_0/cluster_0").iterdir()) == ["astronaut.jpg", "astronaut.png"]
    assert sorted(result.written.values()) == sorted((tmp_path / "out").glob("batch_*/*/*"))
    assert {row["cluster"] for row in rows(tmp_path / "out/clusters.csv")} == set(folders)
    assert not (tmp_path / "out/similarities/representatives.csv").exists()


@pytest.mark.parametrize("transfer", ["copy", "hardlink", "symlink"])
def test_keep_batches_leaves_both(album, tmp_path, in_two_batches, transfer):
    labelimg.cluster(album, out=tmp_path / "out", keep_batches=True, transfer=transfer)
    out = tmp_path / "out"
    assert [name for name in tree(out) if name.startswith("results/")] == ALBUM_TREE
    assert len(list(out.glob("batch_*/*/*"))) == 9
    assert {row["written"] for row in rows(out / "clusters.csv")} == set(ALBUM_TREE)
    for number in (0, 1):
        assert (out / f"batch_{number}/outliers").is_dir()


def test_batch_folders_are_gone_unless_they_are_to_be_kept(album, tmp_path, in_two_batches):
    labelimg.cluster(album, out=tmp_path / "out")
    assert not list((tmp_path / "out").glob("batch_*"))


# ---------------------------------------------------------------------------------------------------------- dry run


@pytest.mark.parametrize("transfer", ["copy", "move", "none"])
def test_a_dry_run_writes_nothing_and_says_where_images_would_go(album, tmp_path, transfer):
    before = contents(tmp_path)
    planned = labelimg.cluster(album, out=tmp_path / "out", transfer=transfer, dry_run=True)
    assert contents(tmp_path) == before
    assert not (tmp_path / "out").exists()
    done = labelimg.cluster(album, out=tmp_path / "out", transfer=transfer)
    assert planned.written == done.written


def test_a_dry_run_over_an_earlier_run_leaves_that_and_plans_its_names(album, tmp_path):
    first = labelimg.cluster(album, out=tmp_path / "out")
    before = contents(tmp_path)
    planned = labelimg.cluster(album, out=tmp_path / "out", overwrite=True, dry_run=True)
    assert contents(tmp_path) == before
    assert planned.written == first.written


@pytest.mark.parametrize("transfer", ["copy", "move", "symlink"])
def test_a_folder_named_by_a_detour_over_a_link_can_be_taken_back(album, tmp_path, transfer):
    before = contents(album)
    (tmp_path / "else/where").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "else/where")
    album.rename(tmp_path / "else/album")
    detour = f"{tmp_path}/link/../album"  # in the folder that the link leads to, not beside the link
    done = labelimg.cluster(detour, out=tmp_path / "out", transfer=transfer)
    assert labelimg.cluster(detour, out=tmp_path / "out", transfer=transfer).earlier
    assert done.count == 9
    assert labelimg.undo(tmp_path / "out") == ()
    assert contents(tmp_path / "else/album") == before
    with pytest.raises(UsageError, match="lies in the image folder"):
        labelimg.cluster(detour, out=tmp_path / "else/album/inside")


def test_a_dry_run_of_what_is_done_says_so(album, tmp_path):
    done = labelimg.cluster(album, out=tmp_path / "out")
    before = contents(tmp_path)
    again = labelimg.cluster(album, out=tmp_path / "out", dry_run=True)
    assert (again.earlier, again.written, contents(tmp_path)) == (True, done.written, before)
    with pytest.raises(OutputError, match="--overwrite"):
        labelimg.cluster(album, out=tmp_path / "out", threshold=0.5, dry_run=True)
    shutil.copy(album / "moon.png", album / "another.png")
    with pytest.raises(OutputError, match="of other images"):
        labelimg.cluster(album, out=tmp_path / "out", dry_run=True)


# -------------------------------------------------------------------------------------------------------- overwriting


def test_an_existing_result_is_refused_without_overwrite(album, tmp_path):
    labelimg.cluster(album, out=tmp_path / "out")
    before = contents(tmp_path)
    with pytest.raises(OutputError, match="--overwrite"):
        labelimg.cluster(album, out=tmp_path / "out", threshold=0.5)
    assert contents(tmp_path) == before


def test_overwrite_removes_what_the_earlier_run_wrote_and_nothing_else(album, tmp_path, in_two_batches):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out, keep_batches=True)
    (out / "notes.txt").write_text("mine", "utf-8")
    (out / "results/cluster_0/mine.png").write_bytes(b"mine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "_batches", lambda extracted, size: [np.arange(9, dtype=np.int32)])
        labelimg.cluster(album, out=out, method="ssim", threshold=0.6, overwrite=True)
    expected = [*TABLES, *ALBUM_TREE, "notes.txt", "results/cluster_0/mine.png"]
    assert tree(out) == sorted(expected)
    assert (out / "results/cluster_0/mine.png").read_bytes() == b"mine"


def test_a_folder_that_looks_like_a_result_is_left_alone(album, tmp_path):
    out = tmp_path / "out"
    for name in ("run.json", "clusters.csv", "similarities/batch_0.csv"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine", "utf-8")
    before = contents(out)
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="not made by labelimg"):
            labelimg.cluster(album, out=out, overwrite=overwrite)
    assert contents(out) == before


@pytest.mark.parametrize("name", TABLES)
def test_notes_in_a_table_survive_overwriting(album, tmp_path, name):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out)
    with (out / name).open("a", encoding="utf-8") as table:
        table.write("my notes\n")
    before = contents(out)
    with pytest.raises(OutputError, match=f"{name} is not as an earlier run wrote it .*; move it elsewhere first"):
        labelimg.cluster(album, out=out, overwrite=True)
    assert contents(out) == before
    (out / name).rename(tmp_path / "notes")
    labelimg.cluster(album, out=out, overwrite=True)
    assert tree(out) == sorted([*TABLES, *ALBUM_TREE])
    assert (tmp_path / "notes").read_bytes().endswith(b"my notes\n")


def test_overwrite_for_which_there_is_no_room_leaves_the_earlier_run(album, tmp_path, monkeypatch):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out)
    before = contents(out)
    save(album / "new.png", photograph("camera"))
    monkeypatch.setattr(files, "free_bytes", lambda path: 0)
    with pytest.raises(OutputError, match=r"^needs "):
        labelimg.cluster(album, out=out, overwrite=True)
    assert contents(out) == before
    monkeypatch.undo()
    labelimg.undo(out)
    assert not out.exists()


def test_overwrite_with_links_to_another_file_system_leaves_the_earlier_run(album):
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == album.stat().st_dev:
        pytest.skip("needs a second file system")
    with tempfile.TemporaryDirectory(dir=shm) as other:
        out = Path(other, "out")
        labelimg.cluster(album, out=out)
        before = contents(out)
        with pytest.raises(OutputError, match="--transfer copy"):
            labelimg.cluster(album, out=out, transfer="hardlink", overwrite=True)
        assert contents(out) == before


def test_originals_that_were_moved_are_never_removed(album, tmp_path):
    labelimg.cluster(album, out=tmp_path / "out", transfer="move")
    make_album(album)
    before = contents(tmp_path)
    with pytest.raises(OutputError, match="move"):
        labelimg.cluster(album, out=tmp_path / "out", overwrite=True)
    assert contents(tmp_path) == before


def test_a_folder_of_somebody_else_is_refused_even_with_overwrite(album, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine", "utf-8")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="not made by labelimg"):
            labelimg.cluster(album, out=tmp_path / "out", overwrite=overwrite)
    assert tree(tmp_path / "out") == ["mine.txt"]


def test_an_empty_folder_is_taken(album, tmp_path):
    (tmp_path / "out").mkdir()
    labelimg.cluster(album, out=tmp_path / "out")
    assert tree(tmp_path / "out") == sorted([*TABLES, *ALBUM_TREE])


def test_out_may_lie_beside_the_images_and_be_relative(album, monkeypatch):
    monkeypatch.chdir(album.parent)
    result = labelimg.cluster("album", out="out")
    assert tree(album.parent / "out") == sorted([*TABLES, *ALBUM_TREE])
    assert all(path.exists() for path in result.written.values())


def test_out_inside_the_images_is_refused(album):
    with pytest.raises(UsageError):
        labelimg.cluster(album, out=album / "sorted")
    assert not (album / "sorted").exists()


# ----------------------------------------------------------------------------------------------------------- trouble


def test_an_image_that_cannot_be_transferred_is_listed_and_stays(album, tmp_path, monkeypatch):
    def hook(name: str, path: str) -> None:
        if "moon" in path:
            raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(files, "on_operation", hook)
    result = labelimg.cluster(album, out=tmp_path / "out")
    monkeypatch.setattr(files, "on_operation", None)
    moon = album / "moon.png"
    assert [Path(each.path) for each in result.unreadable] == [moon]
    assert result.unreadable[0].reason.startswith("not transferred: ")
    assert moon not in result.written
    assert moon.exists()
    assert {row["image"]: row["written"] for row in rows(tmp_path / "out/clusters.csv")}["moon.png"] == ""
    assert rows(tmp_path / "out/unreadable.csv")[0]["image"] == "moon.png"


def test_a_full_disk_leaves_nothing_behind(album, tmp_path, monkeypatch):
    def hook(name: str, path: str) -> None:
        if "rocket" in path and str(album) not in path:
            raise OSError(errno.ENOSPC, "No space left on device", path)

    before = contents(album)
    monkeypatch.setattr(files, "on_operation", hook)
    with pytest.raises(labelimg.LabelimgError, match="space"):
        labelimg.cluster(album, out=tmp_path / "out")
    monkeypatch.setattr(files, "on_operation", None)
    assert contents(album) == before
    assert not (tmp_path / "out").exists() or tree(tmp_path / "out") == []
    labelimg.cluster(album, out=tmp_path / "out")


@pytest.mark.parametrize("transfer", ["copy", "move", "none"])
@pytest.mark.parametrize("name", [*(name for name in TABLES if name != "report.html"), "similarities", "wrote.json"])
def test_a_disk_that_fills_up_while_tables_are_written_leaves_nothing(album, tmp_path, monkeypatch, name, transfer):
    full = False

    def hook(operation: str, path: str) -> None:
        nonlocal full
        full = full or (path.endswith(f"/{name}") and operation in ("replace", "make_folder"))
        if full and operation not in ("remove", "remove_folder", "move"):
            raise OSError(errno.ENOSPC, "No space left on device", path)

    before = contents(album)
    monkeypatch.setattr(files, "on_operation", hook)
    with pytest.raises(OutputError, match=f"{name}: no space left on the disk$"):
        labelimg.cluster(album, out=tmp_path / "out", transfer=transfer)
    monkeypatch.setattr(files, "on_operation", None)
    assert contents(album) == before
    assert not (tmp_path / "out").exists()
    labelimg.cluster(album, out=tmp_path / "out", transfer=transfer)


@pytest.mark.parametrize("transfer", ["copy", "move", "none"])
def test_a_disk_that_fills_up_while_the_page_is_written_costs_the_page_alone(album, tmp_path, monkeypatch, transfer):
    def hook(operation: str, path: str) -> None:
        if path.endswith("/report.html") and operation == "replace":
            raise OSError(errno.ENOSPC, "No space left on device", path)

    out = tmp_path / "out"
    monkeypatch.setattr(files, "on_operation", hook)
    with pytest.raises(
        OutputError, match=r"images are sorted, but .*: no space left on the disk; then labelimg report"
    ):
        labelimg.cluster(album, out=out, transfer=transfer)
    monkeypatch.setattr(files, "on_operation", None)
    expected = TABLES if transfer == "none" else sorted([*TABLES, *ALBUM_TREE])
    assert tree(out) == [name for name in expected if name != "report.html"]
    labelimg.write_report(out)
    assert tree(out) == expected
    labelimg.undo(out)
    assert not out.exists()


def test_what_cannot_be_taken_back_from_a_full_disk_is_said(album, tmp_path, monkeypatch):
    def hook(operation: str, path: str) -> None:
        if path.endswith("/run.json") and operation == "replace":
            raise OSError(errno.ENOSPC, "No space left on device", path)
        if path == str(album / "moon.png") and operation == "move":
            raise PermissionError(errno.EACCES, "Permission denied", path)

    before = contents(album)
    monkeypatch.setattr(files, "on_operation", hook)
    with pytest.raises(OutputError, match=r"run\.json: no space left on the disk; 1 of the files stayed in .*/out$"):
        labelimg.cluster(album, out=tmp_path / "out", transfer="move")
    monkeypatch.setattr(files, "on_operation", None)
    assert tree(tmp_path / "out") == ["results/outliers/moon.png"]
    assert labelimg.undo(tmp_path / "out") == ()
    assert contents(album) == before
    assert not (tmp_path / "out").exists()


def test_an_interrupted_run_has_recorded_the_tables_it_wrote(album, tmp_path, monkeypatch):
    def hook(operation: str, path: str) -> None:
        if path.endswith("/run.json") and operation == "replace":
            raise KeyboardInterrupt

    out = tmp_path / "out"
    monkeypatch.setattr(files, "on_operation", hook)
    with pytest.raises(KeyboardInterrupt):
        labelimg.cluster(album, out=out)
    monkeypatch.setattr(files, "on_operation", None)
    assert tree(out) == sorted([*ALBUM_TREE, "clusters.csv", "similarities/batch_0.csv", "unreadable.csv"])
    assert labelimg.undo(out) == ()
    assert not out.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of 4 MB; who may not mount one skips."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_disk_that_is_really_full_leaves_what_was_there(tmp_path, small_disk, overwrite):
    for name in ("coffee", "moon"):
        save(tmp_path / "in" / f"{name}.png", photograph(name))
    out = small_disk / "out"
    if overwrite:
        labelimg.cluster(tmp_path / "in", out=out)
    before = contents(small_disk)
    (tmp_path / "in/large.png").write_bytes((tmp_path / "in/coffee.png").read_bytes() + bytes(4_000_000))
    with pytest.raises(OutputError, match=r"^needs "):
        labelimg.cluster(tmp_path / "in", out=out, overwrite=overwrite)
    assert contents(small_disk) == before
    assert out.exists() == overwrite


def test_tables_that_do_not_fit_on_a_real_disk_leave_nothing(album, small_disk, monkeypatch):
    def hook(operation: str, path: str) -> None:  # somebody else fills the disk when the copies are there
        if path.endswith("/unreadable.csv") and operation == "replace":
            with contextlib.suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
                while filler.write(bytes(4096)):
                    pass

    monkeypatch.setattr(files, "on_operation", hook)
    with pytest.raises(OutputError, match=r"no space left on the disk$"):
        labelimg.cluster(album, out=small_disk / "out")
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_unreadable_files_stay_where_they_are_when_the_rest_moves(album, tmp_path):
    truncated_png(album / "cut.png")
    labelimg.cluster(album, out=tmp_path / "out", transfer="move")
    assert tree(album) == ["cut.png", "notes.txt"]


def test_the_groups_of_the_album_are_what_these_tests_take_them_for():
    assert sorted(Path(name).name for name in (*ALBUM_LONE, *sum(ALBUM_GROUPS, ()))) == sorted(
        Path(name).name for name in ALBUM_TREE
    )


def test_links_to_images_are_images_and_stay_links(album, tmp_path):
    (album / "link.png").symlink_to(album / "moon.png")
    result = labelimg.cluster(album, out=tmp_path / "out")
    assert (album / "link.png").is_symlink()
    assert any({path.name for path in cluster} == {"link.png", "moon.png"} for cluster in result.clusters)


def test_undo_leaves_no_empty_folder_of_ours_beside_what_others_put_there(album, tmp_path):
    labelimg.cluster(album, out=tmp_path / "out")
    (tmp_path / "out/notes.txt").write_text("mine", "utf-8")
    labelimg.undo(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["notes.txt"]
