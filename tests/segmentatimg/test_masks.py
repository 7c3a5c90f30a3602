"""Masks: their names, saving and loading, and what is done in a folder."""

from __future__ import annotations

import errno
import json
import os

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labelimg import files
from labelimg.errors import OutputError, UnreadableImageError, UsageError
from labelimg.segmentatimg.maskfolder import MaskFolder, default_out
from labelimg.segmentatimg.masks import (
    colour_of,
    encode_mask,
    image_and_colour,
    load_classes,
    load_masks,
    mask_name,
    save_classes,
    save_masks,
)
from labelimg.segmentatimg.painting import Painting
from pictures import photograph, save

RED, BLUE = (204, 0, 0), (0, 0, 255)
MASK = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)


def test_a_mask_is_named_after_its_image_and_its_colour():
    assert mask_name("jet1", RED) == "jet1_mask_(R:204,G:0,B:0).png"
    assert mask_name("jet1", RED, colons=False) == "jet1_mask_(R-204,G-0,B-0).png"
    for name in ("jet1", "x.jpg", "a_mask_(R:1,G:2,B:3).png", "ünï\ncode"):
        for colons in (True, False):
            assert image_and_colour(mask_name(name, BLUE, colons=colons)) == (name, BLUE)


@pytest.mark.parametrize(
    "name",
    ["jet1.png", "_mask_(R:1,G:2,B:3).png", "x_mask_(R:256,G:0,B:0).png", "x_mask_(R:1,G:2,B:3).jpg", "x_mask_().png"],
)
def test_other_names_are_no_masks(name):
    assert image_and_colour(name) is None


def test_a_colour_is_read_with_colons_or_hyphens_and_nothing_else_is():
    assert colour_of("(R:1,G:2,B:3)") == colour_of("R-1,G-2,B-3") == (1, 2, 3)
    assert colour_of("R:1,G:2") is None and colour_of("red") is None and colour_of("(R:1,G:2,B:999)") is None


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.randoms(use_true_random=False))
def test_a_written_mask_is_read_equal_by_opencv_and_pillow(height, width, random):
    mask = np.array([random.choice((0, 255)) for _ in range(height * width)], np.uint8).reshape(height, width)
    data = encode_mask(mask)
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert read.dtype == np.uint8 and read.ndim == 2
    np.testing.assert_array_equal(read, mask)
    np.testing.assert_array_equal(encode_mask(mask // 255), data)


def test_pillow_sees_one_channel_of_eight_bits(tmp_path):
    save_masks(tmp_path, "x", {RED: MASK})
    with Image.open(tmp_path / mask_name("x", RED)) as picture:
        assert (picture.mode, picture.size) == ("L", (3, 2))
        np.testing.assert_array_equal(np.asarray(picture), MASK)


def test_masks_of_grey_colour_and_one_bit_are_read(tmp_path):
    paths = {}
    for number, mode in enumerate(("L", "1", "RGB", "P")):
        paths[(number, 0, 0)] = tmp_path / f"{mode}.png"
        Image.fromarray(MASK).convert(mode).save(paths[(number, 0, 0)])
    Image.fromarray(MASK // 255).save(tmp_path / "ones.png")
    paths[(9, 0, 0)] = tmp_path / "ones.png"
    for mask in load_masks(paths, (3, 2)).values():
        np.testing.assert_array_equal(mask, MASK)


def test_a_mask_that_does_not_fit_or_cannot_be_read_is_named(tmp_path):
    save_masks(tmp_path, "x", {RED: MASK})
    path = tmp_path / mask_name("x", RED)
    with pytest.raises(UnreadableImageError, match="the mask is 3 x 2, the image 4 x 2"):
        load_masks({RED: path}, (4, 2))
    path.write_bytes(b"no picture")
    with pytest.raises(UnreadableImageError, match="x_mask"):
        load_masks({RED: path})


# ------------------------------------------------------------------------------------------------------------- folders


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    for name in ("a.png", "x.jpg", "x.png", "sub/a.png"):
        save(folder / name, photograph("coffee", 6, 4))
    return folder


def names_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_masks_lie_beside_the_images_and_keep_the_ending_where_names_would_collide(images):
    folder = MaskFolder(images)
    assert folder.out == images.with_name("images_segmented")
    mask = np.full((4, 6), 255, np.uint8)
    for path in folder.images:
        folder.save(path, {RED: mask})
    masks = ["a_mask_", "sub/a_mask_", "x.jpg_mask_", "x.png_mask_"]
    assert names_in(folder.out) == [f"{name}(R:204,G:0,B:0).png" for name in masks]
    again = MaskFolder(images)
    for path in again.images:
        assert again.state(path).colours == (RED,)
        np.testing.assert_array_equal(again.load(path, (6, 4))[RED], mask)


def test_an_image_named_like_another_with_its_ending_has_masks_of_its_own(tmp_path):
    for name in ("x.jpg", "x.png", "x.jpg.png"):
        save(tmp_path / "i" / name, photograph("coffee", 6, 4))
    folder = MaskFolder(tmp_path / "i")
    for number, path in enumerate(folder.images):
        folder.save(path, {(number, 0, 0): np.full((4, 6), 255, np.uint8)})
    again = MaskFolder(tmp_path / "i")
    assert [again.state(path).colours for path in again.images] == [((n, 0, 0),) for n in range(3)]


def test_saving_again_replaces_the_masks_and_removes_those_of_colours_no_longer_used(images):
    folder = MaskFolder(images)
    path = folder.images[0]
    full = np.full((4, 6), 255, np.uint8)
    folder.save(path, {RED: full, BLUE: full})
    folder.save(path, {BLUE: full // 255})
    assert names_in(folder.out) == ["a_mask_(R:0,G:0,B:255).png"]
    (folder.out / "a_mask_(R-7,G-7,B-7).png").write_bytes(encode_mask(full))
    (folder.out / "notes.txt").write_text("mine")
    MaskFolder(images).save(path, {RED: full})
    assert names_in(folder.out) == ["a_mask_(R:204,G:0,B:0).png", "notes.txt"]


def test_a_mask_with_the_ending_is_found_when_the_other_image_has_gone(images):
    folder = MaskFolder(images)
    path = next(path for path in folder.images if path.endswith("x.jpg"))
    folder.save(path, {RED: np.full((4, 6), 255, np.uint8)})
    (images / "x.png").unlink()
    again = MaskFolder(images)
    assert again.state(path).colours == (RED,)
    again.save(path, again.load(path))
    assert names_in(folder.out) == ["x_mask_(R:204,G:0,B:0).png"]
    save(images / "x.png", photograph("coffee", 6, 4))
    third = MaskFolder(images)
    assert not third.is_done(path) and [stray.name for stray in third.strays] == ["x_mask_(R:204,G:0,B:0).png"]


def test_an_image_saved_without_paint_is_done_and_can_be_painted_later(images):
    folder = MaskFolder(images)
    path = folder.images[0]
    assert not folder.is_done(path)
    folder.save(path, {})
    assert folder.is_done(path) and MaskFolder(images).state(path).saved
    folder.save(path, {RED: np.full((4, 6), 255, np.uint8)})
    folder.save(path, {})
    assert MaskFolder(images).state(path).colours == () and folder.is_done(path)


def test_loading_gives_back_the_same_painting(images):
    labels = np.array([[1, 1, 0, 2, 2, 3], [1, 1, 0, 2, 2, 3], [0, 0, 0, 0, 0, 3], [4, 4, 4, 4, 4, 3]])
    painting = Painting(np.asarray(photograph("coffee", 6, 4)), labels)
    painting.stroke([(0, 0), (4, 0)], RED)
    painting.fill(0, 3, BLUE)
    painting.cut((1, 3), (1, 3))
    folder = MaskFolder(images)
    folder.save(folder.images[0], painting.masks())
    again = Painting(painting.image, labels, masks=MaskFolder(images).load(folder.images[0], painting.size))
    wanted, found = painting.masks(), again.masks()
    assert wanted.keys() == found.keys()
    for colour, mask in wanted.items():
        np.testing.assert_array_equal(found[colour], mask)


def test_colons_that_a_file_system_refuses_become_hyphens(images, monkeypatch):
    def refuse(name, path):
        if name == "replace" and ":" in os.path.basename(path):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(files, "on_operation", refuse)
    folder = MaskFolder(images)
    folder.save(folder.images[0], {RED: np.full((4, 6), 255, np.uint8)})
    assert names_in(folder.out) == ["a_mask_(R-204,G-0,B-0).png"]
    monkeypatch.setattr(files, "on_operation", None)
    assert MaskFolder(images).load(folder.images[0])[RED].all()


@pytest.mark.parametrize("step", ["create", "write", "replace"])
def test_a_full_disk_leaves_the_masks_as_they_were(images, monkeypatch, step):
    folder = MaskFolder(images)
    path, full = folder.images[0], np.full((4, 6), 255, np.uint8)
    folder.save(path, {RED: full})
    before = {name: (folder.out / name).read_bytes() for name in names_in(folder.out)}

    def refuse(name, path):
        if name == step:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "on_operation", refuse)
    with pytest.raises(OutputError, match=r"cannot write .*no space left on the disk"):
        folder.save(path, {RED: full * 0, BLUE: full})
    assert {name: (folder.out / name).read_bytes() for name in names_in(folder.out)} == before, (
        "and nothing else is left"
    )


def test_masks_within_the_images_and_an_unlisted_place_are_refused(images):
    with pytest.raises(UsageError, match="must not lie within the images"):
        MaskFolder(images, images / "masks")
    with pytest.raises(UsageError, match="no such folder"):
        MaskFolder(images / "nothing")
    with pytest.raises(UsageError, match="name one with --out"):
        default_out("/")


def test_a_folder_without_images_has_nothing_done_and_nothing_left(tmp_path):
    folder = MaskFolder(tmp_path)
    assert folder.images == () and folder.strays == () and not folder.out.exists()


# ------------------------------------------------------------------------------------------------------------- classes


def test_classes_are_kept_by_colour(tmp_path):
    assert load_classes(tmp_path) == {}
    save_classes(tmp_path / "new", {RED: "plane", BLUE: "Himmel ü", (1, 2, 3): ""})
    assert json.loads((tmp_path / "new/classes.json").read_text("utf-8")) == {
        "(R:204,G:0,B:0)": "plane",
        "(R:0,G:0,B:255)": "Himmel ü",
    }
    assert load_classes(tmp_path / "new") == {RED: "plane", BLUE: "Himmel ü"}


@pytest.mark.parametrize("text", ["{", "[]", '{"red": "plane"}', '{"(R:1,G:2,B:3)": 5}', "\x00"])
def test_a_damaged_classes_file_is_named(tmp_path, text):
    (tmp_path / "classes.json").write_text(text)
    with pytest.raises(OutputError, match=r"classes\.json.*; mend it or move it away"):
        load_classes(tmp_path)
