"""Batches, clusters, representatives and merging, on numbers in place of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from labelimg.clusterimg import flow
from labelimg.clusterimg.features import features_of
from labelimg.clusterimg.flow import Groups, group_batch, merge_batches
from labelimg.clusterimg.methods.imagehash import ImageHash
from labelimg.clusterimg.pairwise import PairwiseGrouper

Parts = list[tuple[list[flow.Rows], flow.Rows]]


class Alike:
    """A grouper that knows which rows are alike, and remembers what it was asked."""

    def __init__(self, *edges: tuple[int, int]) -> None:
        self.edges = edges
        self.asked: list[list[int]] = []

    def group(self, rows: flow.Rows, progress: Callable[[int, int], None] | None = None) -> Groups:
        here = rows.tolist()
        assert here == sorted(set(here))
        self.asked.append(here)
        inside = [(here.index(i), here.index(j)) for i, j in self.edges if i in here and j in here]
        labels = np.full(len(here), -1, np.int32)
        for name, chain in enumerate(oracles.chains(len(here), inside)):
            if len(chain) > 1:
                labels[chain] = len(here) - name  # any names will do
        return Groups(labels, None)

    match = group


def rows(*numbers: int) -> flow.Rows:
    return np.asarray(numbers, np.int32)


def lists(clusters: Sequence[Any]) -> list[list[int]]:
    return [cluster.tolist() for cluster in clusters]


def hashes(*words: int) -> PairwiseGrouper:
    """A grouper of 8x8 hashes at the threshold 0.75: alike are those of fewer than 16 differing bits."""
    method = ImageHash(hash_size=8)
    features = features_of([np.asarray([word], np.uint64) for word in words], np.uint64)
    return PairwiseGrouper(method, features, 0.75, threads=1, memory=1 << 20)


def test_clusters_are_chains_of_similar_pairs():
    x, a, b, y = 0, 2**15 - 1, 2**30 - 1, 2**45 - 1  # 15 bits from each to the next
    batch = group_batch(hashes(y, x, b, a), rows(0, 1, 2, 3))
    assert lists(batch.clusters) == [[0, 1, 2, 3]]
    assert batch.outliers.tolist() == []
    assert batch.pairs is not None
    assert list(zip(batch.pairs.i.tolist(), batch.pairs.j.tolist(), strict=True)) == [(0, 2), (1, 3), (2, 3)]


def test_the_threshold_is_exclusive():
    sixteen, fifteen = 2**16 - 1, 2**15 - 1
    assert lists(group_batch(hashes(0, sixteen), rows(0, 1)).clusters) == []  # exactly 0.75
    assert lists(group_batch(hashes(0, fifteen), rows(0, 1)).clusters) == [[0, 1]]


def test_an_image_with_no_similar_one_is_an_outlier():
    batch = group_batch(Alike((3, 8)), rows(1, 3, 5, 8))
    assert lists(batch.clusters) == [[3, 8]]
    assert batch.outliers.tolist() == [1, 5]


def test_clusters_come_largest_first_and_of_equal_size_by_first_row():
    batch = group_batch(Alike((4, 9), (2, 7), (3, 5), (5, 6)), rows(*range(10)))
    assert lists(batch.clusters) == [[3, 5, 6], [2, 7], [4, 9]]
    assert batch.outliers.tolist() == [0, 1, 8]


def test_a_batch_of_one_or_no_image_has_no_cluster():
    assert group_batch(Alike(), rows(4)).outliers.tolist() == [4]
    empty = group_batch(Alike(), rows())
    assert (lists(empty.clusters), empty.outliers.tolist()) == ([], [])


def test_the_pairs_of_a_batch_are_positions_in_it():
    grouper = hashes(0, 2**40 - 1, 0, 2**40 - 1)
    batch = group_batch(grouper, rows(1, 3))
    assert batch.pairs is not None
    assert (batch.pairs.i.tolist(), batch.pairs.j.tolist()) == ([0], [1])
    assert lists(batch.clusters) == [[1, 3]]


def test_one_batch_is_not_merged_with_anything():
    grouper = Alike((0, 1), (0, 5))
    merged = merge_batches(grouper, [([rows(3, 4), rows(0, 1, 2)], rows(5))], rescue=True)
    assert lists(merged.clusters) == [[0, 1, 2], [3, 4]]
    assert merged.outliers.tolist() == [5]
    assert (merged.representatives.tolist(), merged.pairs, grouper.asked) == ([], None, [])


def test_no_batch_merges_to_nothing():
    merged = merge_batches(Alike(), [], rescue=True)
    assert (merged.clusters, merged.outliers.tolist()) == ((), [])


def test_the_representative_is_the_first_in_name_order():
    grouper = Alike((2, 3))
    merged = merge_batches(grouper, [([rows(2, 6)], rows()), ([rows(3, 4)], rows())], rescue=True)
    assert grouper.asked == [[2, 3]]
    assert merged.representatives.tolist() == [2, 3]
    assert lists(merged.clusters) == [[2, 3, 4, 6]]


def test_clusters_whose_other_images_are_similar_stay_apart():
    merged = merge_batches(Alike((6, 4)), [([rows(2, 6)], rows()), ([rows(3, 4)], rows())], rescue=True)
    assert lists(merged.clusters) == [[2, 6], [3, 4]]


def test_rescue_joins_twins_that_fell_into_different_batches():
    grouper = Alike((1, 8), (0, 9))
    merged = merge_batches(grouper, [([rows(0, 2)], rows(1)), ([], rows(8, 9)), ([], rows(5))], rescue=True)
    assert grouper.asked == [[0, 1, 5, 8, 9]]
    assert lists(merged.clusters) == [[0, 2, 9], [1, 8]]
    assert merged.outliers.tolist() == [5]


def test_without_rescue_outliers_stay_outliers():
    grouper = Alike((1, 8), (0, 9), (0, 3))
    merged = merge_batches(grouper, [([rows(0, 2)], rows(1)), ([rows(3, 4)], rows(8, 9))], rescue=False)
    assert grouper.asked == [[0, 3]]
    assert lists(merged.clusters) == [[0, 2, 3, 4]]
    assert merged.outliers.tolist() == [1, 8, 9]


def test_a_cluster_of_one_that_a_person_made_stays_a_cluster():
    for rescue in (True, False):
        merged = merge_batches(Alike(), [([rows(4)], rows(1)), ([], rows(2))], rescue=rescue)
        assert lists(merged.clusters) == [[4]]
        assert merged.outliers.tolist() == [1, 2]


def test_a_cluster_of_one_is_represented_without_rescue_too():
    merged = merge_batches(Alike((4, 5)), [([rows(4)], rows(1)), ([rows(5, 6)], rows())], rescue=False)
    assert lists(merged.clusters) == [[4, 5, 6]]


def test_merged_clusters_come_largest_first_and_of_equal_size_by_first_row():
    batches: Parts = [([rows(6, 7), rows(8, 9)], rows(0)), ([rows(4, 5)], rows(1)), ([rows(2, 3)], rows(10))]
    merged = merge_batches(Alike((2, 8), (0, 10)), batches, rescue=True)
    assert lists(merged.clusters) == [[2, 3, 8, 9], [0, 10], [4, 5], [6, 7]]
    assert merged.outliers.tolist() == [1]


def test_clusters_of_one_batch_may_become_one_through_another():
    merged = merge_batches(Alike((0, 4), (2, 4)), [([rows(0, 1), rows(2, 3)], rows()), ([], rows(4))], rescue=True)
    assert lists(merged.clusters) == [[0, 1, 2, 3, 4]]


def test_batches_without_clusters_or_outliers_can_be_merged():
    merged = merge_batches(Alike(), [([], rows()), ([], rows())], rescue=True)
    assert (merged.clusters, merged.outliers.tolist()) == ((), [])


@settings(deadline=None, derandomize=True, max_examples=80)
@given(st.integers(1, 25), st.integers(1, 5), st.booleans(), st.integers(0, 2**32 - 1))
def test_merging_is_components_of_clusters_whose_representatives_are_alike(n, batches, rescue, seed):
    rng = np.random.default_rng(seed)
    every = [tuple(sorted(pair)) for pair in rng.integers(0, n, (int(rng.integers(0, n + 1)), 2)).tolist()]
    edges = [(i, j) for i, j in every if i != j]
    where = rng.integers(0, batches, n)
    inside = [(i, j) for i, j in edges if where[i] == where[j]]
    first_step = oracles.chains(n, inside)
    first = {chain[0]: chain for chain in first_step}
    standing = {each for each, chain in first.items() if rescue or len(chain) > 1}
    used = [each for each in range(batches) if (where == each).any()]
    second = inside + [(i, j) for i, j in edges if i in standing and j in standing] * (len(used) > 1)
    expected = oracles.chains(n, second)

    grouper = Alike(*edges)
    parts = [group_batch(grouper, np.flatnonzero(where == each).astype(np.int32)) for each in used]
    merged = merge_batches(grouper, [(part.clusters, part.outliers) for part in parts], rescue=rescue)
    clusters = sorted((chain for chain in expected if len(chain) > 1), key=lambda chain: (-len(chain), chain[0]))
    assert lists(merged.clusters) == clusters
    assert merged.outliers.tolist() == [chain[0] for chain in expected if len(chain) == 1]
