"""The files of trained autoencoders: written whole or not at all, and never run when they are read."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch

from labelimg import files
from labelimg.clusterimg.deep.autoencoders import Autoencoder, Shape
from labelimg.errors import ModelError, UsageError, printable

if TYPE_CHECKING:
    from torch import Tensor

OURS = "labelimg"  # the part of a Lightning checkpoint that is ours

_FORMAT = "labelimg autoencoder"
_VERSION = 1


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: the best weights so far, and how far the training was and how it was done.

    training: the settings and the data that it was trained with, JSON's types. epoch: of the best weights, from 1.
    loss: theirs, of the validation images where there were any.
    """

    shape: Shape
    state: Mapping[str, Tensor]
    training: Mapping[str, Any]
    epoch: int
    loss: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "training", MappingProxyType(dict(self.training)))

    def as_dict(self) -> dict[str, Any]:
        """As it is written into the file."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "shape": asdict(self.shape),
            "state": dict(self.state),
            "training": dict(self.training),
            "epoch": self.epoch,
            "loss": self.loss,
        }

    def model(self) -> Autoencoder:
        """The autoencoder with these weights, ready to embed; raises ModelError if they are not of its shape."""
        model = Autoencoder(self.shape)
        try:
            model.load_state_dict(dict(self.state))
        except (RuntimeError, TypeError, AttributeError) as error:
            raise ModelError(f"its weights are not those of an autoencoder of {self.shape}") from error
        return model.eval()


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """The checkpoint in a file of `labelimg train`; raises ModelError with one line that names it otherwise.

    Nothing in the file is run: it is read as numbers and plain values alone.
    """
    name = printable(path)
    found = load_plain(path)
    own = found.get(OURS) if isinstance(found, dict) else None
    if not (isinstance(own, dict) and own.get("format") == _FORMAT):
        raise ModelError(f"{name} is no checkpoint of labelimg train")
    if own.get("version") != _VERSION:
        raise ModelError(f"{name} was written by another version of labelimg: its format is {own.get('version')!r}")
    try:
        checkpoint = Checkpoint(
            Shape(**own["shape"]), dict(own["state"]), dict(own["training"]), int(own["epoch"]), float(own["loss"])
        )
        checkpoint.model()
    except ModelError as error:
        raise ModelError(f"{name} cannot be used: {error}") from error
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise ModelError(f"{name} is a damaged checkpoint: {' '.join(str(error).split())[:120]}") from error
    return checkpoint


def _is_pickled(path: Path) -> bool:
    """Whether a file begins as those do that torch writes, now or long ago; others are no weights at all."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
    return False


def load_plain(path: str | os.PathLike[str]) -> Any:
    """What torch.save wrote, tensors and plain values alone, on the processor; raises ModelError with one line."""
    name = printable(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a pickle that torch did not write; it is refused below
            return torch.load(Path(path), map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"no such file: {name}; check the spelling") from error
    except OSError as error:
        raise ModelError(f"{name} cannot be read: {files.reason(error)}") from error
    except Exception as error:  # on garbage it raises nearly every type there is
        if _is_pickled(Path(path)) and ("weights_only" in str(error) or "Unsupported" in str(error)):
            raise ModelError(f"{name} holds more than numbers and would have to be run to be read; refused") from error
        raise ModelError(f"{name} is truncated, damaged or no file of weights") from error
