"""Every row of the table of the keys, with real events; pixels and files are looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from conftest import BLUE, RED, Sitting
from labelimg.app.commands import COMMANDS, MOUSE
from labelimg.app.help_window import HelpWindow
from labelimg.segmentatimg.gestures import Mode
from labelimg.segmentatimg.painting import Painting
from labelimg.segmentatimg.templates import make_template

MASKS = "photos_segmented"


def mask_of(folder: Path, name: str, colour: tuple[int, int, int] = RED) -> Path:
    return folder.with_name(MASKS) / "{}_mask_(R:{},G:{},B:{}).png".format(name, *colour)


def grey(path: Path) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED))


def answer(sitting: Sitting, text: str) -> None:
    box = sitting.controller.leaving.box
    assert box is not None
    button = next(button for button in box.findChildren(QPushButton) if button.text() == text)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    sitting.settle()


def test_q_quits_at_once_when_nothing_is_unsaved(sitting: Sitting) -> None:
    sitting.key("q")
    assert sitting.window.may_close and not sitting.window.isVisible() and not sitting.colours.isVisible()


def test_q_asks_once_and_stays_on_cancel(sitting: Sitting) -> None:
    sitting.click(80, 60)
    sitting.key("q")
    box = sitting.controller.leaving.box
    assert box is not None and "1 image has paint" in box.text()
    sitting.controller.quit()
    assert sitting.controller.leaving.box is box
    answer(sitting, "Cancel")
    assert sitting.window.isVisible() and sitting.paint.any()


def test_q_and_save_writes_the_masks_and_quits(sitting: Sitting, folder: Path) -> None:
    sitting.click(80, 60)
    paint = sitting.paint
    sitting.key("q")
    answer(sitting, "Save")
    sitting.until(lambda: sitting.window.may_close)
    assert ((grey(mask_of(folder, "a")) == 255) == (paint == 1)).all()
    assert not list((folder.with_name(MASKS) / ".labelimg").rglob("*.journal"))


def test_q_and_discard_writes_nothing(start: Callable[..., Sitting], folder: Path) -> None:
    first = start(folder)
    first.click(80, 60)
    first.key("q")
    answer(first, "Discard")
    assert first.window.may_close and not mask_of(folder, "a").exists()
    again = start(folder)
    assert not again.paint.any()


def test_paint_that_is_kept_for_later_is_there_again(start: Callable[..., Sitting], folder: Path) -> None:
    first = start(folder)
    first.click(80, 60)
    paint = first.paint
    first.key("q")
    answer(first, "Keep for later")
    assert not mask_of(folder, "a").exists()
    elsewhere = start(folder / "b.png")
    assert elsewhere.window.model.unsaved == {0}  # the list says so before the image is opened
    elsewhere.key("q")
    assert elsewhere.window.may_close  # nothing of this sitting is unsaved
    again = start(folder / "a.png")
    assert (again.paint == paint).all()
    assert "unsaved paint of an earlier sitting is back" in again.message
    again.key("z")
    assert not again.paint.any()


def test_n_and_p_go_round_without_saving_and_paint_is_there_on_return(sitting: Sitting, folder: Path) -> None:
    sitting.click(80, 60)
    paint = sitting.paint
    sitting.key("p")
    assert sitting.row == 2
    sitting.ready()
    sitting.key("n")
    assert sitting.row == 0
    assert (sitting.paint == paint).all()
    sitting.key("n")
    assert sitting.row == 1
    sitting.ready()
    assert not mask_of(folder, "a").exists()
    sitting.key("p")
    sitting.key("z")
    assert not sitting.paint.any()


def test_space_saves_this_images_masks_and_goes_to_the_next(sitting: Sitting, folder: Path) -> None:
    sitting.click(80, 60)
    sitting.key("2")
    sitting.click(20, 20)
    paint, colours = sitting.paint, sitting.painting.colours
    assert colours == (RED, BLUE)
    sitting.key(Qt.Key.Key_Space)
    assert sitting.row == 1
    sitting.saved()
    for number, colour in enumerate(colours, 1):
        mask = grey(mask_of(folder, "a", colour))
        assert (
            mask.dtype == np.uint8 and ((mask == 255) == (paint == number)).all() and set(np.unique(mask)) == {0, 255}
        )
    assert len(list(folder.with_name(MASKS).glob("*.png"))) == 2


def test_space_acts_when_it_is_released(sitting: Sitting) -> None:
    QTest.keyPress(sitting.canvas, Qt.Key.Key_Space)
    assert sitting.row == 0
    QTest.keyRelease(sitting.canvas, Qt.Key.Key_Space)
    assert sitting.row == 1


def test_space_goes_from_the_last_image_to_the_first_without_masks_then_says_all_are_done(sitting: Sitting) -> None:
    sitting.key("n")
    for row in (1, 2):
        assert sitting.row == row
        sitting.ready()
        sitting.click(80, 60)
        sitting.key(Qt.Key.Key_Space)
    assert sitting.row == 0
    sitting.saved()
    sitting.click(80, 60)
    sitting.key(Qt.Key.Key_Space)
    sitting.ready()
    sitting.saved()
    assert sitting.row == 1
    sitting.key("n")
    sitting.ready()
    sitting.key(Qt.Key.Key_Space)
    assert sitting.row == 2 and sitting.message == "all 3 images are done"


def test_z_undoes_and_shift_z_redoes_a_stroke_as_one_action_and_the_click_before_it_as_another(
    sitting: Sitting,
) -> None:
    sitting.double(20, 20)
    click = Painting(sitting.painting.image, np.array(sitting.painting.labels))
    click.fill(20, 20, RED)
    sitting.move(140, 20)
    sitting.move(140, 100)
    sitting.key(Qt.Key.Key_Escape)
    whole = sitting.paint
    sitting.key("z")
    assert (sitting.paint == click.paint).all()
    sitting.key("z")
    assert not sitting.paint.any()
    sitting.key("z", shift=True)
    assert (sitting.paint == click.paint).all()
    sitting.key("z", shift=True)
    assert (sitting.paint == whole).all()


def test_z_while_filling_ends_it_and_undoes_the_stroke(sitting: Sitting) -> None:
    sitting.double(20, 20)
    sitting.move(140, 20)
    sitting.key("z")
    assert sitting.canvas.gestures.mode is Mode.SEGMENTS
    before = sitting.paint
    sitting.move(140, 100)
    assert (sitting.paint == before).all() and len(np.unique(sitting.painting.labels[before > 0])) == 1


def test_undo_of_a_cut_shows_the_boundaries_as_they_were(sitting: Sitting) -> None:
    sitting.move(150, 110)
    before = sitting.pixels()
    sitting.click(30, 20, "middle")
    sitting.click(30, 100, "middle")
    sitting.key(Qt.Key.Key_Escape)
    sitting.move(150, 110)
    assert (sitting.pixels() != before).any()
    sitting.key("z")
    sitting.move(150, 110)
    assert (sitting.pixels() == before).all()


def test_r_resets_and_can_be_undone(sitting: Sitting) -> None:
    sitting.click(80, 60)
    sitting.click(20, 20)
    paint = sitting.paint
    sitting.key("r")
    assert not sitting.paint.any()
    sitting.key("z")
    assert (sitting.paint == paint).all()


def test_d_shows_segments_and_painted_pixels_and_keeps_them_up_to_date(sitting: Sitting) -> None:
    sitting.key("d")
    debug = sitting.controller.debug
    assert debug.segments.isVisible() and debug.paint.isVisible()

    def shown(window: object, x: int, y: int) -> tuple[int, int, int]:
        canvas = window.canvas  # type: ignore[attr-defined]
        px, py = canvas.view.to_window((x + 0.5, y + 0.5))
        sitting.settle()
        ratio = canvas.devicePixelRatioF()
        colour = canvas.grab().toImage().pixelColor(int(px * ratio), int(py * ratio))
        return colour.red(), colour.green(), colour.blue()

    assert shown(debug.paint, 80, 60) == (0, 0, 0)
    sitting.click(80, 60)
    assert shown(debug.paint, 80, 60) == RED
    before = shown(debug.segments, 80, 60)
    sitting.click(80, 40, "middle")
    sitting.click(80, 80, "middle")
    assert shown(debug.segments, 80, 60) == (0, 0, 0) != before
    assert shown(debug.paint, 80, 60) == (0, 0, 0)
    sitting.key("d")
    assert not debug.segments.isVisible() and not debug.paint.isVisible()


def test_keys_work_in_the_debug_and_the_colour_window(sitting: Sitting) -> None:
    sitting.key("d")
    sitting.key(Qt.Key.Key_Space, on=sitting.controller.debug.segments)
    assert sitting.row == 1
    sitting.ready()
    sitting.key(Qt.Key.Key_Space, on=sitting.colours)
    assert sitting.row == 2


def test_t_paints_the_templates_where_they_are_found(start: Callable[..., Sitting], folder: Path) -> None:
    from pictures import photograph

    image = photograph("coffee")
    segment = np.zeros((24, 30, 3), np.uint8)
    segment[4:20, 5:25] = BLUE
    template = make_template("cup", image[40:64, 70:100].copy(), segment, attention=np.ones((24, 30), np.bool_))
    sitting = start(folder, templates=[template])
    sitting.key("t")
    sitting.until(lambda: sitting.paint.any())
    sitting.ready()
    expected = np.zeros(image.shape[:2], np.bool_)
    expected[44:60, 75:95] = True
    assert ((sitting.paint > 0) == expected).all() and sitting.painting.colours == (BLUE,)
    sitting.key("z")
    assert not sitting.paint.any()


def test_t_without_templates_says_what_to_do(sitting: Sitting) -> None:
    sitting.key("t")
    assert "--templates" in sitting.message


def test_b_paints_freehand_left_erases_right_and_returns_to_segments(sitting: Sitting) -> None:
    sitting.key("b")
    assert sitting.canvas.gestures.mode is Mode.BRUSH and sitting.colours.mode_text == "Brush"
    radius = sitting.canvas.brush_radius
    sitting.drag((30, 30), (60, 40), (90, 30))
    twin = Painting(sitting.painting.image, np.array(sitting.painting.labels))
    twin.brush([(30, 30), (60, 40), (90, 30)], radius, RED)
    assert (sitting.paint == twin.paint).all()
    sitting.drag((60, 40), (60, 60), button="right")
    twin.brush([(60, 40), (60, 60)], radius, None)
    assert (sitting.paint == twin.paint).all()
    sitting.key("z")
    sitting.key("z")
    assert not sitting.paint.any()
    sitting.key("b")
    assert sitting.canvas.gestures.mode is Mode.SEGMENTS


def test_ctrl_and_the_wheel_size_the_brush(sitting: Sitting) -> None:
    sitting.key("b")
    scale, radius = sitting.canvas.view.scale, sitting.canvas.brush_radius
    sitting.wheel(80, 60, 2, ctrl=True)
    larger = sitting.canvas.brush_radius
    assert larger > radius and sitting.canvas.view.scale == scale
    for _ in range(40):
        sitting.wheel(80, 60, -1, ctrl=True)
    assert sitting.canvas.brush_radius == 0
    sitting.drag((30, 30), (30, 30))
    assert (sitting.paint > 0).sum() == 1 and sitting.paint[30, 30] == 1


def test_brackets_take_coarser_and_finer_segments_and_the_paint_stays(sitting: Sitting) -> None:
    count = sitting.painting.segment_count
    sitting.click(80, 60)
    paint, size = sitting.paint, (sitting.paint > 0).sum()
    sitting.key("[")
    sitting.ready()
    assert sitting.painting.segment_count < count and (sitting.paint == paint).all()
    sitting.click(80, 60)
    assert (sitting.paint > 0).sum() >= size
    sitting.key("]")
    sitting.key("]")
    sitting.ready()
    sitting.key("]")
    sitting.ready()
    assert sitting.painting.segment_count > count
    assert sitting.window.panel.level.value() == 0


def test_tab_hides_the_paint_while_it_is_held(sitting: Sitting) -> None:
    sitting.window.panel.edges.setValue(0)
    sitting.move(150, 110)
    plain = sitting.pixels()
    sitting.click(80, 60)
    sitting.move(150, 110)
    painted = sitting.pixels()
    QTest.keyPress(sitting.canvas, Qt.Key.Key_Tab)
    hidden = sitting.pixels()
    QTest.keyRelease(sitting.canvas, Qt.Key.Key_Tab)
    assert (painted != plain).any() and (hidden == plain).all()
    assert (sitting.pixels() == painted).all()


def test_h_shows_the_list_of_all_keys_and_mouse_buttons(sitting: Sitting) -> None:
    from PySide6.QtWidgets import QLabel

    sitting.key("h")
    window = sitting.window.findChild(HelpWindow)
    assert window is not None and window.isVisible()
    shown = {label.text() for label in window.findChildren(QLabel)}
    assert {", ".join(each.keys) for each in COMMANDS if each.keys} <= shown
    assert {mouse for mouse, _ in MOUSE} <= shown
    sitting.key("h", on=window)
    assert sitting.window.findChild(HelpWindow) is None


def test_the_keys_1_to_9_take_the_first_nine_colours(sitting: Sitting) -> None:
    palette = sitting.controller.session.palette
    for number in (2, 9, 1):
        sitting.key(str(number))
        assert palette.current_index == number - 1
        assert [sitting.colours.row(k).property("current") for k in range(9)].index(True) == number - 1


def test_all_commands_are_in_the_menus_with_their_keys(sitting: Sitting) -> None:
    texts = {}
    for menu in sitting.window.menuBar().actions():
        for action in menu.menu().actions():
            texts[action.text()] = [shortcut.toString() for shortcut in action.shortcuts()]
    for command in COMMANDS:
        shown = next(text for text in texts if text.split("\t")[0] == command.text)
        keys = texts[shown] or shown.split("\t")[1:]
        assert len(keys) == min(len(keys), len(command.keys)) and bool(keys) == bool(command.keys), command
