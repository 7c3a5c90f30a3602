"""`labelimg merge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelimg.cli.options import CACHE, QUIET, THREADS, opened_cache
from labelimg.cli.show import Progress, print_models, print_summary, print_unreadable


def merge(
    result: Annotated[Path, typer.Argument(help="The output folder of a --no-merge run.", metavar="RESULT")],
    threshold: Annotated[
        float | None, typer.Option(help="Another threshold than the run's, from 0 to 1.", show_default=False)
    ] = None,
    rescue: Annotated[
        bool | None,
        typer.Option("--rescue/--no-rescue", help="Look for twins of outliers or do not. Default: as the run did."),
    ] = None,
    threads: THREADS = None,
    quiet: QUIET = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    cache: CACHE = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither look features up nor keep them.")] = False,
) -> None:
    """Merge the batch folders that a --no-merge run left, also after changing them by hand.

    Clusters whose first images are similar become one; the files are renamed within RESULT.
    """
    from labelimg.clusterimg import merging

    with opened_cache(cache, no_cache) as features, Progress(quiet=quiet) as progress:
        merged = merging.merge(
            result, threshold=threshold, rescue=rescue, threads=threads, cache=features, progress=progress
        )
    if not quiet:
        print_unreadable(merged)
    if not as_json:
        print_models(merged)
    print_summary(merged, as_json=as_json)
