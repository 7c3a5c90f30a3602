"""What a person points out in an image: areas, marks, points. Frozen values, and a history of them for undo."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import floor
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UsageError
from labelimg.segmentatimg.geometry import Point, Rect, brush_runs, pixels_of

Kind = Literal["background", "foreground", "probable background", "probable foreground"]
KINDS: tuple[Kind, ...] = ("background", "foreground", "probable background", "probable foreground")
"""In the order of OpenCV's GC_BGD, GC_FGD, GC_PR_BGD and GC_PR_FGD."""

UNMARKED = 255


@dataclass(frozen=True)
class Mark:
    """A stroke of a brush: its path, the brush's radius in pixels, and what the pixels under it are."""

    points: tuple[Point, ...]
    radius: int
    kind: Kind

    def __post_init__(self) -> None:
        """Raise UsageError for a mark that cannot be."""
        if self.kind not in KINDS:
            raise UsageError(f"the kind of a mark must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if not self.points or self.radius < 0:
            raise UsageError(f"a mark needs a point and a radius of at least 0, got {self.points!r}, {self.radius!r}")

    @property
    def is_foreground(self) -> bool:
        """Whether it says that something is there."""
        return self.kind.endswith("foreground")

    @property
    def rect(self) -> Rect:
        """The rectangle around what it covers; it may reach beyond the image."""
        xs, ys, by = [x for x, _ in self.points], [y for _, y in self.points], self.radius
        return Rect(min(xs) - by, min(ys) - by, max(xs) + by + 1, max(ys) + by + 1)


@dataclass(frozen=True)
class Click:
    """A point that is certainly foreground, or background."""

    x: int
    y: int
    foreground: bool = True


Annotation = Rect | Mark | Click


@dataclass(frozen=True)
class Prompts:
    """All that was pointed out in one image, in the order in which it was.

    A `Rect` is an area to look in: the box of an object. Where marks cover each other the later one counts.
    """

    annotations: tuple[Annotation, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.annotations)

    @property
    def areas(self) -> tuple[Rect, ...]:
        """The rectangles."""
        return tuple(each for each in self.annotations if isinstance(each, Rect))

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The strokes of the brush."""
        return tuple(each for each in self.annotations if isinstance(each, Mark))

    @property
    def clicks(self) -> tuple[Click, ...]:
        """The points."""
        return tuple(each for each in self.annotations if isinstance(each, Click))

    def with_(self, annotation: Annotation) -> Prompts:
        """These and one more."""
        return replace(self, annotations=(*self.annotations, annotation))


@dataclass(frozen=True)
class ObjectPrompt:
    """What is known of one object: a box or none, and the points that belong to it."""

    box: Rect | None
    clicks: tuple[Click, ...]


def objects_of(prompts: Prompts) -> tuple[ObjectPrompt, ...]:
    """The objects that boxes and points stand for.

    A box is an object; a point in it belongs to it, and where boxes overlap to the smallest, of equals to the last. The
    points in no box are one object more, unless all of them are background: of nothing but that there is no object.
    """
    boxes = prompts.areas
    owned: list[list[Click]] = [[] for _ in boxes]
    free: list[Click] = []
    for click in prompts.clicks:
        inside = [
            k for k, box in enumerate(boxes) if box.left <= click.x < box.right and box.top <= click.y < box.bottom
        ]
        if inside:
            owned[min(inside, key=lambda k: (boxes[k].width * boxes[k].height, -k))].append(click)
        else:
            free.append(click)
    objects = [ObjectPrompt(box, tuple(clicks)) for box, clicks in zip(boxes, owned, strict=True)]
    if any(click.foreground for click in free):
        objects.append(ObjectPrompt(None, tuple(free)))
    return tuple(objects)


class History:
    """The prompts of an image as they were and are: adding and resetting can be undone, and done again."""

    def __init__(self) -> None:
        self._states: list[Prompts] = [Prompts()]
        self._at = 0

    @property
    def prompts(self) -> Prompts:
        """What is pointed out now."""
        return self._states[self._at]

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back."""
        return self._at > 0

    @property
    def can_redo(self) -> bool:
        """Whether there is something to do again."""
        return self._at + 1 < len(self._states)

    def add(self, annotation: Annotation) -> None:
        """Point something out."""
        self._enter(self.prompts.with_(annotation))

    def reset(self) -> None:
        """Take all annotations away."""
        if self.prompts:
            self._enter(Prompts())

    def _enter(self, prompts: Prompts) -> None:
        self._states[self._at + 1 :] = [prompts]
        self._at += 1

    def undo(self) -> bool:
        """Take the last annotation, or the reset, back; whether there was one."""
        there = self.can_undo
        self._at -= there
        return there

    def redo(self) -> bool:
        """Do it again; whether there was one."""
        there = self.can_redo
        self._at += there
        return there


def drawn_marks(
    marks: Iterable[Mark], size: tuple[int, int], *, window: Rect | None = None, scale: float = 1.0
) -> NDArray[np.uint8]:
    """The marks as pixels: uint8 (h, w), 0 .. 3 the place of the kind in KINDS, 255 where nothing is marked.

    A mark covers the pixels whose centres are at most its radius from its path. size: width and height of what comes
    back: the `window` of the image, by default all of it, shrunk by `scale`.
    """
    left, top = (window.left, window.top) if window is not None else (0, 0)
    drawn = np.full(size[0] * size[1], UNMARKED, np.uint8)
    for mark in marks:
        path = [(floor((x - left + 0.5) * scale), floor((y - top + 0.5) * scale)) for x, y in mark.points]
        drawn[pixels_of(*brush_runs(path, round(mark.radius * scale), *size))] = KINDS.index(mark.kind)
    return drawn.reshape(size[1], size[0])
