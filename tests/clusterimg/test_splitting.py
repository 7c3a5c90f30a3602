"""Where clusters can be split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelimg
from labelimg import Review, UsageError
from labelimg.clusterimg import splitting
from labelimg.clusterimg.pairs import Pairs, components
from labelimg.clusterimg.splitting import ChainCuts, CountCuts, cuts_of, strongest
from pictures import ALBUM_GROUPS, brighter, photograph, save, softer

N = 8
pair_lists = st.dictionaries(
    st.tuples(st.integers(0, N - 1), st.integers(0, N - 1)).filter(lambda pair: pair[0] < pair[1]),
    st.sampled_from([0.7, 0.75, 0.8, 0.8, 0.9, 1.0]),
    max_size=20,
)


def pairs_of(found: dict[tuple[int, int], float]) -> Pairs:
    keys = sorted(found)
    i, j = np.asarray(keys, np.int32).reshape(-1, 2).T
    return Pairs(i, j, np.asarray([found[key] for key in keys]))


def above(pairs: Pairs, threshold: float) -> list[int]:
    kept = pairs.similarity > threshold
    return components(N, Pairs(pairs.i[kept], pairs.j[kept], pairs.similarity[kept])).tolist()


@settings(max_examples=200, deadline=None)
@given(pair_lists)
def test_the_strongest_forest_connects_the_same_above_every_threshold(found):
    pairs = pairs_of(found)
    forest = strongest(N, pairs)
    assert len(forest) == N - len(set(above(pairs, 0)))
    for threshold in (0.0, 0.7, 0.72, 0.75, 0.8, 0.9, 0.95, 1.0):
        assert above(forest, threshold) == above(pairs, threshold)


@settings(max_examples=200, deadline=None)
@given(pair_lists)
def test_pieces_are_the_chains_above_the_threshold_largest_first(found):
    pairs = pairs_of(found)
    rows = np.arange(10, 10 + N, dtype=np.int32)
    cuts = ChainCuts(rows, strongest(N, pairs), 0.69)
    for step in range(len(cuts)):
        labels = np.asarray(above(pairs, float(cuts.thresholds[step])))
        expected = [rows[labels == label].tolist() for label in set(labels.tolist())]
        expected = sorted((piece for piece in expected if len(piece) > 1), key=lambda piece: (-len(piece), piece))
        assert [piece.tolist() for piece in cuts.pieces(step)] == expected
    assert cuts.pieces(len(cuts) - 1) == [] or cuts.thresholds[-1] == 0.69


def test_the_first_step_is_the_lowest_that_gives_two_pieces():
    chain = Pairs(*(np.asarray(each) for each in ([0, 1, 2, 3], [1, 2, 3, 4], [0.9, 0.8, 0.7, 0.95])))
    cuts = ChainCuts(np.arange(5, dtype=np.int32), chain, 0.6)
    assert cuts.thresholds[cuts.first] == 0.7
    assert [piece.tolist() for piece in cuts.pieces(cuts.first)] == [[0, 1, 2], [3, 4]]


@pytest.mark.parametrize("method", ["ssim", "minhash", "orb", "tm"])
def test_every_method_splits_a_cluster_as_a_run_with_that_threshold_would(album, tmp_path, method):
    low, high = {"ssim": (0.3, 0.6), "minhash": (0.2, 0.45), "orb": (0.05, 0.3), "tm": (0.8, 0.99)}[method]
    options: dict[str, Any] = {"method": method, "batch_size": 4}
    labelimg.cluster(album, out=tmp_path / "out", threshold=low, **options)  # batches: no table holds all pairs
    expected = {frozenset(group) for group in ALBUM_GROUPS}
    with Review(tmp_path / "out") as review:
        review.merge(review.clusters) if len(review.clusters) > 1 else None
        review.move(review.outliers, next(iter(review.clusters)))
        (name,) = review.clusters
        review.split(name, threshold=high)
        assert {frozenset(images) for images in review.clusters.values()} == expected


def test_so_many_pairs_that_they_are_not_held_are_looked_for_above_a_higher_threshold(tmp_path, monkeypatch):
    coffee = photograph("coffee")
    for number, pixels in enumerate((coffee, brighter(coffee, 3), softer(coffee), photograph("moon"))):
        save(tmp_path / "in" / f"{number}.png", pixels)
    labelimg.cluster(tmp_path / "in", out=tmp_path / "out", threshold=0.1, method="ssim")
    monkeypatch.setattr(splitting, "_MOST_PAIRS", 2)
    with Review(tmp_path / "out") as review:
        review.merge(review.clusters) if len(review.clusters) > 1 else None
        monkeypatch.setattr(splitting, "_kept_pairs", lambda *_: None)
        cuts = cuts_of(review, next(iter(review.now.names)))
        assert isinstance(cuts, ChainCuts)
        assert cuts.base >= 0.1
        assert len(cuts.pieces(0)[0]) >= 2


def test_an_image_that_cannot_be_read_is_in_no_piece(album, tmp_path):
    labelimg.cluster(album, out=tmp_path / "out")
    with Review(tmp_path / "out") as review:
        review.merge(["cluster_0", "cluster_1"])
    for path in (album / "coffee.png", tmp_path / "out/results/cluster_1/coffee.png"):
        path.write_bytes(b"no picture any more")
    (tmp_path / "out/similarities/batch_0.csv").unlink()
    with Review(tmp_path / "out") as review:
        cuts = cuts_of(review, review.now.number_of("cluster_0") or 0)
        assert review.standing.rows["coffee.png"] not in np.concatenate(cuts.pieces(0))


def test_embeddings_are_cut_into_so_many_pieces():
    rng = np.random.default_rng(0)
    centres = np.asarray([[0.0, 0], [50, 0], [0, 50]])
    features = np.concatenate([centre + rng.normal(0, 1, (4, 2)) for centre in centres])
    from scipy.cluster.hierarchy import linkage

    rows = np.arange(20, 32, dtype=np.int32)
    cuts = CountCuts(rows, rows, linkage(features, "ward"))
    assert [piece.tolist() for piece in cuts.pieces(1)] == [list(range(20 + 4 * k, 24 + 4 * k)) for k in range(3)]
    assert cuts.label(1) == "3 pieces" and len(cuts) == 11
    assert CountCuts(rows[:1], rows[:1], np.empty((0, 4))).pieces(0) == []


def test_a_result_of_a_deep_model_is_split_into_pieces_and_knows_no_threshold(album, tmp_path):
    pytest.importorskip("torch")
    labelimg.deep_cluster(album, out=tmp_path / "out", clusters=[2], algorithm="kmeans")
    with Review(tmp_path / "out") as review:
        name = next(iter(review.clusters))
        with pytest.raises(UsageError, match="deep"):
            review.split(name, threshold=0.9)
        cuts = cuts_of(review, review.now.number_of(name) or 0)
        assert isinstance(cuts, CountCuts)
        assert sorted(np.concatenate(cuts.pieces(0)).tolist()) == review.now.rows_of(1).tolist()
        review.do(review.now.split(1, cuts.pieces(0)))
        review.apply()
        assert len(review.clusters) == 3
    assert labelimg.undo(tmp_path / "out") == ()
