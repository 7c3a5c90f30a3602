"""Template matching: how little the colour images differ where they match best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.features import Features, features_of
from labelimg.clusterimg.methods.base import Method, reduced
from labelimg.clusterimg.pairs import Kernel, Pairs, Progress, as_they_are, no_pairs
from labelimg.decoding import Shrink

_BLOCKS = (32, 8)  # pixels of a side of the blocks whose sums bound the difference from below


@dataclass(frozen=True)
class TemplateMatching(Method):
    """1 - the smallest error of OpenCV's matchTemplate, TM_SQDIFF_NORMED; the smaller image is the template.

    Images of which neither fits in the other are not similar. As in OpenCV an error is at most 1, and it is 1 where
    one of the images is all black, for then there is nothing to divide by: two black images have similarity 0.
    """

    name: ClassVar[str] = "tm"
    default_threshold: ClassVar[float] = 0.92
    unlike: ClassVar[tuple[float, float]] = (0.27, 0.125)
    squared: ClassVar[bool] = True
    looked_at: ClassVar[int] = 300
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
        from labelimg.clusterimg.search import similar_pairs

        n = len(features)
        if n < 2:
            return no_pairs()
        kernel = self.kernel(features, threshold, threads)
        return similar_pairs(n, kernel, threads=threads, most=most, progress=progress)

    def kernel(self, features: Features, threshold: float, threads: int) -> Kernel:
        """The search among at least two images, of one size or of several."""
        from labelimg.clusterimg import kernels

        n = len(features)
        if features.same_shape:
            values = features.stacked().reshape(n, -1)
            return Kernel(
                kernels.sqdiff_pairs,
                (values, *_norms_and_sums(values, features.shapes[0], threads)),
                limit=float(threshold),
                value_type=np.float64,
                pair_ns=values.shape[1] * 0.2,
                similarity=as_they_are,
            )
        pixels = features.shapes.prod(axis=1)
        largest = int((features.shapes[:, :2] + 1).prod(axis=1).max())
        return Kernel(
            kernels.template_pairs,
            (features.values, features.offsets, features.shapes),
            limit=float(threshold),
            value_type=np.float64,
            pair_ns=float(pixels.mean()) ** 2 * 0.1,
            similarity=as_they_are,
            rows=4,
            room=lambda _: (np.empty(largest, np.int64),),
        )

    def guess(self, features: Features) -> NDArray[np.float32] | None:
        """The similarity of the images reduced to 16 x 16 pixels; of one size only."""
        if not features.same_shape:
            return None
        small = reduced(features.stacked(), 16).reshape(len(features), -1)
        products = small @ small.T
        norms = np.sqrt(np.maximum(np.diag(products), 1e-6))
        ratio = norms[:, None] / norms
        alike: NDArray[np.float32] = 1 - (ratio + 1 / ratio - 2 * products / (norms[:, None] * norms))
        return alike

    def warm_up(self, count: int) -> None:
        """Load the kernel for images of one size, or of several where a scale makes them so."""
        if self.scale is None:
            super().warm_up(count)
        else:
            sizes = [np.zeros((side, side, 3), np.uint8) for side in (2, 3)]
            self.similar_pairs(features_of(sizes, self.dtype), 0.5)


def _norms_and_sums(values: NDArray[np.uint8], shape: NDArray[np.int64], threads: int) -> tuple[NDArray[Any], ...]:
    """The sum of squares of each image, (n,) int64, and its block sums, (n, ...) float32, in large and small blocks."""
    from labelimg.clusterimg import kernels
    from labelimg.clusterimg.search import in_threads

    n = len(values)
    h, w, channels = shape.tolist()
    norms = np.empty(n, np.int64)
    coarse, fine = (np.empty((n, -(-h // side) * -(-w // side) * channels), np.float32) for side in _BLOCKS)

    def fill(start: int, stop: int) -> None:
        kernels.norms_and_sums(values, w, start, stop, norms, coarse, fine, np.empty(w * channels, np.int32))

    in_threads(fill, n, threads)
    return norms, coarse, fine
