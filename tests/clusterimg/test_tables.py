"""The tables beside the folders: what each column says, for programs and people."""

from __future__ import annotations

import csv
import json
import os
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import labelimg
from labelimg import OutputError, files
from labelimg.clusterimg import pairwise, pipeline
from labelimg.clusterimg.tables import read_run
from pictures import ALBUM_GROUPS, photograph, save, truncated_png


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.reader(file))


def run_json(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "run.json").read_text("utf-8"))
    return found


@pytest.fixture
def in_two_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pipeline,
        "_batches",
        lambda extracted, size: [np.arange(k, len(extracted.rows), 2, dtype=np.int32) for k in (0, 1)],
    )


def test_clusters_csv_has_a_line_for_every_image_in_name_order(album, tmp_path):
    labelimg.cluster(album, out=tmp_path / "out")
    header, *lines = table(tmp_path / "out/clusters.csv")
    assert header == ["image", "cluster", "representative", "written"]
    assert lines == [
        ["astronaut.png", "cluster_0", "astronaut.png", "results/cluster_0/astronaut.png"],
        ["chelsea.png", "outliers", "", "results/outliers/chelsea.png"],
        ["coffee.png", "cluster_1", "coffee.png", "results/cluster_1/coffee.png"],
        ["copies/astronaut small.png", "cluster_0", "astronaut.png", "results/cluster_0/astronaut small.png"],
        ["copies/astronaut.jpg", "cluster_0", "astronaut.png", "results/cluster_0/astronaut.jpg"],
        ["copies/coffee.jpg", "cluster_1", "coffee.png", "results/cluster_1/coffee.jpg"],
        ["moon.png", "outliers", "", "results/outliers/moon.png"],
        ["rocket.png", "cluster_2", "rocket.png", "results/cluster_2/rocket.png"],
        ["ünïcode rocket.png", "cluster_2", "rocket.png", "results/cluster_2/ünïcode rocket.png"],
    ]


def test_similarities_list_every_similar_pair(album, tmp_path):
    result = labelimg.cluster(album, out=tmp_path / "out", method="ssim", threshold=0.6)
    header, *lines = table(tmp_path / "out/similarities/batch_0.csv")
    assert header == ["image_a", "image_b", "similarity"]
    pairs = {frozenset(line[:2]) for line in lines}
    assert all(any(pair <= set(group) for group in ALBUM_GROUPS) for pair in pairs)
    assert len(lines) == len(pairs) == len(result.pairs)
    assert lines == sorted(lines, key=lambda line: line[:2])
    assert all(line[0] < line[1] and 0.6 < float(line[2]) <= 1 for line in lines)
    assert [float(line[2]) for line in lines] == pytest.approx(result.pairs.similarity.tolist(), abs=1e-6)
    assert sorted(path.name for path in (tmp_path / "out/similarities").iterdir()) == ["batch_0.csv"]


def test_similarities_of_batches_and_of_representatives_have_a_table_each(album, tmp_path, in_two_batches):
    labelimg.cluster(album, out=tmp_path / "out")
    similarities = tmp_path / "out/similarities"
    assert sorted(path.name for path in similarities.iterdir()) == ["batch_0.csv", "batch_1.csv", "representatives.csv"]
    # Even rows: astronaut.png, coffee.png, copies/astronaut.jpg, moon.png, the unicode rocket. Odd: the others.
    assert [line[:2] for line in table(similarities / "batch_0.csv")[1:]] == [["astronaut.png", "copies/astronaut.jpg"]]
    assert table(similarities / "batch_1.csv")[1:] == []
    assert [line[:2] for line in table(similarities / "representatives.csv")[1:]] == [
        ["astronaut.png", "copies/astronaut small.png"],
        ["coffee.png", "copies/coffee.jpg"],
        ["rocket.png", "ünïcode rocket.png"],
    ]


def test_past_the_limit_a_spanning_forest_is_listed_and_run_json_says_so(album, tmp_path, monkeypatch):
    for number in range(6):
        shutil.copy(album / "moon.png", album / f"moon {number}.png")
    labelimg.cluster(album, out=tmp_path / "all")
    assert run_json(tmp_path / "all")["spanning_forests"] == []
    whole = pairwise.PairwiseGrouper
    monkeypatch.setattr(pairwise, "PairwiseGrouper", lambda *arguments, **named: whole(*arguments, **named, most=5))
    labelimg.cluster(album, out=tmp_path / "few")
    assert run_json(tmp_path / "few")["spanning_forests"] == ["similarities/batch_0.csv"]
    forest = table(tmp_path / "few/similarities/batch_0.csv")[1:]
    whole = table(tmp_path / "all/similarities/batch_0.csv")[1:]
    assert len(whole) == 21 + 3 + 1 + 1
    assert len(forest) == 6 + 2 + 1 + 1
    assert [line for line in whole if line in forest] == forest
    assert (tmp_path / "few/clusters.csv").read_bytes() == (tmp_path / "all/clusters.csv").read_bytes()


def test_unreadable_csv_gives_each_file_with_its_reason(album, tmp_path):
    (album / "copies/empty.jpg").touch()
    truncated_png(album / "cut.png")
    labelimg.cluster(album, out=tmp_path / "out")
    header, *lines = table(tmp_path / "out/unreadable.csv")
    assert header == ["image", "reason"]
    assert [line[0] for line in lines] == ["copies/empty.jpg", "cut.png"]
    assert lines[0][1] == "the file is empty"
    assert lines[1][1]


def test_unreadable_csv_is_there_when_all_could_be_read(album, tmp_path):
    labelimg.cluster(album, out=tmp_path / "out")
    assert table(tmp_path / "out/unreadable.csv") == [["image", "reason"]]


def test_run_json_says_how_the_run_was_made(album, tmp_path):
    (album / "empty.jpg").touch()
    out = tmp_path / "out"
    labelimg.cluster(album, out=out, method="ssim", threshold=0.61, batch_size=100, size=(64, 48), exclude=["moon*"])
    run = run_json(out)
    assert run["settings"] == {
        "folders": [str(album)],
        "method": "ssim",
        "parameters": {"size": [64, 48], "scale": None},
        "threshold": 0.61,
        "batch_size": 100,
        "rescue": True,
        "merge": True,
        "transfer": "copy",
        "keep_batches": False,
        "recursive": True,
        "include": [],
        "exclude": ["moon*"],
        "threshold_reason": "",
    }
    assert run["root"] == str(album)
    counts = run["counts"]
    assert counts.pop("similar_pairs_listed") == len(table(out / "similarities/batch_0.csv")) - 1
    assert counts == {
        "images": 9,
        "batches": 1,
        "clusters": 3,
        "clustered": 7,
        "outliers": 1,
        "unreadable": 1,
        "skipped": 1,
    }
    assert (run["merged"], run["spanning_forests"]) == (True, [])
    assert run["versions"]["numpy"] == version("numpy")
    assert run["versions"]["labelimg-suite"] == version("labelimg-suite")
    assert {"finding images", "decoding", "comparing", "merging", "copying"} <= run["seconds"].keys()


def test_an_image_read_but_not_transferred_counts_once(album, tmp_path, monkeypatch):
    def hook(name: str, path: str) -> None:
        if "moon" in path:
            raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(files, "on_operation", hook)
    labelimg.cluster(album, out=tmp_path / "out")
    monkeypatch.setattr(files, "on_operation", None)
    counts = run_json(tmp_path / "out")["counts"]
    assert (counts["images"], counts["unreadable"]) == (9, 1)


def test_settings_in_run_json_do_the_run_again(album, tmp_path):
    first = labelimg.cluster(album, out=tmp_path / "out", method="minhash", corners=77, threshold=0.4)
    settings = dict(run_json(tmp_path / "out")["settings"])
    folders, parameters = settings.pop("folders"), settings.pop("parameters")
    assert settings.pop("threshold_reason") == ""
    again = labelimg.cluster(folders, **settings, **parameters)
    assert again.clusters == first.clusters
    assert again.settings == first.settings


def test_names_with_commas_quotes_and_line_breaks_come_back_from_the_tables(tmp_path):
    names = ['a,"b".png', "line\nbreak.png", os.fsdecode(b"\xff.png"), " space .png"]
    for name in names:
        save(tmp_path / "in" / name, photograph("coffee"))
    out = tmp_path / "out"
    labelimg.cluster(tmp_path / "in", out=out)
    lines = table(out / "clusters.csv")[1:]
    assert sorted(line[0] for line in lines) == sorted(names)
    assert all((out / line[3]).is_file() for line in lines)


def test_names_from_several_folders_are_relative_to_what_they_share(tmp_path):
    save(tmp_path / "one/a.png", photograph("coffee"))
    save(tmp_path / "two/b.png", photograph("coffee"))
    labelimg.cluster([tmp_path / "one", tmp_path / "two"], out=tmp_path / "out")
    assert [line[0] for line in table(tmp_path / "out/clusters.csv")[1:]] == ["one/a.png", "two/b.png"]
    assert run_json(tmp_path / "out")["root"] == str(tmp_path)


def test_a_cluster_of_many_digits_does_not_confuse_the_order(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(12):
        pixels = rng.integers(0, 256, (40, 40, 3)).astype(np.uint8)
        save(tmp_path / f"in/{k:02}a.png", pixels)
        save(tmp_path / f"in/{k:02}b.png", pixels)
    labelimg.cluster(tmp_path / "in", out=tmp_path / "out")
    lines = table(tmp_path / "out/clusters.csv")[1:]
    assert [line[1] for line in lines] == [f"cluster_{k}" for k in range(12) for _ in "ab"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"settings": 5}', "\0"])
def test_a_run_json_that_is_not_ours_is_refused_by_name(tmp_path, text):
    (tmp_path / "run.json").write_text(text, "utf-8")
    with pytest.raises(OutputError, match=r"run\.json"):
        read_run(tmp_path)


def test_a_folder_without_run_json_is_no_result(tmp_path):
    with pytest.raises(OutputError, match="no result of labelimg cluster"):
        read_run(tmp_path)
