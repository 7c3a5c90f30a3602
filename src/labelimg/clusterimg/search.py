"""Run a kernel over all pairs of a batch, in threads, and gather what it finds.

The result depends on the features and the threshold alone. Where more pairs are similar than a caller wants to
have listed, the list becomes a spanning forest: the pairs that join two groups when all similar pairs are gone
through in the order of (i, j). That forest is the same whichever way the work is split, because it can be taken
of every part first and then of what remains; and pairs that earlier ones already connect need no comparing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg import kernels
from labelimg.clusterimg.pairs import Found, Kernel, Pairs, Progress

_BUFFER = 1 << 16
_CALL_NS = 100_000_000  # a kernel call lasts about so long, so that Ctrl-C is answered soon


def in_threads(work: Callable[[int, int], None], n: int, threads: int) -> None:
    """Call work(start, stop) for parts that together are 0 ... n - 1, by several threads."""
    parts = [(k * n // threads, (k + 1) * n // threads) for k in range(threads)]
    if threads == 1 or n < 2:
        work(0, n)
        return
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(work, *part) for part in parts]:
            future.result()


class _Gathered:
    """Pairs found so far; more than `most` of them become their spanning forest."""

    def __init__(self, n: int, most: int | None, value_type: type) -> None:
        self.n = n
        self.most = most
        self.value_type = value_type
        self.complete = True
        self._parts: list[Found] = []
        self._size = 0
        self._reduced_to = 0

    def add(self, found: Found, *, complete: bool = True) -> None:
        self._parts.append(found)
        self._size += len(found[0])
        self.complete &= complete
        if self.most is not None and self._size > self.most:
            self.complete = False
        if not self.complete and self._size > 2 * self._reduced_to + _BUFFER:
            self._reduce()

    def _reduce(self) -> None:
        i, j, value = self._sorted()
        keep = np.empty(len(i), np.bool_)
        kernels.join(np.arange(self.n, dtype=np.int32), i, j, keep)
        self._parts = [(i[keep], j[keep], value[keep])]
        self._size = self._reduced_to = len(self._parts[0][0])

    def _sorted(self) -> Found:
        if not self._parts:
            return np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, self.value_type)
        i = np.concatenate([part[0] for part in self._parts])
        j = np.concatenate([part[1] for part in self._parts])
        value = np.concatenate([part[2] for part in self._parts])
        order = np.lexsort((j, i))
        return i[order], j[order], value[order]

    def result(self) -> Found:
        if not self.complete:
            self._reduce()
        return self._sorted()


class _Joined:
    """Which images pairs of finished blocks connect already; brought up to date when it is worth it."""

    def __init__(self, n: int) -> None:
        self.labels = np.arange(n, dtype=np.int32)
        self._parent = self.labels.copy()
        self._since = 0

    def add(self, i: NDArray[np.int32], j: NDArray[np.int32]) -> None:
        joined = np.empty(len(i), np.bool_)
        kernels.join(self._parent, i, j, joined)
        self._since += int(np.count_nonzero(joined))
        if self._since * 16 > len(self._parent):
            labels = np.empty_like(self._parent)  # not in place: other threads hold the old ones
            kernels.roots(self._parent, labels)
            self.labels, self._since = labels, 0


def together(n: int, parts: Sequence[tuple[NDArray[np.int32], Pairs]], *, most: int | None) -> Pairs:
    """The pairs of several sets of rows that have no row in common, as pairs of n rows; a forest if above `most`."""
    i, j = (np.concatenate([rows[getattr(pairs, end)] for rows, pairs in parts]) for end in ("i", "j"))
    similarity = np.concatenate([pairs.similarity for _, pairs in parts])
    gathered = _Gathered(n, most, np.float64)
    gathered.add((i, j, similarity), complete=all(pairs.complete for _, pairs in parts))
    return Pairs(*gathered.result(), gathered.complete)


def similar_pairs(
    n: int, kernel: Kernel, *, threads: int = 1, most: int | None = None, progress: Progress | None = None
) -> Pairs:
    """All similar pairs of n images, or a spanning forest of them when there are more than `most`.

    progress is told the pairs looked at and the pairs there are, from the calling thread.
    """
    gathered = _Gathered(n, most, kernel.value_type)
    known = _Joined(n)
    stopped = threading.Event()

    def look(start: int) -> _Gathered:
        return _search_block(n, kernel, start, known.labels, most, stopped)

    counted = 0
    for start, found in _in_order(look, range(0, max(n - 1, 0), kernel.rows), threads, stopped):
        i, j, value = found.result()
        if len(i):
            was_complete = gathered.complete
            gathered.add((i, j, value), complete=found.complete)
            if was_complete and not gathered.complete:
                i, j, _ = gathered.result()
            if not gathered.complete:
                known.add(i, j)
        if progress is not None:
            rows = min(n, start + kernel.rows) - start
            counted += rows * n - rows * (2 * start + rows + 1) // 2
            progress(counted, n * (n - 1) // 2)
    i, j, value = gathered.result()
    return Pairs(i, j, kernel.similarity(value), gathered.complete)


def listed_pairs(n: int, kernel: Kernel, i: NDArray[np.int64], j: NDArray[np.int64], *, threads: int = 1) -> Pairs:
    """The given pairs i < j, sorted by (i, j), of those that are similar; `kernel` must go by rows of its own."""
    starts = np.searchsorted(i, np.arange(n + 1))
    room: Found = np.empty(len(i), np.int32), np.empty(len(i), np.int32), np.empty(len(i), kernel.value_type)
    counts = np.zeros(n, np.int64)

    def look(start: int, stop: int) -> None:
        # Two images of one label are taken for connected, and so are left out: only what is listed has another one.
        arguments, labels = (*kernel.arguments, *kernel.room(1)), np.zeros(n, np.int32)
        for row in range(start, stop):
            first, last = int(starts[row]), int(starts[row + 1])
            if first == last:
                continue
            listed = j[first:last]
            labels[listed] = 1
            out = tuple(part[first:last] for part in room)
            counts[row] = _listed_row(kernel, arguments, row, listed, labels, out)
            labels[listed] = 0

    in_threads(look, n, threads)
    kept = np.flatnonzero(np.arange(len(i)) - starts[i] < counts[i])
    return Pairs(room[0][kept], room[1][kept], kernel.similarity(room[2][kept]))


def _listed_row(
    kernel: Kernel,
    arguments: tuple[object, ...],
    row: int,
    listed: NDArray[np.int64],
    labels: NDArray[np.int32],
    out: tuple[NDArray[np.generic], ...],
) -> int:
    count, column, until = 0, int(listed[0]), int(listed[-1]) + 1
    while column < until:
        left = tuple(part[count:] for part in out)
        found, column = kernel.run(*arguments, row, row + 1, column, until, kernel.limit, labels, *left)
        count += found
        if count == len(listed):
            break
    return count


def _search_block(
    n: int, kernel: Kernel, start: int, labels: NDArray[np.int32], most: int | None, stopped: threading.Event
) -> _Gathered:
    stop = min(n, start + kernel.rows)
    span = max(1, int(_CALL_NS / (kernel.pair_ns * (n if kernel.by_rows else stop - start))))
    room = max(_BUFFER, 2 * 2048 * (stop - start))
    out: Found = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, kernel.value_type)
    found = _Gathered(n, most, kernel.value_type)
    arguments = (*kernel.arguments, *kernel.room(stop - start))
    column, end = (start, stop) if kernel.by_rows else (start + 1, n)
    while column < end and not stopped.is_set():
        until = min(end, column + span)
        count, reached = kernel.run(*arguments, start, stop, column, until, kernel.limit, labels, *out)
        if count == 0 and reached == column:  # one row alone has more pairs than there is room for
            room *= 2
            out = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, kernel.value_type)
        if count:
            found.add((out[0][:count].copy(), out[1][:count].copy(), out[2][:count].copy()))
        column = reached
    return found


def _in_order(
    look: Callable[[int], _Gathered], blocks: range, threads: int, stopped: threading.Event
) -> Iterator[tuple[int, _Gathered]]:
    """The blocks' results in the order of the blocks, a few of them under way at a time."""
    if threads == 1:
        for start in blocks:
            yield start, look(start)
        return
    under_way: deque[tuple[int, Future[_Gathered]]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for start in blocks:
            under_way.append((start, pool.submit(look, start)))
            if len(under_way) > 2 * threads:
                first, future = under_way.popleft()
                yield first, future.result()
        while under_way:
            first, future = under_way.popleft()
            yield first, future.result()
    finally:
        stopped.set()  # before waiting: what is under way ends with the call that its kernel is in
        pool.shutdown(cancel_futures=True)
