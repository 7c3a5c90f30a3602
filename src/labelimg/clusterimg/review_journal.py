"""Changes of a review that were not applied, on the disk, so that they survive the program.

RESULT/.labelimg/review.jsonl: a line that tells which image was in which cluster, then a line for each change as it is
made; `"apply"` where they began to be carried out. JSON in ASCII, like the record.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelimg import files
from labelimg.clusterimg.arrangement import OUTLIERS, OUTLIERS_NAME, Arrangement, Change
from labelimg.clusterimg.standing import Standing, folders_of
from labelimg.errors import OutputError, UsageError
from labelimg.files import STATE_FOLDER

JOURNAL = "review.jsonl"
_APPLY = '"apply"'


@dataclass(frozen=True)
class Kept:
    """What a journal holds: what its changes begin from, with its digest, and their lines.

    images, clusters: the names of the images, and the numbers of their clusters; names: those of the clusters.
    """

    base: str
    images: tuple[str, ...]
    clusters: tuple[int, ...]
    names: dict[int, str]
    lines: tuple[str, ...]

    @property
    def is_applying(self) -> bool:
        """Whether the changes had begun to be carried out when it was left."""
        return bool(self.lines) and self.lines[-1] == _APPLY


class ReviewJournal:
    """Writes changes down as they are made; the file appears with the first."""

    def __init__(self, out: Path) -> None:
        self._path = out / STATE_FOLDER / JOURNAL
        self._descriptor = -1
        self._head = ""

    def begin(self, standing: Standing, arrangement: Arrangement) -> None:
        """The changes to come begin from here; what the file held is spent. Raises OutputError."""
        self.remove()
        self._head = _head(standing, arrangement)

    def go_on(self, standing: Standing, arrangement: Arrangement, changes: Sequence[Change]) -> None:
        """The changes to come follow these, which began from there; what else the file held is spent."""
        self.close()
        files.write_atomic(self._path, _head(standing, arrangement) + "".join(map(_line, changes)))
        self._head = ""

    def note(self, change: Change) -> None:
        """Write a change down. Raises OutputError."""
        self._append(_line(change))

    def note_applying(self) -> None:
        """Write down that the changes begin to be carried out. Raises OutputError."""
        self._append(_APPLY + "\n")
        os.fsync(self._descriptor)

    def remove(self) -> None:
        """Forget the changes. Raises TransferError if the file cannot be removed."""
        self.close()
        files.remove_file(self._path)

    def close(self) -> None:
        """Leave the file as it is."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _append(self, line: str) -> None:
        if self._descriptor < 0:
            if self._head:
                files.write_atomic(self._path, self._head)
            self._descriptor = files.open_to_append(self._path)
            self._head = ""
        files.append(self._descriptor, self._path, line.encode("ascii"))


def read_journal(out: Path) -> Kept | None:
    """What the journal in `out` holds; None if there is none or it is not ours. A torn last line is left out."""
    try:
        text = (out / STATE_FOLDER / JOURNAL).read_text("ascii")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None
    except OSError as error:
        path = files.printable(out / STATE_FOLDER / JOURNAL)
        raise OutputError(f"cannot read {path}: {files.reason(error)}") from error
    whole = text[: text.rfind("\n") + 1].splitlines()
    try:
        head, *lines = whole
        found = json.loads(head)
        names = {number: str(name) for name, number in found["numbers"].items()}
        images, clusters = tuple(found["images"]), tuple(found["clusters"])
        sound = all(type(number) is int and 0 < number < 1 << 31 for number in names)
        sound = sound and len(names) == len(found["numbers"]) and OUTLIERS_NAME not in names.values()
        sound = sound and all(type(name) is str for name in images) and len(set(images)) == len(images) == len(clusters)
        if sound and all(type(number) is int for number in clusters) and set(clusters) <= {OUTLIERS, *names}:
            return Kept(str(found["base"]), images, clusters, names, tuple(lines))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    return None


def replayed(kept: Kept, reserved: frozenset[str]) -> tuple[Arrangement, list[Change], bool]:
    """The arrangement that the journal begins from, its changes as far as they make sense, and whether all do."""
    begun = now = Arrangement(np.asarray(kept.clusters, np.int32), kept.names, reserved)
    changes: list[Change] = []
    for line in kept.lines:
        if line == _APPLY:
            continue
        try:
            change = _change(line, now)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError, UsageError):
            return begun, changes, False  # what follows was made on top of it
        if not change.is_empty:
            now = now.after(change)
            changes.append(change)
    return begun, changes, True


def wanted_places(kept: Kept) -> dict[str, str]:
    """Of each image that the changes bring to another cluster, the name of that; whatever stands there now."""
    begun, changes, _ = replayed(kept, frozenset())
    then = begun
    for change in changes:
        then = then.after(change)
    places = zip(kept.images, folders_of(begun), folders_of(then), strict=True)
    return {image: after for image, before, after in places if before != after}


def _head(standing: Standing, arrangement: Arrangement) -> str:
    alive = np.unique(arrangement.clusters[arrangement.clusters > 0]).tolist()
    numbers = {arrangement.names[number]: number for number in alive}
    told = {"base": standing.digest, "numbers": numbers, "images": standing.names}
    return json.dumps({**told, "clusters": arrangement.clusters.tolist()}) + "\n"


def _line(change: Change) -> str:
    after: Any = change.after.tolist()
    if len(set(after)) == 1:
        after = after[0]
    return json.dumps([change.text, change.rows.tolist(), after, change.names]) + "\n"


def _change(line: str, now: Arrangement) -> Change:
    """A change from its line, checked against what it is made to: ValueError and others if it does not fit."""
    text, listed, to, renamed = json.loads(line)
    if not all(type(row) is int and 0 <= row < len(now) for row in listed):
        raise ValueError("rows")
    rows = np.asarray(listed, np.int32)
    after = np.broadcast_to(np.asarray(to, np.int64), rows.shape)
    if len(rows) > 1 and not bool((np.diff(rows) > 0).all()):
        raise ValueError("rows")
    names: list[tuple[int, str | None, str | None]] = []
    known = now.names.keys() | {0}
    for number, _, name in renamed:
        if type(number) is not int or not 0 < number < 1 << 31 or not isinstance(name, str | None):
            raise ValueError("names")
        names.append((number, now.names.get(number), None if name is None else now.checked_name(name, but=number)))
        known = known | {number} if name is not None else known - {number}
    if not np.isin(after, list(known)).all():
        raise ValueError("clusters")
    change = Change(str(text), rows, now.clusters[rows], after.astype(np.int32), tuple(names))
    then = now.after(change)
    alive = [then.name_of(number) for number in np.unique(then.clusters).tolist()]
    if len(set(alive)) < len(alive):
        raise ValueError("names")
    return change
