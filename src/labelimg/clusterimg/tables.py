"""What is written beside the folders: clusters.csv, similarities, models.csv, unreadable.csv, run.json."""

from __future__ import annotations

import csv
import functools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from labelimg import files
from labelimg.clusterimg.flow import Rows
from labelimg.clusterimg.pairs import Pairs
from labelimg.clusterimg.results import REPRESENTATIVES, Clustering
from labelimg.errors import OutputError
from labelimg.images import Unreadable

RUN = "run.json"
CLUSTERS = "clusters.csv"
UNREADABLE = "unreadable.csv"
SIMILARITIES = "similarities"
MODELS = "models.csv"
REPORT = "report.html"
REPORT_PARTS = "report_parts"
FOUND = "report.json"
NEAR_MISSES = "near_misses.csv"
MAP = "map.csv"
BEFORE_REVIEW = "clusters_before_review.csv"

_MODEL_COLUMNS = (
    *("batch", "algorithm", "parameters", "clusters", "noise", "silhouette", "calinski_harabasz", "davies_bouldin"),
    *("total", "seconds", "chosen", "note"),
)

_LIBRARIES = ("labelimg-suite", "numpy", "numba", "opencv-contrib-python-headless", "pillow", "simplejpeg")
_DEEP_LIBRARIES = ("torch", "scikit-learn")


def write_tables(result: Clustering, out: Path) -> Iterator[str]:
    """Write everything that describes the result into `out`; yields the name of each table once it is written.

    run.json comes last: where it is, the rest is complete.
    """
    names = result.names
    write_clusters(out / CLUSTERS, _cluster_rows(result, names, out))
    yield CLUSTERS
    unreadable = ((os.path.relpath(each.path, result.root), each.reason) for each in result.unreadable)
    _write_csv(out / UNREADABLE, ("image", "reason"), unreadable)
    yield UNREADABLE
    forests: list[str] = []
    if result.tried:
        _write_csv(out / MODELS, _MODEL_COLUMNS, _model_rows(result))
        yield MODELS
    else:
        files.make_folder(out / SIMILARITIES)
    yield from _write_pairs(result, out, names, forests)
    write_run(out, run_description(result, forests))
    yield RUN


def merge_tables(result: Clustering, out: Path, run: dict[str, Any]) -> list[str]:
    """Rewrite what merging changes, in a folder whose run.json says `run`; the names written, relative to it."""
    unreadable = ((os.path.relpath(each.path, result.root), each.reason) for each in result.unreadable)
    _write_csv(out / UNREADABLE, ("image", "reason"), unreadable)
    names = result.names
    write_clusters(out / CLUSTERS, _cluster_rows(result, names, out))
    forests = list(run.get("spanning_forests", []))
    written = [CLUSTERS, UNREADABLE, *_write_pairs(result, out, names, forests), RUN]
    if result.tried:
        _write_csv(out / MODELS, _MODEL_COLUMNS, [*_read_models(out), *_model_rows(result)])
        written.append(MODELS)
    now = run_description(result, forests)
    earlier, took = run.get("counts", {}), run.get("seconds", {})
    seconds = {stage: took.get(stage, 0) + value for stage, value in now["seconds"].items()}
    listed = earlier.get("similar_pairs_listed", 0) + now["counts"]["similar_pairs_listed"]
    known = {name: earlier[name] for name in ("batches", "skipped") if name in earlier}
    counts = {**now["counts"], **known, "similar_pairs_listed": listed}
    more = {"chosen": {**run.get("chosen", {}), **now["chosen"]}} if "chosen" in now else {}
    write_run(out, {**now, "counts": counts, "seconds": {**took, **seconds}, **more})
    return written


def write_clusters(path: Path, rows: Iterable[tuple[str, str, str, str]]) -> None:
    """Write a table of clusters: image, cluster, representative, written."""
    _write_csv(path, ("image", "cluster", "representative", "written"), rows)


def review_tables(out: Path, rows: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """Rewrite what a review changes, clusters.csv of these rows and the counts; the names written."""
    run = read_run(out)
    write_clusters(out / CLUSTERS, rows)
    outliers = sum(cluster == "outliers" for _, cluster, _, _ in rows)
    clusters = {cluster for _, cluster, _, _ in rows} - {"outliers"}
    readable = {name for name, _, _, _ in rows}
    root = Path(run["root"])
    unreadable = [os.path.relpath(each.path, root) for each in read_unreadable(out, root)]
    counts = {
        "images": len(rows) + sum(name not in readable for name in unreadable),
        "clusters": len(clusters),
        "clustered": len(rows) - outliers,
        "outliers": outliers,
    }
    write_run(out, {**run, "counts": {**run.get("counts", {}), **counts}, "reviewed": True})
    return [CLUSTERS, RUN]


def _write_pairs(result: Clustering, out: Path, names: list[str], forests: list[str]) -> Iterator[str]:
    for name, rows, pairs in _pair_tables(result):
        _write_csv(out / name, ("image_a", "image_b", "similarity"), _pair_rows(names, rows, pairs))
        if not pairs.complete:
            forests.append(name)
        yield name


def _cluster_rows(result: Clustering, names: list[str], out: Path) -> Iterable[tuple[str, str, str, str]]:
    where: list[tuple[str, str]] = [("", "")] * len(names)
    for folder, rows in result.folders():
        cluster = folder.removeprefix("results/")
        first = "" if folder.endswith("/outliers") else names[rows[0]]
        for row in rows.tolist():
            where[row] = cluster, first
    for path, name, (cluster, first) in zip(result.images, names, where, strict=True):
        written = result.written.get(path)
        yield name, cluster, first, "" if written is None else os.path.relpath(written, out)


def _pair_tables(result: Clustering) -> Iterable[tuple[str, Rows, Pairs]]:
    for number, batch in enumerate(result.batches):
        if batch.pairs is not None:
            yield f"{SIMILARITIES}/batch_{number}.csv", batch.rows, batch.pairs
    if result.merged is not None and result.merged.pairs is not None:
        yield f"{SIMILARITIES}/representatives.csv", result.merged.representatives, result.merged.pairs


def _pair_rows(names: list[str], rows: Rows, pairs: Pairs) -> Iterable[tuple[str, str, str]]:
    for i, j, similarity in zip(rows[pairs.i].tolist(), rows[pairs.j].tolist(), pairs.similarity.tolist(), strict=True):
        yield names[i], names[j], f"{similarity:.6f}"


def _model_rows(result: Clustering) -> Iterable[tuple[str, ...]]:
    for batch, tried in result.tried:
        for each in tried:
            values = ";".join(f"{name}={value:.6g}" for name, value in each.parameters.items())
            scores = (each.silhouette, each.calinski_harabasz, each.davies_bouldin, each.total)
            yield (
                *(batch, each.algorithm, values, str(each.clusters), str(each.noise)),
                *("" if score is None else f"{score:.6f}" for score in scores),
                *(f"{each.seconds:.3f}", "yes" if each.chosen else "", each.note),
            )


def _read_models(out: Path) -> list[tuple[str, ...]]:
    """The rows of models.csv as they are; none where there is none or it is not as it was written."""
    try:
        with (out / MODELS).open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            header, *rows = csv.reader(lines)
    except (OSError, ValueError, csv.Error):
        return []
    return [tuple(row) for row in rows if row[0] != REPRESENTATIVES] if tuple(header) == _MODEL_COLUMNS else []


def _chosen(result: Clustering) -> dict[str, Any]:
    """The candidate that won in each batch; null where none could, so that the batch is one cluster."""
    winners = {batch: next((each for each in tried if each.chosen), None) for batch, tried in result.tried}
    return {
        batch: None if won is None else {"algorithm": won.algorithm, **won.parameters, "clusters_found": won.clusters}
        for batch, won in winners.items()
    }


@functools.cache
def library_versions(*more: str) -> dict[str, str]:
    """The versions that a result may depend on; looking them up takes some time, so it may be done ahead."""
    from importlib.metadata import version

    return {name: version(name) for name in (*_LIBRARIES, *more)}


def run_description(result: Clustering, forests: list[str]) -> dict[str, Any]:
    """What run.json says: enough to know what was done and to do it again."""
    more = _DEEP_LIBRARIES if result.settings.method == "deep" else ()
    chosen = {"chosen": _chosen(result)} if result.tried else {}
    return {
        "settings": result.settings.as_dict(),
        "root": str(result.root),
        "versions": library_versions(*more),
        "counts": {
            "images": result.count,
            "batches": len(result.batches),
            "clusters": len(result.clusters),
            "clustered": result.clustered,
            "outliers": len(result.outliers),
            "unreadable": len(result.unreadable),
            "skipped": result.skipped,
            "similar_pairs_listed": sum(len(pairs) for _, _, pairs in _pair_tables(result)),
        },
        "merged": result.merged is not None,
        "spanning_forests": forests,
        **chosen,
        "seconds": {stage: round(value, 3) for stage, value in result.seconds.items()},
    }


def write_run(out: Path, description: dict[str, Any]) -> None:
    """Write run.json."""
    files.write_atomic(out / RUN, json.dumps(description, indent=2) + "\n")


def read_run(out: Path) -> dict[str, Any]:
    """What run.json in `out` says; raises OutputError where there is none or it is not ours."""
    path = out / RUN
    try:
        description = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise OutputError(f"{files.printable(out)} is no result of labelimg cluster: it has no {RUN}") from None
    except (OSError, ValueError) as error:
        raise OutputError(f"{files.printable(path)} cannot be read: {files.reason(error)}") from error
    if not (isinstance(description, dict) and _is_of_its_types(description)):
        raise OutputError(f"{files.printable(path)} is not a description of a run")
    return description


def _is_of_its_types(description: dict[str, Any]) -> bool:
    """Whether the parts of run.json that are used again are what they should be; some may be missing."""
    chosen, forests = description.get("chosen", {}), description.get("spanning_forests", [])
    numbers = [description.get(part, {}) for part in ("counts", "seconds")]
    root = description.get("root")
    return (
        all(isinstance(description.get(part, {}), dict) for part in ("settings", "versions"))
        and "settings" in description
        and isinstance(root, str)
        and "\0" not in root
        and isinstance(chosen, dict)
        and isinstance(forests, list)
        and all(isinstance(each, str) for each in forests)
        and all(isinstance(part, dict) and all(map(_is_number, part.values())) for part in numbers)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def read_unreadable(out: Path, root: Path) -> list[Unreadable]:
    """What unreadable.csv in `out` lists; nothing where there is none or it is not as it was written."""
    try:
        with (out / UNREADABLE).open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            rows = list(csv.DictReader(lines))
        return [Unreadable(os.path.normpath(root / row["image"]), row["reason"]) for row in rows]
    except (OSError, KeyError, TypeError, csv.Error):
        return []


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    files.write_atomic(path, text.getvalue())
