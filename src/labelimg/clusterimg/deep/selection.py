"""The best of several clusterings: each is scored, the scores are scaled over the candidates, the best sum wins."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelimg.clusterimg.deep.candidates import DEFAULT_SEARCH, Candidate, Search
from labelimg.clusterimg.deep.extra import need
from labelimg.clusterimg.deep.preparing import blas_threads, prepared
from labelimg.clusterimg.tried import Tried
from labelimg.errors import UsageError

_SAMPLED = 5000  # images that the silhouette is taken of, at most; its cost grows with the square
_MANY_CLUSTERS = 4000  # of more, Davies-Bouldin would hold all distances of their centres
_MOST_HIERARCHY = 1 << 34  # bytes of distances that hierarchy may take; more images fail at once, with the reason

_Labels = NDArray[np.int32]


def best_clustering(
    embeddings: ArrayLike,
    candidates: Search | Sequence[Candidate] = DEFAULT_SEARCH,
    *,
    pca: int | None = None,
    unit_length: bool = False,
    seed: int = 0,
    scored_by: ArrayLike | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.int32], tuple[Tried, ...]]:
    """The labels of the best candidate and the table of all of them.

    embeddings: (n, d); each column is brought to mean 0 and standard deviation 1, then they are reduced to the `pca`
    principal components, and with `unit_length` each row is brought to length 1. candidates: a list, or a Search that
    derives what it was not given.

    labels: (n,) int32, from 0 in the order of the first image of each cluster, -1 for noise (DBSCAN, HDBSCAN). Each
    candidate is scored by silhouette (of a seeded sample where images are many), Calinski-Harabasz and Davies-Bouldin;
    noise counts as clusters of one. Each score is scaled to [0, 1] over the candidates, the last one turned round; one
    that is equal for all counts 0. The greatest sum wins, of equal ones the first candidate. One cluster, as many
    clusters as images and what did not converge take no part. A candidate that is alone is not scored. Where none is
    left, all labels are 0 and no row of the table is `chosen`. No image: no label, no row. scored_by: (n, d), other
    embeddings of the same images that the scores are taken of, prepared in the same way.

    >>> labels, table = best_clustering([[0.0], [0.1], [5.0], [5.1]], Search("kmeans", clusters=(2,)))
    >>> labels.tolist(), str(table[0]), table[0].chosen
    ([0, 0, 1, 1], 'kmeans with clusters 2', True)
    """
    need("sklearn")
    points = prepared(embeddings, pca=pca, unit_length=unit_length)
    n = len(points)
    if n == 0:
        return np.empty(0, np.int32), ()
    with blas_threads(n):
        listed = candidates.candidates(points, seed=seed) if isinstance(candidates, Search) else list(candidates)
    if not listed:
        raise UsageError("candidates must be at least one, got none")
    with blas_threads(n):
        judged = points if scored_by is None else prepared(scored_by, pca=pca, unit_length=unit_length)
        if len(judged) != n:
            raise UsageError(f"scored_by must be as many embeddings as are clustered, got {len(judged)} and {n}")
        return _best(points, judged, listed, seed, progress)


def _best(
    points: NDArray[np.float32],
    judged: NDArray[np.float32],
    listed: list[Candidate],
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[NDArray[np.int32], tuple[Tried, ...]]:
    tried: list[Tried] = []
    labellings: list[_Labels | None] = []
    for number, candidate in enumerate(listed):
        labels, row = _try(candidate, points, seed)
        tried.append(row)
        labellings.append(labels)
        if progress is not None:
            progress(number + 1, len(listed))
    left = [k for k, labels in enumerate(labellings) if labels is not None]
    if not left:
        return np.zeros(len(points), np.int32), tuple(tried)
    if len(listed) > 1:
        for k in left:
            labels = labellings[k]
            assert labels is not None
            began = time.perf_counter()
            silhouette, calinski, davies = _scores(judged, labels, seed)
            tried[k] = replace(
                tried[k],
                silhouette=silhouette,
                calinski_harabasz=calinski,
                davies_bouldin=davies,
                seconds=tried[k].seconds + time.perf_counter() - began,
            )
        for k, total in zip(left, _totals([tried[k] for k in left]), strict=True):
            tried[k] = replace(tried[k], total=total)
    best = max(left, key=lambda k: (tried[k].total or 0.0, -k))
    tried[best] = replace(tried[best], chosen=True)
    labels = labellings[best]
    assert labels is not None
    return labels, tuple(tried)


def _try(candidate: Candidate, points: NDArray[np.float32], seed: int) -> tuple[_Labels | None, Tried]:
    """The labels of a candidate, None if it takes no part, and its row without scores."""
    if len(points) > 1 and (points == points[0]).all():
        return None, Tried(
            candidate.algorithm, candidate.parameters, note=_joined(candidate.note, "all images are alike")
        )
    began = time.perf_counter()
    note = candidate.note
    labels: _Labels | None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they say is checked below
            labels, why = _fitted(candidate, points, seed)
    except (ValueError, MemoryError) as error:  # so scikit-learn says that a model cannot be had of these points
        labels, why = None, " ".join(str(error).split())[:120] or type(error).__name__
    row = Tried(candidate.algorithm, candidate.parameters, seconds=time.perf_counter() - began)
    if labels is None:
        return None, replace(row, note=_joined(note, why))
    labels = _numbered(labels)
    found, noise = int(labels.max()) + 1, int((labels < 0).sum())
    row = replace(row, clusters=found, noise=noise)
    if not why and found + noise == 1:
        why = "one cluster"
    elif not why and found + noise >= len(points):
        why = "all images are noise" if not found else "as many clusters as images"
    return (None if why else labels), replace(row, note=_joined(note, why))


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _fitted(candidate: Candidate, points: NDArray[np.float32], seed: int) -> tuple[_Labels | None, str]:
    """The labels, and why they do not count; "" where they do."""
    from sklearn import cluster
    from sklearn.mixture import GaussianMixture

    own: dict[str, Any] = dict(candidate.parameters)
    n = len(points)
    limit = {"max_iter": int(own["max_iter"])} if "max_iter" in own else {}
    if candidate.algorithm == "kmeans":
        model = cluster.KMeans(min(int(own["clusters"]), n), n_init=10, random_state=seed, **limit).fit(points)
        converged = model.n_iter_ < model.max_iter
        return model.labels_, "" if converged else f"did not converge in {model.max_iter} iterations"
    if candidate.algorithm == "hierarchy":
        if n * (n - 1) * 4 > _MOST_HIERARCHY:
            return None, f"too many images for hierarchy: the distances of {n} do not fit; use smaller batches"
        return cluster.AgglomerativeClustering(min(int(own["clusters"]), n)).fit(points).labels_, ""
    if candidate.algorithm == "gaussian":
        # A covariance of its own for each cluster has more numbers than few images can tell.
        kind = {"covariance_type": "diag", "reg_covar": 1e-4, "random_state": seed}
        mixture = GaussianMixture(min(int(own["clusters"]), n), **kind, **limit)
        labels = mixture.fit_predict(points.astype(np.float64))
        return labels, "" if mixture.converged_ else f"did not converge in {mixture.max_iter} iterations"
    if candidate.algorithm == "dbscan":
        return cluster.DBSCAN(eps=own["eps"], min_samples=int(own["min_samples"])).fit(points).labels_, ""
    least = {"min_samples": int(own["min_samples"])} if "min_samples" in own else {}
    size = int(own["min_cluster_size"])
    if n < size:
        return None, f"fewer images than the least cluster has: {n}"
    return cluster.HDBSCAN(min_cluster_size=size, copy=True, **least).fit(points).labels_, ""


def _numbered(labels: NDArray[Any]) -> _Labels:
    """The same clusters numbered in the order of their first image; noise, also HDBSCAN's -2 and -3, is -1."""
    names, first, inverse = np.unique(np.where(labels < 0, -1, labels), return_index=True, return_inverse=True)
    rank = np.empty(len(names), np.int32)
    order = np.argsort(np.where(names < 0, -1, first), kind="stable")
    rank[order] = np.arange(len(names)) - int(names[0] < 0)
    return rank[inverse].astype(np.int32)


def _scores(points: NDArray[np.float32], labels: _Labels, seed: int) -> tuple[float, float, float]:
    """Silhouette, Calinski-Harabasz and Davies-Bouldin, with each noise point a cluster of its own."""
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

    whole = labels.copy()
    noise = np.flatnonzero(labels < 0)
    whole[noise] = int(labels.max()) + 1 + np.arange(len(noise), dtype=np.int32)
    sample = _sample(whole, seed) if len(points) > _SAMPLED else slice(None)
    if int(whole.max()) + 1 > _MANY_CLUSTERS and len(points) > _SAMPLED:
        points, whole, sample = points[sample], whole[sample], slice(None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of clusters whose centres coincide
        return (
            float(silhouette_score(points[sample], whole[sample])),
            _finite(calinski_harabasz_score(points, whole)),
            _finite(davies_bouldin_score(points, whole)),
        )


def _sample(labels: _Labels, seed: int) -> NDArray[np.int64]:
    """Rows, ascending; at least two clusters are among them, and one of them twice."""
    n = len(labels)
    some = np.random.default_rng(seed).choice(n, _SAMPLED, replace=False)
    sizes = np.bincount(labels)
    largest = np.flatnonzero(labels == int(sizes.argmax()))[:2]
    others = np.flatnonzero(labels != int(sizes.argmax()))[:1]
    return np.unique(np.concatenate([some, largest, others]))


def _finite(value: Any) -> float:
    return float(np.nan_to_num(np.float64(value), nan=0.0, posinf=1e30))


def _totals(rows: Sequence[Tried]) -> list[float]:
    columns = np.array([(row.silhouette, row.calinski_harabasz, row.davies_bouldin) for row in rows], np.float64)
    low, high = columns.min(axis=0), columns.max(axis=0)
    apart = high - low > 1e-12 * np.maximum(np.abs(high), np.abs(low))
    scaled = np.where(apart, (columns - low) / np.where(apart, high - low, 1), 0)
    scaled[:, 2] = np.where(apart[2], 1 - scaled[:, 2], 0)
    totals: list[float] = scaled.sum(axis=1).tolist()
    return totals
