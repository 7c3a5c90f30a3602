"""`labelimg segment`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from labelimg.cli.options import MASKS
from labelimg.cli.parameters import with_parameters
from labelimg.cli.pointing import (
    AROUND,
    CHECKPOINT,
    DEVICE,
    MODE,
    MODEL,
    POINTED,
    POINTS,
    check_unused,
    wish_of,
)
from labelimg.errors import LabelimgError, UsageError, printable
from labelimg.segmentatimg.methods import DEFAULT, NAMES, make_method


def _templates(help: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        help=help, metavar="DIR", show_default=False, rich_help_panel="Template painting"
    )
    return option


@with_parameters
def segment(
    images: Annotated[
        Path | None,
        typer.Argument(help="A folder of images, or one image of it to begin with.", metavar="[IMAGES]"),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help=f"How images are cut into segments: {', '.join(NAMES)}; or by pointing: {', '.join(POINTED)}.",
            metavar="METHOD",
        ),
    ] = DEFAULT,
    out: MASKS = None,
    ahead: Annotated[
        int, typer.Option(help="How many images are segmented ahead, while one is painted.", min=0, max=20)
    ] = 2,
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", help="Look for images in folders within the folder, too.")
    ] = True,
    include: Annotated[
        list[str] | None,
        typer.Option(help="Only images whose name or path matches. May be given again.", metavar="GLOB"),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="No images whose name or path matches. May be given again.", metavar="GLOB")
    ] = None,
    templates: Annotated[Path | None, _templates("What the key t looks for.")] = None,
    segments: Annotated[Path | None, _templates("What is painted where a template is found.")] = None,
    attentions: Annotated[
        Path | None, _templates("Which pixels of a template count. Default: all but its background.")
    ] = None,
    masks: Annotated[Path | None, _templates("Which pixels of a segment are painted. Default: all but black.")] = None,
    template_threshold: Annotated[
        float | None,
        typer.Option(
            help="Paint every place with an error below this. Default: the best place only.",
            metavar="X",
            show_default=False,
            rich_help_panel="Template painting",
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="grabcut and sam: find after every annotation, not only at space.")
    ] = False,
    sam_checkpoint: CHECKPOINT = None,
    sam_model: MODEL = None,
    sam_mode: MODE = None,
    sam_points: POINTS = None,
    device: DEVICE = None,
    around: AROUND = None,
    **parameters: Any,
) -> None:
    """Cut the images of a folder into segments and paint them into masks, in windows.

    Press h in the picture window for the list of keys. The originals stay as they are.
    """
    check_unused(
        method,
        {
            "--sam-checkpoint": sam_checkpoint,
            "--sam-model": sam_model,
            "--sam-mode": sam_mode,
            "--sam-points": sam_points,
            "--device": device,
            "--around": around,
        },
    )
    if live and method not in POINTED:
        raise UsageError(f"--live goes with --method grabcut or sam, got --method {method}")
    # What an image is cut by that is not pointed at: the panel of the painting windows offers it.
    chosen = make_method("superpixel" if method in POINTED else method, **parameters)
    if images is not None and not images.exists():
        raise UsageError(f"no such folder or image: {printable(images)}; check the spelling")
    if (templates is None) != (segments is None):
        raise UsageError("--templates and --segments go together: what to look for, and what to paint there")
    if templates is None and (attentions or masks or template_threshold is not None):
        raise UsageError("--attentions, --masks and --template-threshold need --templates and --segments")
    from labelimg.segmentatimg import crew

    crew.begin()
    try:
        from labelimg.app.display import check_display
        from labelimg.app.program import WITHOUT_WINDOWS, run
    except ImportError as error:
        raise LabelimgError(
            f"the windows need a library that this system lacks ({error}): on Debian and Ubuntu, "
            "apt-get install libegl1 libgl1 libxkbcommon0 libdbus-1-3; labelimg labels works without windows"
        ) from error
    check_display(os.environ, WITHOUT_WINDOWS)
    pointing = None
    if method in POINTED:
        pointing = wish_of(
            method,
            live=live,
            checkpoint=sam_checkpoint,
            model=sam_model,
            mode=sam_mode,
            device=device,
            points=sam_points,
            around=around,
        )
    from labelimg.app.opening import Wishes
    from labelimg.segmentatimg.keeping import memory_for

    wishes = Wishes(
        chosen,
        out=None if out is None else os.fspath(out),
        ahead=ahead,
        memory=memory_for(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")),
        recursive=recursive,
        include=include or (),
        exclude=exclude or (),
        template_threshold=template_threshold,
        pointing=pointing,
    )
    if templates is not None and segments is not None:
        from dataclasses import replace

        from labelimg.segmentatimg.templates import load_templates

        wishes = replace(wishes, templates=load_templates(templates, segments, attentions=attentions, masks=masks))
    raise typer.Exit(run(None if images is None else os.fspath(images), wishes))
