"""The grouper of the five methods: chains of similar pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labelimg.clusterimg.features import Features
from labelimg.clusterimg.flow import Groups, Rows
from labelimg.clusterimg.methods.base import Method
from labelimg.clusterimg.pairs import components

MOST_PAIRS = 1_000_000  # pairs that are listed one by one; of more only a spanning forest


@dataclass(frozen=True, eq=False)
class PairwiseGrouper:
    """Images are of one group if a chain of pairs, each more similar than the threshold, leads from one to another."""

    method: Method
    features: Features
    threshold: float
    threads: int
    memory: int
    most: int | None = MOST_PAIRS

    def group(self, rows: Rows, progress: Callable[[int, int], None] | None = None) -> Groups:
        """The connected components of the similar pairs; an image without a similar one has the label -1."""
        pairs = self.method.similar_pairs(
            self.features.take(rows, memory=self.memory),
            self.threshold,
            threads=self.threads,
            most=self.most,
            progress=progress,
        )
        labels = components(len(rows), pairs)
        labels[np.bincount(labels, minlength=len(rows))[labels] == 1] = -1
        return Groups(labels, pairs)
