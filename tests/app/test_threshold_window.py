"""The window to choose a threshold in, with real events; its pixels are looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from labelimg.app import theme
from labelimg.app.threshold_window import ThresholdWindow
from labelimg.clusterimg.sampling import Sampled, sample_folder
from pictures import photograph, save


@pytest.fixture
def sampled(tmp_path: Path) -> Sampled:
    for name in ("coffee", "astronaut", "chelsea", "rocket"):
        for quality in (10, 40, 90):
            save(tmp_path / f"{name}_{quality}.jpg", photograph(name), quality=quality)
    save(tmp_path / "moon.jpg", photograph("moon"))
    return sample_folder(tmp_path, threads=1)


@pytest.fixture
def window(qt: QApplication, sampled: Sampled) -> Iterator[ThresholdWindow]:
    made = ThresholdWindow(sampled)
    made.show()
    made.setFocus()
    qt.processEvents()
    yield made
    made.close()
    made.deleteLater()
    qt.processEvents()


def until(qt: QApplication, true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        qt.processEvents()
        time.sleep(0.005)


def at(window: ThresholdWindow, threshold: float) -> QPoint:
    return QPoint(200, round(window.view.axes.y(threshold)))


def look_at(window: ThresholdWindow, threshold: float) -> None:
    QTest.mouseMove(window.view, at(window, 0.97))  # a move to where the pointer is would be none
    QTest.mouseMove(window.view, at(window, threshold))


def pixel(window: ThresholdWindow, point: QPoint) -> QColor:
    image = window.view.grab().toImage()
    ratio = image.devicePixelRatio()
    return image.pixelColor(round(point.x() * ratio), round(point.y() * ratio))


def near(one: QColor, other: QColor, by: int = 60) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one.getRgb()[:3], other.getRgb()[:3], strict=True))


def test_it_begins_with_the_suggestion(window: ThresholdWindow, sampled: Sampled) -> None:
    assert window.threshold == window.shown == sampled.suggestion.threshold
    assert window.accept.text() == f"Use {sampled.suggestion.threshold:g}"
    assert window.numbers[:3] == ["12", "12", "4"]  # four photographs in three versions each: 4 x 3 pairs


def test_pointing_looks_and_leaving_goes_back(window: ThresholdWindow, sampled: Sampled) -> None:
    look_at(window, 0.5)
    assert window.shown == pytest.approx(0.5, abs=0.01)
    assert window.threshold == sampled.suggestion.threshold
    values = sampled.similarities.values
    assert window.numbers[0] == f"{int((values > window.shown).sum())}"
    above = [pair.similarity for pair in window.above.pairs]
    below = [pair.similarity for pair in window.below.pairs]
    assert above == sorted(values[values > window.shown])[:2]
    assert below == sorted(values[values <= window.shown], reverse=True)[:2]
    QTest.mouseMove(window, QPoint(window.width() - 5, window.height() - 5))
    QApplication.processEvents()
    assert window.shown == sampled.suggestion.threshold


def test_a_click_chooses_and_enter_uses(window: ThresholdWindow) -> None:
    answers: list[float | None] = []
    window.done.connect(answers.append)
    QTest.mouseClick(window.view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at(window, 0.8))
    assert window.threshold == pytest.approx(0.8, abs=0.01)
    chosen = window.threshold
    look_at(window, 0.5)
    QTest.keyClick(window, Qt.Key.Key_Return)
    assert answers == [chosen]


def test_arrow_keys_step_and_stop_at_the_ends(window: ThresholdWindow) -> None:
    before = window.threshold
    QTest.keyClick(window, Qt.Key.Key_Up)
    assert window.threshold == pytest.approx(before + 0.005)
    QTest.keyClick(window, Qt.Key.Key_Down)
    QTest.keyClick(window, Qt.Key.Key_Down)
    assert window.threshold == pytest.approx(before - 0.005)
    for _ in range(60):
        QTest.keyClick(window, Qt.Key.Key_PageUp)
    assert window.threshold == 1.0
    assert window.numbers[0] == "0"
    assert window.above.pairs == []


@pytest.mark.parametrize("way", ["escape", "button", "close"])
def test_leaving_chooses_nothing(window: ThresholdWindow, way: str) -> None:
    answers: list[float | None] = []
    window.done.connect(answers.append)
    if way == "escape":
        QTest.keyClick(window, Qt.Key.Key_Escape)
    elif way == "button":
        QTest.mouseClick(window.leave, Qt.MouseButton.LeftButton)
    window.close()
    assert answers == [None]


def test_the_button_uses_what_was_chosen(window: ThresholdWindow) -> None:
    answers: list[float | None] = []
    window.done.connect(answers.append)
    QTest.mouseClick(window.accept, Qt.MouseButton.LeftButton)
    assert answers == [window.threshold]


def test_the_pictures_of_the_pairs_come(qt: QApplication, window: ThresholdWindow) -> None:
    pairs = window.above.pairs + window.below.pairs
    paths = {path for pair in pairs for path in (pair.first, pair.second)}
    until(qt, lambda: all(window.thumbnails.get(path) is not None for path in paths))
    image = window.above.grab().toImage().convertToFormat(window.above.grab().toImage().Format.Format_RGB888)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)[:, : image.width() * 3]
    colours = len(np.unique(pixels.reshape(-1, 3), axis=0))
    assert colours > 500  # photographs, no blanks


def test_a_picture_that_has_gone_is_a_blank(qt: QApplication, sampled: Sampled) -> None:
    for path in sampled.paths:
        Path(path).unlink()
    window = ThresholdWindow(sampled)
    window.show()
    first = window.above.pairs[0].first
    until(qt, lambda: window.thumbnails.get(first) is not None)
    assert window.thumbnails.get(first).isNull()
    window.close()
    window.deleteLater()


@pytest.mark.parametrize("choice", ["light", "dark"])
def test_the_curve_is_drawn_in_the_colours_of_the_theme(qt: QApplication, sampled: Sampled, choice: str) -> None:
    shown = theme.apply(qt, choice)
    window = ThresholdWindow(sampled)
    window.show()
    axes = window.view.axes
    assert pixel(window, QPoint(3, 3)) == QColor(shown.raised)
    chosen = axes.y(window.threshold)
    line = [pixel(window, QPoint(x, round(chosen) - 1 + dy)) for x in range(100, 130) for dy in range(3)]
    assert any(near(colour, QColor(shown.warning)) for colour in line)
    look_at(window, 0.5)
    qt.processEvents()
    assert window.shown == pytest.approx(0.5, abs=0.01)
    place = axes.y(window.shown)
    line = [pixel(window, QPoint(100, round(place) - 1 + dy)) for dy in range(3)]
    assert any(near(colour, QColor(shown.accent), 90) for colour in line)
    window.close()
    window.deleteLater()
    theme.apply(qt, "dark")


def test_one_image_and_equal_images_can_be_looked_at(qt: QApplication, tmp_path: Path) -> None:
    save(tmp_path / "a/only.png", photograph("coffee"))
    for name in ("a", "b", "c"):
        save(tmp_path / f"same/{name}.png", photograph("coffee"))
    for folder, pairs in (("a", "0"), ("same", "3")):
        window = ThresholdWindow(sample_folder(tmp_path / folder, threads=1))
        window.show()
        qt.processEvents()
        assert window.numbers[0] == pairs
        look_at(window, 0.9)
        window.grab()
        window.close()
        window.deleteLater()


@pytest.mark.parametrize(("key", "chosen"), [(Qt.Key.Key_Enter, True), (Qt.Key.Key_Escape, False)])
def test_the_program_gives_back_what_was_chosen(qt: QApplication, sampled: Sampled, key: Qt.Key, chosen: bool) -> None:
    from labelimg.app.threshold_program import choose

    def press() -> None:
        window = next(each for each in qt.topLevelWidgets() if isinstance(each, ThresholdWindow) and each.isVisible())
        QTest.keyClick(window, key)

    QTimer.singleShot(50, press)
    try:
        assert choose(sampled) == (sampled.suggestion.threshold if chosen else None)
    finally:
        theme.apply(qt, "dark")
