"""Label maps as files, and folders of them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import io

import labelimg
from labelimg import decoding, files
from labelimg.errors import OutputError, UnreadableImageError, UsageError
from labelimg.segmentatimg import work
from labelimg.segmentatimg.labelling import label_folders, unique_stems
from labelimg.segmentatimg.labelmaps import description_of, load_labels, save_labels, with_boundaries
from labelimg.segmentatimg.methods import NAMES, make_method
from labelimg.segmentatimg.sheet import preview
from labelimg.segmentatimg.work import Job, label_one, outcomes
from pictures import photograph, save, truncated_png


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as table:
        return list(csv.reader(table))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    save(folder / "a.png", photograph("coffee"))
    save(folder / "a.jpg", photograph("chelsea"))
    save(folder / "deep/ü ß.png", photograph("camera")[..., 0])
    save(folder / "one.png", np.zeros((1, 1, 3), np.uint8))
    (folder / "notes.txt").write_text("no picture", "utf-8")
    return folder


# -------------------------------------------------------------------------------------------------------- one file


@pytest.mark.parametrize("ending", [".tif", ".TIFF", ".png"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (37, 53)])
def test_scikit_image_reads_back_the_same_numbers(tmp_path, ending, shape):
    labels = np.random.default_rng(1).integers(0, 65_536, shape).astype(np.int32)
    path = tmp_path / f"labels{ending}"
    save_labels(path, labels, description='{"made": "by us"}')
    read = io.imread(path)
    assert read.dtype == (np.uint16 if ending == ".png" else np.int32)
    np.testing.assert_array_equal(read, labels)
    np.testing.assert_array_equal(load_labels(path), labels)
    assert load_labels(path).dtype == np.int32
    assert description_of(path) == '{"made": "by us"}'
    if ending == ".png":
        np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), labels)


def test_tiff_holds_any_number_and_png_says_what_it_cannot(tmp_path):
    labels = np.array([[2**31 - 1, 65_536]])
    save_labels(tmp_path / "x.tif", labels)
    np.testing.assert_array_equal(io.imread(tmp_path / "x.tif"), labels)
    (tmp_path / "x.tif").unlink()
    with pytest.raises(UsageError, match="2,147,483,647 segments do not fit in a 16-bit PNG"):
        save_labels(tmp_path / "x.png", labels)
    for path, text in (("x.jpg", "must end in .tif, .tiff or .png"), ("x", "must end in")):
        with pytest.raises(UsageError, match=text):
            save_labels(tmp_path / path, np.ones((2, 2), int))
    with pytest.raises(UsageError, match="must have pixels"):
        save_labels(tmp_path / "x.tif", np.zeros((0, 2), int))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_label_map_is_unreadable(tmp_path):
    for name in ("x.tif", "x.png"):
        assert description_of(tmp_path / name) is None
        with pytest.raises(UnreadableImageError, match="no such file"):
            load_labels(tmp_path / name)
        (tmp_path / name).write_bytes(b"II*\0 garbage")
        assert description_of(tmp_path / name) is None
        with pytest.raises(UnreadableImageError):
            load_labels(tmp_path / name)
    save(tmp_path / "colour.png", photograph("coffee"))
    with pytest.raises(UnreadableImageError, match="labels must be whole numbers"):
        load_labels(tmp_path / "colour.png")


def test_boundaries_are_drawn_on_a_copy_that_may_be_smaller():
    image = photograph("coffee")
    labels = np.ones((120, 160), np.int32)
    labels[:, 80:] = 2
    drawn = with_boundaries(image, labels, colour=(1, 2, 3))
    assert (drawn[:, 79] == (1, 2, 3)).all()
    np.testing.assert_array_equal(np.delete(drawn, 79, axis=1), np.delete(image, 79, axis=1))
    small = with_boundaries(image, labels, longest=40, colour=(1, 2, 3))
    assert small.shape == (30, 40, 3)
    assert np.flatnonzero((small == (1, 2, 3)).all(axis=2).all(axis=0)).tolist() == [19]
    with pytest.raises(UsageError, match="labels must have the size of the image"):
        with_boundaries(image, labels[1:])


# ---------------------------------------------------------------------------------------------------------- folders


def test_a_folder_is_labelled_and_the_originals_stay(images, tmp_path):
    truncated_png(images / "broken.png")
    (images / "empty.jpg").touch()
    before = tree(images)
    steps: list[tuple[str, int, int]] = []
    result = label_folders([images], out=tmp_path / "out", processes=1, progress=lambda *step: steps.append(step))
    assert tree(images) == before
    assert [Path(each.image).name for each in result.labelled] == ["a.jpg", "a.png", "ü ß.png", "one.png"]
    assert [Path(each.path).name for each in result.unreadable] == ["broken.png", "empty.jpg"]
    assert (result.earlier, result.skipped) == (0, 1)
    assert steps[0] == ("segmenting", 0, 6)
    assert steps[-1] == ("segmenting", 6, 6)
    stems = {"a.jpg": "a.jpg", "a.png": "a.png", "deep/ü ß.png": "deep/ü ß", "one.png": "one"}
    expected = {f"{stem}{end}" for stem in stems.values() for end in ("_labels.tif", "_preview.jpg")}
    assert tree(tmp_path / "out").keys() == expected | {"labels.csv", "unreadable.csv", "run.json"}
    for name, stem in stems.items():
        from labelimg.decoding import Shrink, read

        labels = labelimg.segment(read(str(images / name), Shrink(colour=True)))
        np.testing.assert_array_equal(io.imread(tmp_path / f"out/{stem}_labels.tif"), labels)
        with Image.open(tmp_path / f"out/{stem}_preview.jpg") as picture:
            assert picture.size == labels.shape[::-1]
    table = rows_of(tmp_path / "out/labels.csv")
    assert table[0] == ["image", "labels", "segments", "width", "height"]
    assert table[-1] == ["one.png", "one_labels.tif", "1", "1", "1"]
    assert [row[0] for row in rows_of(tmp_path / "out/unreadable.csv")[1:]] == ["broken.png", "empty.jpg"]
    run = json.loads((tmp_path / "out/run.json").read_text("utf-8"))
    assert run["complete"]
    assert run["counts"] == {"images": 6, "labelled": 4, "earlier": 0, "unreadable": 2, "skipped": 1}


def test_processes_give_the_same_files_as_none(images, tmp_path):
    label_folders([images], out=tmp_path / "one", method="kmeans", format="png", processes=1)
    label_folders([images], out=tmp_path / "two", method="kmeans", format="png", processes=2)
    one, two = (tree(tmp_path / name) for name in ("one", "two"))
    one.pop("run.json"), two.pop("run.json")
    assert one == two


def test_a_run_goes_on_where_it_stopped(images, tmp_path, monkeypatch):
    out = tmp_path / "out"
    done: list[str] = []

    def stop_after_two(name: str, path: str) -> None:
        if name == "replace" and path.endswith("_labels.tif"):
            done.append(path)
            if len(done) > 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(files, "on_operation", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        label_folders([images], out=out, processes=1)
    assert not json.loads((out / "run.json").read_text("utf-8"))["complete"]
    assert not [path for path in out.rglob("*") if path.suffix == ".part"]
    monkeypatch.setattr(files, "on_operation", None)
    result = label_folders([images], out=out, processes=1)
    assert (len(result.labelled), result.earlier) == (4, 2)
    again = label_folders([images], out=out, processes=1)
    assert again.earlier == 4
    assert [each.segments for each in again.labelled] == [each.segments for each in result.labelled]


def test_what_changed_or_went_missing_is_done_again(images, tmp_path):
    out = tmp_path / "out"
    label_folders([images], out=out, processes=1)
    save(images / "one.png", photograph("moon"))
    (out / "a.png_preview.jpg").unlink()
    (out / "a.jpg_labels.tif").unlink()
    assert label_folders([images], out=out, processes=1).earlier == 1
    np.testing.assert_array_equal(io.imread(out / "one_labels.tif"), labelimg.segment(photograph("moon")))
    assert (out / "a.png_preview.jpg").exists()


def test_other_settings_need_overwrite_and_replace_what_is_ours_alone(images, tmp_path):
    out = tmp_path / "out"
    label_folders([images], out=out, processes=1)
    with pytest.raises(OutputError, match=r"holds label maps of other settings \(graph\); add --overwrite"):
        label_folders([images], out=out, processes=1, k=77)
    (out / "one_labels.png").write_bytes(b"mine")
    result = label_folders([images], out=out, processes=1, format="png", overwrite=True)
    assert (out / "one_labels.png").read_bytes() == b"mine"
    assert [each.reason for each in result.unreadable] == [
        "one_labels.png is there and was not made by labelimg: move it away"
    ]
    assert sorted(path.name for path in out.rglob("*.tif")) == ["one_labels.tif"]


def test_folders_that_cannot_be_are_refused(images, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").touch()
    (tmp_path / "none").mkdir()
    for folder, out, error, text in (
        (images, images / "out", UsageError, "lies in the image folder"),
        (images / "deep", images, UsageError, "contains the image folder"),
        (images, tmp_path / "full", OutputError, "not made by labelimg labels"),
        (images, tmp_path / "full/mine.txt", OutputError, "is not a folder"),
        (tmp_path / "none", tmp_path / "out", UsageError, "no images in"),
        (tmp_path / "nowhere", tmp_path / "out", UsageError, "no such folder"),
    ):
        with pytest.raises(error, match=text):
            label_folders([folder], out=out, processes=1)
    for options in ({"format": "bmp"}, {"processes": 0}, {"method": "sift"}, {"k": 0}):
        with pytest.raises(UsageError):
            label_folders([images], out=tmp_path / "out", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_the_run_and_leaves_no_half_file(images, tmp_path, monkeypatch):
    import errno

    def full(name: str, path: str) -> None:
        if name == "write" and "/out/" in path and path.endswith(".part") and len(os.listdir(tmp_path / "out")) > 4:
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(files, "on_operation", full)
    with pytest.raises(OutputError, match="no space left on the disk"):
        label_folders([images], out=tmp_path / "out", processes=1)
    assert not list((tmp_path / "out").rglob("*.part"))


def test_names_that_would_collide_keep_their_endings():
    assert unique_stems([]) == []
    assert unique_stems(["a.jpg", "A.png", "b.png", "d/a.jpg"]) == ["a.jpg", "A.png", "b", "d/a"]
    assert unique_stems(["a.jpg", "a.png", "a.jpg.png"]) == ["a.jpg", "a.png", "a.jpg.png"]


def test_what_a_library_raises_on_one_image_is_listed(images, tmp_path, monkeypatch):
    def fail(self: Any, image: Any) -> Any:
        raise ValueError("no\nluck")

    monkeypatch.setattr(type(make_method("graph")), "raw", fail)
    result = label_folders([images], out=tmp_path / "out", processes=1)
    assert not result.labelled
    assert {each.reason for each in result.unreadable} == {"graph fails on it: no luck"}


def _end_process_on_coffee(job: Job) -> Any:
    if job.image.endswith("a.png"):
        os._exit(1)
    return label_one(job)


def test_an_image_that_ends_its_process_is_listed_and_the_others_are_done(images, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    names = ("a.png", "a.jpg", "one.png")
    jobs = [
        Job(str(images / name), str(tmp_path / "out" / name), "tiff", False, make_method("graph")) for name in names
    ]
    monkeypatch.setattr(work, "label_one", _end_process_on_coffee)
    found = dict(outcomes(jobs, 2))
    assert sorted(found) == [0, 1, 2]
    assert "was ended" in found[0].reason  # type: ignore[union-attr]
    assert [found[k].segments > 0 for k in (1, 2)] == [True, True]  # type: ignore[union-attr]


# ------------------------------------------------------------------------------------------------------------ sheet


def test_the_sheet_shows_every_method_and_its_figures():
    image = photograph("coffee")
    drawn, tried = preview(image, tile=80)
    assert tuple(each.method for each in tried) == NAMES
    for each in tried:
        assert each.segments == labelimg.segment(image, each.method).max()
        assert each.seconds > 0
    assert drawn.dtype == np.uint8
    assert drawn.shape == (3 * (60 + 34 + 12) + 12, 3 * (300 + 12) + 12, 3)
    for k, each in enumerate(("image", *NAMES)):
        top, left = 12 + k // 3 * 106 + 34, 12 + k % 3 * 312
        labels = np.ones((120, 160), int) if each == "image" else labelimg.segment(image, each)
        np.testing.assert_array_equal(
            drawn[top : top + 60, left : left + 80], with_boundaries(image, labels, longest=80)
        )


def test_the_sheet_of_one_pixel_and_of_none():
    drawn, tried = preview(np.zeros((1, 1, 3), np.uint8), tile=64)
    assert [each.segments for each in tried] == [1] * 8
    assert drawn.shape[2] == 3
    for image, tile, text in (
        (np.zeros((0, 3, 3), np.uint8), 64, "must have pixels"),
        (np.zeros((3, 3, 3), np.uint8), 63, "tile must be at least 64, got 63"),
    ):
        with pytest.raises(UsageError, match=text):
            preview(image, tile=tile)


def test_a_large_image_that_would_take_more_memory_than_there_is_is_listed_and_not_decoded(
    images, tmp_path, monkeypatch
):
    save(images / "large.png", np.zeros((90, 100), np.uint8))
    monkeypatch.setattr(decoding, "LARGE_PIXELS", 8000)
    monkeypatch.setattr(decoding, "available_memory", lambda: 12 * 9000 - 1)
    read = []
    monkeypatch.setattr(work, "read", lambda path, shrink: read.append(Path(path).name) or decoding.read(path, shrink))
    run = label_folders([images], out=tmp_path / "out", processes=1, include=["large.png", "one.png"])
    assert [Path(each.image).name for each in run.labelled] == read == ["one.png"]
    (left,) = run.unreadable
    assert left.reason.startswith("0 megapixels would take 0.0 GB of memory, and 0.0 GB are free: ")
    monkeypatch.setattr(decoding, "available_memory", lambda: 12 * 9000)
    run = label_folders([images], out=tmp_path / "out", processes=1, include=["large.png", "one.png"])
    assert len(run.labelled) == 2 and not run.unreadable


def test_a_limit_that_was_set_counts_as_the_memory_there_is():
    code = """
import resource
from labelimg.memory import available_memory
resource.setrlimit(resource.RLIMIT_DATA, (500_000_000, resource.getrlimit(resource.RLIMIT_DATA)[1]))
print(available_memory())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 300_000_000 < int(done.stdout) < 500_000_000
