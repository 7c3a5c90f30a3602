"""What is pointed out: frozen values, the objects they stand for, their pixels, and their history."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelimg
from labelimg.segmentatimg.geometry import Rect
from labelimg.segmentatimg.prompts import (
    KINDS,
    UNMARKED,
    Click,
    History,
    Mark,
    ObjectPrompt,
    Prompts,
    drawn_marks,
    objects_of,
)


def test_annotations_and_prompts_cannot_be_changed_and_equal_ones_are_one_key():
    mark = Mark(((1, 2), (3, 4)), 3, "foreground")
    for value, name in (
        (mark, "radius"),
        (Click(1, 2), "x"),
        (Prompts((mark,)), "annotations"),
        (Rect(0, 0, 1, 1), "top"),
    ):
        with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
            setattr(value, name, 7)
    assert len({Prompts((mark,)), Prompts((Mark(((1, 2), (3, 4)), 3, "foreground"),))}) == 1
    more = Prompts((mark,)).with_(Click(5, 5))
    assert more.annotations == (mark, Click(5, 5)) and more.marks == (mark,) and more.clicks == (Click(5, 5),)
    assert not Prompts() and more


@pytest.mark.parametrize(
    ("points", "radius", "kind", "says"),
    [
        ((), 3, "foreground", "needs a point"),
        (((1, 1),), -1, "foreground", "at least 0"),
        (((1, 1),), 3, "sky", "kind"),
    ],
)
def test_a_mark_that_cannot_be_is_refused(points, radius, kind, says):
    with pytest.raises(labelimg.UsageError, match=says):
        Mark(points, radius, kind)


def test_the_kinds_have_the_numbers_of_opencv():
    import cv2

    names = ("background", "foreground", "probable background", "probable foreground")
    assert [KINDS.index(name) for name in names] == [cv2.GC_BGD, cv2.GC_FGD, cv2.GC_PR_BGD, cv2.GC_PR_FGD]


def test_points_belong_to_the_smallest_box_they_lie_in_and_the_others_are_one_object():
    large, small = Rect(0, 0, 50, 50), Rect(10, 10, 20, 20)
    inside, between, outside, behind = Click(19, 19), Click(20, 19), Click(60, 5), Click(70, 5, False)
    prompts = Prompts((behind, large, inside, small, between, outside))
    assert objects_of(prompts) == (
        ObjectPrompt(large, (between,)),
        ObjectPrompt(small, (inside,)),
        ObjectPrompt(None, (behind, outside)),
    )


def test_of_two_equal_boxes_the_later_one_gets_the_point():
    box = Rect(0, 0, 9, 9)
    assert objects_of(Prompts((box, box, Click(4, 4)))) == (ObjectPrompt(box, ()), ObjectPrompt(box, (Click(4, 4),)))


def test_background_alone_is_no_object():
    assert objects_of(Prompts((Click(4, 4, False),))) == ()
    assert objects_of(Prompts()) == ()


def test_a_mark_of_radius_0_is_a_line_of_one_pixel_and_a_later_mark_lies_on_an_earlier_one():
    marks = [Mark(((1, 1), (5, 1)), 0, "foreground"), Mark(((3, 0), (3, 3)), 0, "probable background")]
    drawn = drawn_marks(marks, (7, 5))
    expected = np.full((5, 7), UNMARKED)
    expected[1, 1:6] = 1
    expected[0:4, 3] = 2
    assert (drawn == expected).all()
    assert (drawn_marks([], (7, 5)) == UNMARKED).all()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(-5, 45), st.integers(-5, 35)), min_size=1, max_size=4), st.integers(0, 9))
def test_a_mark_covers_what_is_within_its_radius_of_its_path(points, radius):
    """Against the distance of each pixel to the path."""
    drawn = drawn_marks([Mark(tuple(points), radius, "background")], (40, 30)) == 0
    y, x = np.mgrid[:30, :40].astype(float)
    distance = np.full(x.shape, np.inf)
    for (ax, ay), (bx, by) in zip(points, points[1:] or points, strict=False):
        length = (bx - ax) ** 2 + (by - ay) ** 2
        along = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length, 0, 1) if length else np.zeros_like(x)
        distance = np.minimum(distance, np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay)))
    sure = np.abs(distance - radius) > 1e-6
    if radius:
        assert (drawn == (distance <= radius))[sure].all()
    else:
        assert not drawn[distance > 0.75].any() and drawn[distance == 0].all()


def test_marks_in_a_window_of_a_reduced_image_lie_where_they_lie_in_the_image():
    mark = Mark(((40, 60), (80, 60)), 8, "foreground")
    whole = drawn_marks([mark], (200, 100)) != UNMARKED
    window = Rect(20, 30, 180, 90)
    assert (drawn_marks([mark], (160, 60), window=window) == drawn_marks([mark], (200, 100))[window.slices]).all()
    reduced = drawn_marks([mark], (80, 30), window=window, scale=0.5) != UNMARKED
    large = np.kron(reduced, np.ones((2, 2), bool))
    part = whole[window.slices]
    assert (large & part).sum() > 0.85 * (large | part).sum()


def test_the_history_undoes_and_redoes_adding_and_resetting():
    history = History()
    assert not history.undo() and not history.redo() and not history.can_undo
    history.add(Click(1, 1))
    history.add(Click(2, 2))
    both = history.prompts
    history.reset()
    assert not history.prompts and history.undo() and history.prompts == both
    assert history.redo() and not history.prompts and history.undo()
    assert history.undo() and history.prompts == Prompts((Click(1, 1),))
    history.add(Click(3, 3))  # what was undone cannot be done again after another annotation
    assert not history.can_redo and history.prompts == Prompts((Click(1, 1), Click(3, 3)))
    nothing = History()
    nothing.reset()
    assert not nothing.can_undo
