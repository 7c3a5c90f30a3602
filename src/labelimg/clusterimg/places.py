"""Which images lie in the folders of a result now, and which files they came from, also after changes by hand."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labelimg import files
from labelimg.clusterimg.extraction import stamp
from labelimg.clusterimg.record import Entry, read_record, relocate
from labelimg.clusterimg.tables import SIMILARITIES
from labelimg.images import Unreadable, find_images

RESULTS = "results"
OUTLIERS = "outliers"
_OUR_FOLDERS = (RESULTS, SIMILARITIES, files.STATE_FOLDER)


@dataclass(frozen=True)
class Item:
    """An image in a result: its place relative to the output folder, and the file it came from, if known."""

    out: Path
    place: str
    entry: Entry | None
    key: str  # what name order goes by
    ours: bool = True  # whether the record is ours, which says where the original is

    @property
    def batch(self) -> str:
        """The folder below the output folder."""
        return self.place.split("/")[0]

    @property
    def folder(self) -> str:
        """The cluster's folder; "outliers" also for an image that lies beside the folders."""
        parts = self.place.split("/")
        return parts[1] if len(parts) > 2 else OUTLIERS

    def readable_path(self) -> str:
        """The original while it and its copy are what they were, for the cache knows it; else the copy."""
        place = self.out / self.place
        if self.entry is not None and self.ours:
            written = (self.entry.size, self.entry.mtime_ns)
            if stamp(self.entry.source) == written == stamp(place):
                return self.entry.source
        return str(place)


def placed_items(out: Path, root: Path, *, merged: bool = False) -> tuple[list[Item], list[Unreadable]]:
    """The images in the batch folders, or the merged ones, by the names of their originals.

    A batch folder may have been renamed: it is known by what is in it. What is in the way of an image is listed.
    """
    if merged:
        folders = [out / RESULTS]
    else:
        folders = [path for path in out.iterdir() if path.is_dir() and path.name not in _OUR_FOLDERS]
    if not folders:
        return [], []
    found = find_images(folders)
    real = out.resolve()  # a way to the folder through a link is not the way that files are found by
    places = [Path(path).relative_to(real).as_posix() for path in found.paths]
    record = read_record(out)
    known = _matched(out, places, record.entries if record is not None else ())
    relocate(out, {entry.target: place for place, entry in known.items() if entry.target != place})
    batches = {place.split("/")[0] for place, entry in known.items() if entry.source}
    items = []
    for place in places:
        if not merged and place.split("/")[0] not in batches and not place.startswith("batch_"):
            continue  # a folder of somebody's own
        entry = known.get(place)
        if entry is None or not entry.source:  # somebody added it: by its own name it stands among the others
            items.append(Item(out, place, None, place.split("/", 2)[-1]))
        else:
            key = Path(os.path.relpath(entry.source, root)).as_posix()
            items.append(Item(out, place, entry, key, record is not None and record.ours))
    return sorted(items, key=lambda item: (item.key, item.place)), list(found.unreadable)


def _matched(out: Path, places: Sequence[str], entries: Sequence[Entry]) -> dict[str, Entry]:
    """Which recorded file each place holds: by place, else by name, size and time, else by size and time alone."""
    at = {entry.target: entry for entry in entries}
    matched = {place: at[place] for place in places if place in at}
    gone = [entry for entry in entries if entry.target not in matched and not os.path.lexists(out / entry.target)]
    for with_name in (True, False):
        waiting: dict[tuple[str, int, int], list[Entry]] = defaultdict(list)
        for entry in gone:
            waiting[_looks(entry.target, (entry.size, entry.mtime_ns), with_name)].append(entry)
        for place in places:
            if place not in matched:
                candidates = waiting.get(_looks(place, stamp(out / place), with_name))
                if candidates:
                    matched[place] = candidates.pop(0)
        taken = {entry.target for entry in matched.values()}
        gone = [entry for entry in gone if entry.target not in taken]
    return matched


def _looks(place: str, stamp: tuple[int, int], with_name: bool) -> tuple[str, int, int]:
    return (place.rpartition("/")[2] if with_name else "", *stamp)
