"""What changed, as patches, so that it can be undone and done again: never a whole image."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg.segmentatimg.geometry import Point, Positions, Rect

Values = NDArray[np.uint8]


@dataclass(frozen=True)
class Patch:
    """Runs of pixels of a uint8 map, and what they hold before and after; of one value only, all hold the same."""

    starts: Positions
    lengths: Positions
    before: Values
    after: Values

    def write(self, flat: NDArray[Any], values: Values) -> None:
        """Write values, `before` or `after`, to the map."""
        from labelimg.segmentatimg.kernels import painting as kernels

        kernels.put(flat, self.starts, self.lengths, values)

    @property
    def nbytes(self) -> int:
        """Bytes that it keeps; runs of a segment that the index keeps as well do not count."""
        own: list[NDArray[Any]] = [each for each in (self.starts, self.lengths) if each.base is None]
        return sum(each.nbytes for each in (*own, self.before, self.after))


@dataclass
class Entry:
    """One action of the history: what it changed in the paint and in the edges, in order, and the cuts it made.

    `serial` tells it from all others of a painting. `segmentation` says in which segmentation it was done: in another
    one, undoing it changes the paint alone. A reset takes all cuts away, which `removed` then holds.
    """

    serial: int
    segmentation: int
    rect: Rect = field(default_factory=Rect)
    paint: list[Patch] = field(default_factory=list)
    edges: list[Patch] = field(default_factory=list)
    cuts: list[Any] = field(default_factory=list)
    removed: list[Any] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rect)

    @property
    def nbytes(self) -> int:
        """About how many bytes it keeps."""
        return 500 + sum(250 + patch.nbytes for patch in (*self.paint, *self.edges))


@dataclass(frozen=True)
class Change:
    """What one call changed, as it is told to those who follow a painting, such as its journal.

    `kind` is "do", "undo" or "redo", `serial` that of the entry. `paint` are runs of pixels (starts, lengths) and the
    colours that they have now, as numbers into `Painting.colours`, 0 for none. `cuts` are lines that became edges.
    """

    kind: str
    serial: int
    paint: tuple[tuple[Positions, Positions, Values], ...]
    cuts: tuple[tuple[Point, Point], ...] = ()
    reset: bool = False


class History:
    """Entries that can be undone and entries that can be done again."""

    def __init__(self) -> None:
        self.done: deque[Entry] = deque()
        self.undone: list[Entry] = []

    def push(self, entry: Entry) -> None:
        """Add an entry; what was undone before cannot be done again."""
        self.done.append(entry)
        self.undone.clear()

    @property
    def nbytes(self) -> int:
        """About how many bytes all entries keep."""
        return sum(entry.nbytes for entry in (*self.done, *self.undone))
