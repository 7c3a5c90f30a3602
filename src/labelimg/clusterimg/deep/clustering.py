"""`deep_cluster`: from folders of images to folders of kinds of thing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labelimg.cache import FeatureCache
from labelimg.clusterimg.clock import Clock, Stage
from labelimg.clusterimg.deep.candidates import Search
from labelimg.clusterimg.deep.extra import need
from labelimg.clusterimg.deep.grouper import Choosing
from labelimg.clusterimg.pipeline import Folder, check_settings, run, thread_count
from labelimg.clusterimg.results import Clustering, Settings
from labelimg.errors import UsageError
from labelimg.images import read_many

if TYPE_CHECKING:
    from labelimg.clusterimg.deep.decoded import Decoded
    from labelimg.clusterimg.deep.models import Model
    from labelimg.clusterimg.deep.training import Training

DEFAULT_MODEL = "efficientnet_lite0"
DEFAULT_PCA = 64
DEFAULT_NEIGHBOURS = 20
AUTOENCODER = "autoencoder"


def deep_cluster(
    images: Folder | Sequence[Folder],
    *,
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    weights: str | os.PathLike[str] | None = None,
    size: int | None = None,
    algorithm: str = "kmeans",
    clusters: Sequence[int] = (),
    eps: Sequence[float] = (),
    min_samples: Sequence[int] = (),
    min_cluster_size: Sequence[int] = (),
    max_iter: int | None = None,
    pca: int | None = DEFAULT_PCA,
    unit_length: bool = True,
    neighbours: int = DEFAULT_NEIGHBOURS,
    noise: str = "outliers",
    seed: int = 0,
    device: str = "auto",
    training: Training | None = None,
    batch_size: int | None = None,
    rescue: bool = False,
    merge: bool = True,
    out: Folder | None = None,
    transfer: str = "copy",
    keep_batches: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    recursive: bool = True,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    threads: int | None = None,
    cache: FeatureCache | None = None,
    report: bool = True,
    progress: Stage | None = None,
) -> Clustering:
    """Group the images of a folder, or of several, by what a deep model sees; with `out`, sort them into folders there.

    model: "efficientnet_lite0", "torchvision:NAME", "timm:NAME" (both with pretrained weights, or those in the file
    `weights`), the path of a checkpoint of `train`, or "autoencoder", which is trained first, as `training` says, and
    kept beside `out` for the next run of the same images and training. size: of the pictures it is shown, in pixels.

    Each embedding is averaged with those of the `neighbours` images that are nearest to it, weighted by their
    similarity; 0 leaves it as it is. Those of a batch are standardised, reduced to `pca` principal components and, with
    `unit_length`, brought to length 1; then one clustering of `algorithm` (or "all") for each combination of
    `clusters`, `eps`, `min_samples` and `min_cluster_size` is made, and the best of them taken, by the scores of the
    embeddings as they were: see `best_clustering`. What is empty is derived from the images. noise: "outliers",
    "nearest" or "cluster". The clusters of different batches become one if the same done with their first images says
    so; with `rescue` noise takes part in that. The rest is as for `cluster`.

    The same call gives the same result. Raises UsageError for an argument that cannot be, ModelError for a model that
    cannot be had, MissingExtraError where labelimg-suite[deep] is not installed, and what `cluster` raises.
    """
    need("torch", "sklearn")
    folders = [images] if isinstance(images, (str, os.PathLike)) else list(images)
    search = Search(algorithm, tuple(clusters), tuple(eps), tuple(min_samples), tuple(min_cluster_size), max_iter)
    choosing = Choosing(search, pca, unit_length, neighbours, noise, seed)
    name = os.fspath(model)
    if training is not None and name != AUTOENCODER:
        raise UsageError(f"how to train is for the model {AUTOENCODER}, not for {name}")
    settings = Settings(
        folders=tuple(os.path.realpath(folder) for folder in folders),
        method="deep",
        parameters={},
        threshold=None,
        batch_size=batch_size,
        rescue=rescue,
        merge=merge,
        transfer=transfer,
        keep_batches=keep_batches,
        recursive=recursive,
        include=tuple(include),
        exclude=tuple(exclude),
    )
    check_settings(settings)
    if out is not None:
        from labelimg.clusterimg.continuing import check_asked

        check_asked(Path(out), settings, overwrite=overwrite, but=("parameters",))
    from dataclasses import replace

    from labelimg.clusterimg.deep.embedding import Embedder
    from labelimg.clusterimg.deep.engine import DeepEngine, as_parameters
    from labelimg.clusterimg.deep.models import is_checkpoint, open_model

    clock = Clock(progress)
    opened: Model
    decoded: Decoded | None = None
    if name == AUTOENCODER:
        from labelimg.clusterimg.deep.training import Training, trained_beside

        if weights is not None or size is not None:
            raise UsageError("weights and size are not for the model autoencoder: its training says its size")
        keep = Path(out) if out is not None and not dry_run else None
        name, opened, decoded = trained_beside(
            folders,
            settings,
            keep,
            training or Training(seed=seed),
            overwrite=overwrite,
            device=device,
            threads=thread_count(threads),
            clock=clock,
        )
    else:
        with clock.stage("loading the model"):
            opened = open_model(name, weights=weights, size=size)
            name = os.path.abspath(name) if is_checkpoint(name) else name
    embedder = Embedder(opened, device=device)
    given = None if weights is None else os.path.abspath(weights)
    settings = replace(settings, parameters=as_parameters(embedder, choosing, model=name, weights=given))
    engine = DeepEngine(embedder, choosing)
    return run(
        folders,
        settings,
        engine,
        out=out,
        overwrite=overwrite,
        dry_run=dry_run,
        threads=threads,
        cache=cache,
        clock=clock,
        read=decoded or read_many,
        report=report,
    )
