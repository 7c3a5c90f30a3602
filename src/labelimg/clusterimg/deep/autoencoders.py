"""A convolutional autoencoder: a picture to a few numbers and back."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from labelimg.errors import UsageError

_GRID = 4  # places on a side that the latent values are made of, at most


@dataclass(frozen=True)
class Shape:
    """What an autoencoder is built by: size in pixels of a side, values in between, channels of the first layer."""

    size: int = 64
    latent: int = 32
    width: int = 16

    def __post_init__(self) -> None:
        if type(self.size) is not int or not 16 <= self.size <= 1024 or self.size % 16:
            raise UsageError(f"size must be a multiple of 16 between 16 and 1024, got {self.size!r}")
        if type(self.latent) is not int or not 1 <= self.latent <= 4096:
            raise UsageError(f"latent must be a whole number between 1 and 4096, got {self.latent!r}")
        if type(self.width) is not int or not 1 <= self.width <= 512:
            raise UsageError(f"width must be a whole number between 1 and 512, got {self.width!r}")


class Autoencoder(nn.Module):
    """Four halvings by strided convolutions, a linear layer to the latent values, and the mirror image of it.

    Pictures are (n, 3, size, size) float in [0, 1]. Of large ones the last map is averaged to 4 x 4 places, so that the
    linear layers do not grow with the size.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        w = shape.width
        side = shape.size // 16
        grid = min(side, _GRID)
        self.encoder = nn.Sequential(
            _halved(3, w),
            _halved(w, 2 * w),
            _halved(2 * w, 4 * w),
            _halved(4 * w, 4 * w),
            nn.AdaptiveAvgPool2d(grid) if grid < side else nn.Identity(),
            nn.Flatten(),
            nn.Linear(4 * w * grid * grid, shape.latent),
        )
        self.decoder = nn.Sequential(
            nn.Linear(shape.latent, 4 * w * grid * grid),
            nn.Unflatten(1, (4 * w, grid, grid)),
            nn.Upsample(size=side) if grid < side else nn.Identity(),
            _doubled(4 * w, 4 * w),
            _doubled(4 * w, 2 * w),
            _doubled(2 * w, w),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(w, 3, 3, padding=1),
            nn.Sigmoid(),
        )

    def embed(self, pictures: Tensor) -> Tensor:
        """The latent values, (n, latent)."""
        values: Tensor = self.encoder(pictures)
        return values

    def forward(self, pictures: Tensor) -> Tensor:
        """The pictures as the latent values tell them, (n, 3, size, size) in [0, 1]."""
        told: Tensor = self.decoder(self.encoder(pictures))
        return told


def _halved(channels: int, more: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, more, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(more), nn.LeakyReLU(0.1)
    )


def _doubled(channels: int, fewer: int) -> nn.Module:
    return nn.Sequential(
        nn.Upsample(scale_factor=2),
        nn.Conv2d(channels, fewer, 3, padding=1, bias=False),
        nn.BatchNorm2d(fewer),
        nn.LeakyReLU(0.1),
    )
