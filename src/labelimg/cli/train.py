"""`labelimg train`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from labelimg.cli.options import DEVICE, EXCLUDE, INCLUDE, JSON, QUIET, RECURSIVE, SEED, THREADS, Images, with_shared
from labelimg.cli.show import Progress, print_unreadable_files
from labelimg.cli.training import TrainingOptions
from labelimg.errors import printable


@with_shared
def train(
    images: Images,
    *,
    how: TrainingOptions,
    model: Annotated[str, typer.Option(help="What is trained: autoencoder.", metavar="MODEL")] = "autoencoder",
    size: Annotated[
        int | None,
        typer.Option(help="Pixels of a side of the pictures, a multiple of 16. Default 64.", show_default=False),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images of a step, shared among GPUs. Default 64.", min=1, show_default=False)
    ] = None,
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
    as_json: JSON = False,
) -> None:
    """Train an autoencoder with the images of a folder, or of several; labelimg deep --model FILE clusters by it."""
    from labelimg.clusterimg.deep import training

    with Progress(quiet=quiet) as progress:
        made = training.train(
            images,
            out=out,
            training=how.training(size=size, batch_size=batch_size, seed=seed),
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
