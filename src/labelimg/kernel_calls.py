"""What files need of the kernel and Python has no one call for. Only `files` calls what changes a disk."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable
from contextlib import suppress

StrPath = str | os.PathLike[str]

_NO_KERNEL_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}


def renamed_to_free_name(source: StrPath, target: StrPath) -> bool:
    """Rename unless the target is there; whether it was done: not where the file system cannot refuse to replace.

    Raises OSError, FileExistsError where the target is there.
    """
    call = _renameat2()
    code = errno.ENOSYS if call is None else call(os.fsencode(source), os.fsencode(target))
    if code and code not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(code, os.strerror(code), str(source))
    return code == 0


def copy_bytes(from_: int, to: int, size: int) -> int:
    """Copy `size` bytes, within the kernel and sharing blocks where it can; gives how many there were."""
    copied = 0
    try:
        while copied < size and (count := os.copy_file_range(from_, to, size - copied)):
            copied += count
    except OSError as error:
        if copied or error.errno not in _NO_KERNEL_COPY:
            raise
    # Also from file systems that give the call above nothing.
    block = b""
    while copied < size and (block := block or os.read(from_, 1 << 20)):
        written = os.write(to, block)
        copied, block = copied + written, block[written:]
    return copied


def sync_folder(folder: StrPath) -> None:
    """Make the names in the folder survive a power cut; silently nothing where folders cannot be flushed."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@functools.cache
def _renameat2() -> Callable[[bytes, bytes], int] | None:
    """Linux' rename that fails when the target is there: gives 0 or the errno. None where it is missing."""
    import ctypes

    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    here, no_replace = -100, 1  # AT_FDCWD, RENAME_NOREPLACE

    def call(source: bytes, target: bytes) -> int:
        return 0 if function(here, source, here, target, no_replace) == 0 else ctypes.get_errno()

    return call
