"""`cluster`: from folders of images to folders of clusters."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelimg import files
from labelimg.cache import FeatureCache
from labelimg.clusterimg import flow
from labelimg.clusterimg.batches import available_memory, shares, split
from labelimg.clusterimg.clock import Clock, Stage
from labelimg.clusterimg.engine import Engine
from labelimg.clusterimg.extraction import Extracted, Reader, extract
from labelimg.clusterimg.kept import Kept, digest_of
from labelimg.clusterimg.methods import DEFAULT, make_method
from labelimg.clusterimg.pairwise import PairwiseEngine
from labelimg.clusterimg.results import Clustering, Settings, clustering_of
from labelimg.clusterimg.tables import REPORT
from labelimg.errors import OutputError, UsageError
from labelimg.files import printable
from labelimg.images import Found, find_images, read_many

if TYPE_CHECKING:
    from labelimg.clusterimg.report.gathering import Gathered

Folder = str | os.PathLike[str]
TRANSFERS = ("copy", "move", "hardlink", "symlink", "none")


def cluster(
    images: Folder | Sequence[Folder],
    *,
    method: str = DEFAULT,
    threshold: float | None = None,
    batch_size: int | None = None,
    rescue: bool = True,
    merge: bool = True,
    out: Folder | None = None,
    transfer: str = "copy",
    keep_batches: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    recursive: bool = True,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    threads: int | None = None,
    cache: FeatureCache | None = None,
    report: bool = True,
    progress: Stage | None = None,
    **parameters: object,
) -> Clustering:
    """Group the images of a folder, or of several, by similarity; with `out`, sort them into folders there.

    Two images are similar when their similarity is greater than `threshold` (in [0, 1]; by default one is found in the
    data, as `suggest_threshold` does, and `settings` says which and why); clusters are chains of similar pairs.
    `batch_size`: the most images that are compared with each other at once, by default as many as fit in memory;
    clusters of different batches become one if their first images, the representatives, are similar, and with `rescue`
    outliers take part in that. `merge=False` stops before it. `parameters`: the method's own, and `size=(width,
    height)` or `scale`, what images are shrunk to.

    Nothing is written without `out`. `report`: leave the page report.html there, too. With `out` and
    `dry_run` nothing is written either, but `written` says where each
    image would go. A call that was interrupted goes on where it was when it is made again; one that was finished has
    nothing to do then. Raises UsageError for an argument that cannot be, OutputError when `out` cannot be used,
    TransferError when a file cannot be put there. An image that cannot be read is listed in `unreadable`.

    >>> cluster("photos", method="ssim", threshold=0.6).clusters  # doctest: +SKIP
    ((PosixPath('/home/me/photos/a.jpg'), PosixPath('/home/me/photos/a_small.jpg')),)
    """
    folders = [images] if isinstance(images, (str, os.PathLike)) else list(images)
    made = make_method(method, **parameters)
    limit = None if threshold is None else float(threshold)
    settings = Settings(
        folders=tuple(os.path.realpath(folder) for folder in folders),
        method=method,
        parameters=asdict(made),
        threshold=limit,
        batch_size=batch_size,
        rescue=rescue,
        merge=merge,
        transfer=transfer,
        keep_batches=keep_batches,
        recursive=recursive,
        include=tuple(include),
        exclude=tuple(exclude),
    )
    check_settings(settings)
    engine = PairwiseEngine(made, limit)
    return run(
        folders,
        settings,
        engine,
        out=out,
        overwrite=overwrite,
        dry_run=dry_run,
        threads=threads,
        cache=cache,
        clock=Clock(progress),
        report=report,
    )


def run(
    folders: Sequence[Folder],
    settings: Settings,
    engine: Engine,
    *,
    out: Folder | None,
    overwrite: bool,
    dry_run: bool,
    threads: int | None,
    cache: FeatureCache | None,
    clock: Clock,
    read: Reader = read_many,
    report: bool = True,
) -> Clustering:
    """Group the images of the folders by checked settings, as the engine does it; `cluster` says the rest."""
    with clock.stage("finding images"):
        found = find_images(folders, recursive=settings.recursive, include=settings.include, exclude=settings.exclude)
    count = thread_count(threads)

    def grouped(kept: Kept | None) -> Clustering:
        _check_any(found, folders)
        return _grouped(found, engine, settings, count, cache, clock, read, kept, report and kept is not None)

    if out is None:
        _check_any(found, folders)
        return replace(grouped(None), seconds=clock.seconds)
    if dry_run:
        return _planned(found, settings, Path(out), overwrite, clock, grouped)
    return _into_folder(found, settings, Path(out), overwrite, clock, grouped, report)


def _planned(
    found: Found,
    settings: Settings,
    out: Path,
    overwrite: bool,
    clock: Clock,
    grouped: Callable[[Kept | None], Clustering],
) -> Clustering:
    """Group the images and say where they would go, or what a finished run has made of them; writes nothing."""
    from labelimg.clusterimg.continuing import finished_before, images_of, kept_result, standing_run
    from labelimg.clusterimg.kept import Kept
    from labelimg.clusterimg.output import check_output, planned
    from labelimg.clusterimg.record import read_record

    kept = Kept(out, "cluster")
    images = images_of(found, read_record(out), moving=settings.transfer == "move")
    if not images.count:
        _check_any(found, settings.folders)
    begun, finished = standing_run(kept, settings, images, overwrite=overwrite)
    earlier = kept_result(kept, settings.folders) if finished else None
    if earlier is not None:
        return finished_before(out, earlier[0])
    overwrite = overwrite or begun is not None  # what was begun would be gone on with
    check_output(out, settings, overwrite=overwrite)
    return replace(planned(grouped(None), out, overwrite=overwrite), seconds=clock.seconds)


def _into_folder(
    found: Found,
    settings: Settings,
    out: Path,
    overwrite: bool,
    clock: Clock,
    grouped: Callable[[Kept], Clustering],
    report: bool,
) -> Clustering:
    """Group the images and put them into the folder, or do what an interrupted run left to do there."""
    from labelimg.clusterimg.continuing import (
        TAKE_IT_BACK,
        begin,
        finished_before,
        forget_if_cheap,
        has_plan,
        images_of,
        keep,
        kept_result,
    )
    from labelimg.clusterimg.earlier import check_place
    from labelimg.clusterimg.output import finish_with_page, write_output, write_page
    from labelimg.clusterimg.record import read_record
    from labelimg.lock import Lock

    check_place(out, settings.folders)
    if not files.is_there(out):
        _check_any(found, settings.folders)
    with Lock(out):
        images = images_of(found, read_record(out), moving=settings.transfer == "move")
        if not images.count:
            _check_any(found, settings.folders)
        kept, begun, finished = begin(out, settings, images, overwrite=overwrite)
        earlier = kept_result(kept, settings.folders)
        if finished and earlier is not None:
            if report and not files.is_there(out / REPORT):
                write_page(out, clock=clock)
            return finished_before(out, earlier[0])
        if earlier is None and (finished or has_plan(out, begun)):
            raise OutputError(f"what a run in {printable(out)} had found out cannot be read any more; {TAKE_IT_BACK}")
        computed = 0.0
        try:
            if earlier is not None:
                clock.add(earlier[0].seconds)
                result, computed = replace(earlier[0], kept="the whole result"), clock.total
            else:
                result = grouped(kept)
                computed = clock.total
                keep(kept, replace(result, seconds=clock.seconds))
            result = write_output(result, out, begun, clock=clock, gathered=kept.folder if report else None)
        except BaseException:
            forget_if_cheap(out, kept, computed or clock.total)
            raise
        if report:
            finish_with_page(out, kept, clock=clock)
        else:
            kept.finish()
    return replace(result, seconds=clock.seconds)


def check_settings(settings: Settings) -> None:
    """Raise UsageError for settings that cannot be."""
    if not settings.folders:
        raise UsageError("no folder of images was given")
    if settings.threshold is not None and not 0 <= settings.threshold <= 1:  # also refuses nan
        raise UsageError(f"threshold must be between 0 and 1, got {settings.threshold}")
    if settings.batch_size is not None and settings.batch_size < 2:
        raise UsageError(f"batch size must be at least 2, got {settings.batch_size}")
    if settings.transfer not in TRANSFERS:
        raise UsageError(f"transfer must be one of {', '.join(TRANSFERS)}, got {settings.transfer!r}")
    if settings.transfer == "move" and settings.keep_batches:
        raise UsageError("move and keep-batches exclude each other: a moved file can only be in one place")


def thread_count(threads: int | None) -> int:
    """The given number of threads, or that of the processors this process may use."""
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads < 1:
        raise UsageError(f"threads must be at least 1, got {threads}")
    return threads


def _check_any(found: Found, folders: Sequence[Folder]) -> None:
    if not found.paths:
        raise UsageError(f"no images in {', '.join(map(printable, folders))}{why_none(found)}")


def why_none(found: Found) -> str:
    """What else there is where no images were found, to be added to a complaint."""
    if found.skipped:
        return f": {found.skipped} files there are of other kinds"
    return ""


def _grouped(
    found: Found,
    engine: Engine,
    settings: Settings,
    threads: int,
    cache: FeatureCache | None,
    clock: Clock,
    read: Reader,
    kept: Kept | None,
    report: bool,
) -> Clustering:
    gathered: Gathered | None = None
    if kept is not None and report:
        from labelimg.clusterimg.report.gathering import Gathered

        gathered = Gathered(kept.folder)
    memory = available_memory() // 2
    source = engine.prepare(found.paths, threads=threads)
    size = settings.batch_size or engine.batch_limit(len(found.paths), memory)
    with clock.stage("decoding") as told:
        extracted = extract(
            found.paths,
            source,
            threads=threads,
            memory=memory,
            with_signatures=engine.by_signatures and (size is None or len(found.paths) > size),
            cache=cache,
            read=read,
            thumbnails=None if gathered is None else gathered.thumbnails,
            progress=told,
        )
    grouper = engine.grouper(extracted.features, threads=threads, memory=memory, clock=clock)
    batches = []
    with clock.stage(engine.stage) as told:
        split_up = _batches(extracted, size or _batch_that_fits(extracted, memory))
        before, total, taken = 0, sum(engine.amount(len(rows)) for rows in split_up), 0
        for number, rows in enumerate(split_up):
            counted = None if told is None else lambda done, _, told=told, before=before: told(before + done, total)
            images = digest_of([found.paths[row] for row in extracted.rows[rows].tolist()]) if kept is not None else ""
            batch = kept.batch(number, images) if kept is not None else None
            taken += batch is not None
            if batch is None:
                batch = flow.group_batch(grouper, rows, counted)
                if kept is not None:
                    kept.add(number, images, batch)
            batches.append(batch)
            before += engine.amount(len(rows))
        if kept is not None and len(split_up) > 1:
            kept.flush()
    merged = None
    if settings.merge:
        with clock.stage("merging") as told:
            parts = [(batch.clusters, batch.outliers) for batch in batches]
            merged = flow.merge_batches(grouper, parts, rescue=settings.rescue, progress=told)
    result = clustering_of(
        root=Path(found.root),
        images=tuple(Path(found.paths[row]) for row in extracted.rows),
        unreadable=tuple(sorted((*found.unreadable, *extracted.unreadable), key=lambda each: each.path)),
        skipped=found.skipped,
        settings=replace(settings, **engine.found()),
        batches=tuple(batches),
        merged=merged,
        decoded=extracted.decoded,
    )
    if gathered is not None and kept is not None:
        with clock.stage("looking"):
            gathered.look(grouper, result)
            gathered.write(kept.folder, result)
    return replace(result, kept=f"{taken} of {len(split_up)} batches") if taken else result


def _batches(extracted: Extracted, size: int) -> list[flow.Rows]:
    if len(extracted.rows) > size and not len(extracted.signatures):
        return shares(len(extracted.rows), size)
    if len(extracted.rows) > size:
        return split(extracted.signatures, size)
    return [np.arange(len(extracted.rows), dtype=np.int32)] if len(extracted.rows) else []


def _batch_that_fits(extracted: Extracted, memory: int) -> int:
    bytes_held = extracted.features.values.nbytes
    if bytes_held <= memory:
        return max(len(extracted.rows), 1)
    return max(2, int(len(extracted.rows) * (memory / bytes_held)))
