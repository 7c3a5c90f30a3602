"""`labelimg report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelimg.cli.options import QUIET, THREADS
from labelimg.cli.show import Progress
from labelimg.errors import OutputError, printable


def report(
    result: Annotated[Path, typer.Argument(help="The output folder of labelimg cluster or deep.", metavar="RESULT")],
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    threads: THREADS = None,
    quiet: QUIET = False,
) -> None:
    """Make report.html, the page that shows a result, again from what is in RESULT now.

    Images that have no thumbnail are decoded for one.
    """
    from labelimg.clusterimg.pipeline import thread_count
    from labelimg.clusterimg.report import write_report
    from labelimg.clusterimg.tables import read_run
    from labelimg.lock import Lock

    if not result.is_dir():
        raise OutputError(f"no such folder: {printable(result)}; check the spelling")
    read_run(result)  # a folder that is no result is not locked, which would leave something in it
    with Lock(result), Progress(quiet=quiet) as progress:
        page = write_report(
            result,
            threads=thread_count(threads),
            progress=lambda done, total: progress("making thumbnails", done, total),
        )
    typer.echo(printable(page))
    if open_it:
        typer.launch(page.absolute().as_uri())
