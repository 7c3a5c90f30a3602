"""Go over the files of a folder one by one with what takes one image at a time; print what became of them.

usage: library.py embed|grabcut|preview FOLDER
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from typer.testing import CliRunner

import labelimg
from labelimg import cli
from labelimg.decoding import Shrink, check_room, large_pixels, read
from labelimg.errors import LabelimgError
from labelimg.images import find_images
from labelimg.segmentatimg.geometry import Rect
from labelimg.segmentatimg.prompts import Prompts


def embedded() -> Callable[[str], bool]:
    """The default model's embeddings, an image at a time."""
    from labelimg.clusterimg.deep.models import open_model

    model = open_model("efficientnet_lite0")

    def embed(path: str) -> bool:
        found = labelimg.embed([path], model)
        return found.shape[0] == 1 and bool(np.isfinite(found).all())

    return embed


def grabcut(path: str) -> bool:
    """What GrabCut finds in the upper left of an image."""
    check_room(path, large_pixels(path), 5)
    image = read(path, Shrink(colour=True))
    height, width = image.shape[:2]
    found = labelimg.grabcut(image, Prompts((Rect(0, 0, min(width, 300), min(height, 300)),)), 2)
    return found.shape == image.shape[:2] and found.dtype == bool


def preview(path: str) -> bool:
    """The command's sheet of an image, in this process: to start it for each would take longer than all its work."""
    sheet = Path(sys.argv[2]).with_name("sheet.png")
    words = ["preview", path, "--out", str(sheet), "--tile", "64", "--overwrite", "--quiet"]
    CliRunner().invoke(cli.app, words, catch_exceptions=False)
    with Image.open(sheet) as picture:
        return picture.height > 64


def main() -> None:
    """Go over the files."""
    work = {"embed": embedded, "grabcut": lambda: grabcut, "preview": lambda: preview}[sys.argv[1]]()
    found = find_images([sys.argv[2]])
    became = Counter({"unreadable": len(found.unreadable)})
    for path in found.paths:
        try:
            became["done" if work(path) else "wrong"] += 1
        except LabelimgError as error:
            assert "\n" not in str(error)
            became["unreadable"] += 1
    print(json.dumps(became))  # noqa: T201


if __name__ == "__main__":
    main()
