"""Where clusters and their images lie in a long page of rows of thumbnails: numbers alone, without a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.flow import Rows

Rect = tuple[int, int, int, int]
"""left, top, width, height"""

MARGIN = 16
GAP = 10
HEADER = 40
NAME = 20  # below a thumbnail
SHAPE = 0.8  # the height of the room for a thumbnail, of its width
AFTER = 14  # below a section


def picture_size(side: int) -> tuple[int, int]:
    """The room for a thumbnail of a side, which is its width: width and height.

    >>> picture_size(160)
    (160, 128)
    """
    return side, round(SHAPE * side)


@dataclass(frozen=True, eq=False)
class Section:
    """A cluster on the page: its number, the images that are shown, in their order, and whether in one line alone."""

    number: int
    rows: Rows
    folded: bool = False


@dataclass(frozen=True)
class Hit:
    """What lies at a point: a section and the position of an image, -1 for none; whether it is the heading."""

    section: int = -1
    position: int = -1
    heading: bool = False


class Gallery:
    """The layout of sections for a width and a size of thumbnails.

    Images that are shown have positions 0 .. n - 1, section by section; those of a folded section that do not fit in
    its one line have none. rows: of each position the row of its image.
    """

    def __init__(self, sections: Sequence[Section], width: int, side: int) -> None:
        self.sections = tuple(sections)
        self.side = side
        self.width = width
        self.picture = picture_size(side)
        self.tile = side, self.picture[1] + NAME
        room = width - 2 * MARGIN + GAP
        self.columns = max(1, room // (side + GAP))
        shown = [each.rows[: self.columns] if each.folded else each.rows for each in self.sections]
        counts = np.asarray([len(rows) for rows in shown], np.int64)
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.rows: Rows = np.concatenate([np.empty(0, np.int32), *shown]).astype(np.int32)
        self._line = self.tile[1] + GAP
        heights = HEADER + -(-counts // self.columns) * self._line + AFTER
        self.tops = np.concatenate([[0], np.cumsum(heights)]).astype(np.int64)
        self._position_of: dict[int, int] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def height(self) -> int:
        """Of the whole page."""
        return int(self.tops[-1]) + MARGIN

    def position(self, row: int) -> int:
        """The position of an image, -1 if it is not shown."""
        if self._position_of is None:
            self._position_of = dict(zip(self.rows.tolist(), range(len(self.rows)), strict=True))
        return self._position_of.get(row, -1)

    def section_at(self, position: int) -> int:
        """The section that a position is in."""
        return int(np.searchsorted(self.starts, position, side="right")) - 1

    def section_of(self, number: int) -> int:
        """The section of the cluster of a number, -1 if it is not shown."""
        return next((k for k, each in enumerate(self.sections) if each.number == number), -1)

    def heading(self, section: int) -> Rect:
        """Where a section's heading lies."""
        return 0, int(self.tops[section]), self.width, HEADER

    def area(self, section: int) -> Rect:
        """Where a section lies, its heading included."""
        top = int(self.tops[section])
        return 0, top, self.width, int(self.tops[section + 1]) - top

    def place(self, position: int) -> Rect:
        """Where an image lies, its name included."""
        section = self.section_at(position)
        line, column = divmod(position - int(self.starts[section]), self.columns)
        left = MARGIN + column * (self.side + GAP)
        return left, int(self.tops[section]) + HEADER + line * self._line, *self.tile

    def at(self, x: int, y: int) -> Hit:
        """What lies at a point of the page."""
        if not self.sections or not 0 <= y < self.tops[-1]:
            return Hit()
        section = int(np.searchsorted(self.tops, y, side="right")) - 1
        below = y - int(self.tops[section]) - HEADER
        if below < 0:
            return Hit(section, heading=True)
        line, down = divmod(below, self._line)
        column, across = divmod(x - MARGIN, self.side + GAP)
        position = int(self.starts[section]) + line * self.columns + column
        is_image = 0 <= column < self.columns and across < self.tile[0] and down < self.tile[1]
        if x < MARGIN or not is_image or position >= self.starts[section + 1]:
            return Hit(section)
        return Hit(section, position)

    def seen(self, top: int, bottom: int) -> range:
        """The sections that lie between two heights of the page, partly at least."""
        if not self.sections or bottom <= top:
            return range(0)
        first = max(0, int(np.searchsorted(self.tops, top, side="right")) - 1)
        last = int(np.searchsorted(self.tops, bottom, side="left"))
        return range(first, min(last, len(self.sections)))

    def seen_in(self, section: int, top: int, bottom: int) -> range:
        """The positions of a section that lie between two heights of the page, whole lines of them."""
        start, stop = int(self.starts[section]), int(self.starts[section + 1])
        begin = int(self.tops[section]) + HEADER
        first = max(0, (top - begin) // self._line) * self.columns
        last = max(0, -(-(bottom - begin) // self._line)) * self.columns
        return range(min(stop, start + first), min(stop, start + last))

    def within(self, rect: Rect) -> NDArray[np.int64]:
        """The positions of the images that touch a rectangle of the page."""
        left, top, width, height = rect
        found = []
        for section in self.seen(top, top + max(1, height)):
            for position in self.seen_in(section, top, top + max(1, height)):
                x, y, w, h = self.place(position)
                if x < left + width and left < x + w and y < top + height and top < y + h:
                    found.append(position)
        return np.asarray(found, np.int64)

    def beside(self, position: int, direction: str) -> int:
        """Where an arrow key leads from a position: "left", "right", "up", "down"; it stays at the ends of the page."""
        if not len(self):
            return -1
        if direction in ("left", "right"):
            return min(max(position + (1 if direction == "right" else -1), 0), len(self) - 1)
        section = self.section_at(position)
        start, stop = int(self.starts[section]), int(self.starts[section + 1])
        column = (position - start) % self.columns
        if direction == "down":
            if position + self.columns < stop:
                return position + self.columns
            if (position - start) // self.columns < (stop - 1 - start) // self.columns:
                return stop - 1  # the last line is shorter
            after = next((k for k in range(section + 1, len(self.sections)) if self.starts[k] < self.starts[k + 1]), -1)
            return position if after < 0 else int(min(self.starts[after] + column, self.starts[after + 1] - 1))
        if position - self.columns >= start:
            return position - self.columns
        before = next((k for k in range(section - 1, -1, -1) if self.starts[k] < self.starts[k + 1]), -1)
        if before < 0:
            return position
        first, end = int(self.starts[before]), int(self.starts[before + 1])
        line = first + (end - 1 - first) // self.columns * self.columns
        return min(line + column, end - 1)
