"""What every method has in common: its parameters, their ranges, and the three things it can do."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.features import Features, features_of
from labelimg.clusterimg.pairs import Kernel, Pairs, Progress
from labelimg.decoding import Shrink
from labelimg.errors import UsageError

T = TypeVar("T")


def parameter(default: int, help: str, low: int, high: int) -> Any:
    """A dataclass field that carries its meaning and its range; options and checks are made from it."""
    return dataclasses.field(default=default, metadata={"help": help, "low": low, "high": high})


@dataclass(frozen=True)
class Method(ABC):
    """A way to compare images, with its parameters.

    name: as on the command line. default_threshold: measured, see docs/quality.md. squared: whether 1 - similarity goes
    with the square of how far images differ. unlike: the middle and the deviation of the similarities of unlike
    photographs, as the greatest of them lie (where squared, of 1 - the root of 1 - similarity). looked_at: of how many
    images all pairs are compared to find a threshold, for what that costs.
    dtype: of the features. size, scale: what images are shrunk to, (width, height) or a factor; at most one of them,
    None for what the method prefers.
    """

    name: ClassVar[str]
    default_threshold: ClassVar[float]
    unlike: ClassVar[tuple[float, float]]
    squared: ClassVar[bool] = False
    looked_at: ClassVar[int] = 1000
    dtype: ClassVar[type]

    size: tuple[int, int] | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for a parameter that is out of its range."""
        if self.size is not None and self.scale is not None:
            raise UsageError("size and scale exclude each other: give one of them")
        if self.size is not None and not (
            isinstance(self.size, tuple)
            and len(self.size) == 2
            and all(type(side) is int and 1 <= side <= 4096 for side in self.size)
        ):
            raise UsageError(f"size must be a width and a height from 1 to 4096 pixels, got {self.size!r}")
        if self.scale is not None and not (isinstance(self.scale, (int, float)) and 0 < self.scale <= 1):
            raise UsageError(f"scale must be greater than 0 and at most 1, got {self.scale!r}")
        for own in dataclasses.fields(self):
            low, high, value = own.metadata.get("low"), own.metadata.get("high"), getattr(self, own.name)
            if low is not None and high is not None and not (type(value) is int and low <= value <= high):
                raise UsageError(f"{own.name} must be a whole number between {low} and {high}, got {value!r}")

    @property
    @abstractmethod
    def shrink(self) -> Shrink:
        """What an image is shrunk to before it is looked at."""

    @property
    @abstractmethod
    def feature_bytes(self) -> int | None:
        """The most bytes that a feature takes; None where that depends on the image."""

    @abstractmethod
    def feature(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """The feature of one image that was shrunk to `shrink`; called from several threads."""

    def finish(self, made: Iterator[T]) -> Iterator[T]:
        """What `feature` gave, as it is."""
        return made

    @abstractmethod
    def similar_pairs(
        self,
        features: Features,
        threshold: float,
        *,
        threads: int = 1,
        most: int | None = None,
        progress: Progress | None = None,
    ) -> Pairs:
        """The pairs whose similarity is greater than the threshold; a spanning forest if they are more than `most`.

        The same pairs and similarities whatever the threads; no pair of fewer than two images.
        """

    def guess(self, features: Features) -> NDArray[np.float32] | None:  # noqa: ARG002 (others need them)
        """About how alike any two images are, (n, n) on a scale of its own; None where that is no cheaper to say.

        It says which pairs to compare first, for `listed_pairs`.
        """
        return None

    def kernel(self, features: Features, threshold: float, threads: int) -> Kernel:
        """The search among at least two images; of a method that can `guess` for those that it does so for."""
        raise NotImplementedError

    def listed_pairs(
        self, features: Features, i: NDArray[np.int64], j: NDArray[np.int64], *, threads: int = 1
    ) -> Pairs:
        """The pairs i < j, sorted, and their similarities; of a method that can `guess`."""
        from labelimg.clusterimg.search import listed_pairs

        return listed_pairs(len(features), self.kernel(features, -2.0, threads), i, j, threads=threads)

    def warm_up(self, count: int) -> None:
        """Load the compiled kernels that comparing `count` images needs; the first time on a machine, compile them."""
        if count < 2:
            return
        width, height = self.shrink.target(64, 48)
        blank = np.zeros((height, width, 3) if self.shrink.colour else (height, width), np.uint8)
        self.similar_pairs(features_of([self.feature(blank)] * 2, self.dtype), 0.5)


def reduced(images: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Images of one size, (n, h, w) or (n, h, w, 3), as side x side means of their pixels; float32."""
    import cv2

    made = [cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images]
    return np.asarray(made, np.float32)


def least_count(threshold: float, total: int) -> int:
    """The smallest count of `total` whose share is greater than the threshold; total + 1 if none is.

    >>> least_count(0.5, 4), least_count(1.0, 4), least_count(-1.0, 4)
    (3, 5, 0)
    """
    shares = np.arange(total + 1) / total
    return int(np.searchsorted(shares, threshold, side="right"))
