"""Begin a run in an output folder, go on with one that was interrupted, or find that it is finished."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from labelimg import files
from labelimg.clusterimg.earlier import check_out, tables_in
from labelimg.clusterimg.extraction import stamp
from labelimg.clusterimg.flow import Batch, Merged
from labelimg.clusterimg.kept import WORTH_KEEPING_S, Begun, Kept, as_json
from labelimg.clusterimg.record import Record, is_being_undone, is_plain, lstat, read_record, record_tables
from labelimg.clusterimg.results import Clustering, Settings, clustering_of, regrouped
from labelimg.clusterimg.standing import read_clusters
from labelimg.clusterimg.tables import REPORT_PARTS, RUN, SIMILARITIES, read_run
from labelimg.errors import LabelimgError, OutputError, printable
from labelimg.images import Found, Unreadable

TAKE_IT_BACK = "take the run back with labelimg undo"

_NEITHER = "add --overwrite to replace it or choose another folder"


@dataclass(frozen=True)
class Images:
    """The images that a run is of: how many, and a digest of their paths, sizes and times."""

    count: int
    digest: str


def images_of(found: Found, record: Record | None, *, moving: bool) -> Images:
    """The images that were found; those that the recorded run moves count as where and what they were.

    moving: whether the run is one that moves; links then count as what they are themselves.
    """
    stamps = {path: _lstamp(path) if moving else stamp(path) for path in found.paths}
    if moving and record is not None and record.mode == "move":
        for entry in record.entries:
            if entry.source and entry.source not in stamps:  # moved, or a link to what was moved
                there = files.is_there(entry.source)
                stamps[entry.source] = _lstamp(entry.source) if there else (entry.size, entry.mtime_ns)
    digest = blake2b(digest_size=16)
    for path in sorted(stamps):
        digest.update(f"{path}\0{stamps[path]}\n".encode("utf-8", "surrogateescape"))
    return Images(len(stamps), digest.hexdigest())


def _lstamp(path: str) -> tuple[int, int]:
    found = lstat(Path(path))
    return (-1, -1) if found is None else (found.st_size, found.st_mtime_ns)


def begin(out: Path, settings: Settings, images: Images, *, overwrite: bool) -> tuple[Kept, Begun, bool]:
    """What a run with these settings keeps, which run it is, and whether it is finished already.

    A run that was interrupted is gone on with, also where `overwrite` is set; a finished one is done again then. Raises
    OutputError where `out` holds a run of other settings or images and `overwrite` is not set, and what `check_out`
    raises. Whoever calls holds the `Lock`.
    """
    kept = Kept(out, "cluster")
    begun, finished = standing_run(kept, settings, images, overwrite=overwrite)
    if begun is not None:
        return kept, begun, finished
    if kept.going is not None:
        adopt_tables(out, kept.going)
    check_out(out, settings.folders, overwrite=overwrite)
    begun = kept.begin(as_json(settings.as_dict()), images=images.count, digest=images.digest, overwrite=overwrite)
    return kept, begun, False


def standing_run(kept: Kept, settings: Settings, images: Images, *, overwrite: bool) -> tuple[Begun | None, bool]:
    """The run of these settings that is kept, and whether it is finished; None where a new one would be begun.

    Changes nothing. Raises what `begin` raises, but not what `check_out` does.
    """
    out = kept.out
    check_not_undone(out)
    asked, going, done = as_json(settings.as_dict()), kept.going, kept.done
    if going is not None:
        difference = differs(going, asked, images)
        if not difference:
            return going, False
        if not overwrite:
            raise OutputError(f"{printable(out)} holds an interrupted run {difference}; {_NEITHER}")
    elif done is not None and not overwrite:
        if Kept(out, "merge").going is not None:
            text = "a labelimg merge of it was interrupted: start that again, or take all back with labelimg undo"
            raise OutputError(f"{printable(out)} holds an earlier run; {text}")
        difference = differs(done, asked, images)
        if difference:
            raise OutputError(f"{printable(out)} holds an earlier run {difference}; {_NEITHER}")
        if files.is_there(out / RUN):
            return done, True
    return None, False


def check_asked(out: Path, settings: Settings, *, overwrite: bool, but: Iterable[str] = ()) -> None:
    """Raise OutputError where `begin` would, as far as that is known without images and the settings named in `but`."""
    kept = Kept(out, "cluster")
    begun = kept.going or kept.done
    if begun is None or overwrite:
        check_out(out, settings.folders, overwrite=overwrite)
        return
    asked = as_json(settings.as_dict())
    told = {name: value for name, value in begun.asked.items() if name not in set(but)}
    difference = differs(replace(begun, asked=told), {name: asked[name] for name in told if name in asked}, None)
    if difference:
        raise OutputError(f"{printable(out)} holds an earlier run {difference}; {_NEITHER}")


def check_model(out: Path, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise OutputError where `out` holds a run whose model was trained as `was` says, for it needs that one."""
    kept = Kept(out, "cluster")
    if kept.going is None and kept.done is None:
        return
    for part in sorted(now):
        difference = _first_difference(was.get(part, {}), now[part])
        if difference:
            raise OutputError(f"{printable(out)} holds an earlier run with other settings ({difference}); {_NEITHER}")


def differs(begun: Begun, asked: Mapping[str, Any], images: Images | None) -> str:
    """In what a run that was begun is another than the one that is asked for, "" if it is the same."""
    for name in sorted(asked.keys() | begun.asked.keys()):
        was, now = begun.asked.get(name), asked.get(name)
        if was != now:
            if isinstance(was, dict) and isinstance(now, dict):
                difference = _first_difference(was, now)
            else:
                difference = _difference(name, was, now)
            if difference:
                return f"with other settings ({difference})"
    if images is None or (begun.images, begun.digest) == (images.count, images.digest):
        return ""
    if begun.images != images.count:
        return f"of other images ({begun.images:,} then, {images.count:,} now)"
    return "of images that have changed since"


def _first_difference(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first value that differs, "" where none does: what is not there is as good as None."""
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            return _difference(name, was.get(name), now.get(name))
    return ""


def _difference(name: str, was: Any, now: Any) -> str:
    unsaid = "auto" if name == "threshold" else "none"
    was, now = (unsaid if each is None else _shown(each) for each in (was, now))
    return f"{name.replace('_', ' ')} {was}, not {now}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(printable(str(each)) for each in value) or "none"
    if value is None:
        return "found by itself"
    return printable(str(value))


def adopt_tables(out: Path, begun: Begun | None) -> None:
    """Let the record know the tables of a run that did not come to its end: there were none when it began.

    begun: the run, or None where merging was cut off, which replaces tables.
    """
    record = read_record(out)
    if record is not None and (begun is None or record.run == begun.id):
        record_tables(out, tables_in(out))


def remove_leftovers_of_tables(out: Path) -> None:
    """Remove what was left by whoever was killed while it wrote tables; the caller holds the lock."""
    for folder in (out, out / SIMILARITIES, out / REPORT_PARTS, out / files.STATE_FOLDER):
        files.remove_leftovers(folder)


def has_plan(out: Path, begun: Begun) -> bool:
    """Whether the run came so far that its plan is on the disk, so that files may have moved."""
    record = read_record(out)
    return record is not None and record.run == begun.id


def check_not_undone(out: Path) -> None:
    """Raise OutputError if a run in `out` was being taken back when that was cut off."""
    if is_being_undone(out):
        name = printable(out)
        raise OutputError(f"a run in {name} was being taken back: end that first, with labelimg undo {name}")


def keep(kept: Kept, result: Clustering, *, run: Mapping[str, Any] | None = None) -> None:
    """Keep the whole result of the run that is going on, before its first file moves; run: what run.json said."""
    merged = result.merged
    batches = list(result.batches)
    if merged is not None:
        batches.append(Batch(merged.representatives, merged.clusters, merged.outliers, merged.pairs, merged.tried))
    told = {
        "root": str(result.root),
        "images": [str(path) for path in result.images],
        "written": [_relative(result.written.get(path), kept.out) for path in result.images] if result.written else [],
        "unreadable": [[each.path, each.reason] for each in result.unreadable],
        "skipped": result.skipped,
        "decoded": result.decoded,
        "merged": merged is not None,
        "settings": result.settings.as_dict(),
        "seconds": dict(result.seconds),
        "run": run,
    }
    kept.keep_result(batches, told)


def kept_result(kept: Kept, folders: Iterable[str] | None) -> tuple[Clustering, dict[str, Any] | None] | None:
    """What `keep` kept, with what run.json said; None if that is missing, damaged, or of images outside the folders."""
    read = kept.result()
    if read is None:
        return None
    batches, told = read
    try:
        merged = None
        if told["merged"]:
            last = batches.pop()
            merged = Merged(last.clusters, last.outliers, last.rows, last.pairs, last.tried)
        within = ("/",) if folders is None else tuple(os.path.realpath(folder).rstrip("/") + "/" for folder in folders)
        images = tuple(told["images"])
        if not all(path.startswith(within) and is_plain(path) for path in images):
            return None
        result = clustering_of(
            root=Path(told["root"]),
            images=tuple(map(Path, images)),
            unreadable=tuple(Unreadable(str(path), str(reason)) for path, reason in told["unreadable"]),
            skipped=int(told["skipped"]),
            settings=settings_from(told["settings"]),
            batches=tuple(batches),
            merged=merged,
            decoded=int(told["decoded"]),
        )
        written = {path: kept.out / place for path, place in zip(result.images, told["written"], strict=False) if place}
        seconds = {str(stage): float(value) for stage, value in told["seconds"].items()}
        return replace(result, written=written, out=kept.out, seconds=seconds), told["run"]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, LabelimgError):
        return None


def _relative(place: Path | None, out: Path) -> str:
    return "" if place is None else place.relative_to(out).as_posix()


def settings_from(told: Mapping[str, Any]) -> Settings:
    """Settings as JSON holds them; raises KeyError, TypeError, ValueError or AttributeError for others."""
    known = {field.name: told[field.name] for field in fields(Settings) if field.name in told}
    parameters = {
        name: tuple(value) if isinstance(value, list) else value for name, value in known["parameters"].items()
    }
    sequences = {name: tuple(known[name]) for name in ("folders", "include", "exclude")}
    settings = Settings(**{**known, **sequences, "parameters": parameters})
    for name, hint in get_type_hints(Settings).items():
        if not _fits(getattr(settings, name), hint):
            raise TypeError(f"{name} cannot be {getattr(settings, name)!r}")
    return settings


def _fits(value: object, hint: Any) -> bool:
    """Whether a value is of the type, one of those that settings have."""
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(isinstance(each, str) and "\0" not in each for each in value)
    if get_origin(hint) is UnionType:
        return any(_fits(value, each) for each in get_args(hint))
    if hint is float:
        return type(value) in (int, float)
    return isinstance(value, Mapping) if get_origin(hint) is Mapping else type(value) is hint


def settings_of(run: Mapping[str, Any]) -> Settings:
    """The settings of the run that run.json describes; raises OutputError where it does not say how it was made."""
    try:
        return settings_from(run["settings"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutputError(f"run.json does not say how the run was made: {error}") from error


def finished_before(out: Path, result: Clustering) -> Clustering:
    """The result of a finished run, with where its images are by now, and in which clusters."""
    record = read_record(out)
    places = (
        {} if record is None else {entry.source: entry.target for entry in reversed(record.entries) if entry.source}
    )
    written = {path: out / places[str(path)] for path in result.images if str(path) in places}
    result = replace(result, written=written, out=out, earlier=True)
    return regrouped(result, read_clusters(out)) if read_run(out).get("reviewed") is True else result


def forget_if_cheap(out: Path, kept: Kept, seconds: float) -> None:
    """After an error: forget what was kept unless files were moved already, or it took long to compute."""
    going = kept.going
    if going is None or has_plan(out, going):
        return
    if seconds < WORTH_KEEPING_S:
        kept.discard_going()
    else:
        kept.flush()
