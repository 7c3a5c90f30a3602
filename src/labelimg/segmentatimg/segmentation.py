"""The segments of an image at all levels, the edges between them, and the cuts through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UsageError
from labelimg.segmentatimg.geometry import Point, Positions, Rect
from labelimg.segmentatimg.history import Entry, Patch, Values
from labelimg.segmentatimg.index import Division, SegmentIndex
from labelimg.segmentatimg.runs import THICKEST_EDGE, Labels, Runs, follow, put, rect_of

METHOD_EDGE = 1
"""In the map of edges: the method drew the pixel."""
OWN = 2
"""In the map of edges: what the pixel is painted does not follow from its surroundings. A cut, or painted by hand."""


NEAR = 3
"""A click on an edge pixel means the nearest segment at most so many pixels away."""

_BAND = 64  # rows
_REACH = range(-NEAR, NEAR + 1)
_AROUND = sorted((dy * dy + dx * dx, dy, dx) for dy in _REACH for dx in _REACH if 0 < dy * dy + dx * dx <= NEAR * NEAR)


LabelMaps = NDArray[Any] | Sequence[NDArray[Any]] | None


@dataclass
class Cut:
    """A line that became edge: its ends, its pixels in the image, and what it divided at each level that is built."""

    p: Point
    q: Point
    positions: Positions
    divisions: dict[int, Division] = field(default_factory=dict)


class Segmentation:
    """Label maps from fine to coarse, of which one is drawn: the current level's.

    A level is indexed when it is first gone to; cuts that were made by then are made in it, too. The edges are those of
    the finest level, so that the paint does not depend on the level: a map uint8 (h, w) of METHOD_EDGE and OWN. An
    edge pixel that is METHOD_EDGE alone *follows*: it has the colour of what it lies between, or none; see
    `runs.follow`.
    """

    def __init__(self, labels: LabelMaps, paint: Values, serial: int, level: int = 0) -> None:
        self.serial = serial
        self._height, self._width = paint.shape
        self._maps = _checked(labels, paint.shape)
        self._built: dict[int, SegmentIndex] = {}
        self._cuts: list[Cut] = []
        self._labels = np.empty(paint.shape, np.int32)
        self._shown = self._labels.view()
        self._shown.flags.writeable = False
        finest = self._maps[0]
        self._edges: Any = None
        if finest is not None and not finest.all():
            self._edges = (finest == 0).view(np.uint8)
        self._follow = self._edges is not None
        self._drawn = np.empty(0, np.int32)
        if self._follow:
            self._drawn = np.flatnonzero(self._edges).astype(np.int32)
        self._rows = np.searchsorted(self._drawn, np.arange(self._height + 1) * self._width)
        self._strayed = False
        self.level = -1
        self.go_to(min(level, self.level_count - 1))
        self.own(Rect(0, 0, self._width, self._height), paint)

    @property
    def level_count(self) -> int:
        """How many levels there are."""
        return len(self._maps)

    @property
    def labels(self) -> Labels:
        """The drawn map of the current level, read-only."""
        return self._shown

    @property
    def nbytes(self) -> int:
        """About how many bytes it keeps."""
        arrays = [self._labels, self._edges, self._drawn, self._rows, *self._maps]
        return sum(each.nbytes for each in (*arrays, *self._built.values()) if each is not None)

    @property
    def index(self) -> SegmentIndex:
        """The segments of the current level."""
        return self._built[self.level]

    def at(self, x: int, y: int) -> int:
        """The segment of the pixel, or the nearest near enough, of several the upper left one; 0 for none."""
        labels, width, height = self._labels, self._width, self._height
        if not (0 <= x < width and 0 <= y < height):
            return 0
        found = int(labels[y, x])
        if found:
            return found
        for _, dy, dx in _AROUND:
            if 0 <= x + dx < width and 0 <= y + dy < height and labels[y + dy, x + dx]:
                return int(labels[y + dy, x + dx])
        return 0

    def go_to(self, level: int) -> bool:
        """Make a level the current one; whether it was another."""
        if level == self.level:
            return False
        if level not in self._built:
            given = self._maps[level]
            if given is not None:
                given = np.ascontiguousarray(given, np.int32)
            index = SegmentIndex(given, self._height, self._width)
            self._maps[level] = None  # from here on the index has it all
            for cut in self._cuts:
                _divide(cut, level, index)
            self._built[level] = index
        self.level = level
        self.index.draw(self._labels, [cut.positions for cut in self._cuts])
        return True

    def add(self, finer: Sequence[Labels], coarser: Sequence[Labels]) -> None:
        """Add levels on both sides. Of edges the finer ones must have the same, and the coarser ones no others."""
        more, by = _checked([*finer, *coarser], self._labels.shape), len(finer)
        self._maps = [*more[:by], *self._maps, *more[by:]]
        self._built = {level + by: index for level, index in self._built.items()}
        for cut in self._cuts:
            cut.divisions = {level + by: division for level, division in cut.divisions.items()}
        self.level += by

    def cut(self, p: Point, q: Point, positions: Positions) -> tuple[Cut, Patch] | None:
        """Divide the segments of all levels: the cut, and what it changed in the map of edges; None if nothing."""
        if self._cuts and not self._labels.reshape(-1)[positions].any():
            before = np.sort(np.concatenate([cut.positions for cut in self._cuts]))
            place = np.searchsorted(before, positions)
            if (before[np.minimum(place, len(before) - 1)] == positions).all():
                return None
        if self._edges is None:
            self._edges = np.zeros((self._height, self._width), np.uint8)
        cut = Cut(p, q, positions)
        self._make(cut)
        flat = self._edges.reshape(-1)
        new = positions[flat[positions] < OWN]
        patch = _at(new, flat[new], flat[new] | OWN)
        patch.write(flat, patch.after)
        return cut, patch

    def replace(self, entry: Entry, back: bool, paint: Values) -> None:
        """Undo (`back`), or do again, what an entry did to the edges and the segments; the paint is so already.

        An entry of another segmentation changed neither. Then an edge pixel that does not follow has paint of its own,
        and so the edges are not what later entries left any more.
        """
        if entry.segmentation != self.serial:
            self._strayed = True
            self.own(entry.rect, paint)
            return
        if entry.edges:
            flat = self._edges.reshape(-1)
            for patch in entry.edges[::-1] if back else entry.edges:
                patch.write(flat, patch.before if back else patch.after)
        if back:
            for cut in entry.cuts[::-1]:
                self._unmake(cut)
            for cut in entry.removed:
                self._make(cut)
        else:
            for cut in entry.removed[::-1]:
                self._unmake(cut)
            for cut in entry.cuts:
                self._make(cut)
        if self._strayed:
            self.own(entry.rect, paint)

    def reset(self) -> tuple[list[Cut], Patch]:
        """Take all cuts away, and let all edge pixels follow again: the cuts, oldest first, and the edges' change."""
        removed = self._cuts[:]
        for cut in removed[::-1]:
            self._unmake(cut)
        flat = np.empty(0, np.uint8) if self._edges is None else self._edges.reshape(-1)
        owned = np.flatnonzero(flat >= OWN).astype(np.int32)
        patch = _at(owned, flat[owned], flat[owned] & METHOD_EDGE)
        if len(owned):
            patch.write(flat, patch.after)
        return removed, patch

    def settle(self, changed: Runs, written: Runs | None, paint: Values) -> tuple[list[Patch], list[Patch]]:
        """What has to change after the paint did: in the map of edges, which is done; in the paint, which is not yet.

        Edge pixels in the runs `written` were painted: if that is not what follows, it becomes their own. All others
        around follow.
        """
        if not self._follow:
            return [], []
        edges: list[Patch] = []
        parts = self._parts(changed)
        while True:
            positions, colours = self._not_following(parts, paint)
            if written is None or not len(positions):
                break
            run = np.searchsorted(written[0], positions, side="right") - 1
            inside = (run >= 0) & (positions < written[0][run] + written[1][run])
            if not inside.any():
                break
            edges.append(self._make_own(positions[inside]))
        flat = paint.reshape(-1)
        return edges, [_at(positions, flat[positions], colours)] if len(positions) else []

    def own(self, rect: Rect, paint: Values) -> None:
        """Let edge pixels in and around the rectangle whose paint does not follow have it of their own."""
        while self._follow and rect:
            positions, _ = self._not_following([rect], paint)
            if not len(positions):
                return
            self._make_own(positions)

    def _parts(self, changed: Runs) -> list[Rect]:
        """Rectangles around runs, of which a long oblique line leaves most of the rectangle around it all out."""
        starts, lengths = changed
        whole = rect_of(changed, self._width)
        if whole.height <= _BAND:
            return [whole]
        bands = np.searchsorted(starts, np.arange(whole.top, whole.bottom + _BAND, _BAND) * self._width).tolist()
        parts = [
            rect_of((starts[first:last], lengths[first:last]), self._width)
            for first, last in pairwise(bands)
            if first < last
        ]
        return parts if 2 * sum(part.width * part.height for part in parts) < whole.width * whole.height else [whole]

    def _not_following(self, parts: Sequence[Rect], paint: Values) -> tuple[Positions, Values]:
        found = []
        for part in parts:
            around = part.grown(THICKEST_EDGE, self._width, self._height)
            found.append(follow(paint, self._edges, self._drawn, self._rows, around))
        if len(found) == 1:
            return found[0][0], found[0][1]
        positions, colours = (np.concatenate(each) for each in zip(*found, strict=True))
        order = np.argsort(positions, kind="stable")
        once = order[np.diff(positions[order], prepend=-1) > 0]  # the parts overlap
        return positions[once], colours[once]

    def _make_own(self, positions: Positions) -> Patch:
        patch = _at(positions, np.array([METHOD_EDGE], np.uint8), np.array([METHOD_EDGE | OWN], np.uint8))
        patch.write(self._edges.reshape(-1), patch.after)
        return patch

    def _make(self, cut: Cut) -> None:
        cut.divisions.clear()
        self._cuts.append(cut)
        flat = self._labels.reshape(-1)
        for level, index in self._built.items():
            _divide(cut, level, index, flat[cut.positions] if level == self.level else None)
        division = cut.divisions.get(self.level)
        if division is not None:
            _put_all(flat, [(runs, number) for number, runs, _ in division.parts])
            flat[cut.positions] = 0

    def _unmake(self, cut: Cut) -> None:
        last = self._cuts.pop()
        assert last is cut, "cuts are taken back in order"
        for level, made in cut.divisions.items():
            self._built[level].rejoin(made)
        division = cut.divisions.get(self.level)
        if division is not None:
            flat = self._labels.reshape(-1)
            _put_all(flat, [(runs, segment) for _, runs, segment in division.parts])
            flat[division.positions] = division.numbers


def _checked(labels: LabelMaps, shape: tuple[int, ...]) -> list[NDArray[Any] | None]:
    """The label maps; raises UsageError for what is none of this shape."""
    given: list[NDArray[Any] | None]
    given = [labels] if labels is None or isinstance(labels, np.ndarray) else [*labels]
    if not given:
        raise UsageError("labels must hold at least one map, got none")
    for each in given:
        if each is None:
            continue
        if each.shape != shape or each.dtype.kind not in "iu":
            raise UsageError(f"labels must be integers of shape {shape}, got {each.dtype} {each.shape}")
        if each.dtype.kind == "i" and each.min() < 0:
            raise UsageError(f"labels must be at least 0, got {each.min()}")
    return given


def _divide(cut: Cut, level: int, index: SegmentIndex, numbers: Labels | None = None) -> None:
    division = index.divide(cut.positions, index.numbers_at(cut.positions) if numbers is None else numbers)
    if len(division.positions):
        cut.divisions[level] = division


def _put_all(flat: Labels, parts: Sequence[tuple[Runs, int]]) -> None:
    """Write a number to the pixels of each part."""
    if parts:
        starts, lengths = (np.concatenate(each) for each in zip(*(runs for runs, _ in parts), strict=True))
        numbers = np.array([number for _, number in parts], np.int32)
        put(flat, starts, lengths, np.repeat(numbers, [len(runs[0]) for runs, _ in parts]))


def _at(positions: Positions, before: NDArray[Any], after: NDArray[Any]) -> Patch:
    """A patch of single pixels."""
    return Patch(positions, np.ones(len(positions), np.int32), before, after)
