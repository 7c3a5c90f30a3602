"""Embeddings averaged over their nearest neighbours, so that one image stands for its kind and not for its whims.

Known from image retrieval as database-side feature augmentation (Turcot and Lowe 2009); the weights are those of
alpha query expansion (Radenovic, Tolias and Chum 2018).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.deep.preparing import blas_threads, preparation
from labelimg.clusterimg.features import Features, FeatureStore

_ROUNDS = 2
_POWER = 3  # of the cosine similarity that a neighbour weighs
_COMPONENTS = 64  # that neighbours are looked for by
_LOOKED_AMONG = 10_000  # images, at most, that neighbours are looked for among; the cost grows with their number
_SHARE = 10  # the neighbours of an image are at most this part of all images
_AT_ONCE = 1024

_Points = NDArray[np.float32]


def averaged(
    features: Features,
    neighbours: int,
    *,
    seed: int = 0,
    memory: int = 1 << 62,
    progress: Callable[[int, int], None] | None = None,
) -> Features:
    """Each embedding averaged with those of its nearest neighbours, (n, d) float32, twice.

    Neighbours are those of the greatest cosine similarity once the embeddings are standardised and reduced to 64
    principal components; the similarity to the power of three is a neighbour's weight, the image's own is 1. They are
    at most a tenth of all images; of more than 10,000 images they are looked for among so many, a seeded sample. With 0
    neighbours the features are given back as they are. Past `memory` bytes the result lies in a temporary file.
    """
    n = len(features)
    count = min(neighbours, n // _SHARE)
    if count < 1:
        return features
    points: _Points = features.stacked()
    among = np.arange(n)
    if n > _LOOKED_AMONG:
        among = np.sort(np.random.default_rng(seed).choice(n, _LOOKED_AMONG, replace=False))
    own = np.full(n, -1)
    own[among] = np.arange(len(among))
    store = FeatureStore(np.float32, memory=memory)
    with blas_threads(len(among)):
        rounds = [_Round(np.array(points[among], np.float32), count)]
        while len(rounds) < _ROUNDS:
            last = rounds[-1]
            parts = [last(last.among[k : k + _AT_ONCE], own[among[k : k + _AT_ONCE]]) for k in _starts(len(among))]
            rounds.append(_Round(np.concatenate(parts), count))
        for start in _starts(n):
            part = np.asarray(points[start : start + _AT_ONCE], np.float32)
            for each in rounds:
                part = each(part, own[start : start + _AT_ONCE])
            for row in part:
                store.add(row)
            if progress is not None:
                progress(start + len(part), n)
    return store.features()


class _Round:
    """Averages points with their neighbours among others."""

    def __init__(self, among: _Points, count: int) -> None:
        from sklearn.neighbors import NearestNeighbors

        self.among = among
        self._prepare = preparation(among, pca=_COMPONENTS, unit_length=True)
        # One more than wanted: a point that is among the others finds itself.
        self._nearest = NearestNeighbors(n_neighbors=count + 1, algorithm="brute").fit(self._prepare(among))

    def __call__(self, points: _Points, own: NDArray[np.intp]) -> _Points:
        """The averages; own: (n,) where among the others a point itself is, -1 where it is not."""
        from scipy.sparse import csr_array

        distances, places = self._nearest.kneighbors(self._prepare(points))
        weights = np.maximum(1 - distances**2 / 2, 0).astype(np.float32) ** _POWER  # of vectors of length 1: the cosine
        weights[places == own[:, None]] = 0
        weights[own < 0, -1] = 0
        starts = np.arange(0, places.size + 1, places.shape[1])
        sums = csr_array((weights.ravel(), places.ravel(), starts), shape=(len(points), len(self.among))) @ self.among
        averages: _Points = (points + sums) / (1 + weights.sum(axis=1, keepdims=True))
        return averages


def _starts(count: int) -> range:
    return range(0, count, _AT_ONCE)
