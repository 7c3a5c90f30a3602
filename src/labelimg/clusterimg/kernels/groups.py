"""Joining rows into groups, one pair after the other."""

from __future__ import annotations

from typing import Any

from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(error_model="numpy")
def find_root(parent: Array, x: int) -> Any:
    """The root of x; the path to it is halved on the way."""
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@njit(error_model="numpy")
def join(parent: Array, i: Array, j: Array, joined: Array) -> None:
    """Join the trees of i[k] and j[k] for each k in turn; joined[k] says whether that joined two trees.

    parent, i, j: int32; joined: bool.

    The smaller root becomes the root, so that a tree's root is its smallest member.
    """
    for k in range(len(i)):
        a = find_root(parent, i[k])
        b = find_root(parent, j[k])
        joined[k] = a != b
        if a != b:
            if a < b:
                parent[b] = a
            else:
                parent[a] = b


@njit(error_model="numpy")
def roots(parent: Array, out: Array) -> None:
    """Fill the root of every element. parent, out: (n,) int32."""
    for x in range(len(parent)):
        out[x] = find_root(parent, x)
