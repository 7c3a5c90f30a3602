"""Merging what a run without merging left, as it was and after a person changed it."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import labelimg
from labelimg import FeatureCache, OutputError, UsageError, files
from labelimg.clusterimg import pipeline
from pictures import ALBUM_GROUPS, ALBUM_LONE, groups_of, make_album, photograph, relative, save, truncated_png

WHOLE = {frozenset(group) for group in ALBUM_GROUPS}


@pytest.fixture(autouse=True)
def in_two_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even and odd rows. Batch 0: astronaut.png, coffee.png, copies/astronaut.jpg, moon.png, ünïcode rocket.png.

    Batch 1: chelsea.png, copies/astronaut small.png, copies/coffee.jpg, rocket.png, all of them outliers there.
    """
    monkeypatch.setattr(
        pipeline,
        "_batches",
        lambda extracted, size: [np.arange(k, len(extracted.rows), 2, dtype=np.int32) for k in (0, 1)],
    )


@pytest.fixture
def out(album: Path, tmp_path: Path) -> Path:
    """A result of the album that is not merged yet."""
    labelimg.cluster(album, out=tmp_path / "out", merge=False)
    return tmp_path / "out"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def run_json(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "run.json").read_text("utf-8"))
    return found


def pictures_in(folder: Path) -> dict[str, bytes]:
    """Every picture below the folder, by its place."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in (".png", ".jpg")
    }


def results(out: Path) -> dict[str, set[str]]:
    """The names in each folder of the merged results."""
    return {folder.name: {path.name for path in folder.iterdir()} for folder in sorted((out / "results").iterdir())}


def test_merging_later_equals_merging_at_once(album, out, tmp_path):
    at_once = labelimg.cluster(album, out=tmp_path / "at_once")
    later = labelimg.merge(out)
    assert later.clusters == at_once.clusters
    assert later.outliers == at_once.outliers
    assert later.images == at_once.images
    assert groups_of(later.clusters, album) == WHOLE
    assert pictures_in(out) == pictures_in(tmp_path / "at_once")
    assert table(out / "clusters.csv") == table(tmp_path / "at_once/clusters.csv")
    for name in ("batch_0.csv", "batch_1.csv", "representatives.csv"):
        assert table(out / "similarities" / name) == table(tmp_path / "at_once/similarities" / name)
    assert {path: relative([place], out) for path, place in later.written.items()} == {
        path: relative([place], tmp_path / "at_once") for path, place in at_once.written.items()
    }


@pytest.mark.parametrize("name", ["ssim", "minhash", "orb", "tm"])
def test_every_method_merges_later_as_at_once(album, tmp_path, name):
    options: dict[str, Any] = {"method": name, "threshold": {"tm": 0.99, "ssim": 0.6}.get(name, 0.3)}
    at_once = labelimg.cluster(album, **options)
    labelimg.cluster(album, out=tmp_path / "out", merge=False, **options)
    assert labelimg.merge(tmp_path / "out").clusters == at_once.clusters


def test_run_json_of_a_later_merge_counts_as_that_of_one_at_once(album, tmp_path):
    truncated_png(album / "zz cut.png")
    labelimg.cluster(album, out=tmp_path / "at_once")
    labelimg.cluster(album, out=tmp_path / "later", merge=False)
    labelimg.merge(tmp_path / "later")
    at_once, later = run_json(tmp_path / "at_once"), run_json(tmp_path / "later")
    assert later["counts"] == at_once["counts"]
    assert later["settings"] == at_once["settings"]
    assert later["merged"]
    assert [line["image"] for line in table(tmp_path / "later/unreadable.csv")] == ["zz cut.png"]


def test_nothing_is_left_of_the_batch_folders_and_originals_stay(album, out):
    before = pictures_in(album)
    labelimg.merge(out)
    assert not list(out.glob("batch_*"))
    assert pictures_in(album) == before
    assert sorted(pictures_in(out).values()) == sorted(before.values())


def test_without_rescue_outliers_stay(album, out):
    merged = labelimg.merge(out, rescue=False)
    assert groups_of(merged.clusters, album) == {frozenset({"astronaut.png", "copies/astronaut.jpg"})}
    assert len(merged.outliers) == 7
    assert run_json(out)["settings"]["rescue"] is False


def test_another_threshold_may_be_given(album, out):
    merged = labelimg.merge(out, threshold=1.0)
    assert groups_of(merged.clusters, album) == {frozenset({"astronaut.png", "copies/astronaut.jpg"})}
    assert run_json(out)["settings"]["threshold"] == 1.0


@pytest.mark.parametrize("transfer", ["move", "hardlink", "symlink"])
def test_every_kind_of_transfer_can_be_merged(album, tmp_path, transfer):
    before = pictures_in(album)
    labelimg.cluster(album, out=tmp_path / "out", merge=False, transfer=transfer)
    merged = labelimg.merge(tmp_path / "out")
    assert groups_of(merged.clusters, album) == WHOLE
    assert sorted(pictures_in(tmp_path / "out").values()) == sorted(before.values())
    assert pictures_in(album) == ({} if transfer == "move" else before)


def test_moved_originals_survive_merging_and_overwriting(album, tmp_path):
    before = pictures_in(album)
    labelimg.cluster(album, out=tmp_path / "out", merge=False, transfer="move")
    labelimg.merge(tmp_path / "out")
    make_album(album)
    with pytest.raises(OutputError):
        labelimg.cluster(album, out=tmp_path / "out", overwrite=True)
    assert sorted(pictures_in(tmp_path / "out").values()) == sorted(before.values())


def test_a_merged_result_can_be_overwritten(album, out, tmp_path):
    labelimg.merge(out)
    labelimg.cluster(album, out=out, overwrite=True)
    labelimg.cluster(album, out=tmp_path / "fresh")
    assert pictures_in(out) == pictures_in(tmp_path / "fresh")


def test_one_batch_is_merged_as_it_is(tmp_path):
    for name in ("a.png", "b.png"):
        save(tmp_path / "in" / name, photograph("coffee"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "_batches", lambda extracted, size: [np.arange(2, dtype=np.int32)])
        labelimg.cluster(tmp_path / "in", out=tmp_path / "out", merge=False)
    merged = labelimg.merge(tmp_path / "out")
    assert groups_of(merged.clusters, tmp_path / "in") == {frozenset({"a.png", "b.png"})}
    assert results(tmp_path / "out") == {"cluster_0": {"a.png", "b.png"}, "outliers": set()}


# --------------------------------------------------------------------------------------------- changed by a person


def test_an_image_that_was_put_into_another_cluster_is_merged_with_that(album, out):
    (out / "batch_0/outliers/moon.png").rename(out / "batch_0/cluster_0/moon.png")
    merged = labelimg.merge(out)
    assert groups_of(merged.clusters, album) == {
        frozenset({*ALBUM_GROUPS[0], "moon.png"}),
        *WHOLE - {frozenset(ALBUM_GROUPS[0])},
    }
    assert results(out)["cluster_0"] == {"astronaut.png", "astronaut.jpg", "astronaut small.png", "moon.png"}


def test_a_renamed_cluster_is_the_same_cluster(album, out):
    (out / "batch_0/cluster_0").rename(out / "batch_0/people")
    assert groups_of(labelimg.merge(out).clusters, album) == WHOLE


def test_a_cluster_that_a_person_made_of_one_image_stays_one(album, out):
    (out / "batch_0/favourites").mkdir()
    (out / "batch_0/outliers/moon.png").rename(out / "batch_0/favourites/moon.png")
    merged = labelimg.merge(out)
    assert groups_of(merged.clusters, album) == {*WHOLE, frozenset({"moon.png"})}
    assert relative(merged.outliers, album) == ["chelsea.png"]
    assert results(out)["cluster_3"] == {"moon.png"}


def test_a_cluster_that_a_person_emptied_is_gone(album, out):
    for image in (out / "batch_0/cluster_0").iterdir():
        image.rename(out / "batch_0/outliers" / image.name)
    assert groups_of(labelimg.merge(out).clusters, album) == WHOLE


def test_an_added_image_takes_part(album, out):
    save(out / "batch_1/outliers/new moon.png", photograph("moon"))
    merged = labelimg.merge(out)
    together = next(cluster for cluster in merged.clusters if album / "moon.png" in cluster)
    assert {path.name for path in together} == {"moon.png", "new moon.png"}
    added = next(path for path in together if path.name == "new moon.png")
    assert added.is_file()
    assert added.parent.parent == out / "results"
    assert merged.written[added] == added


def test_a_deleted_image_is_forgotten(album, out):
    (out / "batch_0/outliers/coffee.png").unlink()
    merged = labelimg.merge(out)
    assert groups_of(merged.clusters, album) == WHOLE - {frozenset(ALBUM_GROUPS[1])}
    assert album / "coffee.png" not in merged.images
    assert relative(merged.outliers, album) == ["chelsea.png", "copies/coffee.jpg", "moon.png"]
    assert "coffee.png" not in {line["image"] for line in table(out / "clusters.csv")}


def test_a_renamed_file_is_known_by_what_it_was(album, out):
    (out / "batch_0/outliers/moon.png").rename(out / "batch_0/outliers/la luna.png")
    merged = labelimg.merge(out)
    assert album / "moon.png" in merged.outliers
    line = next(line for line in table(out / "clusters.csv") if line["image"] == "moon.png")
    assert line["written"] == "results/outliers/la luna.png"


def test_a_file_put_into_another_batch_is_known(album, out):
    (out / "batch_0/outliers/moon.png").rename(out / "batch_1/outliers/moon.png")
    merged = labelimg.merge(out)
    assert groups_of(merged.clusters, album) == WHOLE
    assert relative(merged.outliers, album) == sorted(ALBUM_LONE)


def test_a_file_that_lies_loose_in_a_batch_is_an_outlier_of_it(album, out):
    for name in ("astronaut.png", "astronaut.jpg"):
        (out / "batch_0/cluster_0" / name).rename(out / "batch_0" / name)
    merged = labelimg.merge(out)
    assert groups_of(merged.clusters, album) == WHOLE
    assert not list(out.glob("batch_*"))


def test_notes_stay_where_they_are(out):
    (out / "batch_0/cluster_0/notes.txt").write_text("mine", "utf-8")
    labelimg.merge(out)
    assert (out / "batch_0/cluster_0/notes.txt").read_text("utf-8") == "mine"
    assert pictures_in(out / "batch_0") == {}


def test_an_image_that_was_changed_by_hand_is_taken_as_it_is_now(album, out):
    save(out / "batch_0/outliers/moon.png", photograph("chelsea"))
    os.utime(out / "batch_0/outliers/moon.png", ns=(5, 5))
    merged = labelimg.merge(out)
    assert frozenset({"chelsea.png", "moon.png"}) in groups_of(merged.clusters, album)
    assert (out / "results/outliers").is_dir()


def test_an_image_that_became_unreadable_is_listed_and_kept(album, out):
    damaged = out / "batch_1/outliers/chelsea.png"
    damaged.write_bytes(b"")
    merged = labelimg.merge(out)
    assert [Path(each.path).name for each in merged.unreadable] == ["chelsea.png"]
    assert groups_of(merged.clusters, album) == WHOLE
    assert "chelsea.png" in results(out)["outliers"]
    assert [line["image"] for line in table(out / "unreadable.csv")] != []


def test_images_whose_originals_are_gone_are_read_from_the_batch_folders(album, out):
    before = pictures_in(album)
    shutil.rmtree(album)
    merged = labelimg.merge(out)
    assert groups_of(merged.clusters, album) == WHOLE
    assert sorted(pictures_in(out).values()) == sorted(before.values())


def test_files_of_one_name_from_different_batches_both_survive(tmp_path):
    for folder in ("one", "two"):
        save(tmp_path / "in" / folder / "a.png", photograph("coffee"))
    labelimg.cluster(tmp_path / "in", out=tmp_path / "out", merge=False)
    labelimg.merge(tmp_path / "out")
    assert results(tmp_path / "out")["cluster_0"] == {"a.png", "a__2.png"}
    assert [line["written"] for line in table(tmp_path / "out/clusters.csv")] == [
        "results/cluster_0/a.png",
        "results/cluster_0/a__2.png",
    ]


def test_a_result_that_was_moved_elsewhere_can_be_merged(album, out, tmp_path):
    out.rename(tmp_path / "moved")
    assert groups_of(labelimg.merge(tmp_path / "moved").clusters, album) == WHOLE


def test_a_result_can_be_reached_through_a_link(album, out, tmp_path):
    (tmp_path / "link").symlink_to(out)
    merged = labelimg.merge(tmp_path / "link")
    assert groups_of(merged.clusters, album) == WHOLE
    assert len(pictures_in(out / "results")) == 9


def test_a_relative_path_will_do(album, out, monkeypatch):
    monkeypatch.chdir(out.parent)
    assert groups_of(labelimg.merge("out").clusters, album) == WHOLE


def test_threads_do_not_change_what_is_merged(album, tmp_path):
    seen = []
    for threads in (1, 2, 8):
        out = tmp_path / f"out{threads}"
        labelimg.cluster(album, out=out, merge=False, threads=threads)
        labelimg.merge(out, threads=threads)
        seen.append((pictures_in(out), (out / "clusters.csv").read_bytes()))
    assert seen[0] == seen[1] == seen[2]


def test_merging_decodes_nothing_that_the_cache_knows(album, tmp_path):
    with FeatureCache(tmp_path / "cache") as cache:
        labelimg.cluster(album, out=tmp_path / "out", merge=False, cache=cache)
        merged = labelimg.merge(tmp_path / "out", cache=cache)
    assert merged.decoded == 0
    assert groups_of(merged.clusters, album) == WHOLE


# -------------------------------------------------------------------------------------------------------- refusals


def test_a_run_that_transferred_nothing_cannot_be_merged(album, tmp_path):
    labelimg.cluster(album, out=tmp_path / "out", merge=False, transfer="none")
    with pytest.raises(OutputError, match="--transfer none"):
        labelimg.merge(tmp_path / "out")


def test_a_result_is_merged_once(album, out):
    first = labelimg.merge(out)
    before, told = pictures_in(out), run_json(out)
    again = labelimg.merge(out)
    assert (again.earlier, first.earlier) == (True, False)
    assert (again.clusters, again.outliers, again.written) == (first.clusters, first.outliers, first.written)
    with pytest.raises(OutputError, match="merged already"):
        labelimg.merge(out, threshold=0.123)
    assert (pictures_in(out), run_json(out)) == (before, told)


def test_a_merged_run_cannot_be_merged(album, tmp_path):
    for keep in (False, True):
        labelimg.cluster(album, out=tmp_path / f"out{keep}", keep_batches=keep)
        with pytest.raises(OutputError, match="merged already"):
            labelimg.merge(tmp_path / f"out{keep}")


def test_a_folder_that_is_no_result_is_refused(album, tmp_path):
    for folder in (album, tmp_path / "nowhere", album / "moon.png"):
        with pytest.raises(OutputError):
            labelimg.merge(folder)
    assert not (album / ".labelimg").exists()
    assert not (tmp_path / "nowhere").exists()


def test_a_result_without_its_batch_folders_is_refused(out):
    for folder in out.glob("batch_*"):
        shutil.rmtree(folder)
    with pytest.raises(OutputError, match="no images in batch folders"):
        labelimg.merge(out)


def test_a_run_json_without_settings_is_refused(out):
    (out / "run.json").write_text('{"settings": {"method": "ssim"}, "root": "/"}', "utf-8")
    with pytest.raises(OutputError, match=r"run\.json"):
        labelimg.merge(out)


@pytest.mark.parametrize("key", ["root", "counts", "seconds", "spanning_forests"])
def test_a_run_json_of_which_a_part_is_missing_is_refused_or_made_up_for(album, out, key):
    run = run_json(out)
    del run[key]
    (out / "run.json").write_text(json.dumps(run), "utf-8")
    before = pictures_in(out)
    try:
        labelimg.merge(out)
    except OutputError as error:
        assert "run.json" in str(error)
        assert pictures_in(out) == before


@pytest.mark.parametrize("choice", [{"threshold": 1.5}, {"threshold": -1.0}, {"threads": 0}])
def test_settings_that_cannot_be_are_refused_and_change_nothing(out, choice):
    before = pictures_in(out)
    with pytest.raises(UsageError):
        labelimg.merge(out, **choice)
    assert pictures_in(out) == before


def test_hand_moved_originals_return_when_a_merged_move_is_undone(album, tmp_path):
    before = pictures_in(album)
    out = tmp_path / "moved"
    labelimg.cluster(album, out=out, transfer="move", merge=False)
    (out / "batch_0/cluster_0").rename(out / "batch_0/renamed")
    (out / "batch_1").rename(out / "mine")
    labelimg.merge(out)
    assert pictures_in(album) == {}
    assert labelimg.undo(out) == ()
    assert pictures_in(album) == before
    assert not out.exists()


def test_a_renamed_batch_folder_takes_part_and_a_folder_of_pictures_of_ones_own_does_not(album, out):
    (out / "batch_1").rename(out / "mine")
    save(out / "private/holiday.png", photograph("coffee"))
    merged = labelimg.merge(out)
    assert groups_of(merged.clusters, album) == WHOLE
    assert (out / "private/holiday.png").is_file()
    assert not (out / "mine").exists()


def test_an_added_file_that_cannot_be_read_stays_where_it_is(album, out):
    (out / "batch_0/outliers/bad.jpg").write_bytes(b"bad")
    merged = labelimg.merge(out)
    assert (out / "batch_0/outliers/bad.jpg").read_bytes() == b"bad"
    assert [Path(each.path) for each in merged.unreadable if each.path.endswith("bad.jpg")] == [
        out / "batch_0/outliers/bad.jpg"
    ]
    assert all("bad.jpg" not in line["image"] for line in table(out / "clusters.csv"))
    assert groups_of(merged.clusters, album) == WHOLE


@pytest.mark.parametrize("after", [1, 4, "tables"])
def test_a_merge_that_was_cut_off_is_ended_by_the_next(album, out, monkeypatch, after):
    class CutError(BaseException):
        pass

    count = 0

    def cut(name: str, path: str) -> None:
        nonlocal count
        count += name == "rename"
        if (name == "rename" and count == after) or (after == "tables" and path.endswith("clusters.csv")):
            raise CutError

    monkeypatch.setattr(files, "on_operation", cut)
    with pytest.raises(CutError):
        labelimg.merge(out)
    monkeypatch.setattr(files, "on_operation", None)
    merged = labelimg.merge(out)
    assert groups_of(merged.clusters, album) == WHOLE
    assert all((out / line["written"]).is_file() for line in table(out / "clusters.csv"))
    assert run_json(out)["merged"] is True
