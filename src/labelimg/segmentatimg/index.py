"""The pixels of each segment of a label map, kept as runs, and how a cut divides them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg.segmentatimg.geometry import Positions, Rect, distinct
from labelimg.segmentatimg.runs import Labels, Runs, connect, group, put, put_numbers, rect_of, runs_of, without

_LARGE = 20_000  # runs


@dataclass(frozen=True)
class Division:
    """What a cut did to the segments of one label map, enough to take it back.

    `before`: of each segment that was crossed the runs that it had. `parts`: each new segment, its runs, and the
    segment that it was part of. `positions` and `numbers`: the pixels of the cut that were in a segment, and in which.
    """

    before: dict[int, Runs]
    parts: tuple[tuple[int, Runs, int], ...]
    positions: Positions
    numbers: Labels


class SegmentIndex:
    """The 4-connected segments of a label map: number -> runs, each (starts, lengths) int32 in raster order.

    Segments are numbered 1.. in raster order of their first pixels. A cut gives parts the next free numbers; the
    largest part keeps that of the segment, of equally large ones the first. Arrays are never written again once they
    are made, so whoever has runs may keep them.
    """

    def __init__(self, labels: NDArray[Any] | None, height: int, width: int) -> None:
        self.height, self.width = height, width
        if labels is None:
            labels = np.zeros((0, width), np.int32)
        starts, lengths, kinds = runs_of(labels)
        number, count = connect(starts, lengths, kinds, width)
        self._all = starts, lengths, number  # in raster order, by which a pixel's segment is found
        self._starts, self._lengths, self._first = group(starts, lengths, number, count)
        self._changed: dict[int, Runs] = {}
        self._family: dict[int, list[int]] = {}  # a segment of the map as it was given -> what cuts made of it
        self._root: dict[int, int] = {}  # the other way round
        self.count = int(count)

    @property
    def nbytes(self) -> int:
        """Bytes of the segments of the map as it was given; what cuts made of a few comes on top."""
        return sum(each.nbytes for each in (*self._all, self._starts, self._lengths, self._first))

    def runs(self, segment: int) -> Runs:
        """The runs of the segment; none for a number that no segment has."""
        changed = self._changed.get(segment)
        if changed is not None:
            return changed
        if not 0 < segment < len(self._first) - 1:
            return self._starts[:0], self._lengths[:0]
        part = slice(self._first[segment], self._first[segment + 1])
        return self._starts[part], self._lengths[part]

    def rect(self, segment: int) -> Rect:
        """The rectangle around the segment."""
        return rect_of(self.runs(segment), self.width)

    def draw(self, out: Labels, cut: list[Positions]) -> None:
        """Write the label map (h, w): each pixel's segment, 0 where there is none; `cut` are the pixels of all cuts."""
        flat = out.reshape(-1)
        flat[:] = 0
        put_numbers(flat, self._starts, self._lengths, self._first)
        for segment, (starts, lengths) in self._changed.items():
            put(flat, starts, lengths, np.array([segment], np.int32))
        for positions in cut:
            flat[positions] = 0

    def divide(self, positions: Positions, numbers: Labels) -> Division:
        """Take pixels out of their segments and divide these; `numbers` says which segment each pixel is in, 0 none.

        The positions are sorted, each once.
        """

        inside = numbers > 0
        positions, numbers = positions[inside], numbers[inside]
        crossed = distinct(numbers).tolist()
        before = {segment: self.runs(segment) for segment in crossed}
        if not crossed:
            return Division({}, (), positions, numbers)
        # Small segments all at once, for a line across the image crosses hundreds; large ones by themselves, for
        # sorting their runs in among others would take longer than all the rest.
        large = [segment for segment, runs in before.items() if len(runs[0]) > _LARGE]
        small = [segment for segment, runs in before.items() if len(runs[0]) <= _LARGE]
        parts: list[tuple[int, Runs, int]] = []
        if small:
            parts += self._divide(small, positions[_among(numbers, np.array(small, np.int32))])
        for segment in large:
            parts += self._divide([segment], positions[numbers == segment])
        return Division(before, tuple(parts), positions, numbers)

    def _divide(self, segments: list[int], holes: Positions) -> list[tuple[int, Runs, int]]:
        """Take the holes out of segments: the new parts, their runs, and what each was a part of."""
        runs = [self.runs(segment) for segment in segments]
        nothing = runs[0][0][:0], runs[0][1][:0]
        self._changed.update(dict.fromkeys(segments, nothing))  # until parts are found
        owner = np.array(segments, np.int32)
        if len(segments) == 1:
            starts, lengths, _ = without(*runs[0], holes)
        else:
            starts, lengths = (np.concatenate(each) for each in zip(*runs, strict=True))
            order = np.argsort(starts, kind="stable")
            owner = np.repeat(owner, [len(each[0]) for each in runs])
            starts, lengths, source = without(starts[order], lengths[order], holes)
            owner = owner[order][source]
        number, count = connect(starts, lengths, owner, self.width)
        whose = np.empty(count, np.int32)
        whose[number - 1] = owner
        starts, lengths, first = group(starts, lengths, number, count)
        sizes = np.add.reduceat(lengths, first[1:-1], dtype=np.int64) if count else np.empty(0, np.int64)
        by_size = np.lexsort((-sizes, whose))  # of each segment the largest part first, of equal ones the first
        keeps = np.zeros(count, np.bool_)
        keeps[by_size[np.diff(whose[by_size], prepend=-1) > 0]] = True
        parts: list[tuple[int, Runs, int]] = []
        for part, (segment, keep) in enumerate(zip(whose.tolist(), keeps.tolist(), strict=True), 1):
            its = starts[first[part] : first[part + 1]], lengths[first[part] : first[part + 1]]
            if keep:
                self._changed[segment] = its
                continue
            self.count += 1
            root = self._root.get(segment, segment)
            self._root[self.count] = root
            self._family.setdefault(root, [root]).append(self.count)
            self._changed[self.count] = its
            parts.append((self.count, its, segment))
        return parts

    def rejoin(self, division: Division) -> None:
        """Take the last division back."""
        for number, _, _ in division.parts:
            del self._changed[number]
            self._family[self._root.pop(number)].remove(number)
        self.count -= len(division.parts)
        self._changed.update(division.before)

    def numbers_at(self, positions: Positions) -> Labels:
        """The segment of each of the pixels, 0 for none: what `draw` would write there."""
        numbers = _found(*self._all, positions)
        roots = [root for root in distinct(numbers).tolist() if root in self._changed]
        if roots:
            parts = [part for root in roots for part in self._family.get(root, (root,))]
            runs = [self._changed[part] for part in parts]
            starts, lengths = (np.concatenate(each) for each in zip(*runs, strict=True))
            number = np.repeat(np.array(parts, np.int32), [len(each[0]) for each in runs])
            order = np.argsort(starts, kind="stable")
            divided = np.flatnonzero(_among(numbers, np.array(roots, np.int32)))
            numbers[divided] = _found(starts[order], lengths[order], number[order], positions[divided])
        return numbers


def _found(starts: Positions, lengths: Positions, number: Labels, positions: Positions) -> Labels:
    """Of each position the number of the run that it is in, 0 for none."""
    if not len(starts):
        return np.zeros(len(positions), np.int32)
    run = np.searchsorted(starts, positions, side="right") - 1
    return np.where((run >= 0) & (positions < starts[run] + lengths[run]), number[run], np.int32(0))


def _among(values: Labels, wanted: Labels) -> NDArray[np.bool_]:
    """Which values are among the wanted ones, which are sorted."""
    place = np.searchsorted(wanted, values)
    return np.asarray(wanted[np.minimum(place, len(wanted) - 1)] == values)
