"""Which image is in which cluster, and the changes that a person makes to that: values, without files or windows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from labelimg.clusterimg.flow import Rows
from labelimg.errors import UsageError, printable

OUTLIERS = 0
"""The number that outliers have in place of a cluster's."""

OUTLIERS_NAME = "outliers"
_NUMBERED = re.compile(r"cluster_(\d{1,9})", re.IGNORECASE)
_LONGEST_NAME = 255  # bytes


@dataclass(frozen=True, eq=False)
class Change:
    """What one undo takes back: other clusters for some images, other names for some clusters.

    text: what was done, for a person. rows: ascending, (k,) int32; before, after: the numbers of their clusters.
    names: (number of the cluster, name before, name after), None where it has none.
    """

    text: str
    rows: Rows
    before: Rows
    after: Rows
    names: tuple[tuple[int, str | None, str | None], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return not len(self.rows) and not self.names

    def reversed(self) -> Change:
        """The change that takes this one back."""
        names = tuple((number, after, before) for number, before, after in self.names)
        return Change(self.text, self.rows, self.after, self.before, names)


@dataclass(frozen=True, eq=False)
class Arrangement:
    """The clusters of n images.

    clusters: (n,) int32, of each image the number of its cluster, from 1, or 0 for an outlier. names: of each cluster
    the name of its folder; those without an image are no more, and their names are free. reserved: names that no
    cluster can get, because something else has them.
    """

    clusters: Rows
    names: Mapping[int, str]
    reserved: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", MappingProxyType(dict(self.names)))
        self.clusters.setflags(write=False)

    def __len__(self) -> int:
        return len(self.clusters)

    def members(self) -> dict[int, Rows]:
        """The images of each cluster that has any, and of the outliers if there are any, as ascending rows."""
        order = np.argsort(self.clusters, kind="stable").astype(np.int32)
        numbers, starts = np.unique(self.clusters[order], return_index=True)
        parts = np.split(order, starts[1:]) if len(order) else []
        return dict(zip(numbers.tolist(), parts, strict=True))

    def rows_of(self, number: int) -> Rows:
        """The images of one cluster, or the outliers, as ascending rows."""
        return np.flatnonzero(self.clusters == number).astype(np.int32)

    def name_of(self, number: int) -> str:
        """The name of a cluster's folder, "outliers" for 0."""
        return OUTLIERS_NAME if number == OUTLIERS else self.names[number]

    def number_of(self, name: str) -> int | None:
        """The number of the cluster of this name that has images; 0 for "outliers", None if there is none."""
        if name == OUTLIERS_NAME:
            return OUTLIERS
        alive = self._alive()
        return next((number for number, each in self.names.items() if each == name and number in alive), None)

    def after(self, change: Change) -> Arrangement:
        """The arrangement with the change made."""
        clusters = self.clusters.copy()
        clusters[change.rows] = change.after
        names = dict(self.names)
        for number, _, name in change.names:
            if name is None:
                names.pop(number, None)
            else:
                names[number] = name
        return Arrangement(clusters, names, self.reserved)

    # ------------------------------------------------------------------------------------- what can be done

    def move(self, rows: Iterable[int], to: int) -> Change:
        """Images go to the cluster of a number, or to the outliers. Raises UsageError if there is no such cluster."""
        if to != OUTLIERS and to not in self._alive():
            raise UsageError(f"no cluster has the number {to}")
        return self._moved(rows, to, f"to {self.name_of(to)}")

    def new_cluster(self, rows: Iterable[int], name: str | None = None) -> Change:
        """Images, at least one, become a cluster of their own. Raises UsageError for none, or a name that cannot be."""
        chosen = self._rows(rows)
        if not len(chosen):
            raise UsageError("a new cluster needs at least one image")
        number = self._next_number()
        made = self._free_names(1)[0] if name is None else self.checked_name(name)
        change = self._moved(chosen, number, f"to a new cluster {made}")
        return Change(change.text, change.rows, change.before, change.after, ((number, None, made),))

    def merge(self, numbers: Iterable[int], into: int | None = None) -> Change:
        """Clusters become one: the one of the number `into`, or of the most images, of equal ones the first by row.

        Raises UsageError for fewer than two clusters, for outliers, which belong to nothing, and for an unknown number.
        """
        chosen = list(dict.fromkeys([*numbers, *([] if into is None else [into])]))
        members = self.members()
        unknown = next((number for number in chosen if number == OUTLIERS or number not in members), None)
        if unknown is not None:
            raise UsageError(
                "outliers cannot be merged with a cluster: move them into it"
                if unknown == OUTLIERS
                else f"no cluster has the number {unknown}"
            )
        if len(chosen) < 2:
            raise UsageError("merging needs two clusters at least")
        if into is None:
            into = min(chosen, key=lambda number: (-len(members[number]), int(members[number][0])))
        rows = np.concatenate([members[number] for number in chosen if number != into])
        change = self._moved(rows, into, "")
        text = f"merge {len(chosen)} clusters into {self.name_of(into)}"
        return Change(text, change.rows, change.before, change.after)

    def split(self, number: int, pieces: Sequence[Iterable[int]]) -> Change:
        """A cluster falls into pieces: the largest keeps its name, the others become clusters of their own.

        Of equal pieces the one with the first image counts as larger. Images of the cluster that are in no piece
        become outliers; so a split into nothing makes outliers of all. Raises UsageError for a piece without images,
        images of other clusters, or one that is in two pieces.
        """
        own = self.rows_of(number)
        if number == OUTLIERS or not len(own):
            raise UsageError(f"no cluster has the number {number}" if number else "outliers cannot be split")
        parts = sorted((self._rows(piece) for piece in pieces), key=lambda rows: (-len(rows), rows[:1].tolist()))
        every = np.concatenate([np.empty(0, np.int32), *parts])
        if any(not len(part) for part in parts) or not np.isin(every, own).all():
            raise UsageError(f"pieces of {self.name_of(number)} must have images, of its own alone")
        if len(np.unique(every)) < len(every):
            raise UsageError("an image can be in one piece only")
        after = np.full(len(own), OUTLIERS, np.int32)
        first = self._next_number()
        for k, part in enumerate(parts):
            after[np.searchsorted(own, part)] = number if k == 0 else first + k - 1
        changed = after != number
        names = tuple((first + k, None, name) for k, name in enumerate(self._free_names(max(0, len(parts) - 1))))
        text = f"split {self.name_of(number)} into {len(parts)}"
        return Change(text, own[changed], np.full(int(changed.sum()), number, np.int32), after[changed], names)

    def rename(self, number: int, name: str) -> Change:
        """The cluster's folder gets another name. Raises UsageError for a name that cannot be."""
        if number == OUTLIERS:
            raise UsageError(f"the folder {OUTLIERS_NAME} keeps its name")
        if number not in self.names:
            raise UsageError(f"no cluster has the number {number}")
        empty, before = np.empty(0, np.int32), self.names[number]
        text = f"rename {before} to {name.strip()}"
        if name.strip() == before:
            return Change(text, empty, empty, empty)
        return Change(text, empty, empty, empty, ((number, before, self.checked_name(name, but=number)),))

    def checked_name(self, name: str, *, but: int | None = None) -> str:
        """The name without spaces around it; raises UsageError if no cluster but `but` could have it."""
        wanted = name.strip()
        shown = printable(wanted)
        if not wanted or "/" in wanted or not wanted.isprintable():
            raise UsageError(f"a folder's name must be one line without /, got {shown!r}")
        if wanted.startswith("."):
            raise UsageError(f"a folder's name must not begin with a dot, or its images are hidden, got {shown!r}")
        if len(wanted.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
            raise UsageError(f"a folder's name must have at most {_LONGEST_NAME} bytes, got {shown[:40]!r}...")
        if wanted.casefold() in self._taken(but):
            raise UsageError(f"there is already something of the name {shown!r}")
        return wanted

    # ----------------------------------------------------------------------------------------------- parts

    def _rows(self, rows: Iterable[int]) -> Rows:
        given = rows if isinstance(rows, np.ndarray) else np.fromiter(rows, np.int64)
        chosen = np.unique(given)
        if len(chosen) and not (chosen[0] >= 0 and chosen[-1] < len(self)):
            raise UsageError(f"rows must be between 0 and {len(self) - 1}, got {chosen[0]} to {chosen[-1]}")
        return chosen.astype(np.int32)

    def _moved(self, rows: Iterable[int], to: int, where: str) -> Change:
        chosen = self._rows(rows)
        chosen = chosen[self.clusters[chosen] != to]
        count = "1 image" if len(chosen) == 1 else f"{len(chosen):,} images"
        return Change(f"move {count} {where}", chosen, self.clusters[chosen], np.full(len(chosen), to, np.int32))

    def _alive(self) -> set[int]:
        return set(np.unique(self.clusters).tolist())

    def _taken(self, but: int | None) -> set[str]:
        alive = self._alive()
        used = {name.casefold() for number, name in self.names.items() if number in alive and number != but}
        return used | {name.casefold() for name in self.reserved} | {OUTLIERS_NAME}

    def _next_number(self) -> int:
        return max(self.names, default=0) + 1

    def _free_names(self, count: int) -> list[str]:
        """Names for new clusters, numbered after all that there were, so that none is taken for an earlier one."""
        every = [*self.names.values(), *self.reserved]
        last = max((int(found[1]) for name in every if (found := _NUMBERED.fullmatch(name))), default=-1)
        return [f"cluster_{last + 1 + k}" for k in range(count)]


class History:
    """An arrangement with the changes that led to it, along which one can go back and forth."""

    def __init__(self, arrangement: Arrangement) -> None:
        self._now = arrangement
        self._done: list[Change] = []
        self._undone: list[Change] = []

    @property
    def now(self) -> Arrangement:
        """The arrangement as it is now."""
        return self._now

    @property
    def can_undo(self) -> str:
        """What undo would take back, empty if there is nothing."""
        return self._done[-1].text if self._done else ""

    @property
    def can_redo(self) -> str:
        """What redo would do again, empty if there is nothing."""
        return self._undone[-1].text if self._undone else ""

    def do(self, change: Change) -> bool:
        """Make a change; what was undone before is then forgotten. Whether it changed anything."""
        if change.is_empty:
            return False
        self._now = self._now.after(change)
        self._done.append(change)
        self._undone.clear()
        return True

    def undo(self) -> Change | None:
        """Take the last change back; it, or None if there is none."""
        if not self._done:
            return None
        change = self._done.pop()
        self._now = self._now.after(change.reversed())
        self._undone.append(change)
        return change

    def redo(self) -> Change | None:
        """Make the last change that was taken back again; it, or None if there is none."""
        if not self._undone:
            return None
        change = self._undone.pop()
        self._now = self._now.after(change)
        self._done.append(change)
        return change
