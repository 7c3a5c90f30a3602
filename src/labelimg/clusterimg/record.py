"""What a run wrote into its output folder, kept there on disk, and how that compares with what is there now.

The record lies in OUT/.labelimg and is complete before the first file moves. It never says how far a run came: that
is read from the disk, so that a run may be killed at any instant and nothing contradicts it.

- `plan.jsonl`: a line about the run, then one line for each file, then what signs them, see `signing`. JSON in ASCII
  keeps names of any bytes.
- `pending.jsonl`: renames within OUT that were begun, while they last.
- `wrote.json`: the tables and pages beside the folders.
- `review.jsonl`: changes of a review that were not applied yet, see `review_journal`.
- `undoing`: the run is being taken back.

What a run keeps to go on with lies beside it, see `kept`.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from labelimg import files
from labelimg.errors import OutputError
from labelimg.files import STATE_FOLDER, StrPath, printable
from labelimg.images import has_image_ending
from labelimg.signing import is_ours, signature

TransferMode = Literal["copy", "move", "hardlink", "symlink", "none"]

_UNDOING = "undoing"

# What a file system makes of a time when it keeps it in units of this many nanoseconds.
_TIME_UNITS_NS = (1, 100, 1_000, 1_000_000, 10_000_000, 1_000_000_000, 2_000_000_000)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a run; size and time are those of the source before the run, -1 where there was none.

    `source` is absolute, or empty for a file that somebody else put into OUT and we only renamed. `target` is
    relative to OUT, with "/". `link` is what the source read if it was a link that is moved.
    """

    source: str
    target: str
    size: int
    mtime_ns: int
    link: str | None = None


@dataclass(frozen=True)
class Record:
    """What a run put into its output folder: how, which files, in which folders (relative, parents first).

    run: which run it was, see `kept.Begun`; roots: the folders that all sources lie in. ours: whether this user wrote
    it on this machine; where not, its sources are followed nowhere that was not named.
    """

    mode: TransferMode
    entries: tuple[Entry, ...]
    folders: tuple[str, ...]
    run: str = ""
    roots: tuple[str, ...] = ()
    ours: bool = True


@dataclass(frozen=True)
class Renames:
    """Renames within OUT, (old, new) relative to it, and folders that are to stay although empty."""

    moved: tuple[tuple[str, str], ...]
    folders: tuple[str, ...]


def with_parents(folders: Iterable[str]) -> tuple[str, ...]:
    """The folders and all above them inside OUT, each once, parents first.

    >>> with_parents(["results/a", "results"])
    ('results', 'results/a')
    """
    every = {str(part) for folder in folders for part in (PurePosixPath(folder), *PurePosixPath(folder).parents)}
    return tuple(sorted(every - {"."}, key=lambda folder: (folder.count("/"), folder)))


def folder_of(target: str) -> str:
    """The folder of a target, "" for OUT itself."""
    return target.rpartition("/")[0]


def is_inside(target: str) -> bool:
    """Whether a relative path stays inside OUT and outside of the record itself."""
    parts = target.split("/")
    return not {"", ".", ".."} & set(parts) and parts[0] != STATE_FOLDER and "\0" not in target


def read_record(out: StrPath) -> Record | None:
    """The record of the run in `out`, with the names its files have on disk now; None if there is none.

    Renames that were cut off count as far as they came. Changes nothing. Raises OutputError if the record cannot
    be read or names a place outside of `out`.
    """
    text = _read_text(out, "plan.jsonl")
    if text is None:
        return None
    try:
        head, *rest = map(json.loads, text.splitlines())
        ours = False
        if rest and isinstance(rest[-1], dict):
            signed = text[: text.rindex("\n", 0, -1) + 1]
            ours = is_ours(signed, rest.pop().get("signature"))
        entries = tuple(Entry(*row) for row in rest)
        record = Record(head["mode"], entries, tuple(head["folders"]), head["run"], tuple(head["roots"]), ours)
        whole = head["entries"] == len(entries) and record.mode in get_args(TransferMode) and type(record.run) is str
        whole = whole and all(map(_is_of_its_types, entries))
        names = [*record.folders, *(entry.target for entry in entries)]
        whole = whole and all(is_inside(name) for name in names)
        inside = _inside_of(record.roots)
        whole = whole and all(not entry.source or inside(entry.source) for entry in entries)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise _damaged(out, "plan.jsonl") from error
    if not whole:
        raise _damaged(out, "plan.jsonl")
    renames = read_pending(out)
    return record if renames is None else _renamed(Path(out), record, renames)


def relocate(out: StrPath, places: Mapping[str, str]) -> None:
    """Note down that somebody moved files within `out`: old target -> where the file is now. Raises OutputError."""
    record = read_record(out)
    if record is not None and places:
        entries = tuple(replace(entry, target=places.get(entry.target, entry.target)) for entry in record.entries)
        folders = with_parents([*record.folders, *(folder_of(place) for place in places.values())])
        write_record(out, replace(record, entries=entries, folders=folders))


def write_record(out: StrPath, record: Record) -> None:
    """Replace the record in `out`, down to the disk; renames that were pending are settled by it.

    One that is not ours is not signed: nothing becomes trusted by being written again.
    """
    head = {
        "mode": record.mode,
        "folders": record.folders,
        "entries": len(record.entries),
        "run": record.run,
        "roots": record.roots,
    }
    rows = ([e.source, e.target, e.size, e.mtime_ns, e.link] for e in record.entries)
    text = _as_lines([head, *rows])
    signed = {"signature": signature(text) if record.ours else ""}
    files.make_folder(_state(out, ""))
    files.write_atomic(_state(out, "plan.jsonl"), text + _as_lines([signed]))
    files.remove_file(_state(out, "pending.jsonl"))


def read_pending(out: StrPath) -> Renames | None:
    """The renames in `out` that were begun and not ended; None if there are none. Raises OutputError."""
    lines = _read_lines(out, "pending.jsonl")
    if lines is None:
        return None
    try:
        head, *rest = lines
        renames = Renames(tuple((old, new) for old, new in rest), tuple(head["folders"]))
    except (TypeError, ValueError, KeyError) as error:
        raise _damaged(out, "pending.jsonl") from error
    names = [*renames.folders, *(name for pair in renames.moved for name in pair)]
    whole = all(type(name) is str and is_inside(name) for name in names)
    # An image stays one by its ending, or the next run would not find it.
    if not whole or any(has_image_ending(old) != has_image_ending(new) for old, new in renames.moved):
        raise _damaged(out, "pending.jsonl")
    return renames


def write_pending(out: StrPath, renames: Renames) -> None:
    """Note down renames in `out` that are about to begin, down to the disk."""
    _write_lines(out, "pending.jsonl", [{"folders": renames.folders}, *renames.moved])


def record_tables(out: StrPath, names: Iterable[str]) -> None:
    """Remember that the run wrote these files beside its folders, as they are now; adds to what is known.

    `names` are relative to `out`; a file that is not there is left out. Raises OutputError.
    """
    known = read_tables(out)
    for name in names:
        found = lstat(Path(out, name))
        if found is not None and is_inside(name):
            known[name] = (found.st_size, found.st_mtime_ns)
    files.make_folder(_state(out, ""))
    files.write_atomic(_state(out, "wrote.json"), json.dumps(known, indent=1) + "\n")


def read_tables(out: StrPath) -> dict[str, tuple[int, int]]:
    """Name -> (bytes, time in ns) of the files that the run wrote beside its folders. Raises OutputError."""
    lines = _read_lines(out, "wrote.json", whole=True)
    try:
        known = {str(name): (int(size), int(time)) for name, (size, time) in (lines[0] if lines else {}).items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise _damaged(out, "wrote.json") from error
    if not all(is_inside(name) for name in known):
        raise _damaged(out, "wrote.json")
    return known


def remove_record(out: StrPath) -> None:
    """Forget the run; the plan goes last, as it says what the rest is about."""
    for name in ("review.jsonl", "pending.jsonl", "wrote.json", "plan.jsonl", _UNDOING):
        files.remove_file(_state(out, name))


def is_made_by_us(out: StrPath) -> bool:
    """Whether a run of ours left its record in the folder; names that others may use too say nothing."""
    return any(_state(out, name).is_file() for name in ("plan.jsonl", "wrote.json"))


def begin_undoing(out: StrPath) -> None:
    """Note down that the run in `out` is being taken back; raises OutputError."""
    files.write_atomic(_state(out, _UNDOING), b"")


def is_being_undone(out: StrPath) -> bool:
    """Whether the run in `out` was being taken back when that was cut off."""
    return _state(out, _UNDOING).is_file()


class OnDisk:
    """How the files of a record stand on disk now. Reads only; keeps in mind which folders it has looked at."""

    def __init__(self, out: StrPath, mode: TransferMode) -> None:
        self._root = Path(out)
        self._mode = mode
        self._own_folders: dict[str, bool] = {}

    def is_own_folder(self, folder: str) -> bool:
        """Whether the folder is really in OUT, and not reached through a link that somebody put there."""
        if folder not in self._own_folders:
            expected = Path(os.path.realpath(self._root), folder)
            self._own_folders[folder] = os.path.realpath(self._root / folder) == str(expected)
        return self._own_folders[folder]

    def has_arrived(self, entry: Entry) -> bool:
        """Whether the target is there as the run puts it there, and nobody changed it since."""
        found = lstat(self._root / entry.target)
        if found is None or not entry.source or not self.is_own_folder(folder_of(entry.target)):
            return False
        if self._mode == "symlink" or entry.link is not None:
            text = entry.source if entry.link is None else files.link_made_absolute(entry.source, entry.link)
            return stat.S_ISLNK(found.st_mode) and str((self._root / entry.target).readlink()) == text
        if not stat.S_ISREG(found.st_mode):
            return False
        if self._mode == "hardlink":
            source = follow(entry.source)
            if source is not None and os.path.samestat(found, source):
                return True
        return _matches(entry, found)

    def source_is_unchanged(self, entry: Entry) -> bool:
        """Whether the source is there as it was before the run."""
        if self._mode != "move":
            found = follow(entry.source)
            return found is not None and _matches(entry, found)
        found = lstat(Path(entry.source))
        if found is None:
            return False
        if entry.link is not None:
            return stat.S_ISLNK(found.st_mode) and str(Path(entry.source).readlink()) == entry.link
        return stat.S_ISREG(found.st_mode) and _matches(entry, found)

    def is_spare(self, entry: Entry) -> bool:
        """Whether the target may go: the run put it there, and what it holds is still in its source too."""
        if self._mode == "move" or not self.has_arrived(entry):
            return False
        if self._mode == "symlink":
            return True
        target, source = lstat(self._root / entry.target), follow(entry.source)
        if target is None or source is None:
            return False
        if self._mode == "copy":
            return self.source_is_unchanged(entry) and not os.path.samestat(target, source)
        # Two names of one file, unless the source has become a link to the target.
        real = os.path.realpath(entry.source)
        return os.path.samestat(target, source) and real != os.path.realpath(self._root / entry.target)

    def is_only_copy(self, entry: Entry) -> bool:
        """Whether something at the target would be lost with it: moved there, or its source changed or went."""
        target = self._root / entry.target
        if not entry.source or not files.is_there(target):
            return False
        if self._mode == "move":
            return True
        if self._mode == "symlink" or not self.has_arrived(entry):
            return False
        return not self.is_spare(entry)


def entry_of(source: str, target: str, mode: TransferMode) -> Entry:
    """The entry for a source as it is on disk now."""
    found = lstat(Path(source)) if mode == "move" else follow(source)
    if found is None:
        return Entry(source, target, -1, -1)
    link = str(Path(source).readlink()) if stat.S_ISLNK(found.st_mode) else None
    return Entry(source, target, found.st_size, found.st_mtime_ns, link)


def lstat(path: Path) -> os.stat_result | None:
    """What is at the path, links not followed; None if nothing is or it cannot be reached."""
    try:
        return path.lstat()
    except (OSError, ValueError):
        return None


def follow(path: str) -> os.stat_result | None:
    """What the path leads to, links followed; None if nothing."""
    try:
        return Path(path).stat()
    except (OSError, ValueError):
        return None


def _matches(entry: Entry, found: os.stat_result) -> bool:
    if found.st_size != entry.size:
        return False
    recorded, now = entry.mtime_ns, found.st_mtime_ns
    return any(now == recorded - recorded % unit for unit in _TIME_UNITS_NS)


def _renamed(root: Path, record: Record, renames: Renames) -> Record:
    """The record after as many of the renames as the disk shows done."""
    done = {old: new for old, new in renames.moved if not files.is_there(root / old) and files.is_there(root / new)}
    entries = [replace(e, target=done.pop(e.target)) if e.target in done else e for e in record.entries]
    known = {entry.target for entry in entries}
    entries += [Entry("", new, -1, -1) for new in done.values() if new not in known]
    places = (folder_of(name) for pair in renames.moved for name in pair)
    folders = with_parents([*record.folders, *renames.folders, *(place for place in places if place)])
    return replace(record, entries=tuple(entries), folders=folders)


def _is_of_its_types(entry: Entry) -> bool:
    return (
        type(entry.source) is type(entry.target) is str
        and type(entry.size) is type(entry.mtime_ns) is int
        and type(entry.link) in (str, type(None))
    )


def _inside_of(roots: Sequence[str]) -> Callable[[str], bool]:
    """Whether a source may be: an image by its ending, below one of the roots, its path without detours."""
    if not all(type(root) is str and is_plain(root) for root in roots):
        return lambda _: False
    below = tuple(root.rstrip("/") + "/" for root in roots)
    return lambda source: source.startswith(below) and is_plain(source) and has_image_ending(source)


def is_plain(path: str) -> bool:
    """Whether a path is absolute and goes nowhere but down."""
    return path.startswith("/") and os.path.normpath(path) == path and "\0" not in path


def _state(out: StrPath, name: str) -> Path:
    return Path(out, STATE_FOLDER, name)


def _damaged(out: StrPath, name: str) -> OutputError:
    return OutputError(f"{printable(_state(out, name))} is damaged; choose another output folder")


def _read_text(out: StrPath, name: str) -> str | None:
    path = _state(out, name)
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"cannot read {printable(path)}: {files.reason(error)}") from error
    except ValueError as error:
        raise _damaged(out, name) from error


def _read_lines(out: StrPath, name: str, *, whole: bool = False) -> list[Any] | None:
    text = _read_text(out, name)
    try:
        return None if text is None else [json.loads(line) for line in ([text] if whole else text.splitlines())]
    except ValueError as error:
        raise _damaged(out, name) from error


def _write_lines(out: StrPath, name: str, lines: Iterable[Any]) -> None:
    files.make_folder(_state(out, ""))
    files.write_atomic(_state(out, name), _as_lines(lines))


def _as_lines(lines: Iterable[Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)
