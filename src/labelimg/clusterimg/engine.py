"""What a kind of run brings to the main flow: where features come from, and the grouper over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg import flow
from labelimg.clusterimg.clock import Clock
from labelimg.clusterimg.features import Features
from labelimg.clusterimg.results import Settings
from labelimg.decoding import Shrink
from labelimg.files import StrPath
from labelimg.images import Unreadable

Made = tuple[NDArray[Any], NDArray[np.int8] | None]  # a feature and, where wanted, the signature


class Source(Protocol):
    """Makes features of images. Its repr names all that a feature depends on besides the file."""

    @property
    def dtype(self) -> Any:
        """Of the features."""
        ...

    @property
    def shrink(self) -> Shrink:
        """What an image is shrunk to before it is looked at."""
        ...

    def feature(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """The feature of one image that was shrunk; called from several threads."""
        ...

    def finish(self, made: Iterator[tuple[int, Made | Unreadable]]) -> Iterator[tuple[int, Made | Unreadable]]:
        """The same in the same order, with what `feature` gave brought to its end, many at a time if need be."""
        ...


class Engine(Protocol):
    """A kind of run: the five methods have one, the deep models another."""

    stage: str  # what dividing a batch is called while it goes on
    by_signatures: bool  # whether batches are cut by what images look like; else each is a fair share of all
    needs_all: bool  # whether representatives are matched by the help of all other images' features

    def prepare(self, paths: Sequence[str], *, threads: int) -> Source:
        """Where the features of these images come from; begins to load what grouping will need."""
        ...

    def batch_limit(self, count: int, memory: int) -> int | None:
        """The most images that may be grouped at once in so many bytes of memory.

        None where the size of the features will decide it.
        """
        ...

    def amount(self, count: int) -> int:
        """How much there is to do to group so many images, as the grouper counts it when it tells its progress."""
        ...

    def grouper(self, features: Features, *, threads: int, memory: int, clock: Clock) -> flow.Grouper:
        """The grouper over the features that were prepared for."""
        ...

    def found(self) -> Mapping[str, Any]:
        """The settings that the grouper found out itself, by name."""
        ...


def engine_of(settings: Settings, out: StrPath) -> Engine:
    """The engine that the run in `out` was made with; raises UsageError or OutputError where it cannot be had."""
    if settings.method == "deep":
        from labelimg.clusterimg.deep.engine import engine_of_run

        return engine_of_run(settings, out)
    from labelimg.clusterimg.methods import make_method
    from labelimg.clusterimg.pairwise import PairwiseEngine

    assert settings.threshold is not None
    return PairwiseEngine(make_method(settings.method, **dict(settings.parameters)), settings.threshold)
