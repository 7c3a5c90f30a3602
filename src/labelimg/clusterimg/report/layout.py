"""In which order the page shows images, and which part of it holds which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.pairs import Pairs
from labelimg.clusterimg.report.reading import Ints, Result, to_representative, tree

HEADS = 10  # images of a cluster that are shown at first
PART = 240  # images of a part: those that the first page of clusters shows
_PAIRS = 100  # pairs that are shown of a kind


@dataclass(frozen=True, eq=False)
class Layout:
    """What is shown, as slots: the first HEADS images of each cluster, what is left of each, then the outliers.

    rows: (n,) of each slot, its row; slots: (n,) of each row, its slot. A cluster begins with its representative, then
    its images by falling similarity to it. direct, best, other: of each row, as `to_representative` gives them.
    tightness: of each cluster, nan where nothing is known. links: the weakest pairs that hold a cluster together; of
    embeddings the images that are least like their representatives. misses: the most similar that are not together.
    """

    rows: Ints
    slots: Ints
    direct: NDArray[np.float64]
    best: NDArray[np.float64]
    other: Ints
    tightness: NDArray[np.float64]
    links: Pairs
    misses: Pairs


def layout_of(result: Result) -> Layout:
    """The layout of a result."""
    direct, best, other = to_representative(result)
    n = len(result.names)
    every = np.arange(n)
    inside = np.flatnonzero(result.cluster >= 0)
    stands = result.representative == every
    falling = np.nan_to_num(-direct, nan=np.inf)
    inside = inside[np.lexsort((inside, falling[inside], ~stands[inside], result.cluster[inside]))]
    starts = np.r_[0, np.cumsum(result.sizes)][:-1] if len(result.folders) else np.empty(0, np.int64)
    place = np.arange(len(inside)) - starts[result.cluster[inside]] if len(inside) else np.empty(0, np.int64)
    rows = np.concatenate([inside[place < HEADS], inside[place >= HEADS], np.flatnonzero(result.cluster < 0)])
    slots = np.empty(n, np.int64)
    slots[rows] = every
    if result.cosine is not None:
        tightness, links = _of_embeddings(result, direct)
    else:
        tightness, links = _of_pairs(result)
    misses = result.misses
    order = np.lexsort((misses.j, misses.i, -misses.similarity))[:_PAIRS]
    nearest = Pairs(misses.i[order], misses.j[order], misses.similarity[order])
    return Layout(rows, slots, direct, best, other, tightness, links, nearest)


def _of_pairs(result: Result) -> tuple[NDArray[np.float64], Pairs]:
    """The least similarity of the pairs that hold each cluster together, and the least of all of them."""
    held = tree(result)
    cluster = result.cluster[held.i]
    tightness = np.full(len(result.folders), np.inf)
    np.minimum.at(tightness, cluster, held.similarity)
    whole = np.bincount(cluster, minlength=len(tightness)) == result.sizes - 1
    tightness[~whole | ~np.isfinite(tightness)] = np.nan
    return tightness, Pairs(held.i[:_PAIRS], held.j[:_PAIRS], held.similarity[:_PAIRS])


def _of_embeddings(result: Result, cosine: NDArray[np.float64]) -> tuple[NDArray[np.float64], Pairs]:
    """The mean cosine of each cluster's images with its representative, and the images that are least like theirs."""
    others = np.flatnonzero((result.cluster >= 0) & (result.representative != np.arange(len(cosine))))
    others = others[~np.isnan(cosine[others])]
    count = np.bincount(result.cluster[others], minlength=len(result.folders))
    sums = np.bincount(result.cluster[others], weights=cosine[others], minlength=len(result.folders))
    with np.errstate(invalid="ignore"):
        tightness = np.where(count > 0, sums / count, np.nan)
    order = others[np.lexsort((others, cosine[others]))][:_PAIRS]
    return tightness, Pairs(result.representative[order].astype(np.int32), order.astype(np.int32), cosine[order])
