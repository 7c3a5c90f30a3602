"""Samples, single linkage and the curve, against what was worked by hand or counted the slow way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelimg.clusterimg.features import features_of
from labelimg.clusterimg.linkage import link
from labelimg.clusterimg.methods import NAMES, make_method
from labelimg.clusterimg.threshold import MOST, Similarities, choose_rows, curve_of, sample_similarities
from labelimg.errors import UsageError


def similarities(*values: float, count: int | None = None) -> Similarities:
    images = round((1 + (1 + 8 * len(values)) ** 0.5) / 2)
    return Similarities(np.arange(images), count or images, np.array(values, np.float64))


def slow_curve(values: np.ndarray, images: int, threshold: float) -> tuple[int, int, int]:
    groups = [{k} for k in range(images)]
    pairs = 0
    place = 0
    for i in range(images):
        for j in range(i + 1, images):
            if values[place] > threshold:
                pairs += 1
                one = next(group for group in groups if i in group)
                other = next(group for group in groups if j in group)
                if one is not other:
                    one |= other
                    groups.remove(other)
            place += 1
    large = [group for group in groups if len(group) > 1]
    return pairs, sum(map(len, large)), len(large)


def test_joins_are_those_of_the_greatest_spanning_forest():
    i, j = np.array([0, 0, 0, 1, 1, 2], np.int32), np.array([1, 2, 3, 2, 3, 3], np.int32)
    made = link(4, i, j, np.array([0.9, 0.2, 0.1, 0.3, 0.6, 0.95]))
    assert made.level.tolist() == [0.95, 0.9, 0.6]
    assert made.within.tolist() == [0, 1, 2, 6]  # 2-3; 0-1; both together
    assert made.clustered.tolist() == [0, 2, 4, 4]
    assert made.largest.tolist() == [1, 2, 2, 4]
    assert made.joins(np.array([0.95, 0.9, 0.5])).tolist() == [0, 1, 3]  # greater, not equal
    assert made.clusters(np.array([0, 1, 2, 3])).tolist() == [0, 1, 2, 1]
    assert made.labels(2).tolist() == [0, 0, 2, 2]


def test_a_threshold_is_exclusive_and_the_numbers_are_those_of_the_sample():
    # 0-1 0.9, 0-2 0.5, 1-2 0.5
    curve = curve_of(similarities(0.9, 0.5, 0.5), thresholds=[0.4, 0.5, 0.9, 1.0])
    assert curve.pairs.tolist() == [3, 1, 0, 0]
    assert curve.clustered.tolist() == [3, 2, 0, 0]
    assert curve.clusters.tolist() == [1, 1, 0, 0]
    assert curve.expected_pairs.tolist() == curve.pairs.tolist()
    assert curve.expected_clusters.tolist() == curve.clusters.tolist()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 9), st.randoms(use_true_random=False))
def test_the_curve_equals_one_that_is_counted_threshold_by_threshold(images, random):
    values = np.array([random.choice((0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)) for _ in range(images * (images - 1) // 2)])
    curve = curve_of(Similarities(np.arange(images), images, values))
    for k in range(0, 201, 10):
        assert (curve.pairs[k], curve.clustered[k], curve.clusters[k]) == slow_curve(values, images, k / 200)


def test_a_sample_of_none_one_and_equal_images_is_defined():
    for images in (0, 1):
        curve = curve_of(Similarities(np.arange(images), images, np.empty(0)))
        assert not curve.pairs.any()
        assert not curve.clusters.any()
    same = curve_of(similarities(1.0, 1.0, 1.0))
    assert (same.pairs[0], same.clustered[0], same.clusters[0]) == (3, 3, 1)
    assert (same.pairs[-1], same.clusters[-1]) == (0, 0)  # at threshold 1 nothing is similar


def test_pairs_grow_with_the_square_of_the_images():
    curve = curve_of(similarities(0.9, 0.1, 0.1, count=300), thresholds=[0.5])
    assert curve.expected_pairs[0] == pytest.approx(1 * 300 * 299 / (3 * 2))


def test_twins_alone_are_extrapolated_to_about_as_many_as_there_are():
    # 400 images in groups of 4; half of them are looked at.
    rng = np.random.default_rng(5)
    groups = np.arange(400) // 4
    rows = np.sort(rng.choice(400, 200, replace=False))
    own = groups[rows]
    upper = np.triu_indices(200, 1)
    values = np.where(own[upper[0]] == own[upper[1]], 0.95, 0.3)
    curve = curve_of(Similarities(rows, 400, values), thresholds=[0.6])
    assert curve.expected_pairs[0] == pytest.approx(600, rel=0.1)
    assert curve.expected_clustered[0] == pytest.approx(400, rel=0.1)
    assert curve.expected_clusters[0] == pytest.approx(100, rel=0.15)


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 12), st.integers(0, 400), st.randoms(use_true_random=False))
def test_what_is_expected_is_never_impossible(images, more, random):
    values = np.array([random.random() for _ in range(images * (images - 1) // 2)])
    curve = curve_of(Similarities(np.arange(images), images + more, values))
    assert (curve.expected_clustered <= curve.count + 1e-9).all()
    assert (curve.expected_clustered >= curve.clustered - 1e-9).all()
    assert (curve.expected_clusters <= curve.expected_clustered / 2 + 1e-9).all()
    assert (curve.expected_clusters >= curve.clusters - 1e-9).all()


def test_a_sample_is_random_seeded_and_not_the_first():
    rows = choose_rows(10_000, 100, seed=1)
    assert rows.tolist() == choose_rows(10_000, 100, seed=1).tolist()
    assert rows.tolist() != choose_rows(10_000, 100, seed=2).tolist()
    assert (np.diff(rows) > 0).all()
    assert 3000 < rows.mean() < 7000  # not the first files, nor those of one batch
    assert choose_rows(4, 100).tolist() == [0, 1, 2, 3]
    for size in (0, 1, MOST + 1):
        with pytest.raises(UsageError, match="sample"):
            choose_rows(10, size)


@pytest.mark.parametrize("name", NAMES)
def test_similarities_are_the_methods_own_of_every_pair(name):
    method = make_method(name)
    rng = np.random.default_rng(0)
    width, height = method.shrink.target(96, 64)
    shape = (height, width, 3) if method.shrink.colour else (height, width)
    made = [method.feature(rng.integers(0, 256, shape).astype(np.uint8)) for _ in range(7)]
    features = features_of([*made, made[2]], method.dtype)
    rows = np.array([1, 2, 4, 7])
    got = sample_similarities(features, method, rows, threads=2)
    assert len(got) == 4
    assert got.count == 8
    i, j = got.pair(np.arange(6))
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    for k, (a, b) in enumerate(zip(rows[i], rows[j], strict=True)):
        pair = features.take(np.array([a, b]), memory=1 << 20)
        assert method.similar_pairs(pair, -2.0).similarity.tolist() == [got.values[k]]
    assert got.values[4] == pytest.approx(1)


def test_images_of_which_neither_fits_in_the_other_are_not_similar():
    method = make_method("tm", scale=1.0)
    features = features_of([np.full((4, 9, 3), 99, np.uint8), np.full((9, 4, 3), 99, np.uint8)], np.uint8)
    assert sample_similarities(features, method, np.arange(2)).values.tolist() == [-1.0]
