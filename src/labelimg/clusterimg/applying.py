"""Put the clusters of a review on the disk, and end what was begun of that."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from labelimg import files
from labelimg.clusterimg.arrangement import OUTLIERS_NAME
from labelimg.clusterimg.continuing import check_not_undone
from labelimg.clusterimg.folders import end_renames, rebase, record_tables
from labelimg.clusterimg.kept import Kept
from labelimg.clusterimg.places import RESULTS
from labelimg.clusterimg.record import lstat, read_pending, read_tables
from labelimg.clusterimg.review_journal import ReviewJournal, read_journal, wanted_places
from labelimg.clusterimg.standing import Standing, standing_of
from labelimg.clusterimg.tables import BEFORE_REVIEW, CLUSTERS, REPORT, RUN, read_run, review_tables, write_clusters
from labelimg.errors import OutputError, printable


def carry_out(there: Standing, run: Mapping[str, Any], wanted: Mapping[int, str]) -> None:
    """Bring rows of what stands there into the folders of these names; the tables follow. Raises LabelimgError."""
    out = there.out
    write_clusters(out / BEFORE_REVIEW, there.table())
    record_tables(out, [BEFORE_REVIEW])
    folders = [wanted.get(row, folder) for row, folder in enumerate(there.folders)]
    if there.items is None:
        after = Standing(out, there.root, there.names, tuple(folders), None)
    else:
        kept = {f"{RESULTS}/{folder}" for folder in (*folders, OUTLIERS_NAME)}
        rebase(out, there.renames(wanted), folders=sorted(kept))
        after = standing_of(out, run)
    write_tables(after)
    write_page(out)


def write_page(out: Path) -> None:
    """Make the report again, where the run left one. Raises OutputError, which says how to get it."""
    if not files.is_there(out / REPORT):
        return
    from labelimg.clusterimg.report import write_report

    try:
        write_report(out, make_thumbnails=False)
    except OutputError as error:
        text = f"the images are moved, but {error}; then labelimg report {printable(out)} makes the page"
        raise OutputError(text) from error


def check_tables(out: Path, *, tables_alone: bool) -> None:
    """Raise OutputError if a table that would be replaced is not ours, or was changed by somebody.

    Of tables alone clusters.csv is what is reviewed, also as somebody changed it.
    """
    known = read_tables(out)
    for name in (CLUSTERS, RUN, REPORT, BEFORE_REVIEW):
        found = lstat(out / name)
        edited = found is not None and (found.st_size, found.st_mtime_ns) != known.get(name)
        if edited and not (name == CLUSTERS and tables_alone):
            text = f"{printable(out / name)} is not as it was written and would be replaced"
            raise OutputError(f"{text}; move it elsewhere first")


def check_finished(out: Path) -> None:
    """Raise OutputError if a run or a merge in `out` was cut off, or its taking back."""
    check_not_undone(out)
    for kind in ("cluster", "merge"):
        if Kept(out, kind).going is not None:
            name = printable(out)
            raise OutputError(f"the run in {name} was interrupted: end it first, with labelimg undo --finish {name}")


def finish(out: Path) -> bool:
    """End what a review that was killed while it was applied had begun; whether there was anything.

    The caller holds the lock. What had not begun to move is pending still. Raises OutputError.
    """
    kept = read_journal(out)
    if kept is None or not kept.is_applying:
        return False
    begun = read_pending(out) is not None
    end_renames(out)
    there = standing_of(out, read_run(out))
    record_tables(out, [BEFORE_REVIEW])
    if not begun:
        wanted = wanted_places(kept)
        if not all(there.folders[there.rows[image]] == place for image, place in wanted.items() if image in there.rows):
            return False
    write_tables(there)
    with suppress(OutputError):  # the page can be made again at any time
        write_page(out)
    ReviewJournal(out).remove()
    return True


def write_tables(there: Standing) -> None:
    """Let the tables say what stands there. Raises OutputError."""
    record_tables(there.out, review_tables(there.out, there.table()))
