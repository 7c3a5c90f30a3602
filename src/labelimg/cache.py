"""Image features kept between runs, in one SQLite file under the user's cache folder.

The cache only ever saves time. What it cannot do (the disk is full, the folder read-only, the file damaged) it
says once through `warn`, and the run goes on without it. What it returns was checked against a checksum, so a
damaged file costs features and never gives wrong ones. Nothing in the file is run or followed as a path.

A feature's **address**, the integer primary key, is a digest of recipe, folder and path:

    24 bits of (recipe, folder): the shelf | 39 bits of (recipe, path)

- In SQLite an integer primary key is the row's own place. A digest as bytes would need an index beside the
  table, or a table WITHOUT ROWID, whose inner pages hold whole rows: poor with features of 50 KB.
- The images of a folder lie together on their shelf. Reading them walks along the file instead of all over it,
  and the oldest are dropped a shelf at a time: that frees whole pages, and the time of last use is kept once a
  shelf, not in every row.
- The path is not stored: ten million features of 8 bytes take about 0.6 GB. `proof`, 64 more bits of the path's
  digest, tells apart two paths with one address; they displace each other, and the loser is computed again.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING

from labelimg.cache_file import PAGE_BYTES, CacheFile, DamagedError, pragma, transaction
from labelimg.errors import UsageError

if TYPE_CHECKING:
    import sqlite3
    from types import TracebackType

File = tuple[str, int, int]  # absolute path, size in bytes, st_mtime_ns
_Row = tuple[int, int, int, int, int, bytes]  # address, proof, size, mtime_ns, crc32, feature

_SHELVES = 1 << 24
_PATH_BITS = 39
_PATH_MASK = (1 << _PATH_BITS) - 1
_LOOKUPS = 100
_SELECT = f"SELECT * FROM features WHERE address IN ({', '.join('?' * _LOOKUPS)})"
_ROW_BYTES = 60  # what a row takes besides its feature, about
_DROPPED_AT_ONCE = 10_000
_SMALLEST = 10_000_000
# A file changed twice within one tick of its file system's clock keeps its modification time. The coarsest tick
# is FAT's, two seconds.
_REST_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What a cache holds; `bytes` are those on disk, a damaged file kept beside it included."""

    path: Path
    features: int
    bytes: int
    recipes: tuple[str, ...]


def _log(message: str) -> None:
    import logging

    logging.getLogger(__name__).warning("%s", message)


class FeatureCache:
    """Features by recipe and file, for one process; any number of processes may share the folder.

    A recipe is a short text naming all that a feature depends on besides the file: method, parameters, version
    of the decoder. Two values of one image (a feature and its short signature) are two recipes: the short ones
    then lie together and are read without the long ones.

    `folder` is by default $LABELIMG_CACHE_DIR, else the user's cache folder. Nothing is opened or created before
    it is needed. Use from one thread at a time; do not carry an open cache into a forked process.

    Construct it before the files are read: a file that changed less than two seconds before that is not stored,
    because it could change again without a new modification time.

    `max_bytes` bounds what lies on disk: when it is reached, the folders of images unused for longest go, down to
    90 %. A feature longer than max_bytes / 64 or 8 MB is not kept. Raises UsageError for less than 10 MB.

    >>> with FeatureCache() as cache:  # doctest: +SKIP
    ...     cache.put_many("hash 8", [("/photos/a.jpg", 70_112, 1_700_000_000_000_000_000, b"12345678")])
    ...     dict(cache.get_many("hash 8", [("/photos/a.jpg", 70_112, 1_700_000_000_000_000_000)]))
    {0: b'12345678'}
    """

    def __init__(
        self, folder: Path | None = None, *, max_bytes: int = 2_000_000_000, warn: Callable[[str], None] = _log
    ) -> None:
        if max_bytes < _SMALLEST:
            raise UsageError(f"max_bytes must be at least {_SMALLEST}, got {max_bytes}")
        self._max_bytes = max_bytes
        self._batch_bytes = min(8_000_000, max_bytes // 64)
        self._batch_rows = min(8_000, max(64, max_bytes // 250_000))
        self._newest_ns = time.time_ns() - _REST_NS
        self._used: dict[int, int] = {}  # shelf -> when it was last read, time_ns
        self._file = CacheFile(folder, log_bytes=self._batch_bytes, warn=warn, lost=self._used.clear)

    @property
    def path(self) -> Path:
        """The cache's file, there or not."""
        return self._file.path

    @property
    def max_bytes(self) -> int:
        """What bounds the cache on the disk."""
        return self._max_bytes

    def get_many(self, recipe: str, files: Sequence[File]) -> Iterator[tuple[int, bytes]]:
        """(index in `files`, feature) of those that are stored, in no particular order.

        A file is (absolute path, size in bytes, st_mtime_ns); a feature stored for another size or time is not
        returned. Rows are read as the iterator advances. Raises UsageError for a path that is not absolute.
        """
        locate = _locator(recipe)
        wanted = [(*locate(path), index) for index, (path, _, _) in enumerate(files)]
        wanted.sort()
        return self._read(files, wanted)

    def put_many(self, recipe: str, rows: Iterable[tuple[str, int, int, bytes]]) -> None:
        """Store rows of (absolute path, size in bytes, st_mtime_ns, feature), replacing those of the same path.

        Size and time are those taken before the file was read. Rows are written some megabytes at a time.
        Raises UsageError for a path that is not absolute.
        """
        locate = _locator(recipe)
        batch: list[_Row] = []
        batch_bytes = 0
        for path, size, mtime_ns, feature in rows:
            address, proof = locate(path)
            row_bytes = len(feature) + _ROW_BYTES
            if not -(1 << 63) <= mtime_ns <= self._newest_ns or row_bytes > self._batch_bytes:
                continue
            if batch_bytes + row_bytes > self._batch_bytes or len(batch) == self._batch_rows:
                self._write(recipe, batch)
                batch, batch_bytes = [], 0
            batch.append((address, proof, size, mtime_ns, zlib.crc32(feature), feature))
            batch_bytes += row_bytes
        if batch:
            self._write(recipe, batch)

    def info(self) -> CacheInfo:
        """What the cache holds now; creates nothing."""

        def count(connection: sqlite3.Connection) -> tuple[int, tuple[str, ...]]:
            (features,) = connection.execute("SELECT count(*) FROM features").fetchone()
            recipes = connection.execute("SELECT DISTINCT CAST(recipe AS BLOB) FROM shelves").fetchall()
            return features, tuple(sorted((recipe or b"").decode(errors="replace") for (recipe,) in recipes))

        found = self._file.attempt(count) if self._file.files() else None
        features, recipes = found or (0, ())
        return CacheInfo(self.path, features, sum(size for _, size in self._file.files()), recipes)

    def clear(self) -> int:
        """Remove the cache's files, a damaged one too; the bytes that they took.

        Raises LabelimgError, with nothing removed, while another process uses the cache.
        """
        self._used.clear()
        return self._file.remove()

    def close(self) -> None:
        """Let go of the file; a later call opens it again."""
        if self._used and self._file.is_open:
            self._file.attempt(self._stamp)
        self._used.clear()
        self._file.close()

    def __enter__(self) -> FeatureCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, files: Sequence[File], wanted: list[tuple[int, int, int]]) -> Iterator[tuple[int, bytes]]:
        for start in range(0, len(wanted), _LOOKUPS):
            part = wanted[start : start + _LOOKUPS]

            def read(
                connection: sqlite3.Connection, part: list[tuple[int, int, int]] = part
            ) -> list[tuple[int, bytes]]:
                addresses: list[int | None] = [address for address, _, _ in part]
                addresses += [None] * (_LOOKUPS - len(part))
                now = time.time_ns()
                rows = {row[0]: row for row in connection.execute(_SELECT, addresses).fetchall()}
                hits = []
                for address, proof, index in part:
                    row = rows.get(address)
                    if row is None or row[1] != proof:
                        continue
                    _, size, mtime_ns = files[index]
                    if row[2] == size and row[3] == mtime_ns:
                        feature = row[5]
                        if not isinstance(feature, bytes) or zlib.crc32(feature) != row[4]:
                            raise DamagedError("a feature's checksum does not match")
                        hits.append((index, feature))
                        self._used[address >> _PATH_BITS] = now
                return hits

            hits = self._file.attempt(read)
            if hits is None:
                return
            yield from hits

    def _write(self, recipe: str, rows: list[_Row]) -> None:
        rows.sort(key=itemgetter(0))  # neighbours share pages
        shelves = {row[0] >> _PATH_BITS for row in rows}

        def write(connection: sqlite3.Connection) -> bool:
            self._make_room(connection, sum(len(row[5]) + _ROW_BYTES for row in rows))
            with transaction(connection):
                connection.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?, ?, ?)", rows)
                connection.executemany(
                    "INSERT INTO shelves VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET used = excluded.used",
                    [(shelf, time.time_ns(), recipe.encode()) for shelf in sorted(shelves)],
                )
            return True

        if not self._file.attempt(write):
            self._file.attempt(write)  # a damaged file has made way for a new one

    def _stamp(self, connection: sqlite3.Connection) -> None:
        with transaction(connection):
            connection.executemany(
                "UPDATE shelves SET used = ? WHERE shelf = ? AND used < ?",
                [(used, shelf, used) for shelf, used in self._used.items()],
            )
        self._used.clear()

    def _make_room(self, connection: sqlite3.Connection, incoming: int) -> None:
        # The rest is for the log beside the file: what waits to be moved into the file, and the batch being
        # written, of which each row may touch a page of its own.
        limit = self._max_bytes - 2 * self._batch_bytes - self._batch_rows * PAGE_BYTES
        if _bytes_in_use(connection) + incoming <= limit:
            return
        if self._used:
            self._stamp(connection)
        while (excess := _bytes_in_use(connection) + incoming - self._max_bytes * 9 // 10) > 0:
            with transaction(connection):
                _drop_oldest(connection, min(max(excess, self._batch_bytes // 4), 2 * self._batch_bytes))
        # Freed pages are used again, so the file is now too long only where max_bytes was lowered.
        pages, shorter = pragma(connection, "page_count") + 1, pragma(connection, "page_count")
        while limit < shorter * PAGE_BYTES and shorter < pages:
            connection.execute(f"PRAGMA incremental_vacuum({self._batch_bytes // PAGE_BYTES})").fetchall()
            pages, shorter = shorter, pragma(connection, "page_count")


def _locator(recipe: str) -> Callable[[str], tuple[int, int]]:
    """A function from absolute path to (address, proof) under this recipe."""
    seeded = blake2b(recipe.encode() + b"\0", digest_size=16)
    halves = Struct("<qQ").unpack
    shelves: dict[str, int] = {}

    def digest(path: str) -> tuple[int, int]:
        hashed = seeded.copy()
        hashed.update(path.encode(errors="surrogateescape"))
        return halves(hashed.digest())

    def locate(path: str) -> tuple[int, int]:
        folder = path[: path.rfind("/") + 1]
        shelf = shelves.get(folder)
        if shelf is None:
            if not folder.startswith("/"):
                raise UsageError(f"path must be absolute, got {path!r}")
            shelf = shelves[folder] = digest(folder)[1] % _SHELVES << _PATH_BITS
        proof, number = digest(path)
        return shelf | number & _PATH_MASK, proof

    return locate


def _drop_oldest(connection: sqlite3.Connection, wanted_bytes: int) -> None:
    """Drop about so many bytes of the shelf unused for longest, or all of it."""
    oldest = connection.execute("SELECT shelf FROM shelves ORDER BY used, shelf LIMIT 1").fetchone()
    if oldest is None:
        raise DamagedError("features without a shelf")
    (shelf,) = oldest
    if not 0 <= shelf < _SHELVES:
        raise DamagedError("a shelf that cannot be")
    first, last = shelf << _PATH_BITS, shelf << _PATH_BITS | _PATH_MASK
    rows = connection.execute(
        "SELECT address, length(feature) FROM features WHERE address BETWEEN ? AND ? ORDER BY address LIMIT ?",
        (first, last, _DROPPED_AT_ONCE),
    ).fetchall()
    emptied = len(rows) < _DROPPED_AT_ONCE
    for place, (address, length) in enumerate(rows, 1):
        wanted_bytes -= (length or 0) + _ROW_BYTES
        if wanted_bytes <= 0 and place < len(rows):
            last, emptied = address, False
            break
    else:
        last = last if emptied else rows[-1][0]
    connection.execute("DELETE FROM features WHERE address BETWEEN ? AND ?", (first, last))
    if emptied:
        connection.execute("DELETE FROM shelves WHERE shelf = ?", (shelf,))


def _bytes_in_use(connection: sqlite3.Connection) -> int:
    return (pragma(connection, "page_count") - pragma(connection, "freelist_count")) * PAGE_BYTES
