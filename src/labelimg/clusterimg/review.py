"""Change the clusters of a result by hand: an arrangement that is pending until `apply` puts it on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from labelimg.cache import FeatureCache
from labelimg.clusterimg.applying import carry_out, check_finished, check_tables, finish, write_tables
from labelimg.clusterimg.arrangement import OUTLIERS, OUTLIERS_NAME, Arrangement, Change, History
from labelimg.clusterimg.continuing import remove_leftovers_of_tables
from labelimg.clusterimg.folders import end_renames
from labelimg.clusterimg.review_journal import ReviewJournal, read_journal, replayed
from labelimg.clusterimg.standing import Standing, folders_of, read_plan, standing_of
from labelimg.clusterimg.tables import read_run
from labelimg.errors import LabelimgError, OutputError, UsageError, printable
from labelimg.lock import Lock

Images = Iterable[int | str]


@dataclass(frozen=True)
class Move:
    """An image that goes to another cluster: its name, and the names of the clusters, "outliers" among them."""

    image: str
    before: str
    after: str


@dataclass(frozen=True)
class Applied:
    """What `apply` did: the images that went to another cluster, and those that are gone from the result."""

    moves: tuple[Move, ...]
    gone: tuple[str, ...]


class Review:
    """A result with the changes that a person makes to its clusters; nothing on the disk changes before `apply`.

    As a context manager it is closed at the end. Until then nobody else can change the result. Changes that are not
    applied are kept beside the result and are pending again when it is reviewed the next time: `brought_back` counts
    them, `lost` says what became of those that could not be brought back.

    Images are given by their names, as in clusters.csv, or by their rows; clusters by the names of their folders.

    Raises OutputError where there is no result of `cluster` or `deep`, its batches are not merged, or another run is
    working in it.

    >>> with Review("photos_clustered") as review:  # doctest: +SKIP
    ...     review.merge(["cluster_3", "cluster_7"])
    ...     review.rename("cluster_3", "cats")
    ...     review.apply()
    """

    def __init__(self, result: str | os.PathLike[str]) -> None:
        self.out = Path(result).absolute()
        self._check_merged(read_run(self.out))
        self._lock: Lock | None = Lock(self.out).__enter__()
        self._journal = ReviewJournal(self.out)
        self._behind = False  # whether a change was made that the journal does not hold
        self.brought_back, self.lost = 0, ""
        try:
            check_finished(self.out)
            remove_leftovers_of_tables(self.out)
            finish(self.out)
            end_renames(self.out)
            self.run = read_run(self.out)
            self._check_merged(self.run)
            self._open(standing_of(self.out, self.run))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let others change the result again; changes that are pending are kept."""
        self._journal.close()
        if self._lock is not None:
            self._lock.__exit__(None, None, None)
            self._lock = None

    # ------------------------------------------------------------------------------------------ what there is

    @property
    def images(self) -> tuple[str, ...]:
        """The names of the images, in name order; rows count along it."""
        return self.standing.names

    @property
    def now(self) -> Arrangement:
        """The clusters as they are with the pending changes."""
        return self.history.now

    @property
    def clusters(self) -> dict[str, tuple[str, ...]]:
        """The images of each cluster by the name of its folder, the largest first."""
        members = self.now.members()
        members.pop(OUTLIERS, None)
        ordered = sorted(members.items(), key=lambda each: (-len(each[1]), int(each[1][0])))
        return {self.now.names[number]: self._names(rows.tolist()) for number, rows in ordered}

    @property
    def outliers(self) -> tuple[str, ...]:
        """The outliers."""
        return self._names(self.now.rows_of(OUTLIERS).tolist())

    @property
    def pending(self) -> tuple[Move, ...]:
        """What `apply` would do: the images that are not in their cluster's folder yet."""
        wanted, there = folders_of(self.now), self.standing.folders
        return tuple(
            Move(name, before, after)
            for name, before, after in zip(self.images, there, wanted, strict=True)
            if before != after
        )

    # ---------------------------------------------------------------------------------------- what can be done

    def move(self, images: Images, to: str) -> None:
        """Bring images into a cluster, which is made if there is none of that name, or to the "outliers"."""
        number = self.now.number_of(to)
        rows = self._rows(images)
        self.do(self.now.new_cluster(rows, to) if number is None else self.now.move(rows, number))

    def new_cluster(self, images: Images, name: str | None = None) -> None:
        """Make a cluster of images, called `name` or by the next number."""
        self.do(self.now.new_cluster(self._rows(images), name))

    def merge(self, clusters: Iterable[str], into: str | None = None) -> None:
        """Make one cluster of several: of `into`, or the largest."""
        numbers = [self._number(name) for name in clusters]
        self.do(self.now.merge(numbers, None if into is None else self._number(into)))

    def split(
        self,
        cluster: str,
        *,
        threshold: float | None = None,
        pieces: Sequence[Images] | None = None,
        cache: FeatureCache | None = None,
    ) -> None:
        """Let a cluster fall into pieces: the given ones, or chains of pairs more similar than a higher threshold.

        The largest keeps the name. Images in no piece, or without a similar one, become outliers. Raises UsageError
        unless just one of both is given; a threshold is nothing that a result of `deep` knows.
        """
        number = self._number(cluster)
        if (threshold is None) == (pieces is None):
            raise UsageError("give either a threshold or pieces to split by")
        if pieces is not None:
            self.do(self.now.split(number, [self._rows(piece) for piece in pieces]))
            return
        assert threshold is not None
        if not 0 <= threshold <= 1:
            raise UsageError(f"threshold must be between 0 and 1, got {threshold}")
        from labelimg.clusterimg.splitting import ChainCuts, cuts_of

        cuts = cuts_of(self, number, cache=cache)
        if not isinstance(cuts, ChainCuts):
            raise UsageError("a threshold is nothing that a result of labelimg deep knows: split it by pieces")
        self.do(self.now.split(number, cuts.pieces_above(threshold)))

    def rename(self, cluster: str, name: str) -> None:
        """Give the folder of a cluster another name."""
        self.do(self.now.rename(self._number(cluster), name))

    def undo(self) -> bool:
        """Take the last change back; whether there was one. It reaches back over `apply`, too."""
        change = self.history.undo()
        if change is not None:
            self._note(change.reversed())
        return change is not None

    def redo(self) -> bool:
        """Make the change that was taken back last again; whether there was one."""
        change = self.history.redo()
        if change is not None:
            self._note(change)
        return change is not None

    def do(self, change: Change) -> bool:
        """Make a change of `now`; whether it changed anything. Raises OutputError if it could not be kept."""
        made = self.history.do(change)
        if made:
            self._note(change)
        return made

    def follow_plan(self, table: str | os.PathLike[str]) -> None:
        """Arrange the images as a table says that has the columns image and cluster, as clusters.csv does.

        Images that it does not name stay where they are. Raises UsageError for one that is not in the result.
        """
        plan = read_plan(Path(table))
        unknown = next((image for image, _ in plan if image not in self.standing.rows), None)
        if unknown is not None:
            raise UsageError(f"{printable(table)} names an image that is not in the result: {printable(unknown)}")
        if len({image for image, _ in plan}) < len(plan):
            raise UsageError(f"{printable(table)} names an image twice")
        by_cluster: dict[str, list[int]] = {}
        for image, cluster in plan:
            by_cluster.setdefault(cluster, []).append(self.standing.rows[image])
        now = self.now
        for cluster, rows in by_cluster.items():
            number = now.number_of(cluster)
            now = now.after(now.new_cluster(rows, cluster) if number is None else now.move(rows, number))
        self.do(replace(_difference(self.now, now), text=f"follow {Path(table).name}"))

    def discard(self) -> None:
        """Forget all pending changes, and what could be undone."""
        self._reset(self.standing)

    def apply(self) -> Applied:
        """Put the clusters on the disk as they are now; folders, clusters.csv, run.json and the report follow.

        What somebody did to the folders meanwhile stays: images that are gone are named, images that were moved by
        hand go where the review wants them only if it changed them. clusters_before_review.csv keeps the clusters as
        they were. Killed on the way, the next review or `undo` ends what was begun. Raises OutputError, with nothing
        changed, if a table that would be replaced is not as it was written; TransferError if a file cannot be
        renamed, and then the rest is pending.
        """
        there = standing_of(self.out, self.run)
        moves = self.pending
        wanted = {there.rows[move.image]: move.after for move in moves if move.image in there.rows}
        wanted = {row: folder for row, folder in sorted(wanted.items()) if there.folders[row] != folder}
        gone = tuple(name for name in self.images if name not in there.rows)
        if wanted:
            check_tables(self.out, tables_alone=there.items is None)
            self._journal.note_applying()
            try:
                carry_out(there, self.run, wanted)
            except LabelimgError:
                with suppress(LabelimgError):
                    self._follow_what_was_done()
                raise
        self._settle(standing_of(self.out, self.run))
        return Applied(tuple(move for move in moves if move.image in there.rows), gone)

    # ---------------------------------------------------------------------------------------------- parts

    def _follow_what_was_done(self) -> None:
        """After an error on the way: the tables tell what is on the disk, and the rest is pending."""
        there = standing_of(self.out, self.run)
        if there.digest != self.standing.digest:
            write_tables(there)
            self._settle(there)

    def _open(self, standing: Standing) -> None:
        kept = read_journal(self.out)
        found = None if kept is None else replayed(kept, standing)
        if kept is None or found is None:
            if kept is not None and kept.lines:
                self.lost = "changes that were not applied are lost, as the folders were changed meanwhile"
            self._reset(standing)
            return
        begun, changes = found
        self.standing = standing
        self.history = History(begun)
        for change in changes:
            self.history.do(change)
        if self.pending:
            self.brought_back = len(changes)
            self._journal.go_on(standing, begun, changes)
        else:
            self._reset(standing)

    def _reset(self, standing: Standing) -> None:
        self.standing = standing
        self.history = History(standing.arrangement())
        self._journal.begin(standing, self.history.now)

    def _settle(self, there: Standing) -> None:
        """Go on from what is on the disk now: with the same history where the images are the same."""
        self.run = read_run(self.out)
        if there.names != self.standing.names:
            self._reset(there)
            return
        self.standing = there
        self._write_journal()

    def _note(self, change: Change) -> None:
        """Write a change down; after one that could not be, all that is pending."""
        if self._behind:
            self._write_journal()
            self._behind = False
            return
        self._behind = True
        self._journal.note(change)
        self._behind = False

    def _write_journal(self) -> None:
        """Write down all that is pending as one change, in place of what the journal holds."""
        now = self.now
        alive = {now.name_of(number): number for number in np.unique(now.clusters).tolist() if number != OUTLIERS}
        begun = _with_free_numbers(self.standing, now, alive)
        rest = _difference(begun, now)
        if rest.is_empty:
            self._journal.begin(self.standing, begun)
        else:
            self._journal.go_on(self.standing, begun, [rest])

    @staticmethod
    def _check_merged(run: dict[str, Any]) -> None:
        if not run.get("merged"):
            raise OutputError(
                "its batches are not merged, and only merged clusters can be reviewed: labelimg merge does it; "
                "batch folders can be changed in a file manager before"
            )

    def _names(self, rows: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.images[row] for row in rows)

    def _rows(self, images: Images) -> list[int]:
        rows = []
        for image in [images] if isinstance(images, str) else images:
            row = self.standing.rows.get(image) if isinstance(image, str) else int(image)
            if row is None:
                raise UsageError(f"no image of the result has the name {printable(str(image))!r}")
            rows.append(row)
        return rows

    def _number(self, name: str) -> int:
        number = self.now.number_of(name)
        if number is None:
            raise UsageError(f"no cluster has the name {printable(name)!r}")
        return number


def _with_free_numbers(there: Standing, now: Arrangement, alive: dict[str, int]) -> Arrangement:
    """The arrangement on the disk with the numbers that its clusters have in `now`, and new ones for the rest."""
    numbers = {name: number for name, number in alive.items() if name in set(there.folders)}
    following = max([*now.names, *numbers.values()], default=0) + 1
    for name in sorted(set(there.folders) - numbers.keys() - {OUTLIERS_NAME}):
        numbers[name] = following
        following += 1
    return there.arrangement(numbers)


def _difference(before: Arrangement, after: Arrangement) -> Change:
    """The one change that leads from one arrangement to another."""
    rows = np.flatnonzero(before.clusters != after.clusters).astype(np.int32)
    alive = [number for number in np.unique(after.clusters).tolist() if number != OUTLIERS]
    names = tuple(
        (number, before.names.get(number), after.names[number])
        for number in alive
        if before.names.get(number) != after.names[number]
    )
    return Change("what was not applied yet", rows, before.clusters[rows], after.clusters[rows], names)
