"""What a run keeps in its output folder so that it can go on after an interruption, or know that it is finished.

In OUT/.labelimg there is one folder for each kind of run, `cluster.going` or `merge.going`, while it lasts:

- `begun.json`: what was asked for, and of which images.
- `batches_0.npz`, `batches_8.npz`, ...: the groups of finished batches from that number on.
- `result.npz`: the whole result. It is there before the first file moves.
- what was gathered for the report, until it goes beside the tables.

When all is written the folder is renamed to `cluster.done`. Arrays and JSON alone: nothing is run when it is read, and
what is damaged counts as missing.
"""

from __future__ import annotations

import json
import os
import time
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg import files
from labelimg.clusterimg.flow import Batch, Rows
from labelimg.clusterimg.pairs import Pairs
from labelimg.clusterimg.tables import FOUND, MAP, NEAR_MISSES
from labelimg.clusterimg.thumbnails import THUMBNAILS
from labelimg.clusterimg.tried import Tried
from labelimg.errors import OutputError
from labelimg.files import STATE_FOLDER, StrPath, printable

KINDS = ("cluster", "merge")
GATHERED = (THUMBNAILS, NEAR_MISSES, MAP, FOUND)
"""What a run gathers for its report, here until its tables are written."""

WORTH_KEEPING_S = 5.0  # what took less to compute is not kept after an error

_EVERY_S = 2.0  # batches that finish within so long are kept in one file
_BEGUN, _RESULT = "begun.json", "result.npz"
_FORMAT = 1
_save: Any = np.savez

_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, IndexError, MemoryError, OverflowError)
_DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, RecursionError)


@dataclass(frozen=True)
class Begun:
    """A run that was begun: `asked` is what was asked for, as JSON has it; images, digest: how many and which.

    overwrite: whether it may replace an earlier run.
    """

    id: str
    asked: Mapping[str, Any]
    images: int
    digest: str
    overwrite: bool


class Kept:
    """What a run of one kind keeps in `out`. Whoever changes it holds the `Lock`."""

    def __init__(self, out: StrPath, kind: str) -> None:
        self.out = Path(out)
        self.kind = kind
        self._going = self.out / STATE_FOLDER / f"{kind}.going"
        self._done = self.out / STATE_FOLDER / f"{kind}.done"
        self._batches: dict[int, tuple[str, Batch]] | None = None
        self._waiting: dict[int, tuple[str, Batch]] = {}
        self._written = time.monotonic()

    @property
    def folder(self) -> Path:
        """Where the run that is going on keeps what it does."""
        return self._going

    @property
    def going(self) -> Begun | None:
        """The run that is going on, or was interrupted; None if there is none."""
        return _begun(self._going)

    @property
    def done(self) -> Begun | None:
        """The run that is finished; None if there is none."""
        return _begun(self._done)

    def begin(self, asked: Mapping[str, Any], *, images: int, digest: str, overwrite: bool) -> Begun:
        """Note down a new run in place of one that was interrupted; raises OutputError."""
        self.discard_going()
        begun = Begun(os.urandom(8).hex(), as_json(asked), images, digest, overwrite)
        files.make_folder(self._going)
        files.write_atomic(self._going / _BEGUN, json.dumps({"format": _FORMAT, **asdict(begun)}) + "\n")
        return begun

    def batch(self, number: int, images: str) -> Batch | None:
        """The groups of a finished batch if they are kept; `images` is the `digest_of` its images."""
        if self._batches is None:
            self._batches = self._read_batches()
        found = self._batches.get(number)
        return found[1] if found is not None and found[0] == images else None

    def add(self, number: int, images: str, batch: Batch) -> None:
        """Keep the groups of a finished batch; on the disk some seconds later at most, or with `flush`."""
        self._waiting[number] = images, batch
        if time.monotonic() - self._written > _EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Write the groups that are not on the disk yet; raises OutputError."""
        if self._waiting:
            numbers = sorted(self._waiting)
            told = {"numbers": numbers, "images": [self._waiting[number][0] for number in numbers]}
            arrays = _packed([self._waiting[number][1] for number in numbers], told)
            _write(self._going / f"batches_{numbers[0]}.npz", arrays)
            self._waiting.clear()
        self._written = time.monotonic()

    def keep_result(self, batches: Sequence[Batch], told: Mapping[str, Any]) -> None:
        """Keep the whole result, `told` being JSON; the groups of the batches are then not needed any more."""
        _write(self._going / _RESULT, _packed(batches, told))
        self._waiting.clear()
        for path in _batch_files(self._going):
            files.remove_file(path)

    def result(self) -> tuple[list[Batch], dict[str, Any]] | None:
        """What was kept of the run that is going on, else of the finished one; None if nothing whole is there."""
        return _read(self._going / _RESULT) if self.going is not None else _read(self._done / _RESULT)

    def finish(self) -> None:
        """The run is finished."""
        for path in (*_batch_files(self._going), *_gathered(self._going)):
            files.remove_file(path)
        _discard(self._done)
        files.rename(self._going, self._done)

    def discard_going(self) -> None:
        """Forget the run that is going on."""
        _discard(self._going)

    def discard(self) -> None:
        """Forget the run that is going on and the finished one."""
        _discard(self._done)
        _discard(self._going)

    def _read_batches(self) -> dict[int, tuple[str, Batch]]:
        found: dict[int, tuple[str, Batch]] = {}
        for path in _batch_files(self._going):
            read = _read(path)
            if read is not None:
                batches, told = read
                with suppress(KeyError, TypeError, ValueError):
                    found |= {
                        int(number): (str(images), batch)
                        for number, images, batch in zip(told["numbers"], told["images"], batches, strict=True)
                    }
        return found


def is_kept(name: str) -> bool:
    """Whether a name in the folder of the record is that of something kept."""
    return name in {f"{kind}.{end}" for kind in KINDS for end in ("going", "done")}


def is_anything_kept(out: StrPath) -> bool:
    """Whether a run keeps something in `out`."""
    return any(kept.going is not None or kept.done is not None for kept in (Kept(out, kind) for kind in KINDS))


def discard_all(out: StrPath, *, but_going: bool = False) -> None:
    """Forget all that is kept in `out`; `but_going`: not the clustering that is going on."""
    for kind in KINDS:
        kept = Kept(out, kind)
        if but_going and kind == "cluster":
            _discard(kept._done)
        else:
            kept.discard()


def as_json(value: Any) -> Any:
    """The value as it comes back from JSON."""
    return json.loads(json.dumps(value))


def digest_of(names: Sequence[str]) -> str:
    """What tells these names in this order from others."""
    return blake2b("\0".join(names).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _begun(folder: Path) -> Begun | None:
    try:
        found = json.loads((folder / _BEGUN).read_text("ascii"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"cannot read {printable(folder / _BEGUN)}: {files.reason(error)}") from error
    except (ValueError, RecursionError):
        found = None
    kinds = {"id": str, "asked": dict, "images": int, "digest": str, "overwrite": bool}
    if isinstance(found, dict) and found.get("format") == _FORMAT:
        values: dict[str, Any] = {name: found.get(name) for name in kinds}
        if all(type(values[name]) is kind for name, kind in kinds.items()):
            return Begun(**values)
    return None


def _batch_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("batches_*.npz"))


def _gathered(folder: Path) -> list[Path]:
    return [folder / name for name in GATHERED if files.is_there(folder / name)]


def _discard(folder: Path) -> None:
    """Remove a folder of ours; what says that it is one goes first."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in (folder / _BEGUN, folder / _RESULT, *_batch_files(folder), *_gathered(folder)):
        files.remove_file(path)
    files.remove_leftovers(folder)
    files.remove_empty_folders([folder])


def _packed(batches: Sequence[Batch], told: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Batches as a few long arrays, whatever their number."""
    pairs = [batch.pairs for batch in batches]
    clusters = [rows for batch in batches for rows in batch.clusters]
    found = [each for each in pairs if each is not None]
    meta = {
        "format": _FORMAT,
        "told": dict(told),
        "tried": [[_tried_as_json(each) for each in batch.tried] for batch in batches],
    }
    return {
        "meta": np.frombuffer(json.dumps(meta).encode("ascii"), np.uint8),
        "rows": _joined([batch.rows for batch in batches]),
        "row_counts": _counts([batch.rows for batch in batches]),
        "cluster_rows": _joined(clusters),
        "cluster_sizes": _counts(clusters),
        "cluster_counts": np.asarray([len(batch.clusters) for batch in batches], np.int64),
        "outliers": _joined([batch.outliers for batch in batches]),
        "outlier_counts": _counts([batch.outliers for batch in batches]),
        "pair_counts": np.asarray([-1 if each is None else len(each) for each in pairs], np.int64),
        "complete": np.asarray([each is None or each.complete for each in pairs], bool),
        "i": _joined([each.i for each in found]),
        "j": _joined([each.j for each in found]),
        "similarity": np.concatenate([np.empty(0), *(each.similarity for each in found)]),
    }


def _unpacked(arrays: Mapping[str, NDArray[Any]]) -> tuple[list[Batch], dict[str, Any]]:
    """What `_packed` made the arrays of; raises one of _DAMAGE for others."""
    meta = json.loads(arrays["meta"].tobytes())
    if meta["format"] != _FORMAT or not isinstance(meta["told"], dict):
        raise ValueError("another format")
    for name, kind in {
        "rows": "i",
        "cluster_rows": "i",
        "outliers": "i",
        "i": "i",
        "j": "i",
        "similarity": "f",
    }.items():
        if arrays[name].dtype.kind != kind or arrays[name].ndim != 1:
            raise ValueError(name)
    rows = _divided(arrays["rows"], arrays["row_counts"])
    clusters = _divided(arrays["cluster_rows"], arrays["cluster_sizes"])
    outliers = _divided(arrays["outliers"], arrays["outlier_counts"])
    of_batch = np.cumsum([0, *arrays["cluster_counts"].tolist()]).tolist()
    pair_counts = arrays["pair_counts"]
    lists = [_divided(arrays[name], np.maximum(pair_counts, 0)) for name in ("i", "j", "similarity")]
    batches = []
    for number, tried in enumerate(meta["tried"]):
        pairs = None
        if pair_counts[number] >= 0:
            i, j, similarity = (parts[number] for parts in lists)
            pairs = Pairs(i, j, similarity, bool(arrays["complete"][number]))
        first, last = of_batch[number], of_batch[number + 1]
        batches.append(
            Batch(
                rows[number],
                tuple(clusters[first:last]),
                outliers[number],
                pairs,
                tuple(Tried(**each) for each in tried),
            )
        )
    if not len(batches) == len(rows) == len(outliers) == len(pair_counts) or of_batch[-1] != len(clusters):
        raise ValueError("numbers of batches")
    return batches, meta["told"]


def _tried_as_json(tried: Tried) -> dict[str, Any]:
    return {name: getattr(tried, name) for name in tried.__dataclass_fields__} | {"parameters": dict(tried.parameters)}


def _joined(parts: Sequence[Rows]) -> Rows:
    return np.concatenate([np.empty(0, np.int32), *parts]).astype(np.int32)


def _counts(parts: Sequence[Rows]) -> NDArray[np.int64]:
    return np.asarray([len(part) for part in parts], np.int64)


def _divided(values: NDArray[Any], counts: NDArray[Any]) -> list[NDArray[Any]]:
    if (counts < 0).any() or int(counts.sum()) != len(values):
        raise ValueError("counts")
    return np.split(values, np.cumsum(counts)[:-1]) if len(counts) else []


def _write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    files.make_folder(path.parent)
    files.write_atomic(path, lambda file: _save(file, **arrays), binary=True)


def _read(path: Path) -> tuple[list[Batch], dict[str, Any]] | None:
    """What a file holds; None where it is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return _unpacked({name: found[name] for name in found.files})
    except (*_DAMAGE, *_DAMAGED_ZIP):
        return None
