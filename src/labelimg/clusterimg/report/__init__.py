"""report.html: the page that a run leaves, made from what is on the disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from labelimg import files
from labelimg.clusterimg.curve_drawing import curve_svg
from labelimg.clusterimg.earlier import check_own
from labelimg.clusterimg.record import record_tables
from labelimg.clusterimg.report.gathering import curve_from
from labelimg.clusterimg.report.layout import layout_of
from labelimg.clusterimg.report.page import is_as_signed, page, signed
from labelimg.clusterimg.report.parts import Images, begins_part, write_parts
from labelimg.clusterimg.report.reading import Result, original, read_result
from labelimg.clusterimg.tables import REPORT, REPORT_PARTS
from labelimg.clusterimg.thumbnails import THUMBNAILS, Thumbnails, is_thumbnails
from labelimg.clusterimg.trusting import may_read
from labelimg.errors import UsageError
from labelimg.images import Unreadable

_RECORDED_AT_ONCE = 100  # parts; the record is written anew each time
_MOST_LOOKED_AT = 64_000_000  # bytes of a page, to tell whether it is ours; other files tell it at once


def write_report(
    result_folder: str | os.PathLike[str],
    *,
    make_thumbnails: bool = True,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write report.html, and its parts beside it, from what is in the output folder; gives its path.

    With `make_thumbnails` images that have none are decoded for it, as they are on the disk now; `progress` is told of
    that. The same folder gives the same bytes. Takes no lock: whoever calls holds it. Raises OutputError if the folder
    holds no result, if the page cannot be written, or if what is there under its name was written by somebody else.
    """
    if threads < 1:
        raise UsageError(f"threads must be at least 1, got {threads}")
    out = Path(result_folder)
    result = read_result(out)
    earlier = _own_names(out)
    for folder in (out, out / REPORT_PARTS):
        files.remove_leftovers(folder)
    with Thumbnails.open(out) as thumbnails:
        if make_thumbnails:
            thumbnails = _completed(result, thumbnails, threads, progress)
        layout = layout_of(result)
        images = Images(result, layout, thumbnails)
        html, run = page(result, layout, images, curve=_curve(result))
        names: list[str] = []
        for name in write_parts(result, layout, images, run):
            names.append(name)
            if len(names) % _RECORDED_AT_ONCE == 0:
                record_tables(out, names[-_RECORDED_AT_ONCE:])
        # Until here an older page is there, which tells its own parts from these.
        files.write_atomic(out / REPORT, signed(html), binary=True, durable=False)
        thumbnails.close()
    for name in earlier - set(names):
        files.remove_file(out / name)
    if not names:
        files.remove_empty_folders([out / REPORT_PARTS])
    record_tables(out, [*names, THUMBNAILS, REPORT])
    return out / REPORT


def _own_names(out: Path) -> set[str]:
    """The parts of an earlier page in `out`; raises OutputError if somebody else wrote or changed what is there.

    What is not as the record says, but is what we write, is of a writing that was cut off before it was recorded.
    """
    folder = out / REPORT_PARTS
    parts = {f"{REPORT_PARTS}/{path.name}" for path in folder.glob("*.js")} if folder.is_dir() else set()
    looks: dict[str, Callable[[bytes], bool]] = {REPORT: is_as_signed, THUMBNAILS: is_thumbnails}
    check_own(out, [name for name in (*looks, *sorted(parts)) if not _holds(out / name, looks.get(name, begins_part))])
    return parts


def _holds(path: Path, looks: Callable[[bytes], bool]) -> bool:
    try:
        with path.open("rb") as file:
            return looks(file.read(_MOST_LOOKED_AT if looks is is_as_signed else 100))
    except OSError:
        return False


def _curve(result: Result) -> str:
    curve = curve_from(result.found.get("curve"))
    threshold = result.run["settings"].get("threshold")
    if curve is None or curve.sample < 2 or not isinstance(threshold, float | int):
        return ""
    return curve_svg(curve, float(threshold), width=420, height=260)


def _completed(
    result: Result, thumbnails: Thumbnails, threads: int, progress: Callable[[int, int], None] | None
) -> Thumbnails:
    """The thumbnails with those that were missing; an image that cannot be read stays without."""
    from labelimg.decoding import Shrink
    from labelimg.images import read_many
    from labelimg.thumbnail import LONGEST

    outside = may_read(result.out, result.root)
    missing = sorted(
        (result.names[row], row) for row in thumbnails.missing(result.names) if outside or result.written[row]
    )
    if not missing:
        return thumbnails
    jpegs: dict[str, bytes] = {}
    paths = [original(result, row) for _, row in missing]

    def made() -> Iterator[tuple[str, bytes]]:
        shrink = Shrink(colour=True, longest=LONGEST)
        found = read_many(paths, shrink, lambda _: None, threads=threads, keep_thumbnail=jpegs.__setitem__)
        for k, unreadable in found:
            jpeg = b"" if isinstance(unreadable, Unreadable) else jpegs.pop(paths[k], b"")
            if progress is not None:
                progress(k + 1, len(paths))
            yield missing[k][0], jpeg

    return thumbnails.add(result.out, made())
