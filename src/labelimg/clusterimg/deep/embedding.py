"""Images to embeddings: decoded ahead in threads, many at a time through the model."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from labelimg.clusterimg.deep.devices import device_of, halving
from labelimg.clusterimg.deep.models import DEFAULT, Model, open_model
from labelimg.clusterimg.engine import Made
from labelimg.decoding import Shrink, resize
from labelimg.errors import UnreadableImageError, UsageError
from labelimg.images import Unreadable, find_images, read_many

Pixels = NDArray[np.uint8]
AT_ONCE = 32  # images that go through the model together, unless a GPU's memory holds fewer


class Embedder:
    """A model on a device, as a source of features: its embeddings, (d,) float32.

    The network works in a thread of its own, so that the next images are decoded meanwhile.
    """

    dtype = np.float32

    def __init__(
        self, model: Model, *, device: str = "auto", at_once: int = AT_ONCE, threads: int | None = None
    ) -> None:
        if at_once < 1:
            raise UsageError(f"images at once must be at least 1, got {at_once}")
        self.model = model
        self.fingerprint = model.fingerprint()
        self.device = device_of(device)
        self.shrink = Shrink(colour=True, size=(model.size, model.size))
        self.threads = threads
        self._at_once = at_once
        self._network = model.network.to(self.device)
        self._mean = torch.tensor(model.mean, device=self.device).view(3, 1, 1)
        self._std = torch.tensor(model.std, device=self.device).view(3, 1, 1)

    def __repr__(self) -> str:
        """All that an embedding depends on besides the file; devices differ by rounding alone."""
        return f"embedding of {self.model.name.rpartition('/')[2]} {self.fingerprint} at {self.model.size}"

    def feature(self, pixels: Pixels) -> Pixels:
        """The pixels, for the network works on many at a time."""
        return pixels

    def embed(self, pictures: Sequence[Pixels]) -> NDArray[np.float32]:
        """The embeddings of RGB pictures of the model's size, (n, d)."""
        parts = []
        start = 0
        with torch_threads(self.threads):
            while start < len(pictures):
                part = pictures[start : start + self._at_once]
                made, size = halving(partial(self._forward, part), len(part))
                if size < len(part):
                    self._at_once = size
                parts.append(made)
                start += len(made)
        return np.concatenate(parts)

    def _forward(self, pictures: Sequence[Pixels], count: int) -> NDArray[np.float32]:
        pictures = pictures[:count]
        with torch.inference_mode():
            batch = torch.from_numpy(np.stack(pictures)).to(self.device)
            batch = batch.permute(0, 3, 1, 2).float().div_(255)  # (n, 3, size, size), channels last in memory
            made: NDArray[np.float32] = self._network((batch - self._mean) / self._std).float().cpu().numpy()
        return made.reshape(len(pictures), -1)

    def finish(self, made: Iterator[tuple[int, Made | Unreadable]]) -> Iterator[tuple[int, Made | Unreadable]]:
        """Embeddings in the place of pixels."""
        waiting: deque[tuple[list[tuple[int, Made | Unreadable]], Future[NDArray[np.float32]] | None]] = deque()
        held: list[tuple[int, Made | Unreadable]] = []
        pixels: list[Pixels] = []
        with ThreadPoolExecutor(1, thread_name_prefix="labelimg-embed") as pool:
            for each in made:
                held.append(each)
                if not isinstance(each[1], Unreadable):
                    pixels.append(each[1][0])
                if len(pixels) == self._at_once or len(held) >= 4 * self._at_once:
                    waiting.append((held, pool.submit(self.embed, pixels) if pixels else None))
                    held, pixels = [], []
                    if len(waiting) > 1:
                        yield from _told(*waiting.popleft())
            if held:
                waiting.append((held, pool.submit(self.embed, pixels) if pixels else None))
            while waiting:
                yield from _told(*waiting.popleft())


def _told(
    held: list[tuple[int, Made | Unreadable]], future: Future[NDArray[np.float32]] | None
) -> Iterator[tuple[int, Made | Unreadable]]:
    rows = iter(future.result() if future is not None else ())
    for index, result in held:
        yield index, result if isinstance(result, Unreadable) else (next(rows), result[1])


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Within it torch works in so many threads on the processor; None leaves it as it is."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def embed(
    images: str | os.PathLike[str] | Sequence[str | os.PathLike[str] | Pixels],
    model: str | Model = DEFAULT,
    *,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    threads: int = 2,
) -> NDArray[np.float32]:
    """The embeddings of images, (n, d) float32, in their order.

    images: a folder, whose images come in name order, or paths and arrays, (h, w) or (h, w, 3) uint8. model: as for
    `deep_cluster`. No image: shape (0, 0). Raises UnreadableImageError for the first that cannot be read.
    """
    opened = model if isinstance(model, Model) else open_model(model, weights=weights)
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
