"""Views, pyramids and scenes: what is shown of a picture, against slow and obvious ways."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelimg.segmentatimg.palette import DEFAULT_COLOURS, Palette
from labelimg.segmentatimg.pyramid import EdgePyramid, PaintPyramid, half, halved, image_levels
from labelimg.segmentatimg.regions import boundaries
from labelimg.segmentatimg.scene import PaintScene, PictureScene, SegmentsScene
from labelimg.segmentatimg.view import View

COLOURS = ((204, 0, 0), (0, 200, 40))


def obviously_halved(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, [(0, height % 2), (0, width % 2)] + [(0, 0)] * (pixels.ndim - 2), mode="edge").astype(float)
    return (padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]) / 4


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([(), (3,), (4,)]), st.integers(0, 99))
def test_halving_takes_the_mean_of_four(height: int, width: int, more: tuple[int, ...], seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, *more), dtype=np.uint8)
    before = pixels.copy()
    result = halved(pixels)
    assert result.shape[:2] == (half(height), half(width))
    assert np.abs(result - obviously_halved(pixels)).max() <= 1
    assert (pixels == before).all()


@given(st.integers(0, 999), st.integers(513, 1400), st.integers(1, 700))
def test_a_part_of_the_paint_that_changes_gives_what_the_whole_would(seed: int, width: int, height: int) -> None:
    rng = np.random.default_rng(seed)
    paint = np.zeros((height, width), np.uint8)
    palette = np.zeros((256, 4), np.uint8)
    palette[1:3, :3], palette[1:3, 3] = COLOURS, 255
    parts = PaintPyramid(width, height)
    for _ in range(3):
        left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
        right, bottom = int(rng.integers(left, width)) + 1, int(rng.integers(top, height)) + 1
        paint[top:bottom, left:right] = rng.integers(0, 3)
        parts.update(paint, palette, (left, top, right, bottom))
    whole = PaintPyramid(width, height)
    whole.update(paint, palette, (0, 0, width, height))
    for k in range(1, len(image_levels(np.zeros((height, width, 3), np.uint8)))):
        one, other = parts.level(k), whole.level(k)
        assert (one is None or not one.any()) if other is None else (one is not None and (one == other).all())


def test_a_part_of_the_boundaries_that_changes_gives_what_the_whole_would() -> None:
    rng = np.random.default_rng(5)
    edges = (rng.random((701, 901)) < 0.1).astype(np.uint8) * np.uint8(255)
    pyramid = EdgePyramid(edges.copy())
    edges[100:151, 333:401] = 0
    pyramid.update(edges[100:151, 333:401], (333, 100, 401, 151))
    for one, other in zip(pyramid.levels, EdgePyramid(edges).levels, strict=True):
        assert (one == other).all()


def test_a_scene_lays_paint_over_the_image_by_its_opacity() -> None:
    image = np.full((600, 700, 3), (100, 150, 200), np.uint8)
    paint = np.zeros((600, 700), np.uint8)
    paint[:300] = 1
    scene = PictureScene(image)
    scene.paint_alpha = 0.5
    scene.set_paint(paint, COLOURS)
    for level in range(scene.levels):
        out = np.empty((half(600) if level else 600, half(700) if level else 700, 4), np.uint8)
        scene.compose(level, 0, 0, out)
        assert np.abs(out[5, 5].astype(int) - (100, 75, 152, 255)).max() <= 1  # blue, green, red
        assert np.abs(out[-5, 5].astype(int) - (200, 150, 100, 255)).max() <= 1
    assert (image == (100, 150, 200)).all()


@pytest.mark.parametrize("level", [0, 60, 110, 139, 140, 190, 255])
@pytest.mark.parametrize("colour", [None, (255, 255, 0), (0, 0, 60), (204, 0, 0)])
def test_boundaries_stand_out_from_any_grey_and_any_paint(level: int, colour: tuple[int, int, int] | None) -> None:
    image = np.full((40, 40, 3), level, np.uint8)
    labels = np.ones((40, 40), np.int32)
    labels[:, 20:] = 2
    scene = PictureScene(image)
    scene.edge_alpha = 0.5
    scene.set_segments(labels, EdgePyramid(boundaries(labels).astype(np.uint8) * np.uint8(255)))
    scene.set_paint(np.full((40, 40), 0 if colour is None else 1, np.uint8), () if colour is None else (colour,))
    out = np.empty((40, 40, 4), np.uint8)
    scene.compose(0, 0, 0, out)
    grey = out[..., :3].astype(float) @ (0.114, 0.587, 0.299)
    assert abs(grey[20, 19] - grey[20, 10]) >= 45
    close = np.empty((160, 160, 4), np.uint8)
    scene.compose_close(View(4.0, 0, 0), 0, 0, close)
    grey = close[..., :3].astype(float) @ (0.114, 0.587, 0.299)
    assert np.abs(grey[80] - grey[80, 40]).max() >= 45


def test_close_by_every_image_pixel_is_a_square() -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    out = np.empty((40, 56, 4), np.uint8)
    PictureScene(image).compose_close(View(8.0, 0, 0), 0, 0, out)
    assert (out[..., 2::-1] == image.repeat(8, axis=0).repeat(8, axis=1)).all()


def test_segments_and_paint_alone_show_each_number_in_one_colour() -> None:
    labels = np.array([[0, 1], [2, 1]], np.int32)
    out = np.empty((2, 2, 4), np.uint8)
    SegmentsScene(labels).compose(0, 0, 0, out)
    assert (out[0, 0, :3] == 0).all() and (out[0, 1] == out[1, 1]).all() and (out[1, 0] != out[0, 1]).any()
    PaintScene(labels.astype(np.uint8), COLOURS).compose(0, 0, 0, out)
    assert out[..., 2::-1].tolist() == [[[0, 0, 0], [204, 0, 0]], [[0, 200, 40], [204, 0, 0]]]


@given(
    st.floats(0.02, 60),
    st.floats(-500, 500),
    st.floats(-500, 500),
    st.floats(0, 800),
    st.floats(0, 600),
    st.floats(0.5, 2),
)
def test_zooming_keeps_the_point_under_the_pointer_or_the_picture_in_sight(
    scale: float, left: float, top: float, x: float, y: float, factor: float
) -> None:
    image, window = (1000, 700), (800, 600)
    view = View(scale, left, top).bounded(image, window)
    zoomed = view.zoomed(factor, (x, y), image, window)
    corner, end = zoomed.to_window((0, 0)), zoomed.to_window(image)
    assert corner[0] <= window[0] and corner[1] <= window[1] and end[0] >= 0 and end[1] >= 0
    free = View(zoomed.scale, view.to_image((x, y))[0] - x / zoomed.scale, view.to_image((x, y))[1] - y / zoomed.scale)
    if free.bounded(image, window) == free:
        assert np.allclose(zoomed.to_image((x, y)), view.to_image((x, y)))


def test_a_level_is_drawn_at_a_scale_above_a_half() -> None:
    for scale in (1.0, 0.9, 0.5, 0.49, 0.25, 0.1):
        level = View(scale, 0, 0).level(9)
        assert 0.5 < scale * 2**level <= 1 or level == 0


def test_a_palette_offers_the_folders_classes_first_and_forgets_no_name() -> None:
    palette = Palette({(1, 2, 3): "sky"})
    assert palette.colours == ((1, 2, 3), *DEFAULT_COLOURS) and palette.current == (1, 2, 3)
    assert palette.add((9, 9, 9)) == 10 and palette.add((9, 9, 9)) == 10
    assert palette.rename((9, 9, 9), "  a  b ") and palette.name((9, 9, 9)) == "a b"
    assert not palette.rename((9, 9, 9), "a b") and palette.rename((9, 9, 9), " ")
    assert palette.names == {(1, 2, 3): "sky"}
    assert not palette.select(99) and palette.select(10) and palette.current == (9, 9, 9)
