"""SSIM: the mean structural similarity of the grey images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.features import Features
from labelimg.clusterimg.methods.base import Method, reduced
from labelimg.clusterimg.pairs import Kernel, Pairs, Progress, as_they_are, no_pairs
from labelimg.decoding import Shrink
from labelimg.errors import UsageError

_WINDOW = 7
_BAND = 8  # rows of windows that are bounded together
_VECTOR = 32  # blocks that compiled code takes at a time, at most
_ROWS = 16  # images whose window sums stay in the cache
_REDUCED = 64  # pixels of a side of the images by whose blocks it is guessed which are alike
_STABLE = (0.03 * 255) ** 2  # SSIM's constant
_GROUP_MEMORY = 1 << 30  # bytes of the images of one size that are copied together in memory


@dataclass(frozen=True)
class Ssim(Method):
    """Compares grey images of one size window by window, as scikit-image's `structural_similarity` does.

    7x7 uniform window, data range 255. With `scale` in place of `size` only images that come to the same size are
    compared. Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment", 2004.
    """

    name: ClassVar[str] = "ssim"
    default_threshold: ClassVar[float] = 0.68
    unlike: ClassVar[tuple[float, float]] = (0.06, 0.09)
    squared: ClassVar[bool] = True
    looked_at: ClassVar[int] = 150
    dtype: ClassVar[type] = np.uint8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is not None and min(self.size) < _WINDOW:
            raise UsageError(f"size must be at least 7x7 for ssim, got {self.size[0]}x{self.size[1]}")

    @property
    def shrink(self) -> Shrink:
        """The grey image at the common size, 128x128 unless given."""
        if self.scale is not None:
            return Shrink(colour=False, scale=self.scale)
        return Shrink(colour=False, size=self.size or (128, 128))

    @property
    def feature_bytes(self) -> int | None:
        """The most bytes that a feature takes; None where that depends on the image."""
        return None if self.shrink.size is None else self.shrink.size[0] * self.shrink.size[1]

    def feature(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The image itself, (h, w) uint8."""
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
        """The pairs whose mean SSIM is greater than the threshold."""
        if features.same_shape:
            images = features.stacked()
            if len(images) < 2 or min(images.shape[1:]) < _WINDOW:
                return no_pairs()
            from labelimg.clusterimg.search import similar_pairs

            kernel = _same_size_kernel(images, threshold, threads)
            return similar_pairs(len(images), kernel, threads=threads, most=most, progress=progress)
        _, group = np.unique(features.shapes, axis=0, return_inverse=True)
        sizes = [np.flatnonzero(group == k).astype(np.int32) for k in range(int(group.max()) + 1)]
        total = sum(len(rows) * (len(rows) - 1) // 2 for rows in sizes)
        looked_at, parts = 0, []
        for rows in sizes:
            found = self.similar_pairs(features.take(rows, memory=_GROUP_MEMORY), threshold, threads=threads, most=most)
            parts.append((rows, found))
            looked_at += len(rows) * (len(rows) - 1) // 2
            if progress is not None:
                progress(looked_at, total)
        from labelimg.clusterimg.search import together

        return together(len(features), parts, most=most)

    def kernel(self, features: Features, threshold: float, threads: int) -> Kernel:
        """The search among at least two images of one size."""
        return _same_size_kernel(features.stacked(), threshold, threads)

    def guess(self, features: Features) -> NDArray[np.float32] | None:
        """How alike 4x4 blocks of the images are, reduced to 64 x 64 pixels; of one size only, and no smaller.

        Of two blocks it is (covariance + C) / the root of (variance + C) (variance + C), the SSIM without the means, in
        which the root stands for half the sum: so it is one product of matrices.
        """
        if not features.same_shape or min(features.shapes[0]) < _REDUCED:
            return None
        small = reduced(features.stacked(), _REDUCED)
        blocks = small.reshape(len(features), _REDUCED // 4, 4, _REDUCED // 4, 4).transpose(0, 1, 3, 2, 4)
        blocks = blocks.reshape(len(features), -1, 16)
        blocks = blocks - blocks.mean(axis=2, keepdims=True)
        power = np.square(blocks).mean(axis=2, keepdims=True) + np.float32(_STABLE)
        parts = np.concatenate([blocks / np.sqrt(power * 16), np.sqrt(np.float32(_STABLE) / power)], axis=2)
        parts = parts.reshape(len(features), -1)
        alike: NDArray[np.float32] = parts @ parts.T
        return alike


def _same_size_kernel(images: NDArray[np.uint8], threshold: float, threads: int) -> Kernel:
    from labelimg.clusterimg import kernels
    from labelimg.clusterimg.search import in_threads

    n, h, w = images.shape
    oh, ow = h - _WINDOW + 1, w - _WINDOW + 1
    bands = -(-oh // _BAND)
    coarse_weights, fine_weights = _weights(oh, ow, _BAND, 1)[0], _weights(oh, ow, _BAND // 2, bands)
    coarse = np.empty((n, 4, len(coarse_weights)), np.uint8)
    fine = np.empty((n, bands, 4, fine_weights.shape[1]), np.uint8)

    def fill(start: int, stop: int) -> None:
        windows = np.empty((2, oh, ow), np.float32)
        columns, rows = np.empty((2, w), np.int32), np.empty((2, ow), np.float32)
        kernels.ssim_ranges(images, start, stop, coarse, fine, *windows, *columns, *rows)

    in_threads(fill, n, threads)
    # Where an image is rough it differs most from another: those bands soonest show that a pair is not similar.
    orders = np.argsort(-fine[:, :, 3].sum(axis=2, dtype=np.int64), axis=1, kind="stable")

    def room(rows: int) -> tuple[NDArray[Any], ...]:
        windows = np.empty((2, rows + 1, oh, ow), np.float32)
        columns = np.empty((2, w), np.int32)
        return *windows, np.empty((rows + 1, bands), np.bool_), np.empty(bands), *columns

    return Kernel(
        kernels.ssim_pairs,
        (images, coarse, fine, coarse_weights, fine_weights, fine_weights.sum(axis=1, dtype=np.float64), orders),
        limit=float(threshold),
        value_type=np.float64,
        pair_ns=oh * ow * 3.0,
        rows=_ROWS,
        similarity=as_they_are,
        room=room,
    )


def _weights(oh: int, ow: int, side: int, bands: int) -> NDArray[np.float32]:
    """How many windows each block of a band has, (bands, width) float32, in whole vectors; 0 where none is."""
    down = -(-oh // side) if bands == 1 else bands * (_BAND // side)
    tall = np.clip(oh - side * np.arange(down), 0, side)
    wide = np.minimum(side, ow - side * np.arange(-(-ow // side)))
    weights = np.outer(tall, wide).reshape(bands, -1)
    return np.pad(weights, ((0, 0), (0, -weights.shape[1] % _VECTOR))).astype(np.float32)
