"""The images of the page as the script reads them: the first part in the page, the others in files beside it.

A page from the disk may not fetch, but it may load scripts. So each part is one: a call with the images in it.
"""

from __future__ import annotations

import json
import math
import os
import re
from binascii import b2a_base64
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from labelimg import files
from labelimg.clusterimg.report.layout import PART, Layout
from labelimg.clusterimg.report.reading import Result
from labelimg.clusterimg.tables import REPORT_PARTS
from labelimg.clusterimg.thumbnails import Thumbnails
from labelimg.errors import printable

_CLUSTERS_IN_PAGE = 500
_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*").fullmatch  # what a URL has as it is


class Images:
    """Makes of slots what the script knows of their images."""

    def __init__(self, result: Result, layout: Layout, thumbnails: Thumbnails) -> None:
        self._result = result
        self._layout = layout
        self._thumbnails = thumbnails
        self._same = thumbnails.are_of(result.names)  # mostly: then none has to be looked for
        self._root = relative_url(os.path.relpath(result.root, result.out.absolute())) + "/"

    def of(self, slots: Sequence[int]) -> bytes:
        """What the script knows of the images of these slots, in JSON: lists as long as `slots`.

        Names; URLs; thumbnails as base64; similarities; greatest similarities, and to whom. In place of the URLs may be
        what names begin with as URLs, and null in place of a list that would say nothing.
        """
        layout, rows = self._layout, self._layout.rows[np.asarray(slots, np.int64)]
        names = [self._result.names[row] for row in rows.tolist()]
        jpegs = self._thumbnails.get_many(rows) if self._same else map(self._thumbnails.get, names)
        pictures = b'","'.join([b2a_base64(jpeg or b"", newline=False) for jpeg in jpegs])
        columns = [
            printable_list(names),
            self._urls(rows.tolist(), names),
            b'["%b"]' % pictures if names else b"[]",
            _numbers(layout.direct[rows]),
            _numbers(layout.best[rows]),
            self._whom(layout.other[rows].tolist()),
        ]
        return b"[" + b",\n".join(columns) + b"]"

    def _urls(self, rows: list[int], names: list[str]) -> bytes:
        written = [self._result.written[row] for row in rows]
        if not any(written) and _PLAIN("".join(names)):
            return quoted(self._root).encode()
        told = (
            relative_url(there) if there else self._root + relative_url(name)
            for there, name in zip(written, names, strict=True)
        )
        return _json(list(told))

    def _whom(self, others: list[int]) -> bytes:
        if max(others, default=-1) < 0:
            return b"null"
        return _json([None if other < 0 else printable(self._result.names[other]) for other in others])


def printable_list(names: list[str]) -> bytes:
    """Names in JSON, as they are shown."""
    return _json(names if "".join(names).isprintable() else [printable(name) for name in names])


def _numbers(values: NDArray[np.float64]) -> bytes:
    known = ~np.isnan(values)
    if not known.any():
        return b"null"
    rounded = np.round(values, 4).tolist()
    return _json([value if there else None for value, there in zip(rounded, known.tolist(), strict=True)])


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def relative_url(path: str) -> str:
    """A path as a URL that leads from the page to it, whatever bytes it is made of."""
    return path if _PLAIN(path) else quote(os.fsencode(path), safe="/")


def begins_part(start: bytes) -> bool:
    """Whether a file that begins like this is a part of a page."""
    return start.startswith(b'labelimg("')


def digest(result: Result, layout: Layout) -> str:
    """What tells the parts of one report from those of another."""
    told = blake2b(digest_size=8)
    for names in (result.names, result.written):
        told.update("\0".join([*names, ""]).encode(errors="surrogateescape"))
    for array in (layout.rows, result.cluster, result.pairs.similarity, layout.misses.i, layout.misses.j):
        told.update(np.ascontiguousarray(array).tobytes())
    return told.hexdigest()


def page_data(result: Result, layout: Layout, images: Images, texts: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """What the script in the page is given, and in JSON the images of its first part."""
    n = len(result.names)
    clusters = list(_clusters(result, layout))
    in_page = clusters if n <= PART else clusters[:_CLUSTERS_IN_PAGE]
    data = {
        "run": digest(result, layout),
        "folder": REPORT_PARTS,
        "heads": texts.pop("heads"),
        "part": PART,
        "parts": n > PART,
        "images": n,
        "outliers": int(np.count_nonzero(result.cluster < 0)),
        "clusterCount": len(clusters),
        "clusters": in_page,
        "pairs": {
            "links": _pairs(result, layout, "links"),
            "misses": _pairs(result, layout, "misses"),
        },
        "map": _map(result, layout) if n <= PART else None,
        **texts,
    }
    return data, images.of(range(min(n, PART)))


def write_parts(result: Result, layout: Layout, images: Images, run: str) -> Iterator[str]:
    """Write the files beside the page of more than PART images; yields their names, relative to the output folder."""
    n = len(result.names)
    if n <= PART:
        return
    files.make_folder(result.out / REPORT_PARTS)

    def write(name: str, content: bytes) -> str:
        path = Path(REPORT_PARTS, f"{name}.js")
        script = b"".join([b"labelimg(", quoted(run).encode(), b",", content, b");\n"])
        files.write_atomic(result.out / path, script, binary=True, durable=False)
        return path.as_posix()

    for part in range(1, -(-n // PART)):
        yield write(f"part_{part}", images.of(range(part * PART, min(n, (part + 1) * PART))))
    yield write("names", printable_list([result.names[row] for row in layout.rows.tolist()]))
    clusters = list(_clusters(result, layout))
    if len(clusters) > _CLUSTERS_IN_PAGE:
        yield write("clusters", _json(clusters))
    rows = {row for pairs in (layout.links, layout.misses) for row in (*pairs.i.tolist(), *pairs.j.tolist())}
    slots = sorted(int(layout.slots[row]) for row in rows)
    yield write("pairs", b"[%b,\n%b]" % (_json(slots), images.of(slots)))
    if result.places is not None:
        yield write("map", _json(_map(result, layout)))


def _clusters(result: Result, layout: Layout) -> Iterator[list[Any]]:
    """[folder, images, tightness, URL of the folder] of each."""
    firsts: dict[int, int] = {}
    stands = np.flatnonzero((result.cluster >= 0) & (result.representative == np.arange(len(result.names))))
    firsts.update(zip(result.cluster[stands].tolist(), stands.tolist(), strict=True))
    sizes = result.sizes.tolist()
    for number, (folder, tight) in enumerate(zip(result.folders, layout.tightness.tolist(), strict=True)):
        row = firsts.get(number, -1)
        url = relative_url(os.path.dirname(result.written[row])) if row >= 0 and result.written[row] else ""
        yield [
            printable(folder),
            sizes[number],
            None if math.isnan(tight) else round(tight, 4),
            f"{url}/" if url else "",
        ]


def _pairs(result: Result, layout: Layout, kind: str) -> list[list[Any]]:
    """[slot, slot, similarity, where they are] of each pair."""
    pairs = layout.links if kind == "links" else layout.misses
    listed = []
    for i, j, similarity in zip(pairs.i.tolist(), pairs.j.tolist(), pairs.similarity.tolist(), strict=True):
        one, two = (_where(result, row) for row in (i, j))
        text = f"in {one}" if kind == "links" else "both outliers" if one == two else f"{one} and {two}"
        listed.append([int(layout.slots[i]), int(layout.slots[j]), round(similarity, 4), text])
    return listed


def _where(result: Result, row: int) -> str:
    number = int(result.cluster[row])
    return "an outlier" if number < 0 else printable(result.folders[number])


def _map(result: Result, layout: Layout) -> dict[str, list[int]] | None:
    """Places of the slots, each from 0 to 4095, -1 where an image has none."""
    if result.places is None:
        return None
    places = result.places[layout.rows]
    known = ~np.isnan(places).any(axis=1)
    low, high = (bound(places[known], axis=0) if known.any() else np.zeros(2) for bound in (np.min, np.max))
    wide = float(max((high - low).max(), 1e-12))
    middle = (low + high) / 2
    whole = np.full(places.shape, -1, np.int64)
    whole[known] = np.rint(((places[known] - middle) / wide + 0.5) * 4095)
    return {"x": whole[:, 0].tolist(), "y": whole[:, 1].tolist()}
