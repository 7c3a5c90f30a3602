"""Killed at any instant, no work loses an image; it goes on to the same end, and it can be taken back.

`make test` tries a sample, `make test-faults` all: LABELIMG_FAULTS=all.
"""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from warm import Warm
from works import IN, OUT, opened, out_of, strokes

import labelimg
from labelimg.decoding import Shrink, read

ALL = os.environ.get("LABELIMG_FAULTS") == "all"
SEED = int(os.environ.get("LABELIMG_FAULTS_SEED", "0"))
SAMPLE = 20
KILLS_BY_TIME = 3  # that come before the end, of each kind of work
_OFTEN = "cluster, copy|cluster, move|cluster, hardlink|review of copies|review of what was moved|masks of the windows"
KILLS_BY_TIME_OF = dict.fromkeys(_OFTEN.split("|"), 9)


COUNTS: dict[str, int] = {}


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    process = Warm()
    yield process
    process.close()
    if ALL:  # for docs/reliability.md
        path = Path(__file__).parents[2] / "build/faults.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(COUNTS, indent=1))


Tree = dict[str, tuple[Any, ...]]


def tree(root: Path, *, everything: bool = False) -> Tree:
    """All below a folder: links as they read, files with bytes, permissions and, of images, time.

    The record and what is kept are left out, unless `everything` is asked for, and of run.json how long it took.
    """
    found: Tree = {}
    for path in sorted(root.rglob("*")):
        name, state = path.relative_to(root).as_posix(), path.lstat()
        if ".labelimg" in Path(name).parts and not everything:
            continue
        if stat.S_ISLNK(state.st_mode):
            found[name] = ("link", str(path.readlink()))
        elif stat.S_ISDIR(state.st_mode):
            found[name] = ("folder",)
        elif path.name == "run.json":
            told = json.loads(path.read_text("utf-8"))
            told["seconds"] = told.get("counts", {})["earlier"] = 0
            found[name] = ("run", json.dumps(told, sort_keys=True))
        else:
            is_table = (
                path.suffix in (".csv", ".json", ".tif", ".html", ".bin") or "_preview" in name or "_mask_" in name
            )
            found[name] = (path.read_bytes(), state.st_mode, 0 if is_table else state.st_mtime_ns)
    return found


def whole_tree(root: Path) -> Tree:
    """The tree, with OUT wherever it is."""
    found = tree(root)
    place = out_of(root)
    if place != root / OUT:
        found = {name: what for name, what in found.items() if name != OUT}
        found |= {f"{OUT}/{name}": what for name, what in tree(place).items()} if place.is_dir() else {}
    return found


def originals(root: Path) -> Tree:
    return tree(root / IN, everything=True)


@dataclass(frozen=True)
class Case:
    """Work that is killed. `made` comes before; `goes_on` after, until the tree is that of undisturbed work.

    moves: originals may be in one of two places. undo: what brings the start back, if anything does.
    """

    name: str
    made: str
    work: str
    goes_on: str
    undo: str | None = None
    undone: str = ""  # what the end looks like then, a work; by default as at the start
    moves: bool = False
    other_file_system: bool = False
    check: Callable[[Path, Tree], None] | None = field(default=None, compare=False)


def check_originals(root: Path, before: Tree) -> None:
    assert originals(root) == before, "originals were changed"


def check_moved(root: Path, before: Tree) -> None:
    """Each original is whole in its place or at its target; nothing else of its name is there."""
    out = out_of(root)
    targets: dict[str, list[str]] = {}
    plan = out / ".labelimg/plan.jsonl"
    if plan.is_file():
        for line in plan.read_text("ascii").splitlines()[1:-1]:
            source, target, *_ = json.loads(line)
            targets.setdefault(source, []).append(target)
        pending = out / ".labelimg/pending.jsonl"
        if pending.is_file():
            new = dict(json.loads(line) for line in pending.read_text("ascii").splitlines()[1:])
            targets = {source: [*at, *(new[each] for each in at if each in new)] for source, at in targets.items()}
    now = originals(root)
    for name, what in before.items():
        if what[0] == "folder":
            continue
        places = [what] if now.get(name) == what else []
        for target in targets.get(str(root / IN / name), []):
            path = out / target
            if os.path.lexists(path):
                if what[0] == "link":
                    assert path.is_symlink() and path.resolve() == (root / IN / name).parent.joinpath(what[1]).resolve()
                else:
                    assert path.read_bytes() == what[0], f"{name} is not whole at {target}"
                places.append(what)
        assert places, f"{name} is nowhere"
    assert not set(now) - set(before) - {n for n in now if n.endswith(".part")}


def check_no_half_files(root: Path, before: Tree) -> None:
    """What has its final name is whole."""
    contents = {what[0] for what in before.values() if isinstance(what[0], bytes)}
    for path in [*root.rglob("*"), *(out_of(root).rglob("*") if out_of(root) != root / OUT else ())]:
        if not path.is_file() or path.name.endswith(".part") or root / IN in path.parents:
            continue
        if path.suffix == ".json":
            json.loads(path.read_text("utf-8"))
        elif path.suffix == ".csv":
            text = path.read_text("utf-8", "surrogateescape")
            assert text.endswith("\n") and len({len(row) for row in csv.reader(text.splitlines())}) == 1
        elif path.suffix == ".npz":
            with np.load(path) as found:
                assert found.files
        elif path.suffix in (".png", ".jpg", ".tif") and ("_mask_" in path.name or "labels" in path.parts[-2:][0]):
            assert read(str(path), Shrink(colour=False)).size
        elif path.suffix in (".png", ".jpg") and OUT in path.parts:
            assert path.read_bytes() in contents, path


def check_painted(root: Path, before: Tree) -> None:
    """What was painted up to some stroke is there: in the masks, or in the journal."""
    check_originals(root, before)
    expected: dict[str, list[frozenset[tuple[int, int, int]]]] = {}
    for path, colours in strokes(root):
        states = expected.setdefault(path, [frozenset()])
        for colour in colours:
            states.append(states[-1] | {colour})
    seen_incomplete = False
    for path, states in expected.items():
        with opened(root, path) as (_, painting, _journal):
            shown = frozenset(painting.masks())
            assert shown in states, (path, shown)
            seen_incomplete = seen_incomplete or shown != states[-1]


CASES = [
    *(
        Case(f"cluster, {mode}", "images", f"cluster {mode}", f"cluster {mode}", "undo", moves=mode == "move")
        for mode in ("copy", "move", "hardlink", "symlink", "none")
    ),
    Case("cluster, copy, batches kept", "images", "cluster copy and keep", "cluster copy and keep", "undo"),
    Case("cluster, finished by undo --finish", "images", "cluster move", "finish or go on", "undo", moves=True),
    Case("cluster over an earlier run", "images and a run", "cluster over", "cluster over", "undo", undone="images"),
    Case(
        "cluster, move to another file system",
        *("images", "cluster move", "cluster move", "undo"),
        moves=True,
        other_file_system=True,
    ),
    Case("merge of copies", "images and batches copy", "merge", "merge", "undo", undone="images"),
    Case("merge of what was moved", "images and batches move", "merge", "merge", "undo", undone="images", moves=True),
    Case("review of copies", "images and a result", "review", "review", "undo", undone="images"),
    Case("review of what was moved", "images and a move", "review", "review", "undo", undone="images", moves=True),
    Case("undo of a move", "images and a move", "undo", "undo again", moves=True),
    Case("masks of the windows", "paintings", "paint", "save journals and paint", check=check_painted),
    Case("stamp", "stamps", "stamp", "stamp"),
    Case("labels", "paintings", "label", "label"),
]


class Laboratory:
    """Where a case is tried: always the same folder, for records hold absolute paths."""

    def __init__(self, warm: Warm, case: Case, place: Path) -> None:
        self.warm, self.case, self.root, self.start = warm, case, place / "root", place / "start"
        self.other: Path | None = None
        self.root.mkdir(parents=True)
        warm.whole(case.made, self.root)
        if case.other_file_system:
            shm = Path("/dev/shm")
            if not shm.is_dir() or shm.stat().st_dev == place.stat().st_dev:
                pytest.skip("needs a second file system")
            self.other = shm / f"labelimg-faults-{os.getpid()}"
            (self.root / OUT).symlink_to(self.other / "result")
        subprocess.run(["cp", "-a", self.root, self.start], check=True)
        self.reset()
        if case.made == case.undone or not case.undone:
            self.at_start = whole_tree(self.root)
        else:
            bare = place / "bare"
            bare.mkdir()
            warm.whole(case.undone, bare)
            self.at_start = whole_tree(bare)
        self.before = originals(self.root)
        if case.moves and case.made != "images":  # the originals are at their targets already
            bare = place / "originals"
            bare.mkdir()
            warm.whole("images", bare)
            self.before = originals(bare)
        self.operations = warm.whole(case.work, self.root)
        self.end = whole_tree(self.root)
        assert self.end != self.at_start or case.work == "undo"

    def reset(self) -> None:
        shutil.rmtree(self.root)
        subprocess.run(["cp", "-a", self.start, self.root], check=True)
        if self.other is not None:
            shutil.rmtree(self.other, ignore_errors=True)
            self.other.mkdir()

    def try_kill(self, **how: Any) -> bool:
        """Kill the work so, check what is promised, go on, and take back; whether it was killed before its end."""
        case, root = self.case, self.root
        self.reset()
        killed = self.warm.run(case.work, root, **how)["status"] == -9
        self._check()
        if case.goes_on == "finish or go on":
            if self.warm.run("finish", root)["status"] != 0:
                self.warm.whole(case.work, root)
        elif case.goes_on == "save journals and paint":
            self.warm.whole("save journals", root)
            check_painted(root, self.before)
            self.warm.whole("paint", root)
        else:
            self.warm.whole(case.goes_on, root)
        assert whole_tree(root) == self.end
        if case.undo is not None:
            self.warm.whole(case.undo, root)
            assert whole_tree(root) == self.at_start
            assert not list(out_of(root).parent.glob("*/.labelimg*"))
        return killed

    def try_kill_and_undo(self, **how: Any) -> None:
        """Kill the work so, and take back what it did."""
        self.reset()
        self.warm.run(self.case.work, self.root, **how)
        if self.case.undo is None or not out_of(self.root).exists():
            return
        self.warm.whole(self.case.undo, self.root)
        if out_of(self.root).exists():  # of a run over an earlier one that is, the first undo leaves that
            self.warm.whole(self.case.undo, self.root)
        assert whole_tree(self.root) == self.at_start

    def _check(self) -> None:
        if self.case.check is not None:
            self.case.check(self.root, self.before)
        elif self.case.moves:
            check_moved(self.root, self.before)
        else:
            check_originals(self.root, self.before)
        check_no_half_files(self.root, self.before)


@cache
def chosen(seed: int) -> dict[str, list[float]]:
    """The points of a sample: for each case, how far through its operations, in [0, 1)."""
    dice = random.Random(seed)
    points: dict[str, list[float]] = {}
    for number in range(SAMPLE):
        points.setdefault(CASES[number % len(CASES)].name, []).append(dice.random())
    return points


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_killed_before_any_of_its_file_operations_nothing_is_lost(warm, case, tmp_path):
    laboratory = Laboratory(warm, case, tmp_path)
    operations = laboratory.operations["operations"]
    points = range(1, operations + 1) if ALL else [1 + int(at * operations) for at in chosen(SEED)[case.name]]
    try:
        for number in points:
            assert laboratory.try_kill(kill_at=number), f"operation {number} of {operations} never came"
            if case.undo is not None and (not ALL or number % 3 == 0):
                laboratory.try_kill_and_undo(kill_at=number)
    except BaseException as error:
        error.add_note(f"killed before operation {number} of {operations} of {case.name}")
        raise
    finally:
        if laboratory.other is not None:
            shutil.rmtree(laboratory.other, ignore_errors=True)
    COUNTS[case.name] = len(points)


@pytest.mark.skipif(not ALL, reason="make test-faults")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_killed_at_random_times_nothing_is_lost(warm, case, tmp_path):
    laboratory = Laboratory(warm, case, tmp_path)
    dice = random.Random(SEED)
    killed, tries, wanted = 0, 0, KILLS_BY_TIME_OF.get(case.name, KILLS_BY_TIME)
    longest = laboratory.operations["seconds"]
    try:
        while killed < wanted and tries < 5 * wanted:
            tries += 1
            seconds = dice.random() * longest
            if laboratory.try_kill(kill_after_s=seconds):
                killed += 1
            else:  # it had ended by then
                longest = seconds
    finally:
        if laboratory.other is not None:
            shutil.rmtree(laboratory.other, ignore_errors=True)
    assert killed == wanted, f"only {killed} of {tries} kills came before the end"
    COUNTS[f"{case.name}, by time"] = killed


def test_the_sample_has_as_many_points_as_is_said():
    assert sum(map(len, chosen(SEED).values())) == SAMPLE
    assert labelimg.cluster
