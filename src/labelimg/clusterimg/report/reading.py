"""What a run left in its output folder, read from the disk as arrays for the page."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg import kernels
from labelimg.clusterimg.pairs import Pairs, no_pairs
from labelimg.clusterimg.record import is_inside
from labelimg.clusterimg.tables import (
    CLUSTERS,
    FOUND,
    MAP,
    MODELS,
    NEAR_MISSES,
    SIMILARITIES,
    read_run,
    read_unreadable,
)
from labelimg.errors import OutputError, printable
from labelimg.images import Unreadable

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Result:
    """A result as it is on the disk. Rows count the images in the order of clusters.csv.

    names: relative to `root`. written: relative to `out`, empty where an image was not transferred. cluster: (n,) which
    cluster a row is in, by the largest first, -1 for an outlier. folders: of each cluster, as clusters.csv has it.
    representative: (n,) the row of a cluster's representative, -1 for an outlier. pairs: the similar pairs that are
    listed, of rows, no pair twice. places: (n, 2) float32 of the map, or none; cosine: (n,) of an embedding with that
    of the representative, or none. found: what report.json says. models: the
    rows of models.csv by column.
    """

    out: Path
    root: Path
    run: dict[str, Any]
    names: list[str]
    written: list[str]
    cluster: Ints
    folders: list[str]
    representative: Ints
    pairs: Pairs
    misses: Pairs
    places: NDArray[np.float32] | None
    cosine: NDArray[np.float32] | None
    found: dict[str, Any]
    models: list[dict[str, str]]
    unreadable: list[Unreadable]

    @property
    def sizes(self) -> Ints:
        """Images of each cluster."""
        return np.bincount(self.cluster[self.cluster >= 0], minlength=len(self.folders))


def read_result(out: Path) -> Result:
    """The result in `out`; raises OutputError where there is none or its tables are not what a run wrote."""
    run = read_run(out)
    root = Path(run["root"])
    names, where, firsts, written = _clusters(out, root)
    rows = {name: row for row, name in enumerate(names)}
    cluster, folders, representative = _groups(where, firsts, rows)
    pairs = _pairs(_tables(out), rows)
    own = cluster[pairs.i] == cluster[pairs.j]
    own &= cluster[pairs.i] >= 0
    pairs = Pairs(pairs.i[own], pairs.j[own], pairs.similarity[own], not run.get("spanning_forests"))
    misses = _pairs([out / NEAR_MISSES], rows)
    apart = (cluster[misses.i] != cluster[misses.j]) | (cluster[misses.i] < 0)
    misses = Pairs(misses.i[apart], misses.j[apart], misses.similarity[apart])
    places, cosine = _map(out, rows)
    return Result(
        out,
        root,
        run,
        names,
        written,
        cluster,
        folders,
        representative,
        pairs,
        misses,
        places,
        cosine,
        _found(out),
        list(_lines(out / MODELS)),
        read_unreadable(out, root),
    )


def tree(result: Result) -> Pairs:
    """Of the listed pairs the strongest that hold each cluster together: without one of them its cluster falls apart.

    A maximum spanning forest; of equally similar pairs the first count. Sorted by rising similarity.
    """
    pairs = result.pairs
    order = np.lexsort((pairs.j, pairs.i, -pairs.similarity))
    i, j = pairs.i[order].astype(np.int32), pairs.j[order].astype(np.int32)
    keep = np.empty(len(i), np.bool_)
    if len(i):
        kernels.join(np.arange(len(result.names), dtype=np.int32), i, j, keep)
    i, j, similarity = i[keep], j[keep], pairs.similarity[order][keep]
    return Pairs(i[::-1], j[::-1], similarity[::-1])


def to_representative(result: Result) -> tuple[NDArray[np.float64], NDArray[np.float64], Ints]:
    """Of each row: the similarity to its representative, else the greatest to another of its cluster, and to which.

    (n,), nan where it is not listed; (n,), nan where none is; (n,), -1 where none is.
    """
    n, pairs = len(result.names), result.pairs
    direct, best, other = np.full(n, np.nan), np.full(n, np.nan), np.full(n, -1, np.int64)
    if result.cosine is not None:
        return result.cosine.astype(np.float64), best, other
    order = np.lexsort((-pairs.j, -pairs.i, pairs.similarity))  # of several values the last stays
    i, j, similarity = pairs.i[order], pairs.j[order], pairs.similarity[order]
    for one, two in ((i, j), (j, i)):
        stands = result.representative[one] == two
        direct[one[stands]] = similarity[stands]
        better = ~(best[one] >= similarity)
        best[one[better]], other[one[better]] = similarity[better], two[better]
    return direct, best, other


def _clusters(out: Path, root: Path) -> tuple[list[str], list[str], list[str], list[str]]:
    path = out / CLUSTERS
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            reader = csv.reader(lines)
            if next(reader, None) != ["image", "cluster", "representative", "written"]:
                raise OutputError(f"{printable(path)} is not as labelimg writes it")
            rows = [row for row in reader if len(row) == 4]
    except (OSError, ValueError, csv.Error) as error:
        raise OutputError(f"{printable(path)} cannot be read: {error}") from error
    names, where, firsts, written = ([row[k] for row in rows] for k in range(4))
    within = (os.path.join(root, ""), os.path.join(os.path.abspath(out), ""))
    odd = (name for name in names if name.startswith("/") or ".." in name)  # of images added by hand they lead to `out`
    if not all(not place or is_inside(place) for place in written) or not all(
        os.path.normpath(os.path.join(root, name)).startswith(within) for name in odd
    ):
        raise OutputError(f"{printable(path)} names images that lie elsewhere")
    return names, where, firsts, written


def _groups(where: list[str], firsts: list[str], rows: dict[str, int]) -> tuple[Ints, list[str], Ints]:
    members: dict[str, list[int]] = {}
    for row, (folder, first) in enumerate(zip(where, firsts, strict=True)):
        if folder and first:
            members.setdefault(folder, []).append(row)
    folders = sorted(members, key=lambda folder: (-len(members[folder]), members[folder][0]))
    cluster, representative = np.full(len(where), -1, np.int64), np.full(len(where), -1, np.int64)
    for number, folder in enumerate(folders):
        cluster[members[folder]] = number
        representative[members[folder]] = rows.get(firsts[members[folder][0]], members[folder][0])
    return cluster, folders, representative


def _tables(out: Path) -> list[Path]:
    folder = out / SIMILARITIES
    return sorted(folder.glob("*.csv"), key=lambda path: (len(path.name), path.name)) if folder.is_dir() else []


def _pairs(tables: list[Path], rows: dict[str, int]) -> Pairs:
    """The pairs of the tables, i < j, sorted, each once."""
    one: list[int] = []
    two: list[int] = []
    values: list[float] = []
    for path in tables:
        try:
            with path.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
                reader = csv.reader(lines)
                next(reader, None)
                for a, b, value in reader:
                    i, j = rows.get(a), rows.get(b)
                    if i is not None and j is not None and i != j:
                        one.append(i)
                        two.append(j)
                        values.append(float(value))
        except (OSError, ValueError, csv.Error):
            continue
    if not one:
        return no_pairs()
    a_, b_ = np.asarray(one, np.int32), np.asarray(two, np.int32)
    i_, j_, similarity = np.minimum(a_, b_), np.maximum(a_, b_), np.asarray(values)
    order = np.lexsort((-similarity, j_, i_))
    i_, j_, similarity = i_[order], j_[order], similarity[order]
    new = np.r_[True, (i_[1:] != i_[:-1]) | (j_[1:] != j_[:-1])]
    return Pairs(i_[new], j_[new], similarity[new])


def _found(out: Path) -> dict[str, Any]:
    try:
        found = json.loads((out / FOUND).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _map(out: Path, rows: dict[str, int]) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    places, cosine = np.full((len(rows), 2), np.nan, np.float32), np.full(len(rows), np.nan, np.float32)
    seen = False
    for line in _lines(out / MAP):
        row = rows.get(line.get("image", ""))
        try:
            if row is not None:
                places[row] = float(line["x"]), float(line["y"])
                cosine[row] = float(line["cosine"]) if line["cosine"] else np.nan
                seen = True
        except (KeyError, ValueError):
            continue
    return (places, cosine) if seen else (None, None)


def _lines(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a table by column; none where there is none or it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            yield from (row for row in csv.DictReader(lines) if None not in row)
    except (OSError, ValueError, csv.Error):
        return


def original(result: Result, row: int) -> str:
    """The file of an image: where the run put it, else where it was."""
    if result.written[row]:
        return os.path.join(result.out, result.written[row])
    return os.path.normpath(os.path.join(result.root, result.names[row]))
