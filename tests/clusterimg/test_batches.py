"""Batches hold every image once, none too many of them, and near-duplicates meet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelimg.clusterimg.batches import SIGNATURE_SIZE, available_memory, signature, split
from pictures import brighter, grey, photographs, softer

thorough = settings(deadline=None, derandomize=True, max_examples=100)


@st.composite
def signatures(draw: st.DrawFn) -> np.ndarray:
    n, width = draw(st.integers(0, 60)), draw(st.sampled_from([1, 3, 63]))
    kinds = draw(st.sampled_from([1, 2, 5, 256]))  # few kinds: many images are identical
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.integers(-128, -128 + kinds, (n, width)).astype(np.int8)


@thorough
@given(signatures(), st.integers(2, 70))
def test_batches_hold_every_image_once_and_at_most_so_many(rows, size):
    before = rows.copy()
    batches = split(rows, size)
    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(len(rows)))
    assert all(1 <= len(batch) <= size for batch in batches)
    assert all(batch.tolist() == sorted(batch.tolist()) for batch in batches)
    assert [int(batch[0]) for batch in batches] == sorted(int(batch[0]) for batch in batches)
    assert all(batch.dtype == np.int32 for batch in batches)
    assert np.array_equal(rows, before)


@thorough
@given(signatures(), st.integers(2, 70))
def test_the_same_signatures_give_the_same_batches(rows, size):
    assert [batch.tolist() for batch in split(rows, size)] == [batch.tolist() for batch in split(rows.copy(), size)]


def test_no_images_no_batch():
    assert split(np.empty((0, SIGNATURE_SIZE), np.int8), 5) == []


@pytest.mark.parametrize("n", [1, 5])
def test_what_fits_is_one_batch(n):
    assert [batch.tolist() for batch in split(np.zeros((n, 3), np.int8), 5)] == [list(range(n))]


def test_identical_images_are_cut_near_the_middle():
    batches = split(np.zeros((1000, SIGNATURE_SIZE), np.int8), 100)
    assert all(len(batch) >= 25 for batch in batches)


def test_the_cut_is_at_the_widest_gap():
    values = np.asarray([[0], [100], [2], [101], [1], [99]], np.int8)
    assert [batch.tolist() for batch in split(values, 4)] == [[0, 2, 4], [1, 3, 5]]


def test_a_quarter_of_the_images_is_on_either_side_of_a_cut():
    values = np.asarray([[-128], *([k] for k in range(11))], np.int8)  # widest after the first, but that is too few
    assert min(len(batch) for batch in split(values, 11)) >= 3


def test_values_far_apart_do_not_overflow():
    values = np.asarray([[-128], [127], [-127], [126]], np.int8)
    assert [batch.tolist() for batch in split(values, 2)] == [[0, 2], [1, 3]]


def test_copies_of_photographs_meet_in_one_batch():
    taken = [signature(version) for photo in photographs() for version in (photo, brighter(photo), softer(photo))]
    batches = split(np.stack(taken), 6)
    together = sum(any({3 * k, 3 * k + 1, 3 * k + 2} <= set(batch.tolist()) for batch in batches) for k in range(8))
    assert together >= 7


def test_signature_leaves_out_brightness_contrast_and_size():
    photo = np.clip(grey(photographs()[0]), 40, 200)
    first = signature(photo).astype(int)
    assert first.shape == (SIGNATURE_SIZE,)
    assert np.abs(signature(photo + np.uint8(30)).astype(int) - first).max() <= 1
    assert np.abs(signature((photo // 2).astype(np.uint8)).astype(int) - first).max() <= 3
    assert np.abs(signature(np.kron(photo, np.ones((2, 2), np.uint8))).astype(int) - first).max() <= 1
    assert np.sqrt((first**2).sum()) == pytest.approx(127, abs=3)


def test_signature_of_a_colour_image_is_that_of_its_grey_one():
    colour = photographs()[4]
    assert np.abs(signature(colour).astype(int) - signature(grey(colour)).astype(int)).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (20, 20, 3)])
def test_signature_of_one_grey_is_all_zeros(shape):
    for value in (0, 128, 255):
        assert not signature(np.full(shape, value, np.uint8)).any()


def test_signature_of_a_half_and_half_image_is_its_first_frequency():
    halves = np.zeros((32, 32), np.uint8)
    halves[:, 16:] = 255
    taken = signature(halves).astype(int)
    assert int(np.abs(taken).argmax()) == 0  # one cosine along the width, none along the height
    assert not taken[7:].any()  # nothing changes along the height


def test_signature_leaves_the_image_as_it_was():
    photo = photographs()[1].copy()
    before = photo.copy()
    signature(photo)
    assert np.array_equal(photo, before)


def test_some_memory_is_always_available():
    assert available_memory() >= 1 << 26
