"""The review window: real events go in; the clusters, the pixels and the disk are looked at."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QMessageBox, QWidget

import labelimg
from labelimg import files
from labelimg.app import theme
from labelimg.app.help_window import HelpWindow
from labelimg.app.review_commands import COMMANDS
from labelimg.app.review_controller import ReviewController
from labelimg.app.review_dialogs import ApplyDialog, NameDialog
from labelimg.clusterimg.review import Review
from pictures import ALBUM_GROUPS, ALBUM_LONE, make_album, photograph, save, truncated_png

NONE = Qt.KeyboardModifier.NoModifier
CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
LEFT = Qt.MouseButton.LeftButton


class Person:
    """Sits in front of a review window."""

    def __init__(self, out: Path, app: QApplication) -> None:
        self.out, self.app = out, app
        self.review = Review(out)
        self.controller = ReviewController(self.review)
        self.window, self.gallery = self.controller.window, self.controller.gallery
        self.view = self.gallery.viewport()
        self.window.resize(1100, 900)
        self.controller.show()
        QTest.qWaitForWindowExposed(self.window)
        self.window.activateWindow()
        self.gallery.setFocus()
        self.until(lambda: self.controller.pictures.is_idle and self.controller.page.similarities is not None)

    # what there is

    @property
    def clusters(self) -> dict[str, set[str]]:
        found = {name: set(images) for name, images in self.review.clusters.items()}
        return {**found, "outliers": set(self.review.outliers)}

    @property
    def message(self) -> str:
        return self.window.message.text

    def row(self, image: str) -> int:
        return self.review.standing.rows[image]

    def number(self, cluster: str) -> int:
        number = self.review.now.number_of(cluster)
        assert number is not None
        return number

    def place(self, image: str) -> QPoint:
        """The middle of an image, which is brought into sight."""
        self.gallery.bring_into_sight(self.row(image))
        return self.gallery.rect_of(self.row(image)).center() - QPoint(0, 10)

    def heading(self, cluster: str) -> QPoint:
        rect = self.gallery.heading_rect(self.number(cluster))
        if not self.view.rect().contains(rect):
            self.gallery.verticalScrollBar().setValue(
                int(self.gallery.gallery.tops[self.gallery.gallery.section_of(self.number(cluster))])
            )
            rect = self.gallery.heading_rect(self.number(cluster))
        return QPoint(60, rect.center().y())

    @property
    def chosen(self) -> set[str]:
        return {self.review.images[row] for row in self.gallery.chosen_rows}

    def until(self, true: Callable[[], object], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not true():
            self.app.processEvents()
            time.sleep(0.002)
            assert time.monotonic() < end, f"did not come; the message says {self.message!r}"
        self.app.processEvents()

    def dialog(self, kind: type[Any]) -> Any:
        return next(each for each in self.app.topLevelWidgets() if isinstance(each, kind) and each.isVisible())

    # the hand

    def click(self, at: QPoint, modifiers: Qt.KeyboardModifier = NONE) -> None:
        QTest.mouseMove(self.view, at)
        QTest.mouseClick(self.view, LEFT, modifiers, at)
        self.app.processEvents()

    def choose(self, *images: str) -> None:
        for number, image in enumerate(images):
            self.click(self.place(image), CTRL if number else NONE)

    def drag(self, begin: QPoint, *through: QPoint) -> None:
        QTest.mousePress(self.view, LEFT, NONE, begin)
        for at in (begin + QPoint(12, 12), *through):
            QTest.mouseMove(self.view, at)
            self.app.processEvents()
        QTest.mouseRelease(self.view, LEFT, NONE, through[-1])
        self.app.processEvents()

    def key(self, key: Any, modifiers: Qt.KeyboardModifier = NONE, on: QWidget | None = None) -> None:
        if on is None and self.app.activeWindow() is not self.window:  # as a window manager does it
            self.window.activateWindow()
            self.app.processEvents()
        QTest.keyClick(on or self.app.focusWidget() or self.gallery, key, modifiers)
        self.app.processEvents()

    def type(self, text: str, on: QWidget) -> None:
        QTest.keyClicks(on, text)
        self.app.processEvents()

    def apply(self) -> None:
        self.key(Qt.Key.Key_S, CTRL)
        self.key(Qt.Key.Key_Return, on=self.dialog(ApplyDialog).apply)
        self.until(lambda: not self.controller.leaving.busy)

    def close(self) -> None:
        if not self.window.may_close:
            self.until(lambda: not self.controller.leaving.busy)
            self.controller.close()
        self.window.deleteLater()
        self.app.processEvents()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    labelimg.cluster(make_album(tmp_path / "album"), out=tmp_path / "out", threshold=0.69)
    return tmp_path / "out"


@pytest.fixture
def sit(qt: QApplication) -> Iterator[Callable[[Path], Person]]:
    people: list[Person] = []

    def begin(out: Path) -> Person:
        people.append(Person(out, qt))
        return people[-1]

    yield begin
    files.on_operation = None
    for person in people:
        person.close()


@pytest.fixture
def person(sit: Callable[[Path], Person], out: Path) -> Person:
    return sit(out)


def on_disk(out: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in (out / "results").rglob("*.*"):
        found.setdefault(path.parent.name, set()).add(path.name)
    return found


def listed(out: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    with (out / "clusters.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            found.setdefault(row["cluster"], set()).add(row["image"])
    return found


# ------------------------------------------------------------------------------------------------------- the mouse


def test_an_image_is_dragged_to_another_cluster_and_stays_there_once_applied(person: Person):
    person.drag(person.place("moon.png"), person.place("coffee.png"))
    assert person.clusters["cluster_1"] == {*ALBUM_GROUPS[1], "moon.png"}
    assert "moon.png" in on_disk(person.out)["outliers"]  # not before it is applied
    assert person.window.pending.text() == "1 image to move"
    person.apply()
    assert "moon.png" in on_disk(person.out)["cluster_1"]
    assert "moon.png" in listed(person.out)["cluster_1"]
    assert person.window.pending.text() == "nothing to apply"


def test_several_images_are_dragged_together(person: Person):
    person.choose("moon.png", "chelsea.png")
    person.drag(person.place("moon.png"), person.place("coffee.png"))
    assert person.clusters["cluster_1"] == {*ALBUM_GROUPS[1], *ALBUM_LONE}
    assert person.chosen == set(ALBUM_LONE)


def test_what_is_not_chosen_is_dragged_alone(person: Person):
    person.choose("moon.png")
    person.drag(person.place("chelsea.png"), person.place("coffee.png"))
    assert "moon.png" in person.clusters["outliers"] and "chelsea.png" in person.clusters["cluster_1"]


@pytest.mark.parametrize(("zone", "cluster"), [(-1, "cluster_3"), (0, "outliers")])
def test_images_are_dragged_to_the_places_at_the_bottom(person: Person, zone: int, cluster: str):
    person.gallery.dragging.place_zones()
    person.drag(person.place("coffee.png"), person.gallery.dragging.zones[zone].geometry().center())
    assert "coffee.png" in person.clusters[cluster]
    assert not person.gallery.dragging.zones[zone].isVisible()


def test_a_cluster_is_merged_with_the_one_its_name_is_dropped_on(person: Person):
    person.drag(person.heading("cluster_2"), person.heading("cluster_1"))
    assert person.clusters["cluster_1"] == {*ALBUM_GROUPS[1], *ALBUM_GROUPS[2]}
    assert "cluster_2" not in person.clusters


def test_escape_ends_dragging_and_nothing_is_moved(person: Person):
    begin = person.place("moon.png")
    QTest.mousePress(person.view, LEFT, NONE, begin)
    QTest.mouseMove(person.view, begin + QPoint(20, 20))
    QTest.mouseMove(person.view, person.place("coffee.png"))
    assert person.gallery.dragging.is_dragging
    person.key(Qt.Key.Key_Escape, on=person.gallery)
    QTest.mouseRelease(person.view, LEFT, NONE, person.place("coffee.png"))
    assert person.review.pending == ()


def test_dropped_nowhere_or_where_it_was_nothing_is_moved(person: Person):
    person.drag(person.place("coffee.png"), person.place("copies/coffee.jpg"))
    assert person.review.pending == () and not person.review.history.can_undo


def test_dragging_near_an_edge_scrolls(person: Person):
    person.window.resize(700, 420)
    person.app.processEvents()
    bar = person.gallery.verticalScrollBar()
    begin = person.place("astronaut.png")
    before = bar.value()
    QTest.mousePress(person.view, LEFT, NONE, begin)
    QTest.mouseMove(person.view, begin + QPoint(20, 20))
    QTest.mouseMove(person.view, QPoint(8, person.view.height() - 3))
    person.until(lambda: bar.value() > before + 50)
    person.key(Qt.Key.Key_Escape, on=person.gallery)
    QTest.mouseRelease(person.view, LEFT, NONE, QPoint(8, 100))


def test_clicks_choose_as_in_lists(person: Person):
    person.click(person.place("coffee.png"))
    assert person.chosen == {"coffee.png"}
    person.click(person.place("moon.png"), CTRL)
    assert person.chosen == {"coffee.png", "moon.png"}
    person.click(person.place("coffee.png"), CTRL)
    assert person.chosen == {"moon.png"}
    person.click(person.place("astronaut.png"))
    person.click(person.place("coffee.png"), SHIFT)
    assert person.chosen == {*ALBUM_GROUPS[0], "coffee.png"}
    person.click(person.heading("cluster_2"))
    assert person.chosen == set(ALBUM_GROUPS[2])
    person.click(QPoint(person.view.width() - 5, person.place("rocket.png").y()))
    assert person.chosen == set()


def test_a_rectangle_chooses_what_it_touches(person: Person):
    first, last = person.place("astronaut.png"), person.place("copies/astronaut.jpg")
    right = QPoint(person.view.width() - 4, last.y() + 70)
    assert person.gallery.hit(right).position < 0 and not person.gallery.hit(right).heading
    person.drag(right, first)
    assert person.chosen == set(ALBUM_GROUPS[0])


def test_the_wheel_scrolls_and_with_ctrl_sizes(person: Person):
    person.window.resize(500, 360)
    person.app.processEvents()

    def wheel(steps: int, modifiers: Qt.KeyboardModifier) -> None:
        at = QPointF(50, 80)
        event = QWheelEvent(
            at,
            person.view.mapToGlobal(at),
            QPoint(),
            QPoint(0, 120 * steps),
            Qt.MouseButton.NoButton,
            modifiers,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        person.app.sendEvent(person.view, event)

    wheel(-1, NONE)
    assert person.gallery.verticalScrollBar().value() > 0
    side = person.gallery.side
    wheel(1, CTRL)
    assert person.gallery.side > side
    wheel(-1, CTRL)
    assert person.gallery.side == side


# ----------------------------------------------------------------------------------------------------- the keyboard


def test_everything_works_with_the_keyboard_alone(person: Person):
    person.key(Qt.Key.Key_Home)
    assert person.chosen == {"astronaut.png"}
    person.key(Qt.Key.Key_Right)
    assert person.chosen == {"copies/astronaut small.png"}
    person.key(Qt.Key.Key_N)  # a new cluster
    assert person.clusters["cluster_3"] == {"copies/astronaut small.png"}
    person.key(Qt.Key.Key_R)  # rename it
    editor = person.gallery.editor
    assert editor is not None
    editor.selectAll()
    person.type("portrait", editor)
    person.key(Qt.Key.Key_Return, on=editor)
    assert "portrait" in person.clusters
    person.key(Qt.Key.Key_Up, CTRL)
    person.key(Qt.Key.Key_End)
    assert person.chosen == {"moon.png"}
    person.key(Qt.Key.Key_X, CTRL)
    person.key(Qt.Key.Key_Home)
    person.key(Qt.Key.Key_V, CTRL)  # the moon goes to the astronauts
    assert "moon.png" in person.clusters["cluster_0"]
    person.key(Qt.Key.Key_O)
    assert "moon.png" in person.clusters["outliers"]
    person.key(Qt.Key.Key_Z)
    assert "moon.png" in person.clusters["cluster_0"]
    person.key(Qt.Key.Key_Z, SHIFT)
    assert "moon.png" in person.clusters["outliers"]
    person.apply()
    assert on_disk(person.out) == {
        "cluster_0": {"astronaut.png", "astronaut.jpg"},
        "portrait": {"astronaut small.png"},
        "cluster_1": {"coffee.png", "coffee.jpg"},
        "cluster_2": {"rocket.png", "ünïcode rocket.png"},
        "outliers": {"chelsea.png", "moon.png"},
    }
    person.key(Qt.Key.Key_Q)
    assert person.window.may_close


def test_shift_and_arrows_choose_all_between(person: Person):
    person.key(Qt.Key.Key_Home)
    person.key(Qt.Key.Key_Right, SHIFT)
    person.key(Qt.Key.Key_Right, SHIFT)
    assert person.chosen == set(ALBUM_GROUPS[0])
    person.key(Qt.Key.Key_Left, SHIFT)
    assert len(person.chosen) == 2
    person.key(Qt.Key.Key_A, CTRL)
    assert person.chosen == set(ALBUM_GROUPS[0])
    person.key(Qt.Key.Key_A, CTRL | SHIFT)
    assert len(person.chosen) == 9


def test_the_clusters_of_the_chosen_images_are_merged(person: Person):
    person.choose("coffee.png", "rocket.png", "moon.png")
    person.key(Qt.Key.Key_M)
    assert person.clusters["cluster_1"] == {*ALBUM_GROUPS[1], *ALBUM_GROUPS[2]}
    assert "moon.png" in person.clusters["outliers"]


def test_images_go_to_a_cluster_by_its_name(person: Person):
    for text, cluster in (("er_2", "cluster_2"), ("night", "night")):
        person.choose("moon.png")
        person.key(Qt.Key.Key_T)
        dialog = person.dialog(NameDialog)
        person.type(text, dialog.line)
        person.key(Qt.Key.Key_Return, on=dialog.line)
        assert "moon.png" in person.clusters[cluster]


def test_a_name_that_cannot_be_is_said_and_can_be_changed_on(person: Person):
    person.choose("coffee.png")
    person.key(Qt.Key.Key_F2)
    editor = person.gallery.editor
    assert editor is not None
    editor.setText("cluster_2")
    person.key(Qt.Key.Key_Return, on=editor)
    assert "already" in person.message and person.gallery.editor is editor
    editor.setText("cups")
    person.key(Qt.Key.Key_Return, on=editor)
    assert "cups" in person.clusters and person.gallery.editor is None
    person.key(Qt.Key.Key_F2)
    editor = person.gallery.editor
    assert editor is not None
    editor.setText("mugs")
    person.key(Qt.Key.Key_Escape, on=editor)
    assert "cups" in person.clusters and "mugs" not in person.clusters
    person.key(Qt.Key.Key_F2)
    editor = person.gallery.editor
    assert editor is not None
    editor.setText("mugs")
    person.click(person.place("moon.png"))  # elsewhere
    assert "mugs" in person.clusters and person.gallery.editor is None


def test_letters_in_the_filter_are_no_commands(person: Person):
    person.choose("coffee.png")
    person.key(Qt.Key.Key_F, CTRL)
    line = person.window.filter
    assert isinstance(person.app.focusWidget(), QLineEdit)
    person.type("moon", line)
    person.until(lambda: len(person.gallery.gallery) == 1)
    assert person.review.pending == ()
    assert person.gallery.gallery.sections[0].number == 0
    person.key(Qt.Key.Key_Escape, on=line)
    person.until(lambda: len(person.gallery.gallery) == 9)


def test_help_shows_every_command_with_a_key(person: Person):
    person.key(Qt.Key.Key_H)
    shown = person.dialog(HelpWindow)
    person.key(Qt.Key.Key_Escape, on=shown)
    for command in COMMANDS:
        assert getattr(person.controller, f"_do_{command.name}", None) or command.name.startswith(("theme_", "by_"))
        assert person.window.actions_by_name[command.name] in [
            action for menu in person.window.menuBar().actions() for action in menu.menu().actions()
        ]


# --------------------------------------------------------------------------------------------------------- zooming


def test_space_shows_an_image_whole_and_arrows_go_on(person: Person):
    person.choose("astronaut.png")
    person.key(Qt.Key.Key_Space)
    zoom = person.window.zoom
    assert zoom.isVisible() and zoom.name == "astronaut.png"
    person.until(lambda: zoom.is_sharp)
    person.key(Qt.Key.Key_Right, on=zoom)
    assert zoom.name == "copies/astronaut small.png"
    person.key(Qt.Key.Key_End, on=zoom)
    person.until(lambda: zoom.is_sharp)
    assert zoom.name == "moon.png" and person.chosen == {"moon.png"}
    picture = zoom.grab().toImage()
    middle = picture.pixelColor(zoom.width() // 2, (zoom.height() - 46) // 2)
    assert middle.red() == middle.green() == middle.blue() and middle.red() > 40  # the moon is grey
    person.key(Qt.Key.Key_Space, on=zoom)
    assert not zoom.isVisible()


def test_what_is_seen_whole_can_be_moved_and_the_next_comes(person: Person):
    person.choose("astronaut.png")
    person.key(Qt.Key.Key_Space)
    person.key(Qt.Key.Key_O, on=person.window.zoom)
    assert "astronaut.png" in person.clusters["outliers"]
    assert person.window.zoom.isVisible() and person.window.zoom.name == "copies/astronaut small.png"


def test_the_wheel_magnifies_and_the_hand_moves_it(person: Person):
    person.choose("coffee.png")
    person.key(Qt.Key.Key_Space)
    zoom = person.window.zoom
    person.until(lambda: zoom.is_sharp)
    before = zoom.at(80, 60)
    person.key(Qt.Key.Key_Plus, on=zoom)
    wide = zoom.at(100, 60) - zoom.at(80, 60)
    assert wide.x() > 0
    QTest.mousePress(zoom, LEFT, NONE, QPoint(300, 300))
    QTest.mouseMove(zoom, QPoint(200, 260))
    QTest.mouseRelease(zoom, LEFT, NONE, QPoint(200, 260))
    assert zoom.at(80, 60) != before


# ------------------------------------------------------------------------------------------------------- splitting


def test_a_cluster_is_split_by_the_slider_with_a_live_preview(person: Person):
    person.drag(person.heading("cluster_2"), person.heading("cluster_1"))
    person.choose("coffee.png")
    person.key(Qt.Key.Key_S)
    bar = person.window.split_bar
    person.until(lambda: bar.slider.isEnabled())
    assert bar.found == "2 pieces"
    assert [len(section.rows) for section in person.gallery.gallery.sections] == [2, 2]
    assert len(person.review.clusters) == 2  # a preview alone
    person.key(Qt.Key.Key_End, on=bar.slider)
    assert "to the outliers" in bar.found
    person.key(Qt.Key.Key_Home, on=bar.slider)
    person.key(Qt.Key.Key_Return, on=bar.slider)
    assert {frozenset(images) for images in person.review.clusters.values()} == {frozenset(g) for g in ALBUM_GROUPS}
    assert not bar.isVisible()
    person.key(Qt.Key.Key_Z)
    assert len(person.review.clusters) == 2


def test_escape_leaves_a_cluster_whole(person: Person):
    person.choose("astronaut.png")
    person.key(Qt.Key.Key_S)
    bar = person.window.split_bar
    person.until(lambda: bar.slider.isEnabled())
    person.key(Qt.Key.Key_Escape, on=bar.slider)
    assert not bar.isVisible() and person.review.pending == ()
    assert len(person.gallery.gallery) == 9


# ------------------------------------------------------------------------------------------------- what is shown


def test_pictures_are_drawn_where_they_are_said_to_be(person: Person):
    image = person.view.grab().toImage()
    rect = person.gallery.rect_of(person.row("coffee.png"))
    colours = [image.pixelColor(x, rect.top() + 50) for x in range(rect.left() + 20, rect.right() - 20, 6)]
    assert len({colour.rgb() for colour in colours}) > 8
    assert sum(colour.red() > colour.blue() for colour in colours) > len(colours) // 2  # coffee is brown


@pytest.mark.parametrize("choice", ["light", "dark"])
def test_both_themes_show_the_chosen_and_the_pending(person: Person, choice: str):
    person.controller.do(f"theme_{choice}")
    person.choose("coffee.png")
    accent = theme.current().accent
    rect = person.gallery.rect_of(person.row("coffee.png"))
    image = person.view.grab().toImage()
    assert image.pixelColor(rect.left() - 4, rect.center().y()).name() == accent
    person.key(Qt.Key.Key_O)
    person.click(person.heading("outliers"))
    rect = person.gallery.rect_of(person.row("coffee.png"))
    image = person.view.grab().toImage()
    assert image.pixelColor(rect.right() - 7, rect.top() + 8).name() == accent
    person.controller.do("theme_dark")


def test_a_cluster_shows_one_line_or_all(person: Person):
    person.window.resize(420, 700)
    person.app.processEvents()
    columns = person.gallery.gallery.columns
    assert columns < 3
    top = person.heading("cluster_0")
    person.click(QPoint(20, top.y()))
    assert len(person.gallery.gallery) == 9 - 3 + columns
    person.key(Qt.Key.Key_C, SHIFT)
    person.key(Qt.Key.Key_C, SHIFT)
    assert len(person.gallery.gallery) == 9


def test_clusters_stand_in_the_order_that_is_asked_for(person: Person):
    def order() -> list[str]:
        return [person.review.now.name_of(section.number) for section in person.gallery.gallery.sections]

    assert order() == ["cluster_0", "cluster_1", "cluster_2", "outliers"]
    now = person.review.now
    pairs = person.controller.page.similarities.tightness(now.members(), now.clusters)
    assert len(pairs) == 3
    person.controller.do("by_tightness")
    tight = [pairs[person.number(name)] for name in order()[:3]]
    assert tight == sorted(tight, reverse=True)
    person.controller.do("by_looseness")
    assert [pairs[person.number(name)] for name in order()[:3]] == sorted(tight)
    person.controller.do("by_name")
    assert order()[-1] == "outliers"


def test_an_image_that_cannot_be_read_is_said_so_and_can_be_moved(sit: Callable[[Path], Person], out: Path):
    truncated_png(out / "results/outliers/broken.png")
    (out / "thumbnails.bin").unlink(missing_ok=True)
    person = sit(out)
    name = next(name for name in person.review.images if name.endswith("broken.png"))
    person.until(lambda: person.controller.pictures.is_unreadable(name))
    person.drag(person.place(name), person.place("coffee.png"))
    assert name in person.clusters["cluster_1"]
    person.key(Qt.Key.Key_Space)
    person.window.zoom.grab()


def test_names_that_no_screen_can_show_do_no_harm(sit: Callable[[Path], Person], tmp_path: Path):
    album = make_album(tmp_path / "album")
    for name in (b"line\nbreak.png", b"no \xff text.png", b"<b>bold & amp.png"):
        save(Path(os.fsdecode(os.path.join(os.fsencode(album), name))), photograph("coffee"))
    labelimg.cluster(album, out=tmp_path / "out", threshold=0.69)
    results = os.fsencode(tmp_path / "out/results")
    os.rename(results + b"/cluster_0", results + b"/c\xffps\n & <i>")
    person = sit(tmp_path / "out")
    odd = os.fsdecode(b"c\xffps\n & <i>")
    assert odd in person.clusters
    name = os.fsdecode(b"no \xff text.png")
    person.choose(name)
    QTest.mouseMove(person.view, person.place(name) + QPoint(2, 2))
    person.key(Qt.Key.Key_Space)
    person.until(lambda: person.window.zoom.is_sharp)
    person.window.zoom.grab()
    person.key(Qt.Key.Key_Space, on=person.window.zoom)
    person.key(Qt.Key.Key_O)
    person.choose(name)
    person.key(Qt.Key.Key_T)
    dialog = person.dialog(NameDialog)
    person.type("ps", dialog.line)
    person.key(Qt.Key.Key_Return, on=dialog.line)
    assert name in person.clusters[odd] and person.review.pending == ()
    person.choose("moon.png")
    person.drag(person.place("moon.png"), person.place(name))
    person.apply()
    assert b"moon.png" in os.listdir(results + b"/c\xffps\n & <i>")
    person.choose(name)
    person.key(Qt.Key.Key_F2)
    editor = person.gallery.editor
    assert editor is not None
    editor.setText("cups")
    person.key(Qt.Key.Key_Return, on=editor)
    assert name in person.clusters["cups"]


# ------------------------------------------------------------------------------------------- applying and leaving


def test_what_will_be_moved_is_shown_and_can_be_refused(person: Person):
    person.choose("moon.png")
    person.key(Qt.Key.Key_N)
    person.key(Qt.Key.Key_S, CTRL)
    dialog = person.dialog(ApplyDialog)
    assert dialog.list.toPlainText() == "moon.png:  outliers  →  cluster_3"
    person.key(Qt.Key.Key_Escape, on=dialog)
    assert "cluster_3" not in on_disk(person.out) and len(person.review.pending) == 1


def test_an_error_while_applying_is_said_and_the_rest_is_pending(person: Person):
    person.choose("moon.png")
    person.key(Qt.Key.Key_N)

    def refuse(operation: str, path: str) -> None:
        if operation == "rename":
            raise PermissionError(13, "Permission denied", path)

    files.on_operation = refuse
    person.apply()
    files.on_operation = None
    assert "permission denied" in person.message
    assert len(person.review.pending) == 1
    person.apply()
    assert on_disk(person.out)["cluster_3"] == {"moon.png"}


def answer(person: Person, text: str) -> None:
    box = person.dialog(QMessageBox)
    button = next(each for each in box.buttons() if each.text() == text)
    QTest.mouseClick(button, LEFT)
    person.app.processEvents()


def test_leaving_asks_once_and_keeps_applies_discards_or_stays(sit: Callable[[Path], Person], out: Path):
    person = sit(out)
    person.choose("moon.png")
    person.key(Qt.Key.Key_N)
    person.window.close()
    answer(person, "Cancel")
    assert not person.window.may_close
    person.key(Qt.Key.Key_Q)
    answer(person, "Keep for later")
    assert person.window.may_close and "cluster_3" not in on_disk(out)
    person = sit(out)
    assert "Brought back" in person.message and "cluster_3" in person.clusters
    person.window.close()
    answer(person, "Apply")
    person.until(lambda: person.window.may_close)
    assert on_disk(out)["cluster_3"] == {"moon.png"}
    person = sit(out)
    person.choose("chelsea.png")
    person.key(Qt.Key.Key_N)
    person.window.close()
    answer(person, "Discard")
    assert person.window.may_close
    person = sit(out)
    assert person.review.pending == () and "cluster_4" not in person.clusters
    person.window.close()
    assert person.window.may_close  # nothing to ask


def test_changes_can_be_discarded_after_a_question(person: Person):
    person.choose("moon.png")
    person.key(Qt.Key.Key_N)
    person.controller.do("discard")
    answer(person, "Discard")
    assert person.review.pending == () and len(person.gallery.gallery.sections) == 4


def test_files_that_went_elsewhere_meanwhile_are_told_of(person: Person):
    person.choose("moon.png")
    person.key(Qt.Key.Key_N)
    (person.out / "results/cluster_1/coffee.png").unlink()
    person.apply()
    assert "went elsewhere" in person.message
    assert "coffee.png" not in person.review.images and len(person.gallery.gallery) == 8
    person.key(Qt.Key.Key_Home)
    person.key(Qt.Key.Key_End)
    assert person.chosen == {"moon.png"} or person.chosen == {"chelsea.png"}


def test_thumbnails_are_let_go_of_past_their_room(person: Person, monkeypatch: pytest.MonkeyPatch):
    from labelimg.app import review_pictures

    monkeypatch.setattr(review_pictures, "_KEPT_BYTES", 300_000)
    for _ in range(3):
        person.key(Qt.Key.Key_Plus, on=person.gallery)
        person.view.grab()
        person.until(lambda: person.controller.pictures.is_idle)
    pictures = person.controller.pictures
    assert pictures._bytes == sum(4 * p.width() * p.height() for p in pictures._known.values() if p is not None)
    assert pictures._bytes <= 300_000 + 4 * 400 * 400
    assert set(pictures._latest) <= {name for name, _ in pictures._known}


def test_a_thumbnail_that_is_small_for_its_room_is_followed_by_a_sharp_picture(
    sit: Callable[[Path], Person], tmp_path: Path
):
    save(tmp_path / "in/a.jpg", photograph("coffee", 1200, 900), quality=90)
    save(tmp_path / "in/b.jpg", photograph("coffee", 1200, 900), quality=80)
    save(tmp_path / "in/small.png", photograph("moon", 40, 30))
    labelimg.cluster(tmp_path / "in", out=tmp_path / "out", threshold=0.69)
    person = sit(tmp_path / "out")
    for side in (96, 352):
        person.gallery.set_side(side)
        person.view.grab()
        person.until(lambda: person.controller.pictures.is_idle)
        sizes = {
            name: picture.size().toTuple()
            for (name, at), picture in person.controller.pictures._known.items()
            if picture is not None and at == side
        }
        assert sizes["a.jpg"] == sizes["b.jpg"] == (side, 3 * side // 4)
    assert sizes["small.png"] == (40, 30)  # no larger than it is


def test_what_could_not_be_read_is_tried_again_once_files_have_moved(person: Person):
    pictures, name = person.controller.pictures, "moon.png"
    pictures._keep(name, 77, None, True)  # as of a file that is being renamed just now
    assert pictures.is_unreadable(name)
    person.choose("coffee.png")
    person.key(Qt.Key.Key_N)
    person.apply()
    person.view.grab()
    person.until(lambda: pictures.is_idle)
    assert not pictures.is_unreadable(name)


def test_chosen_rows_are_an_array_of_their_own(person: Person):
    person.choose("moon.png")
    assert person.gallery.chosen.dtype == np.bool_ and person.gallery.chosen.sum() == 1
