"""Every change that the package makes to a disk: write then rename, transfer, remove.

A file that others may look at is never half written: its bytes go to a temporary name in the folder it is meant for,
and a rename puts it in place. Nothing here replaces a file except `write_atomic` and `write_together`.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal

from labelimg.errors import LabelimgError, OutputError, TransferError
from labelimg.errors import printable as printable
from labelimg.kernel_calls import copy_bytes, renamed_to_free_name
from labelimg.kernel_calls import sync_folder as sync_folder

StrPath = str | os.PathLike[str]
Content = str | bytes | Callable[[IO[Any]], object]

STATE_FOLDER = ".labelimg"
"""The folder inside an output folder that holds the lock and the record of the run."""

on_operation: Callable[[str, str], None] | None = None
"""Called with (name, path) before each change to a disk. Tests raise or kill from here; else None."""

_LEFTOVER = re.compile(r"\.labelimg-[0-9a-f]{16}\.part")
_CAUSES = {
    errno.ENOSPC: "no space left on the disk",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.ENOENT: "no such file or folder",
    errno.EEXIST: "there is already something of that name",
}
_STOPPING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def _operation(name: str, path: StrPath) -> None:
    if on_operation is not None:
        on_operation(name, os.fspath(path))


def reason(error: BaseException) -> str:
    """Why it failed, in a few words that do not name the file: of an OSError, or of ours raised from one."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError):
        return _CAUSES.get(cause.errno or 0, cause.strerror or str(cause))
    return str(error)


def stops_everything(error: LabelimgError) -> bool:
    """Whether every other transfer would fail too: disk full, quota used up, read-only file system."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _STOPPING


def free_bytes(path: StrPath) -> int:
    """Bytes that may still be written where `path` is, or would be if it does not exist yet."""
    return shutil.disk_usage(existing_part(path)).free


def existing_part(path: StrPath) -> Path:
    """The path itself or the nearest folder above it that exists."""
    absolute = Path(path).absolute()
    return next(part for part in (absolute, *absolute.parents) if part.exists())


def is_there(path: StrPath) -> bool:
    """Whether the name is taken, be it by a link that leads nowhere."""
    return os.path.lexists(path)


def write_atomic(path: StrPath, write: Content, *, binary: bool = False, durable: bool = True) -> None:
    """Write a whole file, or leave what was there: the bytes reach the disk before the name does.

    `write` is the content, or a function that is given the open file: a text file (UTF-8, undecodable bytes of file
    names as they are, line ends as written) unless `binary`. Not `durable` is for what can be made again: after a
    power cut it may be there and be empty. Raises OutputError naming the file and the cause.
    """
    text = isinstance(write, str) or (callable(write) and not binary)
    _write_all({Path(path): write}, text=text, durable=durable)


def write_together(contents: Mapping[StrPath, bytes]) -> None:
    """Write several whole files: the bytes of all are on the disk before the first name is put in place.

    So a full disk changes nothing. Raises OutputError naming the file and the cause.
    """
    _write_all({Path(path): content for path, content in contents.items()}, text=False)


def _write_all(contents: Mapping[Path, Content], *, text: bool, durable: bool = True) -> None:
    temporaries: dict[Path, Path] = {}
    final = Path()
    as_text: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""} if text else {}
    try:
        try:
            for final, write in contents.items():
                temporaries[final] = Path(_temporary_name(final))
                _operation("create", temporaries[final])
                with temporaries[final].open("x" if text else "xb", **as_text) as file:
                    _operation("write", temporaries[final])
                    if callable(write):
                        write(file)
                    else:
                        file.write(write)
                    file.flush()
                    if durable:
                        os.fsync(file.fileno())
            for final in contents:
                _operation("replace", final)
                temporaries[final].replace(final)
                del temporaries[final]
            for folder in {final.parent for final in contents} if durable else ():
                sync_folder(folder)
        except BaseException:
            for temporary in temporaries.values():
                _discard(temporary)
            raise
    except OSError as error:
        raise OutputError(f"cannot write {printable(final)}: {reason(error)}") from error


def write_private(path: StrPath, content: bytes) -> None:
    """Make a whole file that its owner alone may read; one that is there stays as it is. Raises OutputError."""
    temporary = _temporary_name(path)
    try:
        try:
            _operation("create", temporary)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                _operation("write", temporary)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            _operation("rename", path)
            with suppress(FileExistsError):
                _rename_to_free_name(temporary, path)
        finally:
            _discard(temporary)
    except OSError as error:
        raise OutputError(f"cannot write {printable(path)}: {reason(error)}") from error


def open_unnamed(folder: StrPath) -> IO[bytes]:
    """An empty file that goes with the process, to be given a name in that folder later; raises OSError."""
    try:
        return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666), "w+b")
    except (OSError, AttributeError):  # not every system and file system has it
        return tempfile.TemporaryFile(dir=folder)


def give_name(file: IO[bytes], path: StrPath) -> bool:
    """Put what `open_unnamed` gave in place; whether the system could. Raises OutputError where it may not be there."""
    final = Path(path)
    temporary = Path(_temporary_name(final))
    try:
        file.flush()
        folder = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _operation("create", temporary)
            with suppress(OSError):
                os.link(f"/proc/self/fd/{file.fileno()}", temporary.name, dst_dir_fd=folder)
        finally:
            os.close(folder)
        if not is_there(temporary):
            return False
        _operation("replace", final)
        temporary.replace(final)
    except OSError as error:
        _discard(temporary)
        raise OutputError(f"cannot write {printable(final)}: {reason(error)}") from error
    except BaseException:
        _discard(temporary)
        raise
    return True


def open_to_append(path: StrPath) -> int:
    """An open descriptor to `append` to, of a file that is made if it was not there. Raises OutputError."""
    try:
        _operation("create", path)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        raise OutputError(f"cannot write {printable(path)}: {reason(error)}") from error


def append(descriptor: int, path: StrPath, content: bytes) -> None:
    """Write at the end of the file; it survives the end of the process at once, a power cut only later.

    Raises OutputError naming the file; then a part of it may have been written.
    """
    try:
        _operation("append", path)
        while content:
            content = content[os.write(descriptor, content) :]
    except OSError as error:
        raise OutputError(f"cannot write {printable(path)}: {reason(error)}") from error


def make_folder(path: StrPath) -> None:
    """Make the folder and those above it; one that is there is fine. Raises OutputError."""
    folder = Path(path)
    try:
        for part in reversed([part for part in (folder, *folder.parents) if not part.is_dir()]):
            _operation("make_folder", part)
            part.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {printable(path)}: {reason(error)}") from error


def transfer(source: StrPath, target: StrPath, mode: Literal["copy", "move", "hardlink", "symlink"]) -> None:
    """Put the file `source` at `target`, whose folder must exist and whose name must be free.

    copy: bytes, modification time and permission bits; a link is followed. move: a rename, or from one file system to
    another a copy that is flushed and compared before the source is removed; a link that is moved leads to the same
    place by its absolute path. hardlink: a second name, links followed. symlink: a link to the source's absolute path.

    Raises TransferError naming both files and the cause; then the source is as it was and no target was made.
    """
    try:
        if mode == "copy":
            _copy(os.fspath(source), os.fspath(target))
        elif mode == "move":
            _move(Path(source), Path(target))
        elif mode == "hardlink":
            real = Path(source).resolve(strict=True)  # the kernel would link to the link itself
            _operation("hardlink", target)
            Path(target).hardlink_to(real)
        else:
            make_link(Path(source).absolute(), target)
    except OSError as error:
        cause = reason(error)
        if mode == "hardlink" and error.errno == errno.EXDEV:
            cause = "hard links cannot lead to another file system; use copy"
        raise TransferError(f"cannot {mode} {printable(source)} to {printable(target)}: {cause}") from error


def finish_move(source: StrPath, target: StrPath) -> None:
    """Remove `source` after making sure that `target` holds the same: the end of a move that was cut off.

    Raises TransferError, and removes nothing, if they differ or either cannot be read.
    """
    from_, to = Path(source), Path(target)
    try:
        if _place(from_) == _place(to) or not _same_content(from_, to):
            raise TransferError(f"{printable(target)} is no copy of {printable(source)}; neither was removed")
        _operation("remove", from_)
        from_.unlink()
    except OSError as error:
        raise TransferError(f"cannot finish moving {printable(source)}: {reason(error)}") from error


def rename(source: StrPath, target: StrPath) -> None:
    """Rename within one file system; `target` must be free. Raises TransferError."""
    try:
        _operation("rename", target)
        _rename_to_free_name(source, target)
    except OSError as error:
        raise TransferError(f"cannot rename {printable(source)} to {printable(target)}: {reason(error)}") from error


def make_link(text: StrPath, path: StrPath) -> None:
    """Make `path` a symbolic link that reads `text`; raises OSError if the name is taken."""
    _operation("symlink", path)
    Path(path).symlink_to(text)


def remove_file(path: StrPath) -> None:
    """Remove a file or a link; one that is gone already is fine. Raises TransferError."""
    try:
        _operation("remove", path)
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise TransferError(f"cannot remove {printable(path)}: {reason(error)}") from error


def remove_empty_folders(folders: Iterable[StrPath]) -> None:
    """Remove those of the folders that are empty, the deepest first; the others, and links, stay."""
    for folder in sorted({Path(folder) for folder in folders}, key=lambda f: len(f.parts), reverse=True):
        with suppress(OSError):
            _operation("remove_folder", folder)
            folder.rmdir()


def remove_leftovers(folder: StrPath, *, older_s: float = 0) -> None:
    """Remove the temporary files that a killed run left in the folder; a missing folder is fine.

    older_s: only those that were written so long ago, where others may be writing now.
    """
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
        leftovers = [e for e in found if _LEFTOVER.fullmatch(e.name) and e.is_file(follow_symlinks=False)]
        for entry in leftovers:
            if not older_s or time.time() - entry.stat(follow_symlinks=False).st_mtime > older_s:
                remove_file(entry.path)


def is_leftover(name: str) -> bool:
    """Whether a file has the name of a temporary file of ours."""
    return _LEFTOVER.fullmatch(name) is not None


def link_made_absolute(source: StrPath, text: str) -> str:
    """Where a link at `source` that reads `text` leads: an absolute path, its folder resolved."""
    return str(_place(Path(source).absolute().parent / text))


def open_or_create(path: StrPath) -> int:
    """An open descriptor of the file, made empty if it was not there; raises OSError."""
    _operation("create", path)
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)


def _temporary_name(target: StrPath) -> str:
    folder, slash, _ = os.fspath(target).rpartition("/")
    return f"{folder}{slash}.labelimg-{os.urandom(8).hex()}.part"


def _discard(path: StrPath) -> None:
    with suppress(OSError):
        _operation("remove", path)
        Path(path).unlink(missing_ok=True)


def _copy(source: str, target: str) -> None:
    temporary = _temporary_name(target)
    try:
        _fill(temporary, source)
        _operation("rename", target)
        _rename_to_free_name(temporary, target)
    except BaseException:
        _discard(temporary)
        raise


def _move(source: Path, target: Path) -> None:
    if source.is_symlink():
        make_link(_leads_to(source), target)
        _remove_source(source, target)
        return
    try:
        _operation("move", target)
        _rename_to_free_name(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_to_other_file_system(source, target)


def _move_to_other_file_system(source: Path, target: Path) -> None:
    temporary = _temporary_name(target)
    try:
        before = source.stat()
        _fill(temporary, source, durable=True)
        if not _same_content(source, Path(temporary)):
            raise OSError(errno.EIO, "the copy differs from the original")
        _operation("rename", target)
        _rename_to_free_name(temporary, target)
    except BaseException:
        _discard(temporary)
        raise
    sync_folder(target.parent)
    try:
        after = source.stat()
    except FileNotFoundError:  # somebody else removed it; now the target is the file
        return
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        _discard(target)
        raise OSError(errno.EIO, "it changed while it was moved")
    _remove_source(source, target)


def _remove_source(source: Path, target: Path) -> None:
    """End a move; if the source cannot be removed, the target goes instead, so that one of them is left."""
    try:
        _operation("remove", source)
        source.unlink()
    except OSError:
        if is_there(source):
            _discard(target)
        raise


def _rename_to_free_name(source: StrPath, target: StrPath) -> None:
    if renamed_to_free_name(source, target):
        return
    # Not every file system can refuse to overwrite. Between our runs the lock keeps this check true.
    if is_there(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    Path(source).rename(target)


def _fill(temporary: str, source: StrPath, *, durable: bool = False) -> None:
    """Copy the source into a new file; `durable`: with all that belongs to it, and down to the disk."""
    # Without O_NONBLOCK a pipe would wait for somebody to write into it.
    from_ = os.open(source, os.O_RDONLY | os.O_NONBLOCK)
    try:
        found = os.fstat(from_)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        _operation("create", temporary)
        to = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _operation("write", temporary)
            if copy_bytes(from_, to, found.st_size) != found.st_size:
                raise OSError(errno.EIO, "it changed while it was copied")
            if durable:
                with suppress(PermissionError):  # only the superuser gives files away
                    os.fchown(to, found.st_uid, found.st_gid)
                with suppress(PermissionError):
                    shutil.copystat(source, temporary)
            with suppress(PermissionError):  # file systems without permission bits
                os.fchmod(to, found.st_mode & 0o777)
            os.utime(to, ns=(found.st_atime_ns, found.st_mtime_ns))
            if durable:
                os.fsync(to)
                os.posix_fadvise(to, 0, 0, os.POSIX_FADV_DONTNEED)  # compare with the disk, not with memory
        finally:
            os.close(to)
    finally:
        os.close(from_)


def _same_content(a: Path, b: Path) -> bool:
    if a.is_symlink() or b.is_symlink():
        return a.is_symlink() and b.is_symlink() and _leads_to(a) == _leads_to(b)
    with a.open("rb") as left, b.open("rb") as right:
        while block := left.read(1 << 20):
            if block != right.read(1 << 20):
                return False
        return not right.read(1)


def _leads_to(link: Path) -> str:
    return link_made_absolute(link, str(link.readlink()))


def _place(path: Path) -> Path:
    """The path with the links of its folder resolved, but not its own."""
    return Path(os.path.realpath(path.parent), path.name)
