"""Features of many images lie in one array, in memory or in a file, and come out as they went in."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labelimg.clusterimg.features import Features, FeatureStore, features_of


def each(features: Features) -> list[np.ndarray[Any, Any]]:
    return [
        features.values[features.offsets[k] : features.offsets[k + 1]].reshape(features.shapes[k])
        for k in range(len(features))
    ]


def stored(arrays: list[np.ndarray[Any, Any]], dtype: Any, memory: int) -> Features:
    store = FeatureStore(dtype, memory=memory)
    for array in arrays:
        store.add(array)
    return store.features()


def assert_same(features: Features, arrays: list[np.ndarray[Any, Any]]) -> None:
    assert len(features) == len(arrays)
    assert features.offsets.tolist() == [0, *np.cumsum([array.size for array in arrays]).tolist()]
    for kept, array in zip(each(features), arrays, strict=True):
        assert kept.shape == array.shape
        assert np.array_equal(kept, array)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), max_size=8),
    st.sampled_from([np.uint8, np.uint32, np.uint64]),
    st.integers(0, 2**32 - 1),
)
def test_features_come_out_as_they_went_in(shapes, dtype, seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(0, 256, shape).astype(dtype) for shape in shapes]
    features = features_of(arrays, dtype)
    assert features.values.dtype == dtype
    assert_same(features, arrays)
    assert features.same_shape == (len(set(shapes)) < 2)


def test_nothing_is_a_feature_array_of_no_images():
    features = features_of([], np.uint8)
    assert (len(features), features.values.size, features.offsets.tolist()) == (0, 0, [0])
    assert features.same_shape
    assert len(features.stacked()) == 0


def test_images_without_any_values_are_kept():
    arrays = [np.empty((0, 32), np.uint8), np.ones((2, 32), np.uint8), np.empty((0, 32), np.uint8)]
    features = features_of(arrays, np.uint8)
    assert features.shapes.tolist() == [[0, 32], [2, 32], [0, 32]]
    assert features.offsets.tolist() == [0, 0, 64, 64]


def test_only_views_of_other_memory_order_are_copied():
    turned = np.arange(6, dtype=np.uint8).reshape(2, 3).T
    assert_same(features_of([turned], np.uint8), [turned])


def test_taken_rows_come_in_the_order_asked_for():
    arrays = [np.full((k + 1, 2), k, np.uint8) for k in range(5)]
    features = features_of(arrays, np.uint8)
    rows = np.asarray([3, 0, 3], np.int32)
    assert_same(features.take(rows, memory=1000), [arrays[3], arrays[0], arrays[3]])
    assert_same(features.take(rows[:0], memory=1000), [])


def test_taking_all_rows_in_order_copies_nothing():
    features = features_of([np.ones(3, np.uint8)] * 4, np.uint8)
    assert features.take(np.arange(4, dtype=np.int32), memory=0) is features
