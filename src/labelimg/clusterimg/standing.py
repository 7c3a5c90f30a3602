"""What a result is made of now, as a review finds it: its images, and the folder that each is in."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from labelimg.clusterimg.arrangement import OUTLIERS, OUTLIERS_NAME, Arrangement
from labelimg.clusterimg.folders import plan_transfers
from labelimg.clusterimg.places import RESULTS, Item, placed_items
from labelimg.clusterimg.tables import CLUSTERS
from labelimg.clusterimg.trusting import may_read
from labelimg.errors import OutputError, printable

_NUMBERED_NAME = re.compile(r"(.*)__\d+", re.DOTALL)


@dataclass(frozen=True)
class Standing:
    """The images of a result in name order.

    names: as in clusters.csv. folders: of each the name of its cluster's folder, or "outliers". items: of each where
    it lies; None for a result of tables alone, whose images lie below `root`.
    """

    out: Path
    root: Path
    names: tuple[str, ...]
    folders: tuple[str, ...]
    items: tuple[Item, ...] | None

    @cached_property
    def digest(self) -> str:
        """Tells whether another is the same."""
        text = "".join(f"{name}\0{folder}\n" for name, folder in zip(self.names, self.folders, strict=True))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The row of each name."""
        return {name: row for row, name in enumerate(self.names)}

    def place(self, row: int) -> str:
        """Where the image's file lies, relative to the output folder; empty in a result of tables alone."""
        return "" if self.items is None else self.items[row].place

    def path(self, row: int) -> str:
        """A file to read the image from: in its cluster's folder, or the original."""
        return str(self.root / self.names[row]) if self.items is None else str(self.out / self.items[row].place)

    def feature_path(self, row: int) -> str:
        """The same, but the original where it is unchanged, which the feature cache knows."""
        return self.path(row) if self.items is None else self.items[row].readable_path()

    def arrangement(self, numbers: Mapping[str, int] | None = None) -> Arrangement:
        """The clusters; `numbers` of some folders are given, the others get the next, in the order of their names."""
        known = dict(numbers or {})
        following = max(known.values(), default=0) + 1
        for name in sorted(set(self.folders) - {OUTLIERS_NAME} - known.keys(), key=lambda name: (len(name), name)):
            known[name] = following
            following += 1
        of = {**known, OUTLIERS_NAME: OUTLIERS}
        clusters = np.fromiter((of[folder] for folder in self.folders), np.int32, len(self.folders))
        names = {number: name for name, number in known.items()}
        return Arrangement(clusters, names, self.reserved)

    @cached_property
    def reserved(self) -> frozenset[str]:
        """Names in the folder of the clusters that are no cluster's: somebody's own folders and files."""
        try:
            there = {path.name for path in (self.out / RESULTS).iterdir()} if self.items is not None else set()
        except OSError:
            there = set()
        return frozenset(there - set(self.folders) - {OUTLIERS_NAME})

    def renames(self, wanted: Mapping[int, str]) -> list[tuple[str, str]]:
        """The pairs (place, new place) that bring rows into the folders of these names; files keep their names.

        Where a name is taken, the file gets the first free number: `name__2.jpg`.
        """
        if self.items is None:
            return []
        layout = [(_own_name(self.items[row]), f"{RESULTS}/{folder}") for row, folder in wanted.items()]
        plan = plan_transfers(self.out, "copy", layout, folders=[folder for _, folder in layout])
        places = (self.items[row].place for row in wanted)
        return [(place, each.target) for place, each in zip(places, plan.transfers, strict=True)]

    def table(self) -> list[tuple[str, str, str, str]]:
        """The rows of clusters.csv."""
        first: dict[str, str] = {}
        for name, folder in zip(self.names, self.folders, strict=True):
            first.setdefault(folder, name)
        first[OUTLIERS_NAME] = ""
        return [
            (name, folder, first[folder], self.place(row))
            for row, (name, folder) in enumerate(zip(self.names, self.folders, strict=True))
        ]


def standing_of(out: Path, run: Mapping[str, Any]) -> Standing:
    """What the result in `out` is made of now; `run` is what its run.json says.

    Files that somebody moved within the result are found where they are, and the record follows, so the caller holds
    the lock. Raises OutputError if the result cannot be read.
    """
    root = Path(run["root"])
    if run["settings"].get("transfer") == "none":
        if not may_read(out, root):
            text = f"{printable(out)} was not made by you on this machine, and its images lie elsewhere"
            raise OutputError(f"{text}, in {printable(root)}: cluster them, and review that")
        table = sorted(read_clusters(out))
        return Standing(out, root, tuple(name for name, _ in table), tuple(folder for _, folder in table), None)
    items, _ = placed_items(out, root, merged=True)
    names = [os.path.relpath(item.entry.source if item.entry is not None else out / item.place, root) for item in items]
    return Standing(out, root, tuple(names), tuple(item.folder for item in items), tuple(items))


def read_plan(path: Path) -> list[tuple[str, str]]:
    """The pairs (image, cluster) of a table with these columns, as clusters.csv has them. Raises OutputError."""
    shown = printable(path)
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            head = lines.readline()
            lines.seek(0)
            delimiter = next((sign for sign in ";\t" if sign in head and "," not in head), ",")  # as spreadsheets write
            reader = csv.DictReader(lines, delimiter=delimiter)
            if not {"image", "cluster"} <= set(reader.fieldnames or ()):
                raise OutputError(f"{shown} has no columns image and cluster")
            rows = [(row["image"], row["cluster"]) for row in reader]
    except OSError as error:
        raise OutputError(f"cannot read {shown}: {error.strerror}") from error
    except csv.Error as error:
        raise OutputError(f"{shown} cannot be read: {error}") from error
    if not all(isinstance(text, str) and text for row in rows for text in row):
        raise OutputError(f"{shown} has lines without an image or a cluster")
    return rows


def read_clusters(out: Path) -> list[tuple[str, str]]:
    """The pairs (image, cluster) of clusters.csv. Raises OutputError, also where an image is listed twice."""
    rows = read_plan(out / CLUSTERS)
    if len({name for name, _ in rows}) < len(rows):
        raise OutputError(f"{printable(out / CLUSTERS)} lists an image twice")
    return rows


def _own_name(item: Item) -> str:
    """The name that a file should have: its original's, unless somebody gave it another."""
    name = PurePosixPath(item.place).name
    if item.entry is None:
        return name
    original = PurePosixPath(item.entry.source)
    found = _NUMBERED_NAME.fullmatch(PurePosixPath(name).stem)
    is_numbered = found is not None and (found[1], PurePosixPath(name).suffix) == (original.stem, original.suffix)
    return original.name if is_numbered else name


def folders_of(arrangement: Arrangement) -> Sequence[str]:
    """The name of the folder of each row."""
    numbers = np.unique(arrangement.clusters).tolist()
    names = {number: arrangement.name_of(number) for number in numbers}
    return [names[number] for number in arrangement.clusters.tolist()]
