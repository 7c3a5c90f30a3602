"""`labelimg undo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelimg.errors import TransferError, printable


def undo(
    result: Annotated[Path, typer.Argument(help="The output folder of labelimg cluster.", metavar="RESULT")],
) -> None:
    """Take a run back: what it moved returns to its place, what it copied, linked or wrote is removed.

    Files that somebody added or changed stay. An interrupted run is taken back as far as it came.
    """
    from labelimg.clusterimg.output import undo

    failures = undo(result)
    for failure in failures:
        typer.echo(f"labelimg: {printable(failure.source)}: {failure.reason}", err=True)
    if failures:
        raise TransferError(f"{len(failures)} files could not be taken back and stay as they are; the rest is undone")
    left = sum(path.is_file() or path.is_symlink() for path in result.rglob("*")) if result.is_dir() else 0
    others = f"; {left} files that it did not write stay there" if left else ""
    typer.echo(f"undone: {printable(result)}{others}")
