"""GrabCut without windows: against OpenCV called directly, certain marks, reduced work, odd images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelimg
from labelimg import Mark, Prompts, Rect
from labelimg.segmentatimg.grabcut import GrabCut, segments_of
from labelimg.segmentatimg.prompts import UNMARKED, drawn_marks
from pictures import photograph

CERTAIN = ("foreground", "background")


def scene(height=90, width=120):
    """A bright ellipse on a dark ground, both uneven; the ellipse as a mask."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(4).integers(0, 30, (height, width, 3))
    ellipse = ((x - width * 0.5) / (width * 0.22)) ** 2 + ((y - height * 0.5) / (height * 0.25)) ** 2 <= 1
    image = np.where(ellipse[..., None], (200, 150, 60), (40, 70, 80)) + noise
    return image.astype(np.uint8), ellipse


BOX = Rect(30, 20, 90, 70)


def test_an_area_gives_to_the_pixel_what_opencv_gives_iteration_by_iteration():
    image = np.asarray(photograph("coffee"))[::2, ::2].copy()
    height, width = image.shape[:2]
    box = Rect(width // 6, height // 6, width * 5 // 6, height * 5 // 6)  # looked at with all of the image around
    mask = np.zeros((height, width), np.uint8)
    mask[box.slices] = cv2.GC_PR_FGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cut, prompts = GrabCut(image), Prompts((box,))
    for number in range(4):
        cv2.setRNGSeed(1)
        mode = cv2.GC_EVAL if number else cv2.GC_INIT_WITH_MASK
        cv2.grabCut(image[..., ::-1].copy(), mask, (0, 0, 1, 1), *models, 1, mode)
        cut.iterate(prompts)
        assert (cut.foreground(prompts) == (mask % 2 == 1)).all()
        assert (labelimg.grabcut(image, prompts, number + 1) == (mask % 2 == 1)).all()
    assert (mask % 2).any()


def test_the_object_in_the_area_is_found_and_the_image_is_not_changed():
    image, ellipse = scene()
    before = image.copy()
    found = labelimg.grabcut(image, Prompts((BOX,)), 5)
    assert found.dtype == bool and found.shape == image.shape[:2]
    assert (found == ellipse).mean() > 0.99
    assert (image == before).all()
    assert (labelimg.grabcut(image, Prompts((BOX,)), 5) == found).all()


def test_iterations_end_when_nothing_changes():
    image, _ = scene()
    cut, prompts = GrabCut(image), Prompts((BOX,))
    turned = [cut.iterate(prompts) for _ in range(20)]
    assert turned[0] > 0 and turned[-1] == 0
    settled = turned.index(0)
    assert (labelimg.grabcut(image, prompts, settled) == labelimg.grabcut(image, prompts, 1000)).all()


def test_several_areas_are_united_and_do_not_disturb_each_other():
    image, ellipse = scene()
    two = np.concatenate([image, 255 - image], axis=1)
    second = Rect(BOX.left + 120, BOX.top, BOX.right + 120, BOX.bottom)
    both = labelimg.grabcut(two, Prompts((BOX, second)))
    assert (both == (labelimg.grabcut(two, Prompts((BOX,))) | labelimg.grabcut(two, Prompts((second,))))).all()
    assert (both == np.concatenate([ellipse, ellipse], axis=1)).mean() > 0.98


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.builds(
            Mark,
            st.lists(st.tuples(st.integers(-10, 130), st.integers(-10, 100)), min_size=1, max_size=3).map(tuple),
            st.integers(0, 12),
            st.sampled_from(["background", "foreground", "probable background", "probable foreground"]),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([16, 50, 1000]),
)
def test_certain_marks_are_never_overturned(marks, work_size):
    """Not by iterations, at no work size, in and out of areas; where two cover each other the later one holds."""
    image, _ = scene()
    prompts = Prompts((BOX, *marks))
    drawn = drawn_marks(marks, (120, 90))
    covered = np.zeros(drawn.shape, bool)  # by a probable mark that came later: that one does not count as certain
    for mark in reversed(marks):
        where = drawn_marks([mark], (120, 90)) != UNMARKED
        if mark.kind in CERTAIN:
            wanted = where & ~covered
            for iterations in (1, 4):
                found = labelimg.grabcut(image, prompts, iterations, work_size=work_size)
                assert (found[wanted] == (mark.kind == "foreground")).all()
        covered |= where


def test_probable_marks_are_a_beginning_and_may_be_overturned():
    image, ellipse = scene()
    wrong = Mark(((40, 45), (80, 45)), 5, "probable background")  # right across the object
    found = labelimg.grabcut(image, Prompts((BOX, wrong)), 5)
    assert (found == ellipse).mean() > 0.99


def test_what_opencv_overlooks_a_certain_mark_puts_right():
    image, ellipse = scene()
    image[35:55, 55:65] = image[:20, :10]  # a hole like the ground
    hole = np.zeros(ellipse.shape, bool)
    hole[36:54, 56:64] = True
    assert not labelimg.grabcut(image, Prompts((BOX,)))[hole].any()
    filled = labelimg.grabcut(image, Prompts((BOX, Mark(((60, 40), (60, 50)), 4, "foreground"))))
    assert filled[36:54, 57:63].mean() > 0.8 and (filled | hole)[ellipse].mean() > 0.99


def test_a_mark_outside_of_any_area_works_and_marks_alone_do():
    image, ellipse = scene()
    inside, outside = Mark(((50, 45), (70, 45)), 4, "foreground"), Mark(((5, 5), (110, 5)), 3, "background")
    alone = labelimg.grabcut(image, Prompts((inside, outside)))
    assert (alone == ellipse).mean() > 0.98
    elsewhere = labelimg.grabcut(image, Prompts((Rect(2, 60, 20, 85), inside, outside)))
    assert elsewhere[ellipse].mean() > 0.98


def test_a_mark_that_leaves_its_area_widens_it():
    image, _ = scene()
    narrow = Rect(30, 20, 62, 70)
    right = Mark(((60, 45), (84, 45)), 6, "foreground")
    assert not labelimg.grabcut(image, Prompts((narrow,)))[:, 62:].any()
    wide = labelimg.grabcut(image, Prompts((narrow, right)))
    assert wide[40:50, 62:84].all()


def test_above_the_work_size_it_runs_reduced_and_the_boundary_is_refined_at_full_size(monkeypatch):
    image, ellipse = scene(450, 600)
    box = Rect(150, 100, 450, 350)
    seen = []
    plain = cv2.grabCut
    monkeypatch.setattr(cv2, "grabCut", lambda copy, *rest: (seen.append(copy.shape), plain(copy, *rest))[1])
    found = labelimg.grabcut(image, Prompts((box,)), 5, work_size=100)
    assert seen and max(max(shape[:2]) for shape in seen) <= 100
    seen.clear()
    whole = labelimg.grabcut(image, Prompts((box,)), 5, work_size=1000)
    assert max(seen[0][:2]) > 400
    # Five pixels of the image are one of the copy: its steps would leave a ragged boundary of some pixels' width.
    small = cv2.resize(image, (120, 90), interpolation=cv2.INTER_AREA)
    coarse = labelimg.grabcut(small, Prompts((Rect(30, 20, 90, 70),)), 5)
    steps = np.kron(coarse, np.ones((5, 5), bool))
    wrong = {
        name: int((each != ellipse).sum()) for name, each in (("refined", found), ("steps", steps), ("whole", whole))
    }
    assert wrong["refined"] < 0.4 * wrong["steps"]
    assert (found == whole).mean() > 0.997


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 3), (5, 4)])
@pytest.mark.parametrize("work_size", [16, 1000])
def test_tiny_images_give_a_mask_of_their_size(shape, work_size):
    image = np.random.default_rng(1).integers(0, 255, (*shape, 3), np.uint8)
    whole = Rect(0, 0, shape[1], shape[0])
    dot, blot = Mark(((0, 0),), 0, "foreground"), Mark(((0, 0),), 9, "background")
    for prompts in (Prompts((whole,)), Prompts((dot,)), Prompts((whole, blot))):
        assert labelimg.grabcut(image, prompts, 3, work_size=work_size).shape == shape


def test_an_empty_image_gives_an_empty_mask():
    assert labelimg.grabcut(np.zeros((0, 5, 3), np.uint8), Prompts((Rect(0, 0, 3, 3),))).shape == (0, 5)


def test_an_image_of_one_colour_is_divided_without_an_error():
    assert labelimg.grabcut(np.full((40, 50, 3), 90, np.uint8), Prompts((Rect(10, 10, 30, 30),)), 5).shape == (40, 50)


def test_grey_alpha_and_16_bit_images_are_cut_as_their_rgb():
    image, _ = scene()
    prompts = Prompts((BOX,))
    grey = image.mean(axis=2).astype(np.uint8)
    assert (labelimg.grabcut(grey, prompts) == labelimg.grabcut(np.dstack([grey] * 3), prompts)).all()
    rgb = labelimg.grabcut(image, prompts)
    opaque = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    assert (labelimg.grabcut(opaque, prompts) == rgb).all()
    assert (labelimg.grabcut(image.astype(np.uint16) * 257, prompts) == rgb).all()
    assert (labelimg.grabcut(image.astype(np.float32) / 255, prompts) == rgb).mean() > 0.999
    turned = np.asfortranarray(image)[:, ::-1][:, ::-1]
    assert (labelimg.grabcut(turned, prompts) == rgb).all()


@pytest.mark.parametrize(
    "prompts",
    [Prompts(), Prompts((Mark(((5, 5),), 3, "background"),)), Prompts((Rect(500, 500, 600, 600),)),
     Prompts((Mark(((5000, 5),), 3, "foreground"),))],
)  # fmt: skip
def test_prompts_in_which_nothing_can_be_foreground_say_what_is_missing(prompts):
    with pytest.raises(labelimg.UsageError, match="nothing is marked: draw an area"):
        labelimg.grabcut(scene()[0], prompts)


@pytest.mark.parametrize(("word", "value"), [("iterations", 0), ("iterations", 2.5), ("work_size", 8)])
def test_numbers_out_of_range_are_refused(word, value):
    with pytest.raises(labelimg.UsageError, match=word):
        labelimg.grabcut(scene()[0], Prompts((BOX,)), **{word: value})


def test_prompts_may_change_between_iterations_and_what_was_found_is_gone_on_from():
    image, ellipse = scene()
    cut, prompts = GrabCut(image), Prompts((BOX,))
    cut.iterate(prompts)
    off = Mark(((35, 45), (50, 45)), 6, "background")
    more = prompts.with_(off)
    cut.iterate(more)
    certain = drawn_marks([off], (120, 90)) != UNMARKED
    assert not cut.foreground(more)[certain].any() and cut.foreground(more)[ellipse & ~certain].mean() > 0.8
    for _ in range(5):
        cut.iterate(prompts)  # the mark is taken back
    assert (cut.foreground(prompts) == ellipse).mean() > 0.99


def test_foreground_and_background_become_connected_segments_and_none_is_left_out():
    found = np.array([[1, 1, 0, 1], [0, 0, 0, 1], [1, 0, 1, 0]], bool)
    labels = segments_of(found)
    assert labels.dtype == np.int32 and labels.min() == 1
    from skimage.measure import label

    expected = label(found.astype(int) + 1, background=0, connectivity=1)
    assert labels.max() == expected.max() == len(set(zip(labels.flat, expected.flat, strict=True)))
