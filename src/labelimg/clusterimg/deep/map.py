"""A map of embeddings in two dimensions, and how like its representative each image is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from labelimg.clusterimg.flow import Grouper

_FITTED = 5000  # images that the axes are computed of, at most
_AT_ONCE = 4096


def embedding_map(grouper: Grouper, labels: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The place of each image on the two principal axes, (n, 2), and its cosine with its representative, (n,).

    labels: (n,), equal for images of one cluster, whose first is the representative; an image that is alone in its
    cluster has nan. The axes are scikit-learn's PCA, of a seeded sample where images are many; the embeddings are
    brought to length 1 first.
    """
    from sklearn.decomposition import PCA

    from labelimg.clusterimg.deep.grouper import DeepGrouper

    assert isinstance(grouper, DeepGrouper)
    embeddings = grouper.features.stacked()
    n = len(embeddings)
    some = np.sort(np.random.default_rng(0).choice(n, min(n, _FITTED), replace=False))
    axes = PCA(n_components=min(2, n, embeddings.shape[1]), svd_solver="randomized", random_state=0)
    axes.fit(_unit(embeddings[some]))
    _, first, group, count = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    places, cosine = np.zeros((n, 2), np.float32), np.empty(n, np.float32)
    for start in range(0, n, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        points = _unit(embeddings[part])
        places[part, : axes.n_components_] = axes.transform(points)
        cosine[part] = np.einsum("ij,ij->i", points, _unit(embeddings[first[group[part]]]))
    cosine[count[group] == 1] = np.nan
    return places, cosine


def _unit(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return (embeddings / np.maximum(lengths, 1e-12)).astype(np.float32)  # type: ignore[no-any-return]
