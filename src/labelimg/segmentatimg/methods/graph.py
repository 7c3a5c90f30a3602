"""Graph segmentation of OpenCV: neighbouring pixels join while they differ less than the regions do inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from labelimg.segmentatimg.methods.base import Method, choice, join, min_size, real, work_size

if TYPE_CHECKING:
    from labelimg.segmentatimg.regions import Pixels


@dataclass(frozen=True)
class Graph(Method):
    """cv2.ximgproc.segmentation.GraphSegmentation (Felzenszwalb and Huttenlocher, 2004), 8-connected."""

    name: ClassVar[str] = "graph"

    k: float = real(30.0, "larger values give larger segments", 1, 5000, step=1, log=True)
    sigma: float = real(0.5, "how much the image is smoothed first, in pixels", 0.1, 5, step=0.1)
    colour: str = choice("lab", "the colour space that differences are measured in", ("lab", "rgb"))
    join: float = join(100.0)
    min_size: int = min_size(10)
    work_size: int = work_size(1200)

    def raw(self, image_rgb: Pixels) -> Any:
        """The method's own segments; those of fewer than min_size pixels are joined by OpenCV."""
        import cv2

        from labelimg.segmentatimg.pixels import lab

        segmentation = cv2.ximgproc.segmentation.createGraphSegmentation(self.sigma, self.k, self.min_size)
        return segmentation.processImage(lab(image_rgb) if self.colour == "lab" else image_rgb) + 1
