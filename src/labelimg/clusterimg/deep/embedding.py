"""A model on a device as a source of embeddings: decoded ahead in threads, many at a time through the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from labelimg.clusterimg.deep.devices import device_of, halving
from labelimg.clusterimg.deep.models import Model
from labelimg.clusterimg.engine import Made
from labelimg.decoding import Shrink, large_memory
from labelimg.errors import UsageError
from labelimg.images import Unreadable

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
        with large_memory, torch.inference_mode():
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
