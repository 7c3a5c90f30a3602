"""Methods against direct calls of their libraries, and what every label map promises."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import segmentation
from skimage.measure import label

import labelimg
from labelimg.decoding import one_opencv_thread
from labelimg.errors import UsageError
from labelimg.segmentatimg.methods import DEFAULT, NAMES, make_method, method_class
from labelimg.segmentatimg.methods.base import fields_of
from pictures import photograph

PLAIN = {"min_size": 0, "join": 0.0}  # what the library gives and nothing else


def lab_of(image: Any) -> Any:
    return cv2.cvtColor(image, cv2.COLOR_RGB2Lab)


def parts(labels: Any) -> Any:
    """Connected segments in raster order, by scikit-image."""
    return label(np.asarray(labels), connectivity=1, background=0)


def holds_contract(labels: Any, shape: tuple[int, int], *, edges: bool) -> None:
    assert labels.dtype == np.int32
    assert labels.shape == shape
    assert labels.min() >= (0 if edges else 1)
    np.testing.assert_array_equal(labels, parts(labels))


# ------------------------------------------------------------------------------------------------ against libraries


@pytest.mark.parametrize("colour", ["lab", "rgb"])
def test_graph_is_opencvs_graph_segmentation(colour):
    image = photograph("coffee")
    made = cv2.ximgproc.segmentation.createGraphSegmentation(0.7, 60, 15)
    expected = made.processImage(lab_of(image) if colour == "lab" else image)
    found = make_method("graph", sigma=0.7, k=60, colour=colour, min_size=15, join=0.0)
    np.testing.assert_array_equal(found.raw(image), expected + 1)
    plain = make_method("graph", sigma=0.7, k=60, colour=colour, **PLAIN).segment(image)
    made = cv2.ximgproc.segmentation.createGraphSegmentation(0.7, 60, 0)
    np.testing.assert_array_equal(plain, parts(made.processImage(lab_of(image) if colour == "lab" else image) + 1))


@pytest.mark.parametrize("algorithm", ["SLIC", "SLICO", "MSLIC"])
def test_superpixels_are_opencvs(algorithm):
    image = photograph("coffee")
    made = cv2.ximgproc.createSuperpixelSLIC(lab_of(image), getattr(cv2.ximgproc, algorithm), 12, 20.0)
    made.iterate(7)
    found = labelimg.segment(image, "superpixel", algorithm=algorithm, region_size=12, ruler=20, iterations=7, **PLAIN)
    np.testing.assert_array_equal(found, parts(made.getLabels() + 1))


def test_lsc_and_seeds_are_opencvs():
    image = photograph("coffee")
    with one_opencv_thread():
        made = cv2.ximgproc.createSuperpixelLSC(lab_of(image), 12, 0.1)
        made.iterate(5)
    found = labelimg.segment(image, "superpixel", algorithm="LSC", region_size=12, lsc_ratio=0.1, iterations=5, **PLAIN)
    np.testing.assert_array_equal(found, parts(made.getLabels() + 1))
    made = cv2.ximgproc.createSuperpixelSEEDS(160, 120, 3, 160 * 120 // 12**2, 3)
    made.iterate(lab_of(image), 5)
    found = labelimg.segment(image, "superpixel", algorithm="SEEDS", region_size=12, iterations=5, **PLAIN)
    np.testing.assert_array_equal(found, parts(made.getLabels() + 1))


def kmeans_of(rows: Any, clusters: int, seed: int) -> Any:
    cv2.setRNGSeed(seed)
    return cv2.kmeans(rows.astype(np.float32), clusters, None, (3, 6, 1e-4), 1, cv2.KMEANS_PP_CENTERS)[1].ravel()


@pytest.mark.parametrize("importance", [0.0, 0.6, 1.0])
def test_kmeans_is_opencvs_on_weighed_colour_and_place(importance):
    image = photograph("coffee")
    place = np.array([(x, y) for y, x in np.ndindex(120, 160)], np.float32)
    colours = lab_of(image).reshape(-1, 3).astype(np.float32)
    scaled = np.hstack([colours * np.float32(importance / 255), place * np.float32((1 - importance) / 160)])
    expected = kmeans_of(scaled, 5, 3)
    found = labelimg.segment(image, "kmeans", clusters=5, color_importance=importance, iterations=6, seed=3, **PLAIN)
    np.testing.assert_array_equal(found, parts(expected.reshape(120, 160) + 1))


def test_slickmeans_is_kmeans_on_the_means_of_superpixels():
    image = photograph("coffee")
    made = cv2.ximgproc.createSuperpixelSLIC(lab_of(image), cv2.ximgproc.SLIC, 10, 20.0)
    made.iterate(6)
    pieces = made.getLabels()
    rows = []
    for k in range(pieces.max() + 1):  # the plain way: one look at the whole image for each
        y, x = np.nonzero(pieces == k)
        colour = lab_of(image)[y, x].astype(np.int64).sum(axis=0) / len(y)
        place = np.array([x.sum() / len(x), y.sum() / len(y)])
        rows.append(np.hstack([colour, place]).astype(np.float32))
    weighed = np.array(rows)
    weighed[:, :3] *= 0.6 / 255
    weighed[:, 3:] *= (1 - 0.6) / 160
    expected = kmeans_of(weighed, 9, 4)[pieces]
    found = labelimg.segment(
        image, "slickmeans", clusters=9, region_size=10, ruler=20, color_importance=0.6, iterations=6, seed=4, **PLAIN
    )
    np.testing.assert_array_equal(found, parts(expected + 1))


def test_felzenszwalb_and_quickshift_are_scikit_images():
    image = photograph("chelsea")
    expected = segmentation.felzenszwalb(image, scale=80, sigma=0.4, min_size=0)
    found = labelimg.segment(image, "felzenszwalb", scale=80, sigma=0.4, **PLAIN)
    np.testing.assert_array_equal(found, parts(expected + 1))
    expected = segmentation.quickshift(image, ratio=0.7, kernel_size=2, max_dist=7, rng=5)
    found = labelimg.segment(image, "quickshift", ratio=0.7, kernel_size=2, max_dist=7, seed=5, **PLAIN)
    np.testing.assert_array_equal(found, parts(expected + 1))


def test_chanvase_with_two_levels_is_scikit_images_inside_and_outside():
    image = photograph("coins")
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) / 255
    inside, level_set, _ = segmentation.chan_vese(grey, mu=0.2, max_num_iter=12, extended_output=True)
    found = make_method("chanvase", levels=2, mu=0.2, iterations=12, **PLAIN)
    np.testing.assert_array_equal(found.raw(image) == 2, level_set >= 0)
    np.testing.assert_array_equal(found.raw(image) == 2, inside)
    np.testing.assert_array_equal(found.segment(image), parts(inside.astype(int) + 1))
    finer = make_method("chanvase", levels=4, mu=0.2, iterations=12, **PLAIN).raw(image)
    np.testing.assert_array_equal(finer > 2, inside)
    assert set(np.unique(finer)) == {1, 2, 3, 4}


def test_edge_is_opencvs_operations():
    image = photograph("coffee")
    smooth = cv2.fastNlMeansDenoisingColored(cv2.bilateralFilter(image, 7, 25.0, 3), None, 2.0, 2.0, 5, 15)
    strong = np.zeros((120, 160), bool)
    for c in range(3):
        channel = np.ascontiguousarray(smooth[..., c])
        across, down = (cv2.Sobel(channel, cv2.CV_32F, *way, ksize=3) / 4 for way in ((1, 0), (0, 1)))
        strong |= np.sqrt(across**2 + down**2) > 12.5
    closed = cv2.morphologyEx(strong.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    options: dict[str, Any] = {"threshold": 12.5, "smoothing": 25, "denoising": 2, "closing": 3, **PLAIN}
    found = labelimg.segment(image, "edge", lines="full", **options)
    np.testing.assert_array_equal(found, parts(1 - closed.astype(int)))
    thin = labelimg.segment(image, "edge", lines="thin", **options)
    assert 0 < (thin == 0).sum() < (found == 0).sum()
    for k in range(1, found.max() + 1):  # no line goes through what lay between the edges, but along its border
        assert len(np.unique(thin[found == k])) <= 2


# ----------------------------------------------------------------------------------------------------- every method


@pytest.mark.parametrize("name", NAMES)
def test_segments_are_connected_numbered_in_raster_order_and_cover_the_image(name):
    image = photograph("astronaut")
    before = image.copy()
    found = labelimg.segment(image, name)
    holds_contract(found, (120, 160), edges=name == "edge")
    assert found.max() > 3
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(labelimg.segment(image, name), found)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (1, 120), (33, 2), (19, 23)])
def test_tiny_and_odd_sizes_are_segmented(name, shape):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    holds_contract(labelimg.segment(image, name), shape, edges=name == "edge")
    one = np.full((*shape, 3), 90, np.uint8)
    np.testing.assert_array_equal(labelimg.segment(one, name), np.ones(shape))


@pytest.mark.parametrize("algorithm", ["SLIC", "SLICO", "MSLIC", "LSC", "SEEDS"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 9), (9, 8), (17, 40), (64, 9)])
def test_every_kind_of_superpixels_takes_small_images(algorithm, shape):
    image = np.random.default_rng(2).integers(0, 256, (*shape, 3), np.uint8)
    for region_size in (3, 16, 100):
        found = labelimg.segment(image, "superpixel", algorithm=algorithm, region_size=region_size)
        holds_contract(found, shape, edges=False)


@pytest.mark.parametrize("name", NAMES)
def test_the_segments_do_not_depend_on_the_number_of_threads(name):
    image = photograph("coffee")
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        expected = labelimg.segment(image, name)
        cv2.setNumThreads(4)
        np.testing.assert_array_equal(labelimg.segment(image, name), expected)
    finally:
        cv2.setNumThreads(threads)


def test_lsc_gives_the_same_superpixels_each_time():
    image = cv2.resize(photograph("coffee"), (480, 360))
    found = [labelimg.segment(image, "superpixel", algorithm="LSC", join=0.0) for _ in range(4)]
    for each in found[1:]:
        np.testing.assert_array_equal(each, found[0])


def test_grey_alpha_deep_and_float_images_are_their_eight_bit_rgb():
    grey = photograph("camera")[..., 0]
    rgb = np.repeat(grey[..., None], 3, axis=2)
    expected = labelimg.segment(rgb)
    alpha = np.dstack([rgb, np.full(grey.shape, 255, np.uint8)])
    for image in (grey, grey[..., None], alpha, grey.astype(np.uint16) * 257, grey / 255, (rgb / 255).astype("f4")):
        before = image.copy()
        np.testing.assert_array_equal(labelimg.segment(image), expected)
        np.testing.assert_array_equal(image, before)
    clear = np.dstack([rgb, np.zeros(grey.shape, np.uint8)])
    np.testing.assert_array_equal(labelimg.segment(clear), np.ones(grey.shape))
    assert labelimg.segment(grey > 128).max() > 1
    assert labelimg.segment(np.zeros((0, 5, 3), np.uint8)).shape == (0, 5)


def test_views_that_are_not_contiguous_are_segmented_alike():
    image = photograph("coffee")
    turned = np.ascontiguousarray(image[::-1, ::2])
    np.testing.assert_array_equal(labelimg.segment(image[::-1, ::2]), labelimg.segment(turned))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((4, 4, 3), np.int64),
        np.full((4, 4), 1.5),
        np.full((4, 4), np.nan),
    ],
)
def test_what_is_no_image_is_refused(image):
    with pytest.raises(UsageError, match="image_rgb"):
        labelimg.segment(image)


@given(st.integers(0, 2**32 - 1), st.integers(1, 24), st.integers(1, 24), st.sampled_from(NAMES), st.integers(2, 255))
@settings(max_examples=60, deadline=None)
def test_label_maps_of_random_images_keep_the_contract(seed, height, width, name, most):
    image = np.random.default_rng(seed).integers(0, most, (height, width, 3), np.uint8)
    holds_contract(labelimg.segment(image, name), (height, width), edges=name == "edge")


# -------------------------------------------------------------------------------------------------- reduced copies


@pytest.mark.parametrize("name", NAMES)
def test_a_large_image_is_segmented_on_a_copy_and_refined(name):
    small = photograph("coffee", 128, 96)
    large = cv2.resize(small, (515, 389), interpolation=cv2.INTER_CUBIC)
    method = make_method(name, work_size=128)
    found = method.segment(large)
    holds_contract(found, (389, 515), edges=name == "edge")
    copy = method.work_copy(large)
    assert copy.shape == (97, 128, 3)
    few = method.cut(copy).max()
    assert found.max() == few if name != "edge" else few * 0.7 <= found.max() <= few * 1.3


def test_refined_boundaries_lie_where_the_colours_change():
    large = np.zeros((400, 600, 3), np.uint8)
    yy, xx = np.mgrid[:400, :600]
    disc = (yy - 203) ** 2 + (xx - 311) ** 2 < 137**2
    large[disc] = (200, 80, 40)
    found = labelimg.segment(large, work_size=100, min_size=200, join=0.0)
    assert found.max() == 2
    np.testing.assert_array_equal(found == 2, disc)  # every one of 240,000 pixels, from a copy of 100 x 67


def test_an_image_no_larger_than_the_work_size_is_not_reduced():
    image = photograph("coffee")
    np.testing.assert_array_equal(labelimg.segment(image, work_size=160), labelimg.segment(image, work_size=20_000))


# ------------------------------------------------------------------------------------------------------- parameters


def test_the_methods_are_those_of_the_documentation():
    assert NAMES == ("edge", "superpixel", "kmeans", "slickmeans", "chanvase", "felzenszwalb", "quickshift", "graph")
    assert DEFAULT == "graph"
    assert [method_class(name).name for name in NAMES] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_frozen_checked_and_can_go_to_another_process(name):
    method = make_method(name)
    assert pickle.loads(pickle.dumps(method)) == method
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.min_size = 3  # type: ignore[misc]
    fields = {field.name: field for field in fields_of(method_class(name))}
    assert {"join", "min_size", "work_size"} <= fields.keys()
    for field in fields.values():
        assert field.help
        field.check(field.default)
        if field.choices:
            assert field.default in field.choices
            wrong: list[Any] = ["nonsense", 1]
        else:
            assert field.low <= field.default <= field.high
            assert field.step > 0
            assert type(field.default) is field.kind
            make_method(name, **{field.name: field.kind(field.low)})
            make_method(name, **{field.name: field.kind(field.high)})
            wrong = [field.low - 1, field.high + 1, "1", None, float("nan"), True]
        for value in wrong:
            with pytest.raises(UsageError, match=rf"^{field.name} must be"):
                make_method(name, **{field.name: value})


def test_a_parameter_of_one_name_means_the_same_in_every_method():
    meaning: dict[str, tuple[str, type]] = {}
    for name in NAMES:
        for field in fields_of(method_class(name)):
            assert meaning.setdefault(field.name, (field.help, field.kind)) == (field.help, field.kind)


def test_unknown_names_are_refused():
    with pytest.raises(UsageError, match=r"method must be one of edge, .*, graph, got 'sift'"):
        labelimg.segment(photograph("coffee"), "sift")
    with pytest.raises(UsageError, match="levels is no parameter of method graph; it has k, sigma"):
        labelimg.segment(photograph("coffee"), levels=3)


def test_seeds_change_where_chance_begins():
    image = photograph("coffee")
    first, second = (labelimg.segment(image, "kmeans", clusters=7, seed=seed, **PLAIN) for seed in (1, 2))
    assert (first.shape == second.shape) and not np.array_equal(first, second)
