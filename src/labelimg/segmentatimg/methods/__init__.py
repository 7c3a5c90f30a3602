"""The ways to cut an image into segments, by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from labelimg.errors import UsageError
from labelimg.segmentatimg.methods.base import fields_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelimg.segmentatimg.methods.base import Method
    from labelimg.segmentatimg.regions import Labels

_CLASSES = {
    "edge": "Edge",
    "superpixel": "Superpixel",
    "kmeans": "Kmeans",
    "slickmeans": "Slickmeans",
    "chanvase": "Chanvase",
    "felzenszwalb": "Felzenszwalb",
    "quickshift": "Quickshift",
    "graph": "Graph",
}
NAMES = tuple(_CLASSES)
DEFAULT = "graph"


def method_class(name: str) -> type[Method]:
    """The dataclass of a method; raises UsageError for an unknown name."""
    if name not in _CLASSES:
        raise UsageError(f"method must be one of {', '.join(NAMES)}, got {name!r}")
    cls: type[Method] = getattr(import_module(f"{__name__}.{name}"), _CLASSES[name])
    return cls


def make_method(name: str, **parameters: Any) -> Method:
    """The method of a name with its parameters; raises UsageError for one it does not have or that is out of range."""
    cls = method_class(name)
    known = [field.name for field in fields_of(cls)]
    for parameter in parameters:
        if parameter not in known:
            raise UsageError(f"{parameter} is no parameter of method {name}; it has {', '.join(known)}")
    return cls(**parameters)


def segment(image_rgb: NDArray[Any], method: str = DEFAULT, **parameters: Any) -> Labels:
    """The segments of an image: int32 (h, w), numbered from 1, 0 where the method draws edges.

    Every segment is 4-connected; their numbers follow the raster order of their first pixels, and none is left out.
    Only `edge` draws edges, so any other method covers the image. The same image, method and parameters give the same
    segments, whatever the number of threads.

    `image_rgb` is never written to: (h, w) grey, (h, w, 3) RGB or (h, w, 4) RGBA, which is laid on white; uint8,
    uint16, bool, or floats from 0 to 1. An image without pixels gives a map without pixels. `parameters` are those of
    the method; an image with a side above its `work_size` is segmented on a reduced copy, and the boundaries are
    refined at full size. Raises UsageError for an array that is no image, an unknown method or parameter, and a value
    out of its range.

    >>> import numpy as np
    >>> image = np.zeros((20, 20, 3), np.uint8)
    >>> image[:, 10:] = 255
    >>> segment(image, min_size=1)[0]
    array([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2],
          dtype=int32)
    """
    return make_method(method, **parameters).segment(image_rgb)
