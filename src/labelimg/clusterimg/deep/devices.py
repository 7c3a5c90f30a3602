"""Where torch computes, and what is done when a GPU's memory does not suffice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from labelimg.errors import ModelError, UsageError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


def device_of(name: str) -> torch.device:
    """The device of "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:1"; raises UsageError."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or (":" in name and not number.isdecimal())):
        raise UsageError(f"device must be auto, cpu, cuda or cuda with a number such as cuda:1, got {name!r}")
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise UsageError(f"device {name} is not there: torch sees no GPU; use cpu or auto")
        count = torch.cuda.device_count()
        if number and int(number) >= count:
            raise UsageError(f"device {name} is not there: torch sees {count}, counted from cuda:0")
    return torch.device(name)


def training_devices(name: str, most: int) -> tuple[str, tuple[int, ...]]:
    """Lightning's accelerator, and the numbers of its devices: all GPUs for "auto" and "cuda", one for "cuda:1".

    They are not more than `most`. Raises UsageError as `device_of` does.
    """
    import torch

    where = device_of(name)
    if where.type == "cpu":
        return "cpu", (0,)
    if where.index is not None:
        return "cuda", (where.index,)
    count = torch.cuda.device_count() if torch.distributed.is_nccl_available() else 1
    return "cuda", tuple(range(max(1, min(count, most))))


def halving(work: Callable[[int], T], size: int) -> tuple[T, int]:
    """What work(size) gives, or work of half that size, and so on, while the GPU's memory does not suffice.

    Gives the result and the size that it was made with. Raises ModelError where one image alone does not fit.
    """
    import torch

    while True:
        try:
            return work(size), size
        except torch.OutOfMemoryError as error:
            if size == 1:
                raise ModelError("the GPU's memory does not hold the model and one image; use --device cpu") from error
        # Outside of the handler: what the traceback holds is free by then.
        torch.cuda.empty_cache()
        size //= 2
