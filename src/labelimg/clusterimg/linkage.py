"""What clusters a set of images falls into at every threshold at once.

Clusters are chains of similar pairs, so a lower threshold only ever joins clusters: single linkage. The joins are the
edges of a greatest spanning forest, Kruskal's algorithm. Source: Gower, Ross, Minimum Spanning Trees and Single Linkage
Cluster Analysis, 1969.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg import kernels


@dataclass(frozen=True, eq=False)
class Linkage:
    """The joins of clusters of `count` images, the most similar first.

    level: (m,) float64, falling: at a threshold below level[k] join k has happened; i, j: (m,) int32, the two images
    whose similarity that is; within, clustered, largest: (m + 1,) int64, after so many joins: the pairs of images that
    share a cluster, the images in clusters of two or more, the images of the largest cluster.
    """

    count: int
    level: NDArray[np.float64]
    i: NDArray[np.int32]
    j: NDArray[np.int32]
    within: NDArray[np.int64]
    clustered: NDArray[np.int64]
    largest: NDArray[np.int64]

    def joins(self, thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
        """How many joins have happened at each threshold: those of a similarity greater than it."""
        return np.searchsorted(-self.level, -thresholds, side="left")

    def clusters(self, joins: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many clusters of two or more images there are after so many joins."""
        groups: NDArray[np.int64] = self.count - joins
        return groups - (self.count - self.clustered[joins])

    def labels(self, joins: int) -> NDArray[np.int32]:
        """The smallest row of each image's cluster after so many joins, (count,) int32."""
        parent, labels = np.arange(self.count, dtype=np.int32), np.empty(self.count, np.int32)
        kernels.join(parent, self.i[:joins], self.j[:joins], np.empty(joins, np.bool_))
        kernels.roots(parent, labels)
        return labels


def link(count: int, i: NDArray[np.int32], j: NDArray[np.int32], similarity: NDArray[np.float64]) -> Linkage:
    """The joins that pairs of `count` images make. Of equally similar pairs the one given first joins first.

    >>> made = link(4, np.array([0, 0, 1], np.int32), np.array([1, 2, 2], np.int32), np.array([0.9, 0.5, 0.7]))
    >>> made.level.tolist(), made.within.tolist(), made.clustered.tolist()
    ([0.9, 0.7], [0, 1, 3], [0, 2, 3])
    """
    order = np.argsort(-similarity, kind="stable")
    i, j = i[order], j[order]
    joined = np.empty(len(i), np.bool_)
    kernels.join(np.arange(count, dtype=np.int32), i, j, joined)
    i, j, level = i[joined], j[joined], similarity[order][joined]
    sizes, parent = [1] * count, list(range(count))
    within, clustered, largest = [0], [0], [1 if count else 0]
    for a, b in zip(i.tolist(), j.tolist(), strict=True):
        a, b = _root(parent, a), _root(parent, b)
        within.append(within[-1] + sizes[a] * sizes[b])
        clustered.append(clustered[-1] + (sizes[a] == 1) + (sizes[b] == 1))
        if sizes[a] < sizes[b]:
            a, b = b, a
        parent[b] = a
        sizes[a] += sizes[b]
        largest.append(max(largest[-1], sizes[a]))
    return Linkage(count, level, i, j, *(np.asarray(each, np.int64) for each in (within, clustered, largest)))


def _root(parent: list[int], x: int) -> int:
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x
