"""The similarities of each image of a sample and those that are most like it, without comparing all pairs.

Clusters are chains of the most similar pairs, so these tell how images join; a few hundred images compared with each
other do not, where each has lost most of those that it would be joined by. Which are most alike a method guesses from
one product of matrices; what is guessed is then compared as ever.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.features import Features
from labelimg.clusterimg.methods.base import Method
from labelimg.clusterimg.pairs import Pairs

_EACH = 8  # that each image is compared with


@dataclass(frozen=True, eq=False)
class Nearest:
    """rows: (m,) int64, ascending, which images; pairs: those of the most alike ones, i and j positions in rows."""

    rows: NDArray[np.int64]
    pairs: Pairs


def nearest(
    features: Features, method: Method, rows: NDArray[np.int64], *, memory: int, threads: int
) -> Nearest | None:
    """The similarities of each of the rows and the 8 others that seem most alike it.

    None where the method cannot guess which those are, or of so few rows. The same whatever the threads; of those that
    seem equally alike the first ones.
    """
    chosen = features.take(rows, memory=memory)
    guessed = method.guess(chosen) if len(rows) > _EACH + 1 else None
    if guessed is None:
        return None
    n = len(rows)
    np.fill_diagonal(guessed, -np.inf)
    others = np.argsort(-guessed, axis=1, kind="stable")[:, :_EACH]
    one, other = np.repeat(np.arange(n), _EACH), others.ravel()
    places = np.unique(np.minimum(one, other) * n + np.maximum(one, other))
    return Nearest(rows, method.listed_pairs(chosen, places // n, places % n, threads=threads))
