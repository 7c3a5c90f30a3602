"""Where a cluster can be split: at a higher threshold, or, for a deep model's, into so many pieces."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from labelimg.cache import FeatureCache
from labelimg.clusterimg.batches import available_memory
from labelimg.clusterimg.clock import Clock, Stage
from labelimg.clusterimg.continuing import settings_of
from labelimg.clusterimg.engine import engine_of
from labelimg.clusterimg.extraction import Extracted, extract
from labelimg.clusterimg.flow import Rows
from labelimg.clusterimg.pairs import Pairs, components
from labelimg.clusterimg.pairwise import PairwiseGrouper
from labelimg.clusterimg.pipeline import thread_count
from labelimg.clusterimg.tables import SIMILARITIES

if TYPE_CHECKING:
    from labelimg.clusterimg.review import Review

MOST_PIECES = 50
_MOST_PAIRS = 5_000_000
_MOST_LINKED = 8_000  # images, whose distances to each other are held in memory: 250 MB


class Cuts(Protocol):
    """The ways to split one cluster, from coarse to fine."""

    def __len__(self) -> int:
        """How many ways there are, at least one."""
        ...

    @property
    def first(self) -> int:
        """The way to begin with: the coarsest that gives two pieces with more than one image, if there is one."""
        ...

    def label(self, step: int) -> str:
        """What it is split by, for a person."""
        ...

    def pieces(self, step: int) -> list[Rows]:
        """The pieces as ascending rows, the largest first; images in none of them belong together with none."""
        ...


@dataclass(frozen=True, eq=False)
class ChainCuts:
    """A cluster whose images are connected by pairs: the higher the threshold, the fewer of them.

    rows: of the cluster, ascending. pairs: as positions in rows, a spanning forest of the greatest similarities, so
    that those of it above a threshold connect the same images as all pairs above it. base: the lowest threshold.
    """

    rows: Rows
    pairs: Pairs
    base: float

    @cached_property
    def thresholds(self) -> NDArray[np.float64]:
        """The thresholds at which something changes, ascending; the first is the lowest."""
        return np.concatenate([[self.base], np.unique(self.pairs.similarity[self.pairs.similarity > self.base])])

    def __len__(self) -> int:
        return len(self.thresholds)

    @cached_property
    def first(self) -> int:
        """The lowest threshold that gives two pieces; without one, the lowest that leaves an image out."""
        steps = range(min(len(self), 2000))
        return next((step for step in steps if len(self.pieces(step)) > 1), min(1, len(self) - 1))

    def label(self, step: int) -> str:
        """The threshold."""
        return f"threshold {self.thresholds[step]:.3f}"

    def pieces(self, step: int) -> list[Rows]:
        """Those at one of the thresholds."""
        return self.pieces_above(float(self.thresholds[step]))

    def pieces_above(self, threshold: float) -> list[Rows]:
        """The chains of pairs that are more similar than the threshold, the largest first."""
        kept = self.pairs.similarity > threshold
        pairs = Pairs(self.pairs.i[kept], self.pairs.j[kept], self.pairs.similarity[kept])
        return _pieces(self.rows, components(len(self.rows), pairs))


@dataclass(frozen=True, eq=False)
class CountCuts:
    """A cluster of a deep model: Ward's hierarchy of its embeddings, cut into two pieces and more.

    tree: as scipy.cluster.hierarchy.linkage gives it. A piece may be of one image; those without an embedding are in
    none.
    """

    rows: Rows
    embedded: Rows
    tree: NDArray[np.float64]

    first = 0

    def __len__(self) -> int:
        return max(1, min(MOST_PIECES, len(self.embedded)) - 1)

    def label(self, step: int) -> str:
        """How many pieces."""
        return f"{step + 2} pieces"

    def pieces(self, step: int) -> list[Rows]:
        """The branches of the tree where it has so many."""
        if len(self.embedded) < 2:
            return []
        from scipy.cluster.hierarchy import fcluster

        return _pieces(self.embedded, fcluster(self.tree, step + 2, "maxclust"), least=1)


def cuts_of(
    review: Review,
    number: int,
    *,
    threads: int | None = None,
    cache: FeatureCache | None = None,
    progress: Stage | None = None,
) -> ChainCuts | CountCuts:
    """How the cluster of a number, as it is now in the review, can be split.

    The pairs are those that the run kept, if it compared all images with each other and listed every pair; else the
    images are compared again, by features from the cache or from decoding each once. Images that cannot be read are
    similar to none. Raises UsageError or OutputError where the run's method cannot be had again.
    """
    rows = review.now.rows_of(number)
    settings = settings_of(review.run)
    if settings.method != "deep":
        assert settings.threshold is not None
        kept = _kept_pairs(review, rows)
        if kept is not None:
            return ChainCuts(rows, strongest(len(rows), kept), settings.threshold)
    engine = engine_of(settings, review.out)
    clock = Clock(progress)
    count, memory = thread_count(threads), available_memory() // 2
    paths = [review.standing.feature_path(row) for row in rows.tolist()]
    source = engine.prepare(paths, threads=count)
    with clock.stage("decoding") as told:
        extracted = extract(paths, source, threads=count, memory=memory, cache=cache, progress=told)
    if settings.method == "deep":
        return _count_cuts(rows, extracted)
    grouper = engine.grouper(extracted.features, threads=count, memory=memory, clock=clock)
    assert isinstance(grouper, PairwiseGrouper) and settings.threshold is not None
    with clock.stage("comparing"):
        pairs, base = _all_pairs(grouper, settings.threshold)
    readable = extracted.rows.astype(np.int32)
    found = Pairs(readable[pairs.i], readable[pairs.j], pairs.similarity)
    return ChainCuts(rows, strongest(len(rows), found), base)


def strongest(n: int, pairs: Pairs) -> Pairs:
    """A spanning forest of the greatest similarities: above any threshold it connects the same of n rows as `pairs`."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    if not len(pairs):
        return pairs
    # Weights must be positive, for a zero is no edge; similarities are at most 1.
    order = np.argsort(-pairs.similarity, kind="stable")
    ranks = np.empty(len(pairs), np.float64)
    ranks[order] = np.arange(1, len(pairs) + 1)
    tree = minimum_spanning_tree(coo_array((ranks, (pairs.i, pairs.j)), shape=(n, n)).tocsr())
    taken = np.sort(order[tree.data.astype(np.int64) - 1])
    return Pairs(pairs.i[taken], pairs.j[taken], pairs.similarity[taken])


def _all_pairs(grouper: PairwiseGrouper, threshold: float) -> tuple[Pairs, float]:
    """All pairs above the threshold, or above the first higher one at which they are few enough to be held."""
    count = len(grouper.features)
    while True:
        pairs = grouper.method.similar_pairs(
            grouper.features, threshold, threads=grouper.threads, most=max(_MOST_PAIRS, count)
        )
        if pairs.complete or threshold > 0.999:
            return pairs, threshold
        threshold = (1 + threshold) / 2


def _kept_pairs(review: Review, rows: Rows) -> Pairs | None:
    """The pairs of these rows that the run listed; None unless it listed all that there are."""
    table = f"{SIMILARITIES}/batch_0.csv"
    counts, forests = review.run.get("counts", {}), review.run.get("spanning_forests", [])
    items = review.standing.items
    if counts.get("batches") != 1 or table in forests:
        return None
    if items is not None and any(items[row].entry is None for row in rows.tolist()):
        return None
    position = {review.images[row]: k for k, row in enumerate(rows.tolist())}
    found: list[tuple[int, int, float]] = []
    try:
        with Path(review.out, table).open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            for row in csv.DictReader(lines):
                a, b = position.get(row["image_a"]), position.get(row["image_b"])
                if a is not None and b is not None and a != b:
                    found.append((min(a, b), max(a, b), float(row["similarity"])))
    except (OSError, KeyError, TypeError, ValueError, csv.Error):
        return None
    i, j, similarity = np.asarray(found, np.float64).reshape(-1, 3).T
    return Pairs(i.astype(np.int32), j.astype(np.int32), similarity)


def _count_cuts(rows: Rows, extracted: Extracted) -> CountCuts:
    from scipy.cluster.hierarchy import linkage

    embedded = rows[extracted.rows]
    if len(embedded) > _MOST_LINKED:
        from labelimg.errors import UsageError

        raise UsageError(f"a cluster of more than {_MOST_LINKED:,} images of a deep model can be split by hand only")
    if len(embedded) < 2:
        return CountCuts(rows, embedded, np.empty((0, 4)))
    features = extracted.features.stacked().reshape(len(embedded), -1)
    return CountCuts(rows, embedded, linkage(features.astype(np.float64), "ward"))


def _pieces(rows: Rows, labels: Sequence[int] | NDArray[np.integer], *, least: int = 2) -> list[Rows]:
    """Rows of equal labels, of so many at least; the largest first, of equal ones that with the first row."""
    order = np.argsort(labels, kind="stable")
    ordered = np.asarray(labels)[order]
    starts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    parts = [np.sort(rows[part]) for part in np.split(order, starts) if len(part) >= least]
    return sorted(parts, key=lambda part: (-len(part), int(part[0])))
