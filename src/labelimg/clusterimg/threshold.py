"""What each threshold would give: the similarities of a sample, and the curve that is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelimg.clusterimg.features import Features
from labelimg.clusterimg.linkage import link
from labelimg.clusterimg.methods.base import Method
from labelimg.clusterimg.nearest import Nearest
from labelimg.errors import UsageError

MOST = 4000  # images of a sample: all their similarities are held, 64 MB
_MEMORY = 1 << 30  # of the sample's features
_NONE = -1.0  # below every similarity: of two images of which neither fits in the other (tm with a scale)
_STEPS = 200
_KNOWN, _TWINS = 4, 3.0  # how many pairs, of groups in which an image has so many twins, are known beforehand


@dataclass(frozen=True, eq=False)
class Similarities:
    """All similarities of a sample of images.

    rows: (s,) int64, ascending, which images; count: how many images there are in all; values: (s (s - 1) / 2,)
    float64, in the order of the pairs (0, 1), (0, 2), ... (1, 2), ...; nearest: of a larger sample, of which these
    images are some, the similarities of those that are most alike.
    """

    rows: NDArray[np.int64]
    count: int
    values: NDArray[np.float64]
    nearest: Nearest | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def pair(self, place: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The positions in `rows` of the two images of each place in `values`."""
        s = len(self.rows)
        first = np.arange(s, dtype=np.int64)
        starts = first * (2 * s - first - 1) // 2
        i = np.searchsorted(starts, place, side="right") - 1 if s else np.empty(0, np.int64)
        j = place - starts[i] + i + 1
        return i.astype(np.int32), j.astype(np.int32)


def choose_rows(count: int, size: int, seed: int = 0) -> NDArray[np.int64]:
    """`size` of `count` rows at random, ascending; all rows if they are not more. The same for the same seed.

    >>> choose_rows(3, 5).tolist()
    [0, 1, 2]
    """
    if not 2 <= size <= MOST:
        raise UsageError(f"a sample must be of 2 to {MOST:,} images, got {size}")
    if count <= size:
        return np.arange(count, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(count, size, replace=False)).astype(np.int64)


def sample_similarities(
    features: Features,
    method: Method,
    rows: NDArray[np.int64],
    *,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Similarities:
    """The similarities of all pairs of the images of `rows`, by the method's own kernel: exact.

    At most MOST rows. Of `features` only the rows are copied.
    """
    assert len(rows) <= MOST
    s = len(rows)
    # Lower than any similarity, so that every bound is above it and no pair is left out.
    pairs = method.similar_pairs(features.take(rows, memory=_MEMORY), -2.0, threads=threads, progress=progress)
    i, j = pairs.i.astype(np.int64), pairs.j.astype(np.int64)
    if len(pairs) == s * (s - 1) // 2:
        return Similarities(rows, len(features), pairs.similarity)
    values = np.full(s * (s - 1) // 2, _NONE)
    values[i * (2 * s - i - 1) // 2 + j - i - 1] = pairs.similarity
    return Similarities(rows, len(features), values)


@dataclass(frozen=True, eq=False)
class Curve:
    """What each threshold gives, in a sample of `sample` images and about what in all `count`.

    thresholds: (m,) float64, rising. pairs, clustered, clusters: (m,) int64, of the sample: pairs more similar than
    the threshold, images in clusters of two or more, such clusters. expected_pairs, expected_clustered,
    expected_clusters: (m,) float64, the same extrapolated to all images; of a sample of all they are equal.
    """

    sample: int
    count: int
    thresholds: NDArray[np.float64]
    pairs: NDArray[np.int64]
    clustered: NDArray[np.int64]
    clusters: NDArray[np.int64]
    expected_pairs: NDArray[np.float64]
    expected_clustered: NDArray[np.float64]
    expected_clusters: NDArray[np.float64]

    def place(self, threshold: float) -> int:
        """The place in the arrays of the curve's threshold that is nearest."""
        return int(np.argmin(np.abs(self.thresholds - threshold)))


def curve_of(similarities: Similarities, *, thresholds: ArrayLike | None = None) -> Curve:
    """The curve of a sample, at the thresholds or at 0, 0.005, ... 1. How good it is: docs/threshold.md."""
    at = np.arange(_STEPS + 1) / _STEPS if thresholds is None else np.asarray(thresholds, np.float64)
    # A similarity counts at every threshold below it: the thresholds in front of its place.
    places = np.searchsorted(at, similarities.values, side="left")
    reached = np.bincount(places, minlength=len(at) + 1)[: len(at) + 1]
    pairs = reached[::-1].cumsum()[::-1][1:].astype(np.int64)
    above = np.flatnonzero(similarities.values > at[0])
    linkage = link(len(similarities), *similarities.pair(above), similarities.values[above])
    joins = linkage.joins(at)
    clustered, clusters = linkage.clustered[joins], linkage.clusters(joins)
    return Curve(
        sample=len(similarities),
        count=similarities.count,
        thresholds=at,
        pairs=pairs,
        clustered=clustered,
        clusters=clusters,
        **_extrapolated(similarities, pairs, clustered, clusters),
    )


def _extrapolated(
    similarities: Similarities, pairs: NDArray[np.int64], clustered: NDArray[np.int64], clusters: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Pairs, clustered images and clusters of all images, from those of the sample.

    A pair is in the sample with the probability s (s - 1) / (n (n - 1)), so the pairs' number has no bias. The images
    that have twins are taken to have equally many, d: then a share 1 - (1 - f)^d of those in the sample has one there,
    f being the share of the others that the sample holds. d is the number that makes this agree with the sample's pairs
    and clustered images, to which _KNOWN pairs of groups of _TWINS are added, for a few pairs do not tell. A group is
    then d + 1 images, and is seen as a cluster if two of them are in the sample.
    """
    s, n = len(similarities), similarities.count
    if s == n or s < 2:
        names = ("expected_pairs", "expected_clustered", "expected_clusters")
        return {name: of.astype(float) for name, of in zip(names, (pairs, clustered, clusters), strict=True)}
    all_pairs = pairs * (n * (n - 1) / (s * (s - 1)))
    f = (s - 1) / (n - 1)
    wanted = (clustered + 2 * _KNOWN * _seen(_TWINS, f)) / (2 * pairs + 2 * _KNOWN)
    low, high = np.full(len(pairs), 1.0), np.full(len(pairs), float(n - 1))
    for _ in range(60):  # what is seen of the twins falls as they become more
        middle = np.sqrt(low * high)
        more = _seen(middle, f) > wanted
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    all_clustered = np.clip(2 * all_pairs / np.sqrt(low * high), clustered, n)
    group = 1 + 2 * all_pairs / np.maximum(all_clustered, 1)
    alone = np.exp((group - 1) * np.log1p(-s / n))
    all_clusters = clusters / np.maximum(1 - alone * (1 - s / n) - group * (s / n) * alone, 1e-12)
    return {
        "expected_pairs": all_pairs,
        "expected_clustered": all_clustered,
        "expected_clusters": np.clip(all_clusters, clusters, all_clustered / 2),
    }


def _seen(twins: NDArray[np.float64] | float, f: float) -> NDArray[np.float64]:
    """The share of images that have a twin in the sample / the mean number of twins there."""
    seen: NDArray[np.float64] = -np.expm1(twins * np.log1p(-f)) / (twins * f)
    return seen
