"""`labelimg deep`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from labelimg.cli.options import DEVICE, SEED, Images, with_shared
from labelimg.cli.runs import RunOptions
from labelimg.cli.training import PANEL, TrainingOptions
from labelimg.errors import UsageError

Number = TypeVar("Number", int, float)
_CANDIDATES = "Options of the candidates"


def _tried(help: str, metavar: str = "N,N,...") -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        help=f"{help} Default: derived from the images.",
        metavar=metavar,
        show_default=False,
        rich_help_panel=_CANDIDATES,
    )
    return option


@with_shared
def deep(
    images: Images,
    *,
    model: Annotated[
        str,
        typer.Option(
            help="What sees: efficientnet_lite0, torchvision:NAME, timm:NAME, a checkpoint of labelimg train, or "
            "autoencoder, which is trained first.",
            metavar="MODEL",
        ),
    ] = "efficientnet_lite0",
    weights: Annotated[
        Path | None,
        typer.Option(help="A file with weights, of torchvision:NAME or timm:NAME.", metavar="FILE", show_default=False),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Pixels of a side of what it is shown. Default: the model's own.", show_default=False),
    ] = None,
    algorithm: Annotated[
        str,
        typer.Option(
            help="What clusters: kmeans, hierarchy, dbscan, gaussian, hdbscan, or all of them.",
            metavar="ALGORITHM",
            rich_help_panel=_CANDIDATES,
        ),
    ] = "kmeans",
    clusters: Annotated[str | None, _tried("Cluster counts of kmeans, hierarchy and gaussian.")] = None,
    eps: Annotated[str | None, _tried("How far neighbours are at most, of dbscan.", "X,X,...")] = None,
    min_samples: Annotated[str | None, _tried("Neighbours of a dense place, of dbscan and hdbscan.")] = None,
    min_cluster_size: Annotated[str | None, _tried("Images of the smallest cluster, of hdbscan.")] = None,
    max_iter: Annotated[
        int | None,
        typer.Option(
            help="Iterations of kmeans (default 300) and gaussian (default 100) at most.",
            min=1,
            show_default=False,
            rich_help_panel=_CANDIDATES,
        ),
    ] = None,
    pca: Annotated[int, typer.Option(help="Principal components that are clustered; 0 for all.", min=0)] = 64,
    unit_length: Annotated[
        bool, typer.Option("--unit-length/--no-unit-length", help="Bring every embedding to length 1.")
    ] = True,
    neighbours: Annotated[
        int,
        typer.Option(help="Nearest images that an embedding is averaged with; 0 for none.", min=0, max=1000),
    ] = 20,
    noise: Annotated[
        str,
        typer.Option(
            help="Where the noise of dbscan and hdbscan goes: outliers, nearest (cluster) or cluster (of its own).",
            metavar="WHERE",
        ),
    ] = "outliers",
    seed: SEED = 0,
    device: DEVICE = "auto",
    run: RunOptions,
    rescue: Annotated[
        bool, typer.Option("--rescue/--no-rescue", help="Let the noise of a batch take part in merging.")
    ] = False,
    training: TrainingOptions,
    train_size: Annotated[
        int | None,
        typer.Option(
            help="Pixels of a side of the pictures it is trained with, a multiple of 16. Default 64.",
            show_default=False,
            rich_help_panel=PANEL,
        ),
    ] = None,
    train_batch_size: Annotated[
        int | None,
        typer.Option(
            help="Images of a step, shared among GPUs. Default 64.", min=1, show_default=False, rich_help_panel=PANEL
        ),
    ] = None,
) -> None:
    """Sort a folder of mixed images, or several, into folders of kinds of thing, by what a deep model sees.

    Needs labelimg-suite[deep]. The options of training are for --model autoencoder. The images are copied unless
    --transfer says otherwise; the originals stay as they are.
    """
    from labelimg.clusterimg.deep import clustering

    own_seed = seed or None if model == clustering.AUTOENCODER else None
    run.carry_out(
        clustering.deep_cluster,
        images,
        model=model,
        weights=weights,
        size=size,
        algorithm=algorithm,
        clusters=numbers_of("--clusters", clusters, int),
        eps=numbers_of("--eps", eps, float),
        min_samples=numbers_of("--min-samples", min_samples, int),
        min_cluster_size=numbers_of("--min-cluster-size", min_cluster_size, int),
        max_iter=max_iter,
        pca=pca or None,
        unit_length=unit_length,
        neighbours=neighbours,
        noise=noise,
        seed=seed,
        device=device,
        training=training.training(size=train_size, batch_size=train_batch_size, seed=own_seed),
        rescue=rescue,
    )


def numbers_of(option: str, text: str | None, kind: Callable[[str], Number]) -> tuple[Number, ...]:
    """Numbers from "5,10,20"; raises UsageError for anything else.

    >>> numbers_of("--clusters", "5,10", int)
    (5, 10)
    """
    if text is None:
        return ()
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{option} must be numbers with commas between them, got {text!r}") from None
