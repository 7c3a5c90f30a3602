"""Candidates, their scores, and which of them wins; on numbers in place of images."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.cluster import DBSCAN, KMeans
from sklearn.preprocessing import StandardScaler

from labelimg import Candidate, Search, best_clustering
from labelimg.clusterimg.deep import selection
from labelimg.clusterimg.deep.grouper import Choosing, DeepGrouper
from labelimg.clusterimg.deep.selection import prepared
from labelimg.clusterimg.features import Features
from labelimg.errors import UsageError


def blobs(*sizes: int, seed: int = 0, spread: float = 0.1) -> NDArray[np.float32]:
    """Points around (0, 0), (10, 0), (20, 10), ... one blob after the other."""
    random = np.random.default_rng(seed)
    parts = [random.normal((10 * k, 5 * k * (k - 1)), spread, (size, 2)) for k, size in enumerate(sizes)]
    return np.concatenate(parts).astype(np.float32)


def kmeans(*counts: int) -> list[Candidate]:
    return [Candidate("kmeans", {"clusters": count}) for count in counts]


def test_the_number_of_clusters_that_is_there_wins():
    labels, table = best_clustering(blobs(20, 30, 10), kmeans(2, 3, 5))
    assert labels.tolist() == [0] * 20 + [1] * 30 + [2] * 10
    assert labels.dtype == np.int32
    assert [row.chosen for row in table] == [False, True, False]


def test_scores_are_those_of_scikit_learn_on_standardised_embeddings():
    points = StandardScaler().fit_transform(blobs(20, 30, 10, spread=2).astype(np.float64))
    _, table = best_clustering(blobs(20, 30, 10, spread=2), kmeans(2, 4))
    for row, count in zip(table, (2, 4), strict=True):
        wanted = KMeans(count, n_init=10, random_state=0).fit_predict(points)
        assert row.silhouette == pytest.approx(metrics.silhouette_score(points, wanted), rel=1e-4)
        assert row.calinski_harabasz == pytest.approx(metrics.calinski_harabasz_score(points, wanted), rel=1e-4)
        assert row.davies_bouldin == pytest.approx(metrics.davies_bouldin_score(points, wanted), rel=1e-4)


def test_scores_are_scaled_over_the_candidates_and_the_third_is_turned_round(monkeypatch):
    scores = iter([(0.2, 100.0, 2.0), (0.6, 300.0, 1.0), (0.4, 150.0, 4.0)])
    monkeypatch.setattr(selection, "_scores", lambda *_: next(scores))
    _, table = best_clustering(blobs(20, 30), kmeans(2, 3, 4))
    # By hand: 0 + 0 + (4 - 2) / 3;  1 + 1 + 1;  0.5 + 0.25 + 0.
    assert [row.total for row in table] == pytest.approx([2 / 3, 3.0, 0.75])
    assert [row.chosen for row in table] == [False, True, False]


def test_a_score_that_is_equal_for_all_counts_nothing_and_ties_go_to_the_first(monkeypatch):
    monkeypatch.setattr(selection, "_scores", lambda *_: (0.3, 7.0, 1.5))
    _, table = best_clustering(blobs(20, 30), kmeans(3, 2))
    assert [(row.total, row.chosen) for row in table] == [(0, True), (0, False)]


def test_one_candidate_needs_no_scores(monkeypatch):
    monkeypatch.setattr(selection, "_scores", lambda *_: pytest.fail("scored"))
    labels, (row,) = best_clustering(blobs(20, 30), kmeans(2))
    assert labels.tolist() == [0] * 20 + [1] * 30
    assert row.chosen
    assert row.total is None


def test_noise_counts_as_clusters_of_one():
    points = np.concatenate([blobs(20, 20), [[100, 100], [-100, 50], [50, -100]]]).astype(np.float32)
    near, far = (Candidate("dbscan", {"eps": eps, "min_samples": 3}) for eps in (0.1, 3.0))
    labels, table = best_clustering(points, [near, far])
    assert labels[:40].tolist() == [0] * 20 + [1] * 20
    assert labels[40:].tolist() == [-1] * 3
    row = table[0]
    assert (row.clusters, row.noise) == (2, 3)
    scaled = StandardScaler().fit_transform(points.astype(np.float64))
    alone = [0] * 20 + [1] * 20 + [2, 3, 4]
    assert row.note == ""
    assert (table[1].clusters, table[1].noise, table[1].note) == (1, 3, "")  # with noise they are four
    _, both = best_clustering(points, [near, Candidate("kmeans", {"clusters": 2})])
    assert both[0].silhouette == pytest.approx(metrics.silhouette_score(scaled, alone), rel=1e-4)


def test_throwing_images_away_does_not_win():
    points = blobs(30, 30, spread=0.6)
    scaled = prepared(points, pca=None, unit_length=False)
    tight = Candidate("dbscan", {"eps": 0.05, "min_samples": 3})
    assert (DBSCAN(eps=0.05, min_samples=3).fit_predict(scaled) < 0).sum() > 10
    _, table = best_clustering(points, [tight, *kmeans(2)])
    assert [row.chosen for row in table] == [False, True]


@pytest.mark.parametrize(
    "candidate, reason",
    [
        (Candidate("dbscan", {"eps": 1e6, "min_samples": 2}), "one cluster"),
        (Candidate("dbscan", {"eps": 1e-9, "min_samples": 2}), "all images are noise"),
        (Candidate("hierarchy", {"clusters": 12}), "as many clusters as images"),
        (Candidate("kmeans", {"clusters": 3, "max_iter": 1}), "did not converge in 1 iterations"),
        (Candidate("hdbscan", {"min_cluster_size": 13}), "fewer images than the least cluster has: 12"),
    ],
)
def test_what_takes_no_part_is_listed_with_the_reason_and_where_none_is_left_all_is_one_cluster(candidate, reason):
    random = np.random.default_rng(0).normal(size=(12, 2))
    labels, (row,) = best_clustering(random, [candidate])
    assert labels.tolist() == [0] * 12
    assert not row.chosen
    assert reason in row.note


def test_more_clusters_than_images_are_clipped_and_it_is_said():
    listed = Search("kmeans", clusters=(3, 10, 20)).candidates(blobs(2, 3))
    assert [dict(each.parameters) for each in listed] == [{"clusters": 3}, {"clusters": 5}]
    assert listed[1].note == "10 clusters asked for, only 5 images: clipped"


def test_equal_images_are_one_cluster():
    labels, table = best_clustering(np.ones((6, 3)), Search("all"))
    assert labels.tolist() == [0] * 6
    assert not any(row.chosen for row in table)


def test_nothing_one_and_two():
    assert best_clustering(np.empty((0, 4)))[0].tolist() == []
    assert best_clustering(np.empty((0, 4)))[1] == ()
    for n in (1, 2):
        labels, table = best_clustering(np.arange(4.0 * n).reshape(n, 4), Search("all"))
        assert labels.tolist() == [0] * n
        assert all(row.note for row in table)


def test_input_stays_as_it_is_and_the_result_is_the_same_twice():
    points = np.random.default_rng(1).normal(size=(60, 5)).astype(np.float32)
    before = points.copy()
    first, second = (best_clustering(points, Search("all"), pca=3, unit_length=True) for _ in range(2))
    assert np.array_equal(points, before)
    assert np.array_equal(first[0], second[0])
    assert [row.total for row in first[1]] == [row.total for row in second[1]]


def test_all_tries_every_algorithm_and_derives_candidates_from_the_data():
    points = blobs(30, 30)
    near, wide = (Search("dbscan").candidates(points * scale) for scale in (1, 10))
    assert [each.parameters["eps"] for each in wide] == pytest.approx(
        [10 * each.parameters["eps"] for each in near], rel=1e-3
    )
    assert len(near) > 2
    assert {each.algorithm for each in Search("all").candidates(points)} == {
        *("kmeans", "hierarchy", "dbscan", "gaussian", "hdbscan")
    }


def test_every_combination_is_a_candidate_and_only_once():
    search = Search("dbscan", eps=(0.5, 1.0), min_samples=(3, 5, 3))
    listed = [tuple(each.parameters.values()) for each in search.candidates(blobs(5, 5))]
    assert sorted(listed) == [(0.5, 3), (0.5, 5), (1.0, 3), (1.0, 5)]


@pytest.mark.parametrize(
    "wrong, text",
    [
        ({"algorithm": "kmean"}, "algorithm must be one of"),
        ({"clusters": (1,)}, "clusters must be whole numbers of at least 2, got 1"),
        ({"algorithm": "dbscan", "eps": (0.0,)}, "eps must be greater than 0"),
        ({"algorithm": "kmeans", "eps": (1.0,)}, "eps is nothing that kmeans knows; dbscan know"),
        ({"algorithm": "hierarchy", "max_iter": 5}, "max_iter is nothing that hierarchy knows"),
        ({"max_iter": 0}, "max_iter must be"),
    ],
)
def test_what_cannot_be_is_refused_with_a_line(wrong, text):
    with pytest.raises(UsageError, match=text):
        Search(**wrong)


def test_embeddings_that_are_not_finite_are_refused():
    with pytest.raises(UsageError, match="finite"):
        best_clustering([[0.0], [np.nan]])


def test_large_batches_have_their_silhouette_sampled_with_the_seed(monkeypatch):
    monkeypatch.setattr(selection, "_SAMPLED", 40)
    points = blobs(60, 60, spread=2)
    once, again, other = (best_clustering(points, kmeans(2, 3), seed=seed)[1] for seed in (0, 0, 1))
    assert once[0].silhouette == again[0].silhouette != other[0].silhouette
    assert once[0].silhouette == pytest.approx(best_clustering(points[::2], kmeans(2, 3))[1][0].silhouette, abs=0.1)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 25), st.integers(1, 4), st.integers(0, 99), st.sampled_from(["all", "dbscan", "hdbscan"]))
def test_any_points_give_labels_in_the_order_of_first_images(n, d, seed, algorithm):
    points = np.random.default_rng(seed).integers(0, 4, (n, d))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels, table = best_clustering(points, Search(algorithm))
    firsts = [labels.tolist().index(k) for k in range(labels.max() + 1)]
    assert firsts == sorted(firsts)
    assert labels.min() >= -1
    assert sum(row.chosen for row in table) <= 1
    totals = [row.total for row in table if row.total is not None]
    assert all(0 <= total <= 3 for total in totals)


def test_components_and_unit_length():
    points = np.random.default_rng(0).normal(size=(50, 8))
    made = prepared(points, pca=3, unit_length=True)
    assert made.shape == (50, 3)
    assert np.linalg.norm(made, axis=1) == pytest.approx(np.ones(50), rel=1e-5)
    assert prepared(points, pca=99, unit_length=False).shape == (50, 8)
    constant = np.c_[points, np.full(50, 7.0)]
    assert prepared(constant, pca=None, unit_length=False)[:, 8].tolist() == [0.0] * 50


def grouper(points: NDArray[np.float32], noise: str = "outliers", **search: object) -> DeepGrouper:
    n, d = points.shape
    features = Features(points.ravel(), np.arange(n + 1) * d, np.full((n, 1), d))
    return DeepGrouper(features, features, Choosing(Search(**search), unit_length=False, noise=noise))  # type: ignore[arg-type]


def test_noise_goes_where_it_is_told_but_a_noisy_representative_keeps_its_cluster():
    points = np.concatenate([blobs(10, 10), [[8.0, 0.0], [2.0, 0.0]]]).astype(np.float32)
    rows = np.arange(22, dtype=np.int32)
    own = {"algorithm": "dbscan", "eps": (0.2,), "min_samples": (3,)}
    ends = {
        noise: grouper(points, noise, **own).group(rows).labels[20:].tolist()
        for noise in ("outliers", "nearest", "cluster")
    }
    assert ends == {"outliers": [-1, -1], "nearest": [1, 0], "cluster": [2, 2]}
    assert grouper(points, "nearest", **own).match(rows).labels[20:].tolist() == [-1, -1]


def test_where_no_candidate_is_left_a_batch_is_one_cluster_and_representatives_stay_apart():
    points = blobs(3, 3)
    rows = np.arange(6, dtype=np.int32)
    for_six = grouper(points, algorithm="kmeans", clusters=(6,))
    assert for_six.group(rows).labels.tolist() == [0] * 6
    assert for_six.match(rows).labels.tolist() == [-1] * 6


def test_equal_images_are_prepared_without_a_warning():
    made = prepared(np.ones((3, 8), np.float32), pca=1, unit_length=True)
    assert made.shape == (3, 1)
    assert not made.any()
