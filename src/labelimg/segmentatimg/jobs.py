"""What a worker process does: decode an image, cut it into segments, make them coarser and finer.

Each job is answered by parts, which come as they are ready, and an end.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from labelimg.decoding import Shrink, read
from labelimg.errors import LabelimgError, UnreadableImageError
from labelimg.segmentatimg.methods.base import Method
from labelimg.segmentatimg.shared import SharedArray, receive, send
from labelimg.segmentatimg.warm import is_first_use, warm_up_painting, warm_up_segmenting

LEVELS_FINER, LEVELS_COARSER = 1, 3


@dataclass(frozen=True)
class Job:
    """Cut the image at `path` into segments; with `preview` only for the eye, and sooner.

    `serial` tells jobs apart.
    """

    serial: int
    path: str
    method: Method
    preview: bool = False


@dataclass(frozen=True)
class Part:
    """Some of what a job gives; the arrays come beside it.

    "image": `image` uint8 (h, w, 3) RGB. "segments": `labels` int32 (h, w) and `edges` uint8 (h, w), 0 or 255, to be
    shown. "levels": `0`, `1`, ... int32 (h, w), from fine to coarse, the segments themselves left out; `finer` of them
    are finer. "end": nothing more follows; `reason` says what went wrong, empty if nothing did; `unreadable`: it is the
    file that cannot be read; `lost`: a process that worked ahead died with it.
    """

    kind: str
    reason: str = ""
    unreadable: bool = False
    finer: int = 0
    lost: bool = False


def parts_of(job: Job, arrays: dict[str, SharedArray]) -> Iterator[tuple[Part, dict[str, SharedArray]]]:
    """The parts of a job; `arrays` may hold the image, which is then not decoded, and the labels to make levels of."""
    from labelimg.segmentatimg.hierarchy import levels
    from labelimg.segmentatimg.regions import boundaries

    if "image" in arrays:
        image = arrays["image"]
    else:
        image = SharedArray.of(read(job.path, Shrink(colour=True)))
        yield Part("image"), {"image": image}
    if "labels" in arrays:
        labels = arrays["labels"].array
    else:
        labels = segments_of(job, image.array)
        edges = SharedArray.of(boundaries(labels).astype(np.uint8) * np.uint8(255))
        yield Part("segments"), {"labels": SharedArray.of(labels), "edges": edges}
    if job.preview:
        return
    maps = levels(image.array, labels, LEVELS_COARSER + 1, finer=LEVELS_FINER)
    del maps[LEVELS_FINER]
    yield Part("levels", finer=LEVELS_FINER), {str(k): SharedArray.of(each) for k, each in enumerate(maps)}


def segments_of(job: Job, image: Any) -> Any:
    """The segments of an image; of a preview those of the copy that the method works on, enlarged."""
    if not job.preview:
        return job.method.segment(image)
    labels = job.method.cut(job.method.work_copy(image))
    rows, columns = (
        np.arange(whole) * part // whole for whole, part in zip(image.shape[:2], labels.shape, strict=True)
    )
    return labels[rows[:, None], columns]


def serve(connection: Connection, parent: int, ahead: bool) -> None:
    """Do jobs until the other end is gone; runs in a process of its own. `ahead`: nobody waits for it yet."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal comes to all; the parent ends this one
    if is_first_use():
        for warm_up in (warm_up_painting, warm_up_segmenting) if ahead else (warm_up_segmenting, warm_up_painting):
            warm_up()
    if ahead:
        os.nice(12)
        cv2.setNumThreads(1)
    while True:
        try:
            job, arrays = receive(connection)
        except (EOFError, OSError):
            return
        try:
            try:
                for part, given in parts_of(job, arrays):
                    send(connection, parent, part, given)
                end = Part("end")
            except UnreadableImageError as error:
                end = Part("end", reason=error.reason, unreadable=True)
            except LabelimgError as error:
                end = Part("end", reason=str(error))
            except MemoryError:
                end = Part("end", reason="it does not fit in memory")
            send(connection, parent, end, {})
        except (BrokenPipeError, ConnectionResetError):
            return
