"""Plan which file goes into which folder, under which name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from labelimg.clusterimg.record import TransferMode, is_inside, with_parents
from labelimg.errors import UsageError
from labelimg.files import StrPath, printable

_LONGEST_NAME = 255  # bytes


@dataclass(frozen=True, slots=True)
class Transfer:
    """One file: an absolute path and where it goes, relative to the output folder, with "/"."""

    source: str
    target: str


@dataclass(frozen=True)
class Plan:
    """What goes where, before anything moves; `folders` are made even if nothing goes into them."""

    out: str
    mode: TransferMode
    transfers: tuple[Transfer, ...]
    folders: tuple[str, ...]


def plan_transfers(
    out: StrPath,
    mode: TransferMode,
    layout: Iterable[tuple[str, str]],
    *,
    folders: Iterable[str] = (),
    free: Collection[str] = (),
) -> Plan:
    """The plan for pairs (source, folder relative to `out`), in the order given; mode "none" plans nothing.

    Files keep their names. Where a name is taken in its folder, by an earlier file of the layout or by one on
    disk, the file becomes `name__2.jpg`, `name__3.jpg` and so on; names that differ only in case count as one.
    Names in `free` (an earlier run's, about to be removed) are not taken. Raises UsageError for a folder outside
    of `out`, or for a source that is to be moved twice.

    >>> plan = plan_transfers("/out", "copy", [("/a/x.jpg", "one"), ("/b/x.jpg", "one")])
    >>> [transfer.target for transfer in plan.transfers]
    ['one/x.jpg', 'one/x__2.jpg']
    """
    root = Path(out).absolute()
    if mode == "none":
        return Plan(str(root), mode, (), ())
    pairs = [(str(Path(source).absolute()), folder) for source, folder in layout]
    named = {*folders, *(folder for _, folder in pairs)}
    every = with_parents(named)
    for folder in named:
        if not is_inside(folder):
            raise UsageError(f"a folder of the layout must be inside the output folder, got {printable(folder)}")
    if mode == "move":
        source, times = next(iter(Counter(source for source, _ in pairs).most_common(1)), ("", 0))
        if times > 1:
            raise UsageError(f"a file can be moved to one place only, got {times} for {printable(source)}")
    names = _free_names([(Path(source).name, folder) for source, folder in pairs], _taken(root, every, free))
    transfers = (Transfer(pair[0], f"{pair[1]}/{name}") for pair, name in zip(pairs, names, strict=True))
    return Plan(str(root), mode, tuple(transfers), every)


def _taken(root: Path, folders: Iterable[str], free: Collection[str]) -> dict[str, set[str]]:
    """For each folder the names, case folded, that a new file cannot have: what is on disk, and subfolders."""
    free = frozenset(free)
    taken: dict[str, set[str]] = {}
    for folder in folders:
        path = root / folder
        names = [found.name for found in path.iterdir()] if path.is_dir() else []
        taken[folder] = {name.casefold() for name in names if f"{folder}/{name}" not in free}
    for folder in folders:
        above = str(PurePosixPath(folder).parent)
        if above in taken:
            taken[above].add(PurePosixPath(folder).name.casefold())
    return taken


def _free_names(wanted: list[tuple[str, str]], taken: dict[str, set[str]]) -> list[str]:
    """A name for each (name, folder): its own for the first that wants it, then the first free number."""
    names: list[str | None] = []
    for name, folder in wanted:
        is_free = name.casefold() not in taken[folder]
        taken[folder].add(name.casefold())
        names.append(name if is_free else None)
    last: Counter[tuple[str, str]] = Counter()
    for i, (name, folder) in enumerate(wanted):
        while names[i] is None:
            last[folder, name.casefold()] += 1
            candidate = _numbered(name, last[folder, name.casefold()] + 1)
            if candidate.casefold() not in taken[folder]:
                taken[folder].add(candidate.casefold())
                names[i] = candidate
    return [name for name in names if name is not None]


def _numbered(name: str, number: int) -> str:
    """The name with a number before its extension, its end shortened to what a file system takes."""
    stem, extension = PurePosixPath(name).stem, PurePosixPath(name).suffix
    end = f"__{number}{extension}"
    if len(os.fsencode(end)) >= _LONGEST_NAME // 2:  # what follows the last dot is no extension
        stem, end = name, f"__{number}"
    while len(os.fsencode(stem + end)) > _LONGEST_NAME:
        stem = stem[:-1]
    return stem + end
