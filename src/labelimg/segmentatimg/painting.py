"""The painting of one image: segments to click on, the paint, and the history; no window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UsageError
from labelimg.segmentatimg.geometry import Point, brush_runs, line_pixels, path_pixels
from labelimg.segmentatimg.geometry import Rect as Rect
from labelimg.segmentatimg.history import Change as Change
from labelimg.segmentatimg.history import Entry, History, Patch, Values
from labelimg.segmentatimg.index import Labels, Runs, rect_of
from labelimg.segmentatimg.segmentation import Segmentation

if TYPE_CHECKING:
    from labelimg.segmentatimg.templates import Match, Template

Colour = tuple[int, int, int]
Mask = NDArray[np.uint8]
LabelMaps = NDArray[Any] | Sequence[NDArray[Any]] | None

MAX_COLOURS = 255
NEAR = 3
"""A click on an edge pixel means the nearest segment at most so many pixels away."""

_AROUND = sorted(
    (dy * dy + dx * dx, dy, dx)
    for dy in range(-NEAR, NEAR + 1)
    for dx in range(-NEAR, NEAR + 1)
    if 0 < dy * dy + dx * dx <= NEAR * NEAR
)


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
        self._height, self._width = int(image.shape[0]), int(image.shape[1])
        self._paint = np.zeros(image.shape[:2], np.uint8)
        self._flat = self._paint.reshape(-1)
        self._colours: list[Colour] = []
        self._history = History()
        self._open: Entry | None = None
        self._depth = 0
        self._serial = 0
        for colour, mask in (masks or {}).items():
            self._lay(colour, mask)
        self._segments = Segmentation(self._maps(labels), self._paint, 0)

    # ------------------------------------------------------------------------------------------------ what is there

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._width, self._height

    @property
    def labels(self) -> Labels:
        """The segments of the current level, int32 (h, w), read-only; 0 is an edge. It follows later changes."""
        return self._segments.labels

    @property
    def paint(self) -> Values:
        """What is painted, uint8 (h, w), read-only: 0 none, k the colour colours[k - 1]. It follows later changes."""
        view = self._paint.view()
        view.flags.writeable = False
        return view

    @property
    def colours(self) -> tuple[Colour, ...]:
        """The colours (R, G, B) in the order in which they were first used, with those that nothing has any more."""
        return tuple(self._colours)

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
        if not self._inside(x, y):
            return 0
        labels = self._segments.labels
        found = int(labels[y, x])
        if found:
            return found
        for _, dy, dx in _AROUND:
            if self._inside(x + dx, y + dy) and labels[y + dy, x + dx]:
                return int(labels[y + dy, x + dx])
        return 0

    def segment_runs(self, segment: int) -> Runs:
        """The segment's pixels as runs within rows: flat positions y * width + x of the first, and lengths."""
        return self._segments.index.runs(segment)

    def segment_size(self, segment: int) -> int:
        """How many pixels the segment has, 0 for none of this number."""
        return int(self.segment_runs(segment)[1].sum())

    def segment_rect(self, segment: int) -> Rect:
        """The rectangle around the segment."""
        return rect_of(self.segment_runs(segment), self._width)

    def segment_pixels(self, segment: int) -> NDArray[np.intp]:
        """The flat positions y * width + x of the segment's pixels, sorted; `segment_runs` is quicker for many."""
        starts, lengths = self.segment_runs(segment)
        if not len(starts):
            return np.empty(0, np.intp)
        steps = np.ones(int(lengths.sum()), np.intp)
        steps[0] = starts[0]
        steps[np.cumsum(lengths[:-1])] = starts[1:] - (starts[:-1] + lengths[:-1] - 1)
        return np.cumsum(steps)

    def masks(self) -> dict[Colour, Mask]:
        """Of each colour that something has, a map uint8 (h, w): 255 where it is, else 0."""
        import cv2

        compare: Any = cv2.compare  # its types leave numbers out
        there = cv2.calcHist([self._paint], [0], None, [256], [0, 256]).ravel()
        return {
            colour: np.asarray(compare(self._paint, number, cv2.CMP_EQ))
            for number, colour in enumerate(self._colours, 1)
            if there[number]
        }

    @property
    def can_undo(self) -> bool:
        """Whether there is an action to undo."""
        return bool(self._history.done) or bool(self._open)

    @property
    def can_redo(self) -> bool:
        """Whether there is an action to do again."""
        return bool(self._history.undone)

    @property
    def history_bytes(self) -> int:
        """About how many bytes the history takes."""
        return self._history.nbytes

    # ------------------------------------------------------------------------------------------------------ painting

    def fill(self, x: int, y: int, colour: Colour) -> Rect:
        """Give the segment there the colour."""
        return self._paint_segments([self.segment_at(x, y)], self._number(colour))

    def unfill(self, x: int, y: int) -> Rect:
        """Take the paint off the segment there."""
        return self._paint_segments([self.segment_at(x, y)], 0)

    def stroke(self, points: Sequence[Point], colour: Colour | None) -> Rect:
        """Fill, or with None unfill, every segment on the lines between consecutive points.

        Edge pixels on the way mean no segment, for the pointer goes over them all the time.
        """
        on_the_way = np.unique(self.labels.reshape(-1)[path_pixels(_points(points), *self.size)])
        return self._paint_segments(on_the_way[on_the_way > 0].tolist(), self._number(colour))

    def brush(self, points: Sequence[Point], radius: int, colour: Colour | None) -> Rect:
        """Paint, or with None erase, all pixels at most `radius` from the lines between consecutive points.

        It paints the pixels of edges and of cuts, too. Raises UsageError for a negative radius.
        """
        if radius < 0:
            raise UsageError(f"radius must be at least 0, got {radius}")
        runs = brush_runs(_points(points), int(radius), *self.size)
        number = self._number(colour)
        with self.action():
            return self._told(*self._write(runs, number))

    def cut(self, p: Point, q: Point) -> Rect:
        """Make the pixels of the one-pixel line from p to q edges without paint, and divide the segments on it.

        That happens at every level. The parts keep their paint; the largest keeps the number of the segment.
        """
        p, q = _points([p, q])
        positions = line_pixels(p, q, *self.size)
        if not len(positions):
            return Rect()
        with self.action() as entry:
            made = self._segments.cut(p, q, positions)
            line = positions, np.ones(len(positions), np.int32)
            paint = self._patch(line, 0)
            if made is None and paint is None:
                return Rect()
            if made is not None:
                entry.cuts.append(made[0])
                entry.edges.append(made[1])
            patches = [] if paint is None else [paint]
            for patch in patches:
                patch.write(self._flat, patch.after)
                entry.paint.append(patch)
            rect, more = self._settle(rect_of(line, self._width), None, entry)
            entry.rect |= rect
            return self._told(rect, patches + more, cuts=((p, q),))

    def stamp(self, templates: Sequence[Template], threshold: float | None = None) -> Rect:
        """Paint the segments of the templates where these are found in the image; see `templates.find_matches`."""
        from labelimg.segmentatimg.templates import find_matches

        return self.paint_matches(find_matches(self.image, templates, threshold))

    def paint_matches(self, matches: Sequence[Match]) -> Rect:
        """Paint the segment of each match's template where the match is, as one action, later ones over earlier."""
        from labelimg.segmentatimg.templates import paint_runs

        rect = Rect()
        with self.action():
            for match in matches:
                for colour, runs in paint_runs(match, *self.size):
                    rect |= self._told(*self._write(runs, self._number(colour)))
        return rect

    def reset(self) -> Rect:
        """Take all paint and all cuts away."""
        from labelimg.segmentatimg.kernels import painting as kernels

        with self.action() as entry:
            starts, lengths, numbers = kernels.runs_of(self._paint)
            removed, edges = self._segments.reset()
            if not len(starts) and not removed and not len(edges.starts):
                return Rect()
            rect = rect_of((starts, lengths), self._width)
            for cut in removed:
                rect |= rect_of((cut.positions, np.ones(len(cut.positions), np.int32)), self._width)
            entry.edges.append(edges)
            entry.removed.extend(removed)
            patches = []
            if len(starts):
                patches = [Patch(starts, lengths, numbers, np.zeros(1, np.uint8))]
                patches[0].write(self._flat, patches[0].after)
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
        if self._open is None:
            self._serial += 1
            self._open = Entry(self._serial, self._segments.serial)
        self._depth += 1
        return self._open

    def end_action(self) -> None:
        """End the action; one that changed nothing leaves no trace. Without an open action nothing happens."""
        self._depth = max(0, self._depth - 1)
        if self._depth == 0 and self._open is not None:
            entry, self._open = self._open, None
            if entry:
                self._history.push(entry)

    def undo(self) -> Rect:
        """Take the last action back; one that is still open ends first."""
        self._end_all()
        if not self._history.done:
            return Rect()
        entry = self._history.done.pop()
        self._history.undone.append(entry)
        return self._replace(entry, "undo")

    def redo(self) -> Rect:
        """Do again what was undone last; nothing once something else was done."""
        self._end_all()
        if not self._history.undone:
            return Rect()
        entry = self._history.undone.pop()
        self._history.done.append(entry)
        return self._replace(entry, "redo")

    def _end_all(self) -> None:
        self._depth = min(self._depth, 1)
        self.end_action()

    def _replace(self, entry: Entry, kind: str) -> Rect:
        """Write what was before or after the entry."""
        back = kind == "undo"
        paint = entry.paint[::-1] if back else entry.paint
        for patch in paint:
            patch.write(self._flat, patch.before if back else patch.after)
        if entry.segmentation == self._segments.serial:
            self._segments.replace(entry, back)
        # In another segmentation the paint may not be what follows from its edges; then it is these pixels' own.
        self._segments.own(entry.rect, self._paint)
        self.revision += 1
        if self.on_change is not None:
            runs = tuple((each.starts, each.lengths, each.before if back else each.after) for each in paint)
            lines = () if back else tuple((cut.p, cut.q) for cut in entry.cuts)
            self.on_change(Change(kind, entry.serial, runs, lines, reset=bool(entry.removed)))
        return entry.rect

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
        maps = self._maps(labels)
        self._end_all()
        self._segments = Segmentation(maps, self._paint, self._segments.serial + 1, self.current_level)
        return self._whole

    @property
    def _whole(self) -> Rect:
        return Rect(0, 0, self._width, self._height)

    def _maps(self, labels: LabelMaps) -> list[NDArray[Any] | None]:
        given: list[NDArray[Any] | None]
        given = [labels] if labels is None or isinstance(labels, np.ndarray) else [*labels]
        if not given:
            raise UsageError("labels must hold at least one map, got none")
        for each in given:
            if each is None:
                continue
            if each.shape != self._paint.shape or each.dtype.kind not in "iu":
                size = f"{self._height}, {self._width}"
                raise UsageError(f"labels must be integers of shape ({size}), got {each.dtype} {each.shape}")
            if each.dtype.kind == "i" and each.min() < 0:
                raise UsageError(f"labels must be at least 0, got {each.min()}")
        return given

    # ---------------------------------------------------------------------------------------------------- the paint

    def _inside(self, x: int, y: int) -> bool:
        return 0 <= x < self._width and 0 <= y < self._height

    def _number(self, colour: Colour | None) -> int:
        """The colour's number in the paint; a new colour gets the next one."""
        if colour is None:
            return 0
        r, g, b = (int(each) for each in colour)
        if not all(0 <= each <= 255 for each in (r, g, b)):
            raise UsageError(f"a colour must be three numbers from 0 to 255, got {colour}")
        if (r, g, b) not in self._colours:
            if len(self._colours) == MAX_COLOURS:
                raise UsageError(f"a painting can have at most {MAX_COLOURS} colours")
            self._colours.append((r, g, b))
        return self._colours.index((r, g, b)) + 1

    def _lay(self, colour: Colour, mask: Mask) -> None:
        """Put paint there where is none yet, from the start."""
        if mask.shape != self._paint.shape:
            raise UsageError(f"masks must be of shape {self._paint.shape}, got {mask.shape}")
        self._paint[(mask != 0) & (self._paint == 0)] = self._number(colour)

    def _paint_segments(self, segments: Sequence[int], number: int) -> Rect:
        rect = Rect()
        with self.action():
            for segment in segments:
                if segment:
                    rect |= self._told(*self._write(self.segment_runs(segment), number))
        return rect

    def _patch(self, runs: Runs, number: int) -> Patch | None:
        """What gives the runs the number; None if they have it."""
        from labelimg.segmentatimg.kernels import painting as kernels

        if not len(runs[0]):
            return None
        only = kernels.only_value(self._flat, *runs)
        if only == number:
            return None
        after = np.array([number], np.uint8)
        if only >= 0:
            return Patch(*runs, np.array([only], np.uint8), after)
        starts, lengths, before = kernels.changes(self._flat, *runs, number)
        return Patch(starts, lengths, before, after)

    def _write(self, runs: Runs, number: int) -> tuple[Rect, list[Patch]]:
        """Give the runs the number, in the open action."""
        entry = self._open
        assert entry is not None
        patch = self._patch(runs, number)
        if patch is None:
            return Rect(), []
        patch.write(self._flat, patch.after)
        entry.paint.append(patch)
        rect, more = self._settle(rect_of((patch.starts, patch.lengths), self._width), runs, entry)
        entry.rect |= rect
        return rect, [patch, *more]

    def _settle(self, rect: Rect, written: Runs | None, entry: Entry) -> tuple[Rect, list[Patch]]:
        """After a change in the rectangle, let edge pixels follow what is around; those in `written` keep theirs."""
        changed, patches = self._segments.settle(rect, written, self._paint)
        entry.edges.extend(changed)
        for patch in patches:
            patch.write(self._flat, patch.after)
            entry.paint.append(patch)
            rect |= rect_of((patch.starts, patch.lengths), self._width)
        return rect, patches

    def _told(
        self, rect: Rect, patches: Sequence[Patch], *, cuts: tuple[tuple[Point, Point], ...] = (), reset: bool = False
    ) -> Rect:
        """Count and tell what was done in the open action."""
        if rect:
            assert self._open is not None
            self.revision += 1
            self._history.undone.clear()
            if self.on_change is not None:
                runs = tuple((patch.starts, patch.lengths, patch.after) for patch in patches)
                self.on_change(Change("do", self._open.serial, runs, cuts, reset))
        return rect


def _points(points: Sequence[Point]) -> list[Point]:
    return [(int(x), int(y)) for x, y in points]
