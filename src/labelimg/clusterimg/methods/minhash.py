"""Corner minhash: how many of the strongest corners lie in the same places."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.features import Features
from labelimg.clusterimg.methods.base import Method, least_count, parameter
from labelimg.clusterimg.pairs import Kernel, Pairs, Progress, no_pairs
from labelimg.decoding import Shrink


@dataclass(frozen=True)
class MinHash(Method):
    """The Jaccard similarity that datasketch's MinHash estimates for the places of the strongest corners.

    Corners are the local maxima of OpenCV's cornerHarris (2x2 neighbourhood, Sobel 3x3, k = 0.04). A place is a cell
    of a grid over the image. An image without corners has an empty set; two empty sets have similarity 1.
    """

    name: ClassVar[str] = "minhash"
    default_threshold: ClassVar[float] = 0.54
    unlike: ClassVar[tuple[float, float]] = (0.225, 0.0775)
    dtype: ClassVar[type] = np.uint32

    corner_size: int = parameter(160, "the longest side, in pixels, at which corners are looked for", 16, 4096)
    corners: int = parameter(200, "how many of the strongest corners count", 1, 10_000)
    grid: int = parameter(16, "places are cells of an N x N grid over the image", 2, 256)
    permutations: int = parameter(128, "values of a minhash; more estimate better and cost more", 2, 4096)

    @property
    def shrink(self) -> Shrink:
        """The grey image, its longest side corner_size, unless a size or a scale is given."""
        if self.size is not None or self.scale is not None:
            return Shrink(colour=False, size=self.size, scale=self.scale)
        return Shrink(colour=False, longest=self.corner_size)

    @property
    def feature_bytes(self) -> int | None:
        """The most bytes that a feature takes; None where that depends on the image."""
        return 4 * self.permutations

    def feature(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint32]:
        """The minhash of the corners' cells, (permutations,) uint32."""
        table = _cell_hashes(self.grid, self.permutations)
        cells = self.cells(pixels)
        if len(cells) == 0:
            return np.full(self.permutations, 0xFFFFFFFF, np.uint32)
        smallest: NDArray[np.uint32] = table[cells].min(axis=0)
        return smallest

    def cells(self, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The cells of the strongest corners, ascending, each once. Of equal corners the upper left one is stronger."""
        import cv2

        h, w = pixels.shape
        response = cv2.cornerHarris(pixels, 2, 3, 0.04)
        peak = (response > 0) & (response == cv2.dilate(response, np.ones((3, 3), np.uint8)))
        places = np.flatnonzero(peak)
        strongest = places[np.argsort(-response.ravel()[places], kind="stable")[: self.corners]]
        y, x = strongest // w, strongest % w
        return np.unique(y * self.grid // h * self.grid + x * self.grid // w)

    def similar_pairs(
        self,
        features: Features,
        threshold: float,
        *,
        threads: int = 1,
        most: int | None = None,
        progress: Progress | None = None,
    ) -> Pairs:
        """The pairs whose estimated Jaccard similarity is greater than the threshold."""
        from labelimg.clusterimg import kernels
        from labelimg.clusterimg.search import similar_pairs

        n = len(features)
        least = least_count(threshold, self.permutations)
        if n < 2 or least > self.permutations:
            return no_pairs()
        kernel = Kernel(
            kernels.equal_pairs,
            (features.stacked(),),
            limit=least,
            value_type=np.int32,
            pair_ns=self.permutations * 0.15,
            similarity=lambda equal: equal / self.permutations,
        )
        return similar_pairs(n, kernel, threads=threads, most=most, progress=progress)


@cache
def _cell_hashes(grid: int, permutations: int) -> NDArray[np.uint32]:
    """The minhash of each cell alone, (grid * grid, permutations) uint32; that of a set is their minimum."""
    from datasketch import MinHash as DatasketchMinHash

    empty = DatasketchMinHash(num_perm=permutations, scheme="affine32")
    table = np.empty((grid * grid, permutations), np.uint32)
    for cell in range(grid * grid):
        one = empty.copy()
        one.update(cell_token(cell))
        table[cell] = one.hashvalues
    return table


def cell_token(cell: int) -> bytes:
    """What stands for a cell in the minhash."""
    return cell.to_bytes(4, "little")
