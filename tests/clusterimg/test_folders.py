"""Plans name files without collision; carrying out, killing, replaying and taking back loses none."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import shutil
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelimg import files
from labelimg.clusterimg import folders
from labelimg.clusterimg.folders import (
    Failure,
    Transfer,
    apply,
    check_out,
    plan_transfers,
    read_record,
    rebase,
    record_tables,
    remove_earlier,
    replay,
    take_back,
)
from labelimg.errors import OutputError, TransferError, UsageError
from labelimg.lock import Lock

OLD = 1_600_000_000_123_456_789
MODES = ["copy", "move", "hardlink", "symlink"]


class Killed(BaseException):
    """What kill -9 does: nothing after it changes a disk any more."""


@pytest.fixture(autouse=True)
def no_hook(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # a kill loses nothing that was not flushed
    yield
    files.on_operation = None


def kill_at(number: int, also: Callable[[str, str], None] | None = None) -> None:
    count = itertools.count(1)

    def hook(name: str, path: str) -> None:
        if next(count) >= number:
            raise Killed
        if also is not None:
            also(name, path)

    files.on_operation = hook


def other_file_system(name: str, path: str) -> None:
    if name == "move":
        raise OSError(errno.EXDEV, "other file system")


def make_images(root: Path) -> list[tuple[str, str]]:
    """A few images, their names the worst there are; gives a layout of them."""
    layout = []
    for name, folder in [
        ("one/a.jpg", "results/cluster_0"),
        ("two/a.jpg", "results/cluster_0"),
        ("two/a__2.jpg", "results/cluster_0"),
        ("two/line\nbreak.jpg", "results/cluster_1"),
        (os.fsdecode(b"two/\xff\xfe.jpg"), "results/outliers"),
        ("two/link.jpg", "results/outliers"),
    ]:
        path = root / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if "link" in name:
            path.symlink_to("../elsewhere/original.jpg")
            (root / "in/elsewhere").mkdir()
            (root / "in/elsewhere/original.jpg").write_bytes(b"linked")
            os.utime(root / "in/elsewhere/original.jpg", ns=(OLD, OLD))
            os.utime(path, ns=(OLD, OLD), follow_symlinks=False)
        else:
            path.write_bytes(os.fsencode(name) * 100)
            os.utime(path, ns=(OLD, OLD))
        layout.append((str(path), folder))
    return layout


def plan_of(root: Path, mode: str, layout: list[tuple[str, str]] | None = None) -> folders.Plan:
    return plan_transfers(root / "out", mode, layout or make_images(root), folders=["results/empty"])


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder: links as they read, files with bytes, time and permissions."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        state, name = path.lstat(), str(path.relative_to(root))
        if stat.S_ISLNK(state.st_mode):
            found[name] = ("link", str(path.readlink()))
        elif stat.S_ISDIR(state.st_mode):
            found[name] = ("folder",)
        elif path.parent.name == ".labelimg":
            found[name] = ("record", path.read_bytes())
        else:
            found[name] = (path.read_bytes(), state.st_mtime_ns, state.st_mode)
    return found


def without_links(found: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    return {name: what for name, what in found.items() if what[0] != "link"}


def contents(root: Path) -> Counter[bytes]:
    """How often each content is there, whatever the name."""
    return Counter(
        path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and ".labelimg" not in str(path.relative_to(root))
    )


# Names


def targets(plan: folders.Plan) -> list[str]:
    return [transfer.target for transfer in plan.transfers]


def planned(tmp_path: Path, names: list[str], mode: str = "copy", **options: object) -> list[str]:
    layout = [(f"/in/{i}/{name}", "c") for i, name in enumerate(names)]
    return [target.removeprefix("c/") for target in targets(plan_transfers(tmp_path / "out", mode, layout, **options))]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], []),
        (["a.jpg"], ["a.jpg"]),
        (["a.jpg", "a.jpg", "a.jpg"], ["a.jpg", "a__2.jpg", "a__3.jpg"]),
        (["a.jpg", "a.jpg", "a__2.jpg"], ["a.jpg", "a__3.jpg", "a__2.jpg"]),
        (["a__2.jpg", "a.jpg", "a.jpg"], ["a__2.jpg", "a.jpg", "a__3.jpg"]),
        (["a.jpg", "A.JPG", "ß.png", "SS.png"], ["a.jpg", "A__2.JPG", "ß.png", "SS__2.png"]),
        (["plain", "plain", ".hidden", ".hidden"], ["plain", "plain__2", ".hidden", ".hidden__2"]),
        (["a.tar.gz", "a.tar.gz"], ["a.tar.gz", "a.tar__2.gz"]),
        (["x" * 251 + ".jpg"] * 2, ["x" * 251 + ".jpg", "x" * 248 + "__2.jpg"]),
        (["é" * 125 + ".jpeg"] * 2, ["é" * 125 + ".jpeg", "é" * 123 + "__2.jpeg"]),
        (["a." + "x" * 253] * 2, ["a." + "x" * 253, "a." + "x" * 250 + "__2"]),
    ],
)
def test_names_worked_by_hand(tmp_path, names, expected):
    assert planned(tmp_path, names) == expected


NAMES = st.one_of(
    st.sampled_from(["a.jpg", "A.jpg", "a__2.jpg", "A__2.JPG", "a__3.jpg", "a__2__2.jpg", ".jpg", "a"]),
    st.sampled_from(
        ["é" * 125 + ".jpg", "é" * 125 + ".JPG", "x" * 255, "X" * 255, "y." + "z" * 253, "ﬁ.png", "FI.png"]
    ),
    st.binary(min_size=1, max_size=8)
    .map(lambda raw: os.fsdecode(raw.replace(b"/", b"").replace(b"\0", b"")))
    .filter(lambda name: name not in ("", ".", "..")),
)


@settings(max_examples=150, deadline=None)
@given(names=st.lists(NAMES, max_size=25), mode=st.sampled_from(["copy", "move"]))
def test_no_two_targets_are_equal_whatever_the_names(tmp_path_factory, names, mode):
    given_names = planned(Path("/nowhere"), names, mode)
    assert len({name.casefold() for name in given_names}) == len(names)
    first_of: set[str] = set()
    for name, target in zip(names, given_names, strict=True):
        assert len(os.fsencode(target)) <= 255
        assert "/" not in target
        if name.casefold() not in first_of:
            assert target == name
        first_of.add(name.casefold())


def test_equal_names_in_different_folders_stay(tmp_path):
    plan = plan_transfers(tmp_path, "copy", [("/1/a.jpg", "x"), ("/2/a.jpg", "y"), ("/3/a.jpg", "y")])
    assert targets(plan) == ["x/a.jpg", "y/a.jpg", "y/a__2.jpg"]
    assert plan.transfers[0] == Transfer("/1/a.jpg", "x/a.jpg")


def test_names_on_disk_and_of_folders_are_taken_unless_free(tmp_path):
    (tmp_path / "out/c").mkdir(parents=True)
    for name in ("A.jpg", "b.jpg"):
        (tmp_path / "out/c" / name).touch()
    assert planned(tmp_path, ["a.jpg", "b.jpg"], free=["c/b.jpg"]) == ["a__2.jpg", "b.jpg"]
    assert planned(tmp_path, ["sub", "x"], folders=["c/sub"]) == ["sub__2", "x"]


def test_many_files_of_one_name_are_named_quickly(tmp_path):
    assert planned(tmp_path, ["image.jpg"] * 20_000)[-1] == "image__20000.jpg"


def test_one_source_goes_to_several_folders_unless_it_is_moved(tmp_path):
    layout = [("/in/a.jpg", "results/cluster_0"), ("/in/a.jpg", "batch_0/cluster_0")]
    assert len(plan_transfers(tmp_path, "copy", layout).transfers) == 2
    with pytest.raises(UsageError, match=r"one place only, got 2 for /in/a\.jpg"):
        plan_transfers(tmp_path, "move", layout)


@pytest.mark.parametrize("folder", ["../x", "/x", "", ".", ".labelimg", ".labelimg/x", "a//b"])
def test_a_layout_cannot_leave_the_folder(tmp_path, folder):
    with pytest.raises(UsageError):
        plan_transfers(tmp_path, "copy", [("/in/a.jpg", folder)])


def test_none_plans_and_makes_nothing_but_a_record(tmp_path):
    plan = plan_of(tmp_path, "none")
    assert (plan.transfers, plan.folders) == ((), ())
    assert apply(plan) == ()
    assert names_of(tmp_path / "out") == [".labelimg"]


def names_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Carrying out, undisturbed


@pytest.mark.parametrize("mode", MODES)
def test_every_file_arrives_with_its_bytes_and_its_time(tmp_path, mode):
    layout = make_images(tmp_path)
    before = {source: Path(source).read_bytes() for source, _ in layout}
    at_first = tree(tmp_path / "in")
    seen: list[tuple[int, int, int]] = []
    plan = plan_of(tmp_path, mode, layout)
    assert apply(plan, progress=lambda *numbers: seen.append(numbers)) == ()
    for transfer in plan.transfers:
        arrived = tmp_path / "out" / transfer.target
        assert arrived.read_bytes() == before[transfer.source]
        assert arrived.stat().st_mtime_ns == OLD
        assert os.path.lexists(transfer.source) == (mode != "move")
        assert arrived.is_symlink() == (mode == "symlink" or (mode == "move" and "link" in transfer.source))
    assert (tmp_path / "out/results/empty").is_dir()
    if mode != "move":
        assert tree(tmp_path / "in") == at_first
    assert seen[-1][:2] == (6, 6)
    record = read_record(tmp_path / "out")
    assert record is not None
    assert [(e.source, e.target) for e in record.entries] == [(t.source, t.target) for t in plan.transfers]
    assert all(e.mtime_ns == OLD for e in record.entries)


@pytest.mark.parametrize("mode", MODES)
def test_take_back_restores_everything(tmp_path, mode):
    plan = plan_of(tmp_path, mode)
    before = tree(tmp_path)
    with Lock(tmp_path / "out"):
        apply(plan)
        files.write_atomic(tmp_path / "out/clusters.csv", "x")
        record_tables(tmp_path / "out", ["clusters.csv", "not-written.csv"])
    with Lock(tmp_path / "out"):
        assert take_back(tmp_path / "out") == ()
    assert tree(tmp_path) == before


@pytest.mark.parametrize("mode", MODES)
def test_applying_twice_changes_nothing(tmp_path, mode):
    plan = plan_of(tmp_path, mode)
    apply(plan)
    after = tree(tmp_path)
    assert apply(plan) == replay(tmp_path / "out") == ()
    assert tree(tmp_path) == after


def test_another_plan_is_refused_while_there_is_a_record(tmp_path):
    plan = plan_of(tmp_path, "copy")
    apply(plan)
    with pytest.raises(OutputError, match="another run"):
        apply(folders.Plan(plan.out, "move", plan.transfers, plan.folders))


def test_many_large_files_are_copied_in_threads(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(40):
        (tmp_path / f"in/{i}.jpg").write_bytes(bytes([i]) * 300_000)
    layout = [(str(tmp_path / f"in/{i}.jpg"), f"c{i % 3}") for i in range(40)]
    seen: list[tuple[int, int, int]] = []
    assert apply(plan_transfers(tmp_path / "out", "copy", layout), progress=lambda *n: seen.append(n)) == ()
    assert seen[-1] == (40, 40, 12_000_000)
    assert all((tmp_path / f"out/c{i % 3}/{i}.jpg").read_bytes() == bytes([i]) * 300_000 for i in range(40))


def test_replay_and_take_back_of_nothing(tmp_path):
    assert replay(tmp_path / "out") == ()
    with pytest.raises(OutputError, match="no record"):
        take_back(tmp_path / "out")


# Files that cannot be transferred


@pytest.mark.parametrize("mode", MODES)
def test_a_vanished_source_is_listed_and_the_others_go_on(tmp_path, mode):
    plan = plan_of(tmp_path, mode)
    (tmp_path / "in/two/a.jpg").unlink()
    expected = (Failure(str(tmp_path / "in/two/a.jpg"), "it is gone"),)
    assert apply(plan) == expected
    assert replay(tmp_path / "out") == expected
    assert (tmp_path / "out/results/cluster_0/a__2.jpg").exists()
    assert not (tmp_path / "out/results/cluster_0/a__3.jpg").exists()


@pytest.mark.parametrize("mode", ["copy", "move"])
def test_a_file_that_may_not_be_read_is_listed(tmp_path, mode):
    plan = plan_of(tmp_path, mode)

    def hook(name: str, path: str) -> None:
        if path.endswith("a__3.jpg") and name in ("rename", "move"):
            raise PermissionError(errno.EACCES, "denied")

    files.on_operation = hook
    assert apply(plan) == (Failure(str(tmp_path / "in/two/a.jpg"), "permission denied"),)
    assert (tmp_path / "in/two/a.jpg").exists()


@pytest.mark.parametrize("mode", ["copy", "move"])
def test_a_source_that_changed_since_the_record_is_listed(tmp_path, mode):
    plan = plan_of(tmp_path, mode)
    kill_at(8)
    with pytest.raises(Killed):
        apply(plan)
    files.on_operation = None
    (tmp_path / "in/two/line\nbreak.jpg").write_bytes(b"edited")
    assert replay(tmp_path / "out") == (
        Failure(str(tmp_path / "in/two/line\nbreak.jpg"), "it was changed after the run began"),
    )
    assert (tmp_path / "in/two/line\nbreak.jpg").read_bytes() == b"edited"


@pytest.mark.parametrize("mode", MODES)
def test_a_file_that_appeared_at_a_target_is_kept(tmp_path, mode):
    plan = plan_of(tmp_path, mode)
    (tmp_path / "out/results/cluster_0").mkdir(parents=True)
    (tmp_path / "out/results/cluster_0/a.jpg").write_text("somebody's")
    (failure,) = apply(plan)
    assert failure.source == str(tmp_path / "in/one/a.jpg")
    assert "already something of that name" in failure.reason
    assert (tmp_path / "in/one/a.jpg").exists()
    take_back(tmp_path / "out")
    assert (tmp_path / "in/one/a.jpg").exists()
    assert (tmp_path / "out/results/cluster_0/a.jpg").read_text() == "somebody's"


# A disk that is full


def test_too_little_space_is_found_before_anything_is_written(tmp_path, monkeypatch):
    plan = plan_of(tmp_path, "copy")
    before = tree(tmp_path)
    monkeypatch.setattr(files, "free_bytes", lambda path: 1234)
    with pytest.raises(OutputError, match=r"^needs 1 MB, 1 kB free on "), Lock(tmp_path / "out"):
        apply(plan)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("mode", [*MODES, "none"])
def test_room_for_the_record_and_the_tables_is_needed_too(tmp_path, monkeypatch, mode):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(b"x" * 70)
    plan = plan_of(tmp_path, mode, [(str(tmp_path / "in/a.jpg"), "c")])
    enough = {"copy": 1_000_470, "none": 1_000_000}.get(mode, 1_000_400)
    monkeypatch.setattr(files, "free_bytes", lambda path: enough - 1)
    with pytest.raises(OutputError, match=r"^needs "):
        apply(plan)
    monkeypatch.setattr(files, "free_bytes", lambda path: enough)
    assert apply(plan) == ()
    monkeypatch.setattr(files, "free_bytes", lambda path: 0)
    assert replay(tmp_path / "out") == ()  # nothing is missing


def test_what_will_be_removed_counts_as_free(tmp_path, monkeypatch):
    out = two_copies(tmp_path)
    record_table(out)
    earlier = folders.Earlier("copy", frozenset({"c/b.jpg", "clusters.csv"}), 1)
    plan = plan_transfers(out, "copy", [(str(tmp_path / "in/b.jpg"), "c")], free=earlier.removable)
    assert targets(plan) == ["c/b.jpg"]
    # 1 MB, 400 bytes for the line, 10 for the picture; 10 and 1 bytes become free
    monkeypatch.setattr(files, "free_bytes", lambda path: 1_000_410 - 11)
    folders.check_replacing(plan, earlier)
    monkeypatch.setattr(files, "free_bytes", lambda path: 1_000_410 - 12)
    with pytest.raises(OutputError, match=r"^needs 1 MB"):
        folders.check_replacing(plan, earlier)
    assert names_of(out / "c") == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("mode", [*MODES, "move elsewhere"])
def test_a_full_disk_takes_everything_back(tmp_path, mode, code):
    plan = plan_of(tmp_path, mode.split()[0])
    before = tree(tmp_path)
    needing_room = {"create", "write", "make_folder", "symlink", "hardlink", "move"}
    for number in itertools.count(1):
        left, failed = number, False

        def hook(name: str, path: str) -> None:
            nonlocal left, failed
            inside = path.startswith(str(tmp_path / "out"))
            if inside and name in needing_room and not failed:
                left -= 1
                failed = left == 0
                if failed:
                    raise OSError(code, "full")
            if mode == "move elsewhere" and inside:
                other_file_system(name, path)

        files.on_operation = hook
        try:
            apply(plan)
        except OutputError as error:
            assert str(error).count("\n") == 0
            assert str(error).endswith(("no space left on the disk", "the file system is read-only"))
        else:
            assert not failed
            assert number > 10
            break
        assert tree(tmp_path) == before, number


def test_a_file_that_cannot_return_keeps_its_record(tmp_path):
    plan = plan_of(tmp_path, "move")

    def hook(name: str, path: str) -> None:
        if path.endswith("break.jpg") and name == "move":
            raise OSError(errno.ENOSPC, "full")
        if path.endswith("in/one/a.jpg") and name == "move":
            raise PermissionError(errno.EACCES, "denied")

    files.on_operation = hook
    with pytest.raises(OutputError, match=r"no space left on the disk; 1 of the files stayed in .*/out$"):
        apply(plan)
    files.on_operation = None
    assert (tmp_path / "out/results/cluster_0/a.jpg").exists()
    assert take_back(tmp_path / "out") == ()
    assert (tmp_path / "in/one/a.jpg").exists()


def test_hard_links_to_another_file_system_are_refused_at_once(tmp_path):
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    plan = plan_of(tmp_path, "hardlink")
    out = shm / f"labelimg-test-{os.getpid()}"
    with pytest.raises(OutputError, match="--transfer copy"):
        apply(folders.Plan(str(out), "hardlink", plan.transfers, plan.folders))
    assert not out.exists()


# Killed at every operation


def every_kill(root: Path, prepare: Callable[[], object], act: Callable[[], object], **hook: object):
    """Start afresh and let `act` be killed at its n-th operation, for n = 1, 2, ...; yields after each kill."""
    for number in itertools.count(1):
        files.on_operation = None
        for path in root.iterdir():
            shutil.rmtree(path)
        prepare()
        kill_at(number, **hook)
        try:
            act()
        except Killed:
            files.on_operation = hook.get("also")
            yield number
        else:
            files.on_operation = None
            return


@pytest.mark.parametrize("mode", [*MODES, "move elsewhere"])
@pytest.mark.parametrize("then", ["replay", "take back"])
def test_a_killed_run_loses_nothing_and_can_be_ended_or_undone(tmp_path, mode, then):
    also = other_file_system if mode == "move elsewhere" else None
    mode = mode.split()[0]
    files.on_operation = also
    plan = plan_of(tmp_path, mode)
    before, held = tree(tmp_path), contents(tmp_path / "in")
    apply(plan)
    after = tree(tmp_path)
    kills = 0
    for kills in every_kill(tmp_path, lambda: make_images(tmp_path), lambda: apply(plan), also=also):
        at_kill = contents(tmp_path)
        assert all(at_kill[content] >= count for content, count in held.items()), kills
        planned_names = {f"out/{t.target}" for t in plan.transfers}
        for name, what in without_links(tree(tmp_path / "out")).items():
            if f"out/{name}" in planned_names:
                assert what[0] in held, f"half a file at {name}"
        if then == "replay":
            assert replay(tmp_path / "out") == ()
            assert apply(plan) == ()
            assert tree(tmp_path) == after, kills
        elif read_record(tmp_path / "out") is not None:
            assert take_back(tmp_path / "out") == ()
            assert tree(tmp_path) == before, kills
    assert kills >= 15


@pytest.mark.parametrize("mode", ["copy", "move", "move elsewhere"])
def test_a_killed_undo_can_be_undone_further_or_replayed(tmp_path, mode):
    also = other_file_system if mode == "move elsewhere" else None
    files.on_operation = also
    plan = plan_of(tmp_path, mode.split()[0])
    before, held = tree(tmp_path), contents(tmp_path / "in")
    apply(plan)
    after = tree(tmp_path)

    def prepare() -> None:
        make_images(tmp_path)
        files.on_operation = also
        apply(plan)

    kills = 0
    for kills in every_kill(tmp_path, prepare, lambda: take_back(tmp_path / "out"), also=also):
        at_kill = contents(tmp_path)
        assert all(at_kill[content] >= count for content, count in held.items()), kills
        if kills % 2 and read_record(tmp_path / "out") is not None:
            assert replay(tmp_path / "out") == ()
            assert tree(tmp_path) == after, kills
        if (tmp_path / "out/.labelimg").exists():
            assert take_back(tmp_path / "out") == ()
        else:
            shutil.rmtree(tmp_path / "out", ignore_errors=True)
        assert tree(tmp_path) == before, kills
    assert kills >= 15


@pytest.mark.parametrize("mode", ["copy", "hardlink"])
def test_a_killed_removal_can_be_called_again(tmp_path, mode):
    plan = plan_of(tmp_path, mode)
    before = tree(tmp_path)

    def prepare() -> None:
        make_images(tmp_path)
        apply(plan)
        record_table(tmp_path / "out")

    kills = 0
    for kills in every_kill(tmp_path, prepare, lambda: remove_earlier(tmp_path / "out")):
        if (tmp_path / "out").exists():
            assert remove_earlier(tmp_path / "out") == 0
        assert tree(tmp_path) == before, kills
    assert kills >= 10


def record_table(out: Path) -> None:
    (out / "clusters.csv").write_text("x")
    record_tables(out, ["clusters.csv"])


# Renames within the output folder


def batches(root: Path, mode: str) -> folders.Plan:
    layout = [(source, folder.replace("results", "batch_0")) for source, folder in make_images(root)]
    plan = plan_transfers(root / "out", mode, layout, folders=["batch_0/empty", "results/outliers"])
    apply(plan)
    added = root / "out/batch_0/cluster_0/added by hand.jpg"
    added.write_text("added")
    os.utime(added, ns=(OLD, OLD))
    return plan


def merge(root: Path, plan: folders.Plan) -> None:
    moved = [(t.target, t.target.replace("batch_0/", "results/")) for t in plan.transfers]
    moved.append(("batch_0/cluster_0/added by hand.jpg", "results/cluster_0/added by hand.jpg"))
    rebase(root / "out", moved, folders=["results/outliers"])


@pytest.mark.parametrize("mode", MODES)
def test_the_record_follows_a_merge(tmp_path, mode):
    plan = batches(tmp_path, mode)
    merge(tmp_path, plan)
    record = read_record(tmp_path / "out")
    assert record is not None
    assert [(e.source, e.target) for e in record.entries[:-1]] == [
        (t.source, t.target.replace("batch_0", "results")) for t in plan.transfers
    ]
    assert (record.entries[-1].source, record.entries[-1].target) == ("", "results/cluster_0/added by hand.jpg")
    assert names_of(tmp_path / "out") == [".labelimg", "results"]
    assert replay(tmp_path / "out") == ()
    assert names_of(tmp_path / "out") == [".labelimg", "results"]
    assert take_back(tmp_path / "out") == ()
    assert without_records(tree(tmp_path / "out")) == {
        "results": ("folder",),
        "results/cluster_0": ("folder",),
        "results/cluster_0/added by hand.jpg": (b"added", OLD, 0o100644),
    }
    shutil.rmtree(tmp_path / "out")
    after = tree(tmp_path)
    shutil.rmtree(tmp_path / "in")
    make_images(tmp_path)
    assert after == tree(tmp_path)


def without_records(found: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    return {name: what for name, what in found.items() if not name.startswith(".labelimg")}


@pytest.mark.parametrize("mode", ["copy", "move"])
@pytest.mark.parametrize("then", ["replay", "take back"])
def test_a_killed_merge_loses_nothing_and_can_be_ended_or_undone(tmp_path, mode, then):
    plan = batches(tmp_path, mode)
    held = contents(tmp_path)
    merge(tmp_path, plan)
    after = tree(tmp_path)
    take_back(tmp_path / "out")
    undone = tree(tmp_path / "in")
    kills = 0
    for kills in every_kill(tmp_path, lambda: batches(tmp_path, mode), lambda: merge(tmp_path, plan)):
        assert contents(tmp_path) == held
        record = read_record(tmp_path / "out")
        assert record is not None
        assert all(os.path.lexists(tmp_path / "out" / entry.target) for entry in record.entries), kills
        if then == "take back":
            assert take_back(tmp_path / "out") == ()
            assert tree(tmp_path / "in") == undone
            (added,) = (path for path in (tmp_path / "out").rglob("*") if path.is_file())
            assert added.read_text() == "added"
            continue
        assert replay(tmp_path / "out") == ()
        if not (tmp_path / "out/batch_0").exists():
            assert tree(tmp_path) == after, kills
        else:  # killed before the renames were noted down
            merge(tmp_path, plan)
            assert tree(tmp_path) == after, kills
    assert kills >= 10


def test_a_merge_plans_its_names_like_any_other(tmp_path):
    for batch in "01":
        (tmp_path / batch).mkdir()
        (tmp_path / batch / "a.jpg").write_text(batch)
    layout = [(str(tmp_path / batch / "a.jpg"), f"batch_{batch}/cluster_0") for batch in "01"]
    out = tmp_path / "out"
    plan = plan_transfers(out, "copy", layout)
    apply(plan)
    merged = plan_transfers(out, "move", [(str(out / t.target), "results/cluster_0") for t in plan.transfers])
    rebase(out, [(str(Path(t.source).relative_to(out)), t.target) for t in merged.transfers])
    assert names_of(out / "results/cluster_0") == ["a.jpg", "a__2.jpg"]
    assert names_of(out) == [".labelimg", "results"]
    assert remove_earlier(out) == 0


@pytest.mark.parametrize(
    "moved",
    [
        [("c/missing.jpg", "d/x.jpg")],
        [("c/a.jpg", "c/b.jpg")],
        [("c/a.jpg", "d/x.jpg"), ("c/b.jpg", "d/x.jpg")],
        [("c/a.jpg", "../x.jpg")],
        [("../in/a.jpg", "c/x.jpg")],
        [("c/a.jpg", ".labelimg/x.jpg")],
    ],
)
def test_renames_that_cannot_be_are_refused_before_the_first(tmp_path, moved):
    out = two_copies(tmp_path)
    before = tree(tmp_path)
    with pytest.raises(UsageError):
        rebase(out, moved)
    assert tree(tmp_path) == before
    with pytest.raises(OutputError, match="no record"):
        rebase(tmp_path / "in", [])


def two_copies(root: Path, mode: str = "copy") -> Path:
    (root / "in").mkdir(exist_ok=True)
    for name in "ab":
        (root / f"in/{name}.jpg").write_text(name * 10)
        os.utime(root / f"in/{name}.jpg", ns=(OLD, OLD))
    apply(plan_transfers(root / "out", mode, [(str(root / f"in/{name}.jpg"), "c") for name in "ab"]))
    return root / "out"


def test_a_rename_that_fails_leaves_a_record_of_how_far_it_came(tmp_path):
    out = two_copies(tmp_path)

    def hook(name: str, path: str) -> None:
        if path.endswith("d/b.jpg") and name == "rename":
            raise PermissionError(errno.EACCES, "denied")

    files.on_operation = hook
    with pytest.raises(TransferError, match="permission denied"):
        rebase(out, [("c/a.jpg", "d/a.jpg"), ("c/b.jpg", "d/b.jpg")])
    files.on_operation = None
    record = read_record(out)
    assert record is not None
    assert [entry.target for entry in record.entries] == ["d/a.jpg", "c/b.jpg"]
    assert not (out / ".labelimg/pending.jsonl").exists()
    assert take_back(out) == ()
    assert not out.exists()


# The output folder


def test_a_free_folder_is_free(tmp_path):
    (tmp_path / "in").mkdir()
    assert check_out(tmp_path / "out", [tmp_path / "in"], overwrite=False) is None
    (tmp_path / "out").mkdir()
    assert check_out(tmp_path / "out", [tmp_path / "in"], overwrite=False) is None
    with Lock(tmp_path / "out"):
        assert check_out(tmp_path / "out", [tmp_path / "in"], overwrite=False) is None


@pytest.mark.parametrize(
    ("out", "images", "expected"),
    [
        ("in/out", "in", "lies in the image folder"),
        ("in", "in", "lies in the image folder"),
        ("in/a/b/out", "in", "lies in the image folder"),
        ("alias/out", "in", "lies in the image folder"),
        ("in", "in/sub", "contains the image folder"),
        (".", "alias", "contains the image folder"),
    ],
)
def test_images_and_output_lie_apart(tmp_path, out, images, expected):
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "alias").symlink_to("in")
    with pytest.raises(UsageError, match=expected):
        check_out(tmp_path / out, [tmp_path / images], overwrite=True)


def test_a_folder_beside_the_images_with_a_name_alike_is_fine(tmp_path):
    (tmp_path / "in").mkdir()
    assert check_out(tmp_path / "in-out", [tmp_path / "in"], overwrite=False) is None


def test_what_is_not_ours_is_refused(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/notes.txt").touch()
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="not a folder"):
            check_out(tmp_path / "file", [], overwrite=overwrite)
        with pytest.raises(OutputError, match="not made by labelimg"):
            check_out(tmp_path / "theirs", [], overwrite=overwrite)
        with pytest.raises(OutputError, match=r"a does not exist; make it first"):
            check_out(tmp_path / "a/out", [], overwrite=overwrite)


@pytest.mark.parametrize("overwrite", [False, True])
def test_names_that_a_run_would_use_do_not_make_a_folder_ours(tmp_path, overwrite):
    out = tmp_path / "theirs"
    (out / "similarities").mkdir(parents=True)
    (out / ".labelimg").mkdir()
    for name in ("run.json", "clusters.csv", "similarities/batch_0.csv"):
        (out / name).write_text("theirs")
    with pytest.raises(OutputError, match="not made by labelimg") as caught:
        check_out(out, [], overwrite=overwrite)
    assert "--overwrite" not in str(caught.value)


def test_a_bare_folder_of_the_record_is_nothing(tmp_path):
    (tmp_path / "out/.labelimg").mkdir(parents=True)
    assert check_out(tmp_path / "out", [], overwrite=False) is None


@pytest.mark.parametrize("name", ["run.json", "clusters.csv", "unreadable.csv", "similarities/batch_7.csv"])
def test_a_table_that_is_not_as_it_was_written_is_not_replaced(tmp_path, name):
    out = two_copies(tmp_path)
    (out / "similarities").mkdir()
    (out / name).write_text("x")
    expected = re.escape(f"{out / name} is not as an earlier run wrote it and would be replaced; move it elsewhere")
    with pytest.raises(OutputError, match=expected):  # somebody else's
        check_out(out, [], overwrite=True)
    record_tables(out, [name])
    assert check_out(out, [], overwrite=True) is not None
    (out / name).write_text("x, and notes")
    with pytest.raises(OutputError, match=expected) as caught:
        check_out(out, [], overwrite=True)
    assert "\n" not in str(caught.value)
    (out / name).rename(tmp_path / "notes")
    assert check_out(out, [], overwrite=True) is not None


def test_tables_are_not_replaced_through_a_link(tmp_path):
    out = two_copies(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (out / "similarities").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="similarities is not as an earlier run wrote it"):
        check_out(out, [], overwrite=True)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match="cannot write in"):
        check_out(tmp_path / "out", [], overwrite=False)


@pytest.mark.parametrize("mode", ["copy", "hardlink", "symlink"])
def test_an_earlier_run_is_replaced_when_asked(tmp_path, mode):
    out = two_copies(tmp_path, mode)
    record_table(out)
    (out / "c/added.jpg").touch()
    with pytest.raises(OutputError, match="add --overwrite"):
        check_out(out, [tmp_path / "in"], overwrite=False)
    earlier = check_out(out, [tmp_path / "in"], overwrite=True)
    assert earlier is not None
    assert (earlier.mode, earlier.staying) == (mode, 1)
    assert earlier.removable == {"c/a.jpg", "c/b.jpg", "clusters.csv"}
    before = tree(tmp_path / "in")
    assert remove_earlier(out) == 1
    assert sorted(without_records(tree(out))) == ["c", "c/added.jpg"]
    assert tree(tmp_path / "in") == before
    assert check_out(out, [tmp_path / "in"], overwrite=True) is not None
    assert apply(plan_transfers(out, mode, [(str(tmp_path / "in/a.jpg"), "c")])) == ()


@pytest.mark.parametrize("overwrite", [False, True])
def test_originals_that_were_moved_there_are_never_replaced(tmp_path, overwrite):
    out = two_copies(tmp_path, "move")
    with pytest.raises(OutputError, match="holds 2 pictures that an earlier run moved there"):
        check_out(out, [tmp_path / "in"], overwrite=overwrite)
    with pytest.raises(OutputError, match="holds 2 pictures"):
        remove_earlier(out)
    (out / "c/b.jpg").rename(tmp_path / "b.jpg")
    with pytest.raises(OutputError, match="holds 1 picture that"):
        check_out(out, [tmp_path / "in"], overwrite=overwrite)
    (out / "c/a.jpg").rename(tmp_path / "a.jpg")
    if overwrite:
        assert check_out(out, [tmp_path / "in"], overwrite=True) is not None
        assert remove_earlier(out) == 0


def lose(path: Path) -> None:
    path.unlink()


def rewrite(path: Path) -> None:
    path.unlink()
    path.write_text("c" * 10)


def link_into_out(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent.parent / "out/c/a.jpg")


@pytest.mark.parametrize("change", [lose, rewrite, link_into_out])
@pytest.mark.parametrize("mode", ["copy", "hardlink"])
def test_the_only_copy_is_never_removed(tmp_path, change, mode):
    out = two_copies(tmp_path, mode)
    change(tmp_path / "in/a.jpg")
    with pytest.raises(OutputError, match="holds 1 copy whose original is gone or changed; move it elsewhere first"):
        check_out(out, [tmp_path / "in"], overwrite=True)
    ((source, reason),) = take_back(out)
    assert source == str(tmp_path / "in/a.jpg")
    assert "stays" in reason
    assert (out / "c/a.jpg").read_text() == "a" * 10
    assert not (out / "c/b.jpg").exists()
    assert remove_earlier(out) == 1
    assert (out / "c/a.jpg").read_text() == "a" * 10


@pytest.mark.parametrize("mode", ["copy", "hardlink", "symlink"])
def test_what_somebody_put_in_place_of_ours_stays(tmp_path, mode):
    out = two_copies(tmp_path, mode)
    (out / "c/a.jpg").unlink()
    (out / "c/a.jpg").write_text("edited")
    record_table(out)
    (out / "clusters.csv").write_text("with notes")
    assert len(take_back(out)) == 2
    assert (out / "c/a.jpg").read_text() == "edited"
    assert (out / "clusters.csv").read_text() == "with notes"
    assert (tmp_path / "in/a.jpg").read_text() == "a" * 10


def test_originals_are_not_reached_through_a_link_in_the_output_folder(tmp_path):
    out = two_copies(tmp_path)
    shutil.rmtree(out / "c")
    (out / "c").symlink_to(tmp_path / "in")
    remove_earlier(out)
    assert names_of(tmp_path / "in") == ["a.jpg", "b.jpg"]
    with pytest.raises(OutputError, match="leads elsewhere"):
        apply(plan_transfers(out, "copy", [(str(tmp_path / "in/a.jpg"), "c")]))
    assert names_of(tmp_path / "in") == ["a.jpg", "b.jpg"]


def test_a_moved_picture_returns_although_it_was_edited(tmp_path):
    out = two_copies(tmp_path, "move")
    (out / "c/a.jpg").write_text("edited")
    assert replay(out) == ()
    assert take_back(out) == ()
    assert (tmp_path / "in/a.jpg").read_text() == "edited"


def test_moved_pictures_return_to_a_folder_that_is_gone(tmp_path):
    out = two_copies(tmp_path, "move")
    (tmp_path / "in").rmdir()
    assert take_back(out) == ()
    assert names_of(tmp_path / "in") == ["a.jpg", "b.jpg"]


def test_a_moved_picture_does_not_replace_a_newer_one(tmp_path):
    out = two_copies(tmp_path, "move")
    (tmp_path / "in/a.jpg").write_text("newer")
    ((source, reason),) = take_back(out)
    assert (source, reason) == (str(tmp_path / "in/a.jpg"), "there is something else in its place by now")
    assert ((tmp_path / "in/a.jpg").read_text(), (out / "c/a.jpg").read_text()) == ("newer", "a" * 10)
    (tmp_path / "in/a.jpg").unlink()
    assert take_back(out) == ()
    assert (tmp_path / "in/a.jpg").read_text() == "a" * 10


def test_times_that_a_file_system_rounds_still_match(tmp_path):
    out = two_copies(tmp_path)
    os.utime(out / "c/a.jpg", ns=(OLD, OLD - OLD % 2_000_000_000))
    assert take_back(out) == ()


# The record


def damage(change: Callable[[list[object]], object]) -> Callable[[str], str]:
    def apply_to(text: str) -> str:
        lines = [json.loads(line) for line in text.splitlines()]
        change(lines)
        return "".join(json.dumps(line) + "\n" for line in lines)

    return apply_to


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: "{",
        lambda text: text[: text.rindex("{", 0, -1) + 5],
        damage(lambda lines: lines.pop(-2)),
        damage(lambda lines: [lines.pop(), lines.pop()]),
        damage(lambda lines: lines[1].__setitem__(1, "../in/a.jpg")),
        damage(lambda lines: lines[1].__setitem__(1, "/etc/passwd")),
        damage(lambda lines: lines[0].__setitem__("folders", ["..", "c"])),
        damage(lambda lines: lines[0].__setitem__("mode", "burn")),
    ],
)
def test_a_damaged_record_is_refused_and_nothing_removed(tmp_path, change):
    out = two_copies(tmp_path)
    path = out / ".labelimg/plan.jsonl"
    path.write_text(change(path.read_text()))
    before = tree(tmp_path)
    for function in (read_record, take_back, remove_earlier, replay):
        with pytest.raises(OutputError, match=r"plan\.jsonl is damaged"):
            function(out)
    assert tree(tmp_path) == before


def test_a_record_is_on_disk_before_the_first_transfer(tmp_path):
    plan = plan_of(tmp_path, "move")
    order: list[str] = []
    files.on_operation = lambda name, path: order.append(f"{name} {Path(path).name}")
    apply(plan)
    assert order.index("replace plan.jsonl") < next(i for i, what in enumerate(order) if what.startswith("move"))
