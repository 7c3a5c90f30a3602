"""Segments as regions: connected, drawn, absorbed, refined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label

from labelimg.errors import UsageError
from labelimg.segmentatimg.loops import enlarged, grow, neighbours, places, sums
from labelimg.segmentatimg.regions import absorb_small, boundaries, connected_regions, refined


def random_labels(seed: int, height: int, width: int, most: int) -> Any:
    return np.random.default_rng(seed).integers(0, most + 1, (height, width)).astype(np.int32)


def random_image(seed: int, height: int, width: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


maps = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 17), st.integers(1, 17), st.integers(1, 4))
many = settings(max_examples=150, deadline=None)


# -------------------------------------------------------------------------------------------------------- connected


@given(maps)
@many
def test_connected_regions_are_those_of_scikit_image(size):
    labels = random_labels(*size)
    before = labels.copy()
    found = connected_regions(labels)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, label(labels, connectivity=1, background=0))
    np.testing.assert_array_equal(labels, before)


def test_connected_regions_of_shapes_that_meet_late():
    comb = np.array([[1, 0, 1, 0, 1], [1, 0, 1, 0, 1], [1, 1, 1, 0, 1], [0, 0, 1, 1, 1]])
    np.testing.assert_array_equal(connected_regions(comb), comb)
    spiral = np.array([[2, 2, 2, 2], [1, 1, 1, 2], [1, 2, 1, 2], [1, 2, 2, 2], [1, 1, 1, 1]])
    np.testing.assert_array_equal(connected_regions(spiral), 3 - spiral)


def test_connected_regions_of_a_chess_board_are_its_fields():
    board = np.indices((70, 90)).sum(axis=0) % 2 + 1
    np.testing.assert_array_equal(connected_regions(board), np.arange(1, 6301).reshape(70, 90))


def test_connected_regions_take_any_whole_numbers_and_empty_maps():
    assert connected_regions(np.zeros((0, 7), np.int32)).shape == (0, 7)
    assert connected_regions(np.array([[True, False, True]])).tolist() == [[1, 0, 2]]
    assert connected_regions(np.array([[2**31 - 1, 5]], np.int64)).tolist() == [[1, 2]]
    turned = np.array([[1, 1], [2, 1]], np.uint8).T
    assert connected_regions(turned).tolist() == [[1, 2], [1, 1]]


@pytest.mark.parametrize("labels", [np.zeros(3, int), np.zeros((2, 2)), np.array([[-1]]), np.array([[2**31]])])
def test_what_is_no_label_map_is_refused(labels):
    with pytest.raises(UsageError, match="labels must be"):
        connected_regions(labels)


# ------------------------------------------------------------------------------------------------------- boundaries


@given(maps)
@many
def test_boundaries_are_edges_and_the_last_pixels_before_another_segment(size):
    labels = random_labels(*size)
    found = boundaries(labels)
    height, width = labels.shape
    for y, x in np.ndindex(height, width):
        here = labels[y, x]
        right = labels[y, x + 1] if x + 1 < width else here
        below = labels[y + 1, x] if y + 1 < height else here
        drawn = here == 0 or (right not in (here, 0)) or (below not in (here, 0))
        assert found[y, x] == drawn


def test_boundaries_of_nothing_and_of_one_segment():
    assert boundaries(np.zeros((0, 3), int)).shape == (0, 3)
    assert not boundaries(np.full((4, 5), 3)).any()


# ----------------------------------------------------------------------------------------------- sums and neighbours


@given(maps)
@many
def test_sums_places_and_neighbours_are_those_of_the_plain_way(size):
    labels, image = connected_regions(random_labels(*size)), random_image(*size[:3])
    count = int(labels.max())
    pixels, total = sums(labels, image, count)
    place = places(labels, count)
    for k in range(count + 1):
        y, x = np.nonzero(labels == k)
        assert pixels[k] == len(y)
        assert total[k].tolist() == image[y, x].astype(int).sum(axis=0).tolist()
        assert place[k].tolist() == [x.sum(), y.sum()]
    expected: dict[tuple[int, int], list[int]] = {}
    for y, x in np.ndindex(labels.shape):
        for v, u in ((y, x + 1), (y + 1, x)):
            if v < labels.shape[0] and u < labels.shape[1] and 0 not in (labels[y, x], labels[v, u]):
                if labels[y, x] == labels[v, u]:
                    continue
                pair = expected.setdefault(tuple(sorted((int(labels[y, x]), int(labels[v, u])))), [0, 0])
                pair[0] += 1
                pair[1] += int(np.abs(image[y, x].astype(int) - image[v, u]).max())
    a, b, length, strength = neighbours(labels, image, count)
    found = dict(zip(zip(a.tolist(), b.tolist(), strict=True), zip(length, strength, strict=True), strict=True))
    assert {pair: list(map(int, value)) for pair, value in found.items()} == expected


# --------------------------------------------------------------------------------------------------------- absorbing


def test_a_small_segment_joins_the_neighbour_of_the_nearest_colour():
    image = np.zeros((3, 6, 3), np.uint8)
    image[:, 3:] = 100
    image[1, 2] = 70  # nearer to 100 than to 0
    labels = connected_regions(np.array([[1, 1, 1, 2, 2, 2], [1, 1, 3, 2, 2, 2], [1, 1, 1, 2, 2, 2]]))
    found = absorb_small(image, labels, 2)
    assert found.tolist() == [[1, 1, 1, 2, 2, 2], [1, 1, 2, 2, 2, 2], [1, 1, 1, 2, 2, 2]]
    np.testing.assert_array_equal(absorb_small(image, labels, 1), labels)
    assert absorb_small(image, labels, 100).max() == 1


def test_a_small_segment_between_edges_becomes_edge():
    labels = np.array([[1, 1, 1, 0, 2], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)
    found = absorb_small(np.zeros((3, 5, 3), np.uint8), labels, 2)
    assert found.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]


@given(maps, st.integers(2, 40))
@many
def test_after_absorbing_nothing_is_small_and_nothing_is_split(size, least):
    labels, image = connected_regions(random_labels(*size)), random_image(*size[:3])
    before = labels.copy()
    found = absorb_small(image, labels, least)
    np.testing.assert_array_equal(labels, before)
    np.testing.assert_array_equal(found, label(found, connectivity=1, background=0))
    counts = np.bincount(found.ravel())[1:]
    if labels.all():
        assert (found > 0).all()
        assert len(counts) == 1 or counts.min() >= least
    else:
        assert not len(counts) or counts.min() >= least
    for k in range(1, labels.max() + 1):
        assert len(np.unique(found[labels == k])) == 1
        if (labels == k).sum() >= least:
            assert found[labels == k][0] > 0


# ------------------------------------------------------------------------------------------------ growing, refining


def slowly_grown(labels: Any, image: Any, within: Any) -> Any:
    """For each pixel the labels that reach it over the lowest largest difference, by trying all levels in turn."""
    height, width = labels.shape
    possible = [[{int(labels[y, x])} - {0} for x in range(width)] for y in range(height)]
    reached = labels != 0
    for level in range(256):
        fresh: dict[tuple[int, int], set[int]] = {}
        while True:
            changed = False
            for y, x in np.ndindex(height, width):
                if reached[y, x]:
                    continue
                for v, u in ((y, x + 1), (y, x - 1), (y + 1, x), (y - 1, x)):
                    if not (0 <= v < height and 0 <= u < width) or within[v, u] != within[y, x]:
                        continue
                    apart = int(np.abs(image[y, x].astype(int) - image[v, u]).max())
                    got = fresh.get((v, u), set()) if not reached[v, u] else possible[v][u]
                    if apart <= level and not got <= fresh.get((y, x), set()):
                        fresh.setdefault((y, x), set()).update(got)
                        changed = True
            if not changed:
                break
        for (y, x), got in fresh.items():
            possible[y][x] = got
            reached[y, x] = True
    return possible


@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 7), st.booleans(), st.sampled_from([3, 256]))
@settings(max_examples=60, deadline=None)
def test_growth_goes_over_the_lowest_differences(seed, height, width, bounded, colours):
    random = np.random.default_rng(seed)
    labels = (random.integers(0, 4, (height, width)) * (random.random((height, width)) < 0.3)).astype(np.int32)
    image = random.integers(0, colours, (height, width, 3)).astype(np.uint8)
    within = random.integers(0, 2, (height, width)).astype(np.int32) if bounded else np.zeros((height, width), np.int32)
    possible = slowly_grown(labels, image, within)
    found = labels.copy()
    grow(found, image, within if bounded else np.empty((0, 0), np.int32))
    for y, x in np.ndindex(height, width):
        assert found[y, x] in (possible[y][x] or {0})


def test_equal_ways_are_shared_evenly():
    labels = np.array([[1, 0, 0, 0, 0, 2]], np.int32)
    grow(labels, np.zeros((1, 6, 3), np.uint8), np.empty((0, 0), np.int32))
    assert labels.tolist() == [[1, 1, 1, 2, 2, 2]]


def test_enlarging_is_sure_away_from_boundaries_alone():
    small = np.ones((3, 6), np.int32)
    small[:, 3:] = 2
    small[1, 1] = 3
    found = enlarged(small, 3, 9, 18)
    assert (found[:, 12:] == 2).all()
    assert np.flatnonzero(found[4]).tolist() == [1, 4, 7, *range(12, 18)]
    assert (found == 3).sum() == 1  # the middle of its block, as it has nothing else
    assert (found == 1).sum() == 8  # the middles of its blocks, none of which has equal neighbours all round


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(1, 4))
@many
def test_refining_keeps_every_segment_connected_and_once(seed, height, width, factor, most):
    random = np.random.default_rng(seed)
    small = connected_regions(random.integers(1, most + 1, (height, width)))
    image = random_image(seed, height * factor + factor // 2, width * factor)
    found = refined(image, small)
    np.testing.assert_array_equal(found, label(found, connectivity=1, background=0))
    assert found.shape == image.shape[:2]
    assert found.max() == small.max()
