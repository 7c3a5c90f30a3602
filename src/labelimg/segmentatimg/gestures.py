"""What a mouse or a key means for the painting, without a window: events in, orders out.

The state is small: a mode, the end of the chain of cuts, the last point of a stroke. Every order is a frozen value;
who receives it carries it out. Points are image pixels (x, y), and window points where the view is concerned.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

Pixel = tuple[int, int]
Point = tuple[float, float]
Button = Literal["left", "middle", "right"]


class Mode(Enum):
    """What the hand is doing; the colour window and the cursor show it."""

    SEGMENTS = "segments"
    FILLING = "filling"
    UNFILLING = "unfilling"
    CUTTING = "cutting"
    BRUSH = "brush"


@dataclass(frozen=True, slots=True)
class Fill:
    """Fill the segment at `at`."""

    at: Pixel


@dataclass(frozen=True, slots=True)
class Unfill:
    """Unfill the segment at `at`."""

    at: Pixel


@dataclass(frozen=True, slots=True)
class Begin:
    """What follows until End is one action."""


@dataclass(frozen=True, slots=True)
class End:
    """The action that Begin opened is complete."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """Fill, or with `erase` unfill, the segments on the way between the points."""

    points: tuple[Pixel, ...]
    erase: bool


@dataclass(frozen=True, slots=True)
class Brush:
    """Paint, or with `erase` erase, freehand along the points."""

    points: tuple[Pixel, ...]
    erase: bool


@dataclass(frozen=True, slots=True)
class Cut:
    """Cut along the straight line between two pixels."""

    start: Pixel
    end: Pixel


@dataclass(frozen=True, slots=True)
class Pan:
    """Move the picture by (dx, dy) window pixels."""

    dx: float
    dy: float


@dataclass(frozen=True, slots=True)
class Zoom:
    """Zoom by so many steps of the wheel, inwards if positive, about a window point."""

    steps: float
    at: Point


@dataclass(frozen=True, slots=True)
class BrushSize:
    """Make the brush larger or smaller by so many steps of the wheel."""

    steps: float


@dataclass(frozen=True, slots=True)
class SaveAndNext:
    """Save the masks and go to the next image."""


Order = Fill | Unfill | Begin | End | Stroke | Brush | Cut | Pan | Zoom | BrushSize | SaveAndNext


class Gestures:
    """Turns events into orders. `mode` and `chain_end` (where a cut would begin, or None) are to be shown.

    A double click arrives as Qt sends it: a press, a release, a double click, a release; so the first click of it is an
    action of its own. Equal moves may be left out and moves may be far apart.
    """

    def __init__(self) -> None:
        self.mode = Mode.SEGMENTS
        self.chain_end: Pixel | None = None
        self._base = Mode.SEGMENTS  # what Esc returns to: segments or the brush
        self._last: Pixel | None = None  # the last point of an open stroke
        self._painting: Button | None = None  # the button that holds the brush down
        self._space = False
        self._panning: Point | None = None
        self._dragged = False

    @property
    def space_held(self) -> bool:
        """Whether a drag would pan."""
        return self._space

    @property
    def panning(self) -> bool:
        """Whether the picture is being dragged."""
        return self._panning is not None

    def press(self, button: Button, at: Pixel, window: Point) -> list[Order]:
        """A button went down."""
        if self._space:
            self._panning, self._dragged = window, True
            return []
        if button == "middle":
            return self._cut(at)
        if self.mode in (Mode.FILLING, Mode.UNFILLING):
            if (button == "left") == (self.mode is Mode.FILLING):
                return self._stroke_to(at)
            # The other button ends it and means what it always means.
            return [*self.end(), *self.press(button, at, window)]
        orders = self.end()
        if self._base is Mode.BRUSH:
            self._painting, self._last = button, at
            return [*orders, Begin(), Brush((at,), button == "right")]
        return [*orders, Fill(at) if button == "left" else Unfill(at)]

    def double(self, button: Button, at: Pixel, window: Point) -> list[Order]:
        """The second press of a double click; Qt sends it in place of a press."""
        if self._space or button == "middle" or self._base is Mode.BRUSH:
            return self.press(button, at, window)
        wanted = Mode.FILLING if button == "left" else Mode.UNFILLING
        if self.mode is wanted:
            return [*self._stroke_to(at), *self.end()]
        orders = self.end()
        self.mode, self._last = wanted, at
        return [*orders, Begin(), Stroke((at,), wanted is Mode.UNFILLING)]

    def move(self, at: Pixel, window: Point) -> list[Order]:
        """The pointer moved, with or without a button."""
        if self._panning is not None:
            dx, dy = window[0] - self._panning[0], window[1] - self._panning[1]
            self._panning = window
            return [Pan(dx, dy)] if dx or dy else []
        if self.mode in (Mode.FILLING, Mode.UNFILLING):
            return self._stroke_to(at)
        if self._painting is not None and at != self._last:
            points = (at,) if self._last is None else (self._last, at)
            self._last = at
            return [Brush(points, self._painting == "right")]
        return []

    def release(self, button: Button, at: Pixel, window: Point) -> list[Order]:
        """A button went up."""
        if self._panning is not None:
            orders = self.move(at, window)
            self._panning = None
            return orders
        if self._painting == button:
            orders = self.move(at, window)
            self._painting = self._last = None
            return [*orders, End()]
        return []

    def leave(self, at: Pixel) -> list[Order]:
        """The pointer left the window at a pixel; where it comes back is another place."""
        orders = self.move(at, self._panning or (0.0, 0.0)) if self._panning is None else []
        self._last = None
        return orders

    def wheel(self, steps: float, window: Point, *, ctrl: bool) -> list[Order]:
        """The wheel turned, away from the hand if positive."""
        return [BrushSize(steps) if ctrl else Zoom(steps, window)]

    def space_down(self) -> None:
        """The space bar went down; repeats of the keyboard must not come here."""
        self._space, self._dragged = True, False

    def space_up(self) -> list[Order]:
        """The space bar went up: without a drag it saves."""
        if not self._space:
            return []
        self._space, self._panning = False, None
        return [] if self._dragged else [*self.end(), SaveAndNext()]

    def toggle_brush(self) -> list[Order]:
        """The key b: the brush, or back to segments."""
        orders = self.end()
        self._base = Mode.SEGMENTS if self._base is Mode.BRUSH else Mode.BRUSH
        self.mode = self._base
        return orders

    def end(self) -> list[Order]:
        """End whatever goes on - continuous filling, a chain of cuts, a stroke of the brush: Esc, or another action."""
        open_action = self.mode in (Mode.FILLING, Mode.UNFILLING) or self._painting is not None
        self.mode = self._base
        self.chain_end = self._last = self._painting = None
        return [End()] if open_action else []

    def lose_focus(self) -> list[Order]:
        """Another window has the keyboard: what is held is held no more."""
        self._space, self._panning = False, None
        if self._painting is None:
            return []
        return self.end()

    def _stroke_to(self, at: Pixel) -> list[Order]:
        if at == self._last:
            return []
        points = (at,) if self._last is None else (self._last, at)
        self._last = at
        return [Stroke(points, self.mode is Mode.UNFILLING)]

    def _cut(self, at: Pixel) -> list[Order]:
        start = self.chain_end
        orders = self.end()
        self.mode, self.chain_end = Mode.CUTTING, at
        return orders if start is None or start == at else [*orders, Cut(start, at)]
