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
from labelimg.clusterimg.continuing import (
    check_not_undone,
    finished_before,
    keep,
    kept_result,
    remove_leftovers_of_tables,
    settings_of,
)
from labelimg.clusterimg.engine import engine_of
from labelimg.clusterimg.extraction import extract
from labelimg.clusterimg.folders import end_renames, plan_transfers, rebase, record_tables
from labelimg.clusterimg.kept import Kept
from labelimg.clusterimg.output import finish_with_page
from labelimg.clusterimg.pairs import Pairs
from labelimg.clusterimg.pipeline import check_settings, thread_count
from labelimg.clusterimg.places import Item, placed_items
from labelimg.clusterimg.record import read_pending
from labelimg.clusterimg.results import Clustering, Settings, clustering_of, merged_folders
from labelimg.clusterimg.tables import REPORT, merge_tables, read_run, read_unreadable
from labelimg.errors import LabelimgError, OutputError, UsageError
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
    within `result`; what is no image stays where it is. The result's `batches` are empty. A merge that was interrupted
    goes on when it is called again; one that was finished has nothing to do then.

    Raises OutputError if there is nothing to merge, UsageError for an argument that cannot be.
    """
    out = Path(result).absolute()
    clock = Clock(progress)
    read_run(out)
    with Lock(out):
        check_not_undone(out)
        kept = Kept(out, "merge")
        run = read_run(out)
        finished = _finished(out, kept, threshold, rescue)
        if finished is not None:
            return finished
        ended = _ended(out, kept, threshold, rescue, clock)
        if ended is not None:
            return ended
        settings = _settings(run, threshold, rescue)
        check_settings(settings)
        if Kept(out, "cluster").going is not None:
            raise OutputError(
                f"the run in {files.printable(out)} was interrupted: start labelimg cluster or labelimg deep again as "
                "it was, and it goes on; then merge"
            )
        kept.begin(_asked(settings), images=0, digest="", overwrite=False)
        try:
            clustering, moved = _merged(out, run, settings, thread_count(threads), cache, clock)
            keep(kept, replace(clustering, seconds=clock.seconds), run=run)
            with clock.stage("moving"):
                rebase(out, moved, folders=[folder for folder, _ in clustering.folders()])
        except LabelimgError:
            if read_pending(out) is None:
                kept.discard_going()
            raise
        return _tables(out, kept, clustering, run, clock)


def end_merge(out: Path, kept: Kept, clock: Clock) -> Clustering:
    """Do what a merge that was cut off left to do; raises OutputError if it had not begun to rename files."""
    ended = _ended(out, kept, None, None, clock)
    if ended is None:
        text = "was interrupted before its first file: start labelimg merge again"
        raise OutputError(f"merging in {files.printable(out)} {text}")
    return ended


def _merged(
    out: Path, run: dict[str, Any], settings: Settings, threads: int, cache: FeatureCache | None, clock: Clock
) -> tuple[Clustering, list[tuple[str, str]]]:
    """The merged clustering, and which file is to be renamed to what."""
    engine = engine_of(settings, out)
    root = Path(run["root"])
    with clock.stage("finding images"):
        items, unreadable = placed_items(out, root)
    batches = _batches(items)
    if len(batches) == 0:
        raise OutputError(f"{files.printable(out)} has no images in batch folders to merge")
    memory = available_memory() // 2
    wanted = _representatives(batches, rescue=settings.rescue)
    looked_at = list(range(len(items))) if engine.needs_all and wanted else wanted
    paths = [items[row].readable_path() for row in looked_at]
    source = engine.prepare(paths, threads=threads)
    with clock.stage("decoding") as told:
        extracted = extract(paths, source, threads=threads, memory=memory, cache=cache, progress=told)
    whole = engine.grouper(extracted.features, threads=threads, memory=memory, clock=clock)
    with clock.stage("merging") as told:
        where = dict(zip(paths, looked_at, strict=True))
        lost = {where[each.path]: each.reason for each in extracted.unreadable}
        grouper = _SomeReadable(whole, np.asarray(looked_at, np.int32)[extracted.rows])
        merged = flow.merge_batches(grouper, batches, rescue=settings.rescue, progress=told)
    unreadable += _listed(items, lost)
    staying = {row for row in lost if items[row].entry is None}
    merged, items, moved = _rearranged(merged, items, staying, out)
    places = dict(moved)
    images = tuple(Path(item.entry.source) if item.entry else out / places[item.place] for item in items)
    clustering = clustering_of(
        root=root,
        images=images,
        unreadable=_each_once([*read_unreadable(out, root), *unreadable]),
        skipped=0,
        settings=settings,
        batches=(),
        merged=merged,
        decoded=extracted.decoded,
    )
    written = {image: out / places[item.place] for image, item in zip(images, items, strict=True)}
    return replace(clustering, out=out, written=written), moved


def _tables(out: Path, kept: Kept, clustering: Clustering, run: dict[str, Any], clock: Clock) -> Clustering:
    """Write what merging changes of the tables; the merge is then finished. The page follows where there is one."""
    record_tables(out, merge_tables(replace(clustering, seconds=clock.seconds), out, run))
    if files.is_there(out / REPORT):
        finish_with_page(out, kept, clock=clock)
    else:
        kept.finish()
    return replace(clustering, seconds=clock.seconds)


def _asked(settings: Settings) -> dict[str, Any]:
    return {"threshold": settings.threshold, "rescue": settings.rescue}


def _differs(kept: dict[str, Any] | Any, threshold: float | None, rescue: bool | None) -> bool:
    return (threshold is not None and kept.get("threshold") != threshold) or (
        rescue is not None and kept.get("rescue") != rescue
    )


def _finished(out: Path, kept: Kept, threshold: float | None, rescue: bool | None) -> Clustering | None:
    """What an earlier merge came to; None if there was none, or none that was asked for so."""
    done = kept.done
    if done is None or kept.going is not None or _differs(done.asked, threshold, rescue):
        return None
    earlier = kept_result(kept, None)
    return None if earlier is None else replace(finished_before(out, earlier[0]), settings=earlier[0].settings)


def _ended(out: Path, kept: Kept, threshold: float | None, rescue: bool | None, clock: Clock) -> Clustering | None:
    """What a merge that was cut off comes to, once its files are renamed; None if it had not begun to."""
    going = kept.going
    renaming = read_pending(out) is not None
    if going is None:
        end_renames(out)
        return None
    if renaming and _differs(going.asked, threshold, rescue):
        text = f"threshold {going.asked.get('threshold')}, rescue {going.asked.get('rescue')}"
        raise OutputError(
            f"merging in {files.printable(out)} with {text} was interrupted: start labelimg merge without these "
            "options, and it goes on, or take all back with labelimg undo"
        )
    with clock.stage("moving"):
        end_renames(out)
    earlier = kept_result(kept, None)
    if earlier is None or earlier[1] is None or not all(map(files.is_there, earlier[0].written.values())):
        return None
    clock.add(earlier[0].seconds)
    remove_leftovers_of_tables(out)
    return _tables(out, kept, replace(earlier[0], kept="the whole result"), earlier[1], clock)


def _each_once(unreadable: Sequence[Unreadable]) -> tuple[Unreadable, ...]:
    return tuple(sorted({each.path: each for each in unreadable}.values(), key=lambda each: each.path))


def _listed(items: Sequence[Item], lost: dict[int, str]) -> list[Unreadable]:
    """Unreadable images by the name of their original, where they have one."""
    named = ((items[row], reason) for row, reason in lost.items())
    return [
        Unreadable(str(item.out / item.place) if item.entry is None else item.entry.source, reason)
        for item, reason in named
    ]


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
        changes |= {"threshold": threshold, "threshold_reason": ""}
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
    """A grouper of representatives: its own rows are of features, readable[k] is the item that feature k is of.

    A representative that could not be read is of no group.
    """

    grouper: flow.Grouper
    readable: flow.Rows

    def group(self, rows: flow.Rows, progress: Any = None) -> flow.Groups:
        """Batches are not grouped again."""
        raise NotImplementedError

    def match(self, rows: flow.Rows, progress: Any = None) -> flow.Groups:
        """The groups of those that could be read."""
        known = np.flatnonzero(np.isin(rows, self.readable)).astype(np.int32)
        groups = self.grouper.match(np.searchsorted(self.readable, rows[known]).astype(np.int32), progress)
        labels = np.full(len(rows), -1, np.int32)
        labels[known] = groups.labels
        pairs = groups.pairs
        if pairs is not None:
            pairs = Pairs(known[pairs.i], known[pairs.j], pairs.similarity, pairs.complete)
        return replace(groups, labels=labels, pairs=pairs)


def _rearranged(
    merged: flow.Merged, items: Sequence[Item], staying: set[int], out: Path
) -> tuple[flow.Merged, list[Item], list[tuple[str, str]]]:
    """The merged clusters of the items that are images of it, these items, and where each is to go.

    The rows that stay, which somebody added and nobody can read, are no images of it.
    """
    kept = [row for row in range(len(items)) if row not in staying]
    number = {row: k for k, row in enumerate(kept)}

    def left(rows: flow.Rows) -> flow.Rows:
        return np.asarray([number[row] for row in rows.tolist() if row in number], np.int32)

    merged = replace(
        merged,
        clusters=tuple(rows for rows in map(left, merged.clusters) if len(rows)),
        outliers=left(merged.outliers),
    )
    merged = _of_kept(merged, number)
    items = [items[row] for row in kept]
    folders = merged_folders(merged)
    layout = [(str(out / items[row].place), folder) for folder, rows in folders for row in rows.tolist()]
    plan = plan_transfers(out, "copy", layout, folders=[folder for folder, _ in folders])
    moved = [(Path(each.source).relative_to(out).as_posix(), each.target) for each in plan.transfers]
    return merged, items, moved


def _of_kept(merged: flow.Merged, number: dict[int, int]) -> flow.Merged:
    """The representatives and their pairs as rows of the images that are left: one that stays was in no pair."""
    places = np.cumsum([row in number for row in merged.representatives.tolist()]).astype(np.int32) - 1
    representatives = np.asarray([number[row] for row in merged.representatives.tolist() if row in number], np.int32)
    pairs = merged.pairs
    if pairs is not None:
        pairs = replace(pairs, i=places[pairs.i], j=places[pairs.j])
    return replace(merged, representatives=representatives, pairs=pairs)
