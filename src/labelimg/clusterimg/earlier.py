"""What an earlier run left in an output folder: judge it, and take away or give back what may go.

Nothing is removed that is not known to be held elsewhere too: in doubt a file stays and is counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from labelimg import files
from labelimg.clusterimg.kept import discard_all, is_anything_kept, is_kept
from labelimg.clusterimg.record import (
    Entry,
    OnDisk,
    Record,
    TransferMode,
    folder_of,
    is_being_undone,
    is_made_by_us,
    lstat,
    read_record,
    read_tables,
    record_tables,
    remove_record,
    with_parents,
    write_record,
)
from labelimg.clusterimg.tables import (
    CLUSTERS,
    FOUND,
    MAP,
    MODELS,
    NEAR_MISSES,
    REPORT,
    REPORT_PARTS,
    RUN,
    SIMILARITIES,
    UNREADABLE,
)
from labelimg.clusterimg.thumbnails import THUMBNAILS
from labelimg.clusterimg.trusting import with_places_below
from labelimg.errors import OutputError, TransferError
from labelimg.files import STATE_FOLDER, StrPath, printable
from labelimg.outputs import check_apart

_OF_THE_REPORT = (REPORT, FOUND, NEAR_MISSES, MAP, THUMBNAILS)


class Failure(NamedTuple):
    """A file that was left where it is, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class Earlier:
    """An earlier run in the output folder that may be replaced.

    `removable`: targets, relative to the folder, that `remove_earlier` removes; their names are free for a new
    plan. `staying`: how many files stay, as somebody added or changed them.
    """

    mode: TransferMode
    removable: frozenset[str]
    staying: int


def check_place(out: StrPath, image_folders: Iterable[StrPath]) -> bool:
    """Make sure that a run may write into `out`, leaving an earlier one there aside; whether there is one.

    Raises as `check_out` does.
    """
    root, shown = Path(out), printable(out)
    check_apart(root, image_folders)
    if not files.is_there(root):
        parent = root.absolute().parent
        if not parent.is_dir():
            raise OutputError(f"cannot make {shown}: the folder {printable(parent)} does not exist; make it first")
        _check_writable(parent)
        return False
    if not root.is_dir():
        raise OutputError(f"{shown} is not a folder; choose a folder that does not exist yet")
    _check_writable(root)
    if read_record(root) is None and holds_nothing(root):
        return False
    if not is_made_by_us(root) and not is_anything_kept(root):
        raise OutputError(f"{shown} is not empty and was not made by labelimg; choose another output folder")
    return True


def check_out(out: StrPath, image_folders: Iterable[StrPath], *, overwrite: bool) -> Earlier | None:
    """Make sure that a run may write into `out`; gives the earlier run there, None if the folder is free.

    Changes nothing. Raises UsageError if `out` and an image folder lie in each other. Raises OutputError if the
    folder cannot be made, is somebody else's, holds an earlier run and `overwrite` is not set, holds pictures
    that exist nowhere else, or a table that a run would replace and that is not as an earlier one wrote it.
    """
    root, shown = Path(out), printable(out)
    if not check_place(out, image_folders):
        return None
    if not is_made_by_us(root):  # somebody put files there while a run was interrupted that wrote none yet
        check_own(root, tables_in(root))
        return None
    record = read_record(root) or Record("none", (), ())
    _check_no_only_copies(root, record)
    if not overwrite:
        raise OutputError(f"{shown} holds an earlier run; add --overwrite to replace it or choose another folder")
    check_own(root, tables_in(root))
    on_disk = OnDisk(root, record.mode)
    removable = {entry.target for entry in record.entries if on_disk.is_spare(entry)}
    removable |= {name for name, known in read_tables(root).items() if _table_is_unchanged(root, name, known)}
    return Earlier(record.mode, frozenset(removable), _count_files(root) - len(removable))


def remove_earlier(out: StrPath) -> int:
    """Remove what the recorded run wrote into `out` and nobody changed since; gives how many files stay.

    Removes its copies and links, its tables, then its folders as far as they are empty, then the record. Copies
    whose source is gone or changed stay. Killed on the way, it can be called again. Raises OutputError, and
    removes nothing, if files that were moved lie there.
    """
    root = Path(out)
    record = read_record(root) or Record("none", (), ())
    moved = sum(files.is_there(root / entry.target) for entry in record.entries) if record.mode == "move" else 0
    if moved:
        raise OutputError(_originals_text(root, moved))
    discard_all(root, but_going=True)
    on_disk = OnDisk(root, record.mode)
    for entry in record.entries:
        if on_disk.is_spare(entry):
            files.remove_file(root / entry.target)
    _remove_tables(root)
    _clean_up(root, record)
    left = _count_files(root)
    if left:
        record_tables(root, ())  # until the next run has its record, this keeps the folder known as ours
        for name in ("review.jsonl", "pending.jsonl", "plan.jsonl"):
            files.remove_file(root / STATE_FOLDER / name)
    else:
        remove_record(root)
        files.remove_empty_folders([root / STATE_FOLDER, root])
    return left


def tables_in(out: StrPath) -> list[str]:
    """The names in `out`, relative to it, that the tables of a run have, whoever wrote what is there."""
    root = Path(out)
    names = [name for name in (RUN, CLUSTERS, UNREADABLE, MODELS, *_OF_THE_REPORT) if files.is_there(root / name)]
    for name, ending in ((SIMILARITIES, "csv"), (REPORT_PARTS, "js")):
        folder = root / name
        if folder.is_symlink() or (files.is_there(folder) and not folder.is_dir()):
            names.append(name)
        else:
            names += sorted(f"{name}/{path.name}" for path in folder.glob(f"*.{ending}"))
    return names


def take_back(out: StrPath, *, images: StrPath | None = None) -> tuple[Failure, ...]:
    """Undo the recorded run: moved files return to their places, copies, links and tables go.

    Gives the files that could not be taken back, which stay in `out` with their record: changed since, or the
    only copy there is. Killed on the way, it can be called again. What the run kept is not touched. images: the folder
    that moved images return to, see `with_places_below`. Raises OutputError if there is no record, or one that is not
    ours while no folder is named.
    """
    root = Path(out)
    record = read_record(root)
    if record is None:
        if (root / STATE_FOLDER).is_dir() and holds_nothing(root):  # killed while it ended
            remove_record(root)
            files.remove_empty_folders([root / STATE_FOLDER, root])
            return ()
        if is_being_undone(root):
            remove_record(root)
            return ()
        raise OutputError(f"{printable(root)} holds no record of a run that could be taken back")
    record = with_places_below(root, record, images)
    remove_leftovers_of_undo(record)
    failures = take_back_entries(root, record, record.entries)
    changed = _remove_tables(root)
    _clean_up(root, record)
    if failures:
        left = {failure.source for failure in failures}
        write_record(root, replace(record, entries=tuple(e for e in record.entries if e.source in left)))
    else:
        remove_record(root)
        files.remove_empty_folders([root / STATE_FOLDER, root])
    return failures + tuple(Failure(str(root / name), "somebody changed it") for name in changed)


def remove_leftovers_of_undo(record: Record) -> None:
    """Remove the temporary files that a killed `take_back` left where the sources lie."""
    if record.mode == "move":
        for folder in {str(Path(entry.source).parent) for entry in record.entries if entry.source}:
            files.remove_leftovers(folder)


def take_back_entries(root: Path, record: Record, entries: Iterable[Entry]) -> tuple[Failure, ...]:
    """Undo some of the transfers of a record; gives those that could not be."""
    on_disk = OnDisk(root, record.mode)
    failures = []
    for entry in entries:
        try:
            if entry.source and record.mode == "move":
                _move_back(root, entry, on_disk)
            elif entry.source:
                _take_away(root, entry, on_disk)
        except (TransferError, OutputError) as error:
            failures.append(Failure(entry.source, files.reason(error)))
    return tuple(failures)


def _take_away(root: Path, entry: Entry, on_disk: OnDisk) -> None:
    if on_disk.is_spare(entry):
        files.remove_file(root / entry.target)
    elif on_disk.is_only_copy(entry):
        raise TransferError("its source is gone or changed; what the run wrote stays")
    elif files.is_there(root / entry.target):
        raise TransferError("somebody changed what the run wrote; it stays")


def _move_back(root: Path, entry: Entry, on_disk: OnDisk) -> None:
    target = root / entry.target
    if not files.is_there(target):
        if entry.size >= 0 and not files.is_there(entry.source):
            raise TransferError("it is neither in its place nor where the run moved it")
    elif files.is_there(entry.source):
        unchanged = on_disk.source_is_unchanged(entry)
        if not on_disk.has_arrived(entry) and (unchanged or entry.size < 0):
            return  # never moved: the target is somebody else's
        if not unchanged:
            raise TransferError("there is something else in its place by now")
        files.finish_move(target, entry.source)
    elif not on_disk.is_own_folder(folder_of(entry.target)):
        raise TransferError("its folder was replaced by a link")
    else:
        files.make_folder(Path(entry.source).parent)
        if entry.link is not None and on_disk.has_arrived(entry):
            _link_back(entry.link, entry.source)
            files.remove_file(target)
        else:
            files.transfer(target, entry.source, "move")


def _link_back(text: str, source: str) -> None:
    try:
        files.make_link(text, source)
    except OSError as error:
        raise TransferError(f"cannot make the link {printable(source)}: {files.reason(error)}") from error


def _clean_up(root: Path, record: Record) -> None:
    """Remove the leftovers of killed runs, then the folders of the run as far as they are empty."""
    every = with_parents([*record.folders, *(folder_of(e.target) for e in record.entries), *_table_folders(root)])
    on_disk = OnDisk(root, record.mode)
    own = [folder for folder in every if on_disk.is_own_folder(folder)]
    for folder in ("", STATE_FOLDER, *own):
        files.remove_leftovers(root / folder)
    files.remove_empty_folders(root / folder for folder in own)


def _table_folders(root: Path) -> list[str]:
    return [folder_of(name) for name in read_tables(root) if folder_of(name)]


def _remove_tables(root: Path) -> list[str]:
    """Remove the tables that are as they were written; gives the names of those that are not."""
    changed = []
    for name, known in read_tables(root).items():
        if _table_is_unchanged(root, name, known):
            files.remove_file(root / name)
        elif files.is_there(root / name):
            changed.append(name)
    return changed


def _table_is_unchanged(root: Path, name: str, known: tuple[int, int]) -> bool:
    found = lstat(root / name)
    return found is not None and (found.st_size, found.st_mtime_ns) == known


def _check_writable(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write in {printable(folder)}: permission denied; choose another output folder")


def check_own(root: Path, names: Iterable[str]) -> None:
    """Raise OutputError if one of the files in `root` is there and not as a run wrote it."""
    known = read_tables(root)
    for name in names:
        if not files.is_there(root / name):
            continue
        if name not in known or not _table_is_unchanged(root, name, known[name]):
            raise OutputError(
                f"{printable(root / name)} is not as an earlier run wrote it and would be replaced; "
                "move it elsewhere first"
            )


def _check_no_only_copies(root: Path, record: Record) -> None:
    on_disk = OnDisk(root, record.mode)
    count = sum(on_disk.is_only_copy(entry) for entry in record.entries)
    if count and record.mode == "move":
        raise OutputError(_originals_text(root, count))
    if count:
        raise OutputError(
            f"{printable(root)} holds {count} {_copies(count)} whose original is gone or changed; "
            f"move {'it' if count == 1 else 'them'} elsewhere first"
        )


def _originals_text(root: Path, count: int) -> str:
    them = "it" if count == 1 else "them"
    return (
        f"{printable(root)} holds {count} {'picture' if count == 1 else 'pictures'} that an earlier run moved there; "
        f"move {them} out or take the run back first"
    )


def _copies(count: int) -> str:
    return "copy" if count == 1 else "copies"


def holds_nothing(root: Path) -> bool:
    """Whether there is nothing in the folder, or only what a run that wrote nothing left when it was killed."""
    if any(path.name != STATE_FOLDER for path in root.iterdir()):
        return False
    state = root / STATE_FOLDER
    return not state.exists() or all(
        path.name in ("lock", "wrote.json", "undoing") or path.name[0] == "." or is_kept(path.name)
        for path in state.iterdir()
    )


def _count_files(root: Path) -> int:
    """Files and links in the folder, without the record."""
    if not root.is_dir():
        return 0
    count = 0
    for folder, folders, names in os.walk(root):
        if Path(folder) == root and STATE_FOLDER in folders:
            folders.remove(STATE_FOLDER)
        count += len(names) + sum(Path(folder, name).is_symlink() for name in folders)
    return count
