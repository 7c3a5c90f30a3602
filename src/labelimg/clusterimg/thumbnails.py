"""The thumbnails of a run: collected while its images are decoded, kept in one file, read one by one.

The file `thumbnails.bin` holds the JPEGs one after the other, then the images' names as clusters.csv has them (UTF-8,
undecodable bytes as they are), then where each ends, then a line that says how many there are. Whoever reads it maps
it, so memory does not grow with it.
"""

from __future__ import annotations

import heapq
import mmap
import os
import shutil
import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from labelimg import files
from labelimg.errors import OutputError
from labelimg.files import StrPath, printable

THUMBNAILS = "thumbnails.bin"
MOST_BYTES = 5_000  # of a thumbnail, about: what room is reckoned with

_MAGIC = b"labelimg thumbnails 1\n"
_TAIL = struct.Struct("<QQ22s")  # how many, where their ends are told, the magic again
_IN_MEMORY = 64_000_000  # bytes of thumbnails; more wait in a temporary file
_BLOCK = 1 << 20


class Collected:
    """Thumbnails as they come, in the order of their rows, until the run has an output folder for them.

    Past 64 MB they wait in an unnamed temporary file beside `near`. They are never a reason for a run to fail: if they
    cannot be kept, `write` writes nothing.
    """

    def __init__(self, near: StrPath) -> None:
        self._near = near
        self._file: IO[bytes] | None = None
        self._held = bytearray()
        self._room = _IN_MEMORY
        self._lengths: list[int] = []
        self._lost = False

    def __len__(self) -> int:
        return len(self._lengths)

    def add(self, jpeg: bytes) -> None:
        """Keep the thumbnail of the next row; empty where it has none."""
        self._lengths.append(len(jpeg))
        self._held += jpeg
        if len(self._held) > self._room:
            self._make_room()

    def _make_room(self) -> None:
        try:
            if self._file is None and not self._lost:
                self._file = files.open_unnamed(files.existing_part(self._near))
                self._file.write(_MAGIC)
            if self._file is not None and not self._lost:
                self._file.write(self._held)
        except OSError:
            self._lost = True
        self._held.clear()
        self._room = _BLOCK

    def __enter__(self) -> Collected:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, out: StrPath, names: Sequence[str]) -> bool:
        """Write them into `out` under the names, which ascend, a name for each row; whether they were written.

        They can be written once. Raises OutputError if they cannot be.
        """
        with self:
            if self._lost or len(names) != len(self._lengths):
                return False
            if self._file is None:
                _write(out, [self._held], self._lengths, names)
                return True
            path, waiting = Path(out, THUMBNAILS), self._file
            try:
                waiting.write(self._held)
                _write_index(waiting, self._lengths, names)
            except OSError as error:
                raise OutputError(f"cannot write {printable(path)}: {files.reason(error)}") from error
            if not files.give_name(waiting, path):
                waiting.seek(0)
                files.write_atomic(
                    path, lambda file: shutil.copyfileobj(waiting, file, _BLOCK), binary=True, durable=False
                )
            return True


class Thumbnails:
    """The thumbnails in an output folder, by row or by the image's name in clusters.csv.

    >>> with Thumbnails.open("photos_clustered") as thumbnails:  # doctest: +SKIP
    ...     jpeg = thumbnails.get("a.jpg")
    """

    def __init__(self, file: mmap.mmap | bytes = b"") -> None:
        self._map: Any = file
        self._count, self._jpeg_ends, self._name_ends = _index(file)

    @classmethod
    def open(cls, out: StrPath) -> Thumbnails:
        """Those in `out`; none at all where there is no such file or it is not whole."""
        with suppress(OSError, ValueError), Path(out, THUMBNAILS).open("rb") as file:
            return cls(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return cls()

    def __enter__(self) -> Thumbnails:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; nothing can be read afterwards."""
        self._count, self._jpeg_ends, self._name_ends = _index(b"")
        if isinstance(self._map, mmap.mmap):
            self._map.close()
            self._map = b""

    def __len__(self) -> int:
        return self._count

    def name(self, row: int) -> str:
        """The name of the image of a row; rows are in the order of names."""
        start = int(self._name_ends[row - 1]) if row else self._names_start
        return os.fsdecode(self._map[start : int(self._name_ends[row])])

    def row(self, name: str) -> int | None:
        """The row of the image of this name, None if there is none."""
        row = bisect_left(_Names(self), name)
        return row if row < self._count and self.name(row) == name else None

    def get(self, image: int | str) -> bytes | None:
        """The JPEG of an image, by its row or its name; None where it has no thumbnail."""
        row = self.row(image) if isinstance(image, str) else image
        if row is None or not 0 <= row < self._count:
            return None
        start = int(self._jpeg_ends[row - 1]) if row else len(_MAGIC)
        return bytes(self._map[start : int(self._jpeg_ends[row])]) or None

    def get_many(self, rows: NDArray[np.int64]) -> Iterator[bytes]:
        """The JPEGs of several rows, empty where one has no thumbnail."""
        ends = np.concatenate([[np.uint64(len(_MAGIC))], self._jpeg_ends]).astype(np.int64)
        for start, stop in zip(ends[rows].tolist(), ends[rows + 1].tolist(), strict=True):
            yield self._map[start:stop]
        if isinstance(self._map, mmap.mmap):
            self._map.madvise(mmap.MADV_DONTNEED)  # what was read would count as memory of this process

    def are_of(self, names: Sequence[str]) -> bool:
        """Whether the rows are those of these names, in their order."""
        if len(names) != self._count or not self._count:
            return False
        encoded, lengths = _encoded(names)
        ends = self._names_start + np.cumsum(lengths)
        return np.array_equal(ends, self._name_ends) and self._map[self._names_start : int(ends[-1])] == encoded

    def add(self, out: StrPath, more: Iterable[tuple[str, bytes]]) -> Thumbnails:
        """Write the file in `out` again with more, in place of what a name has now; gives it opened.

        `more` comes in the order of names and is not held in memory. Nothing can be read of this one afterwards. Raises
        OutputError if it cannot be written.
        """
        lengths: list[int] = []
        names: list[str] = []

        def jpegs() -> Iterator[bytes]:
            known: Iterator[tuple[str, int | bytes]] = ((self.name(row), row) for row in range(self._count))
            for name, alike in groupby(heapq.merge(known, iter(more), key=itemgetter(0)), key=itemgetter(0)):
                *_, (_, last) = alike  # of equal names those in `more` come last
                jpeg = last if isinstance(last, bytes) else self.get(last) or b""
                names.append(name)
                lengths.append(len(jpeg))
                yield jpeg

        _write(out, jpegs(), lengths, names)
        self.close()
        return Thumbnails.open(out)

    def missing(self, names: Sequence[str]) -> list[int]:
        """Which of the images of these names have no thumbnail."""
        if self.are_of(names):
            ends = np.concatenate([[np.uint64(len(_MAGIC))], self._jpeg_ends])
            return np.flatnonzero(ends[1:] == ends[:-1]).tolist()
        return [k for k, name in enumerate(names) if not self.get(name)]

    @property
    def _names_start(self) -> int:
        return int(self._jpeg_ends[-1])


class _Names(Sequence[str]):
    """The names for bisect: each is read when it is asked for."""

    def __init__(self, thumbnails: Thumbnails) -> None:
        self._thumbnails = thumbnails

    def __len__(self) -> int:
        return len(self._thumbnails)

    def __getitem__(self, row: Any) -> Any:
        return self._thumbnails.name(row)


def is_thumbnails(start: bytes) -> bool:
    """Whether a file that begins like this holds thumbnails."""
    return start.startswith(_MAGIC)


def _index(file: mmap.mmap | bytes) -> tuple[int, NDArray[np.uint64], NDArray[np.uint64]]:
    """How many there are, and where each JPEG and each name ends; zero for a file that is not whole."""
    nothing = 0, np.empty(0, np.uint64), np.empty(0, np.uint64)
    if len(file) < len(_MAGIC) + _TAIL.size or file[: len(_MAGIC)] != _MAGIC:
        return nothing
    count, place, magic = _TAIL.unpack(file[-_TAIL.size :])
    if magic != _MAGIC or place + 16 * count + _TAIL.size != len(file) or not count:
        return nothing
    ends = np.frombuffer(file[place : place + 16 * count], np.uint64).reshape(2, count)  # a copy: the map may be closed
    whole = np.concatenate([[np.uint64(len(_MAGIC))], ends.ravel(), [np.uint64(place)]])
    return (int(count), ends[0], ends[1]) if bool((whole[1:] >= whole[:-1]).all()) else nothing


def _encoded(names: Sequence[str]) -> tuple[bytes, list[int]]:
    """The bytes of the names, one after the other, and how many each has."""
    text = "".join(names)
    if text.isascii():  # mostly; one by one takes four times as long
        return text.encode(), list(map(len, names))
    encoded = [os.fsencode(name) for name in names]
    return b"".join(encoded), list(map(len, encoded))


def _write(out: StrPath, blocks: Iterable[bytes | bytearray], lengths: Sequence[int], names: Sequence[str]) -> None:
    def write(file: IO[bytes]) -> None:
        file.write(_MAGIC)
        for block in blocks:
            file.write(block)
        _write_index(file, lengths, names)

    files.write_atomic(Path(out, THUMBNAILS), write, binary=True, durable=False)


def _write_index(file: IO[bytes], lengths: Sequence[int], names: Sequence[str]) -> None:
    """Write what comes after the JPEGs."""
    encoded, name_lengths = _encoded(names)
    file.write(encoded)
    ends = np.cumsum(np.asarray([len(_MAGIC), *lengths, *name_lengths], np.uint64), dtype=np.uint64)
    file.write(ends[1:].tobytes())
    file.write(_TAIL.pack(len(names), int(ends[-1]), _MAGIC))
