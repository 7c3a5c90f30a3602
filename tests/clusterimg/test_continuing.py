"""A run that was interrupted goes on where it was, and a finished one has nothing to do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import labelimg
from labelimg import LabelimgError, OutputError, UsageError, files
from labelimg.clusterimg import flow, kept, output, pipeline
from labelimg.clusterimg.continuing import differs
from labelimg.clusterimg.flow import Batch
from labelimg.clusterimg.kept import Begun, Kept
from labelimg.clusterimg.pairs import Pairs
from labelimg.clusterimg.tried import Tried
from pictures import make_album, photograph, save


class Cut(BaseException):
    """What ends a run as a kill does."""


@pytest.fixture(autouse=True)
def no_hook() -> Iterator[None]:
    yield
    files.on_operation = None


@pytest.fixture
def two_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pipeline,
        "_batches",
        lambda extracted, size: [np.arange(k, len(extracted.rows), 2, dtype=np.int32) for k in (0, 1)],
    )


def tree(root: Path) -> dict[str, bytes]:
    """All files with their bytes, but what is kept, and run.json without how long it took."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and ".labelimg" not in name:
            found[name] = path.read_bytes()
            if path.name == "run.json":
                found[name] = json.dumps(json.loads(path.read_text()) | {"seconds": None}).encode()
    return found


def cut_at(matches: Callable[[str, str], bool]) -> None:
    def hook(name: str, path: str) -> None:
        if matches(name, path):
            raise Cut

    files.on_operation = hook


def cut_run(album: Path, out: Path, matches: Callable[[str, str], bool], **options: Any) -> None:
    cut_at(matches)
    with pytest.raises(Cut):
        labelimg.cluster(album, out=out, **options)
    files.on_operation = None


def test_groups_of_finished_batches_are_kept(album, tmp_path, two_batches, monkeypatch):
    expected = labelimg.cluster(album, out=tmp_path / "whole")
    asked: list[int] = []
    real = flow.group_batch

    def count(grouper: Any, rows: Any, progress: Any = None) -> Any:
        asked.append(len(rows))
        if len(asked) == 2:
            raise Cut
        return real(grouper, rows, progress)

    monkeypatch.setattr(kept, "_EVERY_S", -1.0)
    monkeypatch.setattr("labelimg.clusterimg.continuing.WORTH_KEEPING_S", 0.0)
    monkeypatch.setattr(flow, "group_batch", count)
    with pytest.raises(Cut):
        labelimg.cluster(album, out=tmp_path / "out")
    assert asked == [5, 4]
    result = labelimg.cluster(album, out=tmp_path / "out")
    assert asked == [5, 4, 4]
    assert result.kept == "1 of 2 batches"
    assert (result.clusters, result.outliers) == (expected.clusters, expected.outliers)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_a_cheap_run_that_is_interrupted_before_its_first_file_leaves_nothing(album, tmp_path, monkeypatch):
    monkeypatch.setattr(flow, "merge_batches", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        labelimg.cluster(album, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("transfer", ["copy", "move", "hardlink", "symlink"])
def test_transfers_are_gone_on_with_from_the_plan_and_nothing_is_decoded(album, tmp_path, transfer, monkeypatch):
    whole = make_album(tmp_path / "elsewhere/album")
    labelimg.cluster(whole, out=tmp_path / "elsewhere/out", transfer=transfer)
    cut_run(album, tmp_path / "out", lambda name, path: path.endswith("outliers/moon.png"), transfer=transfer)
    monkeypatch.setattr(pipeline, "extract", lambda *_, **__: pytest.fail("decoded"))
    result = labelimg.cluster(album, out=tmp_path / "out", transfer=transfer)
    assert (result.kept, result.earlier) == ("the whole result", False)
    ours, theirs = tree(tmp_path / "out"), tree(tmp_path / "elsewhere/out")
    assert ours.keys() == theirs.keys()  # run.json and the page name the folders
    assert {name for name in ours if ours[name] != theirs[name]} <= {"run.json", "report.html"}
    assert len(result.written) == 9
    assert labelimg.undo(tmp_path / "out") == ()
    assert tree(album) == tree(make_album(tmp_path / "again"))


@pytest.mark.parametrize("transfer", ["copy", "move", "hardlink", "symlink", "none"])
def test_a_finished_run_has_nothing_to_do(album, tmp_path, transfer, monkeypatch):
    first = labelimg.cluster(album, out=tmp_path / "out", transfer=transfer)
    before = tree(tmp_path)
    monkeypatch.setattr(pipeline, "extract", lambda *_, **__: pytest.fail("decoded"))
    again = labelimg.cluster(album, out=tmp_path / "out", transfer=transfer)
    assert (again.earlier, first.earlier) == (True, False)
    assert (again.clusters, again.outliers, again.images) == (first.clusters, first.outliers, first.images)
    assert dict(again.written) == dict(first.written)
    assert again.pairs.similarity.tolist() == first.pairs.similarity.tolist()
    assert tree(tmp_path) == before


def test_a_finished_run_knows_where_its_images_were_put_since(album, tmp_path, two_batches):
    labelimg.cluster(album, out=tmp_path / "out", merge=False)
    merged = labelimg.merge(tmp_path / "out")
    again = labelimg.cluster(album, out=tmp_path / "out", merge=False)
    assert again.earlier
    assert dict(again.written) == dict(merged.written)


def test_a_finished_run_is_done_anew_with_overwrite(album, tmp_path):
    labelimg.cluster(album, out=tmp_path / "out")
    (tmp_path / "out/results/cluster_0/astronaut.png").unlink()
    assert not labelimg.cluster(album, out=tmp_path / "out", overwrite=True).earlier
    assert (tmp_path / "out/results/cluster_0/astronaut.png").is_file()


def added(album: Path) -> None:
    save(album / "new.png", photograph("camera"))


def changed(album: Path) -> None:
    save(album / "moon.png", photograph("camera"))


@pytest.mark.parametrize("interrupted", [False, True])
@pytest.mark.parametrize(
    ("change", "options", "text"),
    [
        (None, {"threshold": 0.5}, r"with other settings \(threshold auto, not 0.5\); add --overwrite"),
        (None, {"transfer": "hardlink"}, r"with other settings \(transfer copy, not hardlink\); add --overwrite"),
        (None, {"hash_size": 8}, r"with other settings \(hash size 12, not 8\); add --overwrite"),
        (added, {}, r"of other images \(9 then, 10 now\); add --overwrite"),
        (changed, {}, "of images that have changed since; add --overwrite"),
    ],
)
def test_other_settings_and_images_are_refused_in_words(album, tmp_path, change, options, text, interrupted):
    out = tmp_path / "out"
    if interrupted:
        cut_run(album, out, lambda name, path: path.endswith("unreadable.csv"))
    else:
        labelimg.cluster(album, out=out)
    if change is not None:
        change(album)
    before = tree(out)
    with pytest.raises(OutputError, match=text):
        labelimg.cluster(album, out=out, **options)
    assert tree(out) == before
    if change is changed:  # what was copied exists nowhere else any more
        with pytest.raises(
            OutputError, match="holds 1 copy whose original is gone or changed; move it elsewhere first"
        ):
            labelimg.cluster(album, out=out, overwrite=True)
        (out / "results/outliers/moon.png").rename(tmp_path / "moon.png")
    result = labelimg.cluster(album, out=out, overwrite=True, **options)
    assert not result.earlier
    assert labelimg.cluster(album, out=out, **options).earlier


def test_an_interrupted_overwriting_goes_on_and_until_its_first_file_the_earlier_run_is_whole(
    album, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out)
    before = tree(out)
    monkeypatch.setattr("labelimg.clusterimg.continuing.WORTH_KEEPING_S", 0.0)
    cut_run(album, out, lambda name, path: name == "remove" and "out/results" in path, threshold=0.9, overwrite=True)
    assert tree(out) == before
    cut_run(album, out, lambda name, path: path.endswith("unreadable.csv"), threshold=0.9)
    result = labelimg.cluster(album, out=out, threshold=0.9)
    assert result.settings.threshold == 0.9 and not result.earlier
    assert labelimg.cluster(album, out=out, threshold=0.9).earlier
    labelimg.undo(out)
    assert not out.exists()


def test_undo_of_an_overwriting_that_replaced_nothing_leaves_the_earlier_run(album, tmp_path, monkeypatch):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out)
    before = tree(out)
    monkeypatch.setattr("labelimg.clusterimg.continuing.WORTH_KEEPING_S", 0.0)
    monkeypatch.setattr(flow, "merge_batches", lambda *_, **__: (_ for _ in ()).throw(Cut))
    with pytest.raises(Cut):
        labelimg.cluster(album, out=out, threshold=0.9, overwrite=True)
    monkeypatch.undo()
    assert labelimg.undo(out) == ()
    assert tree(out) == before
    assert labelimg.cluster(album, out=out).earlier
    assert labelimg.undo(out) == ()
    assert not out.exists()


def test_tables_of_a_killed_run_go_when_it_is_taken_back(album, tmp_path):
    out = tmp_path / "out"
    cut_run(album, out, lambda name, path: path.endswith("wrote.json"))  # as a kill, this records no tables
    (out / "notes.txt").write_text("mine")
    assert labelimg.undo(out) == ()
    assert tree(out) == {"notes.txt": b"mine"}


def test_a_killed_undo_must_be_ended_first(album, tmp_path):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out, transfer="move")
    cut_at(lambda name, path: path.endswith("album/moon.png"))
    with pytest.raises(Cut):
        labelimg.undo(out)
    files.on_operation = None
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="was being taken back: end that first, with labelimg undo"):
            labelimg.cluster(album, out=out, transfer="move", overwrite=overwrite)
    with pytest.raises(OutputError, match="was being taken back"):
        output.finish(out)
    assert labelimg.undo(out) == ()
    assert not out.exists()
    assert tree(album) == tree(make_album(tmp_path / "again"))


@pytest.mark.parametrize("transfer", ["copy", "move"])
def test_finish_ends_a_run_that_was_killed(album, tmp_path, transfer):
    out = tmp_path / "out"
    cut_run(album, out, lambda name, path: path.endswith("outliers/moon.png"), transfer=transfer)
    ended = output.finish(out)
    assert ended is not None and len(ended.written) == 9
    assert output.finish(out) is None
    assert labelimg.cluster(album, out=out, transfer=transfer).earlier


def test_finish_says_when_there_is_nothing_to_end_yet(album, tmp_path, monkeypatch):
    monkeypatch.setattr("labelimg.clusterimg.continuing.WORTH_KEEPING_S", 0.0)
    monkeypatch.setattr(flow, "merge_batches", lambda *_, **__: (_ for _ in ()).throw(Cut))
    with pytest.raises(Cut):
        labelimg.cluster(album, out=tmp_path / "out")
    with pytest.raises(OutputError, match="interrupted before its first file: start it again"):
        output.finish(tmp_path / "out")


def test_what_a_run_kept_cannot_name_images_elsewhere(album, tmp_path, monkeypatch):
    monkeypatch.setattr("labelimg.clusterimg.continuing.WORTH_KEEPING_S", 0.0)
    out, other = tmp_path / "out", save(tmp_path / "other/secret.png", photograph("camera"))
    cut_run(album, out, lambda name, path: path.endswith("plan.jsonl"))
    going = Kept(out, "cluster")
    batches, told = going.result() or pytest.fail("nothing was kept")
    told["images"][0] = str(other)
    files.write_atomic(
        out / ".labelimg/cluster.going/result.npz", lambda f: np.savez(f, **kept._packed(batches, told)), binary=True
    )
    result = labelimg.cluster(album, out=out, transfer="copy")
    assert result.kept == "" and len(result.written) == 9
    assert not list(out.rglob("secret.png"))


def test_a_run_whose_images_were_moved_and_whose_result_is_damaged_is_only_taken_back(album, tmp_path):
    out = tmp_path / "out"
    cut_run(album, out, lambda name, path: path.endswith("outliers/moon.png"), transfer="move")
    (out / ".labelimg/cluster.going/result.npz").write_bytes(b"PK damaged")
    with pytest.raises(OutputError, match="cannot be read any more; take the run back with labelimg undo"):
        labelimg.cluster(album, out=out, transfer="move")
    assert labelimg.undo(out) == ()
    assert tree(album) == tree(make_album(tmp_path / "again"))


def test_a_vanished_folder_of_images_is_still_said(album, tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        labelimg.cluster(tmp_path / "nowhere", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ----------------------------------------------------------------------------------------------------- what is kept


def rows(*values: int) -> Any:
    return np.asarray(values, np.int32)


BATCHES = [
    Batch(rows(0, 2, 4), (rows(0, 2),), rows(4), Pairs(rows(0), rows(1), np.array([0.75]))),
    Batch(rows(1, 3), (), rows(1, 3), Pairs(rows(), rows(), np.empty(0), complete=False)),
    Batch(rows(5), (rows(5),), rows(), None, (Tried("kmeans", {"clusters": 2}, 1, 0, 0.5, chosen=True),)),
]


def same(a: Batch, b: Batch) -> bool:
    one, other = (kept._packed([batch], {}) for batch in (a, b))
    return all(np.array_equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one)


def test_batches_come_back_as_they_were(tmp_path):
    for batches in ([], BATCHES, BATCHES[:1], BATCHES[1:]):
        going = Kept(tmp_path, "cluster")
        going.begin({"a": 1}, images=6, digest="x", overwrite=False)
        going.keep_result(batches, {"text": "ü\udcff"})
        found, told = going.result() or pytest.fail("nothing was kept")
        assert told == {"text": "ü\udcff"}
        assert len(found) == len(batches) and all(map(same, found, batches))


def test_a_batch_of_other_images_is_not_taken(tmp_path):
    going = Kept(tmp_path, "cluster")
    going.begin({}, images=6, digest="x", overwrite=False)
    for number, batch in enumerate(BATCHES):
        going.add(number, f"images {number}", batch)
    going.flush()
    again = Kept(tmp_path, "cluster")
    assert same(again.batch(1, "images 1") or pytest.fail("not kept"), BATCHES[1])
    assert again.batch(1, "images 2") is None
    assert again.batch(3, "images 3") is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_count_as_missing(tmp_path, data):
    going = Kept(tmp_path, "cluster")
    going.begin({}, images=6, digest="x", overwrite=False)
    going.keep_result(BATCHES, {"n": 1})
    path = tmp_path / ".labelimg/cluster.going/result.npz"
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(["cut", "flip", "fill"]))
    if kind == "cut":
        path.write_bytes(whole[:at])
    elif kind == "flip":
        path.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
    else:
        path.write_bytes(whole[:at] + data.draw(st.binary(min_size=1, max_size=40)) + whole[at + 40 :])
    found = going.result()
    assert found is None or (len(found[0]) == 3 and all(map(same, found[0], BATCHES)) and found[1] == {"n": 1})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.dictionaries(st.sampled_from(["format", "id", "asked", "images", "digest", "overwrite"]), JSON))
def test_what_was_begun_is_read_or_not_there(tmp_path, told):
    path = tmp_path / ".labelimg/cluster.going/begun.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"format": 1, **told}))
    begun = Kept(tmp_path, "cluster").going
    assert begun is None or isinstance(begun.asked, dict)


@pytest.mark.parametrize("length", [0, 1, 50, 5000])
def test_garbage_is_no_begun_run(tmp_path, length):
    path = tmp_path / ".labelimg/cluster.going/begun.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(os.urandom(length))
    assert Kept(tmp_path, "cluster").going is None
    path.write_text("[" * 100_000)
    assert Kept(tmp_path, "cluster").going is None


def test_what_is_kept_is_never_reached_through_a_link(album, tmp_path):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/begun.json").write_text("{}")
    (tmp_path / "precious/result.npz").write_text("mine")
    (out / ".labelimg/cluster.going").symlink_to(tmp_path / "precious")
    labelimg.undo(out)
    assert sorted(path.name for path in (tmp_path / "precious").iterdir()) == ["begun.json", "result.npz"]


def test_the_lock_is_held_from_the_beginning(album, tmp_path):
    def second(stage: str, done: int, total: int) -> None:
        if stage == "decoding":
            with pytest.raises(LabelimgError, match="another run is working in"):
                labelimg.cluster(album, out=tmp_path / "out", threshold=0.9)

    labelimg.cluster(album, out=tmp_path / "out", progress=second)


def test_a_setting_that_is_missing_is_as_good_as_none():
    begun = Begun("1", {"parameters": {"hash_size": 12}}, 3, "d", overwrite=False)
    assert differs(begun, {"parameters": {"hash_size": 12, "scale": None}}, None) == ""
    found = differs(begun, {"parameters": {"hash_size": 16, "scale": None}}, None)
    assert found == "with other settings (hash size 12, not 16)"
