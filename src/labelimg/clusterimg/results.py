"""What a clustering is: frozen values that the functions return and the tables are written from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from labelimg.clusterimg.arrangement import OUTLIERS_NAME
from labelimg.clusterimg.flow import Batch, Merged, Rows
from labelimg.clusterimg.pairs import Pairs, no_pairs
from labelimg.clusterimg.tried import Tried
from labelimg.images import Unreadable

REPRESENTATIVES = "representatives"  # beside "batch_0" and so on, where something is told of each


@dataclass(frozen=True)
class Settings:
    """What decides the result: the options of a run, with every default filled in.

    method: one of the five, or "deep". parameters: the method's own, all of them. threshold: None where nothing is held
    against one, and before it is found. threshold_reason: why it is that, in words, where it was found and not given.
    batch_size: the most images of a batch, None for all in one.
    """

    folders: tuple[str, ...]
    method: str
    parameters: Mapping[str, object]
    threshold: float | None
    batch_size: int | None = None
    rescue: bool = True
    merge: bool = True
    transfer: str = "copy"
    keep_batches: bool = False
    recursive: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    threshold_reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    def as_dict(self) -> dict[str, object]:
        """The settings as JSON can hold them."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"parameters": dict(self.parameters)}


@dataclass(frozen=True, eq=False)
class Clustering:
    """Which images belong together.

    images: all that could be read, in name order; rows elsewhere count along it. clusters: the largest first, each in
    name order. outliers: images with no similar one. skipped: files that are no images. pairs: the similar pairs of
    all batches and of the representatives, as rows of images, sorted. batches, merged: how it came about; merged is
    None when the batches were left as they are, and clusters are then those of all batches, batch by batch.
    written: where each image was put, if it was. seconds: by stage. kept: of what an interrupted run had kept, how much
    was gone on with, in words. earlier: an earlier call had finished it, and this one had nothing to do.
    """

    root: Path
    images: tuple[Path, ...]
    clusters: tuple[tuple[Path, ...], ...]
    outliers: tuple[Path, ...]
    unreadable: tuple[Unreadable, ...]
    skipped: int
    pairs: Pairs
    settings: Settings
    batches: tuple[Batch, ...]
    merged: Merged | None
    out: Path | None = None
    written: Mapping[Path, Path] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    decoded: int = 0
    kept: str = ""
    earlier: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "written", MappingProxyType(dict(self.written)))
        object.__setattr__(self, "seconds", MappingProxyType(dict(self.seconds)))

    @property
    def tried(self) -> tuple[tuple[str, tuple[Tried, ...]], ...]:
        """The clusterings that were tried: of each batch, "batch_0" and so on, and of the representatives."""
        parts = [(f"batch_{number}", batch.tried) for number, batch in enumerate(self.batches)]
        if self.merged is not None:
            parts.append((REPRESENTATIVES, self.merged.tried))
        return tuple((name, tried) for name, tried in parts if tried)

    @cached_property
    def names(self) -> list[str]:
        """The images relative to the root, as the tables name them."""
        inside = os.path.join(self.root, "")  # mostly in front of all; `relpath` takes twenty times as long
        return [
            text[len(inside) :] if text.startswith(inside) and ".." not in text else os.path.relpath(text, self.root)
            for text in map(str, self.images)
        ]

    @property
    def clustered(self) -> int:
        """How many images are in a cluster."""
        return sum(map(len, self.clusters))

    @property
    def count(self) -> int:
        """How many images there are, those that could not be read included."""
        readable = {str(path) for path in self.images}  # one that could be read may still not have been transferred
        return len(readable) + sum(each.path not in readable for each in self.unreadable)

    def folders(self) -> list[tuple[str, Rows]]:
        """The folder of each final cluster and of the outliers, with the rows in it."""
        if self.merged is not None:
            return merged_folders(self.merged)
        return self.batch_folders()

    def batch_folders(self) -> list[tuple[str, Rows]]:
        """The folder of each batch's clusters and outliers, with the rows in it."""
        return [
            folder
            for number, batch in enumerate(self.batches)
            for folder in _named(f"batch_{number}/", batch.clusters, batch.outliers)
        ]


def merged_folders(merged: Merged) -> list[tuple[str, Rows]]:
    """The folder of each merged cluster and of the outliers, with the rows in it."""
    return _named("results/", merged.clusters, merged.outliers)


def _named(prefix: str, clusters: tuple[Rows, ...], outliers: Rows) -> list[tuple[str, Rows]]:
    return [(f"{prefix}cluster_{k}", rows) for k, rows in enumerate(clusters)] + [(f"{prefix}outliers", outliers)]


def clustering_of(
    *,
    root: Path,
    images: tuple[Path, ...],
    unreadable: tuple[Unreadable, ...],
    skipped: int,
    settings: Settings,
    batches: tuple[Batch, ...],
    merged: Merged | None,
    decoded: int = 0,
) -> Clustering:
    """The clustering that batches, merged or not, make of the images."""
    clusters = merged.clusters if merged is not None else [rows for batch in batches for rows in batch.clusters]
    if merged is not None:
        outliers = merged.outliers
    else:
        outliers = np.sort(np.concatenate([batch.outliers for batch in batches])) if batches else np.empty(0, np.int32)
    return Clustering(
        root=root,
        images=images,
        clusters=tuple(tuple(images[row] for row in rows) for rows in clusters),
        outliers=tuple(images[row] for row in outliers),
        unreadable=unreadable,
        skipped=skipped,
        pairs=_all_pairs(batches, merged),
        settings=settings,
        batches=batches,
        merged=merged,
        decoded=decoded,
    )


def regrouped(result: Clustering, table: Iterable[tuple[str, str]]) -> Clustering:
    """The result with the clusters of a table of (image's name, cluster), as a review leaves them."""
    images, grouped = dict(zip(result.names, result.images, strict=True)), dict[str, list[Path]]()
    for name, cluster in table:
        if name in images:
            grouped.setdefault(cluster, []).append(images[name])
    outliers = sorted(grouped.pop(OUTLIERS_NAME, []))
    clusters = sorted((tuple(sorted(each)) for each in grouped.values()), key=lambda each: (-len(each), each))
    return replace(result, clusters=tuple(clusters), outliers=tuple(outliers))


def _all_pairs(batches: tuple[Batch, ...], merged: Merged | None) -> Pairs:
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
