"""The lock that keeps two runs from working in one output folder."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from labelimg import files
from labelimg.errors import LabelimgError, OutputError
from labelimg.files import STATE_FOLDER, StrPath, printable, reason

_HELD = (errno.EWOULDBLOCK, errno.EACCES)


class HeldError(OutputError):
    """Another run holds the lock of an output folder."""


def is_held(out: StrPath) -> bool:
    """Whether a run holds the lock of an output folder now; nothing is made or changed by asking."""
    try:
        descriptor = os.open(Path(out) / STATE_FOLDER / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _HELD
    finally:
        os.close(descriptor)
    return False


class Lock:
    """The sole right to change an output folder, as a context manager; a crash leaves no lock behind.

    Makes the folder. On leaving, takes away what it made if nothing else came into it. Raises HeldError
    naming the folder if another run holds it, OutputError if it cannot be locked.
    """

    def __init__(self, out: StrPath) -> None:
        self._out = Path(out)
        self._path = self._out / STATE_FOLDER / "lock"
        self._descriptor = -1

    def __enter__(self) -> Lock:
        while not self._acquired():
            pass  # a run that was ending removed the file while we opened it
        _held.add(self._descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        # Remove the name while the lock is ours: who opened the file meanwhile will notice and try again.
        # On a disk that turned read-only it stays, and locks nothing.
        with suppress(LabelimgError, OSError):
            files.remove_file(self._path)
            files.remove_empty_folders([self._path.parent, self._out])
        _held.discard(self._descriptor)
        os.close(self._descriptor)

    def _acquired(self) -> bool:
        files.make_folder(self._path.parent)
        try:
            self._descriptor = files.open_or_create(self._path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise OutputError(f"cannot write in {printable(self._out)}: {reason(error)}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(self._descriptor), self._path.stat()):
                return True
        except FileNotFoundError:
            pass
        except OSError as error:
            os.close(self._descriptor)
            if error.errno in _HELD:
                text = f"another run is working in {printable(self._out)}; wait for it or choose another folder"
                raise HeldError(text) from error
            raise OutputError(f"cannot lock {printable(self._out)}: {reason(error)}") from error
        os.close(self._descriptor)
        return False


_held: set[int] = set()


def _leave_locks_to_parent() -> None:
    """Close inherited locks: a forked worker would go on holding them after its parent was killed."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_leave_locks_to_parent)
