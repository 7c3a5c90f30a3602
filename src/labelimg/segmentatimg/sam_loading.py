"""What it takes to load a Segment Anything model: torch and the packages, checkpoints, devices, memory."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from labelimg.errors import LabelimgError, MissingExtraError, ModelError, UsageError, printable
from labelimg.memory import available_memory

WHERE = "vit_b, vit_l or vit_h of Segment Anything, or one of SAM 2"
_WIDTHS = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}
_HEADS_OF_DECODER = 8  # not to be seen in a checkpoint; the same in all that were published


class CancelledError(LabelimgError):
    """Somebody did not want to wait for the end."""


def architecture(state: Mapping[str, Any]) -> dict[str, Any] | None:
    """The shape of the Segment Anything model whose weights these are, None for weights of something else."""
    try:
        patches = state["image_encoder.patch_embed.proj.weight"].shape
        grid = int(state["image_encoder.pos_embed"].shape[1])
        blocks = count_of(state, "image_encoder.blocks.")
        width, patch = int(patches[0]), int(patches[-1])
        positions = [state[f"image_encoder.blocks.{k}.attn.rel_pos_h"].shape for k in range(blocks)]
        windows = [(int(length) + 1) // 2 for length, _ in positions]
        inside = [size for size in windows if size != grid]
        decoder = "mask_decoder."
        return {
            "name": _WIDTHS.get(width, f"vit of width {width}"),
            "encoder": {
                "depth": blocks,
                "embed_dim": width,
                "img_size": grid * patch,
                "mlp_ratio": state["image_encoder.blocks.0.mlp.lin1.weight"].shape[0] / width,
                "num_heads": width // int(positions[0][1]),
                "patch_size": patch,
                "window_size": inside[0] if inside else 0,
                "global_attn_indexes": [k for k, size in enumerate(windows) if size == grid],
                "out_chans": int(state["image_encoder.neck.0.weight"].shape[0]),
            },
            "mask_in_chans": int(state["prompt_encoder.mask_downscaling.3.weight"].shape[0]),
            "transformer": {
                "depth": count_of(state, decoder + "transformer.layers."),
                "embedding_dim": int(state[decoder + "iou_token.weight"].shape[1]),
                "mlp_dim": int(state[decoder + "transformer.layers.0.mlp.lin1.weight"].shape[0]),
                "num_heads": _HEADS_OF_DECODER,
            },
            "decoder": {
                "num_multimask_outputs": int(state[decoder + "mask_tokens.weight"].shape[0]) - 1,
                "iou_head_depth": count_of(state, decoder + "iou_prediction_head.layers."),
                "iou_head_hidden_dim": int(state[decoder + "iou_prediction_head.layers.0.weight"].shape[0]),
            },
        }
    except (KeyError, AttributeError, IndexError, ValueError, ZeroDivisionError):
        return None


def torch_module() -> Any:
    """torch, torchvision being ready for what imports it; raises MissingExtraError."""
    try:
        import torch

        from labelimg.torchvision_loading import import_torchvision

        import_torchvision()
    except ImportError as error:
        raise MissingExtraError(_install("torch and torchvision", "sam", error)) from error
    return torch


def package(name: str, extra: str) -> Any:
    """A package of an extra; raises MissingExtraError where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(_install(name, extra, error)) from error


def _install(name: str, extra: str, error: ImportError) -> str:
    more = "" if isinstance(error, ModuleNotFoundError) else f" ({' '.join(str(error).split())})"
    return f"this checkpoint needs {name}, which cannot be imported{more}: pip install 'labelimg-suite[{extra}]'"


def device_of(torch: Any, device: str) -> str:
    """The device that is meant; raises UsageError where it cannot be used."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=torch.device(device))
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0] if str(error) else "not there"
        raise UsageError(f"--device {device} cannot be used: {first}; leave it out or give cpu") from error
    return device


def state_of(torch: Any, checkpoint: str | os.PathLike[str]) -> dict[str, Any]:
    """The weights in a checkpoint, loaded as data alone; raises UsageError for another file."""
    with memory(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is unusual in the file: it is either read or it is not
        try:
            state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=False)
        except Exception as error:
            if _means_memory(error):
                raise
            raise UsageError(
                f"{printable(checkpoint)} is no checkpoint, or is damaged: give {WHERE}, downloaded whole"
            ) from error
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    if not isinstance(state, dict):
        raise UsageError(f"{printable(checkpoint)} holds no weights of a model: give {WHERE}")
    return state


def put_in(network: Any, state: Mapping[str, Any], name: str) -> None:
    """Give a network its weights; raises UsageError where they do not fit."""
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        if _means_memory(error):
            raise
        what = " ".join(str(error).split())[:160]
        raise UsageError(f"the checkpoint does not fit the model {name}: {what}") from error


def count_of(state: Mapping[str, Any], prefix: str) -> int:
    """How many numbered parts begin with the prefix."""
    return len({key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)})


def check_memory(wanted: int, what: str) -> None:
    """Raise ModelError if so many bytes are not free."""
    free = available_memory()
    if wanted > free:
        raise ModelError(
            f"{what} takes {wanted / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free: "
            "close other programs or use a smaller model, such as vit_b"
        )


@contextmanager
def memory() -> Iterator[None]:
    """Says in one line that memory is too small, however torch says it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _means_memory(error):
            raise
        raise ModelError(
            "there is too little memory for this model: use a smaller one, such as vit_b, close other programs, "
            "or choose another --device"
        ) from error


def _means_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
        or "not enough memory" in text
    )
