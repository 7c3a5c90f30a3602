"""The painting of one image: segments to click on, the paint, and the history; no window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UsageError
from labelimg.segmentatimg.geometry import Point, as_points, brush_runs, distinct, line_pixels, path_pixels, pixels_of
from labelimg.segmentatimg.geometry import Rect as Rect
from labelimg.segmentatimg.history import Change as Change
from labelimg.segmentatimg.history import Entry, History, Painted, Patch, Values
from labelimg.segmentatimg.paint import Colour as Colour
from labelimg.segmentatimg.paint import Mask, Paint
from labelimg.segmentatimg.runs import Labels, Runs, rect_of
from labelimg.segmentatimg.segmentation import LabelMaps, Segmentation

if TYPE_CHECKING:
    from labelimg.segmentatimg.templates import Match, Template


class Painting:
    """An image, the segments that a click takes, and the paint over it.

    `image` is uint8 (h, w, 3) RGB and is never written. `labels` is an integer map (h, w), 0 an edge, or several, from
    fine to coarse; None for an image that is not segmented yet. They must not be changed while the painting uses them.
    `masks` is paint that is there from the start, for example from `load_masks`: of each colour a map (h, w) that is
    not 0 where it is; where two have paint, the first in the mapping has the pixel. It cannot be undone.

    All that changes something returns the rectangle of pixels that look different now, an empty one if nothing does.
    Coordinates are (x, y), integers; what lies outside the image does nothing. The current level is not part of the
    history, nor is the segmentation: undo goes on across both, and takes back the paint.

    `on_change`, if it is set, is told each Change as it happens.
    """

    def __init__(
        self, image: NDArray[np.uint8], labels: LabelMaps, *, masks: Mapping[Colour, Mask] | None = None
    ) -> None:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise UsageError(f"image must be uint8 (height, width, 3), got {image.dtype} {image.shape}")
        self.image = image
        self.on_change: Callable[[Change], None] | None = None
        self.revision = 0
        height, width = int(image.shape[0]), int(image.shape[1])
        self.size = width, height
        self._paint = Paint(height, width)
        self._history = History()
        for colour, mask in (masks or {}).items():
            self._paint.lay(colour, mask)
        self._segments = Segmentation(labels, self._paint.map, 0)

    # ------------------------------------------------------------------------------------------------ what is there

    @property
    def labels(self) -> Labels:
        """The segments of the current level, int32 (h, w), read-only; 0 is an edge. It follows later changes."""
        return self._segments.labels

    @property
    def paint(self) -> Values:
        """What is painted, uint8 (h, w), read-only: 0 none, k the colour colours[k - 1]. It follows later changes."""
        return self._paint.shown

    @property
    def colours(self) -> tuple[Colour, ...]:
        """The colours (R, G, B) in the order in which they were first used, with those that nothing has any more."""
        return tuple(self._paint.colours)

    @property
    def level_count(self) -> int:
        """How many levels there are; 0 is the finest."""
        return self._segments.level_count

    @property
    def current_level(self) -> int:
        """The level whose segments a click takes."""
        return self._segments.level

    @property
    def segment_count(self) -> int:
        """How many segments the current level has; their numbers are 1 .. segment_count."""
        return self._segments.index.count

    def segment_at(self, x: int, y: int) -> int:
        """The segment that a click there takes: on an edge the nearest within 3 pixels, of several the upper left one.

        0 where there is none.
        """
        return self._segments.at(x, y)

    def segment_runs(self, segment: int) -> Runs:
        """The segment's pixels as runs within rows: flat positions y * width + x of the first, and lengths."""
        return self._segments.index.runs(segment)

    def segment_size(self, segment: int) -> int:
        """How many pixels the segment has, 0 for none of this number."""
        return int(self.segment_runs(segment)[1].sum())

    def segment_rect(self, segment: int) -> Rect:
        """The rectangle around the segment."""
        return rect_of(self.segment_runs(segment), self.size[0])

    def segment_pixels(self, segment: int) -> NDArray[np.intp]:
        """The flat positions y * width + x of the segment's pixels, sorted; `segment_runs` is quicker for many."""
        return pixels_of(*self.segment_runs(segment))

    def masks(self) -> dict[Colour, Mask]:
        """Of each colour that something has, a map uint8 (h, w): 255 where it is, else 0."""
        return self._paint.masks()

    @property
    def can_undo(self) -> bool:
        """Whether there is an action to undo."""
        return bool(self._history.done) or bool(self._history.open)

    @property
    def can_redo(self) -> bool:
        """Whether there is an action to do again."""
        return bool(self._history.undone)

    @property
    def nbytes(self) -> int:
        """About how many bytes it keeps, the image left out."""
        return self._paint.map.nbytes + self._segments.nbytes + self._history.nbytes

    def number_of(self, colour: Colour) -> int:
        """The colour's number in `paint`; a new colour gets the next one. Raises UsageError for more than 255."""
        return self._paint.number_of(colour)

    # ------------------------------------------------------------------------------------------------------ painting

    def fill(self, x: int, y: int, colour: Colour) -> Rect:
        """Give the segment there the colour."""
        return self._paint_segments([self.segment_at(x, y)], self._paint.number_of(colour))

    def unfill(self, x: int, y: int) -> Rect:
        """Take the paint off the segment there."""
        return self._paint_segments([self.segment_at(x, y)], 0)

    def stroke(self, points: Sequence[Point], colour: Colour | None) -> Rect:
        """Fill, or with None unfill, every segment on the lines between consecutive points.

        Edge pixels on the way mean no segment, for the pointer goes over them all the time.
        """
        on_the_way = distinct(self.labels.reshape(-1)[path_pixels(as_points(points), *self.size)])
        return self._paint_segments(on_the_way[on_the_way > 0].tolist(), self._paint.number_of(colour))

    def brush(self, points: Sequence[Point], radius: int, colour: Colour | None) -> Rect:
        """Paint, or with None erase, all pixels at most `radius` from the lines between consecutive points.

        It paints the pixels of edges and of cuts, too. Raises UsageError for a negative radius.
        """
        if radius < 0:
            raise UsageError(f"radius must be at least 0, got {radius}")
        runs = brush_runs(as_points(points), int(radius), *self.size)
        number = self._paint.number_of(colour)
        with self.action():
            return self._told(*self._write(runs, number))

    def cut(self, p: Point, q: Point) -> Rect:
        """Make the pixels of the one-pixel line from p to q edges without paint, and divide the segments on it.

        That happens at every level. The parts keep their paint; the largest keeps the number of the segment.
        """
        p, q = as_points([p, q])
        positions = line_pixels(p, q, *self.size)
        if not len(positions):
            return Rect()
        with self.action() as entry:
            made = self._segments.cut(p, q, positions)
            line = positions, np.ones(len(positions), np.int32)
            paint = self._paint.patch(line, 0)
            if made is None and paint is None:
                return Rect()
            if made is not None:
                entry.cuts.append(made[0])
                entry.edges.append(made[1])
            patches = [] if paint is None else [paint]
            for patch in patches:
                patch.write(self._paint.flat, patch.after)
                entry.paint.append(patch)
            rect, more = self._settle(line, None, entry)
            entry.rect |= rect
            return self._told(rect, patches + more, cuts=((p, q),))

    def stamp(self, templates: Sequence[Template], threshold: float | None = None) -> Rect:
        """Paint the segments of the templates where these are found in the image; see `templates.find_matches`."""
        from labelimg.segmentatimg.templates import find_matches

        return self.paint_matches(find_matches(self.image, templates, threshold))

    def paint_matches(self, matches: Sequence[Match]) -> Rect:
        """Paint the segment of each match's template where the match is, as one action, later ones over earlier."""
        from labelimg.segmentatimg.templates import paint_runs

        painted = [
            (runs, self._paint.number_of(colour)) for match in matches for colour, runs in paint_runs(match, *self.size)
        ]
        with self.action():
            return self._told(*self._write_all(painted))

    def reset(self) -> Rect:
        """Take all paint and all cuts away."""
        with self.action() as entry:
            starts, lengths, numbers = self._paint.all_runs()
            removed, edges = self._segments.reset()
            if not len(starts) and not removed and not len(edges.starts):
                return Rect()
            rect = rect_of((starts, lengths), self.size[0])
            for cut in removed:
                rect |= rect_of((cut.positions, np.ones(len(cut.positions), np.int32)), self.size[0])
            if len(edges.starts):
                entry.edges.append(edges)
            entry.removed.extend(removed)
            patches = []
            if len(starts):
                patches = [Patch(starts, lengths, numbers, np.zeros(1, np.uint8))]
                patches[0].write(self._paint.flat, patches[0].after)
                entry.paint.extend(patches)
            entry.rect |= rect
            return self._told(rect, patches, reset=True)

    # ------------------------------------------------------------------------------------------------------- history

    @contextmanager
    def action(self) -> Iterator[Entry]:
        """All that happens within it is one action of the history; actions within actions belong to the outer one."""
        entry = self.begin_action()
        try:
            yield entry
        finally:
            self.end_action()

    def begin_action(self) -> Entry:
        """Begin an action that `end_action` ends, for a stroke that is seen while it is made."""
        return self._history.begin(self._segments.serial)

    def end_action(self) -> None:
        """End the action; one that changed nothing leaves no trace. Without an open action nothing happens."""
        self._history.end()

    def undo(self) -> Rect:
        """Take the last action back; one that is still open ends first."""
        self._history.end_all()
        if not self._history.done:
            return Rect()
        entry = self._history.done.pop()
        self._history.undone.append(entry)
        return self._replace(entry, "undo")

    def redo(self) -> Rect:
        """Do again what was undone last; nothing once something else was done."""
        self._history.end_all()
        if not self._history.undone:
            return Rect()
        entry = self._history.undone.pop()
        self._history.done.append(entry)
        return self._replace(entry, "redo")

    def _replace(self, entry: Entry, kind: str) -> Rect:
        """Write what was before or after the entry."""
        back = kind == "undo"
        paint = entry.paint[::-1] if back else entry.paint
        for patch in paint:
            patch.write(self._paint.flat, patch.before if back else patch.after)
        self._segments.replace(entry, back, self._paint.map)
        self.revision += 1
        if self.on_change is not None:
            runs = tuple((each.starts, each.lengths, each.before if back else each.after) for each in paint)
            lines = () if back else tuple((cut.p, cut.q) for cut in entry.cuts)
            self.on_change(Change(kind, entry.serial, runs, lines, reset=bool(entry.removed)))
        return entry.rect

    def replay(self, changes: Sequence[Change]) -> None:
        """Let changes happen that `on_change` was told of, on the painting as it was then; its segments may be others.

        The colours are numbers into this painting's. What was undone or done again before any of the changes was done
        cannot be in the history; its paint is changed all the same.
        """
        follower, self.on_change = self.on_change, None
        for change in changes:
            entry = self._history.open
            if entry is not None and (change.kind != "do" or change.serial != entry.serial):
                self._history.end_all()
            if change.kind == "do":
                self._again(change)
                continue
            top = self._history.done if change.kind == "undo" else self._history.undone
            if top and top[-1].serial == change.serial:
                self.undo() if change.kind == "undo" else self.redo()
            self._history.begin(self._segments.serial, serial=0)
            state = change.kind == "state"
            self._write_all(_by_number([self._paint.differences(change.paint)] if state else change.paint))
            self._history.drop_open()
            self.revision += 1
        self._history.end_all()
        self.on_change = follower

    def _again(self, change: Change) -> None:
        """Do a change once more; the action stays open, for more of it may come."""
        if self._history.open is None:
            self._history.begin(self._segments.serial, change.serial)
        for p, q in change.cuts:
            self.cut(p, q)
        if change.reset:
            self.reset()
        self._told(*self._write_all(_by_number(change.paint)))

    # ---------------------------------------------------------------------------------------------- other segments

    def level(self, k: int) -> Rect:
        """Let a click take the segments of level k, 0 the finest; the paint stays. Raises UsageError for no level."""
        if not 0 <= k < self.level_count:
            raise UsageError(f"level must be between 0 and {self.level_count - 1}, got {k}")
        return self._whole if self._segments.go_to(k) else Rect()

    def set_labels(self, labels: LabelMaps) -> Rect:
        """Use another segmentation, one map or several from fine to coarse; all paint stays, cuts go with the segments.

        The level stays where it is if there are as many. Pixels that are painted and become edges go with what is
        around them from now on, if it has the same colour.
        """
        self._history.end_all()
        self._segments = Segmentation(labels, self._paint.map, self._segments.serial + 1, self.current_level)
        return self._whole

    def add_levels(self, finer: Sequence[Labels], coarser: Sequence[Labels]) -> None:
        """Add levels to those there are, each from fine to coarse; the current one stays, and so does all else."""
        self._segments.add(finer, coarser)

    @property
    def _whole(self) -> Rect:
        return Rect(0, 0, *self.size)

    # ---------------------------------------------------------------------------------------------------- the paint

    def _paint_segments(self, segments: Sequence[int], number: int) -> Rect:
        with self.action():
            return self._told(*self._write_all([(self.segment_runs(segment), number) for segment in segments]))

    def _write_all(self, painted: Iterable[tuple[Runs, int]]) -> tuple[Rect, list[Patch]]:
        """Give each of the runs its number, in the open action: the rectangle and the patches."""
        rect, patches = Rect(), []
        for runs, number in painted:
            there, more = self._write(runs, number)
            rect |= there
            patches += more
        return rect, patches

    def _write(self, runs: Runs, number: int) -> tuple[Rect, list[Patch]]:
        """Give the runs the number, in the open action."""
        entry = self._history.open
        assert entry is not None
        patch = self._paint.patch(runs, number)
        if patch is None:
            return Rect(), []
        patch.write(self._paint.flat, patch.after)
        entry.paint.append(patch)
        rect, more = self._settle((patch.starts, patch.lengths), runs, entry)
        entry.rect |= rect
        return rect, [patch, *more]

    def _settle(self, changed: Runs, written: Runs | None, entry: Entry) -> tuple[Rect, list[Patch]]:
        """After a change, let edge pixels follow what is around them; those in `written` keep theirs."""
        rect = rect_of(changed, self.size[0])
        edges, patches = self._segments.settle(changed, written, self._paint.map)
        entry.edges.extend(edges)
        for patch in patches:
            patch.write(self._paint.flat, patch.after)
            entry.paint.append(patch)
            rect |= rect_of((patch.starts, patch.lengths), self.size[0])
        return rect, patches

    def _told(
        self, rect: Rect, patches: Sequence[Patch], *, cuts: tuple[tuple[Point, Point], ...] = (), reset: bool = False
    ) -> Rect:
        """Count and tell what was done in the open action."""
        if rect:
            assert self._history.open is not None
            self.revision += 1
            self._history.undone.clear()
            if self.on_change is not None:
                runs = tuple((patch.starts, patch.lengths, patch.after) for patch in patches)
                self.on_change(Change("do", self._history.open.serial, runs, cuts, reset))
        return rect


def _by_number(painted: Iterable[Painted]) -> Iterator[tuple[Runs, int]]:
    """The runs of each number, one after the other."""
    for starts, lengths, values in painted:
        for number in distinct(values).tolist():
            its = slice(None) if len(values) == 1 else values == number
            yield (starts[its], lengths[its]), number
