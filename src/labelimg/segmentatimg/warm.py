"""Load the compiled loops before they are needed; the very first time on a machine they are compiled, for seconds."""

from __future__ import annotations

import numpy as np


def is_first_use() -> bool:
    """Whether loops have to be compiled first, those of segmenting or those of painting."""
    from labelimg.segmentatimg import kernels

    names, pixels = np.empty(0, np.int32), np.empty((0, 0, 4), np.uint8)
    last_of_segmenting = kernels.cut.is_kept(names, names, 0, names)
    last_of_painting = kernels.mark_segment.is_kept(pixels, np.empty((0, 0), np.int32), 0, 1.0, 0.0, 0.0, 0, 0, 0, 0)
    return not (last_of_segmenting and last_of_painting)


def warm_up_segmenting() -> None:
    """Load what all segmenting methods and `levels` need, and whatever of OpenCV they use.

    It leaves no thread behind, or a process that is forked from this one could hang.
    """
    import cv2

    from labelimg.segmentatimg.hierarchy import levels
    from labelimg.segmentatimg.regions import absorb_small, boundaries, connected_regions, refined

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


def warm_up_painting() -> None:
    """Load what showing and painting need."""
    from labelimg.segmentatimg import kernels
    from labelimg.segmentatimg.painting import Painting
    from labelimg.segmentatimg.picture import edges_of
    from labelimg.segmentatimg.scene import PictureScene
    from labelimg.segmentatimg.view import View

    image, labels = np.zeros((9, 9, 3), np.uint8), np.ones((9, 9), np.int32)
    labels[:, 4], labels[:, 5:] = 0, 2
    scene, out = PictureScene(image), np.zeros((9, 9, 4), np.uint8)
    scene.set_segments(labels, edges_of(labels))
    scene.compose(0, 0, 0, out)
    painting = Painting(image, [labels, labels])
    for colour in ((1, 1, 1), (2, 2, 2)):
        painting.stroke([(0, 0), (8, 0)], colour)
        painting.brush([(2, 2), (3, 3)], 1, colour)
    painting.unfill(0, 0)
    painting.cut((0, 0), (8, 8))
    painting.undo()
    painting.reset()
    painting.level(1)
    painting.cut((8, 0), (0, 8))
    scene.compose_close(View(3.0, 0.0, 0.0), 0, 0, out)
    kernels.mark_segment(out, labels, 1, 1.0, 0.0, 0.0, 0, 0, 0, 0)
