"""Load everything that painting needs before the first click."""

from __future__ import annotations

import numpy as np


def warm_up() -> None:
    """Load the compiled kernels of painting, which takes about a second; the very first time they are compiled.

    It may run in a thread while an image is read. Without it, the first actions load what they need.
    """
    from labelimg.segmentatimg.painting import Painting

    labels = np.ones((9, 9), np.int32)
    labels[:, 4], labels[:, 5:] = 0, 2
    painting = Painting(np.zeros((9, 9, 3), np.uint8), [labels, labels])
    for colour in ((1, 1, 1), (2, 2, 2)):
        painting.stroke([(0, 0), (8, 0)], colour)
        painting.brush([(2, 2), (3, 3)], 1, colour)
    painting.unfill(0, 0)
    painting.cut((0, 0), (8, 8))
    painting.undo()
    painting.reset()
    painting.level(1)
    painting.cut((8, 0), (0, 8))
