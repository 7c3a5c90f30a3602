"""`labelimg undo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelimg.errors import TransferError, printable


def undo(
    result: Annotated[Path, typer.Argument(help="The output folder of labelimg cluster or deep.", metavar="RESULT")],
    finish: Annotated[
        bool,
        typer.Option("--finish", help="End a run that was interrupted while it moved images, in place of undoing it."),
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(
            help="The folder that the images came from, where another user or another machine made the run.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Take a run back: what it moved returns to its place, what it copied, linked or wrote is removed.

    Files that somebody added or changed stay. An interrupted run is taken back as far as it came. With --finish it is
    brought to its end instead, by the plan that lies in RESULT; starting the same command again does that, too.

    Images return to where they were. What another user or another machine wrote into RESULT is not followed out of it
    unless --images names the folder; they return to below that, wherever it is by now.
    """
    from labelimg.clusterimg import output

    if finish:
        ended = output.finish(result, images=[images] if images is not None else [])
        text = (
            "nothing was left to do" if ended is None else f"{ended.count:,} images, {len(ended.clusters):,} clusters"
        )
        typer.echo(f"finished: {printable(result)}: {text}")
        return
    failures = output.undo(result, images=images)
    for failure in failures:
        typer.echo(f"labelimg: {printable(failure.source)}: {failure.reason}", err=True)
    if failures:
        raise TransferError(f"{len(failures)} files could not be taken back and stay as they are; the rest is undone")
    if (result / "run.json").is_file():
        typer.echo(f"undone: the run that was interrupted; {printable(result)} holds the run before it")
        return
    left = sum(path.is_file() or path.is_symlink() for path in result.rglob("*")) if result.is_dir() else 0
    others = f"; {left} files that it did not write stay there" if left else ""
    typer.echo(f"undone: {printable(result)}{others}")
