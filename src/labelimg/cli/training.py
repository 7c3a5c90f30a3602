"""The options that say how an autoencoder is trained, which two commands have."""

from __future__ import annotations

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


def training_of(**given: Any) -> Training | None:
    """How to train as the options say; None where none was given."""
    from labelimg.clusterimg.deep.training import Training

    said = {name: value for name, value in given.items() if value is not None}
    return Training(**said) if said else None
