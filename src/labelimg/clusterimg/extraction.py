"""Decode each image once and keep its feature and its signature; what the cache holds is not decoded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg.cache import FeatureCache
from labelimg.clusterimg.batches import SIGNATURE_SIZE, signature
from labelimg.clusterimg.features import Features, FeatureStore
from labelimg.clusterimg.methods.base import Method
from labelimg.images import Unreadable, read_many

_VERSION = 1  # of what features are made of; a new one lets cached features be forgotten
_LOOKED_UP_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class Extracted:
    """Features of the images that could be read.

    rows: (n,) int64, which of the paths these are; signatures: (n, 63) int8; decoded: how many files were decoded.
    """

    features: Features
    signatures: NDArray[np.int8]
    rows: NDArray[np.int64]
    unreadable: tuple[Unreadable, ...]
    decoded: int


def extract(
    paths: Sequence[str],
    method: Method,
    *,
    threads: int,
    memory: int,
    cache: FeatureCache | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Extracted:
    """The features of all images of the paths, in their order. An image that cannot be read is listed, not raised."""
    store = FeatureStore(method.dtype, memory=memory)
    signatures, rows, unreadable = bytearray(), [], []
    decoded = 0

    def work(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.int8], NDArray[Any]]:
        return signature(pixels), method.feature(pixels)

    if cache is None:
        results: Iterable[tuple[int, Any, bool]] = (
            (row, result, True) for row, result in read_many(paths, method.shrink, work, threads=threads)
        )
    else:
        results = _through_cache(paths, method, work, threads, cache)
    for row, result, was_decoded in results:
        decoded += was_decoded
        if isinstance(result, Unreadable):
            unreadable.append(result)
        else:
            signatures += result[0].tobytes()
            store.add(result[1])
            rows.append(row)
        if progress is not None:
            progress(row + 1, len(paths))
    return Extracted(
        store.features(),
        np.frombuffer(signatures, np.int8).reshape(-1, SIGNATURE_SIZE),
        np.asarray(rows, np.int64),
        tuple(unreadable),
        decoded,
    )


def _through_cache(
    paths: Sequence[str], method: Method, work: Callable[..., Any], threads: int, cache: FeatureCache
) -> Iterator[tuple[int, Any, bool]]:
    recipe = f"{_VERSION} {method!r}"
    for first in range(0, len(paths), _LOOKED_UP_AT_ONCE):
        part = paths[first : first + _LOOKED_UP_AT_ONCE]
        stamps = [_stamp(path) for path in part]
        known = dict(cache.get_many(recipe, [(path, *stamp) for path, stamp in zip(part, stamps, strict=True)]))
        missing = [k for k in range(len(part)) if k not in known]
        fresh = read_many([part[k] for k in missing], method.shrink, work, threads=threads)
        new: list[tuple[str, int, int, bytes]] = []
        for k, path in enumerate(part):
            if k in known:
                yield first + k, _unpacked(known[k], method), False
                continue
            _, result = next(fresh)
            # A file that changed while it was read must not be taken for what it is now.
            if not isinstance(result, Unreadable) and _stamp(path) == stamps[k]:
                new.append((path, *stamps[k], _packed(*result)))
            yield first + k, result, True
        cache.put_many(recipe, new)


def _stamp(path: str) -> tuple[int, int]:
    """Size and modification time; of a file that is gone, nothing that a cache would know."""
    try:
        status = os.stat(path)
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _packed(signed: NDArray[np.int8], feature: NDArray[Any]) -> bytes:
    shape = np.asarray([feature.ndim, *feature.shape], np.int32)
    return signed.tobytes() + shape.tobytes() + feature.tobytes()


def _unpacked(blob: bytes, method: Method) -> tuple[NDArray[np.int8], NDArray[Any]]:
    signed = np.frombuffer(blob, np.int8, SIGNATURE_SIZE)
    ndim = int(np.frombuffer(blob, np.int32, 1, SIGNATURE_SIZE)[0])
    shape = np.frombuffer(blob, np.int32, ndim, SIGNATURE_SIZE + 4)
    feature: NDArray[Any] = np.frombuffer(blob, method.dtype, offset=SIGNATURE_SIZE + 4 * (1 + ndim))
    return signed, feature.reshape(tuple(shape))
