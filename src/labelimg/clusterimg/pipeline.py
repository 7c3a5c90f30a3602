"""`cluster`: from folders of images to folders of clusters."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from labelimg.cache import FeatureCache
from labelimg.clusterimg import flow
from labelimg.clusterimg.batches import available_memory, shares, split
from labelimg.clusterimg.clock import Clock, Stage
from labelimg.clusterimg.engine import Engine
from labelimg.clusterimg.extraction import Extracted, Reader, extract
from labelimg.clusterimg.methods import DEFAULT, make_method
from labelimg.clusterimg.pairs import Pairs, no_pairs
from labelimg.clusterimg.pairwise import PairwiseEngine
from labelimg.clusterimg.results import Clustering, Settings
from labelimg.errors import UsageError
from labelimg.files import printable
from labelimg.images import Found, find_images, read_many

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
    progress: Stage | None = None,
    **parameters: object,
) -> Clustering:
    """Group the images of a folder, or of several, by similarity; with `out`, sort them into folders there.

    Two images are similar when their similarity is greater than `threshold` (in [0, 1], by default the method's own);
    clusters are chains of similar pairs. `batch_size`: the most images that are compared with each other at once, by
    default as many as fit in memory; clusters of different batches become one if their first images, the
    representatives, are similar, and with `rescue` outliers take part in that. `merge=False` stops before it.
    `parameters`: the method's own, and `size=(width, height)` or `scale`, what images are shrunk to.

    Nothing is written without `out`. With it and `dry_run` nothing is written either, but `written` says where each
    image would go. Raises UsageError for an argument that cannot be, OutputError when `out` cannot be used,
    TransferError when a file cannot be put there. An image that cannot be read is listed in `unreadable`.

    >>> cluster("photos", method="ssim", threshold=0.6).clusters  # doctest: +SKIP
    ((PosixPath('/home/me/photos/a.jpg'), PosixPath('/home/me/photos/a_small.jpg')),)
    """
    folders = [images] if isinstance(images, (str, os.PathLike)) else list(images)
    made = make_method(method, **parameters)
    limit = made.default_threshold if threshold is None else float(threshold)
    settings = Settings(
        folders=tuple(os.path.abspath(folder) for folder in folders),
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
) -> Clustering:
    """Group the images of the folders by checked settings, as the engine does it; `cluster` says the rest."""
    with clock.stage("finding images"):
        found = find_images(folders, recursive=settings.recursive, include=settings.include, exclude=settings.exclude)
        if not found.paths:
            raise UsageError(f"no images in {', '.join(map(printable, folders))}{why_none(found)}")
    if out is not None:
        from labelimg.clusterimg.output import check_output

        check_output(Path(out), settings, overwrite=overwrite)
    result = _grouped(found, engine, settings, thread_count(threads), cache, clock, read)
    if out is not None:
        from labelimg.clusterimg.output import planned, write_output

        if dry_run:
            result = planned(result, Path(out), overwrite=overwrite)
        else:
            result = write_output(result, Path(out), overwrite=overwrite, clock=clock)
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
) -> Clustering:
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
            progress=told,
        )
    grouper = engine.grouper(extracted.features, threads=threads, memory=memory, clock=clock)
    batches = []
    with clock.stage(engine.stage) as told:
        split_up = _batches(extracted, size or _batch_that_fits(extracted, memory))
        before, total = 0, sum(engine.amount(len(rows)) for rows in split_up)
        for rows in split_up:
            counted = None if told is None else lambda done, _, told=told, before=before: told(before + done, total)
            batches.append(flow.group_batch(grouper, rows, counted))
            before += engine.amount(len(rows))
    merged = None
    if settings.merge:
        with clock.stage("merging") as told:
            parts = [(batch.clusters, batch.outliers) for batch in batches]
            merged = flow.merge_batches(grouper, parts, rescue=settings.rescue, progress=told)
    return _clustering(found, extracted, settings, tuple(batches), merged)


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


def _clustering(
    found: Found,
    extracted: Extracted,
    settings: Settings,
    batches: tuple[flow.Batch, ...],
    merged: flow.Merged | None,
) -> Clustering:
    images = tuple(Path(found.paths[row]) for row in extracted.rows)
    clusters = merged.clusters if merged is not None else [rows for batch in batches for rows in batch.clusters]
    if merged is not None:
        outliers = merged.outliers
    else:
        outliers = np.sort(np.concatenate([batch.outliers for batch in batches])) if batches else np.empty(0, np.int32)
    return Clustering(
        root=Path(found.root),
        images=images,
        clusters=tuple(tuple(images[row] for row in rows) for rows in clusters),
        outliers=tuple(images[row] for row in outliers),
        unreadable=tuple(sorted((*found.unreadable, *extracted.unreadable), key=lambda each: each.path)),
        skipped=found.skipped,
        pairs=_all_pairs(batches, merged),
        settings=settings,
        batches=batches,
        merged=merged,
        decoded=extracted.decoded,
    )


def _all_pairs(batches: tuple[flow.Batch, ...], merged: flow.Merged | None) -> Pairs:
    """The pairs of all batches and of the representatives; one that occurs in both is listed once."""
    parts = [(batch.rows, batch.pairs) for batch in batches]
    if merged is not None:
        parts.append((merged.representatives, merged.pairs))
    lists = [
        (rows[pairs.i], rows[pairs.j], pairs.similarity, pairs.complete) for rows, pairs in parts if pairs is not None
    ]
    if not lists:
        return no_pairs()
    i, j = np.concatenate([part[0] for part in lists]), np.concatenate([part[1] for part in lists])
    similarity = np.concatenate([part[2] for part in lists])
    order = np.lexsort((j, i))
    i, j, similarity = i[order], j[order], similarity[order]
    new = np.r_[True, (i[1:] != i[:-1]) | (j[1:] != j[:-1])] if len(i) else np.empty(0, bool)
    return Pairs(i[new], j[new], similarity[new], all(part[3] for part in lists))
