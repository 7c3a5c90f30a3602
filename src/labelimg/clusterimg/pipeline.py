"""`cluster`: from folders of images to folders of clusters."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from labelimg.cache import FeatureCache
from labelimg.clusterimg import flow
from labelimg.clusterimg.batches import available_memory, split
from labelimg.clusterimg.clock import Clock, Stage
from labelimg.clusterimg.extraction import Extracted, extract
from labelimg.clusterimg.methods import DEFAULT, make_method
from labelimg.clusterimg.methods.base import Method
from labelimg.clusterimg.pairs import Pairs, no_pairs
from labelimg.clusterimg.pairwise import PairwiseGrouper
from labelimg.clusterimg.results import Clustering, Settings
from labelimg.clusterimg.tables import library_versions
from labelimg.errors import UsageError
from labelimg.files import printable
from labelimg.images import Found, find_images

Folder = str | os.PathLike[str]
_LOADING_S = 2.0  # kernels that take longer are not loaded but compiled

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
    settings = Settings(
        folders=tuple(os.path.abspath(folder) for folder in folders),
        method=method,
        parameters=asdict(made),
        threshold=made.default_threshold if threshold is None else float(threshold),
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
    clock = Clock(progress)
    with clock.stage("finding images"):
        found = find_images(folders, recursive=recursive, include=include, exclude=exclude)
        if not found.paths:
            raise UsageError(f"no images in {', '.join(printable(folder) for folder in folders)}{_why_none(found)}")
    if out is not None:
        from labelimg.clusterimg.output import check_output

        check_output(Path(out), settings, overwrite=overwrite)
    result = _grouped(found, made, settings, thread_count(threads), cache, clock)
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
    if not 0 <= settings.threshold <= 1:  # also refuses nan
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


def _why_none(found: Found) -> str:
    if found.skipped:
        return f": {found.skipped} files there are of other kinds"
    return ""


def _grouped(
    found: Found, method: Method, settings: Settings, threads: int, cache: FeatureCache | None, clock: Clock
) -> Clustering:
    memory = available_memory() // 2
    warming = _WarmUp(method, len(found.paths))
    with clock.stage("decoding") as told:
        extracted = extract(
            found.paths,
            method,
            threads=threads,
            memory=memory,
            with_signatures=_may_need_batches(len(found.paths), method, settings.batch_size, memory),
            cache=cache,
            progress=told,
        )
    warming.join(_LOADING_S)
    if warming.is_alive():
        with clock.stage("compiling kernels, once"):
            warming.join()
    warming.raise_error()
    grouper = PairwiseGrouper(method, extracted.features, settings.threshold, threads, memory)
    batches = []
    with clock.stage("comparing") as told:
        split_up = _batches(extracted, settings.batch_size or _batch_that_fits(extracted, memory))
        before, total = 0, sum(_pair_count(rows) for rows in split_up)
        for rows in split_up:
            counted = None if told is None else lambda done, _, told=told, before=before: told(before + done, total)
            batches.append(flow.group_batch(grouper, rows, counted))
            before += _pair_count(rows)
    merged = None
    if settings.merge:
        with clock.stage("merging") as told:
            parts = [(batch.clusters, batch.outliers) for batch in batches]
            merged = flow.merge_batches(grouper, parts, rescue=settings.rescue, progress=told)
    return _clustering(found, extracted, settings, tuple(batches), merged)


def _may_need_batches(count: int, method: Method, batch_size: int | None, memory: int) -> bool:
    if batch_size is not None:
        return count > batch_size
    return method.feature_bytes is None or count * method.feature_bytes > memory


def _batches(extracted: Extracted, size: int) -> list[flow.Rows]:
    if len(extracted.rows) > size:
        return split(extracted.signatures, size)
    return [np.arange(len(extracted.rows), dtype=np.int32)] if len(extracted.rows) else []


def _pair_count(rows: flow.Rows) -> int:
    return len(rows) * (len(rows) - 1) // 2


def _batch_that_fits(extracted: Extracted, memory: int) -> int:
    bytes_held = extracted.features.values.nbytes
    if bytes_held <= memory:
        return max(len(extracted.rows), 1)
    return max(2, int(len(extracted.rows) * (memory / bytes_held)))


class _WarmUp(threading.Thread):
    """Loads what comparing and writing need, or compiles it the first time, while images are decoded."""

    def __init__(self, method: Method, count: int) -> None:
        super().__init__(daemon=True)
        self._method = method
        self._count = count
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Compare a few small images, which no one looks at."""
        try:
            self._method.warm_up(self._count)
            library_versions()
        except BaseException as error:  # noqa: BLE001 (handed to the thread that waits)
            self._error = error

    def raise_error(self) -> None:
        """Raise in the calling thread what went wrong in this one."""
        self.join()
        if self._error is not None:
            raise self._error


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
