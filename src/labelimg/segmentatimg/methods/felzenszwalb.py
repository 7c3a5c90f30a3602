"""Graph segmentation of scikit-image, each channel smoothed and joined as its authors wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from labelimg.segmentatimg.methods.base import Method, join, min_size, real, work_size

if TYPE_CHECKING:
    from labelimg.segmentatimg.regions import Pixels


@dataclass(frozen=True)
class Felzenszwalb(Method):
    """skimage.segmentation.felzenszwalb on RGB."""

    name: ClassVar[str] = "felzenszwalb"

    scale: float = real(60.0, "larger values give larger segments", 1, 5000, step=1, log=True)
    sigma: float = real(0.3, "how much the image is smoothed first, in pixels", 0, 5, step=0.1)
    join: float = join(100.0)
    min_size: int = min_size(20)
    work_size: int = work_size(700)

    def raw(self, image_rgb: Pixels) -> Any:
        """The segments from 1; those of fewer than min_size pixels are joined by scikit-image."""
        from skimage.segmentation import felzenszwalb

        return felzenszwalb(image_rgb, scale=self.scale, sigma=self.sigma, min_size=self.min_size) + 1
