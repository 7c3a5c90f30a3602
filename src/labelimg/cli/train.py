"""`labelimg train`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from labelimg.cli import training as options
from labelimg.cli.options import DEVICE, EXCLUDE, INCLUDE, QUIET, RECURSIVE, SEED, THREADS, Images
from labelimg.cli.show import Progress, print_unreadable_files
from labelimg.errors import printable


def train(
    images: Images,
    loss: options.LOSS = None,
    model: Annotated[str, typer.Option(help="What is trained: autoencoder.", metavar="MODEL")] = "autoencoder",
    size: Annotated[
        int | None,
        typer.Option(help="Pixels of a side of the pictures, a multiple of 16. Default 64.", show_default=False),
    ] = None,
    latent: options.LATENT = None,
    width: options.WIDTH = None,
    epochs: options.EPOCHS = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images of a step. Default 64.", min=1, show_default=False)
    ] = None,
    lr: options.LR = None,
    val: options.VAL = None,
    patience: options.PATIENCE = None,
    denoise: options.DENOISE = None,
    perceptual_model: options.PERCEPTUAL_MODEL = None,
    perceptual_weights: options.PERCEPTUAL_WEIGHTS = None,
    perceptual_layer: options.PERCEPTUAL_LAYER = None,
    seed: SEED = 0,
    device: DEVICE = "auto",
    out: Annotated[Path, typer.Option(help="The file that is written.", metavar="FILE")] = Path("model.ckpt"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in that file.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    recursive: RECURSIVE = True,
    include: INCLUDE = None,
    exclude: EXCLUDE = None,
    threads: THREADS = None,
    quiet: QUIET = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Train an autoencoder with the images of a folder, or of several; labelimg deep --model FILE clusters by it."""
    from labelimg.clusterimg.deep import training

    how = options.training_of(
        loss=loss,
        size=size,
        latent=latent,
        width=width,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        val=val,
        patience=patience,
        denoise=denoise,
        perceptual_model=perceptual_model,
        perceptual_weights=perceptual_weights,
        perceptual_layer=perceptual_layer,
        seed=seed,
    )
    with Progress(quiet=quiet) as progress:
        made = training.train(
            images,
            out=out,
            training=how,
            model=model,
            resume=resume,
            overwrite=overwrite,
            device=device,
            recursive=recursive,
            include=include or (),
            exclude=exclude or (),
            threads=threads,
            progress=progress,
        )
    if not quiet:
        print_unreadable_files(made.unreadable, os.path.commonpath([os.path.realpath(folder) for folder in images]))
    numbers = {
        "images": made.images,
        "unreadable": len(made.unreadable),
        "epochs": made.epochs,
        "best_epoch": made.best_epoch,
        "loss": round(made.loss, 6),
        "seconds": round(made.seconds, 3),
        "out": str(made.path),
    }
    if as_json:
        typer.echo(json.dumps(numbers))
        return
    for name, value in {**numbers, "seconds": f"{made.seconds:.1f}", "out": printable(made.path)}.items():
        typer.echo(f"{name.replace('_', ' '):<11} {value}")
