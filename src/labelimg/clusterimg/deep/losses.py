"""What a reconstruction is held against: the pixels, or what another network sees in them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from labelimg.errors import UsageError

LOSSES = ("mse", "l1", "perceptual")


class PerceptualLoss(nn.Module):
    """The mean absolute difference of what a frozen feature extractor makes of both pictures.

    Never negative; zero for equal features alone. Pictures are (n, 3, h, w) in [0, 1], brought to the mean and standard
    deviation that the extractor expects. layer: the name of one of its modules, whose output is the features; None for
    what the extractor itself gives.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        extractor: nn.Module,
        *,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        layer: str | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self._seen: list[Tensor] = []
        self.extractor = extractor if layer is None else self._up_to(extractor, layer)
        self.extractor.requires_grad_(False)
        self.train(False)

    def _up_to(self, extractor: nn.Module, layer: str) -> nn.Module:
        """The extractor as far as the layer where it is a chain up to there; else the whole of it, listened to."""
        first, _, rest = layer.partition(".")
        chain: Any = getattr(extractor, first, None)
        if (
            isinstance(chain, nn.Sequential)
            and rest.isdecimal()
            and int(rest) < len(chain)
            and _is_first(chain, extractor)
        ):
            return chain[: int(rest) + 1]
        try:
            module = extractor.get_submodule(layer)
        except AttributeError as error:
            names = [name for name, _ in extractor.named_modules() if name.count(".") <= 1 and name][:12]
            raise UsageError(
                f"perceptual layer {layer!r} is not in the model; it has {', '.join(names)} ..."
            ) from error
        module.register_forward_hook(
            lambda _module, _given, made: self._seen.append(made.clone())
        )  # next may come an in-place step
        return extractor

    def train(self, mode: bool = True) -> PerceptualLoss:  # noqa: ARG002
        """Stay as it is: frozen, also its batch norms, whatever the network around it does."""
        return super().train(False)

    def features(self, pictures: Tensor) -> Tensor:
        """What the extractor makes of the pictures at the layer."""
        self._seen.clear()
        made: Tensor = self.extractor((pictures - self.mean) / self.std)
        if self._seen:
            made = self._seen.pop()
        return made

    def forward(self, made: Tensor, wanted: Tensor) -> Tensor:
        """A single number."""
        with torch.no_grad():
            seen = self.features(wanted)
        return (self.features(made) - seen).abs().mean()


def _is_first(chain: nn.Module, extractor: nn.Module) -> bool:
    return next(extractor.children(), None) is chain


def pixel_loss(name: str) -> nn.Module:
    """torch's loss of that name: "mse" or "l1"."""
    if name == "mse":
        return nn.MSELoss()
    if name == "l1":
        return nn.L1Loss()
    raise UsageError(f"loss must be one of {', '.join(LOSSES)}, got {name!r}")
