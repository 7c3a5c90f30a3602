"""Draw the picture of the README: python benchmarks/result_picture.py PHOTOS --out docs/images/result.png.

Left the folder as it is, in name order; right the folders that `labelimg.cluster` makes of it with no option given.
`make demo` builds the folder that the README shows, demo/photos.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

import labelimg

# Everything is drawn at twice its size, so that corners and letters come out smooth. All lengths are in final pixels.
FINER = 2
PAGE, CARD, EDGE = "#f3f5f8", "#ffffff", "#dfe4ea"
INK, QUIET, ACCENT = "#1d2733", "#7a8794", "#2f6fdb"

MARGIN = 24
PADDING = 26
THUMB = 54
GAP = 7
ROUND = 7
HEADER = 58
LABEL = 26
BETWEEN_ROWS = 17
ARROW = 68
LEFT_COLUMNS = 8
MOST_IN_ROW = 8
FOLDER_COLUMNS = 2
BETWEEN_COLUMNS = 34


class Page:
    """A sheet that is drawn on in final pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width * FINER, height * FINER), PAGE)
        self.draw = ImageDraw.Draw(self.image)

    def card(self, x: float, y: float, width: float, height: float) -> None:
        """Draw a white card."""
        box = tuple(v * FINER for v in (x, y, x + width, y + height))
        self.draw.rounded_rectangle(box, radius=16 * FINER, fill=CARD, outline=EDGE, width=FINER)

    def text(self, x: float, y: float, text: str, size: float, colour: str, anchor: str = "ls") -> float:
        """Write a line; gives the x where it ends."""
        font = ImageFont.load_default(size=size * FINER)
        self.draw.text((x * FINER, y * FINER), text, fill=colour, font=font, anchor=anchor)
        return x + self.draw.textlength(text, font=font) / FINER

    def thumbnail(self, x: float, y: float, path: Path) -> None:
        """Draw the middle square of a picture with round corners."""
        side = THUMB * FINER
        with Image.open(path) as picture:
            square = ImageOps.fit(picture.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
        mask = Image.new("L", (side, side))
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, side - 1, side - 1), radius=ROUND * FINER, fill=255)
        self.image.paste(square, (round(x * FINER), round(y * FINER)), mask)

    def thumbnails(self, x: float, y: float, paths: Sequence[Path], columns: int) -> None:
        """Draw pictures in rows."""
        for k, path in enumerate(paths):
            self.thumbnail(x + k % columns * (THUMB + GAP), y + k // columns * (THUMB + GAP), path)

    def folder(self, x: float, y: float) -> float:
        """Draw the sign of a folder that stands on y; gives the x after it."""
        left, top, right, bottom = (v * FINER for v in (x, y - 11, x + 16, y + 1))
        tab = (left, top - 2.5 * FINER, left + 7 * FINER, top + 4 * FINER)
        self.draw.rounded_rectangle(tab, radius=2 * FINER, fill=ACCENT)
        self.draw.rounded_rectangle((left, top, right, bottom), radius=2 * FINER, fill=ACCENT)
        return x + 24

    def arrow(self, x: float, y: float, length: float) -> None:
        """Draw an arrow to the right, its shaft at y."""
        tip = (x + length) * FINER
        y *= FINER
        self.draw.line((x * FINER, y, tip - 4 * FINER, y), fill=ACCENT, width=3 * FINER)
        head = [(tip, y), (tip - 13 * FINER, y - 9 * FINER), (tip - 13 * FINER, y + 9 * FINER)]
        self.draw.polygon(head, fill=ACCENT)


def wide(columns: int) -> int:
    """Return the width of so many thumbnails beside each other."""
    return columns * (THUMB + GAP) - GAP


def drawn(result: labelimg.Clustering, name: str) -> Image.Image:
    """Return the picture of a result."""
    folders = [(f"cluster_{k}", paths) for k, paths in enumerate(result.clusters)] + [("outliers", result.outliers)]
    rows = -(-len(folders) // FOLDER_COLUMNS)
    right_row = LABEL + THUMB + BETWEEN_ROWS
    left_rows = -(-len(result.images) // LEFT_COLUMNS)
    inside = max(left_rows * (THUMB + GAP) - GAP, rows * right_row - BETWEEN_ROWS)
    card_height = HEADER + inside + PADDING
    left_width = wide(LEFT_COLUMNS) + 2 * PADDING
    columns = [folders[first : first + rows] for first in range(0, len(folders), rows)]
    widths = [wide(min(MOST_IN_ROW, max(len(paths) for _, paths in column))) for column in columns]
    right_width = sum(widths) + (len(columns) - 1) * BETWEEN_COLUMNS + 2 * PADDING
    right = MARGIN + left_width + ARROW
    page = Page(right + right_width + MARGIN, card_height + 2 * MARGIN)

    page.card(MARGIN, MARGIN, left_width, card_height)
    page.card(right, MARGIN, right_width, card_height)
    for x, title, note in (
        (MARGIN, f"{name}/", f"{len(result.images)} mixed images"),
        (right, f"{name}_clustered/results/", f"{len(result.clusters)} clusters and {len(result.outliers)} outliers"),
    ):
        end = page.text(page.folder(x + PADDING, MARGIN + 37), MARGIN + 38, title, 19, INK)
        page.text(end + 12, MARGIN + 38, note, 15, QUIET)
    page.arrow(MARGIN + left_width + 16, MARGIN + card_height / 2, ARROW - 32)

    page.thumbnails(MARGIN + PADDING, MARGIN + HEADER, result.images, LEFT_COLUMNS)
    x = right + PADDING
    for column, column_width in zip(columns, widths, strict=True):
        for k, (folder, paths) in enumerate(column):
            y = MARGIN + HEADER + k * right_row
            end = page.text(x, y + LABEL - 11, folder, 14, INK)
            page.text(end + 8, y + LABEL - 11, str(len(paths)), 14, QUIET)
            page.thumbnails(x, y + LABEL, paths[:MOST_IN_ROW], MOST_IN_ROW)
            if len(paths) > MOST_IN_ROW:
                page.text(x + column_width, y + LABEL - 11, f"+{len(paths) - MOST_IN_ROW}", 14, QUIET, "rs")
        x += column_width + BETWEEN_COLUMNS
    width, height = page.image.size
    return page.image.resize((width // FINER, height // FINER), Image.Resampling.LANCZOS)


def main() -> None:
    """Cluster the folder named on the command line and draw what came out."""
    parser = argparse.ArgumentParser(description="Draw a folder and the clusters it falls into.")
    parser.add_argument("photos", type=Path, help="folder of images")
    parser.add_argument("--out", type=Path, required=True, help="the PNG")
    arguments = parser.parse_args()
    picture = drawn(labelimg.cluster(arguments.photos), arguments.photos.name)
    # 256 colours are enough at this size, and a third of the bytes.
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3).save(arguments.out, optimize=True)
    print(f"{arguments.out}: {picture.width} x {picture.height}, {arguments.out.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
