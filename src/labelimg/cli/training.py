"""The options that say how an autoencoder is trained, which two commands have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from labelimg.clusterimg.deep.training import Training

PANEL = "Options of training"


def _own(help: str, **more: Any) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(help=help, show_default=False, rich_help_panel=PANEL, **more)
    return option


LOSS = Annotated[str | None, _own("What is made small: mse, l1 or perceptual. Default mse.", metavar="LOSS")]
LATENT = Annotated[int | None, _own("Numbers that an image becomes. Default 16.", min=1, max=4096)]
WIDTH = Annotated[int | None, _own("Channels of the first layer. Default 16.", min=1, max=512)]
EPOCHS = Annotated[int | None, _own("How often every image is seen, at most. Default 150.", min=1)]
LR = Annotated[float | None, _own("The learning rate. Default 0.002.")]
VAL = Annotated[float | None, _own("The share of the images that is kept back to judge by. Default 0.1.")]
PATIENCE = Annotated[int | None, _own("Epochs without a better judgement after which it ends. Default 20.", min=1)]
DENOISE = Annotated[
    float | None, _own("How much pictures are disturbed before they are reconstructed, 0 for not. Default 0.2.")
]
PERCEPTUAL_MODEL = Annotated[
    str | None,
    _own("Whose features a perceptual loss compares. Default torchvision:vgg19.", metavar="MODEL"),
]
PERCEPTUAL_WEIGHTS = Annotated[str | None, _own("A file with its weights.", metavar="FILE")]
PERCEPTUAL_LAYER = Annotated[str | None, _own("The layer whose output is compared.", metavar="NAME")]


@dataclass(frozen=True)
class TrainingOptions:
    """Those that both commands call the same."""

    loss: LOSS = None
    latent: LATENT = None
    width: WIDTH = None
    epochs: EPOCHS = None
    lr: LR = None
    val: VAL = None
    patience: PATIENCE = None
    denoise: DENOISE = None
    perceptual_model: PERCEPTUAL_MODEL = None
    perceptual_weights: PERCEPTUAL_WEIGHTS = None
    perceptual_layer: PERCEPTUAL_LAYER = None

    def training(self, **more: Any) -> Training | None:
        """How to train as these options and `more` say; None where none was given."""
        from labelimg.clusterimg.deep.training import Training

        said = {name: value for name, value in {**vars(self), **more}.items() if value is not None}
        return Training(**said) if said else None
