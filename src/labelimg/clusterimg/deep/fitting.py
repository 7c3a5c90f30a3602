"""The training itself: Lightning's loop around an autoencoder and its loss."""

from __future__ import annotations

import logging
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from labelimg import files
from labelimg.clusterimg.deep.autoencoders import Autoencoder, Shape
from labelimg.clusterimg.deep.checkpoints import OURS, Checkpoint, load_plain
from labelimg.clusterimg.deep.devices import training_devices
from labelimg.clusterimg.deep.embedding import torch_threads
from labelimg.clusterimg.deep.losses import PerceptualLoss, pixel_loss
from labelimg.clusterimg.deep.several import together
from labelimg.clusterimg.deep.steps import Steps, disturbed, divided, loader, parts
from labelimg.clusterimg.deep.training import Training
from labelimg.clusterimg.features import no_room
from labelimg.errors import ModelError, UsageError, printable
from labelimg.torchvision_loading import import_torchvision

import_torchvision()  # before Lightning, which imports it too

import lightning.pytorch as pl  # noqa: E402
from lightning.fabric.plugins.environments.lightning import (  # noqa: E402
    LightningEnvironment,
    find_free_network_port,
)
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO  # noqa: E402
from lightning.fabric.utilities.exceptions import MisconfigurationException  # noqa: E402
from lightning.pytorch.callbacks import EarlyStopping  # noqa: E402

_SAVED_EVERY_S = 30.0


@dataclass(frozen=True)
class Fitted:
    """How a training ended."""

    epochs: int
    best_epoch: int
    loss: float


@dataclass(frozen=True)
class _Task:
    """What each process of a training is told."""

    how: Training
    target: Path
    told: Mapping[str, Any]
    resume: bool
    accelerator: str
    devices: tuple[int, ...]
    threads: int
    scratch: str


def fit(
    pixels: NDArray[np.uint8],
    how: Training,
    target: Path,
    *,
    loss: nn.Module,
    told: Mapping[str, Any],
    resume: bool,
    device: str,
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> Fitted:
    """Train with the pictures, (n, size, size, 3), and write the checkpoint; raises torch.OutOfMemoryError.

    progress is told the steps done and the steps there are at most. Of several GPUs each has a process and a share of
    every step, of two pictures at least: with fewer, not all GPUs are used. `loss` is for this process; others make
    their own.
    """
    training, judged = divided(len(pixels), how)
    most = min(how.batch_size // 2, len(training) // 2, len(judged) or len(training))
    accelerator, devices = training_devices(device, most)
    each = max(1, threads // len(devices))
    with TemporaryDirectory(prefix="labelimg-") as scratch:
        task = _Task(how, target, dict(told), resume, accelerator, devices, each, scratch)
        if len(devices) == 1:
            return _fit(pixels, task, 0, loss=loss, progress=progress)
        with TemporaryFile() as file:  # which the processes map into their memory
            try:
                file.write(np.ascontiguousarray(pixels).data)
                file.flush()
            except OSError as error:
                raise no_room(error) from error
            return together(
                partial(_fit_apart, task, find_free_network_port(), file.fileno(), pixels.shape),
                len(devices),
                tell=lambda step: progress(*step) if progress is not None else None,
                descriptors=[file.fileno()],
            )


def _fit_apart(
    task: _Task, port: int, descriptor: int, shape: tuple[int, ...], rank: int, tell: Callable[[Any], None]
) -> Fitted:
    """The share of one process, which the others reach by way of the port."""
    os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ["OMP_NUM_THREADS"] = str(task.threads)  # else Lightning chooses
    with os.fdopen(descriptor, "rb") as file:
        pixels = np.memmap(file, np.uint8, "r", shape=shape).view(np.ndarray)
    progress = None if rank else lambda done, most: tell((done, most))
    return _fit(pixels, task, rank, loss=loss_of(task.how), progress=progress)


def _fit(
    pixels: NDArray[np.uint8],
    task: _Task,
    rank: int,
    *,
    loss: nn.Module,
    progress: Callable[[int, int], None] | None,
) -> Fitted:
    how, on_gpu, count = task.how, task.accelerator == "cuda", len(task.devices)
    training, judged = divided(len(pixels), how)
    module = _Module(how, task.told, loss, judged=len(judged))
    steps = Steps(len(training), how.batch_size, rank=rank, count=count, seed=how.seed)
    loaders: dict[str, Any] = {"train_dataloaders": loader(pixels, training, steps)}
    if len(judged):
        loaders["val_dataloaders"] = loader(pixels, judged, parts(len(judged), how.batch_size, rank, count))
    watched = "val_loss" if len(judged) else "train_loss"
    saving = _Saving(task.target, watched, progress)
    stopping = EarlyStopping(watched, patience=how.patience, check_on_train_epoch_end=not len(judged))
    with _quiet([task.devices[rank]] if on_gpu else []), torch_threads(task.threads):
        torch.manual_seed(how.seed)
        module.build()
        trainer = pl.Trainer(
            accelerator=task.accelerator,
            devices=list(task.devices) if on_gpu else count,
            strategy="ddp" if count > 1 else "auto",
            sync_batchnorm=on_gpu and count > 1,  # torch's is for GPUs alone
            use_distributed_sampler=False,
            precision="16-mixed" if on_gpu else "32-true",
            deterministic="warn" if on_gpu else False,
            max_epochs=how.epochs,
            callbacks=[stopping, saving],
            plugins=[_AtomicIO(), LightningEnvironment()] if count > 1 else [_AtomicIO()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=task.scratch,
        )
        interrupt = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(module, **loaders, ckpt_path=str(task.target) if task.resume else None, weights_only=True)
        except SystemExit as leaving:  # so Lightning ends after Ctrl-C, which it ignores from then on
            signal.signal(signal.SIGINT, interrupt)
            raise KeyboardInterrupt from leaving
        except MisconfigurationException as error:
            if not task.resume or "max_epochs" not in str(error):
                raise
            raise UsageError(
                f"{printable(task.target)} was trained for more than {how.epochs} epochs already: name more epochs, or "
                "train anew with --overwrite"
            ) from error
    if module.best is None:
        raise ModelError("the training came to nothing: its loss is not a finite number; try a smaller lr")
    return Fitted(trainer.current_epoch, module.best.epoch, module.best.loss)


class _Module(pl.LightningModule):
    """An autoencoder, its loss, and the best weights so far."""

    def __init__(self, how: Training, told: Mapping[str, Any], loss: nn.Module, *, judged: int) -> None:
        super().__init__()
        self.how = how
        self.judged = judged
        self.loss = loss
        self.told = dict(told)
        self.best: Checkpoint | None = None
        self.finished = False

    def build(self) -> None:
        """Make the network with the random numbers of the moment."""
        self.network = Autoencoder(Shape(self.how.size, self.how.latent, self.how.width))

    def on_train_epoch_start(self) -> None:
        """Begin each epoch with random numbers of its own, so that a resumed training is the same as one in one go."""
        torch.manual_seed(self.how.seed * 100_003 + self.current_epoch + (self.global_rank << 40))

    def training_step(self, batch: Tensor, _number: int) -> Tensor:
        """The loss of disturbed pictures' reconstruction against the undisturbed."""
        wanted = batch.float() / 255
        loss: Tensor = self.loss(self.network(disturbed(wanted, self.how.denoise)), wanted)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch), sync_dist=True)
        return loss

    def validation_step(self, batch: Tensor, _number: int) -> None:
        """The loss of pictures that are not trained with."""
        wanted = batch.float() / 255
        share = self.loss(self.network(wanted), wanted) * (len(batch) / self.judged)
        # A sum, for Lightning's mean over processes goes wrong where their numbers of pictures differ.
        self.log("val_loss", share, batch_size=len(batch), reduce_fx="sum", sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Adam with its weight decay kept apart."""
        return torch.optim.AdamW(self.network.parameters(), lr=self.how.lr, weight_decay=1e-4)

    def state_dict(self, *arguments: Any, **options: Any) -> Any:
        """The network's alone: the loss has frozen weights that come from elsewhere."""
        whole = super().state_dict(*arguments, **options)
        return {name: values for name, values in whole.items() if name.startswith("network.")}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:  # noqa: ARG002
        """The same back again."""
        return super().load_state_dict(state, strict=False, assign=assign)

    def keep_if_best(self, loss: float) -> None:
        """Remember the weights if none before had a lower loss."""
        if np.isfinite(loss) and (self.best is None or loss < self.best.loss):
            state = {name: values.detach().cpu().clone() for name, values in self.network.state_dict().items()}
            self.best = Checkpoint(self.network.shape, state, self.told, self.current_epoch + 1, loss)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the best weights into the file beside Lightning's own."""
        if self.best is not None:
            best = self.best.as_dict()
            checkpoint[OURS] = best | {"training": {**self.told, "done": self.finished}}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them up again."""
        own = checkpoint[OURS]
        self.best = Checkpoint(Shape(**own["shape"]), own["state"], own["training"], own["epoch"], own["loss"])


class _Saving(pl.Callback):
    """Keeps the best weights, writes the file now and then and at the end, and tells how far it is."""

    def __init__(self, target: Path, watched: str, progress: Callable[[int, int], None] | None) -> None:
        self._target = target
        self._watched = watched
        self._progress = progress
        self._saved = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Tell the steps done."""
        if self._progress is not None:
            self._progress(trainer.global_step, int(trainer.estimated_stepping_batches))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep what is best, after the validation of the epoch."""
        assert isinstance(pl_module, _Module)
        loss = trainer.callback_metrics.get(self._watched)
        if loss is not None:
            pl_module.keep_if_best(float(loss))
        due = time.monotonic() - self._saved > _SAVED_EVERY_S and pl_module.best is not None
        if trainer.strategy.reduce_boolean_decision(due, all=False):  # all processes save at once
            trainer.save_checkpoint(self._target)
            self._saved = time.monotonic()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the file for good."""
        assert isinstance(pl_module, _Module)
        pl_module.finished = True
        if pl_module.best is not None:
            trainer.save_checkpoint(self._target)


class _AtomicIO(CheckpointIO):
    """Lightning's checkpoints by way of `files`, read as plain values alone."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write the file, or leave what was there."""
        files.write_atomic(path, partial(torch.save, checkpoint), binary=True)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:  # noqa: ARG002
        """What is in the file."""
        return load_plain(path)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove the file."""
        files.remove_file(path)


def loss_of(how: Training) -> nn.Module:
    """The loss of a training; raises UsageError or ModelError where its model cannot be had."""
    if how.loss != "perceptual":
        return pixel_loss(how.loss)
    from labelimg.clusterimg.deep.models import open_model

    try:
        seer = open_model(how.perceptual_model, weights=how.perceptual_weights)
    except ModelError as error:
        raise ModelError(str(error).replace("--weights FILE", "--perceptual-weights FILE")) from error
    layer = how.perceptual_layer or seer.default_layer
    loss = PerceptualLoss(seer.network if layer is None else seer.body, mean=seer.mean, std=seer.std, layer=layer)
    picture = torch.zeros(1, 3, how.size, how.size)
    try:
        loss(picture, picture)
    except RuntimeError as error:
        raise UsageError(
            f"{how.perceptual_model} cannot look at pictures of {how.size} x {how.size} pixels: choose a greater size "
            f"or another layer ({' '.join(str(error).split())[:80]})"
        ) from error
    return loss


@contextmanager
def _quiet(gpus: list[int]) -> Iterator[None]:
    """Within it Lightning neither prints nor warns, and torch's random numbers are the training's own."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    deterministic = torch.are_deterministic_algorithms_enabled()
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=gpus):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
