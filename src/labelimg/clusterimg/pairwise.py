"""The grouper of the five methods, chains of similar pairs, and what they bring to the main flow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelimg.clusterimg.clock import Clock
from labelimg.clusterimg.features import Features
from labelimg.clusterimg.flow import Groups, Rows
from labelimg.clusterimg.methods.base import Method
from labelimg.clusterimg.pairs import components
from labelimg.clusterimg.tables import library_versions
from labelimg.clusterimg.threshold import Similarities
from labelimg.decoding import load_decoders

MOST_PAIRS = 1_000_000  # pairs that are listed one by one; of more only a spanning forest
_LOADING_S = 2.0  # kernels that take longer are not loaded but compiled


@dataclass(frozen=True, eq=False)
class PairwiseGrouper:
    """Images are of one group if a chain of pairs, each more similar than the threshold, leads from one to another.

    sample: the similarities that the threshold was found in, where it was.
    """

    method: Method
    features: Features
    threshold: float
    threads: int
    memory: int
    most: int | None = MOST_PAIRS
    sample: Similarities | None = None

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

    def match(self, rows: Rows, progress: Callable[[int, int], None] | None = None) -> Groups:
        """The same of representatives."""
        return self.group(rows, progress)


class PairwiseEngine:
    """One of the five methods with a threshold, or with the one that `suggest` finds."""

    stage = "comparing"
    by_signatures = True
    needs_all = False

    def __init__(self, method: Method, threshold: float | None) -> None:
        self._method = method
        self._threshold = threshold
        self._reason = ""
        self._warming: _WarmUp | None = None

    def prepare(self, paths: Sequence[str], *, threads: int) -> Method:  # noqa: ARG002 (others need them)
        """The method; its kernels begin to be loaded."""
        self._warming = _WarmUp(self._method, len(paths))
        return self._method

    def batch_limit(self, count: int, memory: int) -> int | None:
        """All, if their features fit."""
        each = self._method.feature_bytes
        return count if each is not None and count * each <= memory else None

    def amount(self, count: int) -> int:
        """Pairs."""
        return count * (count - 1) // 2

    def grouper(self, features: Features, *, threads: int, memory: int, clock: Clock) -> PairwiseGrouper:
        """Chains of similar pairs, once the kernels are there."""
        if self._warming is not None:
            self._warming.join(_LOADING_S)
            if self._warming.is_alive():
                with clock.stage("compiling kernels, once"):
                    self._warming.join()
            self._warming.raise_error()
        sample = None
        if self._threshold is None:
            from labelimg.clusterimg.suggestion import sample_for, suggest

            with clock.stage("finding the threshold") as told:
                sample = sample_for(features, self._method, threads=threads, progress=told)
                suggestion = suggest(sample, self._method)
            self._threshold, self._reason = suggestion.threshold, suggestion.reason
        return PairwiseGrouper(self._method, features, self._threshold, threads, memory, sample=sample)

    def found(self) -> dict[str, Any]:
        """The threshold, and why it is that."""
        return {"threshold": self._threshold, "threshold_reason": self._reason}


class _WarmUp(threading.Thread):
    """Loads what comparing and writing need, or compiles it the first time, while images are decoded."""

    def __init__(self, method: Method, count: int) -> None:
        super().__init__(daemon=True)
        self._method = method
        self._count = count
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Compare a few small images, which no one looks at."""
        try:
            load_decoders()  # first, for decoding waits for them, and importing shuts other threads out
            self._method.warm_up(self._count)
            library_versions()
        except BaseException as error:  # noqa: BLE001 (handed to the thread that waits)
            self._error = error

    def raise_error(self) -> None:
        """Raise in the calling thread what went wrong in this one."""
        self.join()
        if self._error is not None:
            raise self._error
