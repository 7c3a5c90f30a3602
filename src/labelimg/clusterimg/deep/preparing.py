"""Embeddings as they are clustered: standardised, reduced to principal components, brought to length 1."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelimg.errors import UsageError

_FEW = 2500

_Points = NDArray[np.float32]


def prepared(embeddings: ArrayLike, *, pca: int | None, unit_length: bool) -> _Points:
    """The embeddings as they are clustered, (n, d or pca) float32; raises UsageError for what are none."""
    points = np.array(embeddings, np.float32, ndmin=2)
    if points.ndim != 2:
        raise UsageError(f"embeddings must have two dimensions, got {points.ndim}")
    if not points.size:
        return points.reshape(0, points.shape[1])
    if not np.isfinite(points).all():
        raise UsageError("embeddings must be finite, got some that are not")
    if pca is not None and pca < 1:
        raise UsageError(f"pca must be at least 1, got {pca}")
    return preparation(points, pca=pca, unit_length=unit_length)(points)


def preparation(points: _Points, *, pca: int | None, unit_length: bool) -> Callable[[_Points], _Points]:
    """What prepares embeddings by the mean, the deviation and the principal components of these, (n, d)."""
    mean = points.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation = points.std(axis=0, dtype=np.float64).astype(np.float32)
    # A column that is equal for all but for rounding stays as it is.
    deviation = np.where(deviation > 1e-6 * max(1e-30, float(deviation.max())), deviation, np.float32(1))
    reduction: Any = None
    if pca is not None and pca < min(points.shape):
        from sklearn.decomposition import PCA

        solver = "covariance_eigh" if points.shape[0] > points.shape[1] else "full"
        with np.errstate(
            invalid="ignore"
        ):  # the shares of a variance that is zero, of equal images, which nobody asks for
            reduction = PCA(pca, svd_solver=solver).fit((points - mean) / deviation)

    def prepare(others: _Points) -> _Points:
        made: _Points = others - mean
        made /= deviation
        if reduction is not None:
            made = np.ascontiguousarray(reduction.transform(made), np.float32)
        if unit_length:
            length = np.linalg.norm(made, axis=1, keepdims=True)
            made /= np.where(length > 0, length, 1)
        return made

    return prepare


def blas_threads(count: int) -> AbstractContextManager[object]:
    """Few images are clustered sooner by one thread than by several that wait for each other."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1) if count < _FEW else nullcontext()
    return limits
