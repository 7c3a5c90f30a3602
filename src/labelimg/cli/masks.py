"""`labelimg masks`."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from labelimg.cli.options import MASKS, ImageFolder
from labelimg.errors import printable


def masks(
    images: ImageFolder,
    out: MASKS = None,
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", help="Look for images in folders within the folder, too.")
    ] = True,
    left: Annotated[bool, typer.Option("--left", help="List only the images that are left, by name alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List which images of a folder have masks, of which colours, and which are left.

    "unsaved" are images with work that was not saved; it is brought back when the image is opened.
    """
    from labelimg.segmentatimg.maskfolder import MaskFolder
    from labelimg.segmentatimg.masks import colour_text, load_classes

    folder = MaskFolder(images, out, recursive=recursive)
    classes = load_classes(folder.out)
    states = [folder.state(path) for path in folder.images]
    names = {path: os.path.relpath(path, folder.root) for path in folder.images}
    done = [state for state in states if state.saved]
    if as_json:
        listed = {
            "images": len(states),
            "done": {
                names[state.path]: {colour_text(c): os.fspath(p) for c, p in folder.masks_of(state.path).items()}
                for state in done
            },
            "left": [names[state.path] for state in states if not state.saved],
            "unsaved": [names[state.path] for state in states if state.unsaved],
            "strays": [os.fspath(stray) for stray in folder.strays],
            "classes": {colour_text(colour): name for colour, name in classes.items()},
            "out": os.fspath(folder.out),
        }
        typer.echo(json.dumps(listed))
        return
    if left:
        for state in states:
            if not state.saved:
                typer.echo(printable(names[state.path]))
        return
    called = {colour: f"{colour_text(colour)} {name}".strip() for colour, name in classes.items()}
    for state in states:
        colours = ", ".join(called.get(colour, colour_text(colour)) for colour in state.colours)
        how = "done" if state.saved else "left"
        more = colours or ("nothing painted" if state.saved else "")
        unsaved = "unsaved work" if state.unsaved else ""
        typer.echo("  ".join(part for part in (how, printable(names[state.path]), more, unsaved) if part))
    for stray in folder.strays:
        typer.echo(f"labelimg: {printable(stray)}: the mask of no image", err=True)
    typer.echo(f"{'images':<8} {len(states):,}")
    typer.echo(f"{'done':<8} {len(done):,}")
    typer.echo(f"{'left':<8} {len(states) - len(done):,}")
    if unsaved_count := sum(state.unsaved for state in states):
        typer.echo(f"{'unsaved':<8} {unsaved_count:,}")
    counts = Counter(colour for state in states for colour in state.colours)
    for colour, count in sorted(counts.items()):
        typer.echo(f"{'masks':<8} {count:,} of {called.get(colour, colour_text(colour))}")
    typer.echo(f"{'in':<8} {printable(Path(folder.out))}")
