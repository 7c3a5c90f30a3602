"""Levels: nested, halved, deterministic, the most alike first."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label

import labelimg
from labelimg.errors import UsageError
from labelimg.segmentatimg.hierarchy import CONTRAST, GROWTH, joined
from labelimg.segmentatimg.pixels import lab
from labelimg.segmentatimg.regions import connected_regions
from pictures import photograph


def assert_nested(fine: Any, coarse: Any) -> None:
    """Every segment of the fine map lies in one of the coarse map, and every one of that holds one."""
    for k in range(1, int(fine.max()) + 1):
        over = np.unique(coarse[fine == k])
        assert len(over) == 1
        assert over[0] > 0
    assert set(np.unique(coarse[fine > 0])) == set(range(1, int(coarse.max()) + 1))
    assert not (fine[coarse == 0] > 0).any()


def assert_levels(maps: list[Any], given: Any, finer: int) -> None:
    np.testing.assert_array_equal(maps[finer], given)
    for each in maps:
        assert each.dtype == np.int32
        np.testing.assert_array_equal(each, label(each, connectivity=1, background=0))
    for fine, coarse in pairwise(maps):
        assert_nested(fine, coarse)


@pytest.mark.parametrize("method", ["graph", "superpixel", "edge"])
def test_levels_of_a_photograph_are_nested_and_halved(method):
    image = photograph("astronaut")
    given_ = labelimg.segment(image, method, join=0.0)
    before = given_.copy()
    maps = labelimg.levels(image, given_, 4, finer=2)
    assert len(maps) == 6
    assert_levels(maps, before, 2)
    np.testing.assert_array_equal(given_, before)
    n = int(given_.max())
    for each, halved in zip(maps, [4 * n, 2 * n, n, -(-n // 2), -(-n // 4), -(-n // 8)], strict=True):
        # Pieces that merge across an edge of which too little becomes theirs are still two.
        assert halved <= each.max() <= (halved * 1.15 if method == "edge" else halved)
    for first, second in zip(maps, labelimg.levels(image, given_, 4, finer=2), strict=True):
        np.testing.assert_array_equal(first, second)


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 14), st.integers(1, 14), st.integers(0, 1), st.integers(1, 5),
    st.integers(0, 3),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_levels_of_any_label_map_are_nested(seed, height, width, lowest, n, finer):
    random = np.random.default_rng(seed)
    labels = random.integers(lowest, 4, (height, width))
    image = random.integers(0, 256, (height, width, 3), np.uint8)
    maps = labelimg.levels(image, labels, n, finer=finer)
    assert len(maps) == n + finer
    assert_levels(maps, label(labels, connectivity=1, background=0), finer)


def test_the_most_alike_merge_first():
    image = np.zeros((10, 40, 3), np.uint8)
    for k, grey in enumerate((10, 60, 70, 200)):
        image[:, 10 * k : 10 * k + 10] = grey
    labels = np.repeat(np.arange(1, 5), 10)[None].repeat(10, axis=0)
    first = labelimg.levels(image, labels, 3)
    assert first[1][0, ::10].tolist() == [1, 1, 1, 2]  # 60 and 70, then 10 and they: two are left of four
    assert first[2].max() == 1
    assert joined(lab(image), labels.astype(np.int32), 25.0)[0, ::10].tolist() == [1, 2, 2, 3]


def test_a_strong_boundary_keeps_apart_what_has_one_mean_colour():
    image = np.full((20, 20, 3), 100, np.uint8)
    image[:, 9], image[:, 10] = 0, 200  # both halves: one column off the mean by 100
    labels = np.repeat([1, 2], 10)[None].repeat(20, axis=0).astype(np.int32)
    weak = np.full((20, 20, 3), 100, np.uint8)
    weak[:, 0], weak[:, 19] = 0, 200
    assert CONTRAST > 0
    assert joined(lab(weak), labels, 60.0).max() == 1
    assert joined(lab(image), labels, 60.0).max() == 2


def test_large_segments_join_less_readily():
    assert GROWTH > 0
    for side, expected in ((4, 1), (40, 2)):
        image = np.full((side, 2 * side, 3), 100, np.uint8)
        image[:, side:] = 110
        labels = np.repeat([1, 2], side)[None].repeat(side, axis=0).astype(np.int32)
        assert joined(lab(image), labels, 20.0).max() == expected


def test_small_segments_in_a_chain_join_as_the_order_by_hand_says():
    """Exact greedy merging by the definition, on chains, where no pair is weighed late."""
    for seed in range(20):
        grey = np.random.default_rng(seed).integers(0, 256, 12)
        image = np.repeat(np.repeat(grey, 3)[None, :, None], 3, axis=2).repeat(2, axis=0).astype(np.uint8)
        labels = np.repeat(np.arange(1, 13), 3)[None].repeat(2, axis=0).astype(np.int32)
        values = lab(image)
        groups = [([k], values[0, 3 * k].astype(float), 6.0) for k in range(12)]
        steps = [float(np.abs(values[0, 3 * k + 2].astype(int) - values[0, 3 * k + 3]).max()) for k in range(11)]
        while len(groups) > 6:
            costs = []
            for left, right in pairwise(groups):
                common = 2 * left[2] * right[2] / (left[2] + right[2])
                apart = np.sqrt(((left[1] - right[1]) ** 2).sum()) + CONTRAST * steps[left[0][-1]] + 1e-3
                costs.append(apart * (common / 100) ** GROWTH)
            k = int(np.argmin(costs))
            left, right = groups[k], groups.pop(k + 1)
            whole = left[2] + right[2]
            groups[k] = (left[0] + right[0], (left[1] * left[2] + right[1] * right[2]) / whole, whole)
        expected = np.concatenate([[number] * len(group[0]) for number, group in enumerate(groups, 1)])
        assert labelimg.levels(image, labels, 2)[1][0, ::3].tolist() == expected.tolist()


def test_edges_between_merged_segments_become_theirs_and_others_stay():
    labels = np.array([[1, 1, 0, 2, 2, 0, 3, 3]] * 3)
    image = np.zeros((3, 8, 3), np.uint8)
    image[:, 5:] = 200
    fine, coarse, one = labelimg.levels(image, labels, 3)
    np.testing.assert_array_equal(fine, labels)
    assert coarse.tolist() == [[1, 1, 1, 1, 1, 0, 2, 2]] * 3
    assert one.tolist() == [[1] * 8] * 3


def test_nothing_but_edges_one_segment_and_no_pixels():
    image = np.zeros((4, 5, 3), np.uint8)
    for labels in (np.zeros((4, 5), int), np.ones((4, 5), int)):
        for each in labelimg.levels(image, labels, 3):
            np.testing.assert_array_equal(each, labels)
    assert [each.shape for each in labelimg.levels(image[:0], np.zeros((0, 5), int), 2, finer=1)] == [(0, 5)] * 3
    one = labelimg.levels(image[:1, :1], np.ones((1, 1), int), 2, finer=2)
    assert [each.tolist() for each in one] == [[[1]]] * 4


def test_labels_in_several_places_are_several_segments():
    labels = np.array([[1, 2, 1]])
    found = labelimg.levels(np.zeros((1, 3, 3), np.uint8), labels, 1)
    np.testing.assert_array_equal(found[0], connected_regions(labels))


@pytest.mark.parametrize(
    ("shape", "n", "finer", "text"),
    [
        ((3, 4), 1, 0, "labels must have the size of the image"),
        ((4, 4), 0, 0, "n must be a whole number of at least 1, got 0"),
        ((4, 4), 2.0, 0, "n must be a whole number"),
        ((4, 4), 1, -1, "finer must be a whole number of at least 0, got -1"),
    ],
)
def test_what_does_not_fit_is_refused(shape, n, finer, text):
    with pytest.raises(UsageError, match=text):
        labelimg.levels(np.zeros((4, 4, 3), np.uint8), np.ones(shape, int), n, finer=finer)
