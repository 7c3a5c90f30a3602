"""The one SQLite file that the feature cache keeps: opening it, what to do when it fails, and who may remove it.

Whatever goes wrong with the file is told once, through `warn`. A damaged one is set aside under another name and a new
one begun; where the world is at fault (a full disk, a read-only folder, another process that holds it) the file is let
go of for good. What is in it is cache.py's.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from labelimg.errors import LabelimgError

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

_NAME = "features.sqlite"
_OURS = re.compile(r"features\.sqlite(-wal|-shm|-journal|\.damaged-\d+)?", re.ASCII)
_VERSION = 1
_SCHEMA = {
    "features": "CREATE TABLE features (address INTEGER PRIMARY KEY, proof INTEGER, size INTEGER,"
    " mtime_ns INTEGER, crc32 INTEGER, feature BLOB)",
    "shelves": "CREATE TABLE shelves (shelf INTEGER PRIMARY KEY, used INTEGER, recipe BLOB)",
    "shelves_by_use": "CREATE INDEX shelves_by_use ON shelves (used)",
}
PAGE_BYTES = 8192
_PRAGMAS = (
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "mmap_size = 0",  # reading a mapped file that another process cuts short ends the process
    f"page_size = {PAGE_BYTES}",
    "auto_vacuum = INCREMENTAL",
    "journal_mode = WAL",  # where the file system cannot, SQLite stays with a rollback journal
    "synchronous = OFF",  # a killed process damages nothing; a power cut may, and that is noticed
    "secure_delete = OFF",
)
_LOCK_SECONDS = 15.0  # a slow disk may keep another process busy for some


class DamagedError(Exception):
    """The file holds something that we did not write there."""


class CacheFile:
    """The file features.sqlite in a folder, for one process; any number of processes may share it.

    `folder` is by default $LABELIMG_CACHE_DIR, else the user's cache folder. Nothing is opened or created before it is
    needed. log_bytes: of what is written beside the file before it is moved into it. lost: called when what was
    in the file is there no longer.
    """

    def __init__(
        self, folder: Path | None, *, log_bytes: int, warn: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        self._folder = folder
        self._log_bytes = log_bytes
        self._warn = warn
        self._lost = lost
        self._connection: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._disabled = False
        self._rebuilt = False

    @cached_property
    def path(self) -> Path:
        """The cache's file, there or not."""
        folder = self._folder or os.environ.get("LABELIMG_CACHE_DIR")
        if not folder:
            from platformdirs import user_cache_path

            folder = user_cache_path("labelimg")
        return Path(folder).absolute() / _NAME

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, which stays until `close` or a failure."""
        return self._connection is not None

    def files(self) -> list[tuple[Path, int]]:
        """The cache's files that there are, with their bytes; the lock, always empty, is not one of them."""
        files = []
        with suppress(OSError):  # no folder, no files
            for name in os.listdir(self.path.parent):
                file = self.path.with_name(name)
                if _OURS.fullmatch(name):
                    with suppress(FileNotFoundError):  # SQLite removes its log when the last process closes
                        files.append((file, file.lstat().st_size))
        return files

    def remove(self) -> int:
        """Remove the file and what is beside it, a damaged one too; the bytes that they took.

        Raises LabelimgError, with nothing removed, while another process uses it.
        """
        self.close()
        name = _printable(self.path)
        try:
            if not self.path.parent.is_dir():
                return 0
            if not self._acquire(fcntl.LOCK_EX):
                raise LabelimgError(f"cache {name}: another run uses it; nothing was removed")
            removed = 0
            for file, size in self.files():
                file.unlink()
                removed += size
        except OSError as error:
            raise LabelimgError(f"cache {name}: cannot be cleared: {error.strerror}") from error
        finally:
            self.close()
        return removed

    def attempt(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """What `work` does with the open cache; None when the cache fails, which has then been seen to."""
        if self._disabled:
            return None
        import sqlite3

        try:
            return work(self._connection or self._open())
        except (DamagedError, UnicodeDecodeError) as error:  # text that sqlite3 itself cannot decode is damage, too
            self._set_aside(str(error))
        except OSError as error:
            self._disable(error.strerror or str(error))
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.DatabaseError as error:
            if _means_damage(error):
                self._set_aside(str(error))
            else:
                self._disable(str(error))
        return None

    def close(self) -> None:
        """Let go of the file; a later attempt opens it again."""
        connection, self._connection = self._connection, None
        lock, self._lock = self._lock, None
        try:
            if connection:
                connection.close()
        finally:
            if lock is not None:
                os.close(lock)

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self._acquire(fcntl.LOCK_SH):
            raise TimeoutError("another process holds it")
        connection = sqlite3.connect(self.path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            for setting in _PRAGMAS:
                connection.execute(f"PRAGMA {setting}").fetchall()
            connection.execute(f"PRAGMA wal_autocheckpoint = {self._log_bytes // PAGE_BYTES}").fetchall()
            connection.execute(f"PRAGMA journal_size_limit = {self._log_bytes}").fetchall()
            if not _schema(connection):
                with transaction(connection):
                    if not _schema(connection):
                        for statement in _SCHEMA.values():
                            connection.execute(statement)
                        connection.execute(f"PRAGMA user_version = {_VERSION}")
            if _schema(connection) != _SCHEMA or pragma(connection, "user_version") != _VERSION:
                raise DamagedError("not written by this version")
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _acquire(self, how: int, damaged: os.stat_result | None = None) -> bool:
        """Whether the lock was got; not while waiting for it another process removed the damaged file.

        Whoever has the cache open shares the lock; whoever renames or removes its files holds it alone, against
        which SQLite's own locks do not guard.
        """
        if self._lock is None:
            self._lock = os.open(self.path.with_name(f"{_NAME}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._lock, how | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() > deadline or (damaged and not _is_still(self.path, damaged)):
                    return False
            time.sleep(0.01)

    def _set_aside(self, reason: str) -> None:
        """Rename the damaged file, so that the next attempt starts a new one; forget one set aside before."""
        if self._rebuilt:
            self._disable(f"damaged again ({reason})")
            return
        self._rebuilt = True
        self._lost()
        try:
            damaged = self.path.stat()  # under the shared lock, so this is the file that we found damaged
            self.close()
            alone = self._acquire(fcntl.LOCK_EX, damaged)
            if not _is_still(self.path, damaged):
                return  # another process found the damage, too
            if not alone:
                self._disable(f"damaged ({reason}), and another process is using it")
                return
            others = [file for file, _ in self.files() if file != self.path]
            numbers = [int(file.name.rpartition("-")[2]) for file in others if ".damaged-" in file.name]
            kept = self.path.with_name(f"{_NAME}.damaged-{max(numbers, default=0) + 1}")
            for file in others:
                file.unlink()
            self.path.rename(kept)
        except OSError as error:
            self._disable(f"damaged ({reason}), and cannot be set aside: {error.strerror}")
            return
        finally:
            self.close()
        self._warn(_printable(f"cache {self.path}: damaged ({reason}); set aside as {kept.name}, begun anew"))

    def _disable(self, reason: str) -> None:
        self._disabled = True
        self.close()
        self._warn(_printable(f"cache {self.path}: going on without it: {reason}"))


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """The number that a pragma of SQLite says."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _schema(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT name, sql FROM sqlite_master"))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Within it the file is written by nobody else; it ends with all of it done, or after an exception nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _means_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is at fault; else the world is: locked, full, read-only, out of memory."""
    import sqlite3

    code = getattr(error, "sqlite_errorcode", None)  # Python's own, such as text that is not UTF-8, have none
    return code is None or code & 0xFF in {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
    }


def _is_still(path: Path, known: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), known)
    except FileNotFoundError:
        return False


def _printable(text: str | Path) -> str:
    """The text as one line fit to print: SQLite's messages quote the damaged file, and paths can hold anything."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in str(text))
