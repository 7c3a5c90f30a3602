"""The options of pointing, grabcut and sam, and what they are turned into."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelimg.errors import UsageError

if TYPE_CHECKING:
    from labelimg.segmentatimg.methods.sam import SamMasks
    from labelimg.segmentatimg.pointing import Wish

POINTED = ("grabcut", "sam")
_PANEL = "Segment Anything"

CHECKPOINT = Annotated[
    Path | None,
    typer.Option(
        help="The file of a Segment Anything model, or one of SAM 2.",
        metavar="FILE",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
MODEL = Annotated[
    str | None,
    typer.Option(
        help="What the file must be: vit_b, vit_l, vit_h or auto. Default: auto, as the file says.",
        metavar="MODEL",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
MODE = Annotated[
    str | None,
    typer.Option(
        help="prompt: boxes and points; auto: all masks of an image, no pointing. Default: prompt.",
        metavar="MODE",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
POINTS = Annotated[
    int | None,
    typer.Option(
        help="With auto: points in a row and in a column that masks are looked for from. Default: 32.",
        metavar="N",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
DEVICE = Annotated[
    str | None,
    typer.Option(
        help="Where the model runs: cpu, cuda, ... Default: cuda where there is one.",
        metavar="DEVICE",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
AROUND = Annotated[
    str | None,
    typer.Option(
        help="How the rest of the image is cut: superpixel or connected. Default: superpixel.",
        metavar="WORD",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]


def check_unused(method: str, options: dict[str, object]) -> None:
    """Raise UsageError for an option of sam that was given with another method."""
    given = [name for name, value in options.items() if value is not None]
    if method != "sam" and given:
        raise UsageError(f"{given[0]} goes with --method sam, got --method {method}")


def sam_masks(checkpoint: Path | None, model: str | None, device: str | None, points: int | None) -> SamMasks:
    """Segment Anything with these options; raises UsageError for one that cannot be."""
    if checkpoint is None:
        raise UsageError("--method sam needs --sam-checkpoint FILE: the weights of a Segment Anything model")
    from labelimg.segmentatimg.methods.sam import SamMasks

    return SamMasks(
        checkpoint=os.fspath(checkpoint),
        model=model or "auto",
        device=device or "auto",
        points_per_side=32 if points is None else points,
    )


def wish_of(
    method: str,
    *,
    live: bool,
    checkpoint: Path | None,
    model: str | None,
    mode: str | None,
    device: str | None,
    points: int | None,
    around: str | None,
) -> Wish:
    """What pointing is asked for, its model loaded; raises UsageError, and ModelError where it cannot be loaded."""
    from labelimg.segmentatimg.objects import AROUND as WAYS
    from labelimg.segmentatimg.pointing import Wish

    if method == "grabcut":
        return Wish("grabcut", live)
    if mode not in (None, "prompt", "auto"):
        raise UsageError(f"--sam-mode must be one of prompt, auto, got {mode!r}")
    if around is not None and around not in WAYS:
        raise UsageError(f"--around must be one of {', '.join(WAYS)}, got {around!r}")
    automatic = mode == "auto"
    if automatic and (around is not None or live):
        raise UsageError(f"{'--live' if live else '--around'} goes with --sam-mode prompt")
    masks = sam_masks(checkpoint, model, device, points)
    masks.load()
    return Wish("sam", live, masks, "connected" if around == "connected" else "superpixel", automatic)
