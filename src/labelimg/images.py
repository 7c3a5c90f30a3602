"""Find the images of a folder, read many of them at once, and list the unreadable."""

from __future__ import annotations

import fnmatch
import itertools
import math
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from labelimg.decoding import Pixels, Shrink, not_a_file, one_opencv_thread, read, why_unreadable
from labelimg.errors import UnreadableImageError, UsageError, printable
from labelimg.thumbnail import Thumbnail

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")
R = TypeVar("R")

_PART = 8  # files that a thread takes at a time; handing over each alone costs as much as a tenth of reading it
_PARTS_AHEAD = 2
# Threads that read small files wait for the interpreter, a switch at each call: two take four times as long as one for
# JPEGs of 64 x 64, and as long for 256 x 256, which one thread reads in 0.25 ms. So files are read in this thread until
# they have taken so much longer than so much each, and tried again after some parts, of which there are ever more.
_QUICK_S = 150e-6
_PATIENCE_S = 5e-3
_LOOK_AGAIN, _LOOK_AGAIN_AT_LEAST = 64, 256

IMAGE_ENDINGS = frozenset(
    """.jpg .jpeg .jpe .jfif .png .apng .webp .avif .heic .heif .hif .tif .tiff .bmp .dib .gif
    .pgm .ppm .pbm .pnm .jp2 .j2k .tga .ico""".split()  # noqa: SIM905 - a list would fill a page
)


def has_image_ending(name: str) -> bool:
    """Whether a file is an image by the ending of its name."""
    return name[name.rfind(".") :].lower() in IMAGE_ENDINGS


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file or folder that was left out: its absolute `path` and a `reason` fit to print."""

    path: str
    reason: str


@dataclass(frozen=True)
class Found:
    """The images below one or more folders.

    `root` is the absolute folder that names are relative to: the common parent where there are several.
    `paths` are absolute, each once, in plain string order of the name relative to `root`. `skipped` counts
    the files that are hidden or are no image by their ending. `unreadable` holds what has an image's ending
    but is no file that could be opened, and sub-folders that cannot be listed.
    """

    root: str
    paths: tuple[str, ...]
    skipped: int
    unreadable: tuple[Unreadable, ...]


def find_images(
    folders: Sequence[str | os.PathLike[str]],
    *,
    recursive: bool = True,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Found:
    """Return the images below the folders; nothing is opened, and links to folders are not followed.

    `include` and `exclude` are shell globs, case-sensitive, matched against the name relative to the root and
    against the bare file name; `*` matches `/` too. A file is taken when it matches any of `include` (or
    there are none) and none of `exclude`; what they leave out is not counted at all.

    Raises UsageError for a folder that is missing, is no folder, or cannot be listed. A folder without
    images gives no paths.
    """
    if not folders:
        raise UsageError("folders must name at least one folder, got none")
    roots = sorted({os.path.realpath(folder) for folder in folders})
    for folder in roots:
        try:
            os.scandir(folder).close()
        except FileNotFoundError as error:
            raise UsageError(f"no such folder: {printable(folder)}; check the spelling") from error
        except NotADirectoryError as error:
            raise UsageError(f"not a folder: {printable(folder)}; name the folder that holds it") from error
        except OSError as error:
            raise UsageError(
                f"cannot list the folder {printable(folder)}: {why_unreadable(error)}; check its rights"
            ) from error
    root = os.path.commonpath(roots)
    name_start = len(root.rstrip(os.sep)) + 1
    chosen = _chosen(include, exclude)
    paths: list[str] = []
    unreadable: list[Unreadable] = []
    skipped = 0
    listed: set[str] = set()
    waiting = roots[::-1]
    while waiting:
        folder = waiting.pop()
        if folder in listed:
            continue
        listed.add(folder)
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if recursive and name[0] != ".":
                            waiting.append(entry.path)
                    elif (entry.is_symlink() and Path(entry.path).is_dir()) or (
                        chosen and not chosen(entry.path[name_start:].replace(os.sep, "/"), name)
                    ):
                        continue
                    elif name[0] == "." or not has_image_ending(name):
                        skipped += 1
                    elif entry.is_file(follow_symlinks=False) or not (reason := not_a_file(entry.path)):
                        paths.append(entry.path)
                    else:
                        unreadable.append(Unreadable(entry.path, reason))
        except OSError as error:
            unreadable.append(Unreadable(folder, f"the folder cannot be listed: {why_unreadable(error)}"))
    # All begin with the root, so their order is that of the relative names.
    paths.sort()
    unreadable.sort(key=lambda item: item.path)
    return Found(root, tuple(paths), skipped, tuple(unreadable))


def _chosen(include: Sequence[str], exclude: Sequence[str]) -> Callable[[str, str], bool] | None:
    """Return whether a file of this relative and bare name is taken, None where every file is."""
    if not include and not exclude:
        return None
    wanted = re.compile("|".join(map(fnmatch.translate, include or "*"))).match
    unwanted = re.compile("|".join(map(fnmatch.translate, exclude)) or r"(?!)").match
    return lambda relative, name: bool(
        (wanted(name) or wanted(relative)) and not unwanted(name) and not unwanted(relative)
    )


def read_many(
    paths: Iterable[str],
    shrink: Shrink,
    use: Callable[[Pixels], T],
    *,
    threads: int,
    keep_thumbnail: Callable[[str, bytes], object] | None = None,
) -> Iterator[tuple[int, T | Unreadable]]:
    """Yield (index, use(pixels)) for each path in order, (index, Unreadable) where it cannot be read.

    `use` runs in the thread that decoded, so it has to be safe with threads; what it raises ends the
    iteration. `keep_thumbnail` is given the path and a small JPEG there, too, before the result is yielded.
    With threads=1, and while files are so small that sharing them out would cost more, that is the calling
    thread. However many paths there are, only some are in flight. Closing the iterator drops what has not begun
    and waits for what has. Raises UsageError when threads < 1.
    """
    if threads < 1:
        raise UsageError(f"threads must be at least 1, got {threads}")
    return _read_many(paths, shrink, use, threads, keep_thumbnail)


def _read_many(
    paths: Iterable[str],
    shrink: Shrink,
    use: Callable[[Pixels], T],
    threads: int,
    keep_thumbnail: Callable[[str, bytes], object] | None,
) -> Iterator[tuple[int, T | Unreadable]]:
    def one(path: str) -> T | Unreadable:
        thumbnail = None if keep_thumbnail is None else Thumbnail()
        try:
            pixels = read(path, shrink, thumbnail=thumbnail)
        except UnreadableImageError as error:
            return Unreadable(path, error.reason)
        if keep_thumbnail is not None and thumbnail is not None:
            keep_thumbnail(path, thumbnail.jpeg)
        return use(pixels)

    if threads == 1:
        yield from enumerate(map(one, paths))
        return
    from concurrent.futures import ThreadPoolExecutor

    left = iter(paths)
    parts, done = _LOOK_AGAIN, 0
    # One more than work at a time: while one waits for the interpreter, another decodes.
    pool = ThreadPoolExecutor(threads + 1, thread_name_prefix="labelimg-read")
    with one_opencv_thread():
        try:
            for path in left:
                before = done
                for result in _while_quick(one, itertools.chain([path], left)):
                    yield done, result
                    done += 1
                if done - before > _PART * _LOOK_AGAIN:  # something else was in the way
                    parts = _LOOK_AGAIN
                for result in _shared_out(one, left, pool, _PARTS_AHEAD * threads, parts):
                    yield done, result
                    done += 1
                parts = min(2 * parts, _LOOK_AGAIN_AT_LEAST)
        finally:
            pool.shutdown(cancel_futures=True)


def _while_quick(one: Callable[[str], R], paths: Iterable[str]) -> Iterator[R]:
    """What `one` makes of the paths, in this thread, until it takes longer than it is worth."""
    over = -math.inf  # the first file may load the decoders
    for path in paths:
        began = time.perf_counter()
        result = one(path)
        over = max(0.0, over + time.perf_counter() - began - _QUICK_S)
        yield result
        if over > _PATIENCE_S:
            return


def _shared_out(
    one: Callable[[str], R], paths: Iterator[str], pool: ThreadPoolExecutor, ahead: int, parts: int
) -> Iterator[R]:
    """What `one` makes of so many parts of the paths in the threads of the pool, of which so many are ahead."""
    flying: deque[Future[list[R]]] = deque()
    while True:
        while parts and len(flying) < ahead and (part := list(itertools.islice(paths, _PART))):
            flying.append(pool.submit(lambda part: [one(path) for path in part], part))
            parts -= 1
        if not flying:
            return
        yield from flying.popleft().result()
