"""Loads what worker processes need, once for all of them: importing this module runs the compiled code on a few pixels.

The server that worker processes are forked from imports it. It starts no thread, or its forks could hang.
"""

from __future__ import annotations

import numpy as np

from labelimg.segmentatimg.hierarchy import levels
from labelimg.segmentatimg.regions import absorb_small, boundaries, connected_regions, refined


def warm_up() -> None:
    """Run everything that is compiled and that every method needs."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    image = np.zeros((24, 24, 3), np.uint8)
    image[:, 12:] = 200
    image[6:9, 6:9] = 90
    labels = connected_regions(image[..., 0].astype(np.int32) + 1)
    absorb_small(image, labels, 20)
    boundaries(refined(image, labels[::2, ::2].copy()))
    levels(image, labels, 2, finer=1)
    cv2.setNumThreads(threads)


warm_up()
