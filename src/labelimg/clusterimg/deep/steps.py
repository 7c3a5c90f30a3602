"""Which pictures a training takes together, in which process, and how it disturbs them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, Sampler

from labelimg.clusterimg.deep.training import Training

_SHIFT, _SCALE = 0.06, 0.15  # of the picture, at most, where pictures are disturbed


def divided(count: int, how: Training) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which pictures are trained with, and which are kept back to judge by."""
    order = np.random.default_rng(how.seed).permutation(count)
    kept = min(count - 1, max(1, round(count * how.val))) if how.val > 0 else 0
    return order[kept:], order[:kept]


class _Pictures(Dataset[Tensor]):
    """Some of the pictures, fetched a step at a time."""

    def __init__(self, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
        self._pixels = pixels
        self._rows = rows

    def __getitem__(self, places: NDArray[np.int64]) -> Tensor:
        """(batch, 3, size, size) uint8."""
        return torch.from_numpy(self._pixels[self._rows[places]]).permute(0, 3, 1, 2)


class Steps(Sampler[NDArray[np.int64]]):
    """The places that one process takes at each step of an epoch, in an order that the seed and the epoch decide.

    The shares of all processes are of one size, so that their mean is that of the step. What is left over, or would
    make a last step of one picture a process, for which batch norms have no deviation, waits for another epoch.
    """

    def __init__(self, total: int, batch_size: int, *, rank: int, count: int, seed: int) -> None:
        self._total, self._rank, self._count, self._seed = total, rank, count, seed
        self._share = max(1, batch_size // count)
        self._whole, left = divmod(total, self._share * count)
        self._last = left // count if left // count > 1 or not self._whole else 0
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._whole + (self._last > 0)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        order = np.random.default_rng((self._seed, self._epoch)).permutation(self._total)
        for step in range(len(self)):
            share = self._share if step < self._whole else self._last
            first = step * self._share * self._count + self._rank * share
            yield order[first : first + share]


def parts(total: int, batch_size: int, rank: int, count: int) -> list[NDArray[np.int64]]:
    """Places to judge by for one process: each place once among all, as many parts for each, none empty."""
    return [part[rank::count] for part in np.array_split(np.arange(total), -(-total // batch_size))]


def loader(pixels: NDArray[np.uint8], rows: NDArray[np.int64], places: Any) -> DataLoader[Tensor]:
    """Gives those of the rows' pictures that each of the `places` names together, (batch, 3, size, size) uint8."""
    # Its own generator: it would take a random number of the training's, and where a training goes on sooner than else.
    return DataLoader(_Pictures(pixels, rows), batch_size=None, sampler=places, generator=torch.Generator())


def disturbed(pictures: Tensor, amount: float) -> Tensor:
    """The pictures shifted and scaled a little, with grey noise of this standard deviation; at 0 as they are."""
    if amount == 0:
        return pictures
    n = len(pictures)
    place = torch.zeros(n, 2, 3, device=pictures.device)
    place[:, :, 2] = (torch.rand(n, 2, device=pictures.device) * 2 - 1) * 2 * _SHIFT
    place[:, 0, 0] = 1 + (torch.rand(n, device=pictures.device) * 2 - 1) * _SCALE
    place[:, 1, 1] = 1 + (torch.rand(n, device=pictures.device) * 2 - 1) * _SCALE
    grid = functional.affine_grid(place, list(pictures.shape), align_corners=False)
    moved = functional.grid_sample(pictures, grid, align_corners=False)
    return moved + amount * torch.randn_like(moved[:, :1])
