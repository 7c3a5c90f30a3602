"""Pictures that Pillow reads: opened by what they contain, laid flat as 8-bit pixels."""

from __future__ import annotations

import re
import struct
import warnings
from contextlib import suppress
from functools import cache
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]

_BAND_PIXELS = 1 << 22
# Pillow's plugins for other formats stay out: some run programs (EPS), some only pretend to read (HDF5).
_FORMATS = "JPEG PNG WEBP BMP GIF TIFF AVIF HEIF JPEG2000 PPM ICO DIB TGA".split()  # noqa: SIM905
_PILLOW_IS_SILENT = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


class RefusedError(Exception):
    """A file that we refuse ourselves; the text is the reason."""


def opened(file: IO[bytes], *, may_be_tga: bool) -> Image.Image:
    """Return the picture with its header read.

    PIL.Image.open would do the same, but tries formats we do not want, and its check for decompression bombs
    depends on a global and warns. Raises RefusedError for another format, and whatever Pillow does.
    """
    _silence()
    known = _pillow().OPEN
    file.seek(0)
    head = file.read(16)
    complaint: Exception = RefusedError("not an image of a known format")
    for name in _FORMATS:
        if name == "HEIF":
            if head[4:8] != b"ftyp":
                continue
            _register_heif()
        if name == "TGA" and not may_be_tga:  # it has no signature: any garbage may pass for one
            continue
        factory, accepts = known[name]
        try:
            if accepts is not None and accepts(head) is not True:
                continue
            file.seek(0)
            return factory(file, "")  # type: ignore[no-any-return]
        except struct.error:  # too short to have a header
            continue
        except (SyntaxError, IndexError, TypeError) as error:  # so a plugin says "not mine"
            complaint = error
    raise complaint


def flattened(picture: Image.Image, least: tuple[int, int] | None = None) -> Image.Image | Pixels:
    """Return what a person sees, on white paper: a picture of mode 1, L or RGB, or pixels.

    `least`: go over a large picture in bands, and average it over whole numbers of pixels to no less than this width
    and height; pixels come back. Done at once it would take up to four times the memory.
    """
    full = _full_scale(picture)
    if least is None:
        return _laid_flat(picture, full)
    width, height = picture.size
    across, down = max(1, width // least[0]), max(1, height // least[1])
    rows = down * max(1, _BAND_PIXELS // (width * down))
    whole: Pixels | None = None
    for top in range(0, height, rows):
        band = as_pixels(_laid_flat(picture.crop((0, top, width, min(height, top + rows))), full))
        if (across, down) != (1, 1):
            band = np.asarray(_pillow().fromarray(band).reduce((across, down)))
        if whole is None:
            whole = np.empty((-(-height // down), *band.shape[1:]), np.uint8)
        whole[top // down :][: len(band)] = band
    assert whole is not None
    return whole


def as_pixels(flat: Image.Image | Pixels, mode: str | None = None) -> Pixels:
    """Return the pixels in mode RGB or L; None: as they are, a bilevel picture as L. Grey pixels stay grey."""
    if isinstance(flat, np.ndarray):
        if mode != "L" or flat.ndim == 2:
            return flat
        import cv2

        return cv2.cvtColor(flat, cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]
    wanted = mode or ("RGB" if flat.mode == "RGB" else "L")
    return np.asarray(flat if flat.mode == wanted else flat.convert(wanted))


def exif_orientation(source: bytes | Image.Image) -> int:
    """Return the EXIF orientation 1 .. 8 of an Exif segment or a picture, 1 where none holds."""
    if not source:
        return 1
    _silence()
    try:
        if isinstance(source, bytes):
            from PIL.Image import Exif

            exif = Exif()
            exif.load(source)
        else:
            exif = source.getexif()
        value = exif.get(0x0112, 1)
    except Exception:  # noqa: BLE001 - damaged EXIF data must not cost a good picture
        return 1
    return int(value) if value in range(1, 9) else 1


def _laid_flat(picture: Image.Image, full: float | None) -> Image.Image | Pixels:
    if full is not None:
        return _eight_bits(picture, full)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = _pillow().new("RGB", layer.size, "white")
        picture.paste(layer, mask=layer.getchannel("A"))
    return picture if picture.mode in ("1", "L", "RGB") else picture.convert("RGB")


def _full_scale(picture: Image.Image) -> float | None:
    """Return what white is in grey of more than 8 bits; where the format does not tell, the values have to."""
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in ("PNG", "PPM")):
        return 65535.0
    if picture.mode not in ("I", "F"):
        return None
    width, height = picture.size
    rows = max(1, _BAND_PIXELS // width)
    lowest, highest = np.inf, -np.inf
    for top in range(0, height, rows):
        values = _values(picture.crop((0, top, width, min(height, top + rows))))
        lowest, highest = min(lowest, values.min()), max(highest, values.max())
    if lowest >= 0 and highest <= 1:
        return 1.0
    return 65535.0 if 255 < highest <= 65535 else 255.0


def _values(picture: Image.Image) -> NDArray[Any]:
    values = np.asarray(picture)
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0, posinf=np.inf, neginf=-np.inf)
    return values


def _eight_bits(picture: Image.Image, full: float) -> Pixels:
    values = _values(picture)
    grey: Pixels = np.empty(values.shape, np.uint8)
    rows = max(1, _BAND_PIXELS // values.shape[1])
    for top in range(0, len(values), rows):  # as real numbers all at once would take four times the memory
        band = values[top : top + rows].astype(np.float32)
        grey[top : top + rows] = np.rint(np.clip(band, 0, full) * np.float32(255 / full))
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return grey


def _silence() -> None:
    """Let nothing that Pillow's modules warn of be printed or raised, in any thread.

    warnings.catch_warnings would change the filters under other threads. So ours is put in front and stays;
    where somebody has reset the filters since, as pytest does, the next picture puts it back.
    """
    if _PILLOW_IS_SILENT not in warnings.filters[:1]:
        warnings.filterwarnings("ignore", module=r"PIL\.")


@cache
def _pillow() -> Any:
    """Return PIL.Image with all plugins registered but HEIF."""
    from PIL import Image

    Image.init()
    _silence_libtiff()
    return Image


def _silence_libtiff() -> None:
    """Let libtiff not write to stderr what is wrong with a file: Pillow raises it, and it is listed."""
    import ctypes

    from PIL import _imaging

    with suppress(OSError, AttributeError):  # where Pillow was built without it, or with it inside
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)


@cache
def _register_heif() -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
