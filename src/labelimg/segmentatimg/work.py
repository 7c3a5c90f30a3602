"""Segment one image into its files, and many in processes; an image that ends its process ends nothing else."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from labelimg import files
from labelimg.decoding import Shrink, check_room, large_pixels, read
from labelimg.errors import OutputError, UnreadableImageError, UsageError
from labelimg.images import Unreadable
from labelimg.segmentatimg.labelmaps import ENDINGS, description_of, encoded, with_boundaries
from labelimg.segmentatimg.methods.base import Method
from labelimg.segmentatimg.regions import Labels, Pixels

BYTES_A_PIXEL = 12
"""What segmenting takes: the image, two label maps, and a little."""
PREVIEW_LONGEST = 1600
_PREVIEW_QUALITY = 90

_shared_folder = ""  # of worker processes: a folder that all of them have in common


@dataclass(frozen=True)
class Job:
    """One image to segment: its path, and what its files' names begin with."""

    image: str
    stem: str
    format: str
    preview: bool
    method: Method


@dataclass(frozen=True)
class Labelled:
    """An image whose label map lies in the file `labels`; `earlier`: an earlier run had made it. seconds: it took."""

    image: str
    labels: str
    segments: int
    width: int
    height: int
    seconds: float
    earlier: bool


Outcome = Labelled | Unreadable


def done_before(job: Job) -> Labelled | None:
    """What an earlier run made of an image; None if it has not, or the image, the method or a parameter is another."""
    place = f"{job.stem}_labels{ENDINGS[job.format]}"
    if not os.path.exists(place) or (job.preview and not os.path.exists(f"{job.stem}_preview.jpg")):
        return None
    known = _known(place)
    try:
        if known is None or known.get("recipe") != _recipe(job):
            return None
    except UnreadableImageError:
        return None
    return Labelled(job.image, place, known["segments"], known["width"], known["height"], 0.0, True)


def label_one(job: Job) -> Outcome:
    """Segment one image and write its label map and preview, or find that it was done.

    Raises OutputError where the disk would refuse every other image, too.
    """
    began = time.perf_counter()
    place = f"{job.stem}_labels{ENDINGS[job.format]}"
    try:
        earlier = done_before(job)
        if earlier is not None:
            return earlier
        recipe = _recipe(job)
        if files.is_there(place) and _known(place) is None:
            return Unreadable(
                job.image, f"{os.path.basename(place)} is there and was not made by labelimg: move it away"
            )
        pixels = large_pixels(job.image)
        with _alone() if pixels else nullcontext():
            check_room(job.image, pixels, BYTES_A_PIXEL)
            told = _make(job, place, recipe)
    except UnreadableImageError as error:
        return Unreadable(job.image, error.reason)
    except MemoryError:
        return Unreadable(job.image, "does not fit in memory")
    except UsageError as error:
        return Unreadable(job.image, str(error))
    except OutputError as error:
        if files.stops_everything(error):
            raise
        return Unreadable(job.image, str(error))
    return Labelled(job.image, place, *told, time.perf_counter() - began, False)


@contextmanager
def _alone() -> Iterator[None]:
    """Within it none of the other worker processes has a large image in memory; a process that ends lets go of it."""
    if not _shared_folder:
        yield
        return
    descriptor = os.open(_shared_folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # file systems on which folders cannot be locked
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(job: Job, place: str, recipe: dict[str, Any]) -> tuple[int, int, int]:
    """Write the files of an image; its number of segments, width and height."""
    image = read(job.image, Shrink(colour=True))
    labels = _segmented(job, image)
    height, width = labels.shape
    segments = int(labels.max())
    description = json.dumps({"recipe": recipe, "segments": segments, "width": width, "height": height})
    data = encoded(labels, job.format, description)
    if job.preview:
        drawn = with_boundaries(image, labels, longest=PREVIEW_LONGEST)
        files.write_atomic(f"{job.stem}_preview.jpg", _jpeg(drawn), binary=True)
    files.write_atomic(place, data, binary=True)  # last: where it is, the image is done
    _remove_other_formats(job)
    return segments, width, height


def _segmented(job: Job, image: Pixels) -> Labels:
    try:
        return job.method.segment(image)
    except MemoryError:
        raise
    except Exception as error:  # whatever a library raises on one image, the others are to go on
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnreadableImageError(job.image, f"{job.method.name} fails on it: {reason}") from error


def _recipe(job: Job) -> dict[str, Any]:
    """All that the files of an image depend on."""
    try:
        found = os.stat(job.image)
    except OSError as error:
        raise UnreadableImageError(job.image, files.reason(error)) from error
    return {
        "image": os.path.basename(job.image).encode("utf-8", "backslashreplace").decode(),
        "bytes": found.st_size,
        "time_ns": found.st_mtime_ns,
        "method": job.method.name,
        "parameters": job.method.recipe(),
    }


def _known(place: str) -> dict[str, Any] | None:
    """What a label map of ours says about itself."""
    try:
        known = json.loads(description_of(place) or "")
        whole = all(type(known[name]) is int for name in ("segments", "width", "height"))
        return known if whole and "recipe" in known else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _remove_other_formats(job: Job) -> None:
    """An image has one label map: after another `format` the earlier one goes, if it is ours."""
    for format, ending in ENDINGS.items():
        other = f"{job.stem}_labels{ending}"
        if format != job.format and _known(other) is not None:
            files.remove_file(other)


def _jpeg(pixels: Pixels) -> bytes:
    import simplejpeg

    data: bytes = simplejpeg.encode_jpeg(pixels, quality=_PREVIEW_QUALITY, colorspace="RGB", colorsubsampling="444")
    return data


def outcomes(jobs: Sequence[Job], processes: int) -> Iterator[tuple[int, Outcome]]:
    """Yield (index, outcome) of each job as it is done; with one process in this one.

    A process that dies, as one that takes more memory than there is, is replaced: the images that were being worked on
    are tried once more, each alone, and the one that ends its process again is listed. Raises what `label_one` raises.
    """
    if processes == 1:
        yield from enumerate(map(label_one, jobs))
        return
    left = iter(enumerate(jobs))
    suspects: list[tuple[int, Job]] = []
    while True:
        alone = suspects.pop() if suspects else None
        source = iter([alone]) if alone else left
        flying: dict[Future[Outcome], tuple[int, Job]] = {}
        pool = _pool(1 if alone else processes, os.path.commonpath([os.path.dirname(job.stem) for job in jobs]))
        try:
            while True:
                while len(flying) < 2 * processes and (item := next(source, None)):
                    flying[pool.submit(label_one, item[1])] = item
                if not flying:
                    break
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    outcome = future.result()
                    yield flying.pop(future)[0], outcome
        except BrokenProcessPool:
            if alone is None:
                suspects = list(flying.values())
                continue
            reason = "the process that segmented it was ended, perhaps for want of memory: try a smaller --work-size"
            yield alone[0], Unreadable(alone[1].image, reason)
        except KeyboardInterrupt:
            _end(pool)  # nothing is lost, and a large image may take a minute
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        if alone is None and not suspects:
            return


def _pool(processes: int, folder: str) -> ProcessPoolExecutor:
    # Not forked: the progress bar's thread, OpenCV's and numba's would be missing in the child, their locks held.
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=spawn, initializer=_begin_process, initargs=(folder,))


def _end(pool: ProcessPoolExecutor) -> None:
    for process in list((pool._processes or {}).values()):
        process.terminate()


def _begin_process(folder: str) -> None:
    """One thread for OpenCV, for there are as many processes as processors; Ctrl-C is the parent's to handle."""
    global _shared_folder
    import cv2

    _shared_folder = folder
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def leave_with_parent() -> None:
        parent.join()
        os._exit(1)

    # A parent that is killed tells nobody, and its workers would wait for work for ever.
    threading.Thread(target=leave_with_parent, daemon=True).start()
