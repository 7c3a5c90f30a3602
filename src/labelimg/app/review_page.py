"""What of a review stands on the page: which clusters, in which order, with which headings. No window."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelimg.app.review_drawing import Title
from labelimg.clusterimg.arrangement import OUTLIERS, Arrangement
from labelimg.clusterimg.flow import Rows
from labelimg.clusterimg.gallery import Section
from labelimg.clusterimg.pairs import Pairs
from labelimg.clusterimg.review import Review
from labelimg.clusterimg.splitting import strongest
from labelimg.clusterimg.standing import folders_of
from labelimg.clusterimg.tables import SIMILARITIES


class Similarities:
    """The pairs that a run listed, as rows of images, none twice."""

    def __init__(self, i: Rows, j: Rows, similarity: NDArray[np.float64]) -> None:
        keys = np.minimum(i, j).astype(np.int64) << 32 | np.maximum(i, j)
        _, once = np.unique(keys, return_index=True)
        self.i, self.j = np.minimum(i, j)[once], np.maximum(i, j)[once]
        self.similarity = similarity[once]
        self._known: dict[bytes, float | None] = {}

    def tightness(self, members: Mapping[int, Rows], clusters: Rows) -> dict[int, float]:
        """Of each cluster the least similarity of the pairs that hold it together, which are the most similar ones.

        None of a cluster that the listed pairs do not hold together. What is known of a cluster is not computed again.
        """
        wanted = {number: rows.tobytes() for number, rows in members.items() if number != OUTLIERS}
        new = [number for number, key in wanted.items() if key not in self._known]
        if new:
            inside = clusters[self.i]
            kept = (inside == clusters[self.j]) & np.isin(inside, new)
            pairs = Pairs(self.i[kept], self.j[kept], self.similarity[kept])
            held = strongest(len(clusters), pairs)
            where = clusters[held.i]
            counts = np.bincount(where, minlength=max(new) + 1)
            least = np.full(len(counts), np.inf)
            np.minimum.at(least, where, held.similarity)
            for number in new:
                whole = 0 < counts[number] == len(members[number]) - 1
                self._known[wanted[number]] = float(least[number]) if whole else None
        found = {number: self._known[key] for number, key in wanted.items()}
        return {number: value for number, value in found.items() if value is not None}


class Page:
    """Makes the sections of a page; filter, order and folded say how."""

    def __init__(self, review: Review) -> None:
        self._review = review
        self.filter = ""
        self.order = "size"
        self.folded: set[int] = set()
        self.similarities: Similarities | None = None
        self._lowered: list[str] | None = None

    def forget_rows(self) -> None:
        """The images are others now."""
        self.similarities, self._lowered = None, None

    def sections(
        self, arrangement: Arrangement | None = None, *, only: int = -1
    ) -> tuple[list[Section], list[Title], NDArray[np.bool_]]:
        """The sections, their headings, and of each image whether it is not in its folder yet.

        `arrangement`: another one than the review's. `only`: those alone that the images of this cluster come into.
        """
        now = arrangement or self._review.now
        there, wanted = self._review.standing.folders, folders_of(now)
        changed = np.fromiter((a != b for a, b in zip(there, wanted, strict=True)), bool, len(now))
        members = now.members()
        members.setdefault(OUTLIERS, np.empty(0, np.int32))
        if only >= 0:
            own = self._review.now.rows_of(only)
            members = {number: rows[np.isin(rows, own)] for number, rows in members.items()}
            members = {number: rows for number, rows in members.items() if len(rows)}
        tightness = {} if self.similarities is None else self.similarities.tightness(members, now.clusters)
        wanted_text = self.filter.strip().casefold()
        found = []
        for number in self._ordered(now, members, tightness):
            rows = members[number]
            shown = rows if only >= 0 else self._filtered(now.name_of(number), rows, wanted_text)
            if len(shown) or not wanted_text:
                found.append((number, shown, len(rows)))
        sections = [Section(number, shown, number in self.folded) for number, shown, _ in found]
        titles = [
            self._title(now, number, len(shown), count, tightness.get(number), bool(changed[members[number]].any()))
            for number, shown, count in found
        ]
        return sections, titles, changed

    def read_similarities(self) -> Similarities | None:
        """The pairs that the run listed, or a merge; None if there are none. For a thread of its own."""
        rows = self._review.standing.rows
        i: list[int] = []
        j: list[int] = []
        values: list[float] = []
        for path in sorted(Path(self._review.out, SIMILARITIES).glob("*.csv")):
            try:
                with path.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
                    reader = csv.reader(lines)
                    next(reader, None)
                    for a, b, similarity in reader:
                        row_a, row_b = rows.get(a), rows.get(b)
                        if row_a is not None and row_b is not None:
                            i.append(row_a)
                            j.append(row_b)
                            values.append(float(similarity))
            except (OSError, ValueError, csv.Error):
                continue
        if not values:
            return None
        found = Similarities(np.asarray(i, np.int32), np.asarray(j, np.int32), np.asarray(values))
        now = self._review.now
        found.tightness(now.members(), now.clusters)  # which takes a while, and is known from then on
        return found

    def told_of(self, row: int) -> str:
        """How similar an image is to the first of its cluster, where that is known."""
        if self.similarities is None:
            return ""
        now = self._review.now
        number = int(now.clusters[row])
        first = int(now.rows_of(number)[0])
        pair = sorted((first, row))
        at = np.flatnonzero((self.similarities.i == pair[0]) & (self.similarities.j == pair[1]))
        if number == OUTLIERS or first == row or not len(at):
            return ""
        return f"  ·  similarity to the first {self.similarities.similarity[at[0]]:.2f}"

    def _filtered(self, name: str, rows: Rows, text: str) -> Rows:
        if not text or text in name.casefold():
            return rows
        if self._lowered is None:
            self._lowered = [each.casefold() for each in self._review.images]
        lowered = self._lowered
        return np.asarray([row for row in rows.tolist() if text in lowered[row]], np.int32)

    def _ordered(self, now: Arrangement, members: dict[int, Rows], tightness: dict[int, float]) -> list[int]:
        numbers = [number for number in members if number != OUTLIERS]

        def by_size(number: int) -> tuple[int, int]:
            return -len(members[number]), int(members[number][0])

        def by_name(number: int) -> tuple[int, str]:
            name = now.name_of(number)
            return (len(name) if name.startswith("cluster_") else -1), name.casefold()

        if self.order == "name":
            numbers.sort(key=by_name)
        else:
            numbers.sort(key=by_size)
        if self.order in ("tightness", "looseness"):
            sign = -1 if self.order == "tightness" else 1
            numbers.sort(key=lambda number: sign * tightness[number] if number in tightness else 2)
        return [*numbers, OUTLIERS] if OUTLIERS in members else numbers

    def _title(
        self, now: Arrangement, number: int, shown: int, count: int, tightness: float | None, changed: bool
    ) -> Title:
        details = f"{count:,} image{'' if count == 1 else 's'}"
        if shown < count:
            details = f"{shown:,} of {details}"
        if tightness is not None:
            details += f"  ·  tightness {tightness:.2f}"
        return Title(now.name_of(number), details, changed)
