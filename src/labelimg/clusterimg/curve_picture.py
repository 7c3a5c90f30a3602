"""The drawing of the curve as a PNG file's content, without a display."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

from labelimg.clusterimg.curve_drawing import COLOURS, Words, axes_of, drawing_of
from labelimg.clusterimg.threshold import Curve

_FINE = 2  # pixels of the picture for a pixel of the drawing, for screens with fine ones
_SMOOTH = 2  # and of those again as many are drawn and averaged


def curve_png(
    curve: Curve, threshold: float | None = None, *, width: int = 640, height: int = 420, title: str = ""
) -> bytes:
    """The curve as PNG, twice as many pixels as width and height say."""
    scale = _FINE * _SMOOTH
    image = Image.new("RGB", (width * scale, height * scale), COLOURS["ground"])
    draw = ImageDraw.Draw(image)
    for mark in drawing_of(curve, axes_of(curve, width, height), threshold, title):
        if isinstance(mark, Words):
            _write(image, draw, mark, scale)
            continue
        points = [(x * scale, y * scale) for x, y in mark.points]
        thick = max(1, round(mark.width * scale))
        for start, end in _dashes(points, scale) if mark.dashed else pairwise(points):
            draw.line([start, end], fill=COLOURS[mark.colour], width=thick)
    out = BytesIO()
    image.resize((width * _FINE, height * _FINE), Image.Resampling.BOX).save(out, "PNG")
    return out.getvalue()


def _write(image: Image.Image, draw: ImageDraw.ImageDraw, words: Words, scale: int) -> None:
    font = ImageFont.load_default(size=words.size * scale)
    side = {"start": "l", "middle": "m", "end": "r"}[words.anchor]
    heavy = scale // 3 if words.bold else 0
    if not words.turned:
        place = (words.x * scale, words.y * scale)
        draw.text(place, words.text, COLOURS[words.colour], font, side + "s", stroke_width=heavy)
        return
    length = round(draw.textlength(words.text, font))
    tall = round(words.size * scale * 1.4)
    line = Image.new("L", (length, tall), 0)
    ImageDraw.Draw(line).text((0, words.size * scale), words.text, 255, font, "ls")
    turned = line.rotate(90, expand=True)
    place = (round(words.x * scale - words.size * scale), round(words.y * scale - length / 2))
    image.paste(Image.new("RGB", turned.size, COLOURS[words.colour]), place, turned)


def _dashes(points: list[tuple[float, float]], scale: int) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """The pieces of a level line."""
    (left, y), (right, _) = points[0], points[-1]
    step, piece = 10 * scale, 6 * scale
    count = int((right - left) // step) + 1
    return [((left + k * step, y), (min(right, left + k * step + piece), y)) for k in range(count)]
