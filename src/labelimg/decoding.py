"""Read one picture, shrunk while it is decoded, or say why it is unreadable.

Decoders are imported when a file first needs them: importing this module loads numpy and nothing heavier.
Which decoder reads what, and the figures behind it, are in docs/decisions/0001-decoding.md.
"""

from __future__ import annotations

import os
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UnreadableImageError, UsageError
from labelimg.jpeg import exif_segment, with_bare_planes
from labelimg.memory import available_memory
from labelimg.pillow_pictures import RefusedError, as_pixels, exif_orientation, flattened, opened
from labelimg.resizing import resize as resize
from labelimg.thumbnail import Thumbnail

Pixels = NDArray[np.uint8]

# Where Pillow refuses too.
MAX_PIXELS = 178_956_970
# Above this, pictures are decoded one at a time, so that memory does not grow with the number of threads.
LARGE_PIXELS = 50_000_000
# What Pillow has decoded of such a picture is averaged to no less than this many times the target, and to this much.
_LARGE_MARGIN = 2
_LEAST_OF_LARGE = 480
_WEBP_HEADER = 32  # bytes that OpenCV wants, or it complains on stderr
# How many times the target a JPEG decoded at a reduced scale must be at least; 2 is truer, but slower.
JPEG_MARGIN = 1
# Pixels up to which the colours of a JPEG cost little where it is decoded to grey at half or all of its size.
_CHEAP_COLOURS = 65_536

large_memory = threading.Lock()
"""Held while a large picture is decoded; whoever needs as much for a moment holds it, too, and nothing else of it."""


@dataclass(frozen=True, slots=True)
class Shrink:
    """What an image is shrunk to while it is decoded; sizes are those of the picture as it is shown.

    `colour`: RGB uint8 (h, w, 3); else grey (BT.601 luma) uint8 (h, w). At most one of `size` (exact width
    and height, the aspect is not kept), `longest` (the longest side at most this; never enlarged) and `scale`
    (a factor on both sides, 0 < scale <= 1) may be given; none keeps the full size. No side gets below one
    pixel. Raises UsageError for a value out of range.

    >>> Shrink(colour=False, longest=100).target(400, 200)
    (100, 50)
    """

    colour: bool
    size: tuple[int, int] | None = None
    longest: int | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.size, self.longest, self.scale)) > 1:
            raise UsageError(f"at most one of size, longest and scale may be given, got {self}")
        if self.size is not None and min(self.size) < 1:
            raise UsageError(f"size must be at least 1 x 1, got {self.size[0]} x {self.size[1]}")
        if self.longest is not None and self.longest < 1:
            raise UsageError(f"longest must be at least 1, got {self.longest}")
        if self.scale is not None and not 0 < self.scale <= 1:
            raise UsageError(f"scale must be above 0 and at most 1, got {self.scale}")

    def target(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) that a picture shown as width x height gets."""
        if self.size is not None:
            return self.size
        factor = 1.0 if self.scale is None else self.scale
        if self.longest is not None:
            factor = min(1.0, self.longest / max(width, height))
        return max(1, round(width * factor)), max(1, round(height * factor))


def read(path: str, shrink: Shrink, *, thumbnail: Thumbnail | None = None) -> Pixels:
    """Return the picture's pixels: uint8 (h, w) or (h, w, 3), C-contiguous, turned as its EXIF data says.

    The format comes from the content. Transparency is laid on white; of an animation the first frame is
    taken. May be called from several threads at once; what comes back depends on the file alone. A `thumbnail`
    is filled from the same decoding, in colour, and changes nothing in what comes back. Raises
    UnreadableImageError, also for more than MAX_PIXELS pixels.
    """
    try:
        return np.require(_read(path, shrink, thumbnail), requirements=["C", "W"])
    except Exception as error:  # on garbage the decoders raise nearly every type there is
        raise UnreadableImageError(path, why_unreadable(error)) from error


def large_pixels(path: str) -> int:
    """How many pixels a large picture has, 0 for all others and for what `read` refuses; decodes nothing."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            width, height = opened(file, may_be_tga=path.lower().endswith(".tga")).size
    except Exception:  # noqa: BLE001 - whatever it is, reading it says so
        return 0
    return width * height if LARGE_PIXELS < width * height <= MAX_PIXELS else 0


def check_room(path: str, pixels: int, bytes_a_pixel: int) -> None:
    """Raise UnreadableImageError if work that takes so much for each pixel would take more memory than there is.

    `pixels`: what `large_pixels` says; for 0 nothing is looked at.
    """
    needed = pixels * bytes_a_pixel / 1e9
    if needed and needed > (free := available_memory() / 1e9):
        text = f"{pixels / 1e6:.0f} megapixels would take {needed:.1f} GB of memory, and {free:.1f} GB are free"
        raise UnreadableImageError(path, f"{text}: shrink the image or cut it up")


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe has nothing to wait for


def load_decoders() -> None:
    """Import what most files need, which the first file would do otherwise."""
    import cv2  # noqa: F401
    import simplejpeg  # noqa: F401


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Within it OpenCV works in the thread that calls it alone, for its pictures are shared out among threads."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def why_unreadable(error: Exception) -> str:
    """Return one short line that says why, for a person."""
    text = " ".join(str(error).split())[:200]
    match error:
        case RefusedError():
            return text
        case FileNotFoundError():
            return "vanished: no such file"
        case PermissionError():
            return "permission denied"
        case MemoryError():
            return "does not fit in memory"
        case OSError(strerror=str(message)):
            return f"cannot be read: {message}"
    return f"truncated or damaged: {text or type(error).__name__}"


def _read(path: str, shrink: Shrink, thumbnail: Thumbnail | None) -> Pixels:
    if reason := not_a_file(path):
        raise RefusedError(reason)
    with open(path, "rb", buffering=0) as file:
        head = file.read(16)
        if not head:
            raise RefusedError("the file is empty")
        fast = _jpeg if head.startswith(b"\xff\xd8\xff") else _lossy_webp if head[8:] == b"WEBPVP8 " else None
        if fast is None:
            with BufferedReader(file) as buffered:
                return _any_format(buffered, shrink, thumbnail, may_be_tga=path.lower().endswith(".tga"))
        file.seek(0)
        data = file.readall()
    pixels = fast(data, shrink, thumbnail)
    return _any_format(BytesIO(data), shrink, thumbnail) if pixels is None else pixels


def _room_for(width: int, height: int) -> AbstractContextManager[object]:
    """Return what to hold while a picture of this size is decoded; refuses what no memory would hold."""
    pixels, limit = width * height, f"more than {MAX_PIXELS}: refused as a decompression bomb"
    if not 0 < pixels <= MAX_PIXELS:
        raise RefusedError(f"{width} x {height} pixels is {limit if pixels else 'no picture'}")
    return _alone() if pixels > LARGE_PIXELS else nullcontext()


@contextmanager
def _alone() -> Iterator[None]:
    """Within it no other large picture is decoded; what was freed before, and by it, is the system's again."""
    with large_memory:
        _return_freed_memory()
        try:
            yield
        finally:
            _return_freed_memory()


def _return_freed_memory() -> None:
    import ctypes

    with suppress(OSError, AttributeError):  # glibc keeps what threads free
        ctypes.CDLL(None).malloc_trim(0)


def _jpeg(data: bytes, shrink: Shrink, thumbnail: Thumbnail | None) -> Pixels | None:
    """Return the JPEG's pixels, scaled down by libjpeg; None where Pillow decides (CMYK, complaints)."""
    import simplejpeg

    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours not in ("YCbCr", "Gray", "RGB"):
            return None
        orientation = exif_orientation(exif_segment(data))
        target = _stored_target(shrink, width, height, orientation)
        # Only halves: libjpeg-turbo's other scales (3/8, 5/8 ...) are no faster than the next larger half.
        halves = [(-(-width // factor), -(-height // factor)) for factor in (8, 4, 2, 1)]
        wide, high = JPEG_MARGIN * target[0], JPEG_MARGIN * target[1]
        least = next((half for half in halves if half[0] >= wide and half[1] >= high), (0, 0))
        if thumbnail is not None:
            thumbnail.size = (width, height) if orientation < 5 else (height, width)
            if thumbnail.is_the_file(data, orientation):
                thumbnail = None
        cheap = least in halves[:2] or width * height <= _CHEAP_COLOURS
        in_planes = thumbnail is not None and colours == "YCbCr" and not shrink.colour and cheap
        with _room_for(width, height):
            decoded: Pixels = simplejpeg.decode_jpeg(
                with_bare_planes(data) if in_planes else data,
                "RGB" if shrink.colour or in_planes else "GRAY",
                min_width=least[0],
                min_height=least[1],
                strict=True,
            )
            pixels = resize(decoded if shrink.colour else _first_plane(decoded), target)
    except ValueError:
        return None
    if thumbnail is not None and in_planes:
        thumbnail.of_planes(_turned(decoded, orientation))
    elif thumbnail is not None:
        thumbnail.of_pixels(_turned(decoded if shrink.colour else _first_plane(decoded), orientation))
    return _turned(pixels, orientation)


def _first_plane(pixels: Pixels) -> Pixels:
    if pixels.shape[2] == 1:
        return pixels[..., 0]
    import cv2

    return cv2.extractChannel(pixels, 0)  # type: ignore[return-value]


def _lossy_webp(data: bytes, shrink: Shrink, thumbnail: Thumbnail | None) -> Pixels | None:
    """Return the pixels of a WebP that is one lossy frame, so has no alpha and no EXIF; None if damaged.

    Pillow reads every WebP as an animation on a transparent canvas, which takes twice as long.
    """
    import cv2

    if len(data) < _WEBP_HEADER:
        return None
    width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    colour = shrink.colour or thumbnail is not None  # OpenCV too makes grey of the colours
    how = (cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE) | cv2.IMREAD_IGNORE_ORIENTATION
    with _room_for(width, height):
        try:
            pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), how)
        except cv2.error:
            return None
        if pixels is None:
            return None
        if thumbnail is not None:
            thumbnail.size = width, height
            thumbnail.of_pixels(pixels, "BGR")
        if colour and not shrink.colour:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        pixels = resize(pixels, shrink.target(width, height))
    return pixels[..., ::-1] if shrink.colour else pixels  # type: ignore[no-any-return]


def _any_format(file: IO[bytes], shrink: Shrink, thumbnail: Thumbnail | None, *, may_be_tga: bool = False) -> Pixels:
    """Return the pixels that Pillow decodes."""
    picture = opened(file, may_be_tga=may_be_tga)
    with _room_for(*picture.size):
        picture.load()
        orientation = exif_orientation(picture)  # after loading: Pillow turns a TIFF, and drops the tag
        width, height = picture.size
        target = _stored_target(shrink, width, height, orientation)
        # The same with and without a thumbnail, for what comes back depends on the file alone.
        least = max(_LARGE_MARGIN * target[0], _LEAST_OF_LARGE), max(_LARGE_MARGIN * target[1], _LEAST_OF_LARGE)
        flat = flattened(picture, least if width * height > LARGE_PIXELS else None)
        if thumbnail is not None:
            thumbnail.size = (width, height) if orientation < 5 else (height, width)
            thumbnail.of_pixels(_turned(as_pixels(flat), orientation))
        # Grey stays grey until it is small: as RGB it would take three times the memory.
        is_grey = flat.ndim == 2 if isinstance(flat, np.ndarray) else flat.mode != "RGB"
        pixels = as_pixels(flat, "L" if is_grey or not shrink.colour else "RGB")
        del flat, picture
        pixels = resize(pixels, target)
        if shrink.colour and is_grey:
            pixels = np.repeat(pixels[..., None], 3, axis=2)
        return _turned(pixels, orientation)


def _stored_target(shrink: Shrink, width: int, height: int, orientation: int) -> tuple[int, int]:
    """Return the size to shrink the stored picture to; it lies on its side from orientation 5 on."""
    if orientation < 5:
        return shrink.target(width, height)
    shown_width, shown_height = shrink.target(height, width)
    return shown_height, shown_width


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """Return the stored pixels as they are to be shown."""
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    return pixels.swapaxes(0, 1) if orientation >= 5 else pixels


def not_a_file(path: str) -> str | None:
    """Return why there is no regular file at the path, None where there is one; opens nothing."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError as error:
        return "a broken link" if os.path.islink(path) else why_unreadable(error)
    except OSError as error:
        return why_unreadable(error)
    if stat.S_ISREG(mode):
        return None
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return f"not a regular file but {kinds.get(stat.S_IFMT(mode), 'a device')}"
