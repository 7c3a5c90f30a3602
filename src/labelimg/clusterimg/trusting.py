"""Which folders a result's own files may lead to: what this user's record says, else what the command line names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from labelimg.clusterimg.record import Entry, Record, read_record
from labelimg.errors import OutputError
from labelimg.files import StrPath, printable


def check_named(out: StrPath, record: Record, folders: Sequence[StrPath]) -> None:
    """Raise OutputError unless the record is ours or all its images come from below the folders that were named."""
    if record.ours:
        return
    named = tuple(os.path.join(os.path.realpath(folder), "") for folder in folders)
    for folder in {os.path.dirname(entry.source) for entry in record.entries if entry.source}:
        if not os.path.join(os.path.realpath(folder), "").startswith(named):
            raise OutputError(_not_ours(out, record))


def with_places_below(out: StrPath, record: Record, folder: StrPath | None) -> Record:
    """The record with its images' places below a folder that was named, where they had been below its own.

    None: the record itself if it is ours, or moved nothing. Raises OutputError otherwise, and where a place below the
    folder would be reached through a link that leads out of it.
    """
    if folder is None:
        if record.mode == "move" and not record.ours and any(entry.source for entry in record.entries):
            raise OutputError(_not_ours(out, record))
        return record
    if not Path(folder).is_dir():
        raise OutputError(f"no such folder: {printable(folder)}; check the spelling")
    named, was = os.path.realpath(folder), root_of(record)

    def placed(entry: Entry) -> Entry:
        return replace(entry, source=os.path.join(named, os.path.relpath(entry.source, was))) if entry.source else entry

    moved = replace(record, entries=tuple(map(placed, record.entries)), roots=(named,))
    for place in {os.path.dirname(entry.source) for entry in moved.entries if entry.source}:
        if not os.path.join(os.path.realpath(place), "").startswith(os.path.join(named, "")):
            raise OutputError(f"{printable(place)} leads out of {printable(folder)}; remove that link")
    return moved


def root_of(record: Record) -> str:
    """The folder that all images of the record come from below."""
    return os.path.commonpath(record.roots) if record.roots else "/"


def may_read(out: StrPath, root: StrPath) -> bool:
    """Whether the originals below `root`, which a table of the result names, may be read: our record says so."""
    record = read_record(out)
    if record is None or not record.ours or not record.roots:
        return False
    return os.path.join(os.path.normpath(root), "").startswith(os.path.join(root_of(record), ""))


def is_recorded_by_us(out: StrPath) -> bool:
    """Whether the record in `out` is ours."""
    record = read_record(out)
    return record is not None and record.ours


def _not_ours(out: StrPath, record: Record) -> str:
    where = printable(root_of(record))
    return (
        f"the record in {printable(out)} was not written by you on this machine, and says that its images come from "
        f"{where}: if that is right, add --images {where}"
    )
