"""`labelimg labels`."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelimg.cli.options import QUIET, Images
from labelimg.cli.parameters import with_parameters
from labelimg.cli.pointing import CHECKPOINT, DEVICE, MODEL, POINTS, check_unused, sam_masks
from labelimg.cli.show import Progress, print_unreadable_files
from labelimg.errors import UsageError, printable
from labelimg.segmentatimg.methods import DEFAULT, NAMES

if TYPE_CHECKING:
    from labelimg.segmentatimg.labelling import LabelRun
    from labelimg.segmentatimg.methods.base import Method


@with_parameters
def labels(
    images: Images,
    out: Annotated[Path, typer.Option(help="Where the label maps go.", metavar="DIR", show_default=False)],
    method: Annotated[
        str, typer.Option(help=f"How images are cut into segments: {', '.join(NAMES)}, sam.", metavar="METHOD")
    ] = DEFAULT,
    format: Annotated[
        str, typer.Option(help="What label maps are saved as: tiff (32-bit) or png (16-bit).", metavar="FORMAT")
    ] = "tiff",
    preview: Annotated[
        bool, typer.Option("--preview/--no-preview", help="Leave a picture with the boundaries beside each label map.")
    ] = True,
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", help="Look for images in folders within the folders, too.")
    ] = True,
    include: Annotated[
        list[str] | None,
        typer.Option(help="Only images whose name or path matches. May be given again.", metavar="GLOB"),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="No images whose name or path matches. May be given again.", metavar="GLOB")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Processes to work with. Default: one for each processor.", show_default=False)
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace label maps of another method or other parameters.")
    ] = False,
    quiet: QUIET = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    sam_checkpoint: CHECKPOINT = None,
    sam_model: MODEL = None,
    sam_points: POINTS = None,
    device: DEVICE = None,
    **parameters: Any,
) -> None:
    """Cut the images of a folder, or several, into segments: a label map of each, and a picture to look at.

    The originals stay as they are. A run that was interrupted goes on where it stopped when it is started again.
    """
    from labelimg.segmentatimg.labelling import label_folders

    named = {"--sam-checkpoint": sam_checkpoint, "--sam-model": sam_model, "--sam-points": sam_points}
    check_unused(method, {**named, "--device": device})
    chosen: str | Method = method
    if method == "sam":
        work_size = {"work_size": parameters.pop("work_size")} if "work_size" in parameters else {}
        for name in parameters:
            raise UsageError(f"{name} is no parameter of method sam; it has work_size and the options for sam")
        masks = replace(sam_masks(sam_checkpoint, sam_model, device, sam_points), **work_size)
        masks.load()
        chosen = masks
    with Progress(quiet=quiet) as progress:
        result = label_folders(
            images,
            out=out,
            method=chosen,
            format=format,
            preview=preview,
            recursive=recursive,
            include=include or (),
            exclude=exclude or (),
            processes=processes,
            overwrite=overwrite,
            progress=progress,
            **parameters,
        )
    if not quiet:
        print_unreadable_files(result.unreadable, result.root)
    _print_summary(result, as_json=as_json)


def _print_summary(result: LabelRun, *, as_json: bool) -> None:
    numbers = {
        "images": len(result.labelled) + len(result.unreadable),
        "labelled": len(result.labelled),
        "earlier": result.earlier,
        "unreadable": len(result.unreadable),
        "segments": sum(each.segments for each in result.labelled),
    }
    if as_json:
        more = {"method": result.method.name, "out": os.fspath(result.out), "seconds": round(result.seconds, 3)}
        typer.echo(json.dumps({**numbers, **more}))
        return
    if result.labelled and result.earlier == len(result.labelled):
        typer.echo("all is done already")
    rows = [(name, f"{number:,}") for name, number in numbers.items()]
    if result.skipped:
        rows.append(("no images", f"{result.skipped:,} files of other kinds"))
    rows += [("method", result.method.name), ("seconds", f"{result.seconds:.1f}"), ("result", printable(result.out))]
    for name, text in rows:
        typer.echo(f"{name:<11} {text}")
