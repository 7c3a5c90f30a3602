"""The clusterings that are tried: an algorithm of scikit-learn and its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UsageError

ALGORITHMS = ("kmeans", "hierarchy", "dbscan", "gaussian", "hdbscan")

_COUNTED = ("kmeans", "hierarchy", "gaussian")  # those that are told the number of clusters
_ITERATING = ("kmeans", "gaussian")
_NEIGHBOURS = 5  # scikit-learn's min_samples of DBSCAN
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_LOOKED_AT = 2000  # images whose neighbours are looked for, where eps is derived


@dataclass(frozen=True)
class Candidate:
    """One clustering to try.

    algorithm: one of ALGORITHMS. parameters: those that it is told, by the names they have here: clusters (kmeans,
    hierarchy, gaussian), eps and min_samples (dbscan), min_cluster_size and min_samples (hdbscan), max_iter (kmeans,
    gaussian). note: what is worth knowing about how it came about.
    """

    algorithm: str
    parameters: Mapping[str, float]
    note: str = ""

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise UsageError(f"algorithm must be one of {', '.join(ALGORITHMS)}, got {self.algorithm!r}")
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))


@dataclass(frozen=True)
class Search:
    """Which candidates there are: every combination of the given values, for one algorithm or "all".

    What is empty is derived from the images: cluster counts from 2 to about the square root of their number; eps from
    the distances of images to their nearest neighbours; cluster sizes from their number. max_iter: of kmeans and
    gaussian, None for scikit-learn's own. Raises UsageError for a value out of range.
    """

    algorithm: str = "kmeans"
    clusters: tuple[int, ...] = ()
    eps: tuple[float, ...] = ()
    min_samples: tuple[int, ...] = ()
    min_cluster_size: tuple[int, ...] = ()
    max_iter: int | None = None

    def __post_init__(self) -> None:
        if self.algorithm not in (*ALGORITHMS, "all"):
            raise UsageError(f"algorithm must be one of {', '.join(ALGORITHMS)} or all, got {self.algorithm!r}")
        for name, least in (("clusters", 2), ("min_samples", 1), ("min_cluster_size", 2)):
            values = tuple(getattr(self, name))
            if any(type(value) is not int or value < least for value in values):
                raise UsageError(f"{name} must be whole numbers of at least {least}, got {_listed(values)}")
            object.__setattr__(self, name, values)
        eps = tuple(map(float, self.eps))
        if not all(0 < value < np.inf for value in eps):
            raise UsageError(f"eps must be greater than 0, got {_listed(eps)}")
        object.__setattr__(self, "eps", eps)
        if self.max_iter is not None and (type(self.max_iter) is not int or self.max_iter < 1):
            raise UsageError(f"max_iter must be a whole number of at least 1, got {self.max_iter!r}")
        for name, users in (
            ("clusters", _COUNTED),
            ("eps", ("dbscan",)),
            ("min_samples", ("dbscan", "hdbscan")),
            ("min_cluster_size", ("hdbscan",)),
            ("max_iter", _ITERATING),
        ):
            if getattr(self, name) and self.algorithm not in (*users, "all"):
                raise UsageError(f"{name} is nothing that {self.algorithm} knows; {' and '.join(users)} know it")

    def amount(self) -> int:
        """About how many candidates there will be."""
        counted = len(self.clusters) or 6
        dbscan = (len(self.eps) or len(_QUANTILES)) * (len(self.min_samples) or 1)
        hdbscan = (len(self.min_cluster_size) or 4) * (len(self.min_samples) or 1)
        each = {"dbscan": dbscan, "hdbscan": hdbscan}
        chosen = ALGORITHMS if self.algorithm == "all" else (self.algorithm,)
        return sum(each.get(algorithm, counted) for algorithm in chosen)

    def candidates(self, points: NDArray[np.float32], *, seed: int = 0) -> list[Candidate]:
        """The candidates for these points, (n, d), each once."""
        chosen = ALGORITHMS if self.algorithm == "all" else (self.algorithm,)
        every = (each for algorithm in chosen for each in self._of(algorithm, points, seed))
        return list({(each.algorithm, *each.parameters.items()): each for each in every}.values())

    def _of(self, algorithm: str, points: NDArray[np.float32], seed: int) -> Iterator[Candidate]:
        n = len(points)
        if algorithm in _COUNTED:
            more = {} if self.max_iter is None or algorithm not in _ITERATING else {"max_iter": self.max_iter}
            for count, note in _clipped(self.clusters or _cluster_counts(n), n):
                yield Candidate(algorithm, {"clusters": count, **more}, note)
        elif algorithm == "dbscan":
            for least in self.min_samples or (_NEIGHBOURS,):
                for eps in self.eps or _neighbour_distances(points, least, seed):
                    yield Candidate(algorithm, {"eps": eps, "min_samples": least})
        else:
            sizes = [size for size, _ in _clipped(self.min_cluster_size or _cluster_sizes(n), max(n, 2))]
            wanted: list[dict[str, float]] = [{"min_samples": min(least, n)} for least in self.min_samples] or [{}]
            for size, own in product(sizes, wanted):
                yield Candidate(algorithm, {"min_cluster_size": size, **own})


DEFAULT_SEARCH = Search()


def _listed(values: Sequence[object]) -> str:
    return ",".join(map(str, values))


def _clipped(counts: Sequence[int], n: int) -> Iterator[tuple[int, str]]:
    """Each count once, at most n."""
    seen = set()
    for count in counts:
        clipped = min(count, n)
        if clipped not in seen:
            seen.add(clipped)
            yield clipped, "" if clipped == count else f"{count} clusters asked for, only {n} images: clipped"


def _cluster_counts(n: int) -> tuple[int, ...]:
    """Six counts from 2 to the square root of n, in equal steps of their logarithm.

    >>> _cluster_counts(400)
    (2, 3, 5, 8, 13, 20)
    """
    most = max(2.0, float(np.sqrt(n)))
    return tuple(dict.fromkeys(np.rint(np.geomspace(2, most, 6)).astype(int).tolist()))


def _cluster_sizes(n: int) -> tuple[int, ...]:
    """Four least sizes of a cluster, from 5 to a fiftieth of the images.

    >>> _cluster_sizes(2000)
    (5, 10, 20, 40)
    """
    most = max(5.0, n / 50)
    return tuple(dict.fromkeys(np.rint(np.geomspace(5, most, 4)).astype(int).tolist())) if n >= 5 else (2,)


def _neighbour_distances(points: NDArray[np.float32], least: int, seed: int) -> tuple[float, ...]:
    """How far the images' neighbours are, of which DBSCAN wants `least`: some quantiles of it, none of them 0."""
    from sklearn.neighbors import NearestNeighbors

    n = len(points)
    some = np.random.default_rng(seed).choice(n, _LOOKED_AT, replace=False) if n > _LOOKED_AT else np.arange(n)
    neighbours = NearestNeighbors(n_neighbors=min(least, n)).fit(points)
    distances = neighbours.kneighbors(points[some])[0][:, -1]
    found = dict.fromkeys(float(f"{value:.4g}") for value in np.quantile(distances, _QUANTILES))
    return tuple(value for value in found if value > 0) or (1e-3,)
