"""The training itself: Lightning's loop around an autoencoder and its loss."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, Sampler

from labelimg import files
from labelimg.clusterimg.deep.autoencoders import Autoencoder, Shape
from labelimg.clusterimg.deep.checkpoints import OURS, Checkpoint, load_plain
from labelimg.clusterimg.deep.devices import device_of
from labelimg.clusterimg.deep.embedding import torch_threads
from labelimg.clusterimg.deep.losses import PerceptualLoss, pixel_loss
from labelimg.clusterimg.deep.training import Training
from labelimg.errors import ModelError, UsageError, printable
from labelimg.torchvision_loading import import_torchvision

import_torchvision()  # before Lightning, which imports it too

import lightning.pytorch as pl  # noqa: E402
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO  # noqa: E402
from lightning.fabric.utilities.exceptions import MisconfigurationException  # noqa: E402
from lightning.pytorch.callbacks import EarlyStopping  # noqa: E402

_SAVED_EVERY_S = 30.0
_SHIFT, _SCALE = 0.06, 0.15  # of the picture, at most, where pictures are disturbed


@dataclass(frozen=True)
class Fitted:
    """How a training ended."""

    epochs: int
    best_epoch: int
    loss: float


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

    progress is told the steps done and the steps there are at most.
    """
    order = np.random.default_rng(how.seed).permutation(len(pixels))
    kept = min(len(pixels) - 1, max(1, round(len(pixels) * how.val))) if how.val > 0 else 0
    where = device_of(device)
    module = _Module(how, told, loss)
    loaders: dict[str, Any] = {"train_dataloaders": _loader(pixels, order[kept:], how, shuffled=True)}
    if kept:
        loaders["val_dataloaders"] = _loader(pixels, order[:kept], how, shuffled=False)
    watched = "val_loss" if kept else "train_loss"
    saving = _Saving(target, watched, progress)
    stopping = EarlyStopping(watched, patience=how.patience, check_on_train_epoch_end=not kept)
    with _quiet(where), torch_threads(threads), TemporaryDirectory(prefix="labelimg-") as scratch:
        torch.manual_seed(how.seed)
        module.build()
        trainer = pl.Trainer(
            accelerator="cuda" if where.type == "cuda" else "cpu",
            devices=[where.index or 0] if where.type == "cuda" else 1,
            precision="16-mixed" if where.type == "cuda" else "32-true",
            deterministic="warn" if where.type == "cuda" else False,
            max_epochs=how.epochs,
            callbacks=[stopping, saving],
            plugins=[_AtomicIO()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=scratch,
        )
        try:
            trainer.fit(module, **loaders, ckpt_path=str(target) if resume else None, weights_only=True)
        except SystemExit as leaving:  # so Lightning ends after Ctrl-C
            raise KeyboardInterrupt from leaving
        except MisconfigurationException as error:
            if not resume or "max_epochs" not in str(error):
                raise
            raise UsageError(
                f"{printable(target)} was trained for more than {how.epochs} epochs already: name more epochs, or "
                "train anew with --overwrite"
            ) from error
    if module.best is None:
        raise ModelError("the training came to nothing: its loss is not a finite number; try a smaller lr")
    return Fitted(trainer.current_epoch, module.best.epoch, module.best.loss)


class _Module(pl.LightningModule):
    """An autoencoder, its loss, and the best weights so far."""

    def __init__(self, how: Training, told: Mapping[str, Any], loss: nn.Module) -> None:
        super().__init__()
        self.how = how
        self.loss = loss
        self.told = dict(told)
        self.best: Checkpoint | None = None
        self.finished = False

    def build(self) -> None:
        """Make the network with the random numbers of the moment."""
        self.network = Autoencoder(Shape(self.how.size, self.how.latent, self.how.width))

    def on_train_epoch_start(self) -> None:
        """Begin each epoch with random numbers of its own, so that a resumed training is the same as one in one go."""
        torch.manual_seed(self.how.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: Tensor, _number: int) -> Tensor:
        """The loss of disturbed pictures' reconstruction against the undisturbed."""
        wanted = batch.float() / 255
        loss: Tensor = self.loss(self.network(disturbed(wanted, self.how.denoise)), wanted)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch))
        return loss

    def validation_step(self, batch: Tensor, _number: int) -> None:
        """The loss of pictures that are not trained with."""
        wanted = batch.float() / 255
        self.log("val_loss", self.loss(self.network(wanted), wanted), batch_size=len(batch))

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
        if time.monotonic() - self._saved > _SAVED_EVERY_S and pl_module.best is not None:
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


class _Pictures(Dataset[Tensor]):
    """Some of the pictures, fetched a batch at a time."""

    def __init__(self, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
        self._pixels = pixels
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> Tensor:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: list[int]) -> Tensor:
        """(batch, 3, size, size) uint8."""
        return torch.from_numpy(self._pixels[self._rows[places]]).permute(0, 3, 1, 2)


class _Shuffled(Sampler[int]):
    """Every place once in an order that the seed and the epoch decide."""

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return iter(np.random.default_rng((self._seed, self._epoch)).permutation(self._count).tolist())


def _loader(pixels: NDArray[np.uint8], rows: NDArray[np.int64], how: Training, *, shuffled: bool) -> DataLoader[Tensor]:
    sampler = _Shuffled(len(rows), how.seed) if shuffled else None
    # A last batch of one image would have no deviation for the batch norms.
    last = shuffled and len(rows) > how.batch_size and len(rows) % how.batch_size == 1
    return DataLoader(
        _Pictures(pixels, rows), batch_size=how.batch_size, sampler=sampler, drop_last=last, collate_fn=_as_it_is
    )


def _as_it_is(batch: Any) -> Any:
    return batch


def disturbed(pictures: Tensor, amount: float) -> Tensor:
    """The pictures shifted and scaled a little, with grey noise of this standard deviation; at 0 as they are."""
    if amount == 0:
        return pictures
    n = len(pictures)
    place = torch.zeros(n, 2, 3, device=pictures.device)
    place[:, :, 2] = (torch.rand(n, 2, device=pictures.device) * 2 - 1) * 2 * _SHIFT
    place[:, 0, 0] = 1 + (torch.rand(n, device=pictures.device) * 2 - 1) * _SCALE
    place[:, 1, 1] = 1 + (torch.rand(n, device=pictures.device) * 2 - 1) * _SCALE
    grid = functional.affine_grid(place, list(pictures.shape), align_corners=False)
    moved = functional.grid_sample(pictures, grid, align_corners=False)
    return moved + amount * torch.randn_like(moved[:, :1])


def loss_of(how: Training) -> nn.Module:
    """The loss of a training; raises UsageError or ModelError where its model cannot be had."""
    if how.loss != "perceptual":
        return pixel_loss(how.loss)
    from labelimg.clusterimg.deep.models import open_model

    seer = open_model(how.perceptual_model, weights=how.perceptual_weights)
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
def _quiet(where: torch.device) -> Iterator[None]:
    """Within it Lightning neither prints nor warns, and torch's random numbers are the training's own."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    deterministic = torch.are_deterministic_algorithms_enabled()
    try:
        with (
            warnings.catch_warnings(),
            torch.random.fork_rng(devices=[where.index or 0] if where.type == "cuda" else []),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
