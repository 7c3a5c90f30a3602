"""`labelimg stamp`."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from labelimg.cli.options import MASKS, QUIET, THREADS, ImageFolder
from labelimg.cli.show import Progress
from labelimg.errors import printable


def stamp(
    images: ImageFolder,
    templates: Annotated[Path, typer.Option(help="The folder of what to look for.", metavar="DIR", show_default=False)],
    segments: Annotated[
        Path,
        typer.Option(
            help="The folder of what is painted, an image of the same name and size for each template.",
            metavar="DIR",
            show_default=False,
        ),
    ],
    attentions: Annotated[
        Path | None,
        typer.Option(
            help="The folder of which pixels of a template count: the white ones. Default: all but the background.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            help="The folder of which pixels of a segment are painted: the white ones. Default: all but black.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    template_threshold: Annotated[
        float | None,
        typer.Option(
            help="Paint at every place with an error under this, from 0 to 1. Default: at the best place alone.",
            metavar="X",
            show_default=False,
        ),
    ] = None,
    out: MASKS = None,
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", help="Look for images in folders within the folder, too.")
    ] = True,
    add: Annotated[bool, typer.Option("--add", help="Paint over the masks that images have already.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the masks that images have already.")] = False,
    threads: THREADS = None,
    quiet: QUIET = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found where as JSON.")] = False,
) -> None:
    """Look for templates in the images of a folder, and save what they paint as masks.

    Images that have masks already are skipped unless --add or --overwrite says otherwise.
    """
    from labelimg.segmentatimg.maskfolder import MaskFolder
    from labelimg.segmentatimg.stamping import stamp
    from labelimg.segmentatimg.templates import load_templates

    begin = time.perf_counter()
    loaded = load_templates(templates, segments, attentions=attentions, masks=masks)
    folder = MaskFolder(images, out, recursive=recursive)
    with Progress(quiet=quiet) as progress:
        done = stamp(
            folder,
            loaded,
            threshold=template_threshold,
            add=add,
            overwrite=overwrite,
            threads=threads,
            progress=progress,
        )
    if not quiet:
        for each in done.unreadable:
            name = printable(os.path.relpath(each.path, folder.root))
            typer.echo(f"labelimg: {name}: {each.reason}", err=True)
    stamped = sum(bool(found) for found in done.matches.values())
    seconds = round(time.perf_counter() - begin, 3)
    if as_json:
        found = {
            os.path.relpath(path, folder.root): [
                {"template": each.template.name, "left": each.left, "top": each.top, "error": round(each.error, 6)}
                for each in matches
            ]
            for path, matches in done.matches.items()
        }
        left_out = {os.path.relpath(each.path, folder.root): each.reason for each in done.unreadable}
        skipped = [os.path.relpath(path, folder.root) for path in done.skipped]
        more = {"skipped": skipped, "unreadable": left_out, "out": os.fspath(folder.out), "seconds": seconds}
        typer.echo(json.dumps({"images": len(folder.images), "matches": found, **more}))
        return
    rows = {
        "images": len(folder.images),
        "stamped": stamped,
        "matches": sum(len(found) for found in done.matches.values()),
        "no match": len(done.matches) - stamped,
        "skipped": len(done.skipped),
        "unreadable": len(done.unreadable),
    }
    for name, number in rows.items():
        typer.echo(f"{name:<11} {number:,}")
    typer.echo(f"{'seconds':<11} {seconds:.1f}")
    typer.echo(f"{'masks':<11} {printable(folder.out)}")
