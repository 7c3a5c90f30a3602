"""Images that a training decoded, read again without their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.extraction import stamp
from labelimg.clusterimg.features import Features, FeatureStore
from labelimg.decoding import Shrink
from labelimg.images import Unreadable, read_many

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Decoded:
    """What became of some files: pixels, or why they cannot be read. Called like `read_many`, it decodes only others.

    stamps: size and time of each path from before it was decoded; one that has another by now is decoded again.
    places: where in `pixels`, the features of images at `shrink`, those of a path are. thumbnails: JPEG files, (n,)
    uint8 each, in the same places; of no image where none were kept.
    """

    shrink: Shrink
    pixels: Features
    places: Mapping[str, int]
    unreadable: Mapping[str, Unreadable]
    stamps: Mapping[str, tuple[int, int]]
    thumbnails: Features

    def __call__(
        self,
        paths: Sequence[str],
        shrink: Shrink,
        use: Callable[[NDArray[np.uint8]], T],
        *,
        threads: int,
        keep_thumbnail: Callable[[str, bytes], object] | None = None,
    ) -> Iterator[tuple[int, T | Unreadable]]:
        """Yield (index, use(pixels)) for each path in order, (index, Unreadable) where it cannot be read."""
        without = keep_thumbnail is not None and not len(self.thumbnails)
        others = [path for path in paths if without or shrink != self.shrink or self.stamps.get(path) != stamp(path)]
        read = read_many(others, shrink, use, threads=threads, keep_thumbnail=keep_thumbnail)
        waiting = iter(others)
        following = next(waiting, None)
        pixels = self.pixels.stacked()
        for index, path in enumerate(paths):
            if path == following:
                following = next(waiting, None)
                yield index, next(read)[1]
            elif path in self.unreadable:
                yield index, self.unreadable[path]
            else:
                place = self.places[path]
                if keep_thumbnail is not None:
                    first, end = self.thumbnails.offsets[place : place + 2]
                    keep_thumbnail(path, self.thumbnails.values[first:end].tobytes())
                yield index, use(pixels[place])


class Jpegs:
    """Collects thumbnails as features."""

    def __init__(self, *, memory: int) -> None:
        self._store = FeatureStore(np.uint8, memory=memory)

    def add(self, jpeg: bytes) -> None:
        """Keep the thumbnail of the next image; empty where it has none."""
        self._store.add(np.frombuffer(jpeg, np.uint8) if jpeg else np.empty(0, np.uint8))

    def features(self) -> Features:
        """What was collected; nothing can be added afterwards."""
        return self._store.features()
