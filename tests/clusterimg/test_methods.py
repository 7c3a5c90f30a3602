"""Every method equals its reference library, pair by pair; its parameters are checked."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np
import pytest

import oracles
from labelimg.clusterimg.features import Features, FeatureStore, features_of
from labelimg.clusterimg.methods import DEFAULT, NAMES, make_method, method_class
from labelimg.clusterimg.methods.base import Method, least_count
from labelimg.clusterimg.methods.imagehash import ImageHash
from labelimg.clusterimg.methods.minhash import MinHash
from labelimg.clusterimg.methods.orb import Orb
from labelimg.clusterimg.methods.ssim import Ssim
from labelimg.clusterimg.methods.template_matching import TemplateMatching
from labelimg.decoding import resize
from labelimg.errors import UsageError
from pictures import brighter, grey, photographs, shifted, softer

BLACK = np.zeros((48, 64, 3), np.uint8)
WHITE = np.full((48, 64, 3), 255, np.uint8)
TOLERANCE = {"imagehash": 0.0, "minhash": 0.0, "orb": 0.0, "ssim": 1e-6, "tm": 1e-6}


def one_corner() -> np.ndarray[Any, Any]:
    """Black, but for its lower right quarter."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[24:, 32:] = 255
    return image


def pictures() -> list[np.ndarray[Any, Any]]:
    """Photographs, changed copies of them, and what methods may stumble over."""
    found = []
    for photograph in photographs()[:5]:
        found += [photograph, brighter(photograph), softer(photograph), shifted(photograph)]
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    gradient = np.repeat(np.linspace(0, 255, 160).astype(np.uint8)[None, :, None], 120, axis=0).repeat(3, axis=2)
    return [*found, noise, gradient, BLACK, BLACK, WHITE, one_corner(), np.full((48, 64, 3), 77, np.uint8), found[0]]


def shrunk(method: Method, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    height, width = pixels.shape[:2]
    wanted = pixels if method.shrink.colour else grey(pixels)
    return np.ascontiguousarray(resize(wanted, method.shrink.target(width, height)))


def features(method: Method, images: list[np.ndarray[Any, Any]]) -> Features:
    return features_of([method.feature(image) for image in images], method.dtype)


def found(method: Method, images: list[np.ndarray[Any, Any]], threshold: float, **options: Any) -> dict[Any, float]:
    pairs = method.similar_pairs(features(method, images), threshold, **options)
    assert pairs.i.dtype == pairs.j.dtype == np.int32
    assert pairs.similarity.dtype == np.float64
    listed = list(zip(pairs.i.tolist(), pairs.j.tolist(), strict=True))
    assert listed == sorted(set(listed))
    assert all(i < j for i, j in listed)
    return dict(zip(listed, pairs.similarity.tolist(), strict=True))


def reference(method: Method, images: list[np.ndarray[Any, Any]]) -> dict[tuple[int, int], float]:
    """The similarity of every pair of shrunk images by the reference library's own calls."""
    match method:
        case Ssim():
            things, similarity = list(images), oracles.ssim
        case TemplateMatching():
            things, similarity = list(images), oracles.template_matching
        case ImageHash():
            things = [oracles.phash_bits(image, method.hash_size, method.frequency_factor) for image in images]
            similarity = oracles.equal_bits
        case Orb():
            orb = cv2.ORB.create(nfeatures=method.orb_features)
            kept = [orb.detectAndCompute(image, None)[1] for image in images]
            things = [np.empty((0, 32), np.uint8) if each is None else each for each in kept]
            similarity = oracles.orb(method.good_bits)
        case MinHash():
            things = [oracles.minhash(corner_cells(method, image), method.permutations) for image in images]
            similarity = lambda a, b: a.jaccard(b)  # noqa: E731
    return {(i, j): similarity(things[i], things[j]) for j in range(len(things)) for i in range(j)}


def corner_cells(method: MinHash, image: np.ndarray[Any, Any]) -> set[int]:
    """The cells of the strongest local maxima of cornerHarris, by looking at each pixel's neighbours."""
    height, width = image.shape
    response = cv2.cornerHarris(image, 2, 3, 0.04)
    padded = np.pad(response, 1, constant_values=-np.inf)
    highest = np.max([padded[r : r + height, c : c + width] for r in range(3) for c in range(3)], axis=0)
    peaks = [(-float(response[y, x]), int(y), int(x)) for y, x in np.argwhere((response == highest) & (response > 0))]
    strongest = sorted(peaks)[: method.corners]
    return {(y * method.grid // height) * method.grid + x * method.grid // width for _, y, x in strongest}


METHODS = [
    Ssim(),
    Ssim(size=(40, 30)),
    Ssim(size=(7, 7)),
    TemplateMatching(),
    TemplateMatching(size=(31, 50)),
    TemplateMatching(size=(1, 1)),
    ImageHash(),
    ImageHash(hash_size=8),
    ImageHash(hash_size=5, frequency_factor=3),
    ImageHash(hash_size=2, frequency_factor=1),
    MinHash(),
    MinHash(corner_size=100, corners=30, grid=9, permutations=50),
    MinHash(corners=1, grid=2, permutations=2),
    Orb(),
    Orb(orb_size=120, orb_features=40, good_bits=60),
    Orb(good_bits=0),
    Orb(good_bits=256),
]


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_similarities_are_the_reference_librarys(method):
    images = [shrunk(method, picture) for picture in pictures()]
    every = reference(method, images)
    pairs = found(method, images, 0.0)
    within = TOLERANCE[method.name]
    assert pairs.keys() >= {pair for pair, value in every.items() if value > within}
    for pair, value in pairs.items():
        assert value == pytest.approx(every[pair], abs=max(within, 1e-12)), pair


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_pairs_above_a_threshold_are_those_of_all_pairs_that_are(method):
    images = [shrunk(method, picture) for picture in pictures()]
    every = found(method, images, 0.0)
    for threshold in (0.3, 0.5, 0.7, 0.9, 0.99, 1.0):
        assert found(method, images, threshold) == {pair: value for pair, value in every.items() if value > threshold}


@pytest.mark.parametrize("name", NAMES)
def test_threads_do_not_change_the_pairs(name):
    method = make_method(name)
    images = [shrunk(method, picture) for picture in pictures()] * 3
    one = found(method, images, 0.4, threads=1)
    assert found(method, images, 0.4, threads=2) == one
    assert found(method, images, 0.4, threads=8) == one


@pytest.mark.parametrize("name", NAMES)
def test_identical_images_have_similarity_one(name):
    method = make_method(name)
    for photograph in photographs():
        image = shrunk(method, photograph)
        assert found(method, [image, image.copy()], 0.9) == {(0, 1): pytest.approx(1, abs=1e-6)}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_more_similar_than_one(name):
    method = make_method(name)
    images = [shrunk(method, picture) for picture in pictures()]
    assert found(method, images, 1.0) == {}


@pytest.mark.parametrize("name", NAMES)
def test_similarity_is_symmetric(name):
    method = make_method(name)
    images = [shrunk(method, picture) for picture in pictures()]
    last = len(images) - 1
    turned = {(last - j, last - i): value for (i, j), value in found(method, images[::-1], 0.0).items()}
    forward = found(method, images, 0.0)
    assert turned.keys() == forward.keys()
    assert all(turned[pair] == pytest.approx(value, abs=1e-6) for pair, value in forward.items())


@pytest.mark.parametrize("name", NAMES)
def test_neither_features_nor_pairs_change_the_images(name):
    method = make_method(name)
    images = [shrunk(method, picture) for picture in pictures()]
    before = [image.copy() for image in images]
    kept = features(method, images)
    values = kept.values.copy()
    method.similar_pairs(kept, 0.5, threads=2)
    assert all(np.array_equal(image, old) for image, old in zip(images, before, strict=True))
    assert np.array_equal(kept.values, values)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_images_have_no_pairs(name, n):
    method = make_method(name)
    images = [shrunk(method, picture) for picture in pictures()[:n]]
    told: list[tuple[int, int]] = []
    pairs = method.similar_pairs(features(method, images), 0.5, progress=lambda *at: told.append(at))
    assert (len(pairs), pairs.complete) == (0, True)
    assert all(done == total for done, total in told)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (3, 3), (7, 7), (31, 31)])
def test_images_of_any_size_have_a_feature(name, shape):
    rng = np.random.default_rng(3)
    for picture in (np.full((*shape, 3), 9, np.uint8), rng.integers(0, 256, (*shape, 3)).astype(np.uint8)):
        for method in (make_method(name), make_method(name, scale=1.0)):
            image = shrunk(method, picture)
            feature = method.feature(image)
            assert feature.dtype == method.dtype
            assert len(found(method, [image, image], 0.0)) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_features_mapped_from_a_file_give_the_same_pairs(name):
    method = make_method(name)
    images = [shrunk(method, picture) for picture in pictures()]
    store = FeatureStore(method.dtype, memory=100)
    for image in images:
        store.add(method.feature(image))
    pairs = method.similar_pairs(store.features(), 0.4)
    expected = method.similar_pairs(features(method, images), 0.4)
    assert np.array_equal(pairs.i, expected.i)
    assert np.array_equal(pairs.j, expected.j)
    assert np.array_equal(pairs.similarity, expected.similarity)


@pytest.mark.parametrize("name", NAMES)
def test_warm_up_of_any_scale_passes(name):
    for parameters in ({}, {"scale": 0.5}, {"size": (20, 30)}):
        make_method(name, **parameters).warm_up(1 << 30)


# ------------------------------------------------------------------------------------------------------- imagehash


def unpacked(method: ImageHash, feature: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.unpackbits(feature.view(np.uint8), bitorder="little")[: method.bits].reshape(method.hash_size, -1)


def hash_subjects(side: int) -> list[np.ndarray[Any, Any]]:
    """Photographs, and images whose frequencies are equal or zero, so that rounding decides some bits."""
    y, x = np.mgrid[:side, :side]
    made = [
        np.zeros((side, side)),
        np.full((side, side), 128),
        np.full((side, side), 255),
        x * 255 // max(side - 1, 1),
        y * 255 // max(side - 1, 1),
        np.minimum(x, side - 1 - x) * 255 // side,  # symmetric left to right
        np.minimum(y, side - 1 - y) * 255 // side,
        np.minimum(np.minimum(x, side - 1 - x), np.minimum(y, side - 1 - y)) * 255 // side,
        (x + y) % 2 * 255,
        (x // 4 + y // 4) % 2 * 255,
        x % 2 * 255,
        (x == y) * 255,
        ((x == side // 2) & (y == side // 2)) * 255,
        (x < side // 2) * 255,
    ]
    photographed = [cv2.resize(grey(each), (side, side), interpolation=cv2.INTER_AREA) for each in photographs()]
    noise = list(np.random.default_rng(side).integers(0, 256, (10, side, side)))
    return [np.ascontiguousarray(image, np.uint8) for image in [*made, *photographed, *noise]]


@pytest.mark.parametrize("hash_size", range(2, 17))
def test_hashes_are_imagehashs_bit_for_bit(hash_size):
    for factor in (1, 3, 4, 8):
        method = ImageHash(hash_size=hash_size, frequency_factor=factor)
        for number, image in enumerate(hash_subjects(method.side)):
            expected = oracles.phash_bits(image, hash_size, factor)
            assert np.array_equal(unpacked(method, method.feature(image)), expected), (factor, number)


def test_hash_of_an_image_of_another_size_is_imagehashs():
    method = ImageHash(hash_size=8, scale=0.5)
    for photograph in photographs():
        image = shrunk(method, photograph)
        assert np.array_equal(unpacked(method, method.feature(image)), oracles.phash_bits(image, 8))


def test_bits_beyond_the_hash_are_zero():
    method = ImageHash(hash_size=9)
    feature = method.feature(np.full((36, 36), 200, np.uint8))
    assert feature.shape == (2,)
    assert int(feature[1]) >> (81 - 64) == 0


def test_blank_images_have_equal_hashes():
    method = ImageHash()
    blank = [np.full((method.side, method.side), value, np.uint8) for value in (1, 128, 255)]
    assert found(method, blank, 0.99) == {(0, 1): 1.0, (0, 2): 1.0, (1, 2): 1.0}


def test_half_the_bits_differing_is_half_similar():
    method = ImageHash(hash_size=8)
    words = features_of([np.asarray([0], np.uint64), np.asarray([0xFFFFFFFF], np.uint64)], np.uint64)
    assert method.similar_pairs(words, 0.49).similarity.tolist() == [0.5]
    assert len(method.similar_pairs(words, 0.5)) == 0


# --------------------------------------------------------------------------------------------------------- minhash


def test_corner_cells_of_a_square_are_those_of_its_corners():
    image = np.zeros((64, 64), np.uint8)
    image[20:44, 20:44] = 255
    cells = MinHash(grid=4).cells(image)
    assert cells.tolist() == [5, 6, 9, 10]  # the four cells around the middle of a 4 x 4 grid


def test_images_without_corners_are_alike_and_unlike_others():
    method = MinHash()
    assert MinHash().cells(grey(BLACK)).tolist() == []
    photograph = shrunk(method, photographs()[0])
    assert found(method, [grey(BLACK), grey(WHITE), photograph], 0.0) == {(0, 1): 1.0}


def test_images_of_one_corner_are_alike_where_it_lies_in_one_cell():
    method = MinHash(grid=4)
    one = grey(one_corner())
    cells = method.cells(one)
    assert len(cells) >= 1
    other = np.zeros_like(one)
    other[4:, 4:] = 255
    assert found(method, [one, one.copy()], 0.9) == {(0, 1): 1.0}
    assert set(method.cells(other).tolist()).isdisjoint(cells.tolist())
    assert found(method, [one, other], 0.0) == {}


def test_no_more_corners_than_asked_for_and_the_strongest_of_them():
    image = np.zeros((64, 64), np.uint8)
    image[8:24, 8:24] = 60
    image[40:56, 40:56] = 255
    assert MinHash(grid=2, corners=4).cells(image).tolist() == [3]


# ------------------------------------------------------------------------------------------------------------- orb


def test_orb_of_blank_images_has_no_descriptors_and_no_similarity():
    method = Orb()
    blank = np.full((100, 100), 90, np.uint8)
    assert method.feature(blank).shape == (0, 32)
    photograph = shrunk(method, photographs()[0])
    assert found(method, [blank, blank, photograph, photograph], 0.0) == {(2, 3): 1.0}


def test_orb_of_nothing_but_blank_images_finds_nothing():
    blank = np.full((100, 100), 90, np.uint8)
    assert found(Orb(), [blank] * 3, 0.0) == {}


# --------------------------------------------------------------------------------------------------------- ssim, tm


def test_ssim_with_scale_compares_images_of_one_size_only():
    method = Ssim(scale=0.5)
    first, second, third = (grey(each) for each in photographs()[:3])
    images = [first, first[:100], second, first[:100], first, first[:6], first[:6], third[:, :90]]
    images = [np.ascontiguousarray(image) for image in images]
    pairs = found(method, images, 0.1)
    expected = {(0, 4): 1.0, (1, 3): 1.0}
    for pair in ((0, 2), (2, 4)):
        value = oracles.ssim(images[pair[0]], images[pair[1]])
        if value > 0.1:
            expected[pair] = value
    assert pairs == {pair: pytest.approx(value, abs=1e-6) for pair, value in expected.items()}


def test_ssim_of_several_sizes_lists_no_more_than_a_forest_beyond_the_limit():
    images = [np.full((side, side), 100, np.uint8) for side in (10, 12, 14) for _ in range(3)]
    method = Ssim(scale=1.0)
    assert len(method.similar_pairs(features(method, images), 0.5)) == 9
    pairs = method.similar_pairs(features(method, images), 0.5, most=4)  # three pairs of each size, nine in all
    assert not pairs.complete
    assert list(zip(pairs.i.tolist(), pairs.j.tolist(), strict=True)) == [
        (0, 1),
        (0, 2),
        (3, 4),
        (3, 5),
        (6, 7),
        (6, 8),
    ]


def test_ssim_of_several_sizes_tells_of_its_progress():
    images = [np.full((side, side), 100, np.uint8) for side in (10, 12, 14) for _ in range(3)]
    method = Ssim(scale=1.0)
    told: list[tuple[int, int]] = []
    method.similar_pairs(features(method, images), 0.5, progress=lambda *at: told.append(at))
    assert told == sorted(told)
    assert told
    assert told[-1][0] == told[-1][1]


def test_ssim_of_blank_images_is_the_luminance_term():
    a, b = np.full((20, 20), 100, np.uint8), np.full((20, 20), 110, np.uint8)
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 110 + c1) / (100**2 + 110**2 + c1)
    assert found(Ssim(size=(20, 20)), [a, b], 0.5) == {(0, 1): pytest.approx(expected, abs=1e-6)}


def test_tm_with_scale_looks_for_the_smaller_image_in_the_larger():
    method = TemplateMatching(scale=0.5)
    photograph = photographs()[3][:40, :50].copy()
    part = np.ascontiguousarray(photograph[5:25, 10:40])
    for images in ([photograph, part], [part, photograph]):
        assert found(method, images, 0.9) == {(0, 1): 1.0}
    other = np.ascontiguousarray(photographs()[4][:30, :45])
    expected = oracles.template_matching(photograph, other)
    assert found(method, [other, photograph], 0.0) == {(0, 1): pytest.approx(expected, abs=1e-6)}


def test_tm_of_images_of_which_neither_fits_in_the_other_is_no_pair():
    wide, tall = np.full((10, 30, 3), 50, np.uint8), np.full((30, 10, 3), 50, np.uint8)
    assert found(TemplateMatching(scale=1.0), [wide, tall], 0.0) == {}


def test_tm_of_black_images_is_zero_as_opencv_has_it():
    grey_image = np.full((20, 20, 3), 50, np.uint8)
    black = np.zeros((20, 20, 3), np.uint8)
    assert oracles.template_matching(black, black) == 0
    assert found(TemplateMatching(size=(20, 20)), [black, black, grey_image], 0.0) == {}
    assert found(TemplateMatching(scale=1.0), [black, black[:9].copy(), grey_image], 0.0) == {}


# ------------------------------------------------------------------------------------------------------ parameters


def test_the_default_method_is_one_of_them():
    assert DEFAULT in NAMES
    assert [method_class(name).name for name in NAMES] == list(NAMES)


def own_parameters() -> list[tuple[str, str, int, int]]:
    return [
        (name, field.name, field.metadata["low"], field.metadata["high"])
        for name in NAMES
        for field in dataclasses.fields(method_class(name))
        if "low" in field.metadata
    ]


@pytest.mark.parametrize(("name", "parameter", "low", "high"), own_parameters())
def test_a_parameter_out_of_its_range_is_named_with_its_range(name, parameter, low, high):
    for value in (low - 1, high + 1, 2.5, "8", None, True):
        with pytest.raises(UsageError, match=rf"{parameter} must be .* {low} and {high}, got {value!r}"):
            make_method(name, **{parameter: value})
    assert getattr(make_method(name, **{parameter: low}), parameter) == low
    assert getattr(make_method(name, **{parameter: high}), parameter) == high


@pytest.mark.parametrize("size", [(0, 10), (10, 4097), (10,), (10, 20, 30), (-1, 5), (10.5, 12), ("10", "12"), 10])
def test_a_size_that_cannot_be_is_named(size):
    for name in NAMES:
        with pytest.raises(UsageError, match="size must be"):
            make_method(name, size=size)


@pytest.mark.parametrize("scale", [0, -0.5, 1.01, float("nan"), float("inf"), "half"])
def test_a_scale_that_cannot_be_is_named(scale):
    for name in NAMES:
        with pytest.raises(UsageError, match="scale must be"):
            make_method(name, scale=scale)


def test_size_and_scale_exclude_each_other():
    with pytest.raises(UsageError, match="size and scale"):
        make_method("ssim", size=(10, 10), scale=0.5)


def test_ssim_needs_room_for_its_window():
    with pytest.raises(UsageError, match="7x7 for ssim, got 6x20"):
        make_method("ssim", size=(6, 20))


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="imagehash, ssim, minhash, orb, tm, got 'sift'"):
        make_method("sift")


def test_a_parameter_of_another_method_is_refused_with_those_it_has():
    with pytest.raises(UsageError, match="corners is no parameter of method ssim; it has size, scale"):
        make_method("ssim", corners=5)


@pytest.mark.parametrize("total", [1, 3, 10, 128])
def test_least_count_is_the_smallest_whose_share_is_greater(total):
    for threshold in [-1.0, 0.0, 1.0, *(count / total for count in range(total)), 0.3, 0.999]:
        above = [count for count in range(total + 1) if count / total > threshold]
        assert least_count(threshold, total) == (above[0] if above else total + 1)


def test_hashes_with_too_many_pairs_are_listed_as_a_forest():
    hashes = features_of([np.zeros(1, np.uint64)] * 9, np.uint64)
    pairs = ImageHash(hash_size=8).similar_pairs(hashes, 0.5, most=10)
    assert not pairs.complete
    assert list(zip(pairs.i.tolist(), pairs.j.tolist(), strict=True)) == [(0, k) for k in range(1, 9)]
