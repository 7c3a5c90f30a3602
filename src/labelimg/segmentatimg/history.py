"""What changed, as patches, so that it can be undone and done again: never a whole image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg.segmentatimg.geometry import Point, Positions, Rect
from labelimg.segmentatimg.runs import put

Values = NDArray[np.uint8]
Painted = tuple[Positions, Positions, Values]
"""Runs, starts and lengths, and the number of the colour of each, or one number for all."""


@dataclass(frozen=True)
class Patch:
    """Runs of pixels of a uint8 map, and what they hold before and after; of one value only, all hold the same."""

    starts: Positions
    lengths: Positions
    before: Values
    after: Values

    def write(self, flat: NDArray[Any], values: Values) -> None:
        """Write values, `before` or `after`, to the map."""
        put(flat, self.starts, self.lengths, values)

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
    paint: tuple[Painted, ...]
    cuts: tuple[tuple[Point, Point], ...] = ()
    reset: bool = False


class History:
    """Entries that can be undone and entries that can be done again, and the action that is open, if one is."""

    def __init__(self) -> None:
        self.done: list[Entry] = []
        self.undone: list[Entry] = []
        self.open: Entry | None = None
        self._depth = 0
        self._serial = 0

    def begin(self, segmentation: int, serial: int | None = None) -> Entry:
        """Begin an action, or one within the open action, which it then belongs to."""
        if self.open is None:
            serial = self._serial + 1 if serial is None else serial
            self._serial = max(self._serial, serial)
            self.open = Entry(serial, segmentation)
        self._depth += 1
        return self.open

    def end(self) -> None:
        """End the action that was begun last; once all are ended the entry is kept, if it changed something."""
        self._depth = max(0, self._depth - 1)
        if self._depth == 0:
            entry, self.open = self.open, None
            if entry:
                self.done.append(entry)

    def end_all(self) -> None:
        """End all that was begun."""
        self._depth = 0
        self.end()

    def drop_open(self) -> None:
        """End the open action and forget it."""
        self.open, self._depth = None, 0

    @property
    def nbytes(self) -> int:
        """About how many bytes all entries keep."""
        return sum(entry.nbytes for entry in (*self.done, *self.undone))
