"""Similar pairs, and how a method says what is to be searched for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Found = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Similar pairs, sorted by (i, j), i < j.

    i, j: (m,) int32, rows of the features; similarity: (m,) float64. When not `complete`, the pairs are a spanning
    forest of all similar ones: the same connected components from at most n - 1 pairs.
    """

    i: NDArray[np.int32]
    j: NDArray[np.int32]
    similarity: NDArray[np.float64]
    complete: bool = True

    def __len__(self) -> int:
        return len(self.i)


def no_pairs() -> Pairs:
    """An empty list of pairs."""
    empty = np.empty(0, np.int32)
    return Pairs(empty, empty, np.empty(0))


def as_they_are(values: NDArray[Any]) -> NDArray[np.float64]:
    """For a kernel that writes similarities."""
    return values


@dataclass(frozen=True)
class Kernel:
    """A compiled search with its arguments.

    It is called as run(*arguments, start, stop, column, until, limit, labels, out_i, out_j, out_value).
    """

    run: Callable[..., tuple[int, int]]
    arguments: tuple[Any, ...]
    limit: float  # what a pair is held against: a similarity, or a count of bits or places
    value_type: type
    pair_ns: float  # about what a pair costs, to bound the length of a call
    similarity: Callable[[NDArray[Any]], NDArray[np.float64]]  # from what the kernel writes
    rows: int = 32  # rows of a block; the columns of a block are gone through once
    by_rows: bool = False  # column and until bound i, not j
