"""Thumbnails: from the decoding that a run does anyway, in one file, read at random."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import IO

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from labelimg import files
from labelimg.cache import FeatureCache
from labelimg.clusterimg.extraction import extract
from labelimg.clusterimg.methods import make_method
from labelimg.clusterimg.methods.imagehash import ImageHash
from labelimg.clusterimg.thumbnails import THUMBNAILS, Collected, Thumbnails
from labelimg.decoding import Shrink, read
from labelimg.jpeg import with_bare_planes
from labelimg.thumbnail import Thumbnail, size_of


def scene(width: int, height: int) -> Image.Image:
    """A colourful picture, the same each time."""
    small = np.random.default_rng(5).integers(0, 256, (6, 9, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def opened(jpeg: bytes) -> Image.Image:
    with Image.open(io.BytesIO(jpeg)) as picture:
        assert picture.format == "JPEG"
        picture.load()
        return picture


def thumbnail_of(path: Path, shrink: Shrink) -> Image.Image:
    thumbnail = Thumbnail()
    with_one = read(str(path), shrink, thumbnail=thumbnail)
    with Image.open(path) as picture:
        assert size_of(thumbnail.jpeg) == ImageOps.exif_transpose(picture).size
    assert np.array_equal(with_one, read(str(path), shrink)), "a thumbnail changed what was read"
    return opened(thumbnail.jpeg)


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, int) - np.asarray(b.resize(a.size, Image.Resampling.BOX), int)).mean())


GREY, COLOUR = Shrink(colour=False, size=(48, 48)), Shrink(colour=True, size=(128, 128))
SAVED = [
    ("jpg", {"quality": 90}),
    ("jpg", {"quality": 90, "progressive": True, "subsampling": 1}),
    ("jpg", {"quality": 90, "subsampling": 0}),
    ("png", {}),
    ("webp", {"quality": 90}),
    ("webp", {"lossless": True}),
    ("bmp", {}),
    ("tif", {}),
    ("gif", {}),
]


@pytest.mark.parametrize("shrink", [GREY, COLOUR, Shrink(colour=False, longest=400), Shrink(colour=False, scale=1.0)])
@pytest.mark.parametrize(("ending", "how"), SAVED)
def test_reading_is_the_same_and_the_thumbnail_shows_the_picture(
    tmp_path: Path, ending: str, how: dict[str, object], shrink: Shrink
) -> None:
    path = tmp_path / f"a.{ending}"
    scene(1231, 815).save(path, **how)
    small = thumbnail_of(path, shrink)
    assert max(small.size) == 160 or (ending == "jpg" and max(small.size) == 154)  # an eighth of it
    assert abs(small.width / small.height - 1231 / 815) < 0.02
    grey_at_full_size = ending == "jpg" and not shrink.colour and shrink.size is None
    expected = scene(1231, 815)
    if grey_at_full_size and shrink.longest is None:
        assert small.mode == "L"
        expected = expected.convert("L")
    elif small.mode == "L":
        expected = expected.convert("L")
    assert difference(small, expected) < 6


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "440", "411"])
@pytest.mark.parametrize("least", [0, 40, 90])
def test_the_first_bare_plane_is_the_grey_picture(subsampling: str, least: int) -> None:
    pixels = np.asarray(scene(330, 203))
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), 80, colorsubsampling=subsampling)
    at = {"min_width": least, "min_height": least} if least else {}
    grey = simplejpeg.decode_jpeg(data, "GRAY", **at)
    planes = simplejpeg.decode_jpeg(with_bare_planes(data), "RGB", **at)
    assert np.array_equal(grey[..., 0], planes[..., 0])


def test_the_thumbnail_lies_as_the_picture_is_shown(tmp_path: Path) -> None:
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        pixels = np.zeros((240, 400, 3), np.uint8)
        pixels[:120, :200] = 255, 0, 0
        Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=95)
        with Image.open(tmp_path / "a.jpg") as picture:
            expected = ImageOps.exif_transpose(picture)
        small = thumbnail_of(tmp_path / "a.jpg", GREY)
        assert (small.width > small.height) == (expected.width > expected.height)
        assert difference(small, expected) < 6, orientation


def test_a_short_jpeg_is_its_own_thumbnail(tmp_path: Path) -> None:
    scene(64, 40).save(tmp_path / "a.jpg")
    thumbnail = Thumbnail()
    read(str(tmp_path / "a.jpg"), GREY, thumbnail=thumbnail)
    file = (tmp_path / "a.jpg").read_bytes()
    assert (thumbnail.jpeg[:2], thumbnail.jpeg[2 + 4 + len("labelimg 64x40") :]) == (file[:2], file[2:])
    assert size_of(thumbnail.jpeg) == (64, 40)
    assert size_of(b"no picture") == (0, 0)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 5), (161, 160)])
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_odd_sizes_have_thumbnails(tmp_path: Path, size: tuple[int, int], ending: str) -> None:
    scene(*size).save(tmp_path / f"a.{ending}")
    small = thumbnail_of(tmp_path / f"a.{ending}", GREY)
    assert 1 <= max(small.size) <= 160


def test_transparency_is_laid_on_white_and_grey_stays_grey(tmp_path: Path) -> None:
    Image.new("RGBA", (300, 300), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert np.asarray(thumbnail_of(tmp_path / "a.png", GREY)).min() > 250
    Image.fromarray(np.full((300, 300), 30_000, np.uint16)).save(tmp_path / "deep.png")
    deep = thumbnail_of(tmp_path / "deep.png", GREY)
    assert deep.mode == "L"
    assert abs(int(np.asarray(deep).mean()) - 117) < 3


def test_an_inverted_cmyk_jpeg_has_a_thumbnail_by_way_of_pillow(tmp_path: Path) -> None:
    scene(400, 300).convert("CMYK").save(tmp_path / "a.jpg")
    assert difference(thumbnail_of(tmp_path / "a.jpg", GREY), scene(400, 300)) < 12


names = st.lists(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=6), unique=True, max_size=12)


@given(names, st.data())
def test_what_was_kept_is_read_again_by_row_and_name(
    tmp_path_factory: pytest.TempPathFactory, some: list[str], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    some = sorted(some)
    jpegs = data.draw(st.lists(st.binary(max_size=9), min_size=len(some), max_size=len(some)))
    collected = Collected(folder)
    for jpeg in jpegs:
        collected.add(jpeg)
    assert collected.write(folder, some)
    with Thumbnails.open(folder) as thumbnails:
        assert len(thumbnails) == len(some)
        for row, (name, jpeg) in enumerate(zip(some, jpegs, strict=True)):
            assert thumbnails.name(row) == name
            assert thumbnails.row(name) == row
            assert thumbnails.get(row) == thumbnails.get(name) == (jpeg or None)
        assert thumbnails.are_of(some) == bool(some)
        assert not thumbnails.are_of([*some, "z"])
        turned = np.arange(len(some))[::-1]
        assert list(thumbnails.get_many(turned)) == jpegs[::-1]
        assert thumbnails.get(len(some)) is None
        assert thumbnails.get("no such name") is None


def test_names_of_any_bytes_are_kept(tmp_path: Path) -> None:
    some = sorted([os.fsdecode(b"a\xff.jpg"), "a.jpg", "a\U0001f600.jpg", "a\n.jpg"])
    collected = Collected(tmp_path)
    for name in some:
        collected.add(name.encode(errors="surrogateescape"))
    collected.write(tmp_path, some)
    with Thumbnails.open(tmp_path) as thumbnails:
        assert [thumbnails.get(name) for name in some] == [name.encode(errors="surrogateescape") for name in some]


def test_more_can_be_added(tmp_path: Path) -> None:
    collected = Collected(tmp_path)
    for jpeg in (b"1", b"", b"3"):
        collected.add(jpeg)
    collected.write(tmp_path, ["b", "c", "e"])
    thumbnails = Thumbnails.open(tmp_path).add(tmp_path, iter([("a", b"0"), ("c", b"two"), ("e", b"3x")]))
    assert [(thumbnails.name(row), thumbnails.get(row)) for row in range(len(thumbnails))] == [
        ("a", b"0"),
        ("b", b"1"),
        ("c", b"two"),
        ("e", b"3x"),
    ]
    thumbnails.close()
    assert len(thumbnails) == 0


def test_more_than_fits_in_memory_waits_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelimg.clusterimg.thumbnails._IN_MEMORY", 100)
    with Collected(tmp_path / "not" / "there") as collected:
        for k in range(50):
            collected.add(bytes([k]) * k)
        assert list(tmp_path.iterdir()) == []  # the file has no name
        collected.write(tmp_path, [f"{k:02}" for k in range(50)])
    with Thumbnails.open(tmp_path) as thumbnails:
        assert [thumbnails.get(k) for k in range(1, 50)] == [bytes([k]) * k for k in range(1, 50)]


@pytest.mark.parametrize("damage", ["gone", "empty", "short", "foreign", "garbled"])
def test_a_damaged_file_holds_nothing(tmp_path: Path, damage: str) -> None:
    collected = Collected(tmp_path)
    collected.add(b"jpeg")
    collected.write(tmp_path, ["a"])
    file = tmp_path / THUMBNAILS
    whole = file.read_bytes()
    cut = {"empty": b"", "short": whole[:-5], "foreign": b"x" * 99, "garbled": whole.replace(b"\x1a\0\0", b"\xff\0\0")}
    if damage == "gone":
        file.unlink()
    else:
        assert cut[damage] != whole
        file.write_bytes(cut[damage])
    with Thumbnails.open(tmp_path) as thumbnails:
        assert len(thumbnails) == 0
        assert thumbnails.get("a") is None


def test_the_file_is_the_same_whether_it_waited_on_the_disk_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_another(folder: Path) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=folder)

    written = []
    for way in ("memory", "a file that gets a name", "a file that is copied"):
        out = tmp_path / way
        out.mkdir()
        if way != "memory":
            monkeypatch.setattr("labelimg.clusterimg.thumbnails._IN_MEMORY", 10)
        if way == "a file that is copied":
            monkeypatch.setattr("labelimg.files.open_unnamed", with_another)
        collected = Collected(out)
        for jpeg in (b"x" * 20, b"", b"y" * 7):
            collected.add(jpeg)
        assert collected.write(out, ["a", "b", "ü"])
        assert os.listdir(out) == [THUMBNAILS]
        assert (out / THUMBNAILS).stat().st_mode & 0o777 == 0o666 & ~umask()
        written.append((out / THUMBNAILS).read_bytes())
    assert written[0] == written[1] == written[2]


def umask() -> int:
    was = os.umask(0)
    os.umask(was)
    return was


def test_thumbnails_that_cannot_be_kept_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelimg.clusterimg.thumbnails._IN_MEMORY", 10)

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labelimg.files.open_unnamed", full)
    collected = Collected(tmp_path)
    collected.add(b"x" * 20)
    collected.add(b"y")
    assert not collected.write(tmp_path, ["a", "b"])
    assert not files.is_there(tmp_path / THUMBNAILS)


def photographs(folder: Path, count: int = 5) -> list[str]:
    folder.mkdir()
    for k in range(count):
        picture = np.asarray(scene(300 + 10 * k, 200))
        cv2.imwrite(str(folder / f"{k}.jpg"), picture)
        os.utime(folder / f"{k}.jpg", (1, 1))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    return sorted(str(path) for path in folder.iterdir())


def taken(paths: list[str], cache: FeatureCache | None, folder: Path, **how: object) -> tuple[int, bytes]:
    folder.mkdir()
    collected = Collected(folder)
    found = extract(paths, make_method("imagehash"), memory=1 << 20, cache=cache, thumbnails=collected, **how)
    collected.write(folder, [os.path.basename(paths[row]) for row in found.rows])
    return found.decoded, (folder / THUMBNAILS).read_bytes()


def test_thumbnails_are_the_same_from_any_threads_and_from_the_cache(tmp_path: Path) -> None:
    paths = photographs(tmp_path / "images")
    with FeatureCache(tmp_path / "cache") as cache:
        decoded, one = taken(paths, None, tmp_path / "a", threads=1)
        assert decoded == 6
        assert taken(paths, None, tmp_path / "b", threads=4) == (6, one)
        assert taken(paths, cache, tmp_path / "c", threads=2) == (6, one)
        assert taken(paths, cache, tmp_path / "d", threads=2) == (1, one)  # the broken one is tried each time


def test_a_feature_that_came_without_a_thumbnail_is_decoded_for_it_once_and_not_made_again(tmp_path, monkeypatch):
    paths = photographs(tmp_path / "images")
    with FeatureCache(tmp_path / "cache") as cache:
        extract(paths, make_method("imagehash"), threads=1, memory=1 << 20, cache=cache)
        monkeypatch.setattr(ImageHash, "feature", lambda self, pixels: pytest.fail("made again"))
        decoded, one = taken(paths, cache, tmp_path / "a", threads=1)
        assert decoded == 6
        assert taken(paths, cache, tmp_path / "b", threads=1) == (1, one)
    monkeypatch.undo()
    assert taken(paths, None, tmp_path / "c", threads=1) == (6, one)


def test_too_many_images_for_the_cache_are_not_decoded_for_their_thumbnails(tmp_path: Path) -> None:
    paths = photographs(tmp_path / "images")
    with FeatureCache(tmp_path / "cache", max_bytes=10_000_000) as cache:
        cache._max_bytes = 4 * 5_000 * (len(paths) - 1)
        assert taken(paths, None, tmp_path / "a", threads=1)[0] == 6
        cache._max_bytes = 10_000_000
        extract(paths, make_method("imagehash"), threads=1, memory=1 << 20, cache=cache)
        cache._max_bytes = 4 * 5_000 * (len(paths) - 1)
        decoded, _ = taken(paths, cache, tmp_path / "b", threads=1)
        assert decoded == 1
        with Thumbnails.open(tmp_path / "b") as thumbnails:
            assert len(thumbnails) == 5
            assert thumbnails.get("1.jpg") is None
