"""Template matching: how little the colour images differ where they match best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.features import Features, features_of
from labelimg.clusterimg.methods.base import Method
from labelimg.clusterimg.pairs import Kernel, Pairs, Progress, as_they_are, no_pairs
from labelimg.decoding import Shrink

_COARSE = 8  # pixels of a side of the blocks whose sums bound the difference from below


@dataclass(frozen=True)
class TemplateMatching(Method):
    """1 - the smallest error of OpenCV's matchTemplate, TM_SQDIFF_NORMED; the smaller image is the template.

    Images of which neither fits in the other are not similar. As in OpenCV an error is at most 1, and it is 1 where
    one of the images is all black, for then there is nothing to divide by: two black images have similarity 0.
    """

    name: ClassVar[str] = "tm"
    default_threshold: ClassVar[float] = 0.92
    dtype: ClassVar[type] = np.uint8

    @property
    def shrink(self) -> Shrink:
        """The colour image at the common size, 128x128 unless given."""
        if self.scale is not None:
            return Shrink(colour=True, scale=self.scale)
        return Shrink(colour=True, size=self.size or (128, 128))

    @property
    def feature_bytes(self) -> int | None:
        """The most bytes that a feature takes; None where that depends on the image."""
        return None if self.shrink.size is None else 3 * self.shrink.size[0] * self.shrink.size[1]

    def feature(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The image itself, (h, w, 3) uint8."""
        return pixels

    def similar_pairs(
        self,
        features: Features,
        threshold: float,
        *,
        threads: int = 1,
        most: int | None = None,
        progress: Progress | None = None,
    ) -> Pairs:
        """The pairs whose similarity is greater than the threshold."""
        from labelimg.clusterimg import kernels
        from labelimg.clusterimg.search import similar_pairs

        n = len(features)
        if n < 2:
            return no_pairs()
        if features.same_shape:
            images = features.stacked()
            values = images.reshape(n, -1)
            kernel = Kernel(
                kernels.sqdiff_pairs,
                (values, kernels.squared_norms(values), _coarse(images)),
                limit=float(threshold),
                value_type=np.float64,
                pair_ns=values.shape[1] * 0.2,
                similarity=as_they_are,
            )
        else:
            pixels = features.shapes.prod(axis=1)
            kernel = Kernel(
                kernels.template_pairs,
                (features.values, features.offsets, features.shapes),
                limit=float(threshold),
                value_type=np.float64,
                pair_ns=float(pixels.mean()) ** 2 * 0.1,
                similarity=as_they_are,
                rows=4,
            )
        return similar_pairs(n, kernel, threads=threads, most=most, progress=progress)

    def warm_up(self, count: int) -> None:
        """Load the kernel for images of one size, or of several where a scale makes them so."""
        if self.scale is None:
            super().warm_up(count)
        else:
            sizes = [np.zeros((side, side, 3), np.uint8) for side in (2, 3)]
            self.similar_pairs(features_of(sizes, self.dtype), 0.5)


def _coarse(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Block sums over the root of the block's size, (n, b) float32: by Cauchy's inequality the squared distance of
    two rows is at most that of the images."""
    n, h, w, channels = images.shape
    down, across = np.arange(0, h, _COARSE), np.arange(0, w, _COARSE)
    out = np.empty((n, len(down), len(across), channels), np.float32)
    tall = np.diff(np.append(down, h))
    wide = np.diff(np.append(across, w))
    root = np.sqrt(np.outer(tall, wide))[..., None]
    for k in range(n):
        sums = np.add.reduceat(np.add.reduceat(images[k], down, axis=0, dtype=np.int64), across, axis=1)
        out[k] = sums / root
    return out.reshape(n, -1)
