"""report.html: the page that a run leaves, made from what is on the disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from labelimg import files
from labelimg.clusterimg.earlier import check_own
from labelimg.clusterimg.record import read_tables, record_tables
from labelimg.clusterimg.report.layout import layout_of
from labelimg.clusterimg.report.page import page
from labelimg.clusterimg.report.parts import FOLDER, Images, write_parts
from labelimg.clusterimg.report.reading import Result, original, read_result
from labelimg.clusterimg.thumbnails import THUMBNAILS, Thumbnails
from labelimg.images import Unreadable, read_many

REPORT = "report.html"


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
    holds no result, if the page cannot be written, or if what is there under its name is not as it was written.
    """
    out = Path(result_folder)
    result = read_result(out)
    known = read_tables(out)
    check_own(out, (REPORT, THUMBNAILS, *(name for name in known if name.startswith(f"{FOLDER}/"))))
    with Thumbnails.open(out) as thumbnails:
        if make_thumbnails:
            thumbnails = _completed(result, thumbnails, threads, progress)
        layout = layout_of(result)
        images = Images(result, layout, thumbnails)
        html, run = page(result, layout, images, curve="", misses_from=None)
        # An older page that is cut off from its parts says so; its parts carry another name for the run.
        names = list(write_parts(result, layout, images, run))
        files.write_atomic(out / REPORT, html, durable=False)
        thumbnails.close()
    for name in known:
        if name.startswith(f"{FOLDER}/") and name not in set(names):
            files.remove_file(out / name)
    if not names:
        files.remove_empty_folders([out / FOLDER])
    record_tables(out, [*names, THUMBNAILS, REPORT])
    return out / REPORT


def _completed(
    result: Result, thumbnails: Thumbnails, threads: int, progress: Callable[[int, int], None] | None
) -> Thumbnails:
    """The thumbnails with those that were missing; an image that cannot be read stays without."""
    from labelimg.decoding import Shrink
    from labelimg.thumbnail import LONGEST

    missing = sorted((name, row) for row, name in enumerate(result.names) if not thumbnails.get(name))
    if not missing:
        return thumbnails
    jpegs: dict[str, bytes] = {}
    paths = [original(result, row) for _, row in missing]

    def made() -> Iterator[tuple[str, bytes]]:
        # At this size a JPEG is decoded as small as a thumbnail may be.
        found = read_many(
            paths,
            Shrink(colour=True, longest=LONGEST),
            lambda _: None,
            threads=threads,
            keep_thumbnail=jpegs.__setitem__,
        )
        for k, unreadable in found:
            jpeg = b"" if isinstance(unreadable, Unreadable) else jpegs.pop(paths[k], b"")
            if progress is not None:
                progress(k + 1, len(paths))
            yield missing[k][0], jpeg

    return thumbnails.add(result.out, made())
