"""The painting against a slow, obvious model, and by hand."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from painting_model import Model, line, near_path, path

from labelimg.errors import UsageError
from labelimg.segmentatimg import index, segmentation
from labelimg.segmentatimg.geometry import brush_runs, line_pixels, path_pixels, pixels_of
from labelimg.segmentatimg.painting import Painting, Rect

RED, BLUE = (204, 0, 0), (0, 0, 255)


def blank(height, width):
    return np.zeros((height, width, 3), np.uint8)


def painted(labels, **more):
    labels = np.asarray(labels)
    maps = labels if labels.ndim == 3 else labels[None]
    return Painting(blank(*maps[0].shape), list(maps), **more)


def shown(painting):
    """The colours, None where there is none."""
    names = np.empty(256, object)
    names[1 : len(painting.colours) + 1] = painting.colours
    found = np.empty(painting.paint.shape, object)
    for at in np.ndindex(found.shape):
        found[at] = names[painting.paint[at]]
    return found


def renumbered(labels):
    """The same segments, numbered in raster order."""
    found = np.zeros_like(labels)
    order = list(dict.fromkeys(labels[labels > 0].tolist()))
    for number, old in enumerate(order, 1):
        found[labels == old] = number
    return found


# ---------------------------------------------------------------------------------------------------- random sequences

SIZE = st.tuples(st.integers(1, 9), st.integers(1, 9))
POINT = st.tuples(st.integers(-2, 10), st.integers(-2, 10))
COLOUR = st.sampled_from([RED, BLUE])
ACTION = st.one_of(
    st.tuples(st.just("fill"), POINT, COLOUR),
    st.tuples(st.just("unfill"), POINT),
    st.tuples(st.just("stroke"), st.lists(POINT, max_size=3), st.none() | COLOUR),
    st.tuples(st.just("brush"), st.lists(POINT, min_size=1, max_size=3), st.integers(0, 3), st.none() | COLOUR),
    st.tuples(st.just("cut"), POINT, POINT),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
    st.tuples(st.just("reset")),
    st.tuples(st.just("level"), st.integers(0, 2)),
)


@st.composite
def label_maps(draw):
    """Three nested maps, with edges in some: each a map from the labels of the one before."""
    height, width = draw(SIZE)
    finest = np.array(draw(st.lists(st.integers(0, 4), min_size=height * width, max_size=height * width)))
    maps = [finest.reshape(height, width)]
    for _ in range(2):
        joined = np.array([draw(st.integers(0, 1)), *(draw(st.integers(1, 3)) for _ in range(4))])
        maps.append(joined[maps[-1]])
    return maps


def act(painting, model, action):
    name, *arguments = action
    if name == "level":
        model.level = arguments[0]
        painting.level(arguments[0])
        return Rect(0, 0, *painting.size)
    if name in ("undo", "redo"):
        getattr(model, name)()
        return getattr(painting, name)()
    if name == "fill":
        model.act(model.fill, *arguments[0], arguments[1])
        return painting.fill(*arguments[0], arguments[1])
    if name == "unfill":
        model.act(model.fill, *arguments[0], None)
        return painting.unfill(*arguments[0])
    model.act(getattr(model, name), *arguments)
    return getattr(painting, name)(*arguments)


@settings(max_examples=300, deadline=None)
@given(label_maps(), st.lists(ACTION, min_size=1, max_size=12), st.booleans(), st.booleans())
def test_random_actions_do_what_the_flood_fill_model_does(maps, actions, levels_are_built, as_if_large):
    # Small images would never come to what is made for long lines and for large segments.
    band, large = (1, 1) if as_if_large else (64, 20_000)
    with patch.object(segmentation, "_BAND", band), patch.object(index, "_LARGE", large):
        follow_the_model(maps, actions, levels_are_built)


def follow_the_model(maps, actions, levels_are_built):
    painting, model = Painting(blank(*maps[0].shape), maps), Model(maps)
    for level in (1, 2, 0) if levels_are_built else ():
        painting.level(level)
    for action in actions:
        before, labels = shown(painting), painting.labels.copy()
        revision = painting.revision
        rect = act(painting, model, action)
        assert (shown(painting) == model.colours()).all(), action
        np.testing.assert_array_equal(renumbered(painting.labels), model.numbered())
        assert (painting.can_undo, painting.can_redo) == (bool(model.done), bool(model.undone))
        changed = (shown(painting) != before) | ((labels == 0) != (painting.labels == 0))
        changed[rect.slices] = False
        assert not changed.any(), "something changed outside of the rectangle"
        assert painting.revision != revision or (shown(painting) == before).all()
        for number in range(1, painting.segment_count + 1):
            np.testing.assert_array_equal(painting.segment_pixels(number), np.flatnonzero(painting.labels == number))
    for model.level in range(3):
        painting.level(model.level)
        np.testing.assert_array_equal(renumbered(painting.labels), model.numbered())


@settings(max_examples=60, deadline=None)
@given(label_maps(), st.lists(ACTION, min_size=1, max_size=10), st.integers(0, 2))
def test_undoing_all_gives_back_the_beginning_and_redoing_all_the_end(maps, actions, level):
    painting, model = Painting(blank(*maps[0].shape), maps), Model(maps)
    start = painting.labels.copy()
    for action in actions:
        act(painting, model, action)
    end, labels, at = painting.paint.copy(), painting.labels.copy(), painting.current_level
    painting.level(level)
    while painting.can_undo:
        painting.undo()
    assert not painting.paint.any()
    painting.level(0)
    np.testing.assert_array_equal(painting.labels, start)
    undone = len(model.undone)
    while painting.can_redo:
        painting.redo()
    for _ in range(undone):
        painting.undo()
    painting.level(at)
    np.testing.assert_array_equal(painting.paint, end)
    np.testing.assert_array_equal(painting.labels, labels)


def test_large_segments_are_divided_like_small_ones(monkeypatch):
    for large in (0, 3, 20_000):
        monkeypatch.setattr(index, "_LARGE", large)
        labels = np.ones((9, 12), int)
        labels[:, 8:10], labels[4:, 10:] = 2, 3
        painting, model = painted(labels), Model([labels])
        for p, q in (((0, 0), (11, 8)), ((0, 8), (11, 0))):
            painting.cut(p, q)
            model.cut(p, q)
        np.testing.assert_array_equal(renumbered(painting.labels), model.numbered())


@settings(max_examples=60, deadline=None)
@given(label_maps(), label_maps(), st.lists(ACTION, min_size=1, max_size=8))
def test_another_segmentation_leaves_the_paint_and_undo_goes_on(maps, others, actions):
    height, width = maps[0].shape
    others = [np.resize(other, (height, width)) for other in others]
    painting, model = Painting(blank(height, width), maps), Model(maps)
    states = [painting.paint.copy()]
    for action in actions:
        act(painting, model, action)
        states[len(model.done) :] = [painting.paint.copy()]
    last = painting.paint.copy()
    painting.set_labels(others)
    np.testing.assert_array_equal(painting.paint, last)
    fresh = Painting(blank(height, width), others)
    fresh.level(painting.current_level)
    np.testing.assert_array_equal(painting.labels, fresh.labels)
    for state in states[-2::-1]:
        painting.undo()
        np.testing.assert_array_equal(painting.paint, state)
    assert not painting.can_undo
    while painting.can_redo:
        painting.redo()
    if not model.undone:
        np.testing.assert_array_equal(painting.paint, last)


STEP = st.sampled_from(["undo", "redo"])


@settings(max_examples=150, deadline=None)
@given(label_maps(), label_maps(), st.lists(ACTION, max_size=5), st.lists(ACTION, max_size=5), st.lists(STEP))
def test_edge_pixels_follow_or_have_paint_of_their_own_whatever_is_undone_where(maps, others, first, then, steps):
    painting, model = Painting(blank(*maps[0].shape), maps), Model(maps)
    for action in first:
        act(painting, model, action)
    painting.set_labels([np.resize(other, maps[0].shape) for other in others])
    for action in [*then, *((step,) for step in steps)]:
        act(painting, model, action)
        if painting._segments._follow:
            off, _ = painting._segments._not_following([Rect(0, 0, *painting.size)], painting.paint.copy())
            assert not len(off), action


def test_what_is_done_again_in_another_segmentation_stays_whatever_is_painted_around_it():
    painting = painted([[1, 1, 1]])
    painting.fill(0, 0, RED)
    painting.brush([(1, 0)], 0, None)
    painting.undo()
    painting.set_labels(np.array([[1, 0, 2]]))
    painting.redo()
    assert painting.paint.tolist() == [[1, 0, 1]]
    painting.fill(2, 0, BLUE)
    painting.fill(2, 0, RED)
    assert painting.paint.tolist() == [[1, 0, 1]]


# ------------------------------------------------------------------------------------------------------------ geometry


@settings(max_examples=300, deadline=None)
@given(POINT, POINT, SIZE)
def test_a_line_has_the_pixels_nearest_to_it_whichever_way_it_is_drawn(p, q, size):
    width, height = size
    wanted = sorted(y * width + x for x, y in line(p, q) if 0 <= x < width and 0 <= y < height)
    assert line_pixels(p, q, width, height).tolist() == wanted
    assert line_pixels(q, p, width, height).tolist() == wanted


@settings(max_examples=200, deadline=None)
@given(st.lists(POINT, min_size=1, max_size=4), st.integers(0, 4), SIZE)
def test_a_brush_has_the_pixels_within_its_radius(points, radius, size):
    width, height = size
    wanted = sorted(y * width + x for x, y in near_path(points, radius, width, height))
    runs = brush_runs(points, radius, width, height)
    assert pixels_of(*runs).tolist() == wanted
    assert (runs[0] // width == (runs[0] + runs[1] - 1) // width).all(), "a run goes over the end of its row"
    assert path_pixels(points, width, height).tolist() == sorted(
        y * width + x for x, y in path(points) if 0 <= x < width and 0 <= y < height
    )


def test_a_line_to_the_end_of_the_world_costs_no_more_than_the_image():
    assert line_pixels((-(10**15), 5), (10**15, 5), 20, 10).tolist() == list(range(100, 120))
    assert len(line_pixels((-(10**15), -(10**15)), (10**15, 10**15), 20, 10)) == 10
    assert not len(line_pixels((10**12, 3), (10**12, 10**9), 20, 10))


# ------------------------------------------------------------------------------------------------------------- by hand


def test_a_label_in_two_places_is_two_segments():
    painting = painted([[1, 2, 1]])
    assert painting.fill(0, 0, RED) == Rect(0, 0, 1, 1)
    assert painting.paint.tolist() == [[1, 0, 0]]


def test_diagonal_neighbours_are_not_connected():
    painting = painted([[1, 2], [2, 1]])
    assert painting.segment_count == 4
    painting.fill(0, 0, RED)
    assert painting.paint.tolist() == [[1, 0], [0, 0]]


def test_a_click_on_an_edge_takes_the_nearest_segment_within_three_pixels():
    painting = painted([[1, 0, 0, 0, 0, 0, 0, 0, 2]])
    assert [painting.segment_at(x, 0) for x in range(9)] == [1, 1, 1, 1, 0, 2, 2, 2, 2]
    assert not painting.fill(4, 0, RED)
    assert painted([[0, 1], [2, 0]]).segment_at(0, 0) == 1, "of equally near ones the upper left"


def test_edge_pixels_between_segments_of_one_colour_belong_to_it():
    painting = painted([[1, 0, 2, 0, 3]])
    painting.fill(0, 0, RED)
    assert painting.fill(2, 0, RED) == Rect(1, 0, 3, 1)
    painting.fill(4, 0, BLUE)
    assert painting.paint.tolist() == [[1, 1, 1, 0, 2]]
    assert painting.masks()[RED].tolist() == [[255, 255, 255, 0, 0]]
    painting.unfill(2, 0)
    assert painting.paint.tolist() == [[1, 0, 0, 0, 2]]


def test_an_edge_of_up_to_seven_pixels_is_filled_and_no_thicker_one():
    for thick, filled in ((7, True), (8, False)):
        painting = painted([[1, *[0] * thick, 2]])
        painting.stroke([(0, 0), (thick + 1, 0)], RED)
        assert painting.paint[0, 1:-1].all() == filled and painting.paint[0, 1:-1].any() == filled


def test_where_an_edge_lies_between_two_pairs_it_has_no_colour():
    painting = painted([[1, 2, 3], [4, 0, 5], [6, 7, 8]])
    painting.stroke([(1, 0), (1, 0)], RED)
    painting.fill(1, 2, RED)
    assert painting.paint[1, 1] == 1
    painting.fill(0, 1, BLUE)
    painting.fill(2, 1, BLUE)
    assert painting.paint[1, 1] == 0


def test_the_edges_outside_of_what_is_painted_stay_unpainted():
    labels = np.zeros((7, 7), int)
    labels[1:6, 1:3], labels[1:6, 4:6] = 1, 2
    painting = painted(labels)
    painting.stroke([(1, 3), (5, 3)], RED)
    wanted = np.zeros((7, 7), int)
    wanted[1:6, 1:6] = 1
    np.testing.assert_array_equal(painting.paint, wanted)


def test_a_cut_divides_its_segment_and_the_parts_keep_their_colour():
    painting = painted(np.ones((5, 7), int))
    painting.fill(0, 0, RED)
    assert painting.cut((2, 0), (2, 4)) == Rect(2, 0, 3, 5)
    assert painting.segment_count == 2
    assert painting.paint[0].tolist() == [1, 1, 0, 1, 1, 1, 1]
    assert painting.labels[0].tolist() == [2, 2, 0, 1, 1, 1, 1], "the largest part keeps the number"
    painting.fill(0, 0, BLUE)
    assert painting.paint[0].tolist() == [2, 2, 0, 1, 1, 1, 1]
    assert painting.masks()[RED][0].tolist() == [0, 0, 0, 255, 255, 255, 255]


def test_a_cut_on_the_edges_of_a_method_stays_unpainted_though_its_sides_have_one_colour():
    painting = painted([[1, 0, 2]] * 3)
    painting.cut((1, 0), (1, 2))
    painting.stroke([(0, 0), (2, 0)], RED)
    assert painting.paint.tolist() == [[1, 0, 1]] * 3


def test_a_cut_is_made_at_every_level_also_at_those_that_are_seen_later():
    painting = painted([[[1, 1, 2, 2]] * 3, [[1, 1, 1, 1]] * 3])
    painting.cut((0, 1), (3, 1))
    assert painting.segment_count == 4
    painting.level(1)
    assert painting.segment_count == 2
    assert painting.labels.tolist() == [[1] * 4, [0] * 4, [2] * 4]
    painting.undo()
    assert painting.labels.tolist() == [[1] * 4] * 3
    painting.level(0)
    assert painting.labels.tolist() == [[1, 1, 2, 2]] * 3


def test_cuts_through_the_parts_of_earlier_cuts_are_made_at_levels_that_are_not_shown():
    painting = painted([np.arange(30).reshape(5, 6) + 1, np.ones((5, 6), int)])
    painting.level(1)
    painting.level(0)
    painting.cut((2, 0), (2, 4))
    painting.cut((0, 2), (5, 2))
    painting.level(1)
    assert painting.segment_count == 4
    assert renumbered(painting.labels)[0].tolist() == [1, 1, 0, 2, 2, 2]
    for count in (2, 1):
        painting.undo()
        assert painting.segment_count == count


def test_a_stroke_misses_no_segment_between_two_points():
    painting = painted([list(range(1, 101))])
    painting.stroke([(0, 0), (99, 0)], RED)
    assert painting.paint.all()
    painting.undo()
    assert not painting.paint.any(), "a stroke is one action"


def test_strokes_within_an_action_are_undone_at_once_and_seen_as_they_happen():
    painting = painted([[1, 2, 3]])
    painting.begin_action()
    assert painting.stroke([(0, 0)], RED)
    assert painting.stroke([(0, 0), (1, 0)], RED) == Rect(1, 0, 2, 1)
    assert painting.can_undo
    painting.end_action()
    painting.fill(2, 0, RED)
    painting.undo()
    assert painting.paint.tolist() == [[1, 1, 0]]
    painting.undo()
    assert not painting.paint.any()
    with painting.action():
        pass
    assert not painting.can_undo, "an action that changed nothing leaves no trace"
    painting.end_action()


def test_what_changes_nothing_is_no_action():
    painting = painted([[1, 0, 2]])
    painting.fill(0, 0, RED)
    revision = painting.revision
    assert not painting.fill(0, 0, RED)
    assert not painting.unfill(2, 0)
    assert not painting.fill(-1, 0, RED) and not painting.fill(0, 1, RED)
    assert not painting.stroke([], RED) and not painting.brush([], 3, RED)
    assert not painting.brush([(50, 50)], 3, RED)
    assert not painting.cut((-5, -5), (-1, -1))
    assert painting.revision == revision
    painting.undo()
    assert not painting.can_undo and not painting.undo()


def test_reset_takes_paint_and_cuts_away_and_can_be_undone():
    painting = painted(np.ones((3, 5), int))
    painting.fill(0, 0, RED)
    painting.cut((2, 0), (2, 2))
    painting.fill(0, 0, BLUE)
    labels, paint = painting.labels.copy(), painting.paint.copy()
    assert painting.reset() == Rect(0, 0, 5, 3)
    assert not painting.paint.any() and painting.segment_count == 1
    painting.undo()
    np.testing.assert_array_equal(painting.labels, labels)
    np.testing.assert_array_equal(painting.paint, paint)
    assert painting.redo() and not painting.masks()
    assert not painting.reset()


def test_after_a_reset_edges_belong_to_what_they_lie_between_again():
    painting = painted([[1, 0, 2]] * 3)
    painting.cut((1, 0), (1, 1))
    painting.brush([(1, 2)], 0, BLUE)
    painting.reset()
    painting.stroke([(0, 0), (2, 0)], RED)
    assert painting.paint.tolist() == [[2, 2, 2]] * 3
    for _ in range(2):
        painting.undo()
    painting.stroke([(0, 0), (2, 0)], RED)
    assert painting.paint.tolist() == [[2, 0, 2], [2, 0, 2], [2, 1, 2]]


def test_a_brush_paints_edges_and_cuts_and_its_paint_is_not_what_follows():
    painting = painted([[1, 0, 2]] * 3)
    painting.brush([(1, 1)], 0, RED)
    assert painting.paint.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    painting.fill(0, 0, BLUE)
    assert painting.paint[1].tolist() == [2, 1, 0]


def test_a_painting_begins_with_the_masks_that_it_is_given():
    red, blue = np.array([[255, 255, 0]], np.uint8), np.array([[0, 255, 255]], np.uint8)
    painting = painted([[1, 2, 3]], masks={RED: red, BLUE: blue})
    assert painting.paint.tolist() == [[1, 1, 2]]
    assert not painting.can_undo and painting.revision == 0
    painting.unfill(0, 0)
    painting.undo()
    assert painting.paint.tolist() == [[1, 1, 2]]


def test_paint_that_was_saved_goes_with_its_edges_when_it_is_loaded_again():
    first = painted([[1, 0, 2]])
    first.stroke([(0, 0), (2, 0)], RED)
    again = painted([[1, 0, 2]], masks=first.masks())
    assert again.masks()[RED].all()
    again.unfill(0, 0)
    assert again.paint.tolist() == [[0, 0, 1]]
    gap = painted([[1, 0, 2]], masks={RED: np.array([[255, 0, 255]], np.uint8)})
    assert gap.paint.tolist() == [[1, 0, 1]], "what was saved with a gap has it still"


def test_an_image_without_segments_can_be_brushed_and_gets_its_segments_later():
    painting = Painting(blank(2, 3), None)
    assert not painting.fill(0, 0, RED) and painting.segment_count == 0
    painting.brush([(0, 0)], 0, RED)
    painting.cut((2, 0), (2, 1))
    painting.set_labels(np.array([[1, 1, 2], [1, 1, 2]]))
    assert painting.paint[0, 0] == 1 and painting.segment_count == 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
def test_labels_of_any_integers_are_taken_and_neither_they_nor_the_image_are_written(dtype):
    image, labels = blank(4, 4), np.arange(16).reshape(4, 4).astype(dtype)
    image.flags.writeable = labels.flags.writeable = False
    painting = Painting(image, labels)
    painting.stroke([(0, 0), (3, 3)], RED)
    painting.cut((0, 3), (3, 0))
    assert painting.labels.dtype == np.int32 and not image.any()
    np.testing.assert_array_equal(labels, np.arange(16).reshape(4, 4))
    with pytest.raises(ValueError, match="read-only"):
        painting.labels[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        painting.paint[0, 0] = 1


def test_the_smallest_image_can_be_painted():
    painting = painted([[1]])
    assert painting.fill(0, 0, RED) == Rect(0, 0, 1, 1)
    assert painting.cut((0, 0), (0, 0)) == Rect(0, 0, 1, 1)
    assert painting.segment_count == 1 and painting.segment_size(1) == 0
    assert not painting.segment_rect(1) and not len(painting.segment_pixels(1))
    painting.undo()
    assert painting.paint.tolist() == [[1]]
    assert painting.masks()[RED].tolist() == [[255]]


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (1, 1), (2, 2)])
def test_masks_of_images_that_look_like_single_colours_are_right(shape):
    painting = painted(np.arange(1, 1 + np.prod(shape)).reshape(shape))
    painting.fill(0, 0, RED)
    wanted = np.zeros(shape, np.uint8)
    wanted[0, 0] = 255
    np.testing.assert_array_equal(painting.masks()[RED], wanted)


def test_a_segment_is_known_by_size_rectangle_and_pixels():
    painting = painted([[1, 1, 2], [3, 1, 2]])
    assert (painting.segment_size(1), painting.segment_rect(1)) == (3, Rect(0, 0, 2, 2))
    assert painting.segment_pixels(1).tolist() == [0, 1, 4]
    assert painting.segment_size(9) == 0 and painting.segment_size(0) == 0 and not painting.segment_rect(-1)


def test_what_cannot_be_is_refused():
    with pytest.raises(UsageError, match="labels must be integers of shape"):
        painted(np.ones((2, 2), float))
    with pytest.raises(UsageError, match=r"labels must be at least 0, got -1"):
        painted([[-1, 2]])
    with pytest.raises(UsageError, match="at least one map"):
        Painting(blank(1, 1), [])
    with pytest.raises(UsageError, match="image must be uint8"):
        Painting(np.zeros((2, 2), np.uint8), None)
    with pytest.raises(UsageError, match="labels must be integers of shape"):
        Painting(blank(3, 3), np.ones((2, 2), int))
    painting = painted([[1]])
    with pytest.raises(UsageError, match="level must be between 0 and 0, got 1"):
        painting.level(1)
    with pytest.raises(UsageError, match="radius must be at least 0"):
        painting.brush([(0, 0)], -1, RED)
    with pytest.raises(UsageError, match="a colour must be three numbers"):
        painting.fill(0, 0, (0, 0, 256))
    for number in range(255):
        painting.fill(0, 0, (number, 0, 0))
    with pytest.raises(UsageError, match="at most 255 colours"):
        painting.fill(0, 0, (0, 1, 0))


def test_after_the_warm_up_nothing_is_compiled():
    from labelimg.compiled import Compiled
    from labelimg.segmentatimg import kernels
    from labelimg.segmentatimg.warm import warm_up_painting

    warm_up_painting()
    ours = {name: each for name, each in vars(kernels).items() if isinstance(each, Compiled)}
    loaded = {name: len(each._loaded) for name, each in ours.items()}
    assert all(
        loaded[name] for name in ("runs_of", "connect", "group", "without", "put", "changes", "bounds", "follow")
    )
    maps = [np.pad(np.arange(49).reshape(7, 7), 2), np.pad(np.ones((7, 7), int), 2)]
    painting = Painting(blank(11, 11), maps)
    for number in range(3):
        painting.stroke([(0, 0), (10, 9)], (number, 0, 0))
        painting.brush([(0, number), (9, 3)], 2, RED)
        painting.cut((0, 10), (10, number))
        painting.level(number % 2)
        painting.undo()
        painting.redo()
    painting.reset()
    painting.set_labels(maps[1])
    assert loaded == {name: len(each._loaded) for name, each in ours.items()}
