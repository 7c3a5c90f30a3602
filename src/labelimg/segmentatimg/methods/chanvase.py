"""Chan and Vese's active contours without edges, by scikit-image: light and dark, and bands between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from labelimg.segmentatimg.methods.base import Method, join, min_size, real, whole, work_size

if TYPE_CHECKING:
    from labelimg.segmentatimg.regions import Pixels


@dataclass(frozen=True)
class Chanvase(Method):
    """skimage.segmentation.chan_vese on the grey image, its level set cut into bands."""

    name: ClassVar[str] = "chanvase"

    levels: int = whole(16, "into how many bands the level set is cut; 2 are its inside and outside", 2, 64)
    mu: float = real(0.02, "larger values give rounder, longer boundaries less often", 0, 1, step=0.01)
    iterations: int = whole(40, "the most rounds", 1, 1000, log=True)
    join: float = join(100.0)
    min_size: int = min_size(20)
    work_size: int = work_size(400)

    def raw(self, image_rgb: Pixels) -> Any:
        """The bands from 1: `levels` of equal height between minus and plus the level set's usual height."""
        import cv2
        import numpy as np
        from skimage.segmentation import chan_vese

        grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
        if min(grey.shape) < 2 or grey.min() == grey.max():  # no contour divides what is all the same
            return np.ones(grey.shape, np.int32)
        _, level_set, _ = chan_vese(grey / 255, mu=self.mu, max_num_iter=self.iterations, extended_output=True)
        height = np.percentile(np.abs(level_set), 98)
        return np.digitize(level_set, height * np.linspace(-1, 1, self.levels + 1)[1:-1]) + 1
