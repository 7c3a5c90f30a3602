"""The grouper of the deep models: the best of several clusterings of the images' embeddings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.deep.candidates import DEFAULT_SEARCH, Search
from labelimg.clusterimg.deep.preparing import prepared
from labelimg.clusterimg.deep.selection import best_clustering
from labelimg.clusterimg.features import Features
from labelimg.clusterimg.flow import Groups, Rows
from labelimg.clusterimg.tried import Tried
from labelimg.errors import UsageError

NOISE = ("outliers", "nearest", "cluster")


@dataclass(frozen=True)
class Choosing:
    """How embeddings become groups: the candidates, what is done to the embeddings first, what noise becomes.

    noise: "outliers" leaves the noise of DBSCAN and HDBSCAN without a cluster, "nearest" gives it to the cluster of the
    nearest image that has one, "cluster" makes a cluster of it. pca: None for all components. neighbours: how many an
    embedding is averaged over, 0 for none.
    """

    search: Search = DEFAULT_SEARCH
    pca: int | None = None
    unit_length: bool = True
    neighbours: int = 0
    noise: str = "outliers"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.noise not in NOISE:
            raise UsageError(f"noise must be one of {', '.join(NOISE)}, got {self.noise!r}")
        if self.pca is not None and (type(self.pca) is not int or self.pca < 1):
            raise UsageError(f"pca must be a whole number of at least 1, got {self.pca!r}")
        if type(self.neighbours) is not int or not 0 <= self.neighbours <= 1000:
            raise UsageError(f"neighbours must be a whole number between 0 and 1000, got {self.neighbours!r}")
        if type(self.seed) is not int or not 0 <= self.seed < 1 << 32:
            raise UsageError(f"seed must be a whole number between 0 and 4294967295, got {self.seed!r}")


@dataclass(frozen=True, eq=False)
class DeepGrouper:
    """Images are of one group if the best clustering of their embeddings says so.

    features: the embeddings, (n, d) float32. averaged: the same averaged over their neighbours, which are clustered.
    """

    features: Features
    averaged: Features
    choosing: Choosing

    def group(self, rows: Rows, progress: Callable[[int, int], None] | None = None) -> Groups:
        """The clusters of one batch; where no candidate is left, it is one cluster.

        Averages of each other's lie together however they are clustered, and more so the more clusters there are: so
        candidates are scored by the embeddings as they were.
        """
        labels, tried = self._best(rows, progress, scored_by=self.features.stacked()[rows])
        if self.choosing.noise != "outliers" and (labels < 0).any() and (labels >= 0).any():
            labels = self._without_noise(rows, labels)
        return Groups(labels, None, tried)

    def match(self, rows: Rows, progress: Callable[[int, int], None] | None = None) -> Groups:
        """The clusters of representatives, few that are not averages of each other; with no candidate left, none."""
        labels, tried = self._best(rows, progress, scored_by=None)
        if not any(each.chosen for each in tried):
            labels = np.full(len(rows), -1, np.int32)
        return Groups(labels, None, tried)

    def _embeddings(self, rows: Rows) -> NDArray[np.float32]:
        taken: NDArray[np.float32] = self.averaged.stacked()[rows]
        return taken

    def _best(
        self, rows: Rows, progress: Callable[[int, int], None] | None, *, scored_by: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.int32], tuple[Tried, ...]]:
        how = self.choosing
        return best_clustering(
            self._embeddings(rows),
            how.search,
            pca=how.pca,
            unit_length=how.unit_length,
            seed=how.seed,
            scored_by=scored_by,
            progress=progress,
        )

    def _without_noise(self, rows: Rows, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        from sklearn.neighbors import NearestNeighbors

        if self.choosing.noise == "cluster":
            return np.where(labels < 0, labels.max() + 1, labels).astype(np.int32)
        points = prepared(self._embeddings(rows), pca=self.choosing.pca, unit_length=self.choosing.unit_length)
        inside = np.flatnonzero(labels >= 0)
        nearest = NearestNeighbors(n_neighbors=1).fit(points[inside]).kneighbors(points[labels < 0])[1][:, 0]
        given = labels.copy()
        given[labels < 0] = labels[inside[nearest]]
        return given
