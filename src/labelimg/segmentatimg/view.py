"""Where a picture lies in its window: zoom and pan, without a window."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

Point = tuple[float, float]
Size = tuple[int, int]

MAX_SCALE = 64.0
_MARGIN = 48  # window pixels of the picture that always stay in sight


@dataclass(frozen=True, slots=True)
class View:
    """A view of a picture: `scale` window pixels for each image pixel, image point (left, top) at the window's corner.

    Image pixel i covers [i, i + 1): the pixel under a window point is the floor of `to_image`.

    >>> View(2.0, 10.0, 0.0).to_image((4, 2))
    (12.0, 1.0)
    """

    scale: float = 1.0
    left: float = 0.0
    top: float = 0.0

    @staticmethod
    def fit(image: Size, window: Size, margin: int = 0) -> View:
        """The view that shows all of an image of (width, height), centred, and no pixel larger than 8 window pixels."""
        width, height = max(1, image[0]), max(1, image[1])
        room = max(1, window[0] - 2 * margin), max(1, window[1] - 2 * margin)
        scale = min(room[0] / width, room[1] / height, 8.0)
        return View(scale, (width - window[0] / scale) / 2, (height - window[1] / scale) / 2)

    def to_image(self, point: Point) -> Point:
        """The image point under a window point."""
        return self.left + point[0] / self.scale, self.top + point[1] / self.scale

    def pixel(self, point: Point) -> tuple[int, int]:
        """The image pixel under a window point; it may lie outside the image."""
        x, y = self.to_image(point)
        return math.floor(x), math.floor(y)

    def to_window(self, point: Point) -> Point:
        """The window point where an image point is shown."""
        return (point[0] - self.left) * self.scale, (point[1] - self.top) * self.scale

    def zoomed(self, factor: float, at: Point, image: Size, window: Size) -> View:
        """The view magnified by the factor, the image point under `at` staying there as far as the bounds let it."""
        least = min(View.fit(image, window).scale / 2, 1.0)
        scale = min(max(self.scale * factor, least), MAX_SCALE)
        x, y = self.to_image(at)
        return View(scale, x - at[0] / scale, y - at[1] / scale).bounded(image, window)

    def panned(self, dx: float, dy: float, image: Size, window: Size) -> View:
        """The view after the picture was dragged by (dx, dy) window pixels."""
        moved = replace(self, left=self.left - dx / self.scale, top=self.top - dy / self.scale)
        return moved.bounded(image, window)

    def bounded(self, image: Size, window: Size) -> View:
        """The nearest view in which some of the picture is in sight; a picture smaller than the window is centred."""

        def held(start: float, length: int, room: int) -> float:
            shown = room / self.scale
            if length <= shown:
                return (length - shown) / 2
            margin = min(_MARGIN / self.scale, shown / 2)
            return min(max(start, margin - shown), length - margin)

        return replace(self, left=held(self.left, image[0], window[0]), top=held(self.top, image[1], window[1]))

    def level(self, levels: int) -> int:
        """Which image of a pyramid to draw from: level k is halved k times; it is drawn at a scale above a half."""
        return min(levels - 1, max(0, math.floor(-math.log2(self.scale)))) if self.scale < 1 else 0
