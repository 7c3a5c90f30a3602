"""GrabCut by pointing: areas to look in and marks of a brush become foreground, iteration by iteration.

Each area is looked at by itself, in a window around it, with colour models of its own; the results are united. So two
objects do not disturb each other, and a small object in a large image is found as quickly as in a small one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UsageError
from labelimg.segmentatimg.geometry import Rect
from labelimg.segmentatimg.pixels import as_rgb
from labelimg.segmentatimg.prompts import KINDS, UNMARKED, Mark, Prompts, drawn_marks
from labelimg.segmentatimg.regions import Labels, Pixels, connected_regions

Mask = NDArray[np.bool_]

WORK_SIZE = 1000
"""The longest side, in pixels, of what an iteration works on."""
ITERATIONS = 5
_BACKGROUND, _FOREGROUND, _PERHAPS_NOT, _PERHAPS = range(4)  # cv2.GC_BGD, GC_FGD, GC_PR_BGD, GC_PR_FGD
_ROOM = 0.25  # how much of an area's size is looked at around it, on each side, for the colours of the background
_REACH = 3  # a mark that leaves its area widens it by so many radii
_SEED = 1

NOTHING_MARKED = "nothing is marked: draw an area with the middle button, or mark the foreground with the left one"


def grabcut(image: NDArray[Any], prompts: Prompts, iterations: int = ITERATIONS, *, work_size: int = WORK_SIZE) -> Mask:
    """The foreground that OpenCV's grabCut finds from areas and marks: bool (h, w).

    image: as for `segment`; it is not changed. prompts: `areas` are rectangles that foreground is looked for in;
    `marks` are strokes that are foreground or background, certainly or probably. Certain marks are never overturned;
    where two cover each other the later one holds. Foreground is found in an area, and about a mark outside of all
    areas: then it is what hangs together with that mark. Areas above `work_size` are worked on reduced, and the
    boundary is refined at full size. Iterations end early when nothing changes. The same prompts give the same.

    Raises UsageError for prompts in which nothing is foreground, for iterations below 1 and a work_size below 16.

    >>> image = np.zeros((40, 40, 3), np.uint8)
    >>> image[10:20, 10:30] = 200
    >>> int(grabcut(image, Prompts((Rect(5, 5, 35, 25),))).sum())
    200
    """
    if type(iterations) is not int or iterations < 1:
        raise UsageError(f"iterations must be a whole number of at least 1, got {iterations!r}")
    cut = GrabCut(image, work_size=work_size)
    for _ in range(iterations):
        if not cut.iterate(prompts):
            break
    return cut.foreground(prompts)


def segments_of(foreground: Mask) -> Labels:
    """The connected regions of foreground and background as segments: int32 (h, w), from 1, none left out."""
    return connected_regions(foreground.astype(np.int32) + 1)


class GrabCut:
    """An image that is pointed at: what was found so far is where the next iteration begins.

    Prompts may change from one iteration to the next. One thread at a time.
    """

    def __init__(self, image: NDArray[Any], *, work_size: int = WORK_SIZE) -> None:
        if type(work_size) is not int or work_size < 16:
            raise UsageError(f"work_size must be a whole number of at least 16, got {work_size!r}")
        self._image, self._work_size = as_rgb(image), work_size
        self._looks: dict[object, _Look] = {}

    def iterate(self, prompts: Prompts) -> int:
        """One iteration; how many pixels of the work copies it turned. Raises UsageError if nothing is marked."""
        if not self._image.size:
            return 0
        self._follow(prompts)
        return sum(look.iterate() for look in self._looks.values())

    def foreground(self, prompts: Prompts) -> Mask:
        """What was found: bool (h, w), certain marks as they are."""
        height, width = self._image.shape[:2]
        found = np.zeros((height, width), np.bool_)
        for look in self._looks.values():
            look.add_to(found)
        for mark in prompts.marks:
            if not mark.kind.startswith("probable"):
                where = _inside(mark.rect, width, height)
                if where:
                    drawn = drawn_marks([mark], (where.width, where.height), window=where) != UNMARKED
                    found[where.slices][drawn] = mark.is_foreground
        return found

    def _follow(self, prompts: Prompts) -> None:
        """Have one look for each area, and one for the marks that lie outside of all."""
        height, width = self._image.shape[:2]
        areas = [area for area in (_inside(each, width, height) for each in prompts.areas) if area]
        outside = [mark for mark in prompts.marks if not any(_touch(mark.rect, area) for area in areas)]
        outside = [mark for mark in outside if _inside(mark.rect, width, height)]
        if not areas and not any(mark.is_foreground for mark in outside):
            raise UsageError(NOTHING_MARKED)
        looks: dict[object, _Look] = {}
        for area in areas:
            looks[area] = self._looks.get(area) or _Look(self._image, area, self._work_size)
            looks[area].mark([mark for mark in prompts.marks if _touch(mark.rect, area)])
        if any(mark.is_foreground for mark in outside):
            looks[None] = self._looks.get(None) or _Look(self._image, None, self._work_size)
            looks[None].mark(outside)
        self._looks = looks


class _Look:
    """One area, or with None the whole image as marks alone divide it: its window, its work copy, what was found."""

    def __init__(self, image: Pixels, area: Rect | None, work_size: int) -> None:
        from labelimg.decoding import resize

        height, width = image.shape[:2]
        self._image, self._area = image, area
        self._window = window = Rect(0, 0, width, height) if area is None else _around(area, width, height)
        self._scale = scale = min(1.0, work_size / max(window.width, window.height))
        self._size = max(1, round(window.width * scale)), max(1, round(window.height * scale))
        part = np.ascontiguousarray(image[window.slices])
        self._copy = part if scale == 1 else resize(part, self._size)
        self._marks: tuple[Mark, ...] = ()
        self._drawn: NDArray[np.uint8] = np.full((self._size[1], self._size[0]), UNMARKED, np.uint8)
        self._mask: Any = None
        self._begun: Any = None
        self._models: Any = None

    def mark(self, marks: Sequence[Mark]) -> None:
        """Let these marks hold, and no others; what was found elsewhere stays."""
        marks = tuple(marks)
        if self._mask is not None and marks == self._marks:
            return
        start = self._start(marks)
        if self._mask is None:
            self._mask = start
        else:
            # Pixels whose standing the marks changed begin as those say, the others as they were found.
            kept = (start == self._begun) | (start >= _PERHAPS_NOT) & (self._begun >= _PERHAPS_NOT)
            self._mask = np.where(kept, self._mask, start).astype(np.uint8)
        self._marks, self._begun = marks, start

    def _start(self, marks: Sequence[Mark]) -> Any:
        """What each pixel is before the first iteration."""
        drawn = self._drawn = drawn_marks(marks, self._size, window=self._window, scale=self._scale)
        if self._area is None:
            start = np.full(drawn.shape, _PERHAPS_NOT, np.uint8)
        else:
            left, top, right, bottom = (
                self._area.left - self._window.left,
                self._area.top - self._window.top,
                self._area.right - self._window.left,
                self._area.bottom - self._window.top,
            )
            start = np.full(drawn.shape, _BACKGROUND, np.uint8)
            rows = slice(int(top * self._scale), max(int(top * self._scale) + 1, round(bottom * self._scale)))
            columns = slice(int(left * self._scale), max(int(left * self._scale) + 1, round(right * self._scale)))
            start[rows, columns] = _PERHAPS
            wide = [Mark(mark.points, _REACH * mark.radius + 2, mark.kind) for mark in marks if mark.is_foreground]
            reach = drawn_marks(wide, self._size, window=self._window, scale=self._scale) != UNMARKED
            start[reach & (start == _BACKGROUND)] = _PERHAPS_NOT
        if self._area is not None and not (start == _BACKGROUND).any():
            # The area is all that there is: something at its border must be the background to compare with.
            start[0], start[-1], start[:, 0], start[:, -1] = (_BACKGROUND,) * 4
        marked = drawn != UNMARKED
        start[marked] = drawn[marked]
        return start

    def iterate(self) -> int:
        """One round of OpenCV's grabCut; how many pixels it turned."""
        import cv2

        before = _is_foreground(self._mask)
        if before.all() or not before.any():
            return 0
        if self._models is None:
            self._models = np.zeros((1, 65)), np.zeros((1, 65))
            cv2.setRNGSeed(_SEED)  # the colour models begin by chance
            mode = cv2.GC_INIT_WITH_MASK
        else:
            mode = cv2.GC_EVAL
        mask = self._mask.copy()
        copy: Any = cv2.cvtColor(self._copy, cv2.COLOR_RGB2BGR)
        # GC_EVAL learns the models from the mask as it is and cuts once, as each round of many iterations does.
        background, foreground = self._models
        cv2.grabCut(copy, mask, (0, 0, 1, 1), background, foreground, 1, mode)
        self._mask = mask
        return int(np.count_nonzero(before != _is_foreground(mask)))

    def add_to(self, found: Mask) -> None:
        """Set what was found in the image's mask (h, w)."""
        mask = _is_foreground(self._mask)
        if self._area is None:
            mask = _touched(mask, (self._drawn == _FOREGROUND) | (self._drawn == _PERHAPS))
        if self._scale < 1:
            mask = _refined(self._image[self._window.slices], mask)
        found[self._window.slices] |= mask


def _is_foreground(mask: Any) -> Mask:
    return np.asarray((mask == _FOREGROUND) | (mask == _PERHAPS))


def _touched(mask: Mask, marked: Mask) -> Mask:
    """The regions of the mask that a marked pixel lies in."""
    regions = connected_regions(mask.astype(np.int32))
    wanted = np.zeros(int(regions.max()) + 1, np.bool_)
    wanted[regions[marked]] = True
    wanted[0] = False
    return np.asarray(wanted[regions])


def _refined(image: Pixels, mask: Mask) -> Mask:
    """The mask of a reduced copy at the image's size, its boundary moved to where the colours change."""
    from labelimg.segmentatimg.loops import enlarged, grow

    height, width = image.shape[:2]
    labels = enlarged(mask.astype(np.int32) + 1, 2, height, width)
    grow(labels, image)
    return np.asarray(labels == 2)


def _inside(rect: Rect, width: int, height: int) -> Rect:
    return Rect(max(0, rect.left), max(0, rect.top), min(width, rect.right), min(height, rect.bottom))


def _around(area: Rect, width: int, height: int) -> Rect:
    across, down = round(_ROOM * area.width) + 1, round(_ROOM * area.height) + 1
    return _inside(Rect(area.left - across, area.top - down, area.right + across, area.bottom + down), width, height)


def _touch(a: Rect, b: Rect) -> bool:
    return bool(Rect(max(a.left, b.left), max(a.top, b.top), min(a.right, b.right), min(a.bottom, b.bottom)))


assert KINDS[_FOREGROUND] == "foreground"
assert KINDS[_PERHAPS_NOT] == "probable background"
