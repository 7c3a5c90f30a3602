"""Colours, sliders, list, menus and what is kept from one sitting to the next."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest

from conftest import RED, Sitting
from labelimg.app import theme
from labelimg.app.image_list import DONE, UNSAVED, ImageModel, Thumbnails
from labelimg.app.method_panel import MethodPanel, Scale
from labelimg.segmentatimg.methods import NAMES, make_method, method_class, segment
from labelimg.segmentatimg.methods.base import fields_of
from labelimg.segmentatimg.painting import Painting
from pictures import photograph, save


def type_name(sitting: Sitting, row: int, name: str) -> None:
    field = sitting.colours.name_field(row)
    QTest.mouseClick(field, Qt.MouseButton.LeftButton)
    QTest.keyClicks(field, name)
    QTest.keyClick(field, Qt.Key.Key_Return)
    sitting.settle()


# ------------------------------------------------------------------------------------------------- colours


def test_class_names_go_to_classes_json_and_are_offered_again(start: Callable[..., Sitting], folder: Path) -> None:
    first = start(folder)
    type_name(first, 0, "coffee cup")
    type_name(first, 2, "spoon")
    classes = json.loads((folder.with_name("photos_segmented") / "classes.json").read_text("utf-8"))
    assert classes == {"(R:204,G:0,B:0)": "coffee cup", "(R:44,G:160,B:44)": "spoon"}
    first.key("n")
    assert first.colours.row_names()[:3] == ["coffee cup", "", "spoon"]
    first.close()
    again = start(folder)
    assert again.colours.row_names()[:2] == ["coffee cup", "spoon"]


def test_typing_a_name_gives_no_commands(sitting: Sitting) -> None:
    sitting.click(80, 60)
    paint = sitting.paint
    type_name(sitting, 0, "zebra npr 12 [b] qd")
    assert sitting.row == 0 and (sitting.paint == paint).all() and sitting.window.isVisible()
    assert sitting.controller.session.palette.names[RED] == "zebra npr 12 [b] qd"


def test_a_click_on_a_colour_takes_it_in_hand(sitting: Sitting) -> None:
    QTest.mouseClick(sitting.colours.row(3), Qt.MouseButton.LeftButton, pos=QPoint(4, 4))
    sitting.click(80, 60)
    assert sitting.painting.colours[int(sitting.paint[60, 80]) - 1] == (255, 140, 0)


def test_any_colour_can_be_added_and_painted_with(sitting: Sitting, folder: Path) -> None:
    sitting.colours.added.emit((1, 2, 3))
    assert sitting.controller.session.palette.current == (1, 2, 3)
    sitting.click(80, 60)
    sitting.key(Qt.Key.Key_Space)
    sitting.saved()
    assert (folder.with_name("photos_segmented") / "a_mask_(R:1,G:2,B:3).png").exists()


def test_colours_of_saved_masks_are_offered(start: Callable[..., Sitting], folder: Path) -> None:
    first = start(folder)
    first.controller.hand.add_colour((9, 8, 7))
    first.click(80, 60)
    first.key(Qt.Key.Key_Space)
    first.close()
    again = start(folder / "a.png")
    assert (9, 8, 7) in again.controller.session.palette.colours
    assert again.painting.colours == ((9, 8, 7),) and again.paint.any()


def test_the_colour_window_shows_the_mode(sitting: Sitting) -> None:
    assert sitting.colours.mode_text == "Segments"
    sitting.double(20, 20)
    assert sitting.colours.mode_text == "Continuous filling"
    sitting.double(20, 20, "right")
    assert sitting.colours.mode_text == "Continuous unfilling"
    sitting.click(20, 20, "middle")
    assert sitting.colours.mode_text == "Cut"
    sitting.key(Qt.Key.Key_Escape)
    assert sitting.colours.mode_text == "Segments"


# ------------------------------------------------------------------------------------------------- segments


def test_every_method_has_a_control_for_each_of_its_parameters(qt: object) -> None:
    for name in NAMES:
        panel = MethodPanel(make_method(name))
        fields = fields_of(method_class(name))
        assert [each.field for each in panel.parameters] == list(fields)
        assert [each.value for each in panel.parameters] == [field.default for field in fields]
        for field in fields:
            if field.kind is str:
                continue
            scale = Scale(field)
            values = [scale.value(tick) for tick in range(scale.last + 1)]
            assert values[0] == field.low and values[-1] == field.high and values == sorted(values)
            for value in values:
                field.check(value)
        panel.deleteLater()


def test_a_slider_segments_again_and_the_paint_stays_where_it_was(sitting: Sitting) -> None:
    sitting.click(80, 60)
    paint, count = sitting.paint, sitting.painting.segment_count
    slider = sitting.window.panel.parameters[0].slider
    assert slider is not None
    told: list[str] = []
    tell = sitting.controller.session._tell
    sitting.controller.session._tell = lambda what, *rest: (told.append(what), tell(what, *rest))
    slider.setSliderDown(True)
    slider.setValue(slider.value() + 40)
    sitting.until(lambda: "preview" in told)
    assert sitting.painting.segment_count == count  # while it moves, only what is seen
    slider.setSliderDown(False)
    slider.sliderReleased.emit()
    method = sitting.window.panel.method
    sitting.until(lambda: sitting.picture.method == method and not sitting.picture.busy)
    expected = segment(sitting.painting.image, "superpixel", region_size=method.region_size)
    assert sitting.painting.segment_count == expected.max() < count
    assert (sitting.paint == paint).all()
    sitting.key("z")
    assert not sitting.paint.any()
    sitting.click(80, 60)
    twin = Painting(sitting.painting.image, expected)
    twin.fill(80, 60, RED)
    assert (sitting.paint == twin.paint).all()


def test_another_method_holds_for_the_following_images(sitting: Sitting) -> None:
    sitting.window.panel.names.setCurrentText("felzenszwalb")
    sitting.until(lambda: sitting.picture.method == make_method("felzenszwalb") and not sitting.picture.busy)
    sitting.key("n")
    sitting.ready()
    expected = segment(sitting.painting.image, "felzenszwalb")
    assert sitting.painting.segment_count == expected.max()


def test_the_opacities_of_paint_and_boundaries_are_seen(sitting: Sitting) -> None:
    panel = sitting.window.panel
    sitting.click(80, 60)
    sitting.move(150, 110)
    panel.edges.setValue(0)
    panel.paint.setValue(100)
    assert sitting.colour_at(80, 60) == RED
    panel.paint.setValue(0)
    plain = sitting.pixels()
    original = sitting.painting.image[60, 80]
    assert np.abs(np.subtract(sitting.colour_at(80, 60), original.astype(int))).max() <= 2
    panel.edges.setValue(100)
    lines = (sitting.pixels() != plain).any(axis=2)
    # With full opacity boundaries are black or white.
    assert set(np.unique(sitting.pixels()[lines])) <= {15, 16, 255}


# ------------------------------------------------------------------------------------------------- the list


def test_the_list_shows_thumbnails_and_what_is_done_and_a_click_goes_there(sitting: Sitting) -> None:
    model, view = sitting.window.model, sitting.window.list
    sitting.until(lambda: all(model.index(row).data(Qt.ItemDataRole.DecorationRole) for row in range(3)))
    assert [model.index(row).data() for row in range(3)] == ["a.png", "b.png", "c.png"]
    sitting.click(80, 60)
    assert model.index(0).data(UNSAVED) and not model.index(0).data(DONE)
    sitting.key(Qt.Key.Key_Space)
    sitting.saved()
    assert model.index(0).data(DONE) and not model.index(0).data(UNSAVED)
    place = view.visualRect(model.index(2)).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert sitting.row == 2 and view.currentIndex().row() == 2
    assert sitting.window.position.text() == "3 of 3"


def test_only_the_thumbnails_in_sight_are_read(qt: object) -> None:
    asked: list[str] = []

    class Counting(Thumbnails):
        def get(self, path: str) -> None:
            asked.append(path)

    from labelimg.app.image_list import ImageList

    thumbnails = Counting()
    model = ImageModel(thumbnails)
    view = ImageList(model)
    view.resize(240, 400)
    paths = tuple(f"/none/{k:05}.png" for k in range(50_000))
    model.show_images(paths, paths, set(), set())
    view.show()
    QTest.qWait(50)
    assert 0 < len(set(asked)) < 20
    view.show_current(49_999)
    QTest.qWait(50)
    assert paths[-1] in asked and len(set(asked)) < 40
    thumbnails.close()
    view.close()
    view.deleteLater()


# ------------------------------------------------------------------------------------------------- folders


def test_a_folder_can_be_dropped_and_is_among_the_recent_ones(start: Callable[..., Sitting], folder: Path) -> None:
    sitting = start()
    assert sitting.picture is None
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder))])
    how = Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # only Qt itself is to make such events
        enter, drop = QDragEnterEvent(QPoint(100, 100), *how), QDropEvent(QPointF(100, 100), *how)
    sitting.app.sendEvent(sitting.window, enter)
    assert enter.isAccepted()
    sitting.app.sendEvent(sitting.window, drop)
    sitting.ready()
    assert len(sitting.controller.session) == 3
    sitting.close()
    again = start()
    assert [action.text() for action in again.window.recent.actions()] == [str(folder)]
    again.window.recent.actions()[0].trigger()
    again.ready()
    assert again.row == 0


def test_an_image_opens_its_folder_at_that_image(start: Callable[..., Sitting], folder: Path) -> None:
    assert start(folder / "b.png").row == 1


def test_a_folder_opens_at_the_first_image_without_masks(start: Callable[..., Sitting], folder: Path) -> None:
    first = start(folder)
    first.key(Qt.Key.Key_Space)
    first.close()
    assert start(folder).row == 1


def test_another_folder_asks_about_unsaved_paint(sitting: Sitting, tmp_path: Path) -> None:
    save(tmp_path / "other" / "x.png", photograph("moon"))
    sitting.click(80, 60)
    sitting.window.folder_wanted.emit(str(tmp_path / "other"))
    assert sitting.controller.leaving.box is not None and len(sitting.controller.session) == 3
    sitting.controller.leaving.box.reject()
    sitting.settle()
    assert len(sitting.controller.session) == 3


def test_window_places_theme_and_opacities_are_kept(start: Callable[..., Sitting], folder: Path) -> None:
    first = start(folder)
    first.window.setGeometry(40, 50, 640, 500)
    first.colours.setGeometry(120, 90, 300, 420)
    first.controller.set_theme("light")
    first.window.panel.paint.setValue(35)
    first.settle()
    first.close()
    again = start(folder)
    assert again.window.size().toTuple() == (900, 620)  # the test's own
    assert again.colours.geometry().getRect() == (120, 90, 300, 420)
    assert again.controller.settings.theme == "light" and again.window.panel.paint.value() == 35
    again.controller.set_theme("dark")


def test_both_themes_have_text_that_can_be_read() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(a: str, b: str) -> float:
        light, dark = sorted((luminance(a), luminance(b)), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    for look in (theme.LIGHT, theme.DARK):
        for ground in (look.window, look.raised, look.field):
            assert contrast(look.text, ground) >= 7
            assert contrast(look.faint, ground) >= 4.5
        assert contrast(look.accent_text, look.accent) >= 4.5


def test_methods_are_frozen_values_that_the_panel_replaces() -> None:
    method = make_method("superpixel")
    assert replace(method, region_size=30) != method
