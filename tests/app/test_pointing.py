"""Every row of the two tables of pointing, with real events; pixels, segments and files are looked at."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from conftest import RED, Sitting
from labelimg.app.pointing_canvas import LOOKS
from labelimg.app.pointing_windows import GRABCUT_LOOKS, KEYS, SAM_LOOKS
from labelimg.errors import ModelError
from labelimg.segmentatimg.embeddings import EmbeddingStore
from labelimg.segmentatimg.geometry import Rect
from labelimg.segmentatimg.grabcut import GrabCut, grabcut, segments_of
from labelimg.segmentatimg.methods.sam import SamMasks
from labelimg.segmentatimg.objects import label_map
from labelimg.segmentatimg.pointing import Wish
from labelimg.segmentatimg.prompts import Click, Prompts
from pictures import save

LEFT, MIDDLE, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton
NO, CTRL, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
DISC = Rect(50, 30, 110, 90)


def disc_picture() -> np.ndarray:
    """A bright disc of 60 pixels at (80, 60), and a blue square, on a dark, slightly uneven ground."""
    y, x = np.mgrid[:120, :160]
    image = np.full((120, 160, 3), (40, 60, 50), np.uint8) + ((x // 7 + y // 5) % 6).astype(np.uint8)[..., None]
    image[disc()] = (220, 180, 60)
    image[8:24, 130:150] = (90, 110, 230)
    return image


def disc() -> np.ndarray:
    y, x = np.mgrid[:120, :160]
    return np.asarray((x - 80) ** 2 + (y - 60) ** 2 <= 900)


def opened(start: Callable[..., Sitting], folder: Path, **wishes: Any) -> Sitting:
    """A sitting whose folder is opened once its windows are there."""
    sitting = start(None, **wishes)
    sitting.controller.open(str(folder))
    return sitting


class Finger:
    """A person who points."""

    def __init__(self, sitting: Sitting, app: QApplication) -> None:
        self.sitting, self.app = sitting, app
        self.control = sitting.controller.pointing.control
        self.annotations, self.found = self.control.annotations, self.control.found
        self.canvas = self.annotations.canvas
        sitting.until(lambda: self.control.shown and not self.control.busy, what="pointing windows")

    @property
    def prompts(self) -> Prompts:
        return self.control.pointing.history.prompts

    def at(self, x: float, y: float, canvas: Any = None) -> QPoint:
        px, py = (canvas or self.canvas).view.to_window((x + 0.5, y + 0.5))
        return QPoint(round(px), round(py))

    def drag(self, *points: tuple[int, int], button: Qt.MouseButton = LEFT, with_: Any = NO) -> None:
        QTest.mouseMove(self.canvas, self.at(*points[0]))
        QTest.mousePress(self.canvas, button, with_, self.at(*points[0]))
        for point in points[1:]:
            QTest.mouseMove(self.canvas, self.at(*point))
        QTest.mouseRelease(self.canvas, button, with_, self.at(*points[-1]))
        self.app.processEvents()

    def click(self, x: int, y: int, button: Qt.MouseButton = LEFT) -> None:
        QTest.mouseClick(self.canvas, button, NO, self.at(x, y))
        self.app.processEvents()

    def key(self, key: Any, with_: Any = NO, on: QWidget | None = None) -> None:
        QTest.keyClick(on or self.canvas, key, with_)
        self.app.processEvents()

    def wheel(self, steps: int, with_: Any = NO) -> None:
        at = QPointF(self.at(80, 60))
        event = QWheelEvent(
            at,
            self.canvas.mapToGlobal(at),
            QPoint(),
            QPoint(0, 120 * steps),
            Qt.MouseButton.NoButton,
            with_,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        self.app.sendEvent(self.canvas, event)
        self.app.processEvents()

    def space(self) -> None:
        self.key(Qt.Key.Key_Space)
        self.wait()

    def wait(self) -> None:
        self.sitting.until(lambda: not self.control.busy, what="what was looked for")
        self.app.processEvents()

    def finish(self) -> None:
        self.key("f")
        self.sitting.until(lambda: not self.control.shown, what="the painting windows")
        self.sitting.ready()

    def colour(self, canvas: QWidget, x: int, y: int) -> tuple[int, int, int]:
        self.app.processEvents()
        colour = QColor(canvas.grab().toImage().pixel(self.at(x, y, canvas)))
        return colour.red(), colour.green(), colour.blue()

    def marked(self, x: int, y: int) -> bool:
        """Whether an annotation is drawn on that pixel: the canvas does not show the bare image."""
        side = round(self.canvas.view.scale) + 2
        where = QRect(self.at(x, y) - QPoint(side // 2, side // 2), QSize(side, side))
        with_marks = self.canvas.grab(where).toImage()
        self.canvas.show_prompts(Prompts())
        without = self.canvas.grab(where).toImage()
        self.canvas.show_prompts(self.prompts)
        return bool(with_marks != without)


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        save(tmp_path / "discs" / f"{name}.png", disc_picture())
    return tmp_path / "discs"


@pytest.fixture
def grab(start: Callable[..., Sitting], discs: Path, qt: QApplication) -> Finger:
    return Finger(opened(start, discs, pointing=Wish("grabcut")), qt)


@pytest.fixture
def masks(checkpoint: Path) -> SamMasks:
    return SamMasks(checkpoint=str(checkpoint), points_per_side=4)


@pytest.fixture
def sam(start: Callable[..., Sitting], discs: Path, qt: QApplication, masks: SamMasks) -> Iterator[Finger]:
    yield Finger(opened(start, discs, pointing=Wish("sam", masks=masks, around="connected")), qt)


# ------------------------------------------------------------------------------------------------------ GrabCut


def test_two_windows_take_the_pointing_and_the_painting_windows_wait(grab: Finger) -> None:
    assert grab.annotations.isVisible() and grab.found.isVisible()
    assert grab.annotations.windowTitle() == "Annotations - a.png"
    assert grab.found.windowTitle() == "Segments - a.png"
    assert not grab.sitting.window.isVisible() and not grab.sitting.colours.isVisible()


def test_a_middle_drag_is_an_area_and_several_are_united(grab: Finger) -> None:
    grab.drag((45, 25), (114, 94), button=MIDDLE)
    grab.drag((154, 28), (126, 4), button=MIDDLE)  # from any corner
    assert grab.prompts.areas == (Rect(45, 25, 115, 95), Rect(126, 4, 155, 29))
    assert grab.marked(45, 60) and grab.marked(140, 4) and not grab.marked(80, 60)
    grab.space()
    expected = disc()
    expected[8:24, 130:150] = True
    assert (grab.control.pointing._cut.foreground(grab.prompts) == expected).mean() > 0.99


@pytest.mark.parametrize(
    ("button", "with_", "kind"),
    [
        (LEFT, NO, "foreground"),
        (RIGHT, NO, "background"),
        (LEFT, CTRL, "probable foreground"),
        (RIGHT, CTRL, "probable background"),
    ],
)
def test_drags_with_the_brush_are_marks_of_four_kinds(grab: Finger, button: Any, with_: Any, kind: str) -> None:
    grab.drag((60, 60), (70, 60), (90, 64), button=button, with_=with_)
    (mark,) = grab.prompts.marks
    assert mark.kind == kind and mark.radius == 6
    assert mark.points[0] == (60, 60) and mark.points[-1] == (90, 64)
    assert grab.marked(62, 60) and not grab.marked(62, 80)


def test_the_five_looks_differ_in_colour_and_certainty_in_pattern_and_are_listed(grab: Finger) -> None:
    looks = [LOOKS[name] for name, _, _ in GRABCUT_LOOKS]
    assert len({look.colour for look in looks}) == len(looks) == 5
    assert all((look.pattern is not Qt.BrushStyle.SolidPattern) == name.startswith("probable")
               for (name, _, _), look in zip(GRABCUT_LOOKS, looks, strict=True))  # fmt: skip
    pictures = [swatch.pixmap().toImage() for swatch in grab.annotations.swatches.values()]
    assert len(pictures) == 5 and all(a != b for k, a in enumerate(pictures) for b in pictures[:k])


def test_ctrl_wheel_and_the_slider_size_the_brush_and_the_wheel_alone_zooms(grab: Finger) -> None:
    scale = grab.canvas.view.scale
    grab.wheel(2, CTRL)
    assert grab.canvas.brush_radius == round(6 * 1.2**2) == grab.annotations.slider.value()
    assert grab.canvas.view.scale == scale
    grab.annotations.slider.setValue(3)
    assert grab.canvas.brush_radius == 3
    for _ in range(5):
        grab.wheel(-1, CTRL)
    assert grab.canvas.brush_radius == 0
    grab.wheel(1)
    assert grab.canvas.view.scale > scale and grab.canvas.brush_radius == 0
    # The other window shows the same in its middle, as large.
    assert grab.found.canvas.view.scale == grab.canvas.view.scale
    middles = [each.view.to_image((each.width() / 2, each.height() / 2)) for each in (grab.canvas, grab.found.canvas)]
    assert np.allclose(*middles)


def test_space_is_one_iteration_and_says_when_nothing_changes(grab: Finger) -> None:
    grab.drag((45, 25), (115, 95), button=MIDDLE)
    expected, prompts = GrabCut(disc_picture()), grab.prompts
    expected.iterate(prompts)
    grab.space()
    found = grab.control.pointing._cut.foreground(prompts)
    assert (found == expected.foreground(prompts)).all()
    assert "iteration 1" in grab.found.state.text()
    for _ in range(6):
        grab.space()
    assert "nothing changed" in grab.found.state.text()
    assert (found == disc()).mean() > 0.99
    dark, bright = grab.colour(grab.found.canvas, 20, 20), grab.colour(grab.found.canvas, 80, 60)
    assert max(dark) < 30 and bright[0] > 180  # all but the foreground is dark


def test_space_without_area_and_marks_says_what_is_missing(grab: Finger) -> None:
    grab.space()
    assert "nothing is marked" in grab.annotations.message.text
    assert grab.control.shown


def test_a_mark_outside_of_any_area_works(grab: Finger) -> None:
    grab.drag((10, 10), (20, 20), button=MIDDLE)
    grab.drag((70, 60), (90, 60))
    grab.space()
    assert grab.control.pointing._cut.foreground(grab.prompts)[60, 60:100].all()


def test_z_undoes_and_shift_z_redoes_an_annotation(grab: Finger) -> None:
    grab.drag((45, 25), (115, 95), button=MIDDLE)
    grab.drag((60, 60), (70, 60))
    both = grab.prompts
    grab.key("z")
    assert grab.prompts.annotations == both.annotations[:1]
    assert not grab.marked(65, 60)
    grab.key("z")
    assert not grab.prompts
    grab.key("z", SHIFT)
    grab.key("z", SHIFT)
    assert grab.prompts == both and grab.marked(65, 60)


def test_r_resets_the_annotations_and_can_be_undone(grab: Finger) -> None:
    grab.drag((45, 25), (115, 95), button=MIDDLE)
    grab.space()
    before = grab.colour(grab.found.canvas, 20, 20)
    grab.key("r")
    assert not grab.prompts and not grab.marked(45, 60)
    # What was found goes, too, and the next iteration is the first.
    assert max(before) < 30 < max(grab.colour(grab.found.canvas, 20, 20))
    assert "nothing was looked for" in grab.found.state.text()
    grab.key("z")
    assert len(grab.prompts.areas) == 1
    grab.space()
    assert "iteration 1" in grab.found.state.text()


def test_f_hands_foreground_and_background_to_painting_and_the_masks_are_saved(grab: Finger, discs: Path) -> None:
    grab.drag((45, 25), (115, 95), button=MIDDLE)
    for _ in range(4):
        grab.space()
    prompts = grab.prompts
    grab.finish()
    sitting = grab.sitting
    assert sitting.window.isVisible() and not grab.annotations.isVisible() and not grab.found.isVisible()
    foreground = grabcut(disc_picture(), prompts, 4)
    painting = sitting.painting
    assert (painting.labels == segments_of(foreground)).all()
    sitting.click(80, 60)
    assert ((sitting.paint > 0) == foreground).all()
    sitting.key(Qt.Key.Key_Space)
    sitting.saved()
    import cv2

    saved = discs.with_name("discs_segmented") / "a_mask_(R:{},G:{},B:{}).png".format(*RED)
    mask = cv2.imdecode(np.frombuffer(saved.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert ((mask == 255) == foreground).all()
    sitting.until(lambda: grab.control.shown, what="the next image")
    assert grab.annotations.windowTitle() == "Annotations - b.png"


def test_f_without_space_looks_first(grab: Finger) -> None:
    grab.drag((45, 25), (115, 95), button=MIDDLE)
    prompts = grab.prompts
    grab.finish()
    assert (grab.sitting.painting.labels == segments_of(grabcut(disc_picture(), prompts, 1))).all()


def test_q_quits_from_either_window(grab: Finger) -> None:
    grab.key("q", on=grab.found)
    assert grab.sitting.window.may_close
    assert not grab.annotations.isVisible()


def test_n_and_p_go_to_other_images_and_annotations_are_still_there_on_return(grab: Finger) -> None:
    grab.drag((45, 25), (115, 95), button=MIDDLE)
    kept = grab.prompts
    grab.key("n")
    grab.sitting.until(lambda: grab.control.shown and grab.sitting.row == 1)
    assert not grab.prompts
    grab.key("p")
    grab.sitting.until(lambda: grab.control.shown and grab.sitting.row == 0)
    assert grab.prompts == kept


def test_g_points_again_and_the_paint_stays(grab: Finger) -> None:
    grab.drag((45, 25), (115, 95), button=MIDDLE)
    grab.finish()
    grab.sitting.click(80, 60)
    paint = grab.sitting.paint
    grab.sitting.key("g")
    grab.sitting.until(lambda: grab.control.shown)
    grab.drag((126, 4), (154, 28), button=MIDDLE)  # the blue square
    grab.finish()
    labels = grab.sitting.painting.labels
    assert len({labels[60, 80], labels[16, 140], labels[110, 10]}) == 3
    assert (grab.sitting.paint == paint).all() and paint.any()
    grab.sitting.click(140, 16)
    assert int((grab.sitting.paint > 0).sum() - (paint > 0).sum()) == int((labels == labels[16, 140]).sum())


def test_an_iteration_runs_off_the_windows_thread(grab: Finger, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[threading.Thread] = []
    plain = GrabCut.iterate
    monkeypatch.setattr(
        GrabCut, "iterate", lambda self, prompts: (seen.append(threading.current_thread()), plain(self, prompts))[1]
    )
    grab.drag((45, 25), (115, 95), button=MIDDLE)
    grab.space()
    assert seen and threading.main_thread() not in seen


def test_the_window_takes_annotations_while_an_iteration_runs_and_they_count_in_the_next(
    grab: Finger, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go, seen = threading.Event(), []
    plain = GrabCut.iterate
    monkeypatch.setattr(
        GrabCut, "iterate", lambda self, prompts: (seen.append(prompts), may_go.wait(60), plain(self, prompts))[2]
    )
    grab.drag((45, 25), (115, 95), button=MIDDLE)
    first = grab.prompts
    grab.key(Qt.Key.Key_Space)
    grab.drag((60, 60), (70, 60))
    scale = grab.canvas.view.scale
    grab.wheel(1)
    grab.key(Qt.Key.Key_Space)
    assert grab.control.busy and grab.canvas.view.scale > scale
    assert grab.marked(65, 60) and len(grab.prompts.marks) == 1
    may_go.set()
    grab.sitting.until(lambda: len(seen) == 2 and not grab.control.busy)
    assert seen == [first, grab.prompts]


def test_an_error_that_nobody_foresaw_is_said_and_the_window_goes_on(
    grab: Finger, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = GrabCut.iterate

    def fail(self: Any, prompts: Prompts) -> int:
        raise RuntimeError("out of luck")

    grab.drag((45, 25), (115, 95), button=MIDDLE)
    monkeypatch.setattr(GrabCut, "iterate", fail)
    grab.space()
    assert "RuntimeError: out of luck" in grab.annotations.message.text
    monkeypatch.setattr(GrabCut, "iterate", plain)
    grab.space()
    assert "iteration 1" in grab.found.state.text() and not grab.annotations.message.text


def test_live_looks_after_every_annotation(start: Callable[..., Sitting], discs: Path, qt: QApplication) -> None:
    grab = Finger(opened(start, discs, pointing=Wish("grabcut", live=True)), qt)
    grab.drag((45, 25), (115, 95), button=MIDDLE)
    grab.wait()
    assert "iteration 1" in grab.found.state.text()


@pytest.mark.parametrize("tool", ["grabcut", "sam"])
def test_the_windows_list_keys_and_looks(tool: str) -> None:
    assert [keys for keys, _ in KEYS[tool]] == ["space", "f", "z, Shift+Z", "r", "n, p", "q"]
    assert [how for _, _, how in SAM_LOOKS] == ["middle drag", "left click", "right click"]
    assert [how for _, _, how in GRABCUT_LOOKS] == [
        *("middle drag", "left drag", "right drag", "Ctrl + left drag", "Ctrl + right drag")
    ]


def test_an_image_that_cannot_be_read_shows_the_message_in_the_painting_window(
    start: Callable[..., Sitting], tmp_path: Path, qt: QApplication
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"no image")
    sitting = opened(start, tmp_path / "photos", pointing=Wish("grabcut"))
    sitting.until(lambda: "cannot be opened" in sitting.message)
    assert sitting.window.isVisible() and not sitting.controller.pointing.shown


# ------------------------------------------------------------------------------------------------ Segment Anything


def predicted(masks: SamMasks, points: Any, labels: Any, box: Any) -> np.ndarray:
    """What the package's own predictor says, called directly."""
    from segment_anything import SamPredictor

    predictor = SamPredictor(masks.load()._network)  # type: ignore[attr-defined]
    predictor.set_image(disc_picture())
    several = box is None and len(points) == 1
    found, quality, _ = predictor.predict(
        None if points is None else np.array(points, np.float32),
        None if labels is None else np.array(labels, np.int32),
        box=None if box is None else np.array(box, np.float32),
        multimask_output=several,
    )
    return np.asarray(found[quality.argmax()])


def test_a_middle_drag_is_a_box_and_several_are_several_objects(sam: Finger, masks: SamMasks) -> None:
    sam.drag((10, 20), (59, 80), button=MIDDLE)
    sam.drag((70, 20), (150, 90), button=MIDDLE)
    assert sam.prompts.areas == (Rect(10, 20, 60, 81), Rect(70, 20, 151, 91))
    assert sam.marked(10, 50)
    sam.space()
    expected = [predicted(masks, None, None, [10, 20, 59, 80]), predicted(masks, None, None, [70, 20, 150, 90])]
    found = sam.control.pointing._masks
    assert len(found) == 2 and all((a == b).all() for a, b in zip(found, expected, strict=True))


def test_left_and_right_clicks_are_points_of_the_box_they_lie_in(sam: Finger, masks: SamMasks) -> None:
    sam.drag((10, 20), (60, 80), button=MIDDLE)
    sam.click(30, 40)
    sam.click(50, 70, RIGHT)
    sam.click(100, 50)
    assert sam.prompts.clicks == (Click(30, 40), Click(50, 70, False), Click(100, 50))
    assert sam.marked(30, 40) and sam.marked(100, 50)
    sam.space()
    first, second = sam.control.pointing._masks
    assert (first == predicted(masks, [(30, 40), (50, 70)], [1, 0], [10, 20, 60, 80])).all()
    assert (second == predicted(masks, [(100, 50)], [1], None)).all()


def test_space_predicts_and_the_mask_is_shown_in_its_own_window(sam: Finger) -> None:
    assert sam.found.windowTitle() == "Mask - a.png" and sam.found.isVisible()
    sam.click(80, 60)
    assert not sam.control.pointing._masks
    before = sam.found.canvas.grab().toImage()
    sam.space()
    (mask,) = sam.control.pointing._masks
    assert 0 < mask.sum() < mask.size
    assert "1 object" in sam.found.state.text()
    assert sam.found.canvas.grab().toImage() != before


def test_space_without_prompts_says_what_is_missing(sam: Finger) -> None:
    sam.space()
    assert "nothing to predict from" in sam.annotations.message.text


def test_a_drag_is_no_click(sam: Finger) -> None:
    sam.drag((30, 30), (60, 60))
    assert not sam.prompts


def test_z_shift_z_and_r_change_the_annotations_of_sam(sam: Finger) -> None:
    sam.click(80, 60)
    sam.click(20, 20, RIGHT)
    both = sam.prompts
    sam.key("z")
    assert sam.prompts.clicks == (Click(80, 60),)
    sam.key("z", SHIFT)
    assert sam.prompts == both
    sam.key("r")
    assert not sam.prompts and not sam.marked(80, 60)


def test_f_predicts_first_and_hands_objects_and_what_is_around_them_to_painting(sam: Finger, masks: SamMasks) -> None:
    sam.drag((10, 20), (60, 80), button=MIDDLE)
    sam.click(100, 50)
    sam.finish()
    expected = [predicted(masks, None, None, [10, 20, 60, 80]), predicted(masks, [(100, 50)], [1], None)]
    labels = label_map(expected, disc_picture(), "connected")
    assert (sam.sitting.painting.labels == labels).all()
    assert sam.sitting.window.isVisible() and not sam.found.isVisible()


def test_a_model_that_runs_out_of_memory_is_said_in_one_line_with_what_to_do(
    sam: Finger, masks: SamMasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    import segment_anything

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.\nSee the manual")

    sam.sitting.until(lambda: sam.annotations.state.text() == "ready")
    monkeypatch.setattr(segment_anything.SamPredictor, "predict", fail)
    sam.click(80, 60)
    sam.space()
    assert "too little memory for this model: use a smaller one" in sam.annotations.message.text
    assert "\n" not in sam.annotations.message.text and sam.control.shown


def test_an_image_that_cannot_be_encoded_says_why(
    start: Callable[..., Sitting], discs: Path, qt: QApplication, masks: SamMasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    from labelimg.segmentatimg import sam_adapters

    def refuse(wanted: int, what: str) -> None:
        raise ModelError(f"{what} takes 9.0 GB of memory and 1.0 GB are free")

    monkeypatch.setattr(sam_adapters, "check_memory", refuse)
    sam = Finger(opened(start, discs, pointing=Wish("sam", masks=masks)), qt)
    sam.sitting.until(lambda: "takes 9.0 GB of memory" in sam.annotations.message.text)
    sam.click(80, 60)
    sam.space()
    assert "takes 9.0 GB of memory" in sam.annotations.message.text and not sam.control.busy


def test_q_quits_sam(sam: Finger) -> None:
    sam.key("q")
    assert sam.sitting.window.may_close


def test_live_predicts_after_every_click(
    start: Callable[..., Sitting], discs: Path, qt: QApplication, masks: SamMasks
) -> None:
    sam = Finger(opened(start, discs, pointing=Wish("sam", live=True, masks=masks)), qt)
    sam.click(80, 60)
    sam.wait()
    first = [mask.copy() for mask in sam.control.pointing._masks]
    assert len(first) == 1
    sam.click(20, 20, RIGHT)
    sam.wait()
    assert (sam.control.pointing._masks[0] == predicted(masks, [(80, 60), (20, 20)], [1, 0], None)).all()


def test_decoding_runs_off_the_windows_thread_and_clicks_meanwhile_are_kept(
    sam: Finger, masks: SamMasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, may_go = masks.load(), threading.Event()
    plain = type(model).decode

    def slow(self: Any, *arguments: Any) -> Any:
        assert threading.current_thread() is not threading.main_thread()
        assert may_go.wait(30)
        return plain(self, *arguments)

    monkeypatch.setattr(type(model), "decode", slow)
    sam.click(80, 60)
    sam.key(Qt.Key.Key_Space)
    assert sam.control.busy
    sam.click(30, 30)  # the window is not blocked
    assert len(sam.prompts.clicks) == 2
    may_go.set()
    sam.wait()
    assert len(sam.control.pointing._masks) == 1


def test_the_next_images_are_encoded_ahead_and_prompting_them_encodes_nothing(
    start: Callable[..., Sitting], discs: Path, qt: QApplication, masks: SamMasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, level in (("b", 30), ("c", 90)):
        save(discs / f"{name}.png", np.full((120, 160, 3), level, np.uint8))
    model, encoded = masks.load(), []
    plain = type(model).encode

    def counted(self: Any, image: Any) -> Any:
        encoded.append(image.copy())
        return plain(self, image)

    monkeypatch.setattr(type(model), "encode", counted)
    sam = Finger(opened(start, discs, ahead=2, pointing=Wish("sam", masks=masks)), qt)
    sam.sitting.until(lambda: len(encoded) == 3 and sam.control.pointer.idle, what="the images ahead")
    assert (encoded[0] == disc_picture()).all()  # the one in sight first
    assert {int(image[0, 0, 0]) for image in encoded[1:]} == {30, 90}
    sam.key("n")
    sam.sitting.until(lambda: sam.control.shown and sam.sitting.row == 1)
    sam.click(80, 60)
    sam.space()
    assert len(sam.control.pointing._masks) == 1
    assert len(encoded) == 3


def test_an_image_that_is_encoded_need_not_wait_for_one_that_is_not(
    start: Callable[..., Sitting], discs: Path, qt: QApplication, masks: SamMasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    dark = np.full((120, 160, 3), 30, np.uint8)
    save(discs / "b.png", dark)
    model, may_go = masks.load(), threading.Event()
    store = EmbeddingStore(model)
    store.put(store.path(dark), model.encode(dark))
    plain = type(model).encode
    monkeypatch.setattr(type(model), "encode", lambda self, image: (may_go.wait(60), plain(self, image))[1])
    sam = Finger(opened(start, discs, pointing=Wish("sam", masks=masks)), qt)
    sam.click(80, 60)
    assert "encoding" in sam.annotations.state.text()
    sam.key(Qt.Key.Key_Space)  # waits for the first image to be encoded
    assert sam.control.busy
    sam.key("n")
    sam.sitting.until(lambda: sam.control.shown and sam.sitting.row == 1)
    sam.click(20, 20)
    sam.space()
    assert len(sam.control.pointing._masks) == 1 and not may_go.is_set()
    may_go.set()


def test_auto_finds_all_masks_without_pointing(
    start: Callable[..., Sitting], discs: Path, qt: QApplication, masks: SamMasks
) -> None:
    sitting = start(discs, pointing=Wish("sam", masks=masks, automatic=True))
    expected = masks.segment(disc_picture())
    assert sitting.window.isVisible()
    assert (sitting.painting.labels == expected).all()


def test_esc_ends_the_search_for_masks_and_it_can_begin_again(
    start: Callable[..., Sitting], discs: Path, masks: SamMasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_go = threading.Event(), threading.Event()
    plain = SamMasks.watched_cut

    def slow(self: Any, image: Any, progress: Any) -> Any:
        begun.set()
        assert may_go.wait(30)
        return plain(self, image, progress)

    monkeypatch.setattr(SamMasks, "watched_cut", slow)
    sitting = opened(start, discs, pointing=Wish("sam", masks=masks, automatic=True))
    sitting.until(begun.is_set)
    sitting.key(Qt.Key.Key_Escape)
    may_go.set()
    sitting.until(lambda: "stopped" in sitting.message)
    assert sitting.painting is None
    sitting.window.message._take_action()
    sitting.ready()
