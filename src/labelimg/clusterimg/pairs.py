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


def components(n: int, pairs: Pairs) -> NDArray[np.int32]:
    """The group of each of n rows, (n,) int32: the smallest row that a chain of pairs leads to.

    Every round lets each row's root point to the smallest root among its pairs' and then follows the pointers to their
    ends. Groups join in twos at least, so the rounds are few. Source: Shiloach, Vishkin, 1982.

    >>> found = Pairs(np.array([0, 2]), np.array([2, 4]), np.array([0.9, 0.8]))
    >>> components(5, found).tolist()
    [0, 1, 0, 3, 0]
    """
    labels = np.arange(n, dtype=np.int32)
    while True:
        one, other = labels[pairs.i], labels[pairs.j]
        least = np.minimum(one, other)
        if np.array_equal(one, other):
            return labels
        np.minimum.at(labels, one, least)
        np.minimum.at(labels, other, least)
        while not np.array_equal(labels[labels], labels):
            labels = labels[labels]


@dataclass(frozen=True)
class Kernel:
    """A compiled search with its arguments.

    It is called as run(*arguments, *room(rows), start, stop, column, until, limit, labels, out_i, out_j, out_value).
    """

    run: Callable[..., tuple[int, int]]
    arguments: tuple[Any, ...]
    limit: float  # what a pair is held against: a similarity, or a count of bits or places
    value_type: type
    pair_ns: float  # about what a pair costs, to bound the length of a call
    similarity: Callable[[NDArray[Any]], NDArray[np.float64]]  # from what the kernel writes
    rows: int = 32  # rows of a block; the columns of a block are gone through once
    by_rows: bool = False  # column and until bound i, not j
    room: Callable[[int], tuple[NDArray[Any], ...]] = lambda _: ()  # arrays to work in; each thread needs its own
