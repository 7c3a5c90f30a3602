"""`labelimg.cluster` from folders of pictures to clusters, against brute force over all pairs."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import labelimg
import oracles
from labelimg import FeatureCache, OutputError, UsageError
from labelimg.clusterimg import pipeline
from labelimg.clusterimg.methods import NAMES, make_method
from labelimg.clusterimg.results import Clustering
from labelimg.decoding import read
from pictures import (
    ALBUM_GROUPS,
    ALBUM_LONE,
    ALBUM_THRESHOLDS,
    bomb_png,
    brighter,
    groups_of,
    make_numbered,
    photograph,
    photographs,
    relative,
    save,
    shifted,
    softer,
    truncated_png,
)

ALBUM_NAMES = sorted([*(name for group in ALBUM_GROUPS for name in group), *ALBUM_LONE])


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """18 pictures: each of six photographs with two changed copies, in mixed order."""
    pictures = [change(each) for change in (np.copy, brighter, softer) for each in photographs()[:6]]
    return make_numbered(tmp_path / "versions", pictures)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def value(result: Clustering) -> tuple[Any, ...]:
    """What must not depend on threads, as one comparable value."""
    pairs = list(zip(result.pairs.i.tolist(), result.pairs.j.tolist(), result.pairs.similarity.tolist(), strict=True))
    return result.images, result.clusters, result.outliers, result.unreadable, result.skipped, pairs


def reference(method: Any, images: list[Any]) -> tuple[list[Any], Any]:
    """What the reference library compares for each image, and how."""
    if method.name == "imagehash":
        return [oracles.phash_bits(image, method.hash_size) for image in images], oracles.equal_bits
    if method.name == "minhash":
        sketches = [oracles.minhash(method.cells(image).tolist(), method.permutations) for image in images]
        return sketches, lambda a, b: a.jaccard(b)
    if method.name == "orb":
        orb = cv2.ORB.create(nfeatures=method.orb_features)
        return [orb.detectAndCompute(image, None)[1] for image in images], oracles.orb(method.good_bits)
    return images, {"ssim": oracles.ssim, "tm": oracles.template_matching}[method.name]


@pytest.mark.parametrize("name", NAMES)
def test_every_method_finds_the_groups_of_the_album(album, name):
    result = labelimg.cluster(album, method=name, threshold=ALBUM_THRESHOLDS[name])
    assert groups_of(result.clusters, album) == {frozenset(group) for group in ALBUM_GROUPS}
    assert relative(result.outliers, album) == sorted(ALBUM_LONE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("threshold", [0.35, 0.81])
def test_one_batch_gives_the_chains_of_all_pairs_brute_force(versions, name, threshold):
    method = make_method(name)
    result = labelimg.cluster(versions, method=name, threshold=threshold)
    images = [read(str(path), method.shrink) for path in sorted(versions.iterdir())]
    similar = oracles.similar(*reference(method, images), threshold)
    chains = oracles.chains(len(images), similar)
    clusters = sorted((chain for chain in chains if len(chain) > 1), key=lambda chain: (-len(chain), chain[0]))
    paths = sorted(versions.iterdir())
    assert result.clusters == tuple(tuple(paths[row] for row in chain) for chain in clusters)
    assert result.outliers == tuple(paths[chain[0]] for chain in chains if len(chain) == 1)
    listed = zip(result.pairs.i.tolist(), result.pairs.j.tolist(), strict=True)
    found = dict(zip(listed, result.pairs.similarity.tolist(), strict=True))
    assert found == {pair: pytest.approx(each, abs=1e-6) for pair, each in similar.items()}


@pytest.mark.parametrize("name", NAMES)
def test_threads_do_not_change_the_result(versions, name):
    truncated_png(versions / "99.png")
    one = labelimg.cluster(versions, method=name, threads=1, batch_size=7)
    assert len(one.batches) > 1
    for threads in (2, 8):
        assert value(labelimg.cluster(versions, method=name, threads=threads, batch_size=7)) == value(one)


def test_nothing_is_written_without_out(album, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = snapshot(tmp_path)
    result = labelimg.cluster(album)
    assert snapshot(tmp_path) == before
    assert (result.out, result.written) == (None, {})


def test_images_are_in_name_order_across_folders(album):
    result = labelimg.cluster(album)
    assert relative(result.images, album) == ALBUM_NAMES
    assert all(path.is_absolute() for path in result.images)
    assert all(list(cluster) == sorted(cluster) for cluster in result.clusters)
    assert [len(cluster) for cluster in result.clusters] == [3, 2, 2]
    assert result.clustered == 7


def test_text_is_skipped_and_counted_and_damaged_files_are_listed(album):
    (album / "empty.jpg").write_bytes(b"")
    (album / "text.jpg").write_text("no picture", "utf-8")
    truncated_png(album / "cut.png")
    bomb_png(album / "bomb.png")
    before = snapshot(album)
    result = labelimg.cluster(album)
    assert result.skipped == 1
    assert [Path(each.path).name for each in result.unreadable] == ["bomb.png", "cut.png", "empty.jpg", "text.jpg"]
    assert all(each.reason for each in result.unreadable)
    assert relative(result.images, album) == ALBUM_NAMES
    assert groups_of(result.clusters, album) == {frozenset(group) for group in ALBUM_GROUPS}
    assert snapshot(album) == before


def test_a_folder_of_nothing_but_damaged_images_gives_no_cluster(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(b"")
    result = labelimg.cluster(tmp_path / "in", out=tmp_path / "out")
    assert (result.images, result.clusters, result.outliers) == ((), (), ())
    assert [Path(each.path).name for each in result.unreadable] == ["a.jpg"]


@pytest.mark.parametrize("name", NAMES)
def test_one_image_is_an_outlier(tmp_path, name):
    save(tmp_path / "in/a.png", photograph("coffee"))
    result = labelimg.cluster(tmp_path / "in", method=name)
    assert (result.clusters, result.outliers) == ((), (tmp_path / "in/a.png",))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [None, 2, 5])
def test_identical_images_are_one_cluster(tmp_path, name, size):
    folder = make_numbered(tmp_path / "in", [photograph("coffee")] * 13)
    result = labelimg.cluster(folder, method=name, threshold=0.99, batch_size=size)
    assert [relative(cluster, folder) for cluster in result.clusters] == [[f"{k:02}.png" for k in range(13)]]
    assert result.outliers == ()


@pytest.mark.parametrize("name", NAMES)
def test_images_of_one_pixel_or_one_line_do_not_stop_a_run(tmp_path, name):
    rng = np.random.default_rng(0)
    shapes = [(1, 1), (1, 1), (1, 300), (300, 1), (2, 2), (120, 160), (120, 160)]
    folder = make_numbered(tmp_path / "in", [rng.integers(0, 256, (*shape, 3)).astype(np.uint8) for shape in shapes])
    for parameters in ({}, {"scale": 0.5}):
        result = labelimg.cluster(folder, method=name, **parameters)
        assert len(result.images) == 7
        assert result.unreadable == ()


# -------------------------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize("size", [2, 5, 18, 100])
def test_no_batch_is_larger_than_asked_and_every_image_is_in_one(versions, size):
    result = labelimg.cluster(versions, method="ssim", threshold=0.6, batch_size=size)
    assert all(len(batch.rows) <= size for batch in result.batches)
    assert sorted(row for batch in result.batches for row in batch.rows.tolist()) == list(range(18))
    placed = [*(path for cluster in result.clusters for path in cluster), *result.outliers]
    assert sorted(placed) == list(result.images)


def test_batches_are_merged_by_their_representatives(versions):
    """The whole flow done slowly, from the batches that were made."""
    result = labelimg.cluster(versions, method="ssim", threshold=0.61, batch_size=5)
    method = make_method("ssim")
    images = [read(str(path), method.shrink) for path in result.images]
    edges = set(oracles.similar(images, oracles.ssim, 0.61))
    batch_of = {row: number for number, batch in enumerate(result.batches) for row in batch.rows.tolist()}
    inside = {(i, j) for i, j in edges if batch_of[i] == batch_of[j]}
    first = [chain[0] for chain in oracles.chains(18, inside)]
    between = {(i, j) for i, j in edges if i in first and j in first}
    expected = [chain for chain in oracles.chains(18, inside | between) if len(chain) > 1]
    assert sorted(map(list, result.clusters)) == [[result.images[row] for row in chain] for chain in expected]
    assert set(zip(result.pairs.i.tolist(), result.pairs.j.tolist(), strict=True)) == inside | between


def test_rescue_finds_twins_in_different_batches(tmp_path):
    pictures = [photograph(name, 64, 48) for name in ("coffee", "moon", "rocket", "coffee", "moon", "rocket")]
    folder = make_numbered(tmp_path / "in", pictures)
    apart = [np.asarray(rows, np.int32) for rows in ([0, 1], [2, 3], [4, 5])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "_batches", lambda extracted, size: apart)
        rescued = labelimg.cluster(folder, batch_size=2)
        left = labelimg.cluster(folder, batch_size=2, rescue=False)
    twins = {frozenset({"00.png", "03.png"}), frozenset({"01.png", "04.png"}), frozenset({"02.png", "05.png"})}
    assert groups_of(rescued.clusters, folder) == twins
    assert (left.clusters, len(left.outliers)) == ((), 6)


def test_without_merging_the_clusters_are_those_of_the_batches(versions):
    result = labelimg.cluster(versions, threshold=0.8, batch_size=6, merge=False)
    assert result.merged is None
    assert sum(len(batch.clusters) for batch in result.batches) == len(result.clusters)
    expected = [tuple(result.images[row] for row in rows) for batch in result.batches for rows in batch.clusters]
    assert list(result.clusters) == expected
    assert list(result.outliers) == sorted(result.outliers)


def test_default_batches_are_as_many_as_fit_in_memory(versions, monkeypatch):
    exact = labelimg.cluster(versions, method="ssim", threshold=0.6)
    assert len(exact.batches) == 1
    monkeypatch.setattr(pipeline, "available_memory", lambda: 2 * 10 * 128 * 128)
    few = labelimg.cluster(versions, method="ssim", threshold=0.6, out=None)
    assert len(few.batches) > 1
    assert all(len(batch.rows) <= 10 for batch in few.batches)


@pytest.mark.parametrize("name", NAMES)
def test_features_that_do_not_fit_in_memory_give_the_same_result(versions, name, monkeypatch):
    expected = labelimg.cluster(versions, method=name, batch_size=9)
    monkeypatch.setattr(pipeline, "available_memory", lambda: 64)
    assert value(labelimg.cluster(versions, method=name, batch_size=9)) == value(expected)


# ---------------------------------------------------------------------------------------------------------- cache


@pytest.mark.parametrize("page", [True, False])
def test_a_second_run_with_another_threshold_decodes_nothing(album, tmp_path, page):
    how = {"transfer": "none", "report": page}
    with FeatureCache(tmp_path / "cache") as cache:
        first = labelimg.cluster(album, cache=cache, out=tmp_path / "first", **how)
        again = labelimg.cluster(album, cache=cache, threshold=0.9, out=tmp_path / "again", **how)
    assert (first.decoded, again.decoded) == (9, 0)
    assert (tmp_path / "again" / "thumbnails.bin").exists() == page
    assert value(again) == value(labelimg.cluster(album, threshold=0.9))


def test_without_a_page_features_of_a_run_without_output_are_enough(album, tmp_path):
    with FeatureCache(tmp_path / "cache") as cache:
        labelimg.cluster(album, cache=cache)
        again = labelimg.cluster(album, cache=cache, out=tmp_path / "out", transfer="none", report=False)
        for_thumbnails = labelimg.cluster(album, cache=cache, out=tmp_path / "page", transfer="none")
    assert (again.decoded, for_thumbnails.decoded) == (0, 9)


@pytest.mark.parametrize("name", NAMES)
def test_cached_features_give_the_same_result(album, tmp_path, name):
    plain = labelimg.cluster(album, method=name)
    with FeatureCache(tmp_path / "cache") as cache:
        assert value(labelimg.cluster(album, method=name, cache=cache)) == value(plain)
        again = labelimg.cluster(album, method=name, cache=cache)
    assert (value(again), again.decoded) == (value(plain), 0)


def test_only_changed_and_new_files_are_decoded_again(album, tmp_path):
    with FeatureCache(tmp_path / "cache") as cache:
        labelimg.cluster(album, cache=cache)
        save(album / "moon.png", photograph("chelsea"))
        os.utime(album / "moon.png", ns=(1, 1))
        save(album / "new.png", photograph("rocket"))
        result = labelimg.cluster(album, cache=cache)
    assert result.decoded == 2
    assert frozenset({"moon.png", "chelsea.png"}) in groups_of(result.clusters, album)
    assert frozenset({"new.png", "rocket.png", "ünïcode rocket.png"}) in groups_of(result.clusters, album)


def test_other_parameters_and_methods_do_not_share_features(album, tmp_path):
    with FeatureCache(tmp_path / "cache") as cache:
        for choice in ({}, {"hash_size": 8}, {"size": (50, 50)}, {"method": "ssim"}, {"method": "ssim", "scale": 0.5}):
            assert labelimg.cluster(album, cache=cache, **choice).decoded == 9


# ---------------------------------------------------------------------------------------------- choosing the images


def test_several_folders_are_one_set_of_images(album, tmp_path):
    save(tmp_path / "more/deep/astronaut.png", softer(photograph("astronaut")))
    result = labelimg.cluster([album, tmp_path / "more"])
    assert result.root == tmp_path
    assert len(result.images) == 10
    biggest = relative(result.clusters[0], tmp_path)
    assert biggest == [
        "album/astronaut.png",
        "album/copies/astronaut small.png",
        "album/copies/astronaut.jpg",
        "more/deep/astronaut.png",
    ]


def test_a_folder_given_twice_counts_once(album):
    assert len(labelimg.cluster([album, album, album / "copies"]).images) == 9


def test_folders_within_are_left_out_when_asked(album):
    assert relative(labelimg.cluster(album, recursive=False).images, album) == [
        name for name in ALBUM_NAMES if "/" not in name
    ]


def test_include_and_exclude_choose_by_name(album):
    result = labelimg.cluster(album, include=["*.png"], exclude=["copies/*", "moon*"])
    assert relative(result.images, album) == [
        "astronaut.png",
        "chelsea.png",
        "coffee.png",
        "rocket.png",
        "ünïcode rocket.png",
    ]


# --------------------------------------------------------------------------------------------------------- refusals


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match="no images in"):
        labelimg.cluster(tmp_path / "in", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_other_files_is_refused_with_their_number(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/notes.txt").touch()
    with pytest.raises(UsageError, match=r"no images in .*: 1 files? there .* other kinds?"):
        labelimg.cluster(tmp_path / "in")


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"threshold": 1.7}, "threshold must be between 0 and 1, got 1.7"),
        ({"threshold": -0.1}, "threshold must be between 0 and 1, got -0.1"),
        ({"threshold": float("nan")}, "threshold must be between 0 and 1, got nan"),
        ({"batch_size": 1}, "batch size must be at least 2, got 1"),
        ({"batch_size": 0}, "batch size must be at least 2, got 0"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"transfer": "teleport"}, "transfer must be one of copy, move, hardlink, symlink, none, got 'teleport'"),
        ({"transfer": "move", "keep_batches": True}, "move and keep-batches exclude each other"),
        ({"method": "sift"}, "method must be one of imagehash, ssim, minhash, orb, tm, got 'sift'"),
        ({"method": "ssim", "corners": 9}, "corners is no parameter of method ssim"),
        ({"hash_size": 1}, "hash_size must be a whole number between 2 and 64, got 1"),
        ({"size": (0, 9)}, "size must be"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_written(album, tmp_path, choice, text):
    with pytest.raises(UsageError, match=text):
        labelimg.cluster(album, out=tmp_path / "out", **choice)
    assert not (tmp_path / "out").exists()


def test_no_folder_at_all_is_refused():
    with pytest.raises(UsageError, match="no folder"):
        labelimg.cluster([])


def test_a_missing_folder_and_a_file_are_refused(album, tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        labelimg.cluster(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="not a folder"):
        labelimg.cluster(album / "moon.png")


def test_out_inside_the_images_and_images_inside_out_are_refused(album, tmp_path):
    before = snapshot(tmp_path)
    for out in (album / "out", album, tmp_path):
        with pytest.raises((UsageError, OutputError)):
            labelimg.cluster(album, out=out, overwrite=True)
    assert snapshot(tmp_path) == before


def test_bad_settings_are_found_before_images_are_decoded(album, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "extract", lambda *arguments, **options: pytest.fail("decoded"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").touch()
    for choice in ({"threshold": 2.0}, {"threads": 0}, {"out": tmp_path / "out"}):
        with pytest.raises((UsageError, OutputError)):
            labelimg.cluster(album, **choice)


# ------------------------------------------------------------------------------------------------- how far a run is


def test_progress_names_the_stages_and_counts_every_image(album, tmp_path):
    told: list[tuple[str, int, int]] = []
    result = labelimg.cluster(album, out=tmp_path / "out", progress=lambda *at: told.append(at))
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert [stage for stage in stages if "compiling" not in stage] == [
        "finding images",
        "decoding",
        "finding the threshold",
        "comparing",
        "merging",
        "looking",
        "copying",
        "writing",
        "report",
    ]
    assert [done for stage, done, total in told if stage == "decoding" and total] == list(range(1, 10))
    assert [at for at in told if at[0] == "copying"][-1] == ("copying", 9, 9)
    assert result.seconds.keys() == set(stages)
    assert all(seconds >= 0 for seconds in result.seconds.values())


def test_what_progress_raises_ends_the_run_without_leaving_anything(album, tmp_path):
    class StopError(Exception):
        pass

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "comparing":
            raise StopError

    with pytest.raises(StopError):
        labelimg.cluster(album, out=tmp_path / "out", progress=stop)
    assert not (tmp_path / "out").exists()
    labelimg.cluster(album, out=tmp_path / "out")


def test_a_clustering_is_frozen(album):
    result = labelimg.cluster(album)
    with pytest.raises(FrozenInstanceError):
        result.clusters = ()  # type: ignore[misc]
    assert isinstance(result, labelimg.Clustering)
    assert isinstance(result.settings, labelimg.Settings)
    assert (result.settings.method, result.settings.folders) == ("imagehash", (str(album),))
    assert result.settings.parameters == {"size": None, "scale": None, "hash_size": 12, "frequency_factor": 4}


def test_two_runs_at_once_give_what_one_gives(album):
    expected = value(labelimg.cluster(album, method="ssim"))
    got: list[Any] = []
    runs = [threading.Thread(target=lambda: got.append(value(labelimg.cluster(album, method="ssim")))) for _ in (1, 2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert got == [expected, expected]


def test_names_of_any_bytes_are_taken(tmp_path):
    folder = tmp_path / "in"
    save(folder / "a.png", photograph("coffee"))
    shutil.copy(folder / "a.png", folder / os.fsdecode(b"\xff\xfe.png"))
    shutil.copy(folder / "a.png", folder / "line\nbreak.png")
    save(folder / "shift.png", shifted(photograph("moon")))
    result = labelimg.cluster(folder, out=tmp_path / "out")
    assert [len(cluster) for cluster in result.clusters] == [3]
    assert len(list((tmp_path / "out/results/cluster_0").iterdir())) == 3
