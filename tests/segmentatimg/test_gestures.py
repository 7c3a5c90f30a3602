"""What events mean, without a window."""

from __future__ import annotations

from labelimg.segmentatimg.gestures import (
    Begin,
    Brush,
    BrushSize,
    Cut,
    End,
    Fill,
    Gestures,
    Mode,
    Pan,
    SaveAndNext,
    Stroke,
    Unfill,
    Zoom,
)

W = (0.0, 0.0)


def double(gestures: Gestures, button: str, at: tuple[int, int]) -> list[object]:
    return [*gestures.press(button, at, W), *gestures.release(button, at, W), *gestures.double(button, at, W)]


def test_clicks_fill_and_unfill() -> None:
    gestures = Gestures()
    assert gestures.press("left", (3, 4), W) == [Fill((3, 4))]
    assert gestures.release("left", (3, 4), W) == []
    assert gestures.press("right", (3, 4), W) == [Unfill((3, 4))]


def test_a_double_click_is_a_click_and_an_open_stroke() -> None:
    gestures = Gestures()
    assert double(gestures, "left", (1, 1)) == [Fill((1, 1)), Begin(), Stroke((((1, 1)),), False)]
    assert gestures.mode is Mode.FILLING
    assert gestures.move((9, 1), W) == [Stroke(((1, 1), (9, 1)), False)]
    assert gestures.move((9, 1), W) == []
    assert double(gestures, "left", (9, 5)) == [Stroke(((9, 1), (9, 5)), False), End()]
    assert gestures.mode is Mode.SEGMENTS


def test_the_other_button_ends_continuous_filling_and_means_what_it_means() -> None:
    gestures = Gestures()
    double(gestures, "left", (1, 1))
    assert gestures.press("right", (5, 5), W) == [End(), Unfill((5, 5))]
    double(gestures, "left", (1, 1))
    assert double(gestures, "right", (2, 2)) == [End(), Unfill((2, 2)), Begin(), Stroke(((2, 2),), True)]
    assert gestures.mode is Mode.UNFILLING


def test_a_middle_click_while_filling_ends_it_and_begins_a_chain() -> None:
    gestures = Gestures()
    double(gestures, "left", (1, 1))
    assert gestures.press("middle", (4, 4), W) == [End()]
    assert gestures.chain_end == (4, 4) and gestures.mode is Mode.CUTTING


def test_a_chain_of_cuts_goes_on_from_click_to_click_and_a_quick_one_is_no_double_click() -> None:
    gestures = Gestures()
    assert gestures.press("middle", (1, 1), W) == []
    assert gestures.double("middle", (5, 1), W) == [Cut((1, 1), (5, 1))]
    assert gestures.press("middle", (5, 9), W) == [Cut((5, 1), (5, 9))]
    assert gestures.press("middle", (5, 9), W) == []
    assert gestures.press("left", (2, 2), W) == [Fill((2, 2))]
    assert gestures.chain_end is None
    assert gestures.press("middle", (7, 7), W) == []


def test_leaving_breaks_the_line_of_a_stroke() -> None:
    gestures = Gestures()
    double(gestures, "left", (1, 1))
    assert gestures.leave((1, -5)) == [Stroke(((1, 1), (1, -5)), False)]
    assert gestures.move((8, 8), W) == [Stroke(((8, 8),), False)]


def test_space_saves_when_it_goes_up_unless_something_was_dragged() -> None:
    gestures = Gestures()
    gestures.space_down()
    assert gestures.space_up() == [SaveAndNext()]
    assert gestures.space_up() == []
    gestures.space_down()
    assert gestures.press("left", (0, 0), (10, 10)) == []
    assert gestures.move((0, 0), (14, 7)) == [Pan(4, -3)]
    assert gestures.release("left", (0, 0), (14, 7)) == []
    assert gestures.space_up() == []


def test_losing_the_keyboard_forgets_a_held_space_and_ends_a_stroke_of_the_brush() -> None:
    gestures = Gestures()
    gestures.space_down()
    assert gestures.lose_focus() == [] and gestures.space_up() == []
    gestures.toggle_brush()
    gestures.press("left", (1, 1), W)
    assert gestures.lose_focus() == [End()] and gestures.mode is Mode.BRUSH


def test_the_brush_paints_from_press_to_release() -> None:
    gestures = Gestures()
    assert gestures.toggle_brush() == []
    assert gestures.press("left", (1, 1), W) == [Begin(), Brush(((1, 1),), False)]
    assert gestures.move((4, 1), W) == [Brush(((1, 1), (4, 1)), False)]
    assert gestures.release("left", (4, 1), W) == [End()]
    assert gestures.move((9, 9), W) == []
    assert gestures.double("right", (1, 1), W) == [Begin(), Brush(((1, 1),), True)]
    assert gestures.toggle_brush() == [End()] and gestures.mode is Mode.SEGMENTS


def test_saving_ends_what_goes_on() -> None:
    gestures = Gestures()
    double(gestures, "left", (1, 1))
    gestures.space_down()
    assert gestures.space_up() == [End(), SaveAndNext()]
    assert gestures.mode is Mode.SEGMENTS


def test_the_wheel_zooms_and_with_ctrl_sizes_the_brush() -> None:
    gestures = Gestures()
    assert gestures.wheel(2, (5, 6), ctrl=False) == [Zoom(2, (5, 6))]
    assert gestures.wheel(-1, (5, 6), ctrl=True) == [BrushSize(-1)]
