"""Quickshift of scikit-image: each pixel goes uphill in density of colour and place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from labelimg.segmentatimg.methods.base import Method, join, min_size, real, seed, work_size

if TYPE_CHECKING:
    from labelimg.segmentatimg.regions import Pixels


@dataclass(frozen=True)
class Quickshift(Method):
    """skimage.segmentation.quickshift (Vedaldi and Soatto, 2008) on Lab."""

    name: ClassVar[str] = "quickshift"

    max_dist: float = real(
        10.0, "the longest step uphill; larger values give larger segments", 1, 100, step=0.5, log=True
    )
    kernel_size: float = real(
        3.0, "how far density is smoothed, in pixels; larger values give larger segments", 1, 15, step=0.5
    )
    ratio: float = real(0.5, "what colour counts against place", 0, 1, step=0.05)
    seed: int = seed()
    join: float = join(100.0)
    min_size: int = min_size(15)
    work_size: int = work_size(600)

    def raw(self, image_rgb: Pixels) -> Any:
        """The segments from 1."""
        import numpy as np
        from skimage.segmentation import quickshift

        if min(image_rgb.shape[:2]) < 2:  # scikit-image smooths along both sides
            return np.ones(image_rgb.shape[:2], np.int32)
        return (
            quickshift(image_rgb, ratio=self.ratio, kernel_size=self.kernel_size, max_dist=self.max_dist, rng=self.seed)
            + 1
        )
