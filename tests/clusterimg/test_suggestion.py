"""The threshold that is found: what it must be on features whose truth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

import labelimg
from labelimg.clusterimg.features import Features, features_of
from labelimg.clusterimg.methods import NAMES, make_method
from labelimg.clusterimg.methods.base import Method
from labelimg.clusterimg.nearest import nearest
from labelimg.clusterimg.pairs import components
from labelimg.clusterimg.suggestion import Suggestion, sample_for, suggest
from labelimg.clusterimg.threshold import Similarities
from labelimg.errors import UsageError
from pictures import photograph, save

HASH = make_method("imagehash")


def suggest_for(features: Features, method: Method, threads: int = 1) -> Suggestion:
    """As a run finds it."""
    return suggest(sample_for(features, method, threads=threads), method)


def hashes(count: int, groups: int = 0, size: int = 2, flips: int = 12, seed: int = 0) -> tuple[Features, np.ndarray]:
    """Random hashes of 144 bits, and `groups` groups of `size` that differ from their first in up to `flips` bits."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (count, 144)).astype(np.uint8)
    more, truth = [bits], [np.arange(count)]
    for group in range(groups):
        twins = np.repeat(bits[group][None], size - 1, axis=0)
        for twin in twins:
            twin[rng.choice(144, rng.integers(0, flips + 1), replace=False)] ^= 1
        more.append(twins)
        truth.append(np.full(size - 1, group))
    return of_bits(np.concatenate(more)), np.concatenate(truth)


def of_bits(bits: np.ndarray) -> Features:
    filled = np.zeros((len(bits), 192), np.uint8)
    filled[:, :144] = bits
    return features_of(list(np.packbits(filled, axis=1, bitorder="little").view(np.uint64)), np.uint64)


def of_noise(name: str, count: int) -> Features:
    method = make_method(name)
    rng = np.random.default_rng(0)
    width, height = method.shrink.target(96, 64)
    shape = (height, width, 3) if method.shrink.colour else (height, width)
    return features_of(
        [method.feature(rng.integers(0, 256, shape).astype(np.uint8)) for _ in range(count)], method.dtype
    )


def false_and_missed(features: Features, truth: np.ndarray, threshold: float) -> tuple[int, int]:
    labels = components(len(features), HASH.similar_pairs(features, threshold))
    upper = np.triu_indices(len(features), 1)
    together, should = (each[upper[0]] == each[upper[1]] for each in (labels, truth))
    return int((together & ~should).sum()), int((should & ~together).sum())


def test_few_images_get_the_methods_own():
    for count in (0, 1, 2):
        found = suggest_for(hashes(count)[0], HASH)
        assert found.threshold == HASH.default_threshold
        assert "too few" in found.reason


def test_the_methods_own_stays_where_it_lies_in_the_gap():
    for count in (10, 15, 40):
        found = suggest_for(hashes(count)[0], HASH)
        assert found.threshold == HASH.default_threshold
        assert "reach" in found.reason


@pytest.mark.parametrize("seed", range(3))
def test_two_groups_that_resemble_each_other_count_once_by_chance(seed):
    # The centres of two groups of 8 agree in 92 of 144 bits: 64 pairs near 0.64, which are one chance resemblance.
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2, (16, 144)).astype(np.uint8)
    centres[1] = centres[0]
    centres[1, :52] ^= 1
    bits, truth = [], []
    for group, centre in enumerate(centres):
        for _ in range(8 if group < 2 else 5 if group < 10 else 1):
            bits.append(centre.copy())
            bits[-1][rng.choice(144, 2, replace=False)] ^= 1
            truth.append(group)
    features = of_bits(np.array(bits, np.uint8))
    found = suggest_for(features, HASH)
    assert found.threshold == HASH.default_threshold
    assert false_and_missed(features, np.array(truth), found.threshold) == (0, 0)


def test_a_chain_without_a_gap_gets_the_methods_own():
    # Each image is four random bits from the one before: nothing separates like from unlike.
    rng = np.random.default_rng(2)
    bits = np.zeros((60, 144), np.uint8)
    for k in range(1, 60):
        bits[k] = bits[k - 1]
        bits[k, rng.choice(144, 4, replace=False)] ^= 1
    found = suggest_for(of_bits(bits), HASH)
    assert found.threshold == HASH.default_threshold


@pytest.mark.parametrize("name", ["ssim", "tm", "orb"])
def test_listed_pairs_are_those_and_have_the_similarities_of_the_search(name):
    method = make_method(name)
    features = of_noise(name, 30)
    every = method.similar_pairs(features, -2.0)
    square = np.full((30, 30), np.nan)
    square[every.i, every.j] = every.similarity
    i, j = np.array([0, 0, 3, 3, 3, 28]), np.array([1, 29, 4, 9, 20, 29])
    for threads in (1, 3):
        got = method.listed_pairs(features, i, j, threads=threads)
        assert (got.i.tolist(), got.j.tolist()) == (i.tolist(), j.tolist())
        assert got.similarity.tolist() == square[i, j].tolist()


@pytest.mark.parametrize("name", ["ssim", "tm", "orb"])
def test_the_nearest_of_each_image_are_twins_and_each_is_compared(name):
    # 30 pictures of noise, each twice: the twin of every one is among those that it is compared with.
    method = make_method(name)
    features = of_noise(name, 30)
    twice = features.take(np.r_[np.arange(30), np.arange(30)], memory=1 << 30)
    found = nearest(twice, method, np.arange(60), memory=1 << 30, threads=2)
    assert found is not None
    known = dict(
        zip(zip(found.pairs.i.tolist(), found.pairs.j.tolist(), strict=True), found.pairs.similarity, strict=True)
    )
    assert [known[k, k + 30] for k in range(30)] == [pytest.approx(1)] * 30
    assert (np.bincount(np.r_[found.pairs.i, found.pairs.j], minlength=60) >= 8).all()


def test_methods_that_cannot_guess_compare_all_pairs():
    features, _ = hashes(40)
    assert nearest(features, HASH, np.arange(40), memory=1 << 30, threads=1) is None
    assert sample_for(features, HASH).nearest is None
    few = of_noise("tm", 5)
    assert nearest(few, make_method("tm"), np.arange(5), memory=1 << 30, threads=1) is None


def test_images_of_several_sizes_are_not_guessed():
    for name in ("ssim", "tm"):
        method = make_method(name, scale=1.0)
        shapes = [(70, 80, 3), (80, 70, 3)] * 6 if name == "tm" else [(70, 80), (80, 70)] * 6
        features = features_of([np.full(shape, 99, np.uint8) for shape in shapes], np.uint8)
        assert nearest(features, method, np.arange(12), memory=1 << 30, threads=1) is None


def test_of_a_sample_all_join_by_those_that_are_most_alike(monkeypatch):
    # Groups of 3 among 60: of 20 images few twins are left, of all every one is known.
    method = make_method("tm")
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 256, (128, 128, 3)).astype(np.uint8) for _ in range(20)]
    features = features_of([np.roll(picture, k, axis=2) // (k + 1) for picture in pictures for k in range(3)], np.uint8)
    monkeypatch.setattr(type(method), "looked_at", 20)
    sample = sample_for(features, method)
    assert len(sample) == 20
    assert sample.nearest is not None
    assert sample.nearest.rows.tolist() == list(range(60))
    assert set(sample.rows.tolist()) <= set(range(60))
    assert suggest(sample, method).threshold > 0


@pytest.mark.parametrize("seed", range(5))
def test_no_duplicates_at_all_give_no_pair(seed):
    features, _ = hashes(500, seed=seed)
    assert len(HASH.similar_pairs(features, suggest_for(features, HASH).threshold)) == 0


@pytest.mark.parametrize(("count", "groups", "size"), [(500, 5, 2), (300, 60, 3), (60, 6, 20), (20, 20, 8)])
def test_few_and_many_duplicates_are_found_and_nothing_else(count, groups, size):
    features, truth = hashes(count, groups, size)
    assert false_and_missed(features, truth, suggest_for(features, HASH).threshold) == (0, 0)


def test_the_more_images_the_higher_what_chance_reaches():
    features, _ = hashes(400, 20, 3)
    upper = np.triu_indices(len(features), 1)
    pairs = HASH.similar_pairs(features, -2)
    assert len(pairs) == len(upper[0])
    found = [
        suggest(Similarities(np.arange(len(features)), count, pairs.similarity), HASH).threshold
        for count in (440, 10_000, 1_000_000)
    ]
    assert found[0] < found[1] < found[2] < 0.9


def test_all_identical_images_are_one_cluster():
    features = of_bits(np.ones((50, 144), np.uint8))
    found = suggest_for(features, HASH)
    assert found.threshold == HASH.default_threshold
    assert len(HASH.similar_pairs(features, found.threshold)) == 50 * 49 / 2


def test_versions_of_one_image_stay_one_cluster():
    features, truth = hashes(1, 1, 40, flips=20)
    assert false_and_missed(features, truth, suggest_for(features, HASH).threshold) == (0, 0)


def test_groups_that_chains_would_glue_are_kept_apart():
    # Ten groups whose centres agree in 65% of the bits, as the method's own threshold nearly joins them: with 60 images
    # each, some of two groups come above it by chance.
    rng = np.random.default_rng(4)
    base = rng.integers(0, 2, 144).astype(np.uint8)
    bits, truth = [], []
    for group in range(10):
        centre = base ^ (rng.random(144) < 0.2)
        for _ in range(60):
            bits.append(centre ^ (rng.random(144) < 0.03))
            truth.append(group)
    features = of_bits(np.array(bits, np.uint8))
    at_default = false_and_missed(features, np.array(truth), HASH.default_threshold)
    assert at_default[0] > 1000
    assert false_and_missed(features, np.array(truth), suggest_for(features, HASH).threshold) == (0, 0)


def test_threads_and_the_order_of_images_change_nothing():
    features, _ = hashes(300, 40, 4)
    found = suggest_for(features, HASH)
    assert suggest_for(features, HASH, threads=3) == found
    shuffled = features.take(np.random.default_rng(1).permutation(len(features)), memory=1 << 30)
    assert suggest_for(shuffled, HASH) == found


@pytest.mark.parametrize("name", NAMES)
def test_every_method_has_a_threshold_for_noise(name):
    method = make_method(name)
    found = suggest_for(of_noise(name, 24), method)
    assert 0 < found.threshold < 1
    assert found.reason
    assert found.sample == 24


# ------------------------------------------------------------------------------------------------------ in a run


@pytest.fixture
def many(tmp_path):
    """Twenty images: five photographs in four versions each."""
    for name in ("coffee", "astronaut", "chelsea", "rocket", "moon"):
        image = photograph(name)
        for quality in (30, 60, 80, 95):
            save(tmp_path / f"in/{name}_{quality}.jpg", image, quality=quality)
    return tmp_path / "in"


def test_a_run_uses_the_threshold_and_says_why(many, tmp_path):
    found = labelimg.suggest_threshold(many)
    result = labelimg.cluster(many, out=tmp_path / "out")
    assert [len(cluster) for cluster in result.clusters] == [4] * 5
    assert (result.settings.threshold, result.settings.threshold_reason) == (found.threshold, found.reason)
    written = json.loads((tmp_path / "out/run.json").read_text())["settings"]
    assert (written["threshold"], written["threshold_reason"]) == (found.threshold, found.reason)
    again = labelimg.cluster(many, out=tmp_path / "out")
    assert again.earlier
    assert again.settings == result.settings


def test_a_given_threshold_has_no_reason(many):
    settings = labelimg.cluster(many, threshold=0.8).settings
    assert (settings.threshold, settings.threshold_reason) == (0.8, "")


def test_batches_share_one_threshold(many):
    whole, parts = labelimg.cluster(many), labelimg.cluster(many, batch_size=5)
    assert whole.settings.threshold == parts.settings.threshold
    assert whole.clusters == parts.clusters


def test_a_suggestion_leaves_out_what_cannot_be_read(many):
    (many / "broken.jpg").write_bytes(b"no image")
    found = labelimg.suggest_threshold(many)
    assert found.sample == 20


def test_a_suggestion_needs_images(tmp_path):
    with pytest.raises(UsageError, match="no images in"):
        labelimg.suggest_threshold(tmp_path)
