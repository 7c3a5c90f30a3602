"""Decode each image once and keep its feature, perhaps its signature and its thumbnail.

What the cache holds is not decoded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from labelimg.cache import FeatureCache
from labelimg.clusterimg.batches import SIGNATURE_SIZE, signature
from labelimg.clusterimg.engine import Made, Source
from labelimg.clusterimg.features import Features, FeatureStore
from labelimg.clusterimg.thumbnails import MOST_BYTES
from labelimg.decoding import Shrink
from labelimg.images import Unreadable, read_many

_VERSION = 1  # of what features are made of; a new one lets cached features be forgotten
_LOOKED_UP_AT_ONCE = 2048
_SHARE_OF_CACHE = 4  # thumbnails of one folder may fill a quarter of it

T = TypeVar("T")


class Reader(Protocol):
    """Reads images as `images.read_many` does."""

    def __call__(
        self,
        paths: Sequence[str],
        shrink: Shrink,
        use: Callable[[NDArray[np.uint8]], T],
        *,
        threads: int,
        keep_thumbnail: Callable[[str, bytes], object] | None = None,
    ) -> Iterator[tuple[int, T | Unreadable]]:
        """Yield (index, use(pixels)) for each path in order, (index, Unreadable) where it cannot be read."""
        ...


class Thumbnails(Protocol):
    """Collects thumbnails, as `thumbnails.Collected` does."""

    def add(self, jpeg: bytes) -> None:
        """Keep the thumbnail of the next image; empty where it has none."""
        ...


@dataclass(frozen=True, eq=False)
class Extracted:
    """Features of the images that could be read.

    rows: (n,) int64, which of the paths these are; signatures: (n, 63) int8, or (0, 63) where they were not wanted;
    decoded: how many files were decoded.
    """

    features: Features
    signatures: NDArray[np.int8]
    rows: NDArray[np.int64]
    unreadable: tuple[Unreadable, ...]
    decoded: int


def extract(
    paths: Sequence[str],
    source: Source,
    *,
    threads: int,
    memory: int,
    with_signatures: bool = False,
    cache: FeatureCache | None = None,
    thumbnails: Thumbnails | None = None,
    read: Reader = read_many,
    progress: Callable[[int, int], None] | None = None,
) -> Extracted:
    """The features of all images of the paths, in their order. An image that cannot be read is listed, not raised.

    `thumbnails` gets one for each image that could be read, in the same order: of the decoding that its feature comes
    from, or from the cache as that. A thumbnail that the cache lacks is decoded for, unless there are so many images
    that it would not keep them all: then those whose feature is known have none.
    """
    store = FeatureStore(source.dtype, memory=memory)
    signatures, rows, unreadable = bytearray(), [], []
    decoded = 0

    def make(pixels: NDArray[np.uint8]) -> Made:
        return source.feature(pixels), signature(pixels) if with_signatures else None

    jpegs: dict[str, bytes] = {}  # of images on their way from the threads that decode to here

    def made(paths: Sequence[str]) -> Iterator[tuple[int, Made | Unreadable]]:
        keep = None if thumbnails is None else jpegs.__setitem__
        return source.finish(read(paths, source.shrink, make, threads=threads, keep_thumbnail=keep))

    if cache is None:
        results: Iterable[tuple[int, Made | Unreadable, bool]] = ((row, result, True) for row, result in made(paths))
    else:
        fits = thumbnails is not None and len(paths) * MOST_BYTES <= cache.max_bytes // _SHARE_OF_CACHE

        def look(paths: Sequence[str]) -> None:
            for _ in read(paths, source.shrink, lambda _: None, threads=threads, keep_thumbnail=jpegs.__setitem__):
                pass

        results = _through_cache(paths, source, made, cache, with_signatures, jpegs if fits else None, look)
    for row, result, was_decoded in results:
        decoded += was_decoded
        jpeg = jpegs.pop(paths[row], b"")
        if isinstance(result, Unreadable):
            unreadable.append(result)
        else:
            if thumbnails is not None:
                thumbnails.add(jpeg)
            store.add(result[0])
            if result[1] is not None:
                signatures += result[1].tobytes()
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
    paths: Sequence[str],
    source: Source,
    made: Callable[[Sequence[str]], Iterator[tuple[int, Made | Unreadable]]],
    cache: FeatureCache,
    with_signatures: bool,
    jpegs: dict[str, bytes] | None,
    look: Callable[[Sequence[str]], None],
) -> Iterator[tuple[int, Made | Unreadable, bool]]:
    """What `made` gives, and what the cache holds; `jpegs`, where thumbnails are to be kept, is filled from it too.

    `look` decodes images for their thumbnails alone, for a feature may have cost much more than that.
    """
    recipe = f"{_VERSION} {source!r}"
    signature_recipe = f"{_VERSION} signature of {source.shrink!r}"
    thumbnail_recipe = f"{_VERSION} thumbnail of {source.shrink!r}"
    for first in range(0, len(paths), _LOOKED_UP_AT_ONCE):
        part = paths[first : first + _LOOKED_UP_AT_ONCE]
        stamps = [stamp(path) for path in part]
        wanted = [(path, *stamp) for path, stamp in zip(part, stamps, strict=True)]
        features = dict(cache.get_many(recipe, wanted))
        known = set(features)
        signatures = dict(cache.get_many(signature_recipe, wanted)) if with_signatures else {}
        if with_signatures:
            known &= signatures.keys()
        thumbnails = {} if jpegs is None else dict(cache.get_many(thumbnail_recipe, wanted))
        lacking = sorted(known - thumbnails.keys()) if jpegs is not None else []
        look([part[k] for k in lacking])
        looked = set(lacking)
        fresh = made([path for k, path in enumerate(part) if k not in known])
        new: list[tuple[tuple[str, int, int], Made]] = []
        new_thumbnails: list[tuple[tuple[str, int, int], bytes]] = []
        for k, path in enumerate(part):
            if k in known:
                signed = np.frombuffer(signatures[k], np.int8) if with_signatures else None
                made_before = _unpacked(features[k], source.dtype), signed
                if jpegs is not None and k not in looked:
                    jpegs[path] = thumbnails[k]
                elif jpegs is not None and stamp(path) == stamps[k]:
                    new_thumbnails.append((wanted[k], jpegs.get(path, b"")))
                yield first + k, made_before, k in looked
                continue
            _, result = next(fresh)
            # A file that changed while it was read must not be taken for what it is now.
            if not isinstance(result, Unreadable) and stamp(path) == stamps[k]:
                new.append((wanted[k], result))
                new_thumbnails.append((wanted[k], b"" if jpegs is None else jpegs[path]))
            yield first + k, result, True
        cache.put_many(recipe, ((*file, _packed(feature)) for file, (feature, _) in new))
        cache.put_many(signature_recipe, ((*file, s.tobytes()) for file, (_, s) in new if s is not None))
        cache.put_many(thumbnail_recipe, ((*file, jpeg) for file, jpeg in new_thumbnails if jpeg))


def stamp(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Size and modification time; of a file that is gone, nothing that a cache would know."""
    try:
        status = os.stat(path)
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _packed(feature: NDArray[Any]) -> bytes:
    return np.asarray([feature.ndim, *feature.shape], np.int32).tobytes() + feature.tobytes()


def _unpacked(blob: bytes, dtype: Any) -> NDArray[Any]:
    ndim = int(np.frombuffer(blob, np.int32, 1)[0])
    shape = np.frombuffer(blob, np.int32, ndim, 4)
    feature: NDArray[Any] = np.frombuffer(blob, dtype, offset=4 * (1 + ndim))
    return feature.reshape(tuple(shape))
