"""Put a clustering into its output folder: the images by a plan, then the tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

from labelimg import files
from labelimg.clusterimg.clock import Clock
from labelimg.clusterimg.continuing import (
    TAKE_IT_BACK,
    adopt_tables,
    check_not_undone,
    has_plan,
    kept_result,
    remove_leftovers_of_tables,
)
from labelimg.clusterimg.earlier import holds_nothing
from labelimg.clusterimg.folders import (
    Failure,
    Plan,
    Transfer,
    TransferMode,
    apply,
    check_out,
    check_replacing,
    plan_transfers,
    read_record,
    record_tables,
    remove_earlier,
    replay,
    tables_in,
    take_back,
)
from labelimg.clusterimg.kept import Begun, Kept, discard_all, is_anything_kept
from labelimg.clusterimg.record import begin_undoing, is_being_undone, remove_record
from labelimg.clusterimg.report.gathering import publish
from labelimg.clusterimg.results import Clustering, Settings
from labelimg.clusterimg.tables import SIMILARITIES, write_tables
from labelimg.clusterimg.trusting import with_places_below
from labelimg.errors import LabelimgError, OutputError, TransferError
from labelimg.files import StrPath
from labelimg.images import Unreadable
from labelimg.lock import Lock

STAGES = {"copy": "copying", "move": "moving", "hardlink": "linking", "symlink": "linking", "none": "writing"}

_RECORDED_AT_ONCE = 50  # tables; the record is written anew each time


def check_output(out: Path, settings: Settings, *, overwrite: bool) -> None:
    """Raise UsageError or OutputError if a run with these settings could not write into `out`."""
    check_out(out, settings.folders, overwrite=overwrite)


def planned(result: Clustering, out: Path, *, overwrite: bool) -> Clustering:
    """The result with the places that its images would be written to."""
    earlier = check_out(out, result.settings.folders, overwrite=overwrite)
    plan = _plan(result, out, earlier.removable if earlier else frozenset())
    return _with_places(result, out, plan, ())


def write_output(
    result: Clustering,
    out: Path,
    begun: Begun,
    *,
    clock: Clock,
    gathered: Path | None = None,
    images: Sequence[StrPath] | None = None,
) -> Clustering:
    """Transfer the images and write the tables; the result with the places its images were written to.

    images: the folders that were named, where those of the settings come from a file. gathered: the folder of what was
    gathered for the report, which is then moved beside the tables.

    Where the run had begun that before it was interrupted, what is missing is done. An image that could not be
    transferred stays where it is and is listed as unreadable with the reason. Whoever calls holds the `Lock`. Raises
    OutputError, with the run taken back, if the tables cannot be written.
    """
    record = read_record(out)
    planned_before = has_plan(out, begun)
    if record is not None and planned_before:
        transfers = (Transfer(entry.source, entry.target) for entry in record.entries)
        plan = Plan(str(out.absolute()), record.mode, tuple(transfers), record.folders)
    else:
        earlier = check_out(out, result.settings.folders, overwrite=begun.overwrite)
        plan = _plan(result, out, earlier.removable if earlier else frozenset())
        if earlier is not None:
            check_replacing(plan, earlier)
            remove_earlier(out)
    with clock.stage(STAGES[result.settings.transfer]) as told:
        progress = None if told is None else lambda done, total, _bytes: told(done, total)
        roots = [os.path.realpath(folder) for folder in result.settings.folders]
        if planned_before:
            failures = replay(out, images=result.settings.folders if images is None else images, progress=progress)
        else:
            failures = apply(plan, run=begun.id, roots=roots, progress=progress)
    written = _with_places(result, out, plan, failures)
    if planned_before:
        remove_leftovers_of_tables(out)
    with clock.stage("writing"):
        _write_tables(replace(written, seconds=clock.seconds), out)
        if gathered is not None:
            record_tables(out, publish(gathered, out))
    return written


def finish_with_page(out: Path, kept: Kept, *, clock: Clock) -> None:
    """Write the report of a run of which all else is written; the run is then finished, also if that failed.

    Raises OutputError, which says how to get the page.
    """
    try:
        write_page(out, clock=clock)
    except OutputError:
        kept.finish()
        raise
    kept.finish()


def write_page(out: Path, *, clock: Clock) -> None:
    """Write the report of a run. Raises OutputError, which says how to get it."""
    from labelimg.clusterimg.report import write_report

    with clock.stage("report"):
        try:
            write_report(out, make_thumbnails=False)
        except OutputError as error:
            text = f"the images are sorted, but {error}; then labelimg report {files.printable(out)} makes the page"
            raise OutputError(text) from error


def undo(out: StrPath, *, images: StrPath | None = None) -> tuple[Failure, ...]:
    """Take back the run in `out`: moved images return, copies, links and tables go; what others added stays.

    images: the folder that moved images return to, to the places below it that they had below the folder that was
    clustered (of several, the one that holds them all). Where another user or another machine made the run it has to be
    named, for what a file says is not followed out of the folders that were named; else they return to where they were.

    Gives the files that could not be taken back, which stay. Also takes back a run that was cut off, and ends a taking
    back that was. A run that was to replace an earlier one, and did not come so far, leaves that as it is. Raises
    OutputError if there is no run in `out`, or none of ours while no folder is named.
    """
    folder = _run_folder(out)
    with Lock(folder):
        kept, record = Kept(folder, "cluster"), read_record(folder)
        going = kept.going
        if going is not None and kept.done is not None:  # nothing of the earlier run was replaced yet
            kept.discard_going()
            return ()
        remove_leftovers_of_tables(folder)
        if record is None:
            discard_all(folder)
            remove_record(folder)
            files.remove_leftovers(folder / files.STATE_FOLDER)
            return ()
        with_places_below(folder, record, images)  # refused before anything is done
        if going is not None or Kept(folder, "merge").going is not None:
            adopt_tables(folder, going)
        _end_review(folder)
        begin_undoing(folder)
        discard_all(folder)
        files.remove_empty_folders([folder / SIMILARITIES])
        return take_back(folder, images=images)


def finish(out: StrPath, *, images: Sequence[StrPath] = (), clock: Clock | None = None) -> Clustering | None:
    """End the run in `out` that was cut off while it moved images or wrote tables; None if none was.

    images: the folders that the images come from, to be named where another user or another machine began the run.
    Raises OutputError where they are not, if there is no run in `out`, or if it was cut off before: then the same
    command goes on with it.
    """
    folder = _run_folder(out)
    clock = clock or Clock(None)
    with Lock(folder):
        check_not_undone(folder)
        merging, kept = Kept(folder, "merge"), Kept(folder, "cluster")
        begun = kept.going
        if merging.going is not None:
            from labelimg.clusterimg.merging import end_merge

            return end_merge(folder, merging, clock)
        record = read_record(folder)
        if begun is None and record is not None:
            _end_review(folder)
            replay(folder, images=images)
            return None
        if begun is None or record is None or not has_plan(folder, begun):
            text = "was interrupted before its first file: start it again with the same command, and it goes on"
            raise OutputError(f"the run in {files.printable(folder)} {text}")
        earlier = kept_result(kept, record.roots)
        if earlier is None:
            text = f"what the run in {files.printable(folder)} had found out cannot be read any more; {TAKE_IT_BACK}"
            raise OutputError(text)
        clock.add(earlier[0].seconds)
        result = write_output(earlier[0], folder, begun, clock=clock, gathered=kept.folder, images=images)
        finish_with_page(folder, kept, clock=clock)
    return replace(result, seconds=clock.seconds)


def _end_review(folder: Path) -> None:
    """End a review that was cut off while it was applied; tables that cannot be written are not in the way."""
    from labelimg.clusterimg import applying

    with suppress(LabelimgError):
        applying.finish(folder)


def _run_folder(out: str | os.PathLike[str]) -> Path:
    folder = Path(out)
    if not folder.is_dir():
        raise OutputError(f"no such folder: {files.printable(folder)}; check the spelling")
    known = read_record(folder) is not None or is_anything_kept(folder) or is_being_undone(folder)
    if not known and not ((folder / files.STATE_FOLDER).is_dir() and holds_nothing(folder)):
        raise OutputError(f"{files.printable(folder)} holds no run that could be taken back")
    return folder


def _write_tables(result: Clustering, out: Path) -> None:
    """Write and record the tables; if that fails, nothing of the run stays."""
    try:
        names: list[str] = []
        for name in write_tables(result, out):
            names.append(name)
            if len(names) == _RECORDED_AT_ONCE:
                record_tables(out, names)
                names.clear()
        record_tables(out, names)
    except OutputError as error:
        text = _taken_back(out)
        if text:
            raise OutputError(f"{error}; {text}") from error
        raise
    except BaseException:
        # Tables that are there are the run's: none was there when it began.
        with suppress(OutputError):
            record_tables(out, tables_in(out))
        raise


def _taken_back(out: Path) -> str:
    """Take back a run whose tables cannot be written; says what could not be, "" if nothing of it is left."""
    try:
        for name in tables_in(out):
            files.remove_file(out / name)
        files.remove_empty_folders([out / SIMILARITIES])
        left = len(take_back(out))
    except (OutputError, TransferError) as error:
        return f"what was done stays in {files.printable(out)}, as {error}"
    return f"{left} of the files stayed in {files.printable(out)}" if left else ""


def _plan(result: Clustering, out: Path, free: frozenset[str]) -> Plan:
    folders = result.folders()
    if result.settings.keep_batches and result.merged is not None:
        folders += result.batch_folders()
    layout = ((str(result.images[row]), folder) for folder, rows in folders for row in rows.tolist())
    mode = cast(TransferMode, result.settings.transfer)
    return plan_transfers(out, mode, layout, folders=[folder for folder, _ in folders], free=free)


def _with_places(result: Clustering, out: Path, plan: Plan, failures: tuple[Failure, ...]) -> Clustering:
    failed = {failure.source: failure.reason for failure in failures}
    written = {}
    for transfer in plan.transfers[: len(result.images)]:  # what comes after are the batch folders
        if transfer.source not in failed:
            written[Path(transfer.source)] = out / transfer.target
    unreadable = sorted(
        [*result.unreadable, *(Unreadable(path, f"not transferred: {reason}") for path, reason in failed.items())],
        key=lambda each: each.path,
    )
    return replace(result, out=out, written=written, unreadable=tuple(unreadable))
