"""The search finds the same whichever way it is split, and a spanning forest where pairs are too many to list."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from labelimg.clusterimg import kernels, search
from labelimg.clusterimg.methods import imagehash
from labelimg.clusterimg.methods.imagehash import hamming_kernel
from labelimg.clusterimg.pairs import Kernel, Pairs, as_they_are, components, no_pairs
from labelimg.clusterimg.search import in_threads, similar_pairs

thorough = settings(deadline=None, derandomize=True, max_examples=40)


def clustered_words(n: int, seed: int, *, centres: int = 6, flips: int = 5) -> np.ndarray[Any, Any]:
    """64-bit hashes around some centres, in mixed order, (n, 1) uint64."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (centres, 64))[rng.integers(0, centres, n)]
    for row in bits:
        row[rng.integers(0, 64, int(rng.integers(0, flips + 1)))] ^= 1
    return np.packbits(bits.astype(np.uint8), axis=1, bitorder="little").view(np.uint64)


def brute(words: np.ndarray[Any, Any], most: int) -> Kernel:
    kernel = hamming_kernel(words, 64, most, lambda d: 1 - d / 64)
    assert kernel.run is kernels.hamming_pairs
    return kernel


def buckets(words: np.ndarray[Any, Any], most: int, blocks: int = 8) -> Kernel:
    return imagehash._bucket_kernel(words, imagehash._split(64, blocks, most), most, 1.0, lambda d: 1 - d / 64)


def within(words: np.ndarray[Any, Any], most: int) -> list[tuple[int, int]]:
    numbers = words[:, 0].tolist()
    n = len(numbers)
    return [(i, j) for i in range(n) for j in range(i + 1, n) if (numbers[i] ^ numbers[j]).bit_count() <= most]


def listed(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.i.tolist(), pairs.j.tolist(), strict=True))


@thorough
@given(st.integers(0, 60), st.integers(0, 12), st.integers(0, 2**32 - 1), st.integers(1, 64), st.integers(1, 3))
def test_all_pairs_are_found_and_sorted(n, most, seed, rows, threads):
    words = clustered_words(n, seed)
    expected = within(words, most)
    kernels_to_try = [brute(words, most), buckets(words, most)] if n else []
    for kernel in kernels_to_try:
        pairs = similar_pairs(n, replace(kernel, rows=rows), threads=threads)
        assert listed(pairs) == expected
        assert pairs.complete
        numbers = words[:, 0].tolist()
        assert pairs.similarity.tolist() == [1 - (numbers[i] ^ numbers[j]).bit_count() / 64 for i, j in expected]


@thorough
@given(st.integers(2, 60), st.integers(0, 12), st.integers(0, 2**32 - 1), st.integers(1, 64), st.integers(0, 200))
def test_too_many_pairs_become_kruskals_forest_in_the_order_of_rows(n, most, seed, rows, limit):
    words = clustered_words(n, seed)
    every = within(words, most)
    expected = every if len(every) <= limit else oracles.kruskal(n, every)
    for kernel in (brute(words, most), buckets(words, most), buckets(words, most, 13)):
        for threads in (1, 3):
            pairs = similar_pairs(n, replace(kernel, rows=rows), threads=threads, most=limit)
            assert pairs.complete == (len(every) <= limit)
            assert listed(pairs) == expected
    chains = oracles.chains(n, every)
    labels = components(n, pairs).tolist()
    assert labels == [next(chain[0] for chain in chains if row in chain) for row in range(n)]


@pytest.mark.parametrize("limit", [10, 5_000, None])
def test_forest_is_the_same_for_any_threads_rows_and_kernel(limit):
    n = 1500
    words = clustered_words(n, 8, centres=40, flips=4)
    every = within(words, 6)
    assert len(every) > 5_000
    expected = every if limit is None else oracles.kruskal(n, every)
    for kernel in (brute(words, 6), buckets(words, 6)):
        for rows in (19, 4096):
            for threads in (1, 2, 8):
                pairs = similar_pairs(n, replace(kernel, rows=rows), threads=threads, most=limit)
                assert listed(pairs) == expected
                assert pairs.complete == (limit is None)


def test_forest_is_the_same_when_pairs_are_gathered_in_small_parts(monkeypatch):
    n = 400
    words = clustered_words(n, 9)
    expected = oracles.kruskal(n, within(words, 8))
    monkeypatch.setattr(search, "_BUFFER", 16)
    monkeypatch.setattr(search, "_CALL_NS", 100)
    for kernel in (brute(words, 8), buckets(words, 8)):
        for threads in (1, 4):
            pairs = similar_pairs(n, replace(kernel, rows=16), threads=threads, most=20)
            assert listed(pairs) == expected


def test_a_row_with_more_pairs_than_there_is_room_for_is_found_whole(monkeypatch):
    monkeypatch.setattr(search, "_BUFFER", 1)
    n = 9000
    words = np.zeros((n, 1), np.uint64)
    kernel = replace(buckets(words, 0), rows=1)
    pairs = similar_pairs(n, kernel, most=0)
    assert listed(pairs) == [(0, j) for j in range(1, n)]


def test_exactly_as_many_pairs_as_may_be_listed_are_listed():
    words = np.zeros((5, 1), np.uint64)
    assert similar_pairs(5, brute(words, 0), most=10).complete
    forest = similar_pairs(5, brute(words, 0), most=9)
    assert (forest.complete, listed(forest)) == (False, [(0, 1), (0, 2), (0, 3), (0, 4)])


@pytest.mark.parametrize("limit", [None, 3])
@pytest.mark.parametrize("threads", [1, 2])
def test_progress_rises_and_ends_at_all_pairs(threads, limit):
    n = 300
    words = clustered_words(n, 3)
    for kernel in (brute(words, 5), buckets(words, 5)):
        for rows in (1, 50, 299, 300, 4096):
            told: list[tuple[int, int]] = []
            options: dict[str, Any] = {"threads": threads, "most": limit}
            similar_pairs(n, replace(kernel, rows=rows), progress=lambda *at, to=told: to.append(at), **options)
            assert [total for _, total in told] == [n * (n - 1) // 2] * len(told)
            assert [done for done, _ in told] == sorted({done for done, _ in told})
            assert told[-1][0] == n * (n - 1) // 2


def test_an_error_in_a_kernel_reaches_the_caller():
    def fails(*arguments: Any) -> tuple[int, int]:
        raise ZeroDivisionError

    kernel = replace(brute(clustered_words(100, 0), 3), run=fails)
    for threads in (1, 2):
        with pytest.raises(ZeroDivisionError):
            similar_pairs(100, kernel, threads=threads)


def test_what_progress_raises_stops_the_search():
    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise StopError

    for threads in (1, 2):
        with pytest.raises(StopError):
            similar_pairs(500, brute(clustered_words(500, 0), 3), threads=threads, progress=stop)


def test_components_are_named_by_their_smallest_row():
    pairs = Pairs(np.asarray([1, 2], np.int32), np.asarray([4, 3], np.int32), np.ones(2))
    assert components(6, pairs).tolist() == [0, 1, 2, 2, 1, 5]
    assert components(3, no_pairs()).tolist() == [0, 1, 2]
    assert components(0, no_pairs()).tolist() == []


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("n", [0, 1, 2, 17])
def test_in_threads_does_each_piece_of_work_once(n, threads):
    done: list[int] = []
    in_threads(lambda start, stop: done.extend(range(start, stop)), n, threads)
    assert sorted(done) == list(range(n))


def test_what_progress_raises_stops_the_threads_soon():
    """As Ctrl-C does: the blocks under way end with the kernel call they are in."""

    def slow(start, stop, column, until, limit, labels, out_i, out_j, out_value):
        time.sleep(0.01)
        return 0, until

    def interrupt(done, total):
        raise KeyboardInterrupt

    kernel = Kernel(slow, (), limit=0.5, value_type=np.float64, pair_ns=1e8, similarity=as_they_are, rows=2)
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        similar_pairs(100, kernel, threads=2, progress=interrupt)
    assert time.perf_counter() - began < 1.5  # a second for the first block; those begun after it are let go
