"""Segment Anything behind one small protocol: the packages segment-anything and SAM 2, and how checkpoints are loaded.

torch and the packages are imported when a model is loaded. A checkpoint is loaded as data alone (`weights_only`), so a
file from anywhere can be tried. The shape of the model is read off the checkpoint, not off its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UsageError, printable
from labelimg.files import reason
from labelimg.segmentatimg.regions import Pixels
from labelimg.segmentatimg.sam_loading import (
    WHERE,
    architecture,
    check_memory,
    device_of,
    memory,
    state_of,
    torch_module,
)

Mask = NDArray[np.bool_]
Progress = Callable[[int, int], None]

MODELS = ("auto", "vit_b", "vit_l", "vit_h")
POINTS_PER_SIDE = 32
_POINTS_PER_BATCH = 32


@dataclass(frozen=True, eq=False)
class Embedding:
    """What a model keeps of an image. arrays: its features, float32; size: height and width of the image."""

    arrays: tuple[NDArray[np.float32], ...]
    size: tuple[int, int]


class Model(Protocol):
    """A model that finds what is pointed at.

    `name` says which model it is and `fingerprint` which weights: with another one embeddings are others. Images are
    uint8 (h, w, 3) RGB; coordinates are (x, y), pixel centres. Several threads may use it at once.
    """

    name: str
    fingerprint: str

    def encode(self, image: Pixels) -> Embedding:
        """The embedding of an image; by far the slowest step of pointing."""

    def decode(
        self,
        embedding: Embedding,
        points: NDArray[np.float32] | None,
        labels: NDArray[np.int32] | None,
        box: NDArray[np.float32] | None,
    ) -> Mask:
        """The mask of one object, bool (h, w).

        points: (n, 2); labels: (n,), 1 foreground, 0 background; box: left, top, right, bottom, its last pixels
        included. Of a single point without a box, which may mean a thing or a part of it, the model makes three masks,
        and the one that it thinks best is taken.
        """

    def generate(self, image: Pixels, progress: Progress | None = None) -> list[Mask]:
        """Masks of all that is in the image, bool (h, w); `progress` is called with (done, total)."""


def load_model(
    checkpoint: str | os.PathLike[str],
    model: str = "auto",
    device: str = "auto",
    *,
    points_per_side: int = POINTS_PER_SIDE,
    thresholds: Mapping[str, float] | None = None,
) -> Model:
    """The model of a checkpoint file.

    model: vit_b, vit_l or vit_h if the checkpoint must be that one; auto takes any, also of SAM 2. device: as torch
    names it, auto is cuda where there is one. points_per_side, thresholds: those of the packages' automatic mask
    generators, by their names.

    Raises UsageError for a missing or wrong checkpoint, an unknown model or device; MissingExtraError where a package
    is not installed; ModelError where there is too little memory.
    """
    if model not in MODELS:
        raise UsageError(f"--sam-model must be one of {', '.join(MODELS)}, got {model!r}")
    fingerprint = fingerprint_of(checkpoint)
    torch = torch_module()
    where = device_of(torch, device)
    check_memory(int(1.2 * os.stat(checkpoint).st_size), f"loading {printable(checkpoint)}")
    state = state_of(torch, checkpoint)
    options = {"points_per_side": points_per_side, "points_per_batch": _POINTS_PER_BATCH, **(thresholds or {})}
    with memory():
        from labelimg.segmentatimg.sam_adapters import Sam, Sam2

        if getattr(state.get("image_encoder.trunk.patch_embed.proj.weight"), "ndim", 0) == 4:
            if model != "auto":
                raise UsageError(
                    f"{printable(checkpoint)} is a checkpoint of SAM 2, not of {model}: leave --sam-model out"
                )
            return Sam2(state, fingerprint, where, options)
        shape = architecture(state)
        if shape is None:
            raise UsageError(f"{printable(checkpoint)} is no checkpoint of Segment Anything: give {WHERE}")
        if model != "auto" and shape["name"] != model:
            raise UsageError(f"{printable(checkpoint)} is a checkpoint of {shape['name']}, not of {model}: "
                             "leave --sam-model out or give another file")  # fmt: skip
        return Sam(state, shape, fingerprint, where, options)


def fingerprint_of(checkpoint: str | os.PathLike[str]) -> str:
    """What tells the weights in a file from others: a digest of its length and of 256 pieces of it.

    Raises UsageError for a file that cannot be read.
    """
    piece = 1 << 14
    try:
        with open(checkpoint, "rb") as file:
            length = os.fstat(file.fileno()).st_size
            digest = blake2b(str(length).encode(), digest_size=12)
            for k in range(256):
                file.seek(max(0, length - piece) * k // 255)
                digest.update(file.read(piece))
    except OSError as error:
        raise UsageError(
            f"--sam-checkpoint {printable(checkpoint)}: {reason(error)}; give the file of a model: {WHERE}"
        ) from error
    return digest.hexdigest()
