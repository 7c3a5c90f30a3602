"""What the commands print: progress to stderr, results to stdout."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer

from labelimg.errors import printable

if TYPE_CHECKING:
    from labelimg.clusterimg.results import Clustering
    from labelimg.images import Unreadable

_LISTED = 20  # unreadable images that are named on the terminal; all are in unreadable.csv
_REFRESH_S = 0.1


class Progress:
    """A bar for each stage on stderr, with its rate and the time left; nothing when stderr is no terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._bars: Any = None
        self._task: Any = None
        self._stage = ""
        self._counted = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._end_stage()
            self._bars.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` parts of the stage are done."""
        if not self._shown:
            return
        if self._bars is None:
            self._bars = _bars()
            self._bars.start()
        if stage != self._stage:
            self._end_stage()
            self._stage, self._task = stage, self._bars.add_task(stage, total=None)
        if total:
            self._bars.update(self._task, completed=done, total=total)
            self._counted = True

    def _end_stage(self) -> None:
        """A stage that had parts stays on the screen; one that was over at once goes."""
        if self._task is not None:
            if self._counted:
                self._bars.stop_task(self._task)
            else:
                self._bars.remove_task(self._task)
        self._task, self._counted = None, False


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Count(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text(f"{task.completed:,}/{task.total:,}" if task.total else "", style="progress.download")

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")

    return Bars(
        TextColumn("{task.description:24}"),
        BarColumn(),
        Count(),
        Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        refresh_per_second=1 / _REFRESH_S,
    )


def print_result(result: Clustering, *, quiet: bool, as_json: bool, dry_run: bool = False) -> None:
    """All that a run says at its end."""
    if not quiet:
        print_unreadable(result)
    if dry_run and not as_json:
        print_plan(result)
    if not as_json:
        print_models(result)
    print_summary(result, as_json=as_json, dry_run=dry_run)


def print_summary(result: Clustering, *, as_json: bool, dry_run: bool = False) -> None:
    """The short table, or its JSON; unreadable images go to stderr."""
    numbers = {
        "images": result.count,
        "clusters": len(result.clusters),
        "clustered": result.clustered,
        "outliers": len(result.outliers),
        "unreadable": len(result.unreadable),
    }
    settings = result.settings
    seconds = round(sum(result.seconds.values()), 3)
    if as_json:
        more: dict[str, Any] = {"earlier": True} if result.earlier else {}
        more |= {
            "threshold": settings.threshold,
            **({"threshold_reason": settings.threshold_reason} if settings.threshold_reason else {}),
            "method": settings.method,
            "out": str(result.out),
            "seconds": seconds,
        }
        if settings.threshold is None:
            more = {**more, "model": settings.parameters["model"], "models": _models(result)}
        typer.echo(json.dumps({**numbers, **more}))
        return
    rows = [(name, f"{number:,}") for name, number in numbers.items()]
    if result.skipped:
        rows.append(("no images", f"{result.skipped:,} files of other kinds"))
    if settings.threshold is None:
        rows.append(("model", str(settings.parameters["model"])))
    else:
        rows.append(("method", f"{settings.method}, threshold {settings.threshold:g}"))
    if settings.threshold_reason:
        rows.append(("why", settings.threshold_reason))
    if result.kept:
        rows.append(("continued", f"with {result.kept} of before"))
    rows.append(("seconds", f"{seconds:.1f}"))
    rows.append(("result", "nothing was written" if dry_run else _shown(result)))
    if result.earlier:
        typer.echo(f"all is done already{_gone(result)}")
    for name, text in rows:
        typer.echo(f"{name:<11} {text}")


def _gone(result: Clustering) -> str:
    """What of an earlier run is not there any more, in words."""
    gone = sum(not os.path.lexists(place) for place in result.written.values())
    return f"; {gone:,} of its files have gone since: --overwrite makes all anew" if gone else ""


def print_models(result: Clustering) -> None:
    """The candidates of each batch and of the representatives with their scores, the chosen one marked."""
    for batch, tried in result.tried:
        widest = max(len(str(each)) for each in tried)
        typer.echo(f"  {batch:<{widest}}  clusters  noise  silhouette  calinski  davies  total  seconds")
        for each in tried:
            scores = (each.silhouette, each.calinski_harabasz, each.davies_bouldin, each.total)
            columns = "  ".join(
                f"{'-' if score is None else format(score, f'.{digits}f'):>{width}}"
                for score, width, digits in zip(scores, (10, 8, 6, 5), (3, 1, 3, 2), strict=True)
            )
            mark, note = "*" if each.chosen else " ", f"  {each.note}" if each.note else ""
            typer.echo(
                f"{mark} {each!s:<{widest}}  {each.clusters:>8}  {each.noise:>5}  {columns}  {each.seconds:>7.2f}{note}"
            )
        if not any(each.chosen for each in tried):
            none = "nothing is merged" if batch == "representatives" else f"{batch} is one cluster"
            typer.echo(f"  no candidate is left: {none}")
        typer.echo("")


def _models(result: Clustering) -> list[dict[str, Any]]:
    return [
        {"batch": batch, **{name: getattr(each, name) for name in each.__dataclass_fields__}}
        | {"parameters": dict(each.parameters)}
        for batch, tried in result.tried
        for each in tried
    ]


def _shown(result: Clustering) -> str:
    assert result.out is not None
    if result.settings.transfer == "none":
        return printable(result.out / "clusters.csv")
    return printable(result.out / "results" if result.merged is not None else result.out)


def print_plan(result: Clustering) -> None:
    """A line for each image: where it is, and where it would go."""
    for image in result.images:
        place = result.written.get(image)
        if place is not None:
            typer.echo(f"{printable(os.path.relpath(image, result.root))} -> {printable(place)}")


def print_unreadable(result: Clustering) -> None:
    """A line on stderr for each image of a run that could not be read, up to a number of them."""
    print_unreadable_files(result.unreadable, result.root)


def print_unreadable_files(unreadable: Sequence[Unreadable], root: str | os.PathLike[str]) -> None:
    """A line on stderr for each file, up to a number of them."""
    for each in unreadable[:_LISTED]:
        typer.echo(f"labelimg: {printable(os.path.relpath(each.path, root))}: {each.reason}", err=True)
    if len(unreadable) > _LISTED:
        typer.echo(f"labelimg: and {len(unreadable) - _LISTED} more, all in unreadable.csv", err=True)
