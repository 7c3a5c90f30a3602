"""Arrangements against a dictionary of names, and the rules of each change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelimg import UsageError
from labelimg.clusterimg.arrangement import OUTLIERS, Arrangement, Change, History

IMAGES = 7


def arrangement(folders: list[int]) -> Arrangement:
    names = {number: f"cluster_{number}" for number in set(folders) if number}
    return Arrangement(np.asarray(folders, np.int32), names)


def by_name(now: Arrangement) -> dict[int, str]:
    """Each image's folder."""
    return {row: now.name_of(number) for row, number in enumerate(now.clusters.tolist())}


class Model:
    """The same, slowly: a dictionary of the folder of each image, and copies of it for going back."""

    def __init__(self, folders: dict[int, str], every: set[str]) -> None:
        self.folders, self.every = folders, every
        self.back: list[dict[int, str]] = []
        self.forth: list[dict[int, str]] = []

    def put(self, folders: dict[int, str]) -> None:
        if folders != self.folders:
            self.back.append(self.folders)
            self.forth.clear()
            self.folders = folders

    def following(self, count: int) -> list[str]:
        last = max((int(name[8:]) for name in self.every if name.startswith("cluster_")), default=-1)
        names = [f"cluster_{last + 1 + k}" for k in range(count)]
        self.every |= set(names)
        return names

    def members(self, name: str) -> list[int]:
        return [row for row, each in self.folders.items() if each == name]


rows = st.sets(st.integers(0, IMAGES - 1), min_size=1)
action = st.one_of(
    st.tuples(st.just("move"), rows, st.integers(0, IMAGES - 1)),
    st.tuples(st.just("outliers"), rows),
    st.tuples(st.just("new"), rows),
    st.tuples(st.just("merge"), rows),
    st.tuples(st.just("split"), st.integers(0, IMAGES - 1), st.lists(st.integers(0, 2), min_size=7, max_size=7)),
    st.tuples(st.just("rename"), st.integers(0, IMAGES - 1), st.sampled_from(["cats", "dogs", "cluster_9"])),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=IMAGES, max_size=IMAGES), st.lists(action, max_size=12))
def test_any_sequence_of_changes_equals_that_of_a_dictionary(begin, actions):
    history = History(arrangement(begin))
    model = Model(by_name(history.now), set(history.now.names.values()))
    for name, *arguments in actions:
        now, folders = history.now, dict(model.folders)
        if name == "move":
            chosen, beside = arguments
            history.do(now.move(chosen, int(now.clusters[beside])))
            model.put(folders | dict.fromkeys(chosen, folders[beside]))
        elif name == "outliers":
            history.do(now.move(arguments[0], OUTLIERS))
            model.put(folders | dict.fromkeys(arguments[0], "outliers"))
        elif name == "new":
            model.every = set(now.names.values())
            history.do(now.new_cluster(arguments[0]))
            model.put(folders | dict.fromkeys(arguments[0], *model.following(1)))
        elif name == "merge":
            names = {folders[row] for row in arguments[0]} - {"outliers"}
            numbers = [now.number_of(each) for each in names]
            if len(names) < 2:
                with pytest.raises(UsageError):
                    now.merge(numbers)
                continue
            history.do(now.merge(numbers))
            into = min(names, key=lambda each: (-len(model.members(each)), model.members(each)[0]))
            model.put({row: into if each in names else each for row, each in folders.items()})
        elif name == "split":
            beside, labels = arguments
            folder = folders[beside]
            if folder == "outliers":
                continue
            own = model.members(folder)
            pieces = [[row for row in own if labels[row] == label] for label in (1, 2)]  # 0 is in no piece
            pieces = sorted((piece for piece in pieces if piece), key=lambda piece: (-len(piece), piece))
            model.every = set(now.names.values())
            history.do(now.split(now.number_of(folder), pieces))
            after = folders | dict.fromkeys(own, "outliers")
            for piece, called in zip(pieces, [folder, *model.following(max(0, len(pieces) - 1))], strict=False):
                after |= dict.fromkeys(piece, called)
            model.put(after)
        elif name == "rename":
            beside, called = arguments
            folder = folders[beside]
            number = now.number_of(folder)
            if folder == "outliers" or (called in folders.values() and called != folder):
                with pytest.raises(UsageError):
                    now.rename(number, called)
                continue
            history.do(now.rename(number, called))
            model.put({row: called if each == folder else each for row, each in folders.items()})
        elif name == "undo":
            history.undo()
            if model.back:
                model.forth.append(model.folders)
                model.folders = model.back.pop()
        else:
            history.redo()
            if model.forth:
                model.back.append(model.folders)
                model.folders = model.forth.pop()
        assert by_name(history.now) == model.folders
        assert bool(history.can_undo) == bool(model.back) and bool(history.can_redo) == bool(model.forth)


def test_the_largest_piece_keeps_the_name_and_what_is_in_none_becomes_outliers():
    now = arrangement([1, 1, 1, 1, 1, 2])
    then = now.after(now.split(1, [[0], [2, 4]]))
    assert by_name(then) == {
        0: "cluster_3",
        1: "outliers",
        2: "cluster_1",
        3: "outliers",
        4: "cluster_1",
        5: "cluster_2",
    }


def test_of_equal_pieces_that_with_the_first_image_keeps_the_name():
    now = arrangement([1, 1, 1, 1])
    assert by_name(now.after(now.split(1, [[1, 2], [0, 3]]))) == {
        0: "cluster_1",
        1: "cluster_2",
        2: "cluster_2",
        3: "cluster_1",
    }


def test_merging_keeps_the_name_of_the_largest_unless_one_is_named():
    now = arrangement([1, 2, 2, 3])
    assert set(by_name(now.after(now.merge([1, 2, 3]))).values()) == {"cluster_2"}
    assert set(by_name(now.after(now.merge([1, 2], into=3))).values()) == {"cluster_3"}


def test_a_cluster_of_one_may_be_made_and_nothing_cannot_be_a_cluster():
    now = arrangement([0, 0])
    assert by_name(now.after(now.new_cluster([1]))) == {0: "outliers", 1: "cluster_0"}
    with pytest.raises(UsageError, match="at least one image"):
        now.new_cluster([])


def test_new_clusters_are_numbered_after_all_there_were_also_those_that_are_gone():
    now = arrangement([1, 2])
    now = now.after(now.move([1], 1))
    assert by_name(now.after(now.new_cluster([0])))[0] == "cluster_3"


def test_an_emptied_cluster_takes_no_more_images_and_its_name_is_free():
    now = arrangement([1, 2])
    now = now.after(now.move([1], 1))
    with pytest.raises(UsageError, match="no cluster has the number 2"):
        now.move([0], 2)
    assert by_name(now.after(now.rename(1, "cluster_2"))) == {0: "cluster_2", 1: "cluster_2"}


@pytest.mark.parametrize(
    "name", ["", "  ", "a/b", ".hidden", "..", "a\nb", "x" * 256, "Outliers", "CLUSTER_2", "theirs", "\udcff", "a\0b"]
)
def test_a_name_that_no_folder_could_have_is_refused(name):
    now = Arrangement(np.asarray([1, 2], np.int32), {1: "cluster_1", 2: "cluster_2"}, frozenset({"Theirs"}))
    with pytest.raises(UsageError):
        now.rename(1, name)
    with pytest.raises(UsageError):
        now.new_cluster([0], name)


def test_a_name_may_change_its_case_alone_and_loses_spaces_around_it():
    now = arrangement([1])
    assert by_name(now.after(now.rename(1, " Cluster_1 "))) == {0: "Cluster_1"}


def test_outliers_are_no_cluster():
    now = arrangement([0, 1])
    for refused in (lambda: now.merge([0, 1]), lambda: now.rename(0, "x"), lambda: now.split(0, [[0]])):
        with pytest.raises(UsageError):
            refused()


def test_pieces_share_no_image_and_are_of_the_cluster():
    now = arrangement([1, 1, 2])
    for pieces in ([[0], [0, 1]], [[0, 2]], [[0], []]):
        with pytest.raises(UsageError):
            now.split(1, pieces)


@pytest.mark.parametrize("rows", [[-1], [3], [0, 7]])
def test_rows_that_are_none_are_refused(rows):
    with pytest.raises(UsageError, match="between 0 and 2"):
        arrangement([1, 1, 2]).move(rows, 2)


def test_what_changes_nothing_is_nothing_to_undo():
    history = History(arrangement([1, 0]))
    assert not history.do(history.now.move([0], 1))
    assert not history.do(history.now.rename(1, "cluster_1"))
    assert not history.can_undo


def test_the_input_is_left_as_it_is():
    now = arrangement([1, 1, 2])
    before = now.clusters.copy(), dict(now.names)
    now.after(now.merge([1, 2]))
    now.after(now.rename(1, "x"))
    assert (now.clusters == before[0]).all() and now.names == before[1]


def test_a_change_and_its_reverse_lead_back():
    now = arrangement([1, 1, 2, 0])
    change: Change = now.split(1, [[0], [1]])
    assert by_name(now.after(change).after(change.reversed())) == by_name(now)
