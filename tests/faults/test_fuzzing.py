"""What we parse ourselves, changed at random: a clear error or a right result, and nothing outside is touched."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import labelimg
from labelimg import FeatureCache, LabelimgError
from labelimg.clusterimg import output
from labelimg.clusterimg.folders import apply, check_out, plan_transfers, record_tables, remove_earlier, replay
from labelimg.clusterimg.kept import Kept
from labelimg.segmentatimg.labelling import label_folders
from labelimg.segmentatimg.masks import load_classes, save_masks
from labelimg.segmentatimg.templates import load_templates
from labelimg.signing import signature
from pictures import OLD_NS, make_album, photograph, save

MANY = 400 if os.environ.get("LABELIMG_FAULTS") == "all" else 40
# The sample is always the same one; make test-faults tries others each time.
often = settings(
    max_examples=MANY, derandomize=MANY < 100, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)

PLACE = Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp")

NASTY = st.one_of(
    st.sampled_from(
        [
            *(
                "../precious/a.png",
                "/etc/passwd",
                "..",
                ".",
                "",
                "/",
                "a/../../precious/a.png",
                "results/../../in/x.png",
            ),
            *("\0", "a\0b.png", ".labelimg/plan.jsonl", "~/x.png", "x" * 5000, "\ud800.png", "PRECIOUS", "IN", "OUT"),
        ]
    ),
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats() | st.text(max_size=4),
    st.just([]) | st.just({}) | st.just([["a", "b"]]) | st.just({"a": 1}),
)


def mutated(draw: Callable[..., Any], value: Any, place: Path) -> Any:
    """The value with one part of it, at any depth, made something else, taken out, or doubled."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(value)))
        action = draw(st.integers(0, 9))
        if action == 0:
            return {name: each for name, each in value.items() if name != key}
        return value | {key: mutated(draw, value[key], place)}
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        at = draw(st.integers(0, len(value) - 1))
        action = draw(st.integers(0, 9))
        if action == 0:
            return value[:at] + value[at + 1 :]
        if action == 1:
            return [*value[:at], value[at], *value[at:]]
        return [*value[:at], mutated(draw, value[at], place), *value[at + 1 :]]
    new = draw(NASTY)
    names = {"PRECIOUS": "precious/a.png", "IN": "in/a.png", "OUT": "out/results/cluster_0/a.png"}
    return str(place / names[new]) if isinstance(new, str) and new in names else new


def contents(folder: Path) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        is_file = stat.S_ISREG(state.st_mode)
        found[str(path.relative_to(folder))] = (is_file and path.read_bytes(), state.st_mtime_ns if is_file else 0)
    return found


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder `in` with two images, `precious` beside it, and what `reset` puts into `out` of a run."""
    folder = PLACE / f"labelimg-fuzz-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def small_run(folder: Path, mode: str) -> None:
    for name in ("in", "precious"):
        for file in ("a.png", "b.png"):
            (folder / name).mkdir(exist_ok=True)
            (folder / name / file).write_bytes(f"{name} {file}".encode() * 10)
            os.utime(folder / name / file, ns=(OLD_NS, OLD_NS))
    layout = [(str(folder / "in" / file), "results/cluster_0") for file in ("a.png", "b.png")]
    apply(plan_transfers(folder / "out", mode, layout), run="x", roots=[str(folder / "in")])  # type: ignore[arg-type]
    (folder / "out/clusters.csv").write_text("image,cluster,representative,written\n")
    record_tables(folder / "out", ["clusters.csv"])


def everything(folder: Path) -> set[bytes]:
    """The contents of all images."""
    return {path.read_bytes() for path in folder.rglob("*.png") if path.is_file()}


ACTIONS: dict[str, Callable[[Path], Any]] = {
    "undo": labelimg.undo,
    "finish": output.finish,
    "replay": replay,
    "remove": remove_earlier,
    "check": lambda out: check_out(out, [], overwrite=True),
    "merge": labelimg.merge,
}


@often
@given(data=st.data())
@pytest.mark.parametrize("mode", ["copy", "move"])
def test_a_changed_record_gives_an_error_or_its_files_and_nothing_outside_is_touched(place, mode, data):
    shutil.rmtree(place)
    place.mkdir()
    small_run(place, mode)
    images = everything(place)
    name = data.draw(st.sampled_from(["plan.jsonl", "wrote.json", "pending.jsonl"]))
    path = place / "out/.labelimg" / name
    if name == "pending.jsonl":
        old, new = "results/cluster_0/a.png", "results/cluster_1/a.png"
        lines: list[Any] = [{"folders": ["results/cluster_1"]}, [old, new]]
    else:
        lines = [json.loads(line) for line in path.read_text().splitlines()] if name == "plan.jsonl" else []
        lines = lines or [json.loads(path.read_text())]
    number = data.draw(st.integers(0, len(lines) - 1))
    lines[number] = mutated(data.draw, lines[number], place)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    if name == "plan.jsonl" and data.draw(st.booleans()):  # as if we had written it: the other checks have to hold
        text = "".join(json.dumps(line) + "\n" for line in lines[:-1])
        text += json.dumps({"signature": signature(text)}) + "\n"
    path.write_text(text)
    precious, originals = contents(place / "precious"), contents(place / "in")
    action = data.draw(st.sampled_from(sorted(ACTIONS)))
    try:
        ACTIONS[action](place / "out")
    except LabelimgError as error:
        assert "\n" not in str(error)
    assert contents(place / "precious") == precious, "what lies elsewhere was changed"
    assert everything(place) == images, "an image was lost"
    if mode == "copy":
        now = contents(place / "in")
        assert {name: now[name] for name in originals} == originals
        assert sorted(now) == sorted(originals)
    assert sorted(path.name for path in place.iterdir()) in (["in", "out", "precious"], ["in", "precious"])


@often
@given(data=st.data())
def test_a_changed_run_json_gives_an_error_or_a_merge_within_the_folder(place, data):
    whole = place / "whole"
    if not whole.exists():
        album = make_album(place / "in")
        labelimg.cluster(album, out=place / "out", merge=False, batch_size=5, threads=1)
        (place / "out").rename(whole)
        (place / "precious").mkdir()
        save(place / "precious/a.png", photograph("moon"))
    shutil.rmtree(place / "out", ignore_errors=True)
    subprocess.run(["cp", "-a", whole, place / "out"], check=True)
    images = {path.read_bytes() for path in (place / "out").rglob("*.png")}
    elsewhere = contents(place / "precious"), contents(place / "in")
    path = place / "out/run.json"
    path.write_text(json.dumps(mutated(data.draw, json.loads(path.read_text()), place)))
    try:
        labelimg.merge(place / "out", threads=1)
    except LabelimgError as error:
        assert "\n" not in str(error)
    assert (contents(place / "precious"), contents(place / "in")) == elsewhere
    assert {path.read_bytes() for path in (place / "out").rglob("*.png")} == images
    assert sorted(path.name for path in place.iterdir()) == ["in", "out", "precious", "whole"]


@often
@given(data=st.data())
def test_what_a_killed_run_kept_gives_an_error_or_the_run_and_nothing_outside_is_touched(place, data):
    album, whole = place / "in", place / "whole"
    if not whole.exists():
        make_album(album)
        (place / "precious").mkdir()
        save(place / "precious/a.png", photograph("moon"))
        labelimg.cluster(album, out=place / "out", threads=1)
        (place / "out/.labelimg/cluster.done").rename(place / "out/.labelimg/cluster.going")
        (place / "out").rename(whole)
    shutil.rmtree(place / "out", ignore_errors=True)
    subprocess.run(["cp", "-a", whole, place / "out"], check=True)
    elsewhere = contents(place / "precious"), contents(place / "in")
    going = place / "out/.labelimg/cluster.going"
    if data.draw(st.booleans()):
        told = json.loads((going / "begun.json").read_text())
        (going / "begun.json").write_text(json.dumps(mutated(data.draw, told, place)))
    else:
        kept_now = Kept(place / "out", "cluster").result()
        assert kept_now is not None
        batches, told = kept_now
        told = mutated(data.draw, told, place)
        assume(isinstance(told, dict))
        Kept(place / "out", "cluster").keep_result(batches, told)
    action = data.draw(st.sampled_from(["again", "finish", "undo"]))
    try:
        if action == "again":
            result = labelimg.cluster(album, out=place / "out", threads=1)
            assert len(result.written) == 9
        else:
            ACTIONS[action](place / "out")
    except LabelimgError as error:
        assert "\n" not in str(error)
    assert (contents(place / "precious"), contents(place / "in")) == elsewhere
    assert not any(path.name not in ("in", "out", "precious", "whole") for path in place.iterdir())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
COLOURS = st.dictionaries(st.sampled_from(["(R:1,G:2,B:3)", "R-9,G-9,B-9", "(R:999,G:0,B:0)", "red", ""]), JSON)


@often
@given(found=JSON | COLOURS | st.binary(max_size=30))
def test_classes_json_gives_names_or_one_line(place, found):
    path = place / "classes.json"
    path.write_bytes(found if isinstance(found, bytes) else json.dumps(found).encode("utf-8", "surrogatepass"))
    try:
        names = load_classes(place)
    except LabelimgError as error:
        assert "classes.json" in str(error) and "\n" not in str(error)
    else:
        assert all(len(colour) == 3 and isinstance(name, str) for colour, name in names.items())
    path.unlink()


@often
@given(data=st.data())
def test_a_changed_label_map_is_done_anew_or_listed_or_known_and_the_image_stays(place, data):
    """Bytes of a label map changed: the next run finds it done, makes it anew, or lists the image; the image stays."""
    if not (place / "in").exists():
        save(place / "in/a.png", photograph("coffee", 64, 48))
        label_folders([place / "in"], out=place / "out", method="superpixel", processes=1, preview=False)
    labels = place / "out/a_labels.tif"
    kept = place / "whole.tif"
    if not kept.exists():
        shutil.copy2(labels, kept)
    whole, image = kept.read_bytes(), contents(place / "in")
    at = data.draw(st.integers(0, len(whole) - 1))
    labels.write_bytes(
        data.draw(
            st.sampled_from(
                [whole[:at], whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :], b"", whole[:at] + bytes(50)]
            )
        )
    )
    result = label_folders([place / "in"], out=place / "out", method="superpixel", processes=1, preview=False)
    assert len(result.labelled) + len(result.unreadable) == 1
    assert contents(place / "in") == image
    if result.unreadable:
        assert "was not made by labelimg" in result.unreadable[0].reason
        labels.unlink()


NAMES = st.sampled_from(["a.png", "a.jpg", "b.png", "A.png", ".a.png", "a", "ü.png", "line\nbreak.png"])
FILES = st.dictionaries(
    NAMES, st.sampled_from(["good", "other size", "damaged", "empty", "folder", "colours"]), max_size=4
)


@often
@given(templates=FILES, segments=FILES)
def test_folders_of_templates_give_templates_or_one_line(place, templates, segments):
    for folder, given_files in (("templates", templates), ("segments", segments)):
        shutil.rmtree(place / folder, ignore_errors=True)
        (place / folder).mkdir()
        for name, kind in given_files.items():
            path = place / folder / name
            if kind == "folder":
                path.mkdir()
            elif kind in ("damaged", "empty"):
                path.write_bytes(b"\x89PNG\r\n\x1a\n" if kind == "damaged" else b"")
            else:
                side = 9 if kind == "other size" else 8
                pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
                data = pixels if kind == "colours" else np.full((side, side, 3), 7, np.uint8)
                save(path.with_suffix(".tmp.png"), data)
                path.with_suffix(".tmp.png").rename(path)
    try:
        found = load_templates(place / "templates", place / "segments")
    except LabelimgError as error:
        assert "\n" not in str(error)
    else:
        assert found


@often
@given(data=st.data())
def test_a_changed_cache_gives_what_was_kept_or_nothing(place, data):
    files = [(str(place / f"{k}.png"), 10, OLD_NS) for k in range(20)]
    features = {k: bytes([k]) * 100 for k in range(20)}
    whole = place / "whole.sqlite"
    if not whole.exists():
        with FeatureCache(place / "cache") as cache:
            cache.put_many("recipe", [(*file, features[k]) for k, file in enumerate(files)])
        shutil.copy(place / "cache/features.sqlite", whole)
    shutil.rmtree(place / "cache")
    (place / "cache").mkdir()
    raw = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(raw), len(raw), len(raw) // 2, 100, 0]))
    (place / "cache/features.sqlite").write_bytes(raw[:cut])
    warned: list[str] = []
    with FeatureCache(place / "cache", warn=warned.append) as cache:
        found = dict(cache.get_many("recipe", files))
        cache.put_many("recipe", [(*file, features[k]) for k, file in enumerate(files)])
        assert all(found[k] == features[k] for k in found)
        assert all(feature == features[k] for k, feature in cache.get_many("recipe", files))
    assert all("\n" not in text for text in warned)


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.place / "it ran"),)


def test_a_pickle_is_never_opened(place, monkeypatch):
    """In every place where a file of ours may lie, one that would run something when it is unpickled."""
    import pickle

    evil = pickle.dumps(Evil(place))
    album = make_album(place / "in")
    labelimg.cluster(album, out=place / "out", threads=1)
    state = place / "out/.labelimg"
    (state / "cluster.done").rename(state / "cluster.going")
    arrays = np.empty(1, object)
    arrays[0] = Evil(place)
    with (state / "cluster.going/result.npz").open("wb") as file:
        np.savez(file, meta=arrays, rows=arrays)
    (state / "cluster.going/batches_0.npz").write_bytes(evil)
    with pytest.raises(LabelimgError):
        labelimg.cluster(album, out=place / "out", threads=1)
    for name in ("plan.jsonl", "wrote.json", "pending.jsonl", "cluster.going/begun.json"):
        (state / name).write_bytes(evil)
    (place / "out/run.json").write_bytes(evil)
    (place / "cache").mkdir()
    (place / "cache/features.sqlite").write_bytes(evil)
    with FeatureCache(place / "cache", warn=lambda _: None) as cache:
        labelimg.cluster(album, cache=cache, threads=1)
    for action in ACTIONS.values():
        with pytest.raises(LabelimgError):
            action(place / "out")
    (place / "classes.json").write_bytes(evil)
    with pytest.raises(LabelimgError):
        load_classes(place)
    assert not (place / "it ran").exists()


@pytest.mark.skipif(MANY < 100, reason="make test-faults: it loads torch")
def test_a_pickle_that_claims_to_be_a_checkpoint_is_never_opened(place):
    import pickle

    import torch

    from labelimg.clusterimg.deep.checkpoints import read_checkpoint

    evil = pickle.dumps(Evil(place))
    checkpoint = place / "model.ckpt"
    checkpoint.write_bytes(evil)
    with pytest.raises(LabelimgError, match=r"more than numbers|truncated, damaged"):
        read_checkpoint(checkpoint)
    torch.save({"labelimg": Evil(place)}, checkpoint)
    with pytest.raises(LabelimgError, match="holds more than numbers and would have to be run"):
        read_checkpoint(checkpoint)
    assert not (place / "it ran").exists()


def test_masks_of_names_that_lead_elsewhere_stay_in_their_folder(place):
    """Names of images are those of files in the folder; a mask's own name has no slash."""
    (place / "masks").mkdir()
    save_masks(place / "masks", "a", {(1, 2, 3): np.ones((4, 4), np.uint8)})
    assert [path.name for path in (place / "masks").iterdir()] == ["a_mask_(R:1,G:2,B:3).png"]


def copied_result(place: Path) -> None:
    """`out`, a finished run of `in` that is made once, and `precious` beside them."""
    if not (place / "whole").exists():
        make_album(place / "in")
        (place / "precious").mkdir()
        save(place / "precious/a.png", photograph("moon"))
        labelimg.cluster(place / "in", out=place / "out", threads=1)
        with labelimg.Review(place / "out") as review:
            review.move(["moon.png"], "night")
        (place / "out").rename(place / "whole")
    shutil.rmtree(place / "out", ignore_errors=True)
    subprocess.run(["cp", "-a", place / "whole", place / "out"], check=True)


@often
@given(data=st.data())
def test_changed_tables_and_pending_changes_of_a_review_stay_within_the_folder(place, data):
    copied_result(place)
    out = place / "out"
    images = {path.read_bytes() for path in out.rglob("*.png")}
    elsewhere = contents(place / "precious"), contents(place / "in")
    name = data.draw(st.sampled_from(["run.json", "clusters.csv", ".labelimg/review.jsonl", "report.json"]))
    if name == "clusters.csv":
        lines = [line.split(",") for line in (out / name).read_text("utf-8").splitlines()]
        at = data.draw(st.integers(0, len(lines) - 1))
        changed = mutated(data.draw, lines[at], place)
        lines[at] = [each for each in changed if isinstance(each, str)] if isinstance(changed, list) else []
        text = "\n".join(",".join(line) for line in lines) + "\n"
        (out / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    else:
        parts = (out / name).read_text("utf-8").splitlines(keepends=True)
        parts = parts if name.endswith("jsonl") else ["".join(parts)]
        at = data.draw(st.integers(0, len(parts) - 1))
        try:
            parts[at] = json.dumps(mutated(data.draw, json.loads(parts[at]), place)) + "\n"
        except ValueError:  # lines with a checksum
            parts[at] = parts[at][:9] + data.draw(st.text(max_size=20)).replace("\n", "") + "\n"
        (out / name).write_bytes("".join(parts).encode("utf-8", "surrogatepass"))
    action = data.draw(st.sampled_from(["report", "review", "undo"]))
    try:
        if action == "report":
            labelimg.write_report(out)
        elif action == "undo":
            labelimg.undo(out)
        else:
            with labelimg.Review(out) as review:
                review.apply()
    except LabelimgError as error:
        assert "\n" not in str(error)
    assert (contents(place / "precious"), contents(place / "in")) == elsewhere
    assert action == "undo" or {path.read_bytes() for path in out.rglob("*.png")} == images
    assert {path.name for path in place.iterdir()} <= {"in", "out", "precious", "whole"}


@pytest.mark.parametrize("written", ["../precious/a.png", "PLACE/precious/a.png", "results/../../precious/a.png"])
def test_the_page_shows_no_image_that_lies_elsewhere(place, written):
    copied_result(place)
    table = place / "out/clusters.csv"
    lines = table.read_text("utf-8").splitlines()
    row = lines[1].split(",")
    for column in (0, 3):
        changed = [*row[:column], written.replace("PLACE", str(place)), *row[column + 1 :]]
        table.write_text("\n".join([lines[0], ",".join(changed), *lines[2:]]) + "\n", "utf-8")
        with pytest.raises(LabelimgError, match="names images that lie elsewhere"):
            labelimg.write_report(place / "out")
