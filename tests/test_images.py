"""Images are found, read, shrunk, and reported when they cannot be read."""

from __future__ import annotations

import io
import os
import socket
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from labelimg import decoding, images, pillow_pictures
from labelimg.decoding import Shrink, read, resize
from labelimg.errors import UnreadableImageError, UsageError
from labelimg.images import Found, Unreadable, find_images, read_many
from labelimg.thumbnail import Thumbnail, size_of

GREY, COLOUR = Shrink(colour=False), Shrink(colour=True)


@pytest.fixture(scope="session", autouse=True)
def heif_can_be_written():
    pillow_heif.register_heif_opener()


def smooth(width: int, height: int) -> Image.Image:
    """A picture whose four corners differ, without fine detail."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = [255 * x / width, 255 * y / height, 128 + 90 * np.sin(x / 40) * np.cos(y / 50)]
    return Image.fromarray(np.stack(rgb, axis=2).astype(np.uint8))


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8))


def saved(path: Path, picture: Image.Image, format: str | None = None, **options) -> str:
    picture.save(path, format, **options)
    return str(path)


def reason(path: Path | str, shrink: Shrink = GREY) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        read(str(path), shrink)
    assert caught.value.path == str(path)
    assert "\n" not in caught.value.reason
    return caught.value.reason


def names(found: Found) -> list[str]:
    return [os.path.relpath(path, found.root) for path in found.paths]


def touch(folder: Path, *relative: str) -> None:
    for name in relative:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


# -- finding


def test_images_are_found_by_ending_in_any_case_and_sorted_by_relative_name(tmp_path):
    touch(tmp_path, "b.JPG", "a.png", "sub/z.WebP", "sub.jpeg", "notes.txt", "jpg", "x.jpg.txt")
    found = find_images([tmp_path])
    assert found.root == str(tmp_path)
    assert names(found) == ["a.png", "b.JPG", "sub.jpeg", "sub/z.WebP"]
    assert found.skipped == 3
    assert found.unreadable == ()


def test_an_empty_folder_has_no_images(tmp_path):
    assert find_images([tmp_path]) == Found(str(tmp_path), (), 0, ())


def test_hidden_files_count_as_skipped_and_hidden_folders_are_not_entered(tmp_path):
    touch(tmp_path, ".a.jpg", ".hidden/b.jpg", "c.jpg", ".jpg")
    found = find_images([tmp_path])
    assert names(found) == ["c.jpg"]
    assert found.skipped == 2


def test_odd_names_work(tmp_path):
    odd = ["sp ace.jpg", "new\nline.jpg", "猫.png", "é.gif", os.fsdecode(b"\xff\xfe.jpg")]
    touch(tmp_path, *odd)
    found = find_images([tmp_path], include=["*.*"])
    assert names(found) == sorted(odd)


def test_only_the_top_is_listed_when_not_recursive(tmp_path):
    touch(tmp_path, "a.jpg", "sub/b.jpg")
    assert names(find_images([tmp_path], recursive=False)) == ["a.jpg"]


def test_a_folder_named_like_an_image_is_a_folder(tmp_path):
    touch(tmp_path, "x.jpg/a.png")
    found = find_images([tmp_path])
    assert names(found) == ["x.jpg/a.png"]
    assert reason(tmp_path / "x.jpg") == "not a regular file but a folder"


def test_globs_match_the_relative_and_the_bare_name(tmp_path):
    touch(tmp_path, "a/cat1.jpg", "a/dog1.jpg", "b/cat2.jpg", "b/cat2.txt", "Cat3.jpg")
    assert names(find_images([tmp_path], include=["cat*"])) == ["a/cat1.jpg", "b/cat2.jpg"]
    assert names(find_images([tmp_path], include=["a/*", "C*"])) == ["Cat3.jpg", "a/cat1.jpg", "a/dog1.jpg"]
    assert names(find_images([tmp_path], exclude=["a/*", "cat2*"])) == ["Cat3.jpg"]
    both = find_images([tmp_path], include=["cat*"], exclude=["a/*", "*.txt"])
    assert names(both) == ["b/cat2.jpg"]
    assert both.skipped == 0


def test_special_files_are_unreadable_and_never_opened(tmp_path):
    touch(tmp_path, "real.jpg")
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "broken.jpg").symlink_to("nowhere")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "linked.jpg").symlink_to("real.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.jpg"))
    found = find_images([tmp_path])
    assert names(found) == ["linked.jpg", "real.jpg"]
    reasons = {Path(item.path).name: item.reason for item in found.unreadable}
    assert list(reasons) == ["broken.jpg", "fifo.jpg", "loop.jpg", "s.jpg"]
    assert reasons["broken.jpg"] == "a broken link"
    assert reasons["fifo.jpg"] == "not a regular file but a named pipe"
    assert reasons["s.jpg"] == "not a regular file but a socket"
    assert reasons["loop.jpg"].startswith("cannot be read: ")
    assert reason(tmp_path / "fifo.jpg") == reasons["fifo.jpg"]


def test_links_to_folders_are_not_followed(tmp_path):
    touch(tmp_path, "sub/a.jpg")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "again.jpg").symlink_to("sub")
    found = find_images([tmp_path])
    assert names(found) == ["sub/a.jpg"]
    assert (found.skipped, found.unreadable) == (0, ())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_rights_forbid_is_reported(tmp_path):
    touch(tmp_path, "a.jpg", "shut/b.jpg")
    (tmp_path / "shut").chmod(0)
    (tmp_path / "a.jpg").chmod(0)
    found = find_images([tmp_path])
    (tmp_path / "shut").chmod(0o700)
    assert names(found) == ["a.jpg"]
    assert found.unreadable[0].path == str(tmp_path / "shut")
    assert "permission denied" in found.unreadable[0].reason
    assert reason(tmp_path / "a.jpg") == "permission denied"


def test_a_sub_folder_that_cannot_be_listed_is_reported(tmp_path, monkeypatch):
    touch(tmp_path, "a.jpg", "shut/b.jpg")
    scandir = os.scandir

    def refuse(folder):
        if str(folder).endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    found = find_images([tmp_path])
    assert names(found) == ["a.jpg"]
    shut = Unreadable(str(tmp_path / "shut"), "the folder cannot be listed: permission denied")
    assert found.unreadable == (shut,)
    with pytest.raises(UsageError, match="permission denied"):
        find_images([tmp_path / "shut"])


def test_a_missing_folder_and_a_file_are_usage_errors(tmp_path):
    touch(tmp_path, "a.jpg")
    with pytest.raises(UsageError, match=r"no such folder: .*gone"):
        find_images([tmp_path / "gone"])
    with pytest.raises(UsageError, match=r"not a folder: .*a\.jpg"):
        find_images([tmp_path, tmp_path / "a.jpg"])
    with pytest.raises(UsageError, match="at least one folder"):
        find_images([])


def test_folders_that_overlap_give_each_file_once(tmp_path):
    touch(tmp_path, "one/a.jpg", "one/in/b.jpg", "two/c.jpg", "one/.hid/d.jpg", "one/no.txt")
    one, inner, two = tmp_path / "one", tmp_path / "one/in", tmp_path / "two"
    expected = ["one/a.jpg", "one/in/b.jpg", "two/c.jpg"]
    for folders in ([one, inner, two, one], [two, inner, one], [str(one) + "/", one / "../two", inner]):
        found = find_images(folders)
        assert found.root == str(tmp_path)
        assert names(found) == expected
        assert found.skipped == 1
    assert names(find_images([one, inner])) == ["a.jpg", "in/b.jpg"]
    assert names(find_images([one, one / ".hid"])) == [".hid/d.jpg", "a.jpg", "in/b.jpg"]


# -- sizes


@pytest.mark.parametrize(
    ("shrink", "expected"),
    [
        (Shrink(True), (400, 201)),
        (Shrink(True, size=(7, 9)), (7, 9)),
        (Shrink(True, longest=100), (100, 50)),
        (Shrink(True, longest=1000), (400, 201)),
        (Shrink(True, longest=1), (1, 1)),
        (Shrink(True, scale=0.5), (200, 100)),
        (Shrink(True, scale=0.0001), (1, 1)),
    ],
)
def test_target_sizes(shrink, expected):
    assert shrink.target(400, 201) == expected


@pytest.mark.parametrize(
    "wrong", [{"size": (0, 5)}, {"longest": 0}, {"scale": 0}, {"scale": 1.1}, {"scale": 0.5, "longest": 3}]
)
def test_a_shrink_out_of_range_is_a_usage_error(wrong):
    with pytest.raises(UsageError):
        Shrink(colour=True, **wrong)


def test_resize_averages_areas_and_leaves_its_input():
    pixels = np.array([[0, 100, 10, 30], [20, 40, 50, 70]], np.uint8)
    before = pixels.copy()
    assert resize(pixels, (2, 1)).tolist() == [[40, 40]]
    assert resize(pixels, (4, 2)) is pixels
    assert np.array_equal(pixels, before)
    # One side shrinks while the other grows: the columns are averaged all the same.
    assert resize(pixels, (2, 4))[[0, -1]].tolist() == [[50, 20], [30, 60]]


def test_a_very_long_picture_is_shrunk(tmp_path):
    path = saved(tmp_path / "a.png", Image.new("L", (100_000, 1), 9))
    assert np.array_equal(read(path, Shrink(False, longest=50)), np.full((1, 50), 9))


# -- formats

LOSSLESS = [
    ("png", "PNG", {}),
    ("webp", "WEBP", {"lossless": True}),
    ("tif", "TIFF", {}),
    ("tiff", "TIFF", {"compression": "tiff_lzw"}),
    ("bmp", "BMP", {}),
    ("dib", "DIB", {}),
    ("ppm", "PPM", {}),
    ("jp2", "JPEG2000", {}),
    ("tga", "TGA", {}),
    ("ico", "ICO", {"sizes": [(40, 30)]}),
]
LOSSY = [
    ("jpg", "JPEG", {}),
    ("jpg", "JPEG", {"progressive": True, "subsampling": 0}),
    ("jpg", "JPEG", {"keep_rgb": True}),
    ("webp", "WEBP", {}),
    ("avif", "AVIF", {}),
    ("heic", "HEIF", {}),
]


@pytest.mark.parametrize(("ending", "format", "options"), LOSSLESS + LOSSY)
def test_every_format_is_read_whatever_its_ending(tmp_path, ending, format, options):
    picture = smooth(40, 30)
    tolerance = 0 if (ending, format, options) in LOSSLESS else 12
    endings = [ending] if format == "TGA" else [ending, "jpg", "PNG"]
    for name in endings:
        path = saved(tmp_path / f"picture.{name}", picture, format, **options)
        for shrink in (COLOUR, GREY):
            pixels = read(path, shrink)
            expected = np.asarray(picture if shrink.colour else picture.convert("L")).astype(int)
            assert pixels.dtype == np.uint8
            assert pixels.shape == expected.shape
            assert pixels.flags.c_contiguous
            assert pixels.flags.writeable
            assert np.abs(pixels - expected).mean() <= tolerance / 4
            assert np.abs(pixels - expected).max() <= tolerance * 3
        assert read(path, Shrink(True, size=(13, 7))).shape == (7, 13, 3)
        assert read(path, Shrink(False, scale=0.5)).shape == (15, 20)


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"quality": 30}])
def test_webp_agrees_with_pillow(tmp_path, options):
    path = saved(tmp_path / "a.webp", noise(61, 47), **options)
    with Image.open(path) as picture:
        assert np.array_equal(read(path, COLOUR), np.asarray(picture))
        assert np.abs(read(path, GREY) - np.asarray(picture.convert("L")).astype(int)).max() <= 1


def test_grey_pictures_read_as_colour_have_equal_channels(tmp_path):
    grey = smooth(20, 10).convert("L")
    for name in ("a.png", "a.jpg", "a.pgm"):
        pixels = read(saved(tmp_path / name, grey), COLOUR)
        assert pixels.shape == (10, 20, 3)
        assert np.ptp(pixels, axis=2).max() == 0


def test_transparency_is_laid_on_white(tmp_path):
    rgba = Image.new("RGBA", (3, 1))
    rgba.putdata([(200, 0, 0, 255), (200, 0, 0, 0), (0, 0, 0, 128)])
    expected = [[200, 0, 0], [255, 255, 255], [127, 127, 127]]
    for name in ("a.png", "a.webp", "a.tif"):
        path = saved(tmp_path / name, rgba, **({"lossless": True} if name == "a.webp" else {}))
        assert read(path, COLOUR)[0].tolist() == expected
    assert read(saved(tmp_path / "la.png", rgba.convert("LA")), GREY)[0].tolist() == [60, 255, 127]


def test_palettes_are_resolved_with_their_transparency(tmp_path):
    picture = Image.new("P", (3, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.putdata([0, 1, 2])
    plain = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert read(saved(tmp_path / "a.png", picture), COLOUR)[0].tolist() == plain
    assert read(saved(tmp_path / "a.gif", picture), COLOUR)[0].tolist() == plain
    seen = read(saved(tmp_path / "b.png", picture, transparency=1), COLOUR)[0].tolist()
    assert seen == [[255, 0, 0], [255, 255, 255], [0, 0, 255]]
    seen = read(saved(tmp_path / "c.png", picture, transparency=b"\xff\x00\x80"), COLOUR)[0].tolist()
    assert seen == [[255, 0, 0], [255, 255, 255], [127, 127, 255]]


def test_one_bit_pictures_are_black_and_white(tmp_path):
    picture = Image.new("1", (2, 1))
    picture.putdata([0, 255])
    for name in ("a.png", "a.pbm", "a.tif"):
        assert read(saved(tmp_path / name, picture), GREY).tolist() == [[0, 255]]


def test_cmyk_is_shown_as_pillow_shows_it(tmp_path):
    picture = smooth(32, 32).convert("CMYK")
    for name in ("a.jpg", "a.tif"):
        path = saved(tmp_path / name, picture)
        with Image.open(path) as opened:
            expected = np.asarray(opened.convert("RGB"))
        assert np.array_equal(read(path, COLOUR), expected)
        assert np.abs(expected.astype(int) - np.asarray(smooth(32, 32))).mean() < 4
        assert read(path, Shrink(False, size=(8, 8))).shape == (8, 8)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_sixteen_bit_grey_is_scaled_by_257_and_rounded(tmp_path, name):
    values = np.array([[0, 128, 129, 257, 32767, 65535]], np.uint16)
    path = saved(tmp_path / name, Image.fromarray(values))
    assert read(path, GREY).tolist() == [[0, 0, 1, 1, 127, 255]]
    assert read(path, COLOUR)[0, -1].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 0.25, 1]], np.float32), [0, 64, 255]),
        (np.array([[0, 25.5, 257]], np.float32), [0, 0, 1]),
        (np.array([[-5, 3, 200]], np.float32), [0, 3, 200]),
        (np.array([[np.nan, np.inf, 7]], np.float32), [0, 255, 7]),
        (np.array([[0, 1, 1]], np.int32), [0, 255, 255]),
        (np.array([[0, 257, 65535]], np.int32), [0, 1, 255]),
        (np.array([[-1, 100, 70000]], np.int32), [0, 100, 255]),
    ],
)
def test_other_numbers_are_scaled_by_their_range(tmp_path, values, expected):
    path = saved(tmp_path / "a.tif", Image.fromarray(values))
    assert read(path, GREY)[0].tolist() == expected


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for name, options in (("a.gif", {}), ("a.webp", {"lossless": True}), ("a.png", {}), ("a.tif", {})):
        path = saved(tmp_path / name, frames[0], save_all=True, append_images=frames[1:], **options)
        assert read(path, COLOUR)[4, 4].tolist() == [255, 0, 0]


# -- orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_obeyed(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = smooth(64, 40)
    for name in ("a.jpg", "a.png", "a.webp", "a.tif", "a.avif"):
        path = saved(tmp_path / name, picture, exif=exif)
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened)
            expected = np.asarray(upright.convert("RGB")).astype(int)
        assert upright.size == ((64, 40) if orientation < 5 else (40, 64))
        assert np.abs(read(path, COLOUR) - expected).max() <= 3
        # Sizes are those of the picture as shown, and it is the same picture after shrinking.
        small = read(path, Shrink(True, size=(16, 8)))
        assert np.abs(small - resize(expected.astype(np.uint8), (16, 8)).astype(int)).mean() < 4
        longest = read(path, Shrink(False, longest=32))
        assert longest.shape == ((20, 32) if orientation < 5 else (32, 20))


def test_exif_orientation_of_heic_is_obeyed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = read(saved(tmp_path / "a.heic", smooth(64, 40), exif=exif.tobytes()), COLOUR)
    expected = np.asarray(smooth(64, 40).transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert pixels.shape == (64, 40, 3)
    assert np.abs(pixels - expected).mean() < 6


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff\x12\x01"])
def test_garbage_exif_leaves_a_picture_readable(tmp_path, garbage):
    for name in ("a.jpg", "a.png", "a.webp"):
        path = saved(tmp_path / name, smooth(32, 16), exif=b"Exif\0\0" + garbage)
        assert read(path, GREY).shape == (16, 32)


def test_an_orientation_out_of_range_is_none(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 9
    assert read(saved(tmp_path / "a.jpg", smooth(32, 16), exif=exif), GREY).shape == (16, 32)


# -- JPEG


@pytest.mark.parametrize("size", [(128, 128), (126, 65), (251, 130), (300, 200), (64, 400), (2, 2), (1003, 517)])
@pytest.mark.parametrize("colour", [False, True])
def test_a_jpeg_reduced_while_decoding_equals_one_reduced_afterwards(tmp_path, size, colour):
    path = saved(tmp_path / "a.jpg", smooth(1003, 517), quality=90)
    whole = read(path, Shrink(colour))
    small = read(path, Shrink(colour, size=size))
    assert small.shape[:2] == size[::-1]
    assert np.abs(small - resize(whole, size).astype(int)).mean() < 2


def test_a_jpeg_with_extraneous_bytes_is_read(tmp_path):
    path = tmp_path / "a.jpg"
    saved(path, smooth(64, 48))
    data = path.read_bytes()
    at = data.index(b"\xff\xdb")
    for changed in (data + b"trailing", data[:at] + b"\0\0\0" + data[at:]):
        path.write_bytes(changed)
        assert np.abs(read(str(path), COLOUR) - np.asarray(smooth(64, 48)).astype(int)).mean() < 4


def test_cutting_a_file_anywhere_makes_it_unreadable(tmp_path):
    # Only what follows the last pixel may be missing: checksums and the end mark in PNG, padding in BMP.
    formats = {"jpg": 2, "png": 40, "webp": 2, "bmp": 4, "ppm": 1, "tif": 1, "avif": 1, "heic": 1, "gif": 3}
    for ending, tail in formats.items():
        path = tmp_path / f"a.{ending}"
        saved(path, noise(90, 60))
        data = path.read_bytes()
        for kept in (1, 3, 20, len(data) // 3, len(data) // 2, len(data) - tail - 20, len(data) - tail):
            path.write_bytes(data[:kept])
            for shrink in (COLOUR, Shrink(False, size=(8, 8))):
                assert reason(path, shrink), (ending, kept)


# -- the unreadable


def test_what_is_no_image_is_unreadable(tmp_path):
    empty, text, noise_file = tmp_path / "e.jpg", tmp_path / "t.jpg", tmp_path / "n.jpg"
    empty.touch()
    text.write_text("hello, world\n" * 100)
    noise_file.write_bytes(np.random.default_rng(3).bytes(5000))
    assert reason(empty) == "the file is empty"
    assert reason(text) == "not an image of a known format"
    assert reason(noise_file) == "not an image of a known format"
    assert reason(tmp_path / "gone.jpg") == "vanished: no such file"


@pytest.mark.parametrize("head", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8 ", b"BM", b"GIF89a"])
def test_a_signature_with_garbage_is_unreadable(tmp_path, head):
    path = tmp_path / "a.jpg"
    for seed in range(5):
        path.write_bytes(head + np.random.default_rng(seed).bytes(300))
        reason(path)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


def test_a_picture_of_too_many_pixels_is_refused_from_its_header(tmp_path):
    png = tmp_path / "bomb.png"
    png.write_bytes(png_header(40_000, 40_000) + png_chunk(b"IDAT", zlib.compress(b"\0")))
    expected = "40000 x 40000 pixels is more than 178956970: refused as a decompression bomb"
    assert reason(png) == expected
    jpeg = tmp_path / "bomb.jpg"
    saved(jpeg, smooth(16, 16))
    data = bytearray(jpeg.read_bytes())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 40_000, 40_000)
    jpeg.write_bytes(data)
    assert reason(jpeg) == expected


def test_pictures_that_pillow_warns_of_are_read_in_silence(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.png", smooth(40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert read(path, GREY).shape == (40, 40)
    many = io.BytesIO()
    smooth(40, 40).save(many, "TIFF", tiffinfo={270: "x" * 50})
    data = many.getvalue().replace(struct.pack("<HHI", 270, 2, 51), struct.pack("<HHI", 270, 2, 0xFFFFFF))
    broken = tmp_path / "a.tif"
    broken.write_bytes(data)
    assert read(str(broken), GREY).shape == (40, 40)


def test_a_compressed_profile_that_explodes_is_refused(tmp_path):
    path = tmp_path / "a.png"
    body = b"name\0\0" + zlib.compress(bytes(200_000_000), 1)
    path.write_bytes(png_header(4, 4) + png_chunk(b"iCCP", body) + png_chunk(b"IDAT", zlib.compress(bytes(20))))
    assert reason(path).startswith("truncated or damaged: ")


def test_large_pictures_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "LARGE_PIXELS", 100)
    path = saved(tmp_path / "a.png", smooth(40, 40))
    with decoding.large_memory:
        reader = threading.Thread(target=read, args=(path, GREY))
        reader.start()
        reader.join(0.1)
        assert reader.is_alive()
    reader.join(10)
    assert not reader.is_alive()


LARGE_KINDS = {
    "1": (".png", {}), "L": (".png", {}), "P": (".gif", {"transparency": 0}), "LA": (".png", {}), "RGB": (".tif", {}),
    "RGBA": (".png", {}), "CMYK": (".tif", {}), "I;16": (".png", {}), "I": (".tif", {}), "F": (".tif", {}),
}  # fmt: skip


def of_mode(mode: str, width: int, height: int) -> Image.Image:
    """A smooth picture of the mode, of values that need all bits of it, and half transparent where it can be."""
    whole = smooth(width, height)
    if mode in ("I;16", "I", "F"):
        values = np.asarray(whole.convert("L"))
        if mode == "F":
            return Image.fromarray(values.astype(np.float32) / 255)
        wide = values.astype(np.uint16) * 257
        return Image.fromarray(wide) if mode == "I;16" else Image.fromarray(wide.astype(np.int32))
    if mode in ("LA", "RGBA"):
        whole.putalpha(Image.linear_gradient("L").resize(whole.size))
    return whole.convert(mode)


@pytest.mark.parametrize("mode", LARGE_KINDS)
def test_a_large_picture_is_read_in_bands_to_the_same_pixels(tmp_path, monkeypatch, mode):
    ending, options = LARGE_KINDS[mode]
    path = str(tmp_path / f"a{ending}")
    of_mode(mode, 97, 61).save(path, **options)
    whole = {shrink: read(path, shrink) for shrink in (COLOUR, GREY)}
    monkeypatch.setattr(decoding, "LARGE_PIXELS", 100)
    monkeypatch.setattr(pillow_pictures, "_BAND_PIXELS", 97 * 7)
    for shrink, expected in whole.items():
        difference = np.abs(read(path, shrink).astype(int) - expected)
        assert difference.max() <= (1 if mode in ("P", "RGB", "RGBA", "CMYK") and not shrink.colour else 0)


@pytest.mark.parametrize("mode", LARGE_KINDS)
def test_a_large_picture_is_averaged_band_by_band(tmp_path, monkeypatch, mode):
    ending, options = LARGE_KINDS[mode]
    path, shrink = str(tmp_path / f"a{ending}"), Shrink(colour=True, size=(10, 7))
    of_mode(mode, 203, 150).save(path, **options)
    expected = np.asarray(Image.fromarray(read(path, COLOUR)).resize((10, 7), Image.Resampling.BOX)).astype(int)
    monkeypatch.setattr(decoding, "LARGE_PIXELS", 100)
    monkeypatch.setattr(decoding, "_LEAST_OF_LARGE", 1)
    monkeypatch.setattr(pillow_pictures, "_BAND_PIXELS", 203 * 33)
    found = read(path, shrink)
    # A sixth of a target pixel is shared out among neighbours as a whole.
    assert np.abs(found.astype(int) - expected).mean() < 4, np.abs(found - expected).mean()
    thumbnail = Thumbnail()
    np.testing.assert_array_equal(read(path, shrink, thumbnail=thumbnail), found)
    assert thumbnail.size == (203, 150)
    assert size_of(thumbnail.jpeg) == (203, 150)


def test_a_large_picture_that_is_shrunk_takes_two_bytes_a_pixel(tmp_path):
    side = 9000  # 81 million grey pixels; Pillow holds one byte for each
    path = tmp_path / "a.png"
    path.write_bytes(png_header(side, side) + png_chunk(b"IDAT", zlib.compress(bytes((side + 1) * side), 1)))
    code = f"""
import resource
from labelimg import decoding, pillow_pictures
from labelimg.thumbnail import Thumbnail
decoding.load_decoders()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decoding.read({str(path)!r}, decoding.Shrink(colour=True, size=(224, 224)), thumbnail=Thumbnail())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 2 * side * side


# -- many


@pytest.fixture
def folder(tmp_path):
    for number in range(40):
        saved(tmp_path / f"{number:02}.{('jpg', 'png', 'webp')[number % 3]}", smooth(30 + number, 20))
    (tmp_path / "07.png").write_text("no image")
    return find_images([tmp_path]).paths


@pytest.fixture
def shared_out(monkeypatch):
    """Files count as large: only the first of them is read without threads."""
    monkeypatch.setattr(images, "_PATIENCE_S", -1.0)


@pytest.mark.parametrize("patience_s", [-1.0, 2e-3, 1e9])
def test_any_number_of_threads_gives_the_same_in_order(folder, monkeypatch, patience_s):
    monkeypatch.setattr(images, "_PATIENCE_S", patience_s)
    monkeypatch.setattr(images, "_LOOK_AGAIN", 1)

    def use(pixels):
        return pixels.shape, int(pixels.sum())

    one, two, eight = (list(read_many(folder, COLOUR, use, threads=threads)) for threads in (1, 2, 8))
    assert one == two == eight
    assert [index for index, _ in one] == list(range(40))
    assert [index for index, result in one if isinstance(result, Unreadable)] == [7]
    assert one[7][1] == Unreadable(folder[7], "not an image of a known format")
    assert list(read_many([], COLOUR, use, threads=2)) == []


def test_small_files_are_read_in_the_calling_thread_and_large_ones_in_others(folder, monkeypatch):
    def use(pixels):
        return threading.current_thread().name.startswith("labelimg-read")

    small = [path for path in folder if path.endswith(".jpg")] * 100
    monkeypatch.setattr(images, "_PATIENCE_S", 1e9)
    assert not any(was for _, was in read_many(small, GREY, use, threads=2))
    monkeypatch.setattr(images, "_PATIENCE_S", -1.0)
    where = [was for _, was in read_many(small, GREY, use, threads=2)]
    # One is tried, 64 parts of 8 are shared out, one is tried, and so on.
    assert [k for k, was in enumerate(where) if not was] == [0, 513]


@pytest.mark.usefixtures("shared_out")
def test_closing_the_iterator_leaves_no_threads(folder):
    before = threading.active_count()
    results = read_many(folder * 50, GREY, np.sum, threads=4)
    next(results)
    next(results)
    assert threading.active_count() > before
    results.close()
    assert threading.active_count() == before


@pytest.mark.usefixtures("shared_out")
def test_only_some_are_in_flight(folder):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield folder[0]

    results = read_many(endless(), GREY, np.sum, threads=2)
    next(results)
    next(results)
    assert len(taken) <= 33
    results.close()


def test_what_use_raises_reaches_the_caller(folder):
    def use(pixels):
        raise ZeroDivisionError

    for threads in (1, 2):
        with pytest.raises(ZeroDivisionError):
            list(read_many(folder, GREY, use, threads=threads))


def test_no_threads_is_a_usage_error(folder):
    with pytest.raises(UsageError, match="threads must be at least 1, got 0"):
        read_many(folder, GREY, np.sum, threads=0)


def test_importing_loads_no_decoder():
    code = "import sys, labelimg.images; print([m for m in ('cv2', 'PIL', 'simplejpeg') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
