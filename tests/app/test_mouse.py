"""Every row of the table of the mouse, with real events; what is expected comes from the painting functions."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QCursor
from PySide6.QtTest import QTest

from conftest import BLUE, RED, Sitting
from labelimg.segmentatimg.gestures import Mode
from labelimg.segmentatimg.painting import Painting


def twin(sitting: Sitting) -> Painting:
    """A painting of the same image and segments, to do the same by its functions."""
    return Painting(sitting.painting.image, np.array(sitting.painting.labels))


def is_reddish(colour: tuple[int, int, int], than: tuple[int, int, int]) -> bool:
    """The colour is the other one with red over it."""
    mixed = [0.6 * red + 0.4 * old for red, old in zip(RED, than, strict=True)]
    return all(abs(a - b) <= 4 for a, b in zip(colour, mixed, strict=True))


def test_left_fills_and_right_unfills_the_segment_and_its_pixels_show_it(sitting: Sitting) -> None:
    expected = twin(sitting)
    sitting.window.panel.edges.setValue(0)
    sitting.move(150, 110)
    before = sitting.colour_at(80, 60)
    sitting.click(80, 60)
    expected.fill(80, 60, RED)
    assert (sitting.paint == expected.paint).all() and sitting.paint.any()
    sitting.move(150, 110)  # away, or the segment under the pointer is marked
    assert is_reddish(sitting.colour_at(80, 60), before)
    sitting.click(80, 60, "right")
    sitting.move(150, 110)
    assert not sitting.paint.any()
    assert sitting.colour_at(80, 60) == before


def test_a_double_left_click_fills_what_the_pointer_passes_over_until_another(sitting: Sitting) -> None:
    expected = twin(sitting)
    sitting.double(20, 20)
    assert sitting.canvas.gestures.mode is Mode.FILLING
    for x in range(24, 100, 4):
        sitting.move(x, 20)
    sitting.double(100, 20)
    assert sitting.canvas.gestures.mode is Mode.SEGMENTS
    sitting.move(100, 100)
    expected.stroke([(20, 20), (100, 20)], RED)
    assert (sitting.paint == expected.paint).all()
    assert len(np.unique(sitting.painting.labels[sitting.paint > 0])) > 4


def test_continuous_filling_misses_nothing_however_fast_the_pointer_moves(sitting: Sitting) -> None:
    expected = twin(sitting)
    sitting.double(4, 4)
    sitting.move(155, 115)  # across the whole picture in one step
    sitting.move(4, 115)
    sitting.key(Qt.Key.Key_Escape)
    expected.stroke([(4, 4), (155, 115), (4, 115)], RED)
    assert (sitting.paint == expected.paint).all()


def test_a_double_right_click_unfills_what_the_pointer_passes_over(sitting: Sitting) -> None:
    expected = twin(sitting)
    sitting.double(4, 60)
    sitting.move(155, 60)
    sitting.double(155, 60)
    sitting.double(60, 60, "right")
    assert sitting.canvas.gestures.mode is Mode.UNFILLING
    sitting.move(120, 60)
    sitting.double(120, 60, "right")
    assert sitting.canvas.gestures.mode is Mode.SEGMENTS
    expected.stroke([(4, 60), (155, 60)], RED)
    expected.stroke([(60, 60), (120, 60)], None)
    assert (sitting.paint == expected.paint).all() and sitting.paint.any()


def test_esc_ends_continuous_filling(sitting: Sitting) -> None:
    sitting.double(20, 20)
    sitting.key(Qt.Key.Key_Escape)
    before = sitting.paint
    sitting.move(140, 100)
    assert sitting.canvas.gestures.mode is Mode.SEGMENTS
    assert (sitting.paint == before).all()


def test_the_pointer_leaves_and_comes_back_elsewhere_without_filling_between(sitting: Sitting) -> None:
    expected = twin(sitting)
    sitting.double(20, 20)
    above = QPoint(sitting.at(20, 0).x(), -40)
    QCursor.setPos(sitting.canvas.mapToGlobal(above))
    sitting.app.sendEvent(sitting.canvas, QEvent(QEvent.Type.Leave))
    sitting.move(140, 100)
    sitting.key(Qt.Key.Key_Escape)
    expected.stroke([(20, 20), (20, -20)], RED)
    expected.fill(140, 100, RED)
    assert (sitting.paint == expected.paint).all()


def test_middle_clicks_cut_a_chain_of_lines(sitting: Sitting) -> None:
    expected = twin(sitting)
    sitting.click(20, 20, "middle")
    assert sitting.canvas.gestures.mode is Mode.CUTTING
    sitting.click(90, 50, "middle")
    sitting.click(90, 100, "middle")
    expected.cut((20, 20), (90, 50))
    expected.cut((90, 50), (90, 100))
    assert (sitting.painting.labels == expected.labels).all()
    assert (sitting.painting.labels[50:100, 90] == 0).all()


def test_a_line_to_the_pointer_shows_what_would_be_cut(sitting: Sitting) -> None:
    sitting.click(20, 60, "middle")
    sitting.move(20, 61)
    before = sitting.pixels()
    sitting.move(120, 60)
    line = sitting.pixels()
    y, left, right = sitting.on_screen(20, 60).y(), sitting.on_screen(60, 60).x(), sitting.on_screen(100, 60).x()
    assert (line[y, left:right] != before[y, left:right]).any(axis=1).mean() > 0.9
    sitting.key(Qt.Key.Key_Escape)
    sitting.move(150, 110)
    gone = sitting.pixels()
    assert (gone[y, left:right] == before[y, left:right]).all()


def test_esc_ends_the_chain_of_cuts(sitting: Sitting) -> None:
    before = np.array(sitting.painting.labels)
    sitting.click(20, 20, "middle")
    sitting.key(Qt.Key.Key_Escape)
    sitting.click(90, 50, "middle")  # begins another chain
    assert (sitting.painting.labels == before).all()


def test_another_action_ends_the_chain_of_cuts(sitting: Sitting) -> None:
    for act in (lambda: sitting.click(120, 100), lambda: sitting.key("z"), lambda: sitting.key("b")):
        before = np.array(sitting.painting.labels)
        sitting.click(20, 20, "middle")
        act()
        assert sitting.canvas.gestures.chain_end is None
        sitting.click(90, 50, "middle")
        assert (sitting.painting.labels == before).all()
        sitting.key(Qt.Key.Key_Escape)


def test_the_wheel_zooms_about_the_pointer(sitting: Sitting) -> None:
    scale, place = sitting.canvas.view.scale, sitting.at(40, 30)
    sitting.wheel(40, 30, 3)
    assert sitting.canvas.view.scale > 1.9 * scale
    assert (sitting.at(40, 30) - place).manhattanLength() <= 2
    sitting.wheel(40, 30, -3)
    assert abs(sitting.canvas.view.scale - scale) < 0.01


def test_dragging_with_space_held_pans_and_saves_nothing(sitting: Sitting, folder) -> None:
    for _ in range(6):
        sitting.wheel(80, 60, 1)
    view = sitting.canvas.view
    QTest.keyPress(sitting.canvas, Qt.Key.Key_Space)
    assert sitting.canvas.cursor().shape() is Qt.CursorShape.OpenHandCursor
    start = sitting.at(80, 60)
    QTest.mousePress(sitting.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    QTest.mouseMove(sitting.canvas, start + QPoint(50, 30))
    QTest.mouseRelease(
        sitting.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start + QPoint(50, 30)
    )
    QTest.keyRelease(sitting.canvas, Qt.Key.Key_Space)
    sitting.settle()
    assert abs((view.left - sitting.canvas.view.left) * view.scale - 50) < 1
    assert abs((view.top - sitting.canvas.view.top) * view.scale - 30) < 1
    assert sitting.row == 0 and not sitting.paint.any()
    saved = folder.with_name("photos_segmented")
    assert not [path for path in saved.rglob("*") if path.is_file() and path.name != "lock"]


def test_the_segment_under_the_pointer_is_marked_in_the_colour_in_hand(sitting: Sitting) -> None:
    sitting.move(150, 110)
    before = sitting.pixels()
    sitting.move(60, 60)
    marked = sitting.pixels()
    changed = np.argwhere((before != marked).any(axis=2))
    segment = sitting.painting.segment_at(60, 60)
    rect = sitting.painting.segment_rect(segment)
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    corners = sitting.at(rect.left, rect.top), sitting.at(rect.right, rect.bottom)
    other = sitting.painting.segment_rect(sitting.painting.segment_at(150, 110))
    assert left >= min(corners[0].x(), sitting.at(other.left, 0).x()) - 6
    assert top >= min(corners[0].y(), sitting.at(0, other.top).y()) - 6
    at = sitting.at(60, 60)
    assert int(marked[at.y(), at.x(), 0]) >= int(before[at.y(), at.x(), 0])
    assert bottom > 0 and right > 0


def test_the_status_line_says_what_is_under_the_pointer(sitting: Sitting) -> None:
    sitting.controller.hand._rename_colour(0, "cup")
    sitting.click(80, 60)
    sitting.move(81, 60)
    segment = sitting.painting.segment_at(81, 60)
    text = sitting.window.segment.text()
    assert f"segment {segment}" in text and f"{sitting.painting.segment_size(segment):,} px" in text
    assert "cup" in text
    assert sitting.window.place.text() == "81, 60"
    sitting.move(3, 3)
    assert "unpainted" in sitting.window.segment.text()


def test_the_cursor_shows_the_mode_and_the_colour(sitting: Sitting) -> None:
    def picture() -> bytes:
        image = sitting.canvas.cursor().pixmap().toImage()
        return bytes(image.constBits())

    sitting.move(60, 60)
    seen = [picture()]
    sitting.controller.hand.take_colour(1)
    seen.append(picture())
    sitting.double(60, 60)
    seen.append(picture())
    sitting.key(Qt.Key.Key_Escape)
    sitting.double(60, 60, "right")
    seen.append(picture())
    sitting.click(60, 60, "middle")
    seen.append(picture())
    sitting.key("b")
    seen.append(picture())
    assert len(set(seen)) == len(seen)
    assert sitting.controller.session.palette.current == BLUE
