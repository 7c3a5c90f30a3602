"""`embed`: images to embeddings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.deep.clustering import DEFAULT_MODEL
from labelimg.clusterimg.deep.extra import need
from labelimg.clusterimg.engine import Made
from labelimg.decoding import resize
from labelimg.errors import UnreadableImageError, UsageError
from labelimg.images import Unreadable, find_images, read_many

if TYPE_CHECKING:
    from labelimg.clusterimg.deep.models import Model

Pixels = NDArray[np.uint8]


def embed(
    images: str | os.PathLike[str] | Sequence[str | os.PathLike[str] | Pixels],
    model: str | os.PathLike[str] | Model = DEFAULT_MODEL,
    *,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    threads: int = 2,
) -> NDArray[np.float32]:
    """The embeddings of images, (n, d) float32, in their order.

    images: a folder, whose images come in name order, or paths and arrays, (h, w) or (h, w, 3) uint8. model: as for
    `deep_cluster`. No image: shape (0, 0). Raises UnreadableImageError for the first that cannot be read.
    """
    need("torch")
    from labelimg.clusterimg.deep.embedding import Embedder
    from labelimg.clusterimg.deep.models import Model, open_model

    opened = model if isinstance(model, Model) else open_model(os.fspath(model), weights=weights)
    embedder = Embedder(opened, device=device)
    listed: list[Any]
    listed = list(find_images([images]).paths) if isinstance(images, (str, os.PathLike)) else list(images)
    arrays = {k: _as_rgb(each, opened.size) for k, each in enumerate(listed) if isinstance(each, np.ndarray)}
    paths = [os.fspath(each) for k, each in enumerate(listed) if k not in arrays]
    read = read_many(paths, embedder.shrink, lambda pixels: pixels, threads=threads)

    def made() -> Iterator[tuple[int, Made | Unreadable]]:
        for k in range(len(listed)):
            pixels = arrays[k] if k in arrays else next(read)[1]
            yield k, pixels if isinstance(pixels, Unreadable) else (pixels, None)

    rows = []
    for _, result in embedder.finish(made()):
        if isinstance(result, Unreadable):
            raise UnreadableImageError(result.path, result.reason)
        rows.append(result[0])
    return np.stack(rows) if rows else np.empty((0, 0), np.float32)


def _as_rgb(pixels: NDArray[Any], size: int) -> Pixels:
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise UsageError(f"an image must be uint8 (h, w) or (h, w, 3), got {pixels.dtype} {pixels.shape}")
    if not pixels.size:
        raise UsageError(f"an image must have pixels, got {pixels.shape}")
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    return np.ascontiguousarray(resize(colour, (size, size)))
