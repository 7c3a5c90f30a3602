"""Bits that differ between words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[Any]


def _popcount(_context: Any, _value: Any) -> Any:
    """The number of bits set in a uint64, as int64 (LLVM ctpop)."""

    def generate(_c: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


popcount: Any = intrinsic(_popcount)


# Loops over a whole slice from its first element on are what LLVM turns into vector instructions: numba would check
# an index with an offset for being negative, and widen int32 arithmetic that is not cast back.


@njit(error_model="numpy")
def bits_apart(word: Any, words: Array, distances: Array) -> None:
    """Fill the bits in which each of the words differs from one. words: (n,) uint64; distances: (n,) int32."""
    for k in range(len(distances)):
        distances[k] = popcount(word ^ words[k])


@njit(error_model="numpy")
def more_bits_apart(word: Any, words: Array, distances: Array) -> None:
    """Add the bits in which each of the words differs from one."""
    for k in range(len(distances)):
        distances[k] += np.int32(popcount(word ^ words[k]))


@njit(error_model="numpy")
def count_at_most(distances: Array, most: int) -> Any:
    """How many of the distances are at most `most`."""
    limit = np.int32(most)
    count = np.int32(0)
    for k in range(len(distances)):
        count += np.int32(distances[k] <= limit)
    return count
