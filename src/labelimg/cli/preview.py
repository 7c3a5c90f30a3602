"""`labelimg preview`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from labelimg.cli.options import QUIET
from labelimg.cli.show import Progress
from labelimg.errors import OutputError, UsageError, printable

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def preview(
    image: Annotated[Path, typer.Argument(help="An image.", metavar="IMAGE")],
    out: Annotated[
        Path, typer.Option(help="The sheet: a .png, .jpg or .webp file.", metavar="FILE", show_default=False)
    ],
    tile: Annotated[int, typer.Option(help="The longest side of each picture on the sheet, in pixels.")] = 640,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the sheet if it is there.")] = False,
    quiet: QUIET = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Show what every segmenting method makes of an image, side by side, with seconds and number of segments."""
    from labelimg import files

    format = _FORMATS.get(out.suffix.lower())
    if format is None:
        raise UsageError(f"--out must end in {', '.join(_FORMATS)}, got {printable(out)}")
    if files.is_there(out) and (not overwrite or (image.exists() and out.exists() and out.samefile(image))):
        raise OutputError(f"{printable(out)} is there already; add --overwrite to replace it or choose another name")

    from labelimg.decoding import Shrink, check_room, large_pixels, read
    from labelimg.segmentatimg import sheet
    from labelimg.segmentatimg.work import BYTES_A_PIXEL

    check_room(str(image), large_pixels(str(image)), BYTES_A_PIXEL)
    pixels = read(str(image), Shrink(colour=True))
    with Progress(quiet=quiet) as progress:
        drawn, tried = sheet.preview(pixels, tile=tile, progress=progress)

    from PIL import Image

    picture = Image.fromarray(drawn)
    files.write_atomic(out, lambda file: picture.save(file, format, quality=92), binary=True)
    if as_json:
        methods = [{**asdict(each), "seconds": round(each.seconds, 3)} for each in tried]
        typer.echo(json.dumps({"image": str(image), "out": str(out), "methods": methods}))
        return
    for each in tried:
        typer.echo(f"{each.method:<13} {each.segments:>7,} segments {each.seconds:>8.2f} s")
    typer.echo(f"{'result':<13} {printable(out)}")
