"""K-means of OpenCV on the colour and the place of each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from labelimg.segmentatimg.methods.base import Method, join, min_size, real, seed, whole, work_size

if TYPE_CHECKING:
    from labelimg.segmentatimg.regions import Pixels


@dataclass(frozen=True)
class Kmeans(Method):
    """cv2.kmeans on Lab and position."""

    name: ClassVar[str] = "kmeans"

    clusters: int = whole(32, "how many kinds of pixels there are", 1, 1024, log=True)
    color_importance: float = real(
        0.9, "what colour counts against place: 1 colour alone, 0 place alone", 0, 1, step=0.05
    )
    iterations: int = whole(10, "the most rounds", 1, 1000, log=True)
    seed: int = seed()
    join: float = join(100.0)
    min_size: int = min_size(20)
    work_size: int = work_size(800)

    def raw(self, image_rgb: Pixels) -> Any:
        """The cluster of each pixel, from 1."""
        from labelimg.segmentatimg.pixels import lab

        rows = pixel_rows(lab(image_rgb), self.color_importance)
        return clusters_of(rows, self.clusters, self.iterations, self.seed).reshape(image_rgb.shape[:2]) + 1


def pixel_rows(image_lab: Pixels, color_importance: float) -> Any:
    """The weighed colour and place of each pixel in raster order, float32 (h * w, 5)."""
    import numpy as np

    height, width = image_lab.shape[:2]
    rows = np.empty((height, width, 5), np.float32)
    rows[..., :3] = image_lab
    rows[..., 3] = np.arange(width)
    rows[..., 4] = np.arange(height)[:, None]
    weigh(rows.reshape(-1, 5), color_importance, max(height, width))
    return rows.reshape(-1, 5)


def weigh(rows: Any, color_importance: float, longest: int) -> None:
    """Scale rows of (L, a, b, x, y), float32, in place: colours to `color_importance`, places to the rest of 1."""
    rows[:, :3] *= color_importance / 255
    rows[:, 3:] *= (1 - color_importance) / longest


def clusters_of(rows: Any, clusters: int, iterations: int, seed: int) -> Any:
    """The cluster of each row from 0, int32 (n,); as many clusters as rows at most. K-means++ begins by the seed."""
    import cv2
    import numpy as np

    if len(rows) == 1:  # OpenCV would take it for five rows of one number
        return np.zeros(1, np.int32)
    none: Any = None
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, iterations, 1e-4)
    cv2.setRNGSeed(seed)
    _, labels, _ = cv2.kmeans(rows, min(clusters, len(rows)), none, stop, 1, cv2.KMEANS_PP_CENTERS)
    return labels.ravel()
