"""What goes wrong is said in the window, and nothing painted is lost."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from conftest import Sitting
from labelimg import files
from labelimg.lock import Lock, is_held
from labelimg.segmentatimg.methods import make_method
from pictures import photograph, save, truncated_png


def test_an_image_that_cannot_be_read_is_named_and_the_others_go_on(
    start: Callable[..., Sitting], folder: Path
) -> None:
    truncated_png(folder / "aa.png")
    sitting = start(folder)
    sitting.key("n")
    sitting.until(lambda: sitting.message)
    assert "aa.png cannot be opened: truncated or damaged" in sitting.message
    assert sitting.window.state.text() == "unreadable"
    sitting.key("n")
    sitting.ready()
    assert sitting.row == 2 and sitting.message == ""
    sitting.click(80, 60)
    assert sitting.paint.any()


def test_a_folder_that_vanishes_is_said_and_the_paint_can_still_be_saved(sitting: Sitting, folder: Path) -> None:
    sitting.click(80, 60)
    shutil.rmtree(folder)
    sitting.key("n")
    sitting.until(lambda: sitting.message)
    assert "vanished" in sitting.message
    sitting.key("p")
    assert sitting.paint.any()
    sitting.controller.do("save")
    sitting.saved()
    assert list(folder.with_name("photos_segmented").glob("a_mask_*.png"))


def test_a_full_disk_on_saving_is_said_and_nothing_is_lost(
    sitting: Sitting, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sitting.click(80, 60)
    paint = sitting.paint

    def full(name: str, path: str) -> None:
        if name == "write":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "on_operation", full)
    sitting.key(Qt.Key.Key_Space)
    sitting.until(lambda: "was not saved" in sitting.message)
    assert "no space left on the disk" in sitting.message and "a.png" in sitting.message
    assert sitting.controller.session.unsaved == {0}
    monkeypatch.setattr(files, "on_operation", None)
    sitting.ready()
    sitting.window.message._more.click()  # "Save again"
    sitting.saved()
    assert sitting.message == "" and sitting.controller.session.unsaved == set()
    sitting.key("p")
    assert (sitting.paint == paint).all()
    assert len(list(folder.with_name("photos_segmented").glob("a_mask_*.png"))) == 1


def test_quitting_with_a_full_disk_stays(sitting: Sitting, monkeypatch: pytest.MonkeyPatch) -> None:
    sitting.click(80, 60)

    def full(name: str, path: str) -> None:
        if name == "write":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "on_operation", full)
    sitting.key("q")
    box = sitting.controller.leaving.box
    assert box is not None
    QTest.keyClick(box, Qt.Key.Key_Return)  # Save is the default
    sitting.until(lambda: "was not saved" in sitting.message)
    assert sitting.window.isVisible() and sitting.paint.any()
    monkeypatch.setattr(files, "on_operation", None)


def test_a_mask_that_cannot_be_read_is_not_painted_over(start: Callable[..., Sitting], folder: Path) -> None:
    masks = folder.with_name("photos_segmented")
    masks.mkdir()
    broken = masks / "a_mask_(R:204,G:0,B:0).png"
    broken.write_bytes(b"no picture")
    sitting = start(folder / "a.png", wait=False)
    sitting.until(lambda: sitting.message)
    assert "a_mask_" in sitting.message and sitting.painting is None
    sitting.key(Qt.Key.Key_Space)
    sitting.settle()
    assert broken.read_bytes() == b"no picture"


def test_classes_json_that_is_damaged_is_said(start: Callable[..., Sitting], folder: Path) -> None:
    masks = folder.with_name("photos_segmented")
    masks.mkdir()
    (masks / "classes.json").write_text("[1", "utf-8")
    sitting = start(folder)
    assert "classes.json" in sitting.message


def test_a_folder_without_images_and_one_that_is_not_there_are_said(
    start: Callable[..., Sitting], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    sitting = start()
    assert not sitting.controller.open(str(tmp_path / "empty"))
    assert "no images" in sitting.message
    assert not sitting.controller.open(str(tmp_path / "none"))
    assert "no such folder" in sitting.message
    assert sitting.picture is None


def test_keys_do_nothing_while_no_folder_is_open(start: Callable[..., Sitting]) -> None:
    sitting = start()
    for key in "npzrdtb[]f0+-12":
        sitting.key(key, on=sitting.window)
    sitting.key(Qt.Key.Key_Space, on=sitting.window)
    assert sitting.picture is None and sitting.window.isVisible()


def test_a_worker_that_dies_is_said_and_the_next_image_works(sitting: Sitting) -> None:
    hand = sitting.controller.session._crew._hand
    sitting.until(lambda: hand._process is not None)
    hand._process.kill()
    hand._process.join()
    sitting.key("n")
    sitting.until(lambda: sitting.message or sitting.painting)
    assert sitting.painting is None and "perhaps for lack of memory" in sitting.message
    sitting.key("p")
    sitting.key("n")
    sitting.ready()


def test_tiny_grey_and_large_thin_images_can_be_painted_on(start: Callable[..., Sitting], tmp_path: Path) -> None:
    coffee = photograph("coffee")
    save(tmp_path / "odd" / "1x1.png", coffee[:1, :1])
    save(tmp_path / "odd" / "grey.png", coffee[..., 0])
    save(tmp_path / "odd" / "thin.png", coffee[:3].repeat(20, axis=1))
    sitting = start(tmp_path / "odd")
    for _ in range(3):
        width, height = sitting.painting.size
        sitting.click(width // 2, height // 2)
        assert sitting.paint.any()
        sitting.key("n")
        sitting.ready()


def test_rotated_alpha_and_deep_images_are_painted_on_as_they_are_seen(
    start: Callable[..., Sitting], tmp_path: Path
) -> None:
    folder, coffee = tmp_path / "odd", photograph("coffee")
    height, width = coffee.shape[:2]
    alpha = np.dstack([coffee, np.full((height, width), 255, np.uint8)])
    alpha[:, : width // 2, 3] = 0
    folder.mkdir()
    Image.fromarray(alpha).save(folder / "a.png")
    Image.fromarray(coffee[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees to the right
    Image.fromarray(coffee).save(folder / "turned.jpg", exif=turned)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    sitting = start(folder)
    for name, size in (("a", (width, height)), ("deep", (width, height)), ("turned", (height, width))):
        assert sitting.painting.size == size
        sitting.click(size[0] - 20, size[1] - 20)
        paint = sitting.paint
        assert paint[-20, -20] > 0 and (paint == 0).any()
        sitting.key(Qt.Key.Key_Space)
        sitting.saved()
        (mask,) = (tmp_path / "odd_segmented").glob(f"{name}_mask_*.png")
        assert (np.array(Image.open(mask)) == 255 * (paint > 0)).all()
        if name != "turned":
            sitting.ready()
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_of_one_image_can_be_gone_through(start: Callable[..., Sitting], tmp_path: Path) -> None:
    save(tmp_path / "one" / "a.png", photograph("coffee"))
    sitting = start(tmp_path / "one", ahead=2)
    sitting.click(80, 60)
    paint = sitting.paint
    for key in "npn":
        sitting.key(key)
        sitting.ready()
        assert sitting.row == 0 and (sitting.paint == paint).all()
    sitting.key(Qt.Key.Key_Space)
    sitting.saved()
    sitting.settle()
    assert sitting.message == "the image is done"
    assert len(list((tmp_path / "one_segmented").glob("a_mask_*.png"))) == 1


def test_an_image_that_vanishes_while_it_is_open_is_painted_on_and_saved(sitting: Sitting, folder: Path) -> None:
    sitting.click(80, 60)
    (folder / "a.png").unlink()
    sitting.key("]")
    sitting.ready()
    sitting.controller.session.set_method(make_method("superpixel", region_size=24))
    sitting.until(lambda: sitting.picture.method.region_size == 24)
    sitting.ready()
    assert sitting.paint.any() and sitting.message == ""
    sitting.click(20, 100)
    paint = sitting.paint
    for key in "np":
        sitting.key(key)
        sitting.ready()
    assert (sitting.paint == paint).all()
    sitting.controller.do("save")
    sitting.saved()
    (mask,) = folder.with_name("photos_segmented").glob("a_mask_*.png")
    assert (np.array(Image.open(mask)) == 255 * (paint > 0)).all()


def test_masks_that_another_program_paints_are_left_to_it(start: Callable[..., Sitting], folder: Path) -> None:
    masks = folder.with_name("photos_segmented")
    sitting = start()
    with Lock(masks):
        assert not sitting.controller.open(str(folder))
        assert sitting.message.startswith(f"another Labelimg works on the masks in {masks}; close it first")
        done = subprocess.run(
            [sys.executable, "-m", "labelimg", "segment", str(folder / "b.png")], capture_output=True, text=True
        )
        assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
        assert f"another Labelimg works on the masks in {masks}" in done.stderr and "--out" in done.stderr
    assert sitting.controller.open(str(folder))
    sitting.ready()
    assert is_held(masks)
    sitting.controller.open(str(folder))  # its own
    sitting.ready()
    sitting.close()
    assert not masks.exists()


def test_a_program_that_is_killed_leaves_no_lock(start: Callable[..., Sitting], folder: Path) -> None:
    masks = folder.with_name("photos_segmented")
    code = "import sys, time; from labelimg.lock import Lock; Lock(sys.argv[1]).__enter__(); print(1, flush=True); "
    child = subprocess.Popen([sys.executable, "-c", code + "time.sleep(60)", str(masks)], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"1\n"
    assert is_held(masks)
    child.kill()
    child.wait()
    child.stdout.close()
    assert not is_held(masks)
    assert start(folder).painting is not None


def test_a_folder_whose_masks_cannot_be_written_can_be_looked_at(
    start: Callable[..., Sitting], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, path: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(files, "on_operation", refuse)
    sitting = start(folder)
    sitting.click(80, 60)
    assert sitting.paint.any() and "journal" in sitting.message
    monkeypatch.setattr(files, "on_operation", None)


def test_the_first_use_says_that_it_takes_a_moment_and_the_picture_can_be_zoomed_meanwhile(
    start: Callable[..., Sitting], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelimg.app.opening.is_first_use", lambda: True)
    monkeypatch.setattr("labelimg.segmentatimg.session.Session._segments_came", lambda *_: None)
    monkeypatch.setattr("labelimg.segmentatimg.session.Session._make_painting", lambda *_: None)
    monkeypatch.setattr("labelimg.segmentatimg.kernels.compose_close", None)  # not compiled yet
    monkeypatch.setattr("labelimg.segmentatimg.kernels.compose", None)
    sitting = start(folder, wait=False)
    sitting.until(lambda: sitting.picture.scene)
    sitting.settle()
    assert "first use" in sitting.canvas.note and "once" in sitting.canvas.note
    before = sitting.pixels()
    for _ in range(8):
        sitting.wheel(80, 60, 1)
    assert sitting.canvas.view.scale > 4
    assert (sitting.pixels() != before).any()
    expected = photograph("coffee")[60, 80]
    assert sitting.colour_at(80, 60) == tuple(int(each) for each in expected)
