"""Embeddings averaged over their neighbours, against a slow and obvious computation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler, normalize

from labelimg.clusterimg import flow
from labelimg.clusterimg.batches import shares
from labelimg.clusterimg.deep import averaging
from labelimg.clusterimg.deep.averaging import averaged
from labelimg.clusterimg.deep.candidates import Search
from labelimg.clusterimg.deep.grouper import Choosing, DeepGrouper
from labelimg.clusterimg.features import Features, features_of
from labelimg.errors import UsageError

Points = NDArray[np.float32]


def as_features(points: Points) -> Features:
    return features_of(list(points), np.float32)


def random_points(n: int, d: int, seed: int = 0) -> Points:
    random = np.random.default_rng(seed)
    return (random.normal(size=(n, d)) * random.uniform(0.5, 3, d) + 2).astype(np.float32)


def slowly(points: Points, count: int, among: list[int]) -> NDArray[np.float64]:
    """As the docstring says it, one image at a time."""
    values = points.astype(np.float64)
    for _ in range(2):
        scale = StandardScaler().fit(values[among])
        looked_at = scale.transform(values)
        if min(len(among), points.shape[1]) > 64:
            looked_at = PCA(64).fit(looked_at[among]).transform(looked_at)
        looked_at = normalize(looked_at)
        averages = []
        for k in range(len(values)):
            others = sorted((j for j in among if j != k), key=lambda j: -float(looked_at[j] @ looked_at[k]))[:count]
            weights = [max(float(looked_at[j] @ looked_at[k]), 0) ** 3 for j in others]
            averages.append(
                (values[k] + sum(w * values[j] for w, j in zip(weights, others, strict=True))) / (1 + sum(weights))
            )
        values = np.array(averages)
    return values


@pytest.mark.parametrize(("n", "d", "neighbours"), [(60, 5, 3), (60, 5, 20), (150, 80, 7), (11, 3, 1)])
def test_averages_are_those_of_a_slow_computation(n, d, neighbours):
    points = random_points(n, d)
    made = averaged(as_features(points), neighbours).stacked()
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, slowly(points, min(neighbours, n // 10), list(range(n))), rtol=2e-4, atol=2e-4)


def test_of_many_images_neighbours_are_looked_for_among_a_sample(monkeypatch):
    monkeypatch.setattr(averaging, "_LOOKED_AMONG", 40)
    points = random_points(90, 6)
    among = np.sort(np.random.default_rng(7).choice(90, 40, replace=False)).tolist()
    made = averaged(as_features(points), 4, seed=7).stacked()
    np.testing.assert_allclose(made, slowly(points, 4, among), rtol=2e-4, atol=2e-4)


def test_batches_of_rows_and_a_temporary_file_change_nothing(monkeypatch):
    points = random_points(70, 6)
    kept = points.copy()
    whole = averaged(as_features(points), 4).stacked()
    monkeypatch.setattr(averaging, "_AT_ONCE", 9)
    told: list[tuple[int, int]] = []
    parts = averaged(as_features(points), 4, memory=100, progress=lambda *step: told.append(step)).stacked()
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-5)
    assert told[-1] == (70, 70)
    np.testing.assert_array_equal(points, kept)


def test_few_images_or_no_neighbours_leave_the_features_as_they_are():
    for n, neighbours in ((0, 20), (1, 20), (9, 20), (100, 0)):
        features = as_features(random_points(n, 3)) if n else features_of([], np.float32)
        assert averaged(features, neighbours) is features
    for wrong in (-1, 1001, 2.0):
        with pytest.raises(UsageError, match="neighbours must be a whole number between 0 and 1000"):
            Choosing(neighbours=wrong)  # type: ignore[arg-type]


def test_equal_images_stay_equal():
    points = np.repeat(random_points(3, 5), 20, axis=0)
    made = averaged(as_features(points), 4).stacked()
    np.testing.assert_allclose(made, points, rtol=1e-5, atol=1e-5)
    all_alike = np.full((30, 4), 2.5, np.float32)
    np.testing.assert_array_equal(averaged(as_features(all_alike), 3).stacked(), all_alike)


def test_clusters_of_batches_find_each_other_where_single_images_would_not():
    random = np.random.default_rng(1)
    kinds = random.permutation(np.repeat(np.arange(5), 80))
    points = (random.normal(size=(5, 40))[kinds] + 1.8 * random.normal(size=(400, 40))).astype(np.float32)
    features = as_features(points)
    right = []
    for neighbours in (0, 20):
        how = Choosing(Search("kmeans", clusters=(5,)), neighbours=neighbours)
        grouper = DeepGrouper(features, averaged(features, neighbours), how)
        batches = [flow.group_batch(grouper, rows) for rows in shares(400, 100)]
        merged = flow.merge_batches(grouper, [(each.clusters, each.outliers) for each in batches], rescue=False)
        right.append(sum(np.bincount(kinds[rows]).max() for rows in merged.clusters))
        assert all(int(cluster[0]) in merged.representatives for each in batches for cluster in each.clusters)
    assert right[1] >= 360
    assert right[0] < 320
