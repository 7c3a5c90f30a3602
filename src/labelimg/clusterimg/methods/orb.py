"""ORB: what share of the keypoints' descriptors has a good match in the other image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.features import Features
from labelimg.clusterimg.methods.base import Method, parameter
from labelimg.clusterimg.pairs import Kernel, Pairs, Progress, as_they_are, no_pairs
from labelimg.decoding import Shrink

_AT_ONCE = 64  # descriptors that one is compared with at a time


@dataclass(frozen=True)
class Orb(Method):
    """Good matches / all matches of OpenCV's ORB descriptors.

    Every descriptor of both images is matched with the nearest one of the other image (brute force, Hamming); the
    match is good when they differ in at most `good_bits` of 256 bits. So the similarity is symmetric, and 1 for
    identical images. An image without descriptors has similarity 0 to every other.
    """

    name: ClassVar[str] = "orb"
    default_threshold: ClassVar[float] = 0.22
    unlike: ClassVar[tuple[float, float]] = (0.02, 0.045)
    looked_at: ClassVar[int] = 150
    dtype: ClassVar[type] = np.uint8

    orb_size: int = parameter(400, "the longest side, in pixels, at which keypoints are looked for", 32, 8192)
    orb_features: int = parameter(200, "the most keypoints of an image", 1, 10_000)
    good_bits: int = parameter(32, "a match is good when at most N of the 256 bits differ", 0, 256)

    @property
    def shrink(self) -> Shrink:
        """The grey image, its longest side orb_size, unless a size or a scale is given."""
        if self.size is not None or self.scale is not None:
            return Shrink(colour=False, size=self.size, scale=self.scale)
        return Shrink(colour=False, longest=self.orb_size)

    @property
    def feature_bytes(self) -> int | None:
        """The most bytes that a feature takes; None where that depends on the image."""
        return 32 * self.orb_features

    def feature(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The descriptors, (keypoints, 32) uint8, perhaps none."""
        import cv2

        if min(pixels.shape) < 2:  # OpenCV cannot shrink it to its pyramid's levels
            return np.empty((0, 32), np.uint8)
        _, descriptors = cv2.ORB.create(nfeatures=self.orb_features).detectAndCompute(pixels, None)
        return np.empty((0, 32), np.uint8) if descriptors is None else np.asarray(descriptors, np.uint8)

    def similar_pairs(
        self,
        features: Features,
        threshold: float,
        *,
        threads: int = 1,
        most: int | None = None,
        progress: Progress | None = None,
    ) -> Pairs:
        """The pairs whose share of good matches is greater than the threshold."""
        from labelimg.clusterimg.search import similar_pairs

        n = len(features)
        if n < 2:
            return no_pairs()
        kernel = self.kernel(features, threshold, threads)
        return similar_pairs(n, kernel, threads=threads, most=most, progress=progress)

    def kernel(self, features: Features, threshold: float, threads: int) -> Kernel:  # noqa: ARG002 (others need them)
        """The search among at least two images."""
        from labelimg.clusterimg import kernels

        words = np.ascontiguousarray(features.values).reshape(-1, 32).view(np.uint64)
        largest = int(features.shapes[:, 0].max())

        def room(_: int) -> tuple[NDArray[Any], ...]:
            nearest = np.empty((2, largest), np.bool_)
            return nearest[0], nearest[1], np.empty(_AT_ONCE, np.int32), np.empty((4, largest), np.uint64)

        return Kernel(
            kernels.match_pairs,
            (words, features.offsets // 32, self.good_bits),
            limit=float(threshold),
            value_type=np.float64,
            pair_ns=1 + float(np.square(features.shapes[:, 0].mean())) * 1.5,
            similarity=as_they_are,
            room=room,
        )

    def guess(self, features: Features) -> NDArray[np.float32]:
        """How many 16-bit words the descriptors of two images have in common, of all that they have."""
        from scipy.sparse import csr_matrix

        words = np.ascontiguousarray(features.values).reshape(-1, 32).view(np.uint16)
        columns = words + (np.arange(16) << 16)
        counts = features.shapes[:, 0]
        rows = np.repeat(np.arange(len(features)), 16 * counts)
        seen = csr_matrix((np.ones(columns.size, np.float32), (rows, columns.ravel())), shape=(len(features), 16 << 16))
        seen.data[:] = 1
        shared: NDArray[np.float32] = (seen @ seen.T).toarray()
        shared /= np.maximum(counts[:, None] + counts, 1)
        return shared
