"""`merge`: make one of the batch folders that a run without merging left, also of ones that were changed by hand."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelimg import files
from labelimg.cache import FeatureCache
from labelimg.clusterimg import flow
from labelimg.clusterimg.batches import available_memory
from labelimg.clusterimg.clock import Clock, Stage
from labelimg.clusterimg.engine import engine_of
from labelimg.clusterimg.extraction import extract
from labelimg.clusterimg.folders import end_renames, plan_transfers, rebase, record_tables
from labelimg.clusterimg.pairs import Pairs, no_pairs
from labelimg.clusterimg.pipeline import check_settings, thread_count
from labelimg.clusterimg.places import Item, placed_items
from labelimg.clusterimg.results import Clustering, Settings
from labelimg.clusterimg.tables import merge_tables, read_run, read_unreadable, settings_of
from labelimg.errors import OutputError, UsageError
from labelimg.images import Unreadable
from labelimg.lock import Lock


def merge(
    result: str | os.PathLike[str],
    *,
    threshold: float | None = None,
    rescue: bool | None = None,
    threads: int | None = None,
    cache: FeatureCache | None = None,
    progress: Stage | None = None,
) -> Clustering:
    """Merge the batch folders in `result`, the output folder of a run with `merge=False`, into one.

    The folders count as they are now: images may have been put elsewhere, renamed, added or deleted, and clusters
    renamed, made or emptied by hand. The first image of each cluster, in the order of the original names, is its
    representative. `threshold` and `rescue` are those of the run unless given. An image or folder is only renamed
    within `result`; what is no image stays where it is. The result's `batches` are empty.

    Raises OutputError if there is nothing to merge, UsageError for an argument that cannot be.
    """
    out = Path(result).absolute()
    run = read_run(out)
    settings = _settings(run, threshold, rescue)
    check_settings(settings)
    engine = engine_of(settings)
    clock = Clock(progress)
    with Lock(out):
        root = Path(run["root"])
        end_renames(out)
        with clock.stage("finding images"):
            items, unreadable = placed_items(out, root)
            if not items and (out / "results").is_dir():  # all renamed, then cut off
                return _ended(out, root, run, settings)
        batches = _batches(items)
        if len(batches) == 0:
            raise OutputError(f"{files.printable(out)} has no images in batch folders to merge")
        memory = available_memory() // 2
        wanted = _representatives(batches, rescue=settings.rescue)
        paths = [items[row].readable_path() for row in wanted]
        count = thread_count(threads)
        source = engine.prepare(paths, threads=count)
        with clock.stage("decoding") as told:
            extracted = extract(paths, source, threads=count, memory=memory, cache=cache, progress=told)
        whole = engine.grouper(extracted.features, threads=count, memory=memory, clock=clock)
        with clock.stage("merging") as told:
            where = dict(zip(paths, wanted, strict=True))
            lost = {where[each.path]: each.reason for each in extracted.unreadable}
            grouper = _SomeReadable(whole, np.asarray(wanted, np.int32), extracted.rows.astype(np.int32))
            merged = flow.merge_batches(grouper, batches, rescue=settings.rescue, progress=told)
        clustering = Clustering(
            root=root,
            images=(),
            clusters=(),
            outliers=(),
            unreadable=_each_once([*read_unreadable(out, root), *unreadable, *_listed(items, lost)]),
            skipped=0,
            pairs=merged.pairs or no_pairs(),
            settings=settings,
            batches=(),
            merged=merged,
            out=out,
            decoded=extracted.decoded,
        )
        with clock.stage("moving"):
            clustering = _rearranged(clustering, items, {row for row in lost if items[row].entry is None}, out)
        record_tables(out, merge_tables(replace(clustering, seconds=clock.seconds), out, run))
    return replace(clustering, seconds=clock.seconds)


def _each_once(unreadable: Sequence[Unreadable]) -> tuple[Unreadable, ...]:
    return tuple(sorted({each.path: each for each in unreadable}.values(), key=lambda each: each.path))


def _listed(items: Sequence[Item], lost: dict[int, str]) -> list[Unreadable]:
    """Unreadable images by the name of their original, where they have one."""
    named = ((items[row], reason) for row, reason in lost.items())
    return [
        Unreadable(str(item.out / item.place) if item.entry is None else item.entry.source, reason)
        for item, reason in named
    ]


def _ended(out: Path, root: Path, run: dict[str, Any], settings: Settings) -> Clustering:
    """Write the tables of a merge whose files were renamed before it was cut off; its pairs are not known."""
    items, unreadable = placed_items(out, root, merged=True)
    ((clusters, outliers),) = _batches(items)
    images = tuple(Path(item.entry.source) if item.entry else out / item.place for item in items)
    clustering = Clustering(
        root=root,
        images=images,
        clusters=tuple(tuple(images[row] for row in rows) for rows in clusters),
        outliers=tuple(images[row] for row in outliers),
        unreadable=_each_once([*read_unreadable(out, root), *unreadable]),
        skipped=0,
        pairs=no_pairs(),
        settings=settings,
        batches=(),
        merged=flow.Merged(tuple(clusters), outliers, np.empty(0, np.int32), None),
        out=out,
        written={image: out / item.place for image, item in zip(images, items, strict=True)},
    )
    record_tables(out, merge_tables(clustering, out, run))
    return clustering


def _settings(run: dict[str, Any], threshold: float | None, rescue: bool | None) -> Settings:
    settings = settings_of(run)
    if settings.transfer == "none":
        raise OutputError(
            "there is nothing to merge: the run was made with --transfer none, so it has no batch folders"
        )
    if run.get("merged"):
        raise OutputError("there is nothing to merge: the run's batches are merged already")
    changes: dict[str, Any] = {"merge": True}
    if threshold is not None and settings.threshold is None:
        raise UsageError("threshold is nothing that a run of labelimg deep knows; leave --threshold out")
    if threshold is not None:
        changes["threshold"] = threshold
    if rescue is not None:
        changes["rescue"] = rescue
    return replace(settings, **changes)


def _batches(items: Sequence[Item]) -> list[tuple[list[flow.Rows], flow.Rows]]:
    folders: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, item in enumerate(items):
        folders[item.batch][item.folder].append(row)
    batches = []
    for _, inside in sorted(folders.items(), key=_by_length):
        outliers = np.asarray(inside.pop("outliers", []), np.int32)
        batches.append(([np.asarray(rows, np.int32) for _, rows in sorted(inside.items(), key=_by_length)], outliers))
    return batches


def _by_length(pair: tuple[str, Any]) -> tuple[int, str]:
    """Puts cluster_10 after cluster_9."""
    return len(pair[0]), pair[0]


def _representatives(batches: Sequence[tuple[Sequence[flow.Rows], flow.Rows]], *, rescue: bool) -> list[int]:
    rows = [int(cluster[0]) for clusters, _ in batches for cluster in clusters]
    if rescue:
        rows += [row for _, outliers in batches for row in outliers.tolist()]
    return sorted(rows) if len(batches) > 1 else []


@dataclass(frozen=True, eq=False)
class _SomeReadable:
    """A grouper of representatives of which `readable[k]` counts the rows[...] that features were obtained for.

    One that could not be read is of no group.
    """

    grouper: flow.Grouper
    rows: flow.Rows
    readable: flow.Rows

    def group(self, rows: flow.Rows, progress: Any = None) -> flow.Groups:
        """Batches are not grouped again."""
        raise NotImplementedError

    def match(self, rows: flow.Rows, progress: Any = None) -> flow.Groups:
        """The groups of those that could be read."""
        assert np.array_equal(rows, self.rows)
        groups = self.grouper.match(np.arange(len(self.readable), dtype=np.int32), progress)
        labels = np.full(len(rows), -1, np.int32)
        labels[self.readable] = groups.labels
        pairs = groups.pairs
        if pairs is not None:
            pairs = Pairs(self.readable[pairs.i], self.readable[pairs.j], pairs.similarity, pairs.complete)
        return replace(groups, labels=labels, pairs=pairs)


def _rearranged(clustering: Clustering, items: Sequence[Item], staying: set[int], out: Path) -> Clustering:
    """Rename the files to where the merged clusters have them; the clustering with its images filled in.

    The rows that stay, which somebody added and nobody can read, are no images of it.
    """
    assert clustering.merged is not None
    kept = [row for row in range(len(items)) if row not in staying]
    number = {row: k for k, row in enumerate(kept)}

    def left(rows: flow.Rows) -> flow.Rows:
        return np.asarray([number[row] for row in rows.tolist() if row in number], np.int32)

    merged = replace(
        clustering.merged,
        clusters=tuple(rows for rows in map(left, clustering.merged.clusters) if len(rows)),
        outliers=left(clustering.merged.outliers),
    )
    merged = _of_kept(merged, number)
    clustering, items = replace(clustering, merged=merged), [items[row] for row in kept]
    folders = clustering.folders()
    layout = [(str(out / items[row].place), folder) for folder, rows in folders for row in rows.tolist()]
    plan = plan_transfers(out, "copy", layout, folders=[folder for folder, _ in folders])
    moved = [(Path(each.source).relative_to(out).as_posix(), each.target) for each in plan.transfers]
    rebase(out, moved, folders=[folder for folder, _ in folders])
    places = dict(moved)
    images = tuple(Path(item.entry.source) if item.entry else out / places[item.place] for item in items)
    return replace(
        clustering,
        images=images,
        clusters=tuple(tuple(images[row] for row in rows) for rows in merged.clusters),
        outliers=tuple(images[row] for row in merged.outliers),
        written={image: out / places[item.place] for image, item in zip(images, items, strict=True)},
    )


def _of_kept(merged: flow.Merged, number: dict[int, int]) -> flow.Merged:
    """The representatives and their pairs as rows of the images that are left: one that stays was in no pair."""
    places = np.cumsum([row in number for row in merged.representatives.tolist()]).astype(np.int32) - 1
    representatives = np.asarray([number[row] for row in merged.representatives.tolist() if row in number], np.int32)
    pairs = merged.pairs
    if pairs is not None:
        pairs = replace(pairs, i=places[pairs.i], j=places[pairs.j])
    return replace(merged, representatives=representatives, pairs=pairs)
