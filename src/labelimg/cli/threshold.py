"""`labelimg threshold`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from labelimg.cli.comparing import METHOD, MethodOptions
from labelimg.cli.options import (
    CACHE,
    EXCLUDE,
    INCLUDE,
    NO_CACHE,
    QUIET,
    RECURSIVE,
    SEED,
    THREADS,
    Images,
    opened_cache,
    with_shared,
)
from labelimg.cli.show import Progress, print_unreadable_files
from labelimg.errors import OutputError, UsageError, printable

if TYPE_CHECKING:
    from labelimg.cli.runs import RunOptions
    from labelimg.clusterimg.sampling import Sampled
    from labelimg.clusterimg.threshold import Curve

_ENDINGS = (".png", ".svg", ".html")
_TABLE_STEP = 0.02


@with_shared
def threshold(
    images: Images,
    *,
    method: METHOD = "imagehash",
    sample: Annotated[int, typer.Option(help="How many images are compared, chosen at random.", metavar="N")] = 1000,
    seed: SEED = 0,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="No window: write the curve into a file of this name, .png, .svg or .html.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    table: Annotated[bool, typer.Option("--table", help="No window: print what each threshold would give.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --plot if it is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="No window: print all numbers as JSON.")] = False,
    recursive: RECURSIVE = True,
    include: INCLUDE = None,
    exclude: EXCLUDE = None,
    threads: THREADS = None,
    quiet: QUIET = False,
    cache: CACHE = None,
    no_cache: NO_CACHE = False,
    own: MethodOptions,
) -> None:
    """Show what each threshold would give, in a sample of the images, and let one be chosen in a window.

    The number chosen goes to stdout alone, so that it can be given to labelimg cluster. Without a window it is the
    threshold that labelimg cluster would find by itself; where there is no display, the table goes to stderr.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if plot is not None and plot.suffix.lower() not in _ENDINGS:
        raise UsageError(f"--plot must be a file ending in {', '.join(_ENDINGS)}, got {printable(plot)}")
    _check_place(plot, images, overwrite=overwrite)
    windows = plot is None and not table and not as_json
    no_display = _no_display() if windows else ""
    windows = windows and not no_display
    with opened_cache(cache, no_cache) as features, Progress(quiet=quiet) as progress:
        from labelimg.clusterimg.sampling import sample_folder
        from labelimg.clusterimg.threshold import curve_of

        sampled = sample_folder(
            images,
            method=method,
            sample=sample,
            seed=seed,
            recursive=recursive,
            include=include or (),
            exclude=exclude or (),
            threads=threads,
            cache=features,
            progress=progress,
            **own.given(),
        )
    if not quiet:
        print_unreadable_files(sampled.unreadable, sampled.root)
    if windows:
        typer.echo(f"{_chosen(sampled):.4g}")
        return
    curve = curve_of(sampled.similarities)
    if plot is not None:
        _write(plot, curve, sampled, images)
    if as_json:
        typer.echo(json.dumps(_numbers(curve, sampled)))
    elif table:
        _print_table(curve, sampled)
    else:
        if no_display and not quiet:
            typer.echo(f"labelimg: {no_display}", err=True)
            _print_table(curve, sampled, err=True)
        elif not quiet:
            typer.echo(f"labelimg: {sampled.suggestion.reason}", err=True)
        typer.echo(f"{sampled.suggestion.threshold:.4g}")


def pick(images: list[Path], method: str, run: RunOptions, own: MethodOptions) -> float:
    """The threshold that is chosen in the window for `labelimg cluster --threshold pick`; leaves where none is."""
    from labelimg.app.display import check_display

    check_display(os.environ, "give a number, or auto, to --threshold")
    with opened_cache(run.cache, run.no_cache) as features, Progress(quiet=run.quiet) as progress:
        from labelimg.clusterimg.sampling import sample_folder

        sampled = sample_folder(
            images,
            method=method,
            recursive=run.recursive,
            include=run.include or (),
            exclude=run.exclude or (),
            threads=run.threads,
            cache=features,
            progress=progress,
            **own.given(),
        )
    return _chosen(sampled)


def _check_place(plot: Path | None, images: list[Path], *, overwrite: bool) -> None:
    """Raise OutputError where the plot would replace a file, unless that is asked for and it is none of the images."""
    from labelimg import files

    if plot is None or not files.is_there(plot):
        return
    if not overwrite:
        raise OutputError(f"{printable(plot)} is there already; add --overwrite to replace it or choose another name")
    place = plot.parent.resolve()
    if any(place.is_relative_to(folder.resolve()) for folder in images):
        raise OutputError(f"{printable(plot)} lies among the images and is not replaced; choose another name")


def _no_display() -> str:
    """Why there is no window, empty if there can be one."""
    from labelimg.app.display import NoDisplayError, check_display

    try:
        check_display(os.environ, "choose by this table")
    except NoDisplayError as error:
        return str(error)
    return ""


def _chosen(sampled: Sampled) -> float:
    from labelimg.app.threshold_program import choose

    value = choose(sampled)
    if value is None:
        _leave()
    return value


def _leave() -> NoReturn:
    raise typer.Exit(1)


def _title(sampled: Sampled, images: list[Path]) -> str:
    names = ", ".join(printable(folder.name or folder) for folder in images)
    return f"{names}, {sampled.method.name}"


def _write(plot: Path, curve: Curve, sampled: Sampled, images: list[Path]) -> None:
    from labelimg import files

    value, title = sampled.suggestion.threshold, _title(sampled, images)
    if plot.suffix.lower() == ".png":
        from labelimg.clusterimg.curve_picture import curve_png

        content: str | bytes = curve_png(curve, value, title=title)
    elif plot.suffix.lower() == ".svg":
        from labelimg.clusterimg.curve_drawing import curve_svg

        content = curve_svg(curve, value, title=title)
    else:
        from labelimg.clusterimg.curve_page import curve_html

        content = curve_html(curve, value, title=title, reason=sampled.suggestion.reason)
    files.write_atomic(plot, content)


def _print_table(curve: Curve, sampled: Sampled, *, err: bool = False) -> None:
    """A line for each threshold that is shown, and one for the one suggested, marked."""
    from labelimg.clusterimg.threshold import curve_of

    value = sampled.suggestion.threshold
    shown = curve.thresholds[:: round(_TABLE_STEP / (curve.thresholds[1] - curve.thresholds[0]))]
    first = next((k for k in range(len(shown)) if shown[k] >= value - 0.3), 0)
    fine = curve_of(sampled.similarities, thresholds=sorted({*shown[first:].tolist(), value}))
    typer.echo(f"{'':11} sample of {curve.sample:<21,} about, of all {curve.count:,}", err=err)
    typer.echo("  threshold      pairs  clustered  clusters       pairs  clustered  clusters", err=err)
    for k, each in enumerate(fine.thresholds.tolist()):
        mark = "*" if each == value else " "
        typer.echo(
            f"{mark} {each:9.4g} {fine.pairs[k]:10,} {fine.clustered[k]:10,} {fine.clusters[k]:9,} "
            f"{fine.expected_pairs[k]:11,.0f} {fine.expected_clustered[k]:10,.0f} {fine.expected_clusters[k]:9,.0f}",
            err=err,
        )
    typer.echo(f"* {sampled.suggestion.reason}", err=err)


def _numbers(curve: Curve, sampled: Sampled) -> dict[str, Any]:
    names = (
        "thresholds",
        "pairs",
        "clustered",
        "clusters",
        "expected_pairs",
        "expected_clustered",
        "expected_clusters",
    )
    return {
        "threshold": sampled.suggestion.threshold,
        "reason": sampled.suggestion.reason,
        "method": sampled.method.name,
        "images": curve.count,
        "sample": curve.sample,
        "unreadable": len(sampled.unreadable),
        "curve": {name: [round(float(value), 4) for value in getattr(curve, name)] for name in names},
    }
