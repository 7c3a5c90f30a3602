"""Pictures of the page that a run leaves, for the README: `make screenshots`.

python benchmarks/report_screenshots.py PHOTOS docs/images [--chromium /usr/bin/chromium]
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFilter

import labelimg

DESK = "#aab4c2"


def taken(browser: Any, page: Path, *, width: int, height: int, scheme: str, tab: str = "", hover: str = "") -> Any:
    """A picture of the page in a window of this size."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    tab_ = context.new_page()
    tab_.goto(page.absolute().as_uri() + (f"#{tab}" if tab else ""))
    tab_.wait_for_function("[...document.querySelectorAll('.image img')].slice(0, 9).every((i) => i.complete)")
    if hover:
        tab_.locator(hover).hover()
    picture = Image.open(io.BytesIO(tab_.screenshot())).convert("RGB")
    context.close()
    return picture


def with_shadow(desk: Image.Image, picture: Image.Image, at: tuple[int, int], round_by: int) -> None:
    """Lay a picture with round corners on the desk."""
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *picture.size), round_by, fill=255)
    shade = Image.new("L", desk.size)
    shade.paste(mask.point(lambda value: value * 2 // 5), (at[0], at[1] + 8))
    desk.paste(Image.new("RGB", desk.size, "#1b2430"), mask=shade.filter(ImageFilter.GaussianBlur(12)))
    desk.paste(picture, at, mask)


def main() -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        result = Path(place, "photos_clustered")
        labelimg.cluster(arguments.photos, out=result)
        page = result / "report.html"
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=["--no-sandbox"])
        second = ".cluster:nth-of-type(1) li:nth-child(5) .image"
        light = taken(browser, page, width=1180, height=880, scheme="light", hover=second)
        dark = taken(browser, page, width=390, height=844, scheme="dark", tab="links")
        browser.close()
    desk = Image.new("RGB", (1180 + 390 + 90, 940), DESK)
    with_shadow(desk, light, (30, 30), 12)
    with_shadow(desk, dark, (1180 + 60, 48), 28)
    arguments.out.mkdir(parents=True, exist_ok=True)
    desk.save(arguments.out / "report.jpg", quality=88, subsampling=0, optimize=True)


if __name__ == "__main__":
    main()
