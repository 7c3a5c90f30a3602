"""Template painting of a folder of images, without windows."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

from labelimg.decoding import Pixels, Shrink, check_room, large_pixels, one_opencv_thread, read
from labelimg.errors import LabelimgError, UnreadableImageError, UsageError
from labelimg.files import stops_everything
from labelimg.images import Unreadable
from labelimg.lock import Lock
from labelimg.segmentatimg.maskfolder import MaskFolder
from labelimg.segmentatimg.painting import Painting
from labelimg.segmentatimg.templates import Match, Template, check_threshold, find_matches

_AT_ONCE = 1000  # images whose results are waited for together
_BYTES_A_PIXEL = 5  # what looking for templates takes, and the paint

_one_large = threading.Lock()


@dataclass(frozen=True)
class Stamped:
    """What a run did: the `matches` of each image that was looked at, by path, in name order.

    `skipped` images had masks already, `unreadable` ones could not be read or saved.
    """

    matches: dict[str, tuple[Match, ...]]
    skipped: tuple[str, ...]
    unreadable: tuple[Unreadable, ...]


def stamp(
    folder: MaskFolder,
    templates: Sequence[Template],
    *,
    threshold: float | None = None,
    add: bool = False,
    overwrite: bool = False,
    threads: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Stamped:
    """Look for templates in the images of a folder, and save what they paint as the images' masks.

    Images that are done already are skipped, so that a run that was interrupted can be gone on with; `add` paints over
    what they have, `overwrite` in place of it. An image in which nothing is found is not saved.

    Raises UsageError for `add` and `overwrite` together and for a threshold out of range, OutputError when the disk is
    full or another program works on these masks; another mask that cannot be read or written is listed with the image.
    """
    if add and overwrite:
        raise UsageError("of add and overwrite only one can be asked for")
    check_threshold(threshold)
    chosen = [path for path in folder.images if add or overwrite or not folder.is_done(path)]
    skipped = tuple(path for path in folder.images if not (add or overwrite) and folder.is_done(path))
    matches: dict[str, tuple[Match, ...]] = {}
    unreadable = list(folder.unreadable)

    def one(path: str) -> tuple[Match, ...] | LabelimgError:
        try:
            large = large_pixels(path)
            with _one_large if large else nullcontext():
                check_room(path, large, _BYTES_A_PIXEL)
                pixels = read(path, Shrink(colour=True))
                found = find_matches(pixels, templates, threshold)
                _save(folder, path, pixels, found, add=add)
                del pixels
        except LabelimgError as error:
            return error
        except MemoryError:
            return UnreadableImageError(path, "does not fit in memory")
        return tuple(found)

    workers = threads if threads is not None else os.cpu_count() or 1
    if workers < 1:
        raise UsageError(f"threads must be at least 1, got {workers}")
    with (
        Lock(folder.out),
        one_opencv_thread(),
        ThreadPoolExecutor(workers, thread_name_prefix="labelimg-stamp") as pool,
    ):
        for first in range(0, len(chosen), _AT_ONCE):
            part = chosen[first : first + _AT_ONCE]
            for number, (path, result) in enumerate(zip(part, pool.map(one, part), strict=True), first + 1):
                if not isinstance(result, LabelimgError):
                    matches[path] = result
                elif stops_everything(result):
                    pool.shutdown(cancel_futures=True)
                    raise result
                else:
                    its_own = isinstance(result, UnreadableImageError) and result.path == path
                    unreadable.append(Unreadable(path, getattr(result, "reason", "") if its_own else str(result)))
                if progress is not None:
                    progress("stamping", number, len(chosen))
    return Stamped(matches, skipped, tuple(sorted(unreadable, key=lambda each: each.path)))


def _save(folder: MaskFolder, path: str, pixels: Pixels, matches: list[Match], *, add: bool) -> None:
    if not matches:
        return
    height, width = pixels.shape[:2]
    painting = Painting(pixels, None, masks=folder.load(path, (width, height)) if add else None)
    painting.paint_matches(matches)
    folder.save(path, painting.masks())
