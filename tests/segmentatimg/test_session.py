"""A sitting without windows: going about, memory, saving, and what goes wrong."""

from __future__ import annotations

import errno
import queue
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelimg import files
from labelimg.segmentatimg.gestures import Fill
from labelimg.segmentatimg.maskfolder import MaskFolder
from labelimg.segmentatimg.methods import make_method
from labelimg.segmentatimg.picture import Picture
from labelimg.segmentatimg.session import Session
from pictures import photograph, save, truncated_png

RED = (204, 0, 0)
SLIC = make_method("superpixel", region_size=16)


class Desk:
    """A session whose thread is that of the test."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.posted: queue.Queue[Callable[[], None]] = queue.Queue()
        self.told: list[tuple[str, int, str]] = []
        more.setdefault("ahead", 0)
        self.session = Session(
            MaskFolder(folder),
            more.pop("method", SLIC),
            post=self.posted.put,
            tell=lambda what, picture, text: self.told.append((what, picture.row, text)),
            **more,
        )

    def until(self, true: Callable[[], object], seconds: float = 60) -> None:
        """Run what is posted until something is true."""
        end = time.monotonic() + seconds
        while not true():
            try:
                self.posted.get(timeout=0.02)()
            except queue.Empty:
                assert time.monotonic() < end, self.told
        while not self.posted.empty():
            self.posted.get()()

    def go(self, row: int) -> Picture:
        """Go to an image, and wait until all of it is there."""
        picture = self.session.go(row)
        self.until(lambda: picture.complete and not picture.busy)
        return picture

    def fill(self, picture: Picture) -> np.ndarray:
        """Fill one segment; the paint then."""
        assert picture.painting is not None
        picture.carry_out(Fill((20, 20)), RED, 1)
        self.session.note_unsaved(picture)
        return np.array(picture.painting.paint)

    def whats(self, row: int) -> list[str]:
        return [what for what, of, _ in self.told if of == row]


@pytest.fixture
def desks() -> Iterator[Callable[..., Desk]]:
    begun: list[Desk] = []

    def begin(*words: Any, **more: Any) -> Desk:
        begun.append(Desk(*words, **more))
        return begun[-1]

    yield begin
    for desk in begun:
        desk.session.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, photo in (("a", "coffee"), ("b", "rocket"), ("c", "astronaut")):
        save(tmp_path / "photos" / f"{name}.png", photograph(photo))
    return tmp_path / "photos"


def masks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.with_name("photos_segmented").glob("*.png"))


# ------------------------------------------------------------------------------------------------------ going about


def test_an_image_comes_in_steps_and_is_painted_on_before_its_levels_are_there(
    desks: Callable[..., Desk], folder: Path
) -> None:
    desk = desks(folder)
    picture = desk.session.go(0)
    assert picture.painting is None
    desk.until(lambda: picture.painting is not None)
    paint = desk.fill(picture) if not picture.complete else None
    desk.until(lambda: picture.complete)
    assert desk.whats(0) == ["image", "segments", "painting", "levels"]
    painting = picture.painting
    assert painting is not None
    assert (painting.level_count, painting.current_level) == (5, 1)
    if paint is not None:
        assert (painting.paint == paint).all()


def test_what_was_cut_before_the_levels_came_is_cut_at_every_level(desks: Callable[..., Desk], folder: Path) -> None:
    whole = desks(folder).go(0).painting
    desk = desks(folder)
    picture = desk.session.go(1)
    levels: list[Any] = []
    desk.session._levels_came = lambda *given: levels.append(given)  # type: ignore[method-assign]
    desk.until(lambda: levels)
    early = picture.painting
    assert early is not None and whole is not None and early.level_count == 1
    early.cut((10, 10), (150, 100))
    early.fill(30, 30, RED)
    del desk.session._levels_came
    desk.session._levels_came(*levels[0])
    late = desks(folder).go(1).painting
    assert late is not None
    late.cut((10, 10), (150, 100))
    late.fill(30, 30, RED)
    for level in range(5):
        early.level(level)
        late.level(level)
        assert (early.labels == late.labels).all()
    assert (early.paint == late.paint).all()
    for painting in (early, late):
        painting.undo()
        painting.undo()
    for level in (0, 3):
        early.level(level)
        late.level(level)
        assert (early.labels == late.labels).all() and early.labels.all()


def test_levels_that_were_dropped_with_the_image_in_sight_come_when_it_is_in_sight_again(
    desks: Callable[..., Desk], folder: Path
) -> None:
    desk = desks(folder)
    picture = desk.session.go(0)
    desk.session._levels_came = lambda *given: None  # type: ignore[method-assign]
    desk.until(lambda: picture.painting is not None and not desk.session._crew.doing())
    paint = desk.fill(picture)
    del desk.session._levels_came
    desk.go(1)
    assert not picture.complete and picture.segments is not None
    assert desk.session.go(0) is picture
    desk.until(lambda: picture.complete)
    assert picture.segments is None and (np.array(picture.painting.paint) == paint).all()  # type: ignore[union-attr]


def test_the_level_that_was_chosen_holds_for_the_next_image(desks: Callable[..., Desk], folder: Path) -> None:
    desk = desks(folder)
    first = desk.go(0)
    assert desk.session.set_level(3)
    desk.until(lambda: not first.busy)
    second = desk.go(1)
    assert second.painting is not None and second.painting.current_level == 3
    assert not desk.session.set_level(5) and not desk.session.set_level(-1)


def test_neighbours_are_prepared_ahead_and_a_killed_worker_costs_nothing_that_is_in_sight(
    desks: Callable[..., Desk], folder: Path
) -> None:
    desk = desks(folder, ahead=1)
    picture = desk.go(0)
    desk.until(lambda: desk.session._crew._others[0].job is not None)
    desk.session._crew._others[0]._process.kill()
    desk.until(lambda: any(what == "failed" for what, _, _ in desk.told) or len(desk.session._pictures) == 3)
    desk.fill(picture)
    for row in (1, 2):  # an image that failed is tried anew when it is gone to
        desk.go(row)
    desk.until(lambda: not desk.session._crew.doing())
    assert all(each.complete for each in desk.session._pictures.values())


def test_other_segments_leave_the_paint_where_it_is(desks: Callable[..., Desk], folder: Path) -> None:
    desk = desks(folder)
    picture = desk.go(0)
    paint, before = desk.fill(picture), picture.labels.max()
    other = make_method("superpixel", region_size=40)
    desk.session.set_method(other)
    desk.until(lambda: picture.method == other and not picture.busy)
    assert picture.labels.max() < before and (picture.painting.paint == paint).all()  # type: ignore[union-attr]
    assert picture.complete and desk.session.unsaved == {0}


# --------------------------------------------------------------------------------------------------- what goes wrong


def test_a_file_that_vanishes_is_said_and_another_goes_on(desks: Callable[..., Desk], folder: Path) -> None:
    desk = desks(folder)
    (folder / "b.png").unlink()
    truncated_png(folder / "c.png")
    desk.go(0)
    for row, word in ((1, "vanished"), (2, "truncated")):
        picture = desk.session.go(row)
        desk.until(lambda picture=picture: picture.reason)  # type: ignore[misc]
        assert word in picture.reason and desk.told[-1][0] == "failed"
    assert desk.go(0).painting is not None
    save(folder / "b.png", photograph("rocket"))
    assert desk.go(1).reason == ""


def test_paint_can_be_saved_when_the_folder_of_images_has_gone(desks: Callable[..., Desk], folder: Path) -> None:
    desk = desks(folder)
    picture = desk.go(0)
    desk.fill(picture)
    shutil.rmtree(folder)
    assert desk.session.save(picture)
    desk.until(lambda: not desk.session.saving)
    assert masks(folder) == ["a_mask_(R:204,G:0,B:0).png"] and desk.session.unsaved == set()


def test_a_full_disk_is_said_and_the_paint_stays_unsaved_until_it_is_saved(
    desks: Callable[..., Desk], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desks(folder)
    picture = desk.go(0)
    paint = desk.fill(picture)

    def full(name: str, path: str) -> None:
        if name == "write":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "on_operation", full)
    assert desk.session.save(picture)
    desk.until(lambda: not desk.session.saving)
    what, row, text = desk.told[-1]
    assert (what, row) == ("save failed", 0) and "no space left on the disk" in text
    assert desk.session.unsaved == {0} and not desk.session.is_done(0) and masks(folder) == []
    monkeypatch.setattr(files, "on_operation", None)
    desk.session.save_all()
    desk.until(lambda: not desk.session.saving)
    assert desk.told[-1][:2] == ("saved", 0) and desk.session.unsaved == set() and desk.session.is_done(0)
    assert (picture.painting.paint == paint).all()  # type: ignore[union-attr]


def test_an_image_that_memory_has_no_room_for_is_said(
    desks: Callable[..., Desk], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desks(folder)

    def refuse(error: Exception, array: np.ndarray) -> None:
        raise error

    for error, reason in (
        (MemoryError(), "does not fit in memory"),
        (OSError(errno.EMFILE, "Too many open files"), "cannot be read: Too many open files"),
    ):
        monkeypatch.setattr("labelimg.segmentatimg.supply.SharedArray.of", partial(refuse, error))
        picture = desk.session.go(0)
        desk.until(lambda picture=picture: picture.reason, 10)  # type: ignore[misc]
        assert desk.told[-1] == ("failed", 0, reason)
        monkeypatch.undo()
    assert desk.go(0).reason == ""


def test_masks_that_memory_has_no_room_for_are_said_and_stay_unsaved(
    desks: Callable[..., Desk], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desks(folder)
    desk.fill(desk.go(0))

    def refuse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(desk.session.folder, "save", refuse)
    desk.session.save_all()
    desk.until(lambda: not desk.session.saving, 10)
    assert desk.told[-1] == ("save failed", 0, "they do not fit in memory") and desk.session.unsaved == {0}


def test_what_is_painted_while_it_is_saved_is_unsaved(desks: Callable[..., Desk], folder: Path) -> None:
    desk = desks(folder)
    picture = desk.go(0)
    desk.fill(picture)
    assert desk.session.save(picture)
    picture.carry_out(Fill((100, 100)), RED, 1)
    desk.until(lambda: not desk.session.saving)
    assert desk.session.unsaved == {0} and desk.session.is_done(0)


def test_images_that_memory_had_no_room_for_are_saved_from_their_journals(
    desks: Callable[..., Desk], folder: Path
) -> None:
    desk = desks(folder, memory=1)
    desk.fill(desk.go(0))
    desk.go(1)
    desk.until(lambda: list(desk.session._pictures) == [1])
    assert desk.session.unsaved == {0}
    desk.session.save_all()
    desk.until(lambda: not desk.session.saving)
    assert masks(folder) == ["a_mask_(R:204,G:0,B:0).png"] and desk.session.unsaved == set()
    assert not list(folder.with_name("photos_segmented").rglob("*.journal"))


def test_what_is_discarded_is_gone_and_what_is_kept_is_marked_the_next_time(
    desks: Callable[..., Desk], folder: Path
) -> None:
    desk = desks(folder)
    desk.fill(desk.go(0))
    desk.fill(desk.go(2))
    desk.session.close()
    again = desks(folder)
    assert again.session.left_behind == {0, 2} and again.session.unsaved == set()
    again.go(2)
    assert again.session.unsaved == {2} and ("restored", 2, "") in again.told
    again.session.discard_unsaved()
    assert again.session.unsaved == set()
    again.session.close()
    assert desks(folder).session.left_behind == {0}


# ----------------------------------------------------------------------------------------------------------- memory


def test_a_picture_says_what_it_takes(desks: Callable[..., Desk], folder: Path) -> None:
    nothing = Picture(0, "0.png")
    assert nothing.nbytes == 0 and nothing.whole_nbytes == 0
    desk = desks(folder)
    picture = desk.session.go(0)
    desk.until(lambda: picture.complete)
    pixels = 160 * 120
    # Image 3, boundaries 1, label map 4, paint 1, four maps of levels 4 each, and the runs of the segments.
    runs = picture.nbytes - pixels * 25
    assert 0 < runs < 8 * pixels
    before = picture.nbytes
    desk.fill(picture)
    assert picture.nbytes > before
