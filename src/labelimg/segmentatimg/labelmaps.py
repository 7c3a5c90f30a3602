"""Label maps as files that any program reads: 32-bit TIFF and 16-bit PNG, and a picture of their boundaries."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg import files
from labelimg.decoding import Shrink, resize, why_unreadable
from labelimg.errors import UnreadableImageError, UsageError
from labelimg.segmentatimg.pixels import as_rgb
from labelimg.segmentatimg.regions import Labels, Pixels, boundaries, checked_labels

ENDINGS = {"tiff": ".tif", "png": ".png"}
MOST_IN_PNG = 65_535
BOUNDARY = (255, 220, 0)

StrPath = str | os.PathLike[str]


def encoded(labels: NDArray[Any], format: str, description: str = "") -> bytes:
    """The label map as a file: `tiff` int32 (h, w), losslessly compressed, or `png`, 16-bit grey.

    `description` is ASCII text that `description_of` finds again. scikit-image, napari and OpenCV read the same numbers
    from it. Raises UsageError for another format, for what is no label map or has no pixels, and for labels above
    65,535 in a PNG.
    """
    labels = checked_labels(labels)
    if format not in ENDINGS:
        raise UsageError(f"format must be one of {', '.join(ENDINGS)}, got {format!r}")
    if not labels.size:
        raise UsageError(f"labels must have pixels to be saved, got {labels.shape}")
    data = BytesIO()
    if format == "tiff":
        import tifffile

        tifffile.imwrite(data, labels, compression="zlib", description=description or None, metadata=None)
        return data.getvalue()
    if labels.max() > MOST_IN_PNG:
        raise UsageError(f"{int(labels.max()):,} segments do not fit in a 16-bit PNG ({MOST_IN_PNG:,}): save TIFF")
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    if description:
        texts.add_text("Description", description)
    Image.fromarray(labels.astype(np.uint16)).save(data, "PNG", compress_level=3, pnginfo=texts)
    return data.getvalue()


def save_labels(path: StrPath, labels: NDArray[Any], *, description: str = "") -> None:
    """Write a label map to a file named .tif, .tiff or .png; a file of that name is replaced once the new one is whole.

    Raises UsageError as `encoded` and for another ending, OutputError naming the file and the cause.
    """
    format = {".tif": "tiff", ".tiff": "tiff", ".png": "png"}.get(Path(path).suffix.lower())
    if format is None:
        raise UsageError(f"a label map's name must end in .tif, .tiff or .png, got {files.printable(path)}")
    files.write_atomic(path, encoded(labels, format, description), binary=True)


def load_labels(path: StrPath) -> Labels:
    """The label map in a file, int32 (h, w). Raises UnreadableImageError naming the file and the reason."""
    try:
        if Path(path).suffix.lower() in (".tif", ".tiff"):
            import tifffile

            return checked_labels(tifffile.imread(path))
        from PIL import Image

        with Image.open(path, formats=["PNG"]) as picture:
            return checked_labels(np.asarray(picture))
    except Exception as error:  # on garbage the decoders raise nearly every type there is
        raise UnreadableImageError(os.fspath(path), why_unreadable(error)) from error


def description_of(path: StrPath) -> str | None:
    """The description in a label map's file; None if it has none, cannot be read or is not there."""
    try:
        if Path(path).suffix.lower() in (".tif", ".tiff"):
            import tifffile

            with tifffile.TiffFile(path) as file:
                return file.pages.first.description or None
        from PIL import Image

        with Image.open(path, formats=["PNG"]) as picture:
            text: str | None = picture.info.get("Description")
            return text
    except Exception:  # noqa: BLE001 - on garbage the decoders raise nearly every type there is
        return None


def with_boundaries(
    image_rgb: NDArray[Any],
    labels: NDArray[Any],
    *,
    longest: int | None = None,
    colour: tuple[int, int, int] = BOUNDARY,
) -> Pixels:
    """The image with the boundaries of its segments drawn on it, uint8 (h, w, 3); the image is left as it is.

    `longest`: shrink both so that no side is longer; the lines stay one pixel wide. Raises UsageError where image and
    labels differ in size.
    """
    image, labels = as_rgb(image_rgb), checked_labels(labels)
    if image.shape[:2] != labels.shape:
        raise UsageError(f"labels must have the size of the image, {image.shape[:2]}, got {labels.shape}")
    height, width = labels.shape
    if longest is not None and max(height, width) > longest:
        size = Shrink(colour=True, longest=longest).target(width, height)
        rows = (np.arange(size[1]) * 2 + 1) * height // (2 * size[1])
        columns = (np.arange(size[0]) * 2 + 1) * width // (2 * size[0])
        image, labels = resize(image, size), labels[rows[:, None], columns]
    drawn = image.copy()
    drawn[boundaries(labels)] = colour
    return drawn
