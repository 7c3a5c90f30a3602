"""Every kernel finds what a slow, obvious search finds, whatever way its work is cut.

Run also with NUMBA_BOUNDSCHECK=1 and a NUMBA_CACHE_DIR of its own: then no kernel may read outside its arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import oracles
from labelimg.clusterimg import kernels
from labelimg.clusterimg.features import Features, features_of
from labelimg.clusterimg.methods import imagehash
from labelimg.clusterimg.methods.base import Method
from labelimg.clusterimg.methods.imagehash import hamming_kernel
from labelimg.clusterimg.methods.minhash import MinHash
from labelimg.clusterimg.methods.orb import Orb
from labelimg.clusterimg.methods.ssim import Ssim
from labelimg.clusterimg.methods.template_matching import TemplateMatching
from labelimg.clusterimg.pairs import Kernel, no_pairs

thorough = settings(
    deadline=None, derandomize=True, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
seeds = st.integers(0, 2**32 - 1)
thresholds = st.one_of(st.sampled_from([0.0, 0.5, 0.9, 1.0]), st.floats(0, 1))
Values = dict[tuple[int, int], float]


def kernel_of(method: Method, features: Features, threshold: float) -> Kernel | None:
    """The kernel that a method would search with; None if it finds nothing without one."""
    taken: list[Kernel] = []

    def take(n: int, kernel: Kernel, **options: Any) -> Any:
        taken.append(kernel)
        return no_pairs()

    with patch("labelimg.clusterimg.search.similar_pairs", take):
        method.similar_pairs(features, threshold)
    assert len(taken) <= 1
    return taken[0] if taken else None


@st.composite
def cuts(draw: st.DrawFn) -> dict[str, Any]:
    """How the work is divided: places to cut rows and columns at, as shares, and the room for what is found."""
    shares = st.lists(st.floats(0, 1), max_size=3)
    return {"rows": draw(shares), "columns": draw(shares), "room": draw(st.integers(1, 40))}


def run_in_parts(kernel: Kernel, n: int, parts: dict[str, Any], labels: np.ndarray[Any, Any] | None = None) -> Values:
    """What the kernel writes for all rows and columns, part after part; checks what every kernel promises."""
    labels = np.arange(n, dtype=np.int32) if labels is None else labels
    found: list[tuple[tuple[int, int], Any]] = []
    for start, stop in _spans(0, n, parts["rows"]):
        first, last = (start, stop) if kernel.by_rows else (0, n)
        for begin, until in _spans(first, last, parts["columns"]):
            column, room = begin, parts["room"]
            while column < until:
                guarded = [np.full(room + 8, -7, kind) for kind in (np.int32, np.int32, kernel.value_type)]
                out = [each[:room] for each in guarded]
                arguments = (
                    *kernel.arguments,
                    *kernel.room(stop - start),
                    start,
                    stop,
                    column,
                    until,
                    kernel.limit,
                    labels,
                    *out,
                )
                count, resume = kernel.run(*arguments)
                assert 0 <= count <= room
                assert column <= resume <= until
                assert all((each[room:] == -7).all() for each in guarded), "wrote past the end of the output"
                pairs = zip(out[0][:count].tolist(), out[1][:count].tolist(), strict=True)
                similarity = kernel.similarity(out[2][:count]).tolist()
                found += zip(pairs, similarity, strict=True)
                if resume == column:
                    assert count == 0, "what was found would be found again"
                    assert room < n * 4096
                    room *= 2
                for i, j in zip(out[0][:count].tolist(), out[1][:count].tolist(), strict=True):
                    assert start <= i < stop
                    assert i < j < n
                    assert column <= (i if kernel.by_rows else j) < resume
                column = resume
    assert len(dict(found)) == len(found), "a pair was written twice"
    return dict(found)


def _spans(first: int, last: int, shares: list[float]) -> list[tuple[int, int]]:
    places = sorted({first, last, *(first + round(share * (last - first)) for share in shares)})
    return list(pairwise(places))


def assert_agree(found: Values, every: Values, threshold: float, within: float) -> None:
    """Found are all pairs above the threshold; only those as near to it as the tolerance may be either way."""
    for pair, value in found.items():
        assert value == pytest.approx(every[pair], abs=within)
        assert value > threshold
    assert {pair for pair, value in every.items() if value > threshold + within} <= found.keys()
    assert found.keys() <= {pair for pair, value in every.items() if value > threshold - within}


def all_pairs(things: Any, similarity: Callable[[Any, Any], float | None]) -> Values:
    values = {(i, j): similarity(things[i], things[j]) for j in range(len(things)) for i in range(j)}
    return {pair: value for pair, value in values.items() if value is not None}


def near_some(threshold: float, every: Values, seed: int) -> float:
    """Sometimes a threshold just below or above the similarity of some pair, where bounds are put to the test."""
    rng = np.random.default_rng(seed)
    inside = [value for value in every.values() if 0 < value < 1]
    if inside and seed % 3:
        threshold = inside[int(rng.integers(len(inside)))] + float(rng.choice([-1e-4, -3e-6, 3e-6, 1e-4]))
    return min(max(threshold, 0.0), 1.0)


def some_images(rng: np.random.Generator, n: int, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Images of all sorts, often near-duplicates of earlier ones, (n, *shape) uint8."""
    images = np.empty((n, *shape), np.uint8)
    for k in range(n):
        kind = rng.integers(9)
        if kind == 0:
            images[k] = rng.integers(256)  # blank
        elif kind == 1:
            images[k] = rng.choice([0, 255], shape)  # saturated noise
        elif kind == 2:
            images[k] = rng.choice([0, 255])
        elif kind == 3:
            row = rng.integers(0, 256, shape[1:])
            images[k] = np.broadcast_to(row, shape)  # identical rows
        elif kind == 4:
            down = np.linspace(0, 255, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
            images[k] = np.broadcast_to(down, shape).astype(np.uint8)
        elif kind in (5, 6, 7) and k:
            noise = rng.integers(-int(rng.integers(1, 40)), int(rng.integers(1, 40)), shape)
            images[k] = np.clip(images[rng.integers(k)].astype(int) + noise, 0, 255)
            if kind == 7:
                images[k] = images[rng.integers(k)]
        else:
            images[k] = rng.integers(0, 256, shape)
    return images


# ------------------------------------------------------------------------------------------------ groups of pairs


@thorough
@given(st.integers(1, 30), seeds)
def test_join_says_which_edges_kruskal_keeps_and_roots_are_the_smallest_rows(n, seed):
    rng = np.random.default_rng(seed)
    edges = sorted({(int(min(a, b)), int(max(a, b))) for a, b in rng.integers(0, n, (int(rng.integers(0, 60)), 2))})
    edges = [(i, j) for i, j in edges if i < j]
    i, j = (np.asarray([edge[k] for edge in edges], np.int32) for k in (0, 1))
    parent = np.arange(n, dtype=np.int32)
    joined, root = np.empty(len(i), np.bool_), np.empty_like(parent)
    kernels.join(parent, i, j, joined)
    assert [edge for edge, keep in zip(edges, joined.tolist(), strict=True) if keep] == oracles.kruskal(n, edges)
    expected = {row: chain[0] for chain in oracles.chains(n, edges) for row in chain}
    kernels.roots(parent, root)
    assert root.tolist() == [expected[row] for row in range(n)]


def test_join_of_no_edges_keeps_every_row_alone():
    parent = np.arange(3, dtype=np.int32)
    none = np.empty(0, np.int32)
    kernels.join(parent, none, none, np.empty(0, np.bool_))
    root = np.empty_like(parent)
    kernels.roots(parent, root)
    assert root.tolist() == [0, 1, 2]


# --------------------------------------------------------------------------------------------------------- hashes


def random_words(rng: np.random.Generator, n: int, bits: int) -> np.ndarray[Any, Any]:
    """Packed bit strings, (n, w) uint64, many of them near-duplicates of earlier ones; unused bits are 0."""
    rows = rng.integers(0, 2, (n, bits))
    for k in range(1, n):
        if rng.random() < 0.6:
            rows[k] = rows[rng.integers(k)]
            rows[k, rng.integers(0, bits, int(rng.integers(0, 6)))] ^= 1
    padded = np.zeros((n, -(-bits // 64) * 64), np.uint8)
    padded[:, :bits] = rows
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64)


def differing(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> int:
    return sum(bin(int(x) ^ int(y)).count("1") for x, y in zip(a, b, strict=True))


def within_radius(words: np.ndarray[Any, Any], most: int) -> Values:
    return {pair: d for pair, d in all_pairs(words, differing).items() if d <= most}


@thorough
@given(st.integers(1, 16), st.integers(1, 150), seeds, cuts())
@example(n=1, bits=64, seed=0, parts={"rows": [], "columns": [], "room": 1})
def test_hamming_pairs_are_all_pairs_within_the_radius(n, bits, seed, parts):
    rng = np.random.default_rng(seed)
    words = random_words(rng, n, bits)
    most = int(rng.integers(0, bits + 1))
    kernel = hamming_kernel(words, bits, most, lambda d: d)
    assert kernel.run is kernels.hamming_pairs  # so few are cheapest all compared
    assert run_in_parts(kernel, n, parts) == within_radius(words, most)


def test_hamming_pairs_beyond_one_chunk_of_columns():
    rng = np.random.default_rng(5)
    words = rng.integers(0, 2**63, (4100, 1)).astype(np.uint64)
    words[4099] = words[7] ^ np.uint64(3)
    words[2050] = words[7] ^ np.uint64(1)
    with patch.object(imagehash, "_BRUTE_NS", 1e-9):
        kernel = hamming_kernel(words, 64, 3, lambda d: d)
    assert kernel.run is kernels.hamming_pairs
    expected = {(7, 2050): 1, (7, 4099): 2, (2050, 4099): 1}
    for room in (1, 1 << 20):
        assert run_in_parts(kernel, 4100, {"rows": [0.001, 0.5], "columns": [0.3], "room": room}) == expected


@thorough
@given(st.integers(1, 24), st.integers(1, 100), st.integers(1, 12), seeds, cuts())
def test_bucket_pairs_are_hamming_pairs_for_any_number_of_blocks(n, bits, blocks, seed, parts):
    rng = np.random.default_rng(seed)
    blocks = min(max(blocks, -(-bits // 12)), bits)
    words = random_words(rng, n, bits)
    most = int(rng.integers(0, min(bits, 3 * blocks) + 1))
    split = imagehash._split(bits, blocks, most)
    kernel = imagehash._bucket_kernel(words, split, most, 1.0, lambda d: d)
    assert run_in_parts(kernel, n, parts) == within_radius(words, most)


@pytest.mark.parametrize("bits", [1, 9, 16, 64, 70])
def test_bucket_pairs_are_hamming_pairs_for_every_radius(bits):
    rng = np.random.default_rng(bits)
    n = 40
    words = random_words(rng, n, bits)
    whole = {"rows": [], "columns": [], "room": n * n}
    for most in range(min(bits, 20) + 1):
        expected = within_radius(words, most)
        brute = hamming_kernel(words, bits, most, lambda d: d)
        assert brute.run is kernels.hamming_pairs
        assert run_in_parts(brute, n, whole) == expected
        for blocks in {max(1, -(-bits // 16)), min(bits, 7), min(bits, 12)}:
            buckets = imagehash._bucket_kernel(words, imagehash._split(bits, blocks, most), most, 1.0, lambda d: d)
            assert run_in_parts(buckets, n, whole) == expected


def test_many_hashes_of_few_differing_bits_are_searched_through_buckets():
    words = np.random.default_rng(1).integers(0, 2**63, (200_000, 1)).astype(np.uint64)
    assert hamming_kernel(words, 64, 4, lambda d: d).run is kernels.bucket_pairs


def test_buckets_hold_all_hashes_when_all_are_equal():
    words = np.full((30, 2), 0x123456789ABCDEF, np.uint64)
    kernel = imagehash._bucket_kernel(words, imagehash._split(100, 8, 4), 4, 1.0, lambda d: d)
    found = run_in_parts(kernel, 30, {"rows": [0.4], "columns": [0.2], "room": 1})
    assert found == {(i, j): 0 for j in range(30) for i in range(j)}


@thorough
@given(st.integers(1, 12), st.integers(2, 200), thresholds, seeds, cuts())
def test_equal_pairs_are_all_pairs_with_more_equal_places_than_the_threshold(n, places, threshold, seed, parts):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 3, (n, places)).astype(np.uint32)
    for k in range(1, n):
        if rng.random() < 0.5:
            values[k] = values[rng.integers(k)]
            values[k, rng.integers(0, places, int(rng.integers(0, places)))] = 9
    every = all_pairs(values, lambda a, b: sum(x == y for x, y in zip(a.tolist(), b.tolist(), strict=True)) / places)
    if every and seed % 2:
        threshold = list(every.values())[seed % len(every)]  # exactly as similar is not more similar
    kernel = kernel_of(MinHash(permutations=places), features_of(list(values), np.uint32), threshold)
    found = {} if kernel is None else run_in_parts(kernel, n, parts)
    assert found == {pair: value for pair, value in every.items() if value > threshold}


# ----------------------------------------------------------------------------------------------------------- SSIM


@thorough
@given(st.integers(1, 6), st.integers(7, 26), st.integers(7, 26), thresholds, seeds, cuts())
@example(n=1, height=7, width=7, threshold=0.5, seed=0, parts={"rows": [], "columns": [], "room": 1})
@example(n=2, height=7, width=7, threshold=0.0, seed=3, parts={"rows": [0.5], "columns": [0.5], "room": 1})
def test_ssim_pairs_are_all_pairs_above_the_threshold_by_scikit_image(n, height, width, threshold, seed, parts):
    images = some_images(np.random.default_rng(seed), n, (height, width))
    before = images.copy()
    every = all_pairs(images, oracles.ssim)
    threshold = near_some(threshold, every, seed)
    kernel = kernel_of(Ssim(), features_of(list(images), np.uint8), threshold)
    found = {} if kernel is None else run_in_parts(kernel, n, parts)
    assert_agree(found, every, threshold, 1e-6)
    assert np.array_equal(images, before)


@pytest.mark.parametrize("shape", [(128, 128), (7, 128), (131, 7), (64, 97)])
@pytest.mark.parametrize("seed", [0, 1])
def test_ssim_bounds_leave_out_no_pair_of_larger_images(shape, seed):
    images = some_images(np.random.default_rng(seed), 12, shape)
    every = all_pairs(images, oracles.ssim)
    features = features_of(list(images), np.uint8)
    levels = sorted({round(value, 3) for value in every.values() if 0 < value < 1})
    for threshold in [0.0, *levels[:: max(1, len(levels) // 12)], 0.9, 0.99]:
        kernel = kernel_of(Ssim(), features, threshold)
        assert kernel is not None
        found = run_in_parts(kernel, 12, {"rows": [], "columns": [], "room": 200})
        assert_agree(found, every, threshold, 1e-6)


def test_ssim_of_equal_images_is_one_and_not_more():
    rng = np.random.default_rng(2)
    for image in [*some_images(rng, 12, (40, 33)), np.full((40, 33), 255, np.uint8)]:
        features = features_of([image, image], np.uint8)
        kernel = kernel_of(Ssim(), features, 0.5)
        assert kernel is not None
        parts = {"rows": [], "columns": [], "room": 2}
        assert run_in_parts(kernel, 2, parts) == {(0, 1): pytest.approx(1, abs=1e-6)}
        certain = kernel_of(Ssim(), features, 1.0)
        assert certain is None or run_in_parts(certain, 2, parts) == {}


# ---------------------------------------------------------------------------------------------- template matching


def sqdiff(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    """1 - TM_SQDIFF_NORMED of images of one size, in whole numbers up to the division."""
    x, y = a.ravel().tolist(), b.ravel().tolist()
    difference = sum((p - q) ** 2 for p, q in zip(x, y, strict=True))
    scale = (sum(p * p for p in x) * sum(q * q for q in y)) ** 0.5
    return 1 - difference / scale if difference < scale else 0.0


def best_place(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    if a.shape[0] > b.shape[0] or a.shape[1] > b.shape[1]:
        a, b = b, a
    if a.shape[0] > b.shape[0] or a.shape[1] > b.shape[1]:
        return 0.0
    height, width = a.shape[:2]
    tops, lefts = range(b.shape[0] - height + 1), range(b.shape[1] - width + 1)
    return max(sqdiff(a, b[top : top + height, left : left + width]) for top in tops for left in lefts)


@thorough
@given(st.integers(1, 6), st.integers(1, 20), st.integers(1, 20), thresholds, seeds, cuts())
@example(n=2, height=1, width=1, threshold=0.0, seed=0, parts={"rows": [], "columns": [], "room": 1})
def test_sqdiff_pairs_are_all_pairs_above_the_threshold(n, height, width, threshold, seed, parts):
    images = some_images(np.random.default_rng(seed), n, (height, width, 3))
    before = images.copy()
    every = all_pairs(images, sqdiff)
    threshold = near_some(threshold, every, seed)
    kernel = kernel_of(TemplateMatching(), features_of(list(images), np.uint8), threshold)
    found = {} if kernel is None else run_in_parts(kernel, n, parts)
    assert_agree(found, every, threshold, 1e-9)
    assert np.array_equal(images, before)


@pytest.mark.parametrize("shape", [(128, 128, 3), (9, 200, 3), (61, 47, 3)])
def test_sqdiff_bounds_leave_out_no_pair_of_larger_images(shape):
    images = some_images(np.random.default_rng(4), 12, shape)
    every = all_pairs(images, oracles.template_matching)
    features = features_of(list(images), np.uint8)
    for threshold in (0.0, 0.2, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999):
        kernel = kernel_of(TemplateMatching(), features, threshold)
        assert kernel is not None
        assert_agree(run_in_parts(kernel, 12, {"rows": [0.5], "columns": [], "room": 99}), every, threshold, 1e-6)


@thorough
@given(st.integers(2, 5), thresholds, seeds, cuts())
def test_template_pairs_look_for_the_smaller_image_at_every_place_of_the_larger(n, threshold, seed, parts):
    rng = np.random.default_rng(seed)
    images = [some_images(rng, 1, (*rng.integers(1, 7, 2).tolist(), 3))[0] for _ in range(n)]
    if rng.random() < 0.5:  # one that is a part of another
        whole = images[0]
        images[-1] = np.ascontiguousarray(whole[rng.integers(whole.shape[0]) :, rng.integers(whole.shape[1]) :])
    if len({image.shape for image in images}) == 1:
        images[1] = np.ascontiguousarray(np.pad(images[1], ((0, 1), (0, 0), (0, 0))))
    before = [image.copy() for image in images]
    every = all_pairs(images, best_place)
    threshold = near_some(threshold, every, seed)
    kernel = kernel_of(TemplateMatching(scale=1.0), features_of(images, np.uint8), threshold)
    assert kernel is not None
    assert_agree(run_in_parts(kernel, n, parts), every, threshold, 1e-9)
    assert all(np.array_equal(image, old) for image, old in zip(images, before, strict=True))


# ------------------------------------------------------------------------------------------------------------ ORB


def matched(good: int) -> Callable[[Any, Any], float]:
    def share(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
        if len(a) == 0 or len(b) == 0:
            return 0.0
        distances = np.unpackbits(a[:, None] ^ b[None], axis=2).sum(axis=2)
        good_ones = np.count_nonzero(distances.min(axis=0) <= good) + np.count_nonzero(distances.min(axis=1) <= good)
        return float(good_ones / (len(a) + len(b)))

    return share


@thorough
@given(st.integers(2, 6), st.sampled_from([3, 70, 140]), st.integers(0, 256), thresholds, seeds, cuts())
@example(n=2, most=3, good=32, threshold=0.0, seed=0, parts={"rows": [], "columns": [], "room": 1})
def test_match_pairs_count_descriptors_with_a_good_match_in_the_other_image(n, most, good, threshold, seed, parts):
    rng = np.random.default_rng(seed)
    pool = rng.integers(0, 256, (20, 32)).astype(np.uint8)
    sets = []
    for _ in range(n):
        descriptors = pool[rng.integers(0, len(pool), int(rng.integers(0, most + 1)))]
        flips = (rng.random((*descriptors.shape, 8)) < rng.choice([0.0, 0.02, 0.1])).astype(np.uint8)
        sets.append(descriptors ^ np.packbits(flips, axis=2)[..., 0])
    every = all_pairs(sets, matched(good))
    if every and seed % 2:
        threshold = list(every.values())[seed % len(every)]  # exactly as similar is not more similar
    kernel = kernel_of(Orb(good_bits=good), features_of(sets, np.uint8), threshold)
    found = {} if kernel is None else run_in_parts(kernel, n, parts)
    assert_agree(found, every, threshold, 1e-12)
    assert found.keys() == {pair for pair, value in every.items() if value > threshold}


# -------------------------------------------------------------------------------------------------- what all share


def kernels_of_all_methods() -> dict[str, tuple[Kernel, int]]:
    rng = np.random.default_rng(11)
    n = 20
    images = some_images(rng, n, (9, 11))
    colour = some_images(rng, n, (6, 5, 3))
    ragged = [np.ascontiguousarray(image[: 3 + k % 3]) for k, image in enumerate(colour)]
    words = random_words(rng, n, 64)
    descriptors = [rng.integers(0, 256, (4, 32)).astype(np.uint8)] * n
    found = {
        "hamming": imagehash._brute_force_kernel(words, 44, lambda d: d),
        "bucket": imagehash._bucket_kernel(words, imagehash._split(64, 8, 20), 20, 1.0, lambda d: d),
        "equal": kernel_of(MinHash(permutations=2), features_of(list(words.view(np.uint32)), np.uint32), 0.0),
        "ssim": kernel_of(Ssim(), features_of(list(images), np.uint8), 0.0),
        "sqdiff": kernel_of(TemplateMatching(), features_of(list(colour), np.uint8), 0.0),
        "template": kernel_of(TemplateMatching(scale=1.0), features_of(ragged, np.uint8), 0.0),
        "match": kernel_of(Orb(), features_of(descriptors, np.uint8), 0.0),
    }
    return {name: (kernel, n) for name, kernel in found.items() if kernel is not None}


@pytest.mark.parametrize("name", ["hamming", "bucket", "equal", "ssim", "sqdiff", "template", "match"])
def test_pairs_with_equal_labels_are_left_out_and_no_others(name):
    kernel, n = kernels_of_all_methods()[name]
    whole = {"rows": [], "columns": [], "room": 4 * n * n}
    labels = (np.arange(n) % 3).astype(np.int32)
    found = run_in_parts(kernel, n, whole)
    assert found
    left = {pair: value for pair, value in found.items() if labels[pair[0]] != labels[pair[1]]}
    assert 0 < len(left) < len(found)
    assert run_in_parts(kernel, n, whole, labels) == left


@pytest.mark.parametrize("name", ["hamming", "bucket", "equal", "ssim", "sqdiff", "template", "match"])
def test_any_cut_of_rows_and_columns_gives_the_same_values_to_the_last_bit(name):
    kernel, n = kernels_of_all_methods()[name]
    whole = run_in_parts(kernel, n, {"rows": [], "columns": [], "room": 4 * n * n})
    seed = 21
    rng = np.random.default_rng(seed)
    for room in (1, n, 5 * n):
        parts = {"rows": rng.random(4).tolist(), "columns": rng.random(4).tolist(), "room": room}
        assert run_in_parts(kernel, n, parts) == whole
