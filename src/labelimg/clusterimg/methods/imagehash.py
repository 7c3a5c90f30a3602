"""Perceptual hash: how many bits of the hashes agree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import comb
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.features import Features
from labelimg.clusterimg.methods.base import Method, parameter
from labelimg.clusterimg.pairs import Kernel, Pairs, Progress, no_pairs
from labelimg.decoding import Shrink


@dataclass(frozen=True)
class ImageHash(Method):
    """1 - differing bits / bits of two perceptual hashes, bit for bit ImageHash's `phash`.

    Each bit says whether one of the lowest hash_size x hash_size frequencies of the shrunk grey image (DCT-II) is
    above their median.
    """

    name: ClassVar[str] = "imagehash"
    default_threshold: ClassVar[float] = 0.69
    unlike: ClassVar[tuple[float, float]] = (0.5, 0.0428)
    dtype: ClassVar[type] = np.uint64

    hash_size: int = parameter(12, "the hash has N x N bits", 2, 64)
    frequency_factor: int = parameter(4, "the image is shrunk to N times the hash size before its DCT", 1, 16)

    @property
    def side(self) -> int:
        """Pixels of a side of the square that is transformed."""
        return self.hash_size * self.frequency_factor

    @property
    def bits(self) -> int:
        """Bits of a hash."""
        return self.hash_size * self.hash_size

    @property
    def shrink(self) -> Shrink:
        """The grey image at the size that is transformed, unless another is given."""
        if self.scale is not None:
            return Shrink(colour=False, scale=self.scale)
        return Shrink(colour=False, size=self.size or (self.side, self.side))

    @property
    def feature_bytes(self) -> int:
        """The most bytes that a feature takes."""
        return -(-self.bits // 64) * 8

    def feature(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint64]:
        """The hash, row by row and its last word filled up with zeros, (ceil(bits / 64),) uint64."""
        if pixels.shape != (self.side, self.side):
            from PIL import Image

            square = Image.fromarray(pixels).resize((self.side, self.side), Image.Resampling.LANCZOS)
            pixels = np.asarray(square)
        bits = np.zeros(-(-self.bits // 64) * 64, np.uint8)
        bits[: self.bits] = self._hash(pixels).ravel()
        return np.packbits(bits, bitorder="little").view(np.uint64)

    def _hash(self, pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        cosines = _cosines(self.side, self.hash_size)
        low = cosines @ pixels.astype(np.float64) @ cosines.T
        median, nearest = _median(low)
        # A frequency as near the median as this (in flat or symmetric images) is above or below it by rounding alone:
        # then SciPy computes it, by which the hash is defined.
        if nearest < 1e-6:
            from scipy.fftpack import dct

            low = dct(dct(pixels, axis=0), axis=1)[: self.hash_size, : self.hash_size]
            median, _ = _median(low)
        above: NDArray[np.bool_] = low > median
        return above

    def similar_pairs(
        self,
        features: Features,
        threshold: float,
        *,
        threads: int = 1,
        most: int | None = None,
        progress: Progress | None = None,
    ) -> Pairs:
        """The pairs whose share of equal bits is greater than the threshold."""
        n = len(features)
        bits = self.bits
        similarities = 1 - np.arange(bits + 1) / bits
        differing = int(np.count_nonzero(similarities > threshold)) - 1
        if n < 2 or differing < 0:
            return no_pairs()
        words = features.stacked()
        from labelimg.clusterimg.search import similar_pairs

        kernel = hamming_kernel(words, bits, differing, lambda d: similarities[d])
        return similar_pairs(n, kernel, threads=threads, most=most, progress=progress)

    def warm_up(self, count: int) -> None:
        """Load both kernels, for which of them searches depends on the hashes."""
        if count < 2:
            return
        from labelimg.clusterimg.search import similar_pairs

        words = np.zeros((2, 1), np.uint64)
        similar_pairs(2, _brute_force_kernel(words, 0, lambda d: 1 - d / 64))
        similar_pairs(2, _bucket_kernel(words, _split(64, 8, 0), 0, 1.0, lambda d: 1 - d / 64))


def _median(values: NDArray[np.float64]) -> tuple[float, float]:
    """The median, and how far from it the nearest value is that is not itself the median."""
    ranked = np.sort(values, axis=None)
    middle = len(ranked) // 2
    if len(ranked) % 2:
        median = ranked[middle]
        return median, min(ranked[middle + 1] - median, median - ranked[middle - 1])
    return (ranked[middle - 1] + ranked[middle]) / 2, (ranked[middle] - ranked[middle - 1]) / 2


@cache
def _cosines(side: int, hash_size: int) -> NDArray[np.float64]:
    """The rows of the DCT-II that the hash needs, (hash_size, side), scaled as SciPy's."""
    k, x = np.arange(hash_size)[:, None], np.arange(side)[None]
    return 2 * np.cos(np.pi * k * (2 * x + 1) / (2 * side))


_COLUMNS = 2048  # hashes that one is compared with at a time
_BRUTE_NS = 0.35  # a word of a pair, all compared
_PROBE_NS = 6.0  # a candidate from a bucket
_LOOKUP_NS = 12.0  # a bucket, also an empty one


def hamming_kernel(words: NDArray[np.uint64], bits: int, most: int, similarity: Any) -> Kernel:
    """The cheapest exact search for pairs with at most `most` differing bits. words: (n, w) uint64.

    Few enough differing bits leave some block of the hash (nearly) equal, so that buckets by block hold every pair;
    the number of blocks is the one that would be cheapest for these hashes, or none: then all pairs are compared.
    """
    n, w = words.shape
    best = n * (n - 1) / 2 * w * _BRUTE_NS
    chosen: list[tuple[NDArray[np.int64], int]] = []
    for blocks in range(max(1, -(-bits // 20)), min(bits, 64) + 1):
        split = _split(bits, blocks, most)
        cost = 0.0
        for places, radius in split:
            if radius < 0:
                continue
            tries = _tries(len(places), radius)
            # Neighbouring keys are as full as the key itself, roughly: hashes that resemble each other are many.
            filled = np.bincount(_keys(words, places)).astype(np.float64)
            cost += n * tries * _LOOKUP_NS + float((filled**2).sum()) / 2 * tries * _PROBE_NS
            if cost >= best:
                break
        if cost < best:
            best, chosen = cost, split
    if not chosen:
        return _brute_force_kernel(words, most, similarity)
    return _bucket_kernel(words, chosen, most, best, similarity)


def _brute_force_kernel(words: NDArray[np.uint64], most: int, similarity: Any) -> Kernel:
    from labelimg.clusterimg import kernels

    return Kernel(
        kernels.hamming_pairs,
        (np.ascontiguousarray(words.T),),
        limit=most,
        value_type=np.int32,
        pair_ns=words.shape[1] * _BRUTE_NS,
        similarity=similarity,
        room=lambda _: (np.empty(_COLUMNS, np.int32),),
    )


def _bucket_kernel(
    words: NDArray[np.uint64], split: list[tuple[NDArray[np.int64], int]], most: int, cost_ns: float, similarity: Any
) -> Kernel:
    from labelimg.clusterimg import kernels

    return Kernel(
        kernels.bucket_pairs,
        (words, *_buckets(words, split)),
        limit=most,
        value_type=np.int32,
        pair_ns=max(0.01, cost_ns / len(words) ** 2 * 2),
        similarity=similarity,
        rows=4096,
        by_rows=True,
    )


def _split(bits: int, blocks: int, most: int) -> list[tuple[NDArray[np.int64], int]]:
    """Blocks of bit places and the radius of each, so that every pair within `most` agrees in some block.

    If block b differed in more than radius[b] bits for every b, the sum would be more than `most`. Bits are dealt out
    in turn, because neighbouring frequencies depend on each other.
    """
    radius, extra = divmod(most, blocks)
    return [(np.arange(b, bits, blocks), radius if b <= extra else radius - 1) for b in range(blocks)]


def _tries(size: int, radius: int) -> int:
    return sum(comb(size, r) for r in range(radius + 1))


def _keys(words: NDArray[np.uint64], places: NDArray[np.int64]) -> NDArray[np.uint32]:
    keys = np.zeros(len(words), np.uint32)
    for k, place in enumerate(places.tolist()):
        bit = (words[:, place // 64] >> np.uint64(place % 64)) & np.uint64(1)
        keys |= bit.astype(np.uint32) << np.uint32(k)
    return keys


def _buckets(words: NDArray[np.uint64], split: list[tuple[NDArray[np.int64], int]]) -> tuple[Any, ...]:
    from itertools import combinations

    n, w = words.shape
    blocks = len(split)
    widest = max(len(places) for places, _ in split)
    masks = np.zeros((blocks, w), np.uint64)
    keys = np.empty((blocks, n), np.uint32)
    starts = np.zeros((blocks, (1 << widest) + 1), np.int64)
    members = np.empty((blocks, n), np.int32)
    flips: list[int] = []
    flip_starts = [0]
    for b, (places, radius) in enumerate(split):
        for place in places.tolist():
            masks[b, place // 64] |= np.uint64(1) << np.uint64(place % 64)
        keys[b] = _keys(words, places)
        starts[b, 1:] = np.cumsum(np.bincount(keys[b], minlength=1 << widest))
        members[b] = np.argsort(keys[b], kind="stable")
        for r in range(radius + 1):
            flips += [sum(1 << bit for bit in chosen) for chosen in combinations(range(len(places)), r)]
        flip_starts.append(len(flips))
    radii = np.asarray([radius for _, radius in split], np.int64)
    return (
        masks,
        radii,
        keys,
        np.asarray(flips, np.uint32),
        np.asarray(flip_starts, np.int64),
        starts,
        members,
    )
