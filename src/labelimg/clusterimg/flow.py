"""The main flow, without files: batches -> groups -> representatives -> merged groups.

It knows images only as rows 0 .. n - 1 in name order and leaves to a grouper which of them are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.pairs import Pairs
from labelimg.clusterimg.tried import Tried

Rows = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Groups:
    """What a grouper makes of some rows.

    labels: (len(rows),) int32, equal for images of one group, -1 for an image that belongs to none; pairs: the similar
    pairs, as positions in the rows asked about, or None where groups do not come from pairs; tried: the clusterings
    that the groups were chosen from, where there were several.
    """

    labels: NDArray[np.int32]
    pairs: Pairs | None
    tried: tuple[Tried, ...] = ()


class Grouper(Protocol):
    """Says which of some images are alike."""

    def group(self, rows: Rows, progress: Callable[[int, int], None] | None = None) -> Groups:
        """The groups of the images of these rows, which ascend: those of one batch."""
        ...

    def match(self, rows: Rows, progress: Callable[[int, int], None] | None = None) -> Groups:
        """The groups of representatives, whose rows ascend. One without a group keeps its cluster as it is."""
        ...


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch after grouping: each cluster and the outliers as ascending rows, the largest cluster first."""

    rows: Rows
    clusters: tuple[Rows, ...]
    outliers: Rows
    pairs: Pairs | None
    tried: tuple[Tried, ...] = ()


@dataclass(frozen=True, eq=False)
class Merged:
    """All batches as one: clusters as ascending rows, largest first.

    representatives: the rows that were compared, ascending; pairs: their similar pairs as positions in them.
    """

    clusters: tuple[Rows, ...]
    outliers: Rows
    representatives: Rows
    pairs: Pairs | None
    tried: tuple[Tried, ...] = ()


def group_batch(grouper: Grouper, rows: Rows, progress: Callable[[int, int], None] | None = None) -> Batch:
    """The clusters and outliers of one batch."""
    groups = grouper.group(rows, progress)
    clusters, outliers = _clusters(rows, groups.labels)
    return Batch(rows, clusters, outliers, groups.pairs, groups.tried)


def merge_batches(
    grouper: Grouper,
    batches: Sequence[tuple[Sequence[Rows], Rows]],
    *,
    rescue: bool,
    progress: Callable[[int, int], None] | None = None,
) -> Merged:
    """Make one of the batch clusters whose representatives are alike.

    batches: the clusters and the outliers of each. A cluster's representative is its first row. With `rescue` an
    outlier stands for itself as a cluster of one would; without it outliers stay outliers. One batch has no others
    to be merged with.
    """
    clusters = [rows for batch, _ in batches for rows in batch]
    outliers = [rows for _, rows in batches]
    if len(batches) < 2:
        return Merged(_largest_first(clusters), _joined(outliers), np.empty(0, np.int32), None)
    parts = clusters + [rows[k : k + 1] for rows in outliers for k in range(len(rows))] if rescue else clusters
    firsts = np.asarray([rows[0] for rows in parts], np.int32)
    order = np.argsort(firsts)
    groups = grouper.match(firsts[order], progress)
    together: dict[int, list[Rows]] = {}
    alone: list[Rows] = []
    left: list[Rows] = [] if rescue else outliers
    for part, label in zip(order.tolist(), groups.labels.tolist(), strict=True):
        if label >= 0:
            together.setdefault(label, []).append(parts[part])
        elif part < len(clusters):
            alone.append(parts[part])
        else:
            left.append(parts[part])
    merged = [np.sort(np.concatenate(group)) for group in together.values()]
    return Merged(_largest_first(merged + alone), _joined(left), firsts[order], groups.pairs, groups.tried)


def _joined(parts: Sequence[Rows]) -> Rows:
    return np.sort(np.concatenate(parts)).astype(np.int32) if len(parts) else np.empty(0, np.int32)


def _clusters(rows: Rows, labels: NDArray[np.int32]) -> tuple[tuple[Rows, ...], Rows]:
    order = np.argsort(labels, kind="stable")
    sorted_labels = labels[order]
    starts = np.flatnonzero(np.r_[True, sorted_labels[1:] != sorted_labels[:-1]]) if len(labels) else np.empty(0, int)
    parts = np.split(rows[order], starts[1:]) if len(labels) else []
    outliers = rows[labels < 0]
    clusters = [part for part, start in zip(parts, starts, strict=True) if sorted_labels[start] >= 0]
    return _largest_first(clusters), outliers


def _largest_first(clusters: Sequence[Rows]) -> tuple[Rows, ...]:
    """By falling size; of equal size the one with the earlier first image."""
    return tuple(sorted(clusters, key=lambda rows: (-len(rows), int(rows[0]))))
