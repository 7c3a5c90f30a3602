"""Segment folders of images: a label map and a preview of each, in processes, going on where an earlier run stopped."""

from __future__ import annotations

import csv
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from labelimg import files
from labelimg.errors import OutputError, UsageError, printable
from labelimg.images import Unreadable, find_images
from labelimg.lock import Lock
from labelimg.outputs import check_apart
from labelimg.segmentatimg.labelmaps import ENDINGS
from labelimg.segmentatimg.methods import DEFAULT, make_method
from labelimg.segmentatimg.methods.base import Method
from labelimg.segmentatimg.work import Job, Labelled, done_before, outcomes

StrPath = str | os.PathLike[str]
RUN, LABELS, UNREADABLE = "run.json", "labels.csv", "unreadable.csv"


@dataclass(frozen=True)
class LabelRun:
    """What `label_folders` did: `labelled` and `unreadable` in name order.

    root: the folder that names are relative to. skipped: files that are no images. seconds: of the whole run.
    """

    root: str
    out: Path
    method: Method
    labelled: tuple[Labelled, ...]
    unreadable: tuple[Unreadable, ...]
    skipped: int
    seconds: float

    @property
    def earlier(self) -> int:
        """How many images an earlier run had done."""
        return sum(each.earlier for each in self.labelled)


def label_folders(
    images: Sequence[StrPath],
    *,
    out: StrPath,
    method: str | Method = DEFAULT,
    format: str = "tiff",
    preview: bool = True,
    recursive: bool = True,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    processes: int | None = None,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    **parameters: Any,
) -> LabelRun:
    """Segment the images below some folders; writes NAME_labels.tif and NAME_preview.jpg of each into `out`.

    The folders within the folders are kept. Where two names differ in their ending alone, both keep it:
    x.jpg_labels.tif. Beside them come labels.csv, unreadable.csv and run.json. An image whose label map is there, made
    by the same method and parameters from a file of the same size and time, is not done again; so a run that was
    interrupted goes on. An image that cannot be read or written is listed, and the run goes on; a full disk ends it.

    method: a name, which takes `parameters`, or a Method. format: `tiff`, int32, or `png`, 16-bit. processes: by
    default one for each processor; the result is the same with any number. overwrite: replace label maps of another
    method or other parameters. progress: called with (stage, done, total).

    Raises UsageError for folders, a method or parameters that cannot be, folders without images, and an `out` in or
    around them; OutputError if `out` cannot be written, holds something else, or holds a run of other settings and
    `overwrite` is not set.
    """
    began = time.perf_counter()
    chosen = make_method(method, **parameters) if isinstance(method, str) else method
    if chosen.alone:
        if processes not in (None, 1):
            raise UsageError(f"{chosen.name} works in one process, got {processes}: leave --processes out")
        processes = 1
    if format not in ENDINGS:
        raise UsageError(f"format must be one of {', '.join(ENDINGS)}, got {format!r}")
    if processes is not None and processes < 1:
        raise UsageError(f"processes must be at least 1, got {processes}")
    target = Path(out)
    check_apart(target, images)
    found = find_images(images, recursive=recursive, include=include, exclude=exclude)
    if not found.paths and not found.unreadable:
        raise UsageError(f"no images in {', '.join(printable(folder) for folder in images)}")
    names = [os.path.relpath(path, found.root) for path in found.paths]
    folders = sorted(os.path.realpath(folder) for folder in images)
    settings = {
        "folders": folders,
        "method": chosen.name,
        "parameters": chosen.recipe(),
        "format": format,
        "preview": preview,
    }
    _check_out(target, settings, overwrite=overwrite)
    files.make_folder(target)
    with Lock(target):
        _check_out(target, settings, overwrite=overwrite)
        _write_run(target, {"settings": settings, "complete": False})
        jobs = [
            Job(path, str(target / stem), format, preview, chosen)
            for path, stem in zip(found.paths, unique_stems(names), strict=True)
        ]
        for folder in sorted({os.path.dirname(job.stem) for job in jobs}):
            files.make_folder(folder)
            files.remove_leftovers(folder)
        done: list[Labelled | Unreadable | None] = [done_before(job) for job in jobs]
        left = [index for index, outcome in enumerate(done) if outcome is None]
        workers = min(processes or len(os.sched_getaffinity(0)), max(1, len(left)))
        before = len(jobs) - len(left)
        if progress is not None:
            progress("segmenting", before, len(jobs))
        for number, (index, outcome) in enumerate(outcomes([jobs[index] for index in left], workers), before + 1):
            done[left[index]] = outcome
            if progress is not None:
                progress("segmenting", number, len(jobs))
        result = LabelRun(
            root=found.root,
            out=target,
            method=chosen,
            labelled=tuple(each for each in done if isinstance(each, Labelled)),
            unreadable=tuple(
                sorted(
                    (*found.unreadable, *(each for each in done if isinstance(each, Unreadable))),
                    key=lambda each: each.path,
                )
            ),
            skipped=found.skipped,
            seconds=time.perf_counter() - began,
        )
        _write_tables(result, settings)
    return result


def unique_stems(names: Sequence[str]) -> list[str]:
    """The names without their endings; with them where two would be the same, whatever the case of their letters.

    >>> unique_stems(["a.jpg", "b.jpg", "b.png"])
    ['a', 'b.jpg', 'b.png']
    """
    stems = [os.path.splitext(name)[0] for name in names]
    while True:
        often = Counter(stem.casefold() for stem in stems)
        longer = [name if often[stem.casefold()] > 1 else stem for name, stem in zip(names, stems, strict=True)]
        if longer == stems:
            return stems
        stems = longer


def _check_out(out: Path, settings: dict[str, Any], *, overwrite: bool) -> None:
    """Raise OutputError unless the folder is free or holds label maps that may be gone on with or replaced."""
    if not files.is_there(out):
        return
    if not out.is_dir():
        raise OutputError(f"{printable(out)} is not a folder; choose a folder that does not exist yet")
    try:
        if all(path.name == files.STATE_FOLDER or files.is_leftover(path.name) for path in out.iterdir()):
            return
        earlier = json.loads((out / RUN).read_text("utf-8"))["settings"]
        ours = isinstance(earlier, dict) and settings.keys() == earlier.keys()
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise OutputError(
            f"{printable(out)} is not empty and was not made by labelimg labels; choose another output folder"
        )
    if earlier != settings and not overwrite:
        other = "images" if earlier["folders"] != settings["folders"] else f"settings ({earlier['method']})"
        raise OutputError(
            f"{printable(out)} holds label maps of other {other}; "
            "add --overwrite to replace them or choose another folder"
        )


def _write_tables(result: LabelRun, settings: dict[str, Any]) -> None:
    rows = (
        (os.path.relpath(each.image, result.root), os.path.relpath(each.labels, result.out), each.segments,
         each.width, each.height)
        for each in result.labelled
    )  # fmt: skip
    _write_csv(result.out / LABELS, [("image", "labels", "segments", "width", "height"), *rows])
    unreadable = ((os.path.relpath(each.path, result.root), each.reason) for each in result.unreadable)
    _write_csv(result.out / UNREADABLE, [("image", "reason"), *unreadable])
    counts = {
        "images": len(result.labelled) + len(result.unreadable),
        "labelled": len(result.labelled),
        "earlier": result.earlier,
        "unreadable": len(result.unreadable),
        "skipped": result.skipped,
    }
    seconds = round(result.seconds, 3)
    _write_run(result.out, {"settings": settings, "complete": True, "counts": counts, "seconds": seconds})


def _write_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    files.write_atomic(path, text.getvalue())


def _write_run(out: Path, content: dict[str, Any]) -> None:
    from importlib.metadata import version

    files.write_atomic(
        out / RUN, json.dumps({"labelimg": version("labelimg-suite"), **content}, indent=1, ensure_ascii=True) + "\n"
    )
