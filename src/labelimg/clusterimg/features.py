"""Features of many images in one flat array."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import OutputError, printable


@dataclass(frozen=True, eq=False)
class Features:
    """The features of n images, one after the other.

    values: (total,) of the method's dtype, in memory or mapped from a file; offsets: (n + 1,) int64, image k's values
    are values[offsets[k]:offsets[k + 1]]; shapes: (n, d) int64, the shape of each image's feature.
    """

    values: NDArray[Any]
    offsets: NDArray[np.int64]
    shapes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def same_shape(self) -> bool:
        """Whether all images have features of one shape (also when there are none)."""
        return len(self) == 0 or bool((self.shapes == self.shapes[0]).all())

    def stacked(self) -> NDArray[Any]:
        """All features as one (n, ...) array, without copying; they must be of one shape."""
        assert self.same_shape
        shape = tuple(self.shapes[0]) if len(self) else (0,) * self.shapes.shape[1]
        return self.values.reshape((len(self), *shape))

    def take(self, rows: NDArray[np.integer[Any]], *, memory: int) -> Features:
        """The features of some of the images in the order of `rows`; in memory while they fit in that many bytes."""
        if len(rows) == len(self) and bool((rows == np.arange(len(self))).all()):
            return self
        store = FeatureStore(self.values.dtype, memory=memory)
        for row in rows.tolist():
            store.add(self.values[self.offsets[row] : self.offsets[row + 1]])
        taken = store.features()
        return Features(taken.values, taken.offsets, self.shapes[rows])


class FeatureStore:
    """Collects features one by one; past `memory` bytes they go to an unnamed temporary file.

    The file is in the system's folder for temporary files and disappears with the process.
    """

    def __init__(self, dtype: Any, *, memory: int) -> None:
        self._dtype = np.dtype(dtype)
        self._memory = memory
        self._held = bytearray()
        self._file: IO[bytes] | None = None
        self._sizes: list[int] = []
        self._shapes: list[tuple[int, ...]] = []
        self._dimensions = 1

    def add(self, feature: NDArray[Any]) -> None:
        """Keep one more feature."""
        data = np.ascontiguousarray(feature, self._dtype)
        self._sizes.append(data.size)
        self._shapes.append(data.shape)
        self._dimensions = data.ndim
        try:
            self._keep(data)
        except OSError as error:
            raise no_room(error) from error

    def _keep(self, data: NDArray[Any]) -> None:
        if self._file is None and len(self._held) + data.nbytes > self._memory:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process; the map needs it)
            self._file.write(self._held)
            self._held = bytearray()
        if self._file is None:
            self._held += data.data if data.ndim == 1 else data.tobytes()
        else:
            self._file.write(data.tobytes())

    def features(self) -> Features:
        """What was collected; nothing can be added afterwards."""
        values: NDArray[Any]
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                raise no_room(error) from error
            values = np.memmap(self._file, self._dtype, "r").view(np.ndarray)
            self._file.close()
        else:
            values = np.frombuffer(self._held, self._dtype)
        offsets = np.concatenate([[0], np.cumsum(np.asarray(self._sizes, np.int64))]).astype(np.int64)
        shapes = np.asarray(self._shapes, np.int64).reshape(len(self._shapes), self._dimensions)
        return Features(values, offsets, shapes)


def no_room(error: OSError) -> OutputError:
    """What to raise where a temporary file of features cannot be written."""
    where = printable(tempfile.gettempdir())
    return OutputError(f"features do not fit in memory nor in {where}: {error.strerror}; set TMPDIR to another folder")


def features_of(arrays: Sequence[NDArray[Any]], dtype: Any) -> Features:
    """Features from arrays that are at hand.

    >>> features_of([np.array([1, 2]), np.array([3])], np.uint8).offsets.tolist()
    [0, 2, 3]
    """
    store = FeatureStore(dtype, memory=1 << 62)
    for array in arrays:
        store.add(array)
    return store.features()
