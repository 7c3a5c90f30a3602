"""`labelimg merge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelimg.cli.options import CACHE, JSON, NO_CACHE, QUIET, THREADS, opened_cache
from labelimg.cli.show import Progress, print_result


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
    as_json: JSON = False,
    cache: CACHE = None,
    no_cache: NO_CACHE = False,
) -> None:
    """Merge the batch folders that a --no-merge run left, also after changing them by hand.

    Clusters whose first images are similar become one; the files are renamed within RESULT.
    """
    from labelimg.clusterimg import merging

    with opened_cache(cache, no_cache) as features, Progress(quiet=quiet) as progress:
        merged = merging.merge(
            result, threshold=threshold, rescue=rescue, threads=threads, cache=features, progress=progress
        )
    print_result(merged, quiet=quiet, as_json=as_json)
