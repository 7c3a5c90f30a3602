"""Edges by OpenCV's operations; what lies between them are the segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from labelimg.segmentatimg.methods.base import Method, choice, join, min_size, real, whole, work_size

if TYPE_CHECKING:
    from labelimg.segmentatimg.regions import Labels, Pixels


@dataclass(frozen=True)
class Edge(Method):
    """Bilateral filter, non-local means, Sobel magnitude of the strongest channel, threshold, closing."""

    name: ClassVar[str] = "edge"

    threshold: float = real(10.0, "how strong an edge is at least: the difference across it, of 255", 0, 255, step=1)
    smoothing: float = real(
        30.0, "how different colours may be that are smoothed together; 0 smooths nothing", 0, 150, step=1
    )
    denoising: float = real(3.0, "how much noise is removed; 0 removes none and is much faster", 0, 30, step=0.5)
    closing: int = whole(1, "gaps in edges up to about this width are closed, in pixels; 1 closes none", 1, 31, step=2)
    lines: str = choice(
        "thin", "edges are lines of one pixel between segments, or all that was found", ("thin", "full")
    )
    join: float = join(100.0)
    min_size: int = min_size(10)
    work_size: int = work_size(800)

    def cut(self, image_rgb: Pixels) -> Labels:
        """The segments, 0 on edges. Thin lines: segments grow until they meet, where the colours differ most."""
        from labelimg.segmentatimg.hierarchy import joined
        from labelimg.segmentatimg.loops import grow
        from labelimg.segmentatimg.pixels import lab
        from labelimg.segmentatimg.regions import absorb_small, boundaries, connected_regions

        image_lab = lab(image_rgb)
        labels = absorb_small(image_lab, connected_regions(self.raw(image_rgb)), self.min_size)
        if self.lines == "full" or labels.all():
            return labels
        grow(labels, image_lab)
        labels = joined(image_lab, labels, self.join)
        labels[boundaries(labels)] = 0
        # Lines may cut off corners of a few pixels.
        return absorb_small(image_lab, connected_regions(labels), self.min_size)

    def raw(self, image_rgb: Pixels) -> Any:
        """1 between edges, 0 on them."""
        import cv2
        import numpy as np

        image: Any = image_rgb
        if self.smoothing:
            image = cv2.bilateralFilter(image, 7, self.smoothing, 3)
        if self.denoising:
            image = cv2.fastNlMeansDenoisingColored(image, None, self.denoising, self.denoising, 5, 15)
        across = cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=3, scale=0.25)
        down = cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=3, scale=0.25)
        edges = (cv2.magnitude(across, down).max(axis=2) > self.threshold).astype(np.uint8)
        if self.closing > 1:
            square = cv2.getStructuringElement(cv2.MORPH_RECT, (self.closing, self.closing))
            edges = cv2.morphologyEx(edges, cv2.MORPH_CLOSE, square)
        return 1 - edges
