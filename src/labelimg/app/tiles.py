"""Tiles of a scene, composed when they are first seen; of one that changed, only the changed part again."""

from __future__ import annotations

import time
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from labelimg.segmentatimg.pyramid import Bounds
from labelimg.segmentatimg.scene import Scene

SIDE = 512
_KEPT = 160  # tiles of a megabyte

Key = tuple[int, int, int]  # level, column, row


class Tile:
    """A square of pixels and the QImage that shows the same memory; `stale`: what has to be composed again."""

    def __init__(self, width: int, height: int) -> None:
        self.pixels: NDArray[np.uint8] = np.empty((height, width, 4), np.uint8)
        self.image = QImage(self.pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32)
        self.stale: Bounds | None = (0, 0, width, height)


class Tiles:
    """The tiles of one scene; the least recently seen go first."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._tiles: OrderedDict[Key, Tile] = OrderedDict()
        self._sizes = [scene.size]
        for _ in range(scene.levels - 1):
            width, height = self._sizes[-1]
            self._sizes.append(((width + 1) // 2, (height + 1) // 2))

    def size(self, level: int) -> tuple[int, int]:
        """Width and height of a level."""
        return self._sizes[level]

    def ready(self, key: Key) -> bool:
        """Whether the tile can be shown without composing anything."""
        return key in self._tiles and self._tiles[key].stale is None

    def known(self, key: Key) -> Tile | None:
        """The tile as it is, perhaps stale; None if it was never composed."""
        return self._tiles.get(key)

    def tile(self, key: Key) -> Tile:
        """The tile, up to date."""
        level, column, row = key
        tile = self._tiles.get(key)
        if tile is None:
            width, height = self._sizes[level]
            tile = Tile(min(SIDE, width - column * SIDE), min(SIDE, height - row * SIDE))
            self._tiles[key] = tile
            while len(self._tiles) > _KEPT:
                self._tiles.popitem(last=False)
        self._tiles.move_to_end(key)
        if tile.stale is not None:
            left, top, right, bottom = tile.stale
            part = np.empty((bottom - top, right - left, 4), np.uint8)
            self._scene.compose(level, column * SIDE + left, row * SIDE + top, part)
            tile.pixels[top:bottom, left:right] = part
            tile.stale = None
        return tile

    def change(self, bounds: Bounds) -> None:
        """What lies under the bounds, in pixels of level 0, is composed again when it is next seen."""
        for (level, column, row), tile in self._tiles.items():
            step = 1 << level
            height, width = tile.pixels.shape[:2]
            left = max(0, bounds[0] // step - column * SIDE)
            top = max(0, bounds[1] // step - row * SIDE)
            right = min(width, -(-bounds[2] // step) - column * SIDE)
            bottom = min(height, -(-bounds[3] // step) - row * SIDE)
            if left < right and top < bottom:
                old = tile.stale or (left, top, right, bottom)
                tile.stale = min(left, old[0]), min(top, old[1]), max(right, old[2]), max(bottom, old[3])

    def within(self, level: int, bounds: tuple[float, float, float, float]) -> list[Key]:
        """The tiles of a level that touch the bounds, which are in pixels of level 0."""
        step, (width, height) = (1 << level) * SIDE, self._sizes[level]
        columns = range(max(0, int(bounds[0] // step)), min(-(-width // SIDE), int(bounds[2] // step) + 1))
        rows = range(max(0, int(bounds[1] // step)), min(-(-height // SIDE), int(bounds[3] // step) + 1))
        return [(level, column, row) for row in rows for column in columns]


class Budget:
    """How long a repaint may compose before it shows what it has and leaves the rest to the next one."""

    def __init__(self, seconds: float) -> None:
        self._until = time.perf_counter() + seconds

    def spent(self) -> bool:
        """Whether the time is over."""
        return time.perf_counter() > self._until
