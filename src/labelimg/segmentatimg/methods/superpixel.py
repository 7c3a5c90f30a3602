"""Superpixels of OpenCV: small segments of about one size that keep to the edges of things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from labelimg.segmentatimg.methods.base import Method, choice, join, min_size, real, whole, work_size

if TYPE_CHECKING:
    from labelimg.segmentatimg.regions import Pixels

ALGORITHMS = ("SLIC", "SLICO", "MSLIC", "LSC", "SEEDS")


@dataclass(frozen=True)
class Superpixel(Method):
    """cv2.ximgproc SuperpixelSLIC (SLIC, SLICO, MSLIC), SuperpixelLSC and SuperpixelSEEDS, on Lab."""

    name: ClassVar[str] = "superpixel"

    region_size: int = whole(16, "about how wide a superpixel is, in pixels", 3, 500, log=True)
    algorithm: str = choice("SLIC", "the kind of superpixels", ALGORITHMS)
    ruler: float = real(
        25.0, "SLIC and MSLIC: larger values give smoother, more equal shapes", 1, 200, step=1, log=True
    )
    lsc_ratio: float = real(0.075, "LSC: larger values give more compact shapes", 0.001, 1, step=0.005, log=True)
    iterations: int = whole(10, "the most rounds", 1, 1000, log=True)
    join: float = join(100.0)
    min_size: int = min_size(10)
    work_size: int = work_size(1000)

    def raw(self, image_rgb: Pixels) -> Any:
        """The superpixels from 1."""
        from labelimg.segmentatimg.pixels import lab

        return (
            superpixels(lab(image_rgb), self.algorithm, self.region_size, self.ruler, self.lsc_ratio, self.iterations)
            + 1
        )


def superpixels(
    image_lab: Pixels, algorithm: str, region_size: int, ruler: float, lsc_ratio: float, iterations: int
) -> Any:
    """Superpixels from 0, int32 (h, w), as OpenCV gives them; an image too small for two is one."""
    import cv2
    import numpy as np

    from labelimg.decoding import one_opencv_thread

    made: Any
    height, width = image_lab.shape[:2]
    # Below this OpenCV divides by zero or reads beyond the image.
    if min(height, width) < 2 * region_size:
        region_size = max(2, min(height, width) // 2)
    if min(height, width) < 8:
        return np.zeros((height, width), np.int32)
    if algorithm == "SEEDS":
        wanted = max(1, round(height * width / region_size**2))
        made = cv2.ximgproc.createSuperpixelSEEDS(width, height, 3, wanted, _block_levels(region_size))
        made.iterate(image_lab, iterations)
        return made.getLabels()
    if algorithm == "LSC":
        with one_opencv_thread():  # with more, OpenCV 5.0 gives now these labels, now those
            made = cv2.ximgproc.createSuperpixelLSC(image_lab, region_size, lsc_ratio)
            made.iterate(iterations)
            return made.getLabels()
    kind = {"SLIC": cv2.ximgproc.SLIC, "SLICO": cv2.ximgproc.SLICO, "MSLIC": cv2.ximgproc.MSLIC}[algorithm]
    made = cv2.ximgproc.createSuperpixelSLIC(image_lab, kind, region_size, ruler)
    made.iterate(iterations)
    return made.getLabels()


def _block_levels(region_size: int) -> int:
    """How often SEEDS halves its blocks: to about three pixels, as in its paper."""
    return max(1, min(6, region_size.bit_length() - 1))
