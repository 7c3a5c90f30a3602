"""Where the output of a folder of images may be."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from labelimg.errors import UsageError, printable
from labelimg.files import StrPath


def folder_beside(images: StrPath, ending: str, what: str) -> Path:
    """The folder beside one of images, with `ending` after its name; raises UsageError where nothing is beside it."""
    folder = Path(images)
    full = folder.absolute() if folder.name not in ("", "..") else folder.resolve()
    if not full.name:
        raise UsageError(f"there is no place beside {printable(folder)} for the {what}: name one with --out")
    return full.with_name(f"{full.name}{ending}")


def check_apart(out: StrPath, image_folders: Iterable[StrPath]) -> None:
    """Raise UsageError where an output folder is one of the image folders, or one lies in the other."""
    real_out = Path(os.path.realpath(out))
    for folder in image_folders:
        real = Path(os.path.realpath(folder))
        if real == real_out or real in real_out.parents:
            text = "lies in the image folder {}; choose an output folder outside of it"
        elif real_out in real.parents:
            text = "contains the image folder {}; choose an output folder beside it"
        else:
            continue
        raise UsageError(f"the output folder {printable(out)} " + text.format(printable(folder)))
