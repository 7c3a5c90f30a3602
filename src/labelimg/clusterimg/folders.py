"""Carry out the plan of a run in its output folder, or what is missing of it; rename within the folder."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from labelimg import files
from labelimg.clusterimg.earlier import (
    Earlier,
    Failure,
    check_out,
    remove_earlier,
    remove_leftovers_of_undo,
    tables_in,
    take_back,
    take_back_entries,
)
from labelimg.clusterimg.planning import Plan, Transfer, plan_transfers
from labelimg.clusterimg.record import (
    Entry,
    OnDisk,
    Record,
    Renames,
    TransferMode,
    entry_of,
    folder_of,
    follow,
    is_inside,
    lstat,
    read_pending,
    read_record,
    record_tables,
    remove_record,
    with_parents,
    write_pending,
    write_record,
)
from labelimg.clusterimg.trusting import check_named
from labelimg.errors import LabelimgError, OutputError, TransferError, UsageError
from labelimg.files import STATE_FOLDER, StrPath, printable

__all__ = [
    "Earlier",
    "Entry",
    "Failure",
    "Plan",
    "Progress",
    "Record",
    "Transfer",
    "TransferMode",
    "apply",
    "check_out",
    "check_replacing",
    "plan_transfers",
    "read_record",
    "rebase",
    "record_tables",
    "remove_earlier",
    "replay",
    "tables_in",
    "take_back",
]

Progress = Callable[[int, int, int], None]
"""Called with (files done, files in all, bytes done)."""

_CHUNK = 16
_LINES = 400  # bytes for each file in the record and the tables
_TABLES = 1_000_000  # bytes for the rest of them
_THREADS = 4
_WORTH_THREADS = 1 << 18  # bytes a file; copying smaller ones, threads only wait for each other


def apply(
    plan: Plan, *, run: str = "", roots: Collection[str] = (), progress: Progress | None = None
) -> tuple[Failure, ...]:
    """Carry out the plan; gives the files that could not be transferred, which stay where they are.

    The record of the run is on the disk before the first file moves. Called again with the same plan after a
    crash, it does what is missing. Whoever calls holds the `Lock`. run, roots: see `Record`; without roots they are
    the folders of the sources.

    Raises OutputError, with nothing left behind, if there is too little space, hard links would have to cross
    file systems, or the disk fills up or turns read-only on the way; and if `out` holds the record of another run.
    """
    root = Path(plan.out)
    record = read_record(root)
    if record is not None:
        recorded = [(entry.source, entry.target) for entry in record.entries]
        if (record.mode, recorded) != (plan.mode, [(t.source, t.target) for t in plan.transfers]):
            raise OutputError(f"{printable(root)} holds the record of another run; remove it or take it back first")
        return _carry_out(root, record, progress)
    entries = tuple(entry_of(t.source, t.target, plan.mode) for t in plan.transfers)
    roots = roots or sorted({os.path.dirname(entry.source) for entry in entries})
    record = Record(plan.mode, entries, plan.folders, run, tuple(roots))
    _check_room(root, record, beside=_TABLES)
    try:
        write_record(root, record)
    except OutputError:
        _forget(root)
        raise
    return _carry_out(root, record, progress, fresh=True)


def replay(out: StrPath, *, images: Sequence[StrPath] = (), progress: Progress | None = None) -> tuple[Failure, ...]:
    """End what a killed run began in `out`, from its record; nothing to do gives no failures.

    images: the folders that a record which is not ours may lead to. Raises as `apply` does, and OutputError where it
    leads elsewhere; but a replay that has to stop leaves what the killed run had done.
    """
    root = Path(out)
    renames = read_pending(root)
    if renames is not None:
        _rename_all(root, renames)
    record = read_record(root)
    if record is not None:
        check_named(root, record, images)
    return () if record is None else _carry_out(root, record, progress)


def end_renames(out: StrPath) -> None:
    """Do what a `rebase` that was cut off left to do; nothing where there was none."""
    renames = read_pending(out)
    if renames is not None:
        _rename_all(Path(out), renames)


def rebase(out: StrPath, moved: Iterable[tuple[str, str]], *, folders: Iterable[str] = ()) -> None:
    """Rename files within `out`, as merging and reviewing do; the record follows, with their sources.

    `moved` are pairs (old, new) relative to `out`; the names must be there and free. Files that are not in the
    record move too and are known as somebody else's. Folders that became empty go, except `folders`, which are
    made. Killed on the way, `replay` ends it; every other function takes the files for where they are.

    Raises UsageError for names that cannot be, OutputError if there is no record, TransferError for a rename
    that fails; then the record says how far it came.
    """
    root = Path(out)
    renames = Renames(tuple(moved), tuple(folders))
    record = read_record(root)
    if record is None:
        raise OutputError(f"{printable(root)} holds no record of a run whose files could be renamed")
    pending = read_pending(root)
    if pending is not None:
        _rename_all(root, pending)
    _check_renames(root, renames, OnDisk(root, record.mode))
    write_pending(root, renames)
    _rename_all(root, renames)


def _carry_out(root: Path, record: Record, progress: Progress | None, *, fresh: bool = False) -> tuple[Failure, ...]:
    done: list[int] = []
    try:
        if not fresh:
            remove_leftovers_of_undo(record)
            _check_room(root, record)
        _prepare_folders(root, record)
        return _transfer_all(root, record, progress, done)
    except (OutputError, TransferError) as error:
        left = take_back_entries(root, record, [record.entries[i] for i in done])
        if fresh and not left:
            files.remove_empty_folders(root / folder for folder in record.folders)
            _forget(root)
        text = str(error)
        if isinstance(error, TransferError):
            text = f"stopped and took back what was done: {text}"
        if left:
            text += f"; {len(left)} of the files stayed in {printable(root)}"
        raise OutputError(text) from error


def _prepare_folders(root: Path, record: Record) -> None:
    on_disk = OnDisk(root, record.mode)
    for folder in ("", STATE_FOLDER, *record.folders):
        if not on_disk.is_own_folder(folder):
            raise OutputError(f"{printable(root / folder)} leads elsewhere; choose another output folder")
        files.remove_leftovers(root / folder)
        files.make_folder(root / folder)


def _transfer_all(root: Path, record: Record, progress: Progress | None, done: list[int]) -> tuple[Failure, ...]:
    """Transfer what is missing, and note in `done` what was; raises the first error that stops everything."""
    entries, on_disk, stop = record.entries, OnDisk(root, record.mode), threading.Event()

    def transfer(chunk: range) -> list[tuple[int, Failure]]:
        failures = []
        for i in chunk:
            if stop.is_set():
                break
            try:
                if _transfer(root, entries[i], record.mode, on_disk):
                    done.append(i)
            except TransferError as error:
                if files.stops_everything(error):
                    raise
                failures.append((i, Failure(entries[i].source, files.reason(error))))
        return failures

    failures, files_done, bytes_done = [], 0, 0
    chunks = [range(first, min(first + _CHUNK, len(entries))) for first in range(0, len(entries), _CHUNK)]
    with ThreadPoolExecutor(_workers(record), thread_name_prefix="transfer") as pool:
        futures = {pool.submit(transfer, chunk): chunk for chunk in chunks}
        try:
            for future in as_completed(futures):
                failures += future.result()
                files_done += len(futures[future])
                bytes_done += sum(max(0, entries[i].size) for i in futures[future])
                if progress is not None:
                    progress(files_done, len(entries), bytes_done)
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return tuple(failure for _, failure in sorted(failures))


def _transfer(root: Path, entry: Entry, mode: TransferMode, on_disk: OnDisk) -> bool:
    """Bring one entry to its end, judging from the disk how far it is; whether there was anything to do."""
    target = root / entry.target
    if mode == "none" or not entry.source:
        return False
    if on_disk.has_arrived(entry):
        if mode != "move" or not on_disk.source_is_unchanged(entry):
            return False
        files.finish_move(entry.source, target)
        return True
    if files.is_there(target):
        if mode == "move" and not files.is_there(entry.source):
            return False  # moved, and changed by somebody since
        raise TransferError("there is already something of that name in the output folder")
    if not on_disk.source_is_unchanged(entry):
        there = files.is_there(entry.source)
        raise TransferError("it was changed after the run began" if there else "it is gone")
    files.transfer(entry.source, target, mode)
    return True


def _workers(record: Record) -> int:
    mean = sum(max(0, entry.size) for entry in record.entries) / max(1, len(record.entries))
    return min(_THREADS, os.cpu_count() or 1) if record.mode == "copy" and mean >= _WORTH_THREADS else 1


def check_replacing(plan: Plan, earlier: Earlier) -> None:
    """Raise OutputError if `apply` would refuse the plan once `remove_earlier` has removed the earlier run.

    That is too little space, what will be removed counted as free, or hard links across file systems.
    """
    root = Path(plan.out)
    entries = tuple(entry_of(t.source, t.target, plan.mode) for t in plan.transfers)
    _check_room(root, Record(plan.mode, entries, plan.folders), beside=_TABLES, removed=earlier.removable)


def _check_room(root: Path, record: Record, *, beside: int = 0, removed: Collection[str] = ()) -> None:
    """Raise OutputError unless what is missing fits, and hard links are possible.

    `beside`: bytes that are needed besides. `removed`: targets that are there and will be gone by then.
    """
    place = files.existing_part(root)
    device, needed = place.stat().st_dev, beside
    for entry in record.entries:
        found = lstat(Path(entry.source)) if record.mode == "move" else follow(entry.source)
        is_done = files.is_there(root / entry.target) and entry.target not in removed
        if found is None or not entry.source or is_done:
            continue
        needed += _LINES
        if found.st_dev != device and record.mode == "hardlink":
            text = f"{printable(entry.source)} is on another file system than {printable(root)}"
            raise OutputError(f"{text}, where hard links cannot lead; use --transfer copy")
        if record.mode == "copy" or (record.mode == "move" and found.st_dev != device):
            needed += found.st_size
    there = files.free_bytes(root) + _bytes_only_in(root, removed) if needed else 0
    if needed > there:
        raise OutputError(f"needs {_in_units(needed)}, {_in_units(there)} free on {printable(place)}")


def _bytes_only_in(root: Path, names: Iterable[str]) -> int:
    """The bytes that removing the names frees: of files that have no other name."""
    found = (lstat(root / name) for name in names)
    return sum(each.st_size for each in found if each is not None and each.st_nlink == 1)


def _in_units(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _forget(root: Path) -> None:
    """Remove what was made in a folder that nothing came into."""
    remove_record(root)
    files.remove_empty_folders([root / STATE_FOLDER, root])


def _check_renames(root: Path, renames: Renames, on_disk: OnDisk) -> None:
    new_names = Counter(new for _, new in renames.moved)
    for old, new in renames.moved:
        own = all(is_inside(name) and on_disk.is_own_folder(folder_of(name)) for name in (old, new))
        if not own:
            raise UsageError(f"both names must be inside the output folder, got {printable(old)}, {printable(new)}")
        if not files.is_there(root / old):
            raise UsageError(f"a file to rename must be there, got {printable(old)}")
        if files.is_there(root / new) or new_names[new] > 1:
            raise UsageError(f"a new name must be free, got {printable(new)}")


def _rename_all(root: Path, renames: Renames) -> None:
    """Do the renames that are missing, let the record follow, remove the folders that became empty."""
    try:
        for folder in with_parents([*renames.folders, *(folder_of(new) for _, new in renames.moved)]):
            files.make_folder(root / folder)
        for old, new in renames.moved:
            if files.is_there(root / old) and not files.is_there(root / new):
                files.rename(root / old, root / new)
        left = with_parents(folder_of(old) for old, _ in renames.moved)
        record = read_record(root)
        below = [f for f in (record.folders if record else ()) if any(f.startswith(f"{top}/") for top in left)]
        emptied = {*left, *below} - set(with_parents(renames.folders))
        files.remove_empty_folders(root / folder for folder in emptied)
    except LabelimgError:
        _settle(root)
        raise
    _settle(root)  # an interruption leaves them pending: the next call ends them


def _settle(root: Path) -> None:
    """Let the record say where the files are now; the renames are then no longer pending."""
    record = read_record(root)
    if record is not None:
        folders = tuple(folder for folder in record.folders if (root / folder).is_dir())
        write_record(root, replace(record, folders=folders))
