"""`labelimg review`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelimg.cli.options import CACHE, NO_CACHE, opened_cache
from labelimg.errors import LabelimgError, UsageError, printable

if TYPE_CHECKING:
    from labelimg.clusterimg.review import Review


def review(
    result: Annotated[Path, typer.Argument(help="The output folder of labelimg cluster or deep.", metavar="RESULT")],
    plan: Annotated[
        Path | None,
        typer.Option(
            help="No window: arrange the images as a table says that has the columns image and cluster.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --plan: show what would be moved.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --plan: print the summary as JSON.")] = False,
    cache: CACHE = None,
    no_cache: NO_CACHE = False,
) -> None:
    """Look at the clusters of a result in a window and change them by hand: move, merge, split, rename.

    Nothing on the disk changes before Apply; Press h in the window for the list of keys.
    """
    if plan is None and (dry_run or as_json):
        raise UsageError("--dry-run and --json need --plan: the window shows what will be moved itself")
    if plan is None:
        from labelimg.app.display import check_display

        check_display(os.environ, "change clusters by a table with labelimg review RESULT --plan FILE.csv")
    from labelimg.clusterimg.review import Review

    with Review(result) as opened:
        if plan is not None:
            _follow(opened, plan, dry_run=dry_run, as_json=as_json)
            return
        try:
            from labelimg.app.review_program import run
        except ImportError as error:
            raise LabelimgError(
                f"the window needs a library that this system lacks ({error}): on Debian and Ubuntu, "
                "apt-get install libegl1 libgl1 libxkbcommon0 libdbus-1-3; --plan works without a window"
            ) from error
        with opened_cache(cache, no_cache) as features:
            raise typer.Exit(run(opened, features))


def _follow(opened: Review, plan: Path, *, dry_run: bool, as_json: bool) -> None:
    if opened.pending:
        raise LabelimgError(
            f"{printable(opened.out)} has changes of a window that were not applied: "
            "labelimg review without --plan applies or discards them"
        )
    opened.follow_plan(plan)
    moves, clusters, outliers = opened.pending, len(opened.clusters), len(opened.outliers)
    if dry_run:
        opened.discard()
    else:
        opened.apply()
    if as_json:
        listed = [{"image": move.image, "before": move.before, "after": move.after} for move in moves]
        typer.echo(json.dumps({"moves": listed, "applied": not dry_run, "out": str(opened.out)}))
        return
    if dry_run:
        for move in moves:
            typer.echo(f"{printable(move.image)}: {printable(move.before)} -> {printable(move.after)}")
    rows = [("clusters", f"{clusters:,}"), ("outliers", f"{outliers:,}"), ("moved", f"{len(moves):,}")]
    rows.append(("result", "nothing was changed" if dry_run else printable(opened.out)))
    for name, text in rows:
        typer.echo(f"{name:<11} {text}")
