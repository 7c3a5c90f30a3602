"""A journal of one painting, on the disk beside its masks: what a crash would lose, and how it is got back.

A line for each change, in the order in which they happened: a checksum and a JSON object. The first line says which
image it is and which masks the painting began with. What is kept are the pixels that changed and their colours, so that
the paint comes back whatever the image is cut into by then; and the cuts, as lines. When the masks are saved the
journal goes, and the next change begins another.

Nothing in a journal is trusted. One of another image, or of masks that somebody changed since, is set aside; from the
first line on that is torn or wrong, the rest is left out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg import files
from labelimg.errors import LabelimgError, OutputError, printable
from labelimg.segmentatimg.history import Change
from labelimg.segmentatimg.painting import Painting
from labelimg.segmentatimg.runs import runs_of

_VERSION = 1
_KINDS = ("do", "undo", "redo", "state")
_ROWS = 256  # of the image, by which a journal knows it again
_FAR = 1 << 40
_DAMAGED = "the end of the journal is damaged; what was painted last may be missing"


@dataclass(frozen=True)
class Replayed:
    """What was got back from a journal: how many `changes`, and a `notice` for the user where not all was, else ""."""

    changes: int
    notice: str = ""


class _UnusableError(Exception):
    """Why a line, or the whole journal, cannot be used."""


class Journal:
    """Follows a painting and writes down each change at once; nothing is written before the first.

    `path` is the journal's file, see `MaskFolder.journal_of`; `base` tells the masks that the painting began with from
    others, see `MaskFolder.stamp`. Make it with a painting on which nothing was done yet, call `replay`, and paint.

    Painting goes on where the journal cannot be written: `warn` is told why, once, and the changes from there on are
    kept only in memory, until the masks are saved.
    """

    def __init__(
        self, path: files.StrPath, painting: Painting, base: str, *, warn: Callable[[str], None] | None = None
    ) -> None:
        self._path = Path(path)
        self._painting = painting
        self._base = base
        self._warn = warn
        self._descriptor = -1
        self._broken = False

    def replay(self) -> Replayed:
        """Bring back what the journal holds, if there is one, and follow the painting from here on.

        A journal of another image, or of other masks than there are now, is renamed to NAME.old and not used. Raises
        OutputError for a journal that cannot be read, TransferError for one that cannot be set aside.
        """
        found = Replayed(0)
        try:
            data = self._path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            data = b""
        except OSError as error:
            raise OutputError(f"cannot read {printable(self._path)}: {files.reason(error)}") from error
        if data:
            try:
                found, good = self._read(data)
            except _UnusableError as error:
                aside = self._set_aside()
                found = Replayed(0, f"unsaved work on this image was not used, for {error}; it is in {aside}")
            else:
                if good < len(data):
                    files.write_atomic(self._path, data[:good], binary=True)
                self._open()
        self._painting.on_change = self._follow
        return found

    @property
    def broken(self) -> bool:
        """Whether the journal could not be written, so that what was painted since is in memory alone."""
        return self._broken

    def saving(self) -> None:
        """Call before the masks are saved: a crash in the middle of it then loses nothing."""
        if self._descriptor >= 0:
            self._follow(Change("state", 0, (runs_of(self._painting.paint),)))

    def saved(self, base: str) -> None:
        """Call after the masks were saved, with their stamp: the journal is not needed any more and goes."""
        self.close(follow=True)
        if files.is_there(self._path):
            files.remove_file(self._path)
        self._base, self._broken = base, False

    def close(self, *, follow: bool = False) -> None:
        """Close the file; what was not saved stays in it, to be replayed when the image is opened again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if not follow:
            self._painting.on_change = None

    # ------------------------------------------------------------------------------------------------------ writing

    def _follow(self, change: Change) -> None:
        if self._broken:
            return
        try:
            if self._descriptor < 0:
                files.make_folder(self._path.parent)
                self._open()
                files.append(self._descriptor, self._path, _line(self._header()))
            files.append(self._descriptor, self._path, _line(_record(change, self._painting.colours)))
        except LabelimgError as error:
            self._broken = True
            if self._warn is not None:
                self._warn(f"{error}; until the masks are saved, a crash would lose what is painted from here on")

    def _open(self) -> None:
        self._descriptor = files.open_to_append(self._path)

    def _header(self) -> dict[str, Any]:
        return {"journal": _VERSION, "image": _digest(self._painting.image), "base": self._base}

    def _set_aside(self) -> str:
        number = 0
        aside = self._path.with_name(f"{self._path.name}.old")
        while files.is_there(aside):
            number += 1
            aside = self._path.with_name(f"{self._path.name}.old{number}")
        files.rename(self._path, aside)
        return printable(aside)

    # ------------------------------------------------------------------------------------------------------ reading

    def _read(self, data: bytes) -> tuple[Replayed, int]:
        """Replay the lines up to the first that cannot be used: what came of it, and how many bytes are good."""
        ends = _line_ends(data)
        try:
            end = next(ends)
            header = _parsed(data[:end])
        except (StopIteration, _UnusableError):
            raise _UnusableError("its journal is damaged") from None
        if header.get("journal") != _VERSION:
            raise _UnusableError("its journal was written by another version")
        if header.get("image") != _digest(self._painting.image):
            raise _UnusableError("the image is another one now")
        records: list[dict[str, Any]] = []
        places = [end]
        notice = ""
        try:
            for end in ends:
                records.append(_parsed(data[places[-1] : end]))
                places.append(end)
            if places[-1] < len(data):
                notice = "the last change was being written when the program ended; it may be missing"
        except _UnusableError:
            notice = _DAMAGED
        if header.get("base") != self._base and not any("state" in record for record in records):
            raise _UnusableError("its masks were changed since")
        changes: list[Change] = []
        try:
            changes.extend(self._change(record) for record in records)
        except _UnusableError:
            notice = _DAMAGED
        self._painting.replay(changes)
        return Replayed(len(changes), notice), places[len(changes)]

    def _change(self, record: dict[str, Any]) -> Change:
        """The change that a record says, its colours brought to the numbers of the painting."""
        try:
            kind = next(kind for kind in _KINDS if kind in record)
            serial = _whole(record[kind], 0, _FAR)
            numbers = np.zeros(256, np.uint8)
            for number, colour in record["colours"].items():
                r, g, b = (_whole(each, 0, 255) for each in colour)
                numbers[_whole(int(number), 1, 255)] = self._painting.number_of((r, g, b))
            runs = tuple(self._runs(text, numbers, record["colours"]) for text in record["paint"])
            cuts = tuple(
                ((_whole(a, -_FAR, _FAR), _whole(b, -_FAR, _FAR)), (_whole(c, -_FAR, _FAR), _whole(d, -_FAR, _FAR)))
                for a, b, c, d in record.get("cuts", [])
            )
            return Change(kind, serial, runs, cuts, bool(record.get("reset", False)))
        except (_UnusableError, StopIteration, KeyError, TypeError, ValueError, AttributeError, LabelimgError) as error:
            raise _UnusableError("a record is wrong") from error

    def _runs(
        self, text: str, numbers: NDArray[np.uint8], known: dict[str, Any]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8]]:
        width, height = self._painting.size
        starts, lengths, values = _unpacked(text, width * height)
        inside = (starts >= 0) & (lengths > 0) & (starts % width + lengths <= width) & (starts < width * height)
        sorted_ = (starts[1:] >= starts[:-1].astype(np.int64) + lengths[:-1]).all()
        if not inside.all() or not sorted_ or not {0, *map(int, known)}.issuperset(np.unique(values).tolist()):
            raise _UnusableError("runs are wrong")
        return starts, lengths, numbers[values]


def _record(change: Change, colours: tuple[tuple[int, int, int], ...]) -> dict[str, Any]:
    used = {int(number) for _, _, values in change.paint for number in set(np.ravel(values).tolist())} - {0}
    record: dict[str, Any] = {
        change.kind: change.serial,
        "colours": {str(number): colours[number - 1] for number in sorted(used)},
        "paint": [_packed(*runs) for runs in change.paint],
    }
    if change.cuts:
        record["cuts"] = [[*p, *q] for p, q in change.cuts]
    if change.reset:
        record["reset"] = True
    return record


def _packed(starts: NDArray[np.int32], lengths: NDArray[np.int32], values: NDArray[np.uint8]) -> str:
    """Runs as text: gaps between starts, lengths and values, packed; of one value only, that once.

    In front is how many runs there are, and in how many bytes each gap and each length is.
    """
    gaps = np.diff(starts, prepend=np.int32(0))
    sizes = [np.min_scalar_type(int(each.max(initial=0))).itemsize for each in (gaps, lengths)]
    parts = [each.astype(f"<u{size}").tobytes() for each, size in zip((gaps, lengths), sizes, strict=True)]
    packer = zlib.compressobj(1, strategy=zlib.Z_RLE)
    data = packer.compress(b"".join(parts) + values.tobytes()) + packer.flush()
    return base64.b64encode(len(starts).to_bytes(4, "little") + bytes(sizes) + data).decode("ascii")


def _unpacked(text: str, most: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8]]:
    """The runs; raises _UnusableError or ValueError for what `_packed` did not make, and for more than `most`."""
    data = base64.b64decode(text, validate=True)
    count = int.from_bytes(data[:4], "little")
    sizes = tuple(data[4:6])
    if count > most or len(sizes) < 2 or not {1, 2, 4}.issuperset(sizes):
        raise _UnusableError("what runs begin with is wrong")
    at = count * sizes[0]
    values_at = at + count * sizes[1]
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(data[6:], values_at + count + 1)
    except zlib.error as error:
        raise _UnusableError("packed data are damaged") from error
    if len(raw) not in (values_at + 1, values_at + count):
        raise _UnusableError("packed data are too short")
    starts = np.cumsum(np.frombuffer(raw, f"<u{sizes[0]}", count), dtype=np.int64)
    if count and (starts.min() < 0 or starts.max() >= most):
        raise _UnusableError("runs are outside of the image")
    lengths = np.frombuffer(raw, f"<u{sizes[1]}", count, at).astype(np.int64)
    if count and lengths.max() > most:
        raise _UnusableError("runs are longer than the image")
    return starts.astype(np.int32), lengths.astype(np.int32), np.frombuffer(raw, np.uint8, -1, values_at)


def _line(record: dict[str, Any]) -> bytes:
    text = json.dumps(record, separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _line_ends(data: bytes) -> Iterator[int]:
    """Where each whole line ends, after its line break."""
    end = data.find(b"\n") + 1
    while end:
        yield end
        end = data.find(b"\n", end) + 1


def _parsed(line: bytes) -> dict[str, Any]:
    """The record of a line; raises _UnusableError for one that `_line` did not make."""
    found: Any = None
    text = line[9:-1]
    if line[:9] == b"%08x " % zlib.crc32(text):
        with suppress(ValueError, RecursionError):
            found = json.loads(text)
    if not isinstance(found, dict):
        raise _UnusableError("a line is damaged")
    return found


def _whole(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise _UnusableError(f"{value!r} is no number from {low} to {high}")
    return value


def _digest(image: NDArray[np.uint8]) -> str:
    """What tells an image from another: its size, and the pixels of some of its rows."""
    rows = np.ascontiguousarray(image[:: max(1, image.shape[0] // _ROWS)])
    return hashlib.blake2b(repr(image.shape).encode() + rows.tobytes(), digest_size=16).hexdigest()
