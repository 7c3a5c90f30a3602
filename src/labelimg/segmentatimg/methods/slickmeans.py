"""Superpixels first, then k-means on what they look like and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from labelimg.segmentatimg.methods.base import Method, choice, join, min_size, real, seed, whole, work_size
from labelimg.segmentatimg.methods.kmeans import clusters_of, weigh
from labelimg.segmentatimg.methods.superpixel import ALGORITHMS, superpixels

if TYPE_CHECKING:
    from labelimg.segmentatimg.regions import Pixels


@dataclass(frozen=True)
class Slickmeans(Method):
    """cv2.ximgproc superpixels on Lab, then cv2.kmeans on their mean colour and position."""

    name: ClassVar[str] = "slickmeans"

    clusters: int = whole(256, "how many kinds of pixels there are", 1, 1024, log=True)
    color_importance: float = real(
        0.6, "what colour counts against place: 1 colour alone, 0 place alone", 0, 1, step=0.05
    )
    region_size: int = whole(8, "about how wide a superpixel is, in pixels", 3, 500, log=True)
    algorithm: str = choice("SLIC", "the kind of superpixels", ALGORITHMS)
    ruler: float = real(
        25.0, "SLIC and MSLIC: larger values give smoother, more equal shapes", 1, 200, step=1, log=True
    )
    lsc_ratio: float = real(0.075, "LSC: larger values give more compact shapes", 0.001, 1, step=0.005, log=True)
    iterations: int = whole(10, "the most rounds", 1, 1000, log=True)
    seed: int = seed()
    join: float = join(100.0)
    min_size: int = min_size(20)
    work_size: int = work_size(800)

    def raw(self, image_rgb: Pixels) -> Any:
        """The cluster of each pixel's superpixel, from 1."""
        import numpy as np

        from labelimg.segmentatimg.pixels import lab

        image_lab = lab(image_rgb)
        pieces = superpixels(image_lab, self.algorithm, self.region_size, self.ruler, self.lsc_ratio, self.iterations)
        size, rows = means_of(image_lab, pieces)
        weigh(rows, self.color_importance, max(pieces.shape))
        kinds = np.zeros(len(size), np.int32)
        kinds[size > 0] = clusters_of(rows[size > 0], self.clusters, self.iterations, self.seed)
        return kinds[pieces] + 1


def means_of(image_lab: Pixels, pieces: Any) -> tuple[Any, Any]:
    """The pixels of each superpixel, int64 (n,), and their mean L, a, b, x, y, float32 (n, 5); 0 where it has none."""
    import numpy as np

    from labelimg.segmentatimg.loops import places, sums

    last = int(pieces.max())
    size, colours = sums(pieces, image_lab, last)
    rows = np.hstack([colours, places(pieces, last)]) / np.maximum(size, 1)[:, None]
    return size, rows.astype(np.float32)
