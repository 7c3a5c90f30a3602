"""Arrays in memory that processes share, passed between them without a copy.

The memory has no name: the system frees it when the last process that holds it lets go, however that ends.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any

import numpy as np
from numpy.typing import NDArray


class SharedArray:
    """An array, and the descriptor of the memory it lies in; `array` keeps the memory as long as it is used."""

    def __init__(self, shape: tuple[int, ...], dtype: str, descriptor: int | None = None) -> None:
        size = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        if descriptor is None:
            descriptor = os.memfd_create("labelimg", os.MFD_CLOEXEC)
            os.ftruncate(descriptor, size)
        self._descriptor = descriptor
        memory = mmap.mmap(descriptor, size)
        self.array: NDArray[Any] = np.frombuffer(memory, dtype, int(np.prod(shape))).reshape(shape)

    @staticmethod
    def of(array: NDArray[Any]) -> SharedArray:
        """A copy of an array in memory that can be shared."""
        shared = SharedArray(array.shape, array.dtype.str)
        shared.array[...] = array
        return shared

    @property
    def descriptor(self) -> int:
        """The descriptor of the memory; it is closed with this object."""
        return self._descriptor

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            os.close(self._descriptor)


@dataclass(frozen=True)
class _Header:
    value: Any
    arrays: tuple[tuple[str, tuple[int, ...], str], ...]


def send(to: Connection, process: int, value: Any, arrays: dict[str, SharedArray]) -> None:
    """Send a value, pickled, and arrays, as descriptors, to the process at the other end."""
    names = tuple((name, shared.array.shape, shared.array.dtype.str) for name, shared in arrays.items())
    to.send(_Header(value, names))
    for shared in arrays.values():
        send_handle(to, shared.descriptor, process)


def receive(from_: Connection) -> tuple[Any, dict[str, SharedArray]]:
    """What `send` sent; raises EOFError or OSError when the other end is gone."""
    header: _Header = from_.recv()
    return header.value, {name: SharedArray(shape, dtype, recv_handle(from_)) for name, shape, dtype in header.arrays}
