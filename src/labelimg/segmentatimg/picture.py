"""One image of a sitting: its pixels, its segments and its painting, as far as they are there; no window."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from labelimg.segmentatimg.gestures import Begin, Brush, Cut, End, Fill, Order, Stroke, Unfill
from labelimg.segmentatimg.pyramid import Bounds, EdgePyramid
from labelimg.segmentatimg.scene import PictureScene
from labelimg.segmentatimg.shared import SharedArray

if TYPE_CHECKING:
    from labelimg.segmentatimg.journal import Journal
    from labelimg.segmentatimg.methods.base import Method
    from labelimg.segmentatimg.painting import Colour, Painting, Rect
    from labelimg.segmentatimg.preparing import Prepared

NOTHING: Bounds = (0, 0, 0, 0)
BYTES_OF_A_PIXEL = 32
"""Of a picture that can be painted on: the image and its copies 4, boundaries 1.3, label map 4, paint 1, the maps of
levels that were not used yet 4 each; a coloured overlay where there is paint, and runs of segments, come on top."""


class Picture:
    """An image that is shown, was shown, or is prepared.

    `scene` is there once the image is decoded, `painting` once it can be painted on. `reason` says what went wrong,
    empty if nothing did. While it is `busy` something works on the painting in another thread: it must be left alone.
    """

    def __init__(self, row: int, path: str) -> None:
        self.row, self.path = row, path
        self.image: SharedArray | None = None
        self.scene: PictureScene | None = None
        self.decoded: PictureScene | None = None  # the scene before it was told of
        self.painting: Painting | None = None
        self.journal: Journal | None = None
        self.method: Method | None = None
        self.segments: SharedArray | None = None  # what levels are to be made of, until they are there
        self.came: tuple[int, SharedArray] | None = None  # the latest segments, and the job they came from
        self.later: Callable[[], None] | None = None  # what has to wait until it is not busy
        self.serial = 0  # the job that made the segments of the painting
        self.reason = ""
        self.busy = False
        self.saved_revision = 0

    @property
    def unsaved(self) -> bool:
        """Whether there is paint that its masks on the disk do not show."""
        return self.painting is not None and self.painting.revision != self.saved_revision

    @property
    def complete(self) -> bool:
        """Whether there are coarser and finer segments, too."""
        return self.painting is not None and self.painting.level_count > 1

    @property
    def nbytes(self) -> int:
        """About how many bytes of memory it takes now."""
        kept = (self.scene or self.decoded, self.painting, None if self.segments is None else self.segments.array)
        return sum(each.nbytes for each in kept if each is not None)

    @property
    def whole_nbytes(self) -> int:
        """About how many bytes it takes once it can be painted on, 0 while its size is not known."""
        scene = self.scene or self.decoded
        return 0 if scene is None else max(self.nbytes, scene.size[0] * scene.size[1] * BYTES_OF_A_PIXEL)

    def take(self, made: Prepared, method: Method) -> None:
        """From now on it can be painted on."""
        painting = self.painting = made.painting
        self.journal, self.method = made.journal, method
        self.saved_revision = -1 if made.replayed.changes else painting.revision
        if self.scene is not None:
            self.scene.set_paint(painting.paint, painting.colours)
        self.show_segments(painting.labels, made.edges)

    # ---------------------------------------------------------------------------------------------- painting

    def carry_out(self, order: Order, colour: Colour, radius: int) -> Bounds:
        """Do what an order says to the painting; the bounds of what looks different now."""
        painting = self.painting
        if painting is None or self.busy:
            return NOTHING
        match order:
            case Fill(at):
                return self.shown(painting.fill(*at, colour))
            case Unfill(at):
                return self.shown(painting.unfill(*at))
            case Begin():
                painting.begin_action()
            case End():
                painting.end_action()
            case Stroke(points, erase):
                return self.shown(painting.stroke(points, None if erase else colour))
            case Brush(points, erase):
                return self.shown(painting.brush(points, radius, None if erase else colour))
            case Cut(start, end):
                return self.shown(painting.cut(start, end), segments=True)
        return NOTHING

    def undo(self) -> Bounds:
        """Take the last action back."""
        painting = self.painting
        return NOTHING if painting is None or self.busy else self.shown(painting.undo(), segments=True)

    def redo(self) -> Bounds:
        """Do again what was undone last."""
        painting = self.painting
        return NOTHING if painting is None or self.busy else self.shown(painting.redo(), segments=True)

    def reset(self) -> Bounds:
        """Take all paint and all cuts away."""
        painting = self.painting
        return NOTHING if painting is None or self.busy else self.shown(painting.reset(), segments=True)

    def shown(self, rect: Rect, *, segments: bool = False) -> Bounds:
        """Let the scene follow a change of the painting; with `segments` the boundaries, too."""
        if not rect or self.scene is None or self.painting is None:
            return NOTHING
        bounds = rect.left, rect.top, rect.right, rect.bottom
        self.scene.paint_changed(bounds, self.painting.colours)
        if segments:
            bounds = self._renew_edges(bounds)
        return bounds

    def _renew_edges(self, bounds: Bounds) -> Bounds:
        """Draw the boundaries within the bounds anew; a pixel's depends on those to its right and below it."""
        from labelimg.segmentatimg.regions import boundaries

        assert self.scene is not None and self.painting is not None
        width, height = self.scene.size
        left, top = max(0, bounds[0] - 1), max(0, bounds[1] - 1)
        right, bottom = bounds[2], bounds[3]
        part = self.painting.labels[top : min(height, bottom + 1), left : min(width, right + 1)]
        drawn = boundaries(part)[: bottom - top, : right - left]
        self.scene.edges_changed(drawn, (left, top, right, bottom))
        return left, top, right, bottom

    # ---------------------------------------------------------------------------------------------- segments

    def show_segments(self, labels: NDArray[np.int32], edges: EdgePyramid | None = None) -> None:
        """Show these segments; their boundaries are found unless they are given."""
        if self.scene is not None:
            self.scene.set_segments(labels, edges or edges_of(labels))

    def segment_at(self, x: int, y: int) -> int:
        """The segment that a click there takes, 0 for none."""
        return 0 if self.painting is None or self.busy else self.painting.segment_at(x, y)

    @property
    def labels(self) -> NDArray[np.int32]:
        """The label map of what can be clicked."""
        assert self.painting is not None
        return self.painting.labels

    def bounds_of(self, segment: int) -> Bounds:
        """The rectangle around a segment."""
        assert self.painting is not None
        rect = self.painting.segment_rect(segment)
        return rect.left, rect.top, rect.right, rect.bottom


def edges_of(labels: NDArray[np.int32]) -> EdgePyramid:
    """The boundaries of a label map, ready to be shown."""
    from labelimg.segmentatimg.regions import boundaries

    return EdgePyramid(boundaries(labels).view(np.uint8) * np.uint8(255))
