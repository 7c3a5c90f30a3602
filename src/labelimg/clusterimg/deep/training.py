"""`train`: an autoencoder from folders of images, by Lightning."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.batches import available_memory
from labelimg.clusterimg.clock import Clock, Stage
from labelimg.clusterimg.deep.decoded import Decoded, Jpegs
from labelimg.clusterimg.deep.extra import need
from labelimg.clusterimg.extraction import extract, stamp
from labelimg.clusterimg.pipeline import Folder, thread_count, why_none
from labelimg.decoding import Shrink
from labelimg.errors import ModelError, OutputError, UsageError, printable
from labelimg.images import Unreadable, find_images

if TYPE_CHECKING:
    from torch import nn

    from labelimg.clusterimg.deep.checkpoints import Checkpoint
    from labelimg.clusterimg.deep.models import Model
    from labelimg.clusterimg.results import Settings

MODELS = ("autoencoder",)
LOSSES = ("mse", "l1", "perceptual")


@dataclass(frozen=True)
class Training:
    """How an autoencoder is trained.

    loss: "mse", "l1" or "perceptual". size: of a picture's side in pixels, a multiple of 16. latent: numbers that an
    image becomes. epochs: at most; batch_size: images of a step, of all devices together; lr: Adam's learning rate;
    val: the share of the images that is kept back to judge by; patience: epochs without a better judgement after which
    it ends. denoise: how much pictures are disturbed before they are reconstructed: the standard deviation of the
    noise, of 1; also whether they are shifted and scaled a little. perceptual_model, perceptual_weights,
    perceptual_layer: whose features a perceptual loss compares, "torchvision:vgg19" unless another model is named.
    """

    loss: str = "mse"
    size: int = 64
    latent: int = 16
    width: int = 16
    epochs: int = 150
    batch_size: int = 64
    lr: float = 2e-3
    val: float = 0.1
    patience: int = 20
    denoise: float = 0.2
    seed: int = 0
    perceptual_model: str = "torchvision:vgg19"
    perceptual_weights: str | None = None
    perceptual_layer: str | None = None

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise UsageError(f"loss must be one of {', '.join(LOSSES)}, got {self.loss!r}")
        for name, least in (
            ("epochs", 1),
            ("batch_size", 1),
            ("patience", 1),
            ("width", 1),
            ("latent", 1),
            ("seed", 0),
        ):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise UsageError(f"{name} must be a whole number of at least {least}, got {value!r}")
        if self.seed >= 1 << 32:
            raise UsageError(f"seed must be less than {1 << 32}, got {self.seed}")
        if type(self.size) is not int or not 16 <= self.size <= 1024 or self.size % 16:
            raise UsageError(f"size must be a multiple of 16 between 16 and 1024, got {self.size!r}")
        for name, low, high in (("lr", 1e-9, 10.0), ("val", 0.0, 0.9), ("denoise", 0.0, 10.0)):
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"{name} must be between {low:g} and {high:g}, got {getattr(self, name)!r}")
        if self.loss != "perceptual" and (self.perceptual_weights or self.perceptual_layer):
            raise UsageError(f"perceptual weights and layer are for the loss perceptual, not for {self.loss}")


@dataclass(frozen=True)
class Trained:
    """What `train` made: the checkpoint at `path`, of the best epoch of `epochs`, and its loss.

    loss: of the images that were kept back, or of those trained with where none were. images: how many could be read.
    batch_size: less than was asked for where a GPU's memory did not suffice.
    """

    path: Path
    epochs: int
    best_epoch: int
    loss: float
    images: int
    batch_size: int
    unreadable: tuple[Unreadable, ...]
    seconds: float


@dataclass(frozen=True)
class PixelSource:
    """The pixels themselves as features, (size, size, 3) uint8."""

    size: int
    dtype = np.uint8

    @property
    def shrink(self) -> Shrink:
        """The colour image at the size that is trained with."""
        return Shrink(colour=True, size=(self.size, self.size))

    def feature(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pixels as they are."""
        return pixels

    def finish(self, made: Any) -> Any:
        """The same."""
        return made


def train(
    images: Folder | Sequence[Folder],
    *,
    out: str | os.PathLike[str] = "model.ckpt",
    training: Training | None = None,
    model: str = "autoencoder",
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    recursive: bool = True,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    threads: int | None = None,
    progress: Stage | None = None,
    **options: Any,
) -> Trained:
    """Train an autoencoder with the images of a folder, or of several, and write it to `out`.

    options: the fields of `Training`, in place of one. The file is written every half minute and at the end, whole or
    not at all. resume: go on with the training in `out`; where there is no such file, begin. overwrite: replace it.
    The same call with the same number of threads gives the same weights, also by way of an interruption.

    Raises UsageError for an argument that cannot be, OutputError where `out` cannot be written, ModelError for a
    checkpoint or weights that cannot be used. An image that cannot be read is listed in `unreadable`.
    """
    need("torch", "torchvision", "lightning")
    if model not in MODELS:
        raise UsageError(f"model must be {' or '.join(MODELS)}, got {model!r}")
    if training is not None and options:
        raise UsageError(f"{', '.join(options)} and training exclude each other")
    try:
        how = training or Training(**options)
    except TypeError as error:
        raise UsageError(f"train knows no such option: {error}") from error
    folders = [images] if isinstance(images, (str, os.PathLike)) else list(images)
    target = Path(out)
    check_target(target, resume=resume, overwrite=overwrite)
    clock = Clock(progress)
    data = data_of(folders, recursive=recursive, include=include, exclude=exclude)
    earlier = None
    if resume and target.exists():
        from labelimg.clusterimg.deep.checkpoints import read_checkpoint

        earlier = read_checkpoint(target)
        _check_resumed(earlier, how, target)
    loss = _prepared(how, device, clock)
    found = _pixels(folders, how, data, thread_count(threads), clock)
    return _trained(target, how, data, found, earlier, loss, device, thread_count(threads), clock)


def check_target(target: Path, *, resume: bool, overwrite: bool) -> None:
    """Raise UsageError or OutputError if no checkpoint could be written there."""
    name = printable(target)
    if target.is_dir():
        raise OutputError(f"{name} is a folder; name a file")
    if not target.absolute().parent.is_dir():
        raise OutputError(
            f"cannot write {name}: there is no folder {printable(target.absolute().parent)}; make it first"
        )
    if not os.access(target.absolute().parent, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {name}: permission denied")
    if target.exists() and not (resume or overwrite):
        raise OutputError(f"{name} is there already; add --resume to go on training it or --overwrite to replace it")
    if target.exists() and overwrite and not resume:
        from labelimg.clusterimg.deep.checkpoints import read_checkpoint

        try:
            read_checkpoint(target)
        except ModelError as error:
            raise OutputError(f"{error}; it is not replaced") from error


def data_of(
    folders: Sequence[Folder], *, recursive: bool, include: Sequence[str], exclude: Sequence[str]
) -> dict[str, Any]:
    """What says which images were trained with, as JSON can hold it."""
    return {
        "folders": sorted(os.path.realpath(folder) for folder in folders),
        "recursive": recursive,
        "include": list(include),
        "exclude": list(exclude),
    }


def trained_beside(
    folders: Sequence[Folder],
    settings: Settings,
    out: Path | None,
    training: Training,
    *,
    overwrite: bool,
    device: str,
    threads: int,
    clock: Clock,
) -> tuple[str, Model, Decoded | None]:
    """An autoencoder for these images, its name and model: the one beside `out` if it was made so, else a new one.

    With a new one comes what the training decoded, without it None. A training that was interrupted goes on. Without
    `out` it is not kept. Raises OutputError where a new one would replace the one of a run in `out` and `overwrite` is
    not set.
    """
    need("torch", "torchvision", "lightning")
    from tempfile import TemporaryDirectory

    from labelimg.clusterimg.continuing import check_model
    from labelimg.clusterimg.deep.checkpoints import read_checkpoint
    from labelimg.clusterimg.deep.models import of_autoencoder

    data = data_of(folders, recursive=settings.recursive, include=settings.include, exclude=settings.exclude)
    with TemporaryDirectory(prefix="labelimg-") as scratch:
        target = Path(scratch, "model.ckpt")
        interrupted = None
        if out is not None:
            target = out.absolute().with_name(f"{out.absolute().name}.autoencoder.ckpt")
            if target.exists():
                checkpoint = read_checkpoint(target)
                if dict(checkpoint.training) == _told(training, data) | {"done": True}:
                    return str(target), of_autoencoder(str(target), checkpoint.model()), None
                if dict(checkpoint.training) == _told(training, data) | {"done": False}:
                    interrupted = checkpoint
                elif not overwrite:
                    check_model(out, checkpoint.training, _told(training, data))
            check_target(target, resume=True, overwrite=True)
        loss = _prepared(training, device, clock)
        found = _pixels(folders, training, data, threads, clock, with_thumbnails=out is not None)
        _trained(target, training, data, found, interrupted, loss, device, threads, clock)
        checkpoint = read_checkpoint(target)
    return str(target), of_autoencoder(str(target), checkpoint.model()), found


def _told(how: Training, data: dict[str, Any]) -> dict[str, Any]:
    return {"settings": asdict(how), "data": data}


def _prepared(how: Training, device: str, clock: Clock) -> nn.Module:
    """The loss; what cannot be had, nor computed on, is said before anything is decoded."""
    from labelimg.clusterimg.deep.devices import device_of
    from labelimg.clusterimg.deep.fitting import loss_of

    device_of(device)
    with clock.stage("loading the model"):
        return loss_of(how)


def _pixels(
    folders: Sequence[Folder],
    how: Training,
    data: dict[str, Any],
    threads: int,
    clock: Clock,
    *,
    with_thumbnails: bool = False,
) -> Decoded:
    with clock.stage("finding images"):
        found = find_images(folders, recursive=data["recursive"], include=data["include"], exclude=data["exclude"])
        if not found.paths:
            raise UsageError(f"no images in {', '.join(map(printable, folders))}{why_none(found)}")
    with clock.stage("decoding") as told:
        memory, source = available_memory() // 2, PixelSource(how.size)
        stamps = {path: stamp(path) for path in found.paths}
        jpegs = Jpegs(memory=memory // 4)
        read = extract(
            found.paths,
            source,
            threads=threads,
            memory=memory,
            thumbnails=jpegs if with_thumbnails else None,
            progress=told,
        )
    if len(read.features) < 2:
        raise UsageError(f"to train needs at least 2 images that can be read; there are {len(read.features)}")
    places = {found.paths[row]: place for place, row in enumerate(read.rows.tolist())}
    unreadable = {each.path: each for each in (*found.unreadable, *read.unreadable)}
    return Decoded(source.shrink, read.features, places, unreadable, stamps, jpegs.features())


def _check_resumed(earlier: Checkpoint, how: Training, target: Path) -> None:
    """Raise UsageError if what the file holds was not trained as is asked for now."""
    free = ("epochs", "patience", "batch_size", "lr")
    before, now = earlier.training.get("settings", {}), asdict(how)
    for name, value in now.items():
        if name not in free and before.get(name) != value:
            raise UsageError(
                f"{printable(target)} was trained with {name.replace('_', ' ')} {before.get(name)}, not {value}: "
                "leave the option as it was, or train anew with --overwrite"
            )


def _trained(
    target: Path,
    how: Training,
    data: dict[str, Any],
    pictures: Decoded,
    earlier: Checkpoint | None,
    loss: nn.Module,
    device: str,
    threads: int,
    clock: Clock,
) -> Trained:
    from labelimg.clusterimg.deep.devices import halving
    from labelimg.clusterimg.deep.fitting import fit

    with clock.stage("training") as told:
        done, size = halving(
            lambda size: fit(
                pictures.pixels.stacked(),
                replace(how, batch_size=size),
                target,
                loss=loss,
                told=_told(how, data),
                resume=earlier is not None,
                device=device,
                threads=threads,
                progress=told,
            ),
            how.batch_size,
        )
    return Trained(
        path=target.absolute(),
        epochs=done.epochs,
        best_epoch=done.best_epoch,
        loss=done.loss,
        images=len(pictures.pixels),
        batch_size=size,
        unreadable=tuple(sorted(pictures.unreadable.values(), key=lambda each: each.path)),
        seconds=sum(clock.seconds.values()),
    )
