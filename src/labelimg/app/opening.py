"""What the command line asked for, and how a folder that is to be opened becomes a sitting."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelimg.errors import OutputError, printable
from labelimg.segmentatimg.holding import Holding
from labelimg.segmentatimg.maskfolder import MaskFolder
from labelimg.segmentatimg.methods.base import Method
from labelimg.segmentatimg.pointing import Wish
from labelimg.segmentatimg.saving import Post, Tell
from labelimg.segmentatimg.session import Session
from labelimg.segmentatimg.supply import DEFAULT_MEMORY
from labelimg.segmentatimg.warm import is_first_use

if TYPE_CHECKING:
    from labelimg.segmentatimg.templates import Template


@dataclass(frozen=True)
class Wishes:
    """What the command line asked for; it holds for every folder that is opened."""

    method: Method
    out: str | None = None
    ahead: int = 2
    memory: int = DEFAULT_MEMORY
    recursive: bool = True
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    templates: Sequence[Template] = ()
    template_threshold: float | None = None
    pointing: Wish | None = None


def open_folder(path: str, wishes: Wishes, holding: Holding) -> tuple[MaskFolder, str | None]:
    """The folder at a path, or the folder of an image and that image; held from now on.

    Raises UsageError for a folder that cannot be listed, OutputError for one without images, HeldError for one whose
    masks another program works on; then the folder that was open before is still held.
    """
    folder, first = (path, None) if not os.path.isfile(path) else (os.path.dirname(path), path)
    found = MaskFolder(
        folder or ".", wishes.out, recursive=wishes.recursive, include=wishes.include, exclude=wishes.exclude
    )
    if not found.images:
        raise OutputError(f"there are no images in {printable(folder)}; choose another folder")
    holding.take(found.out)
    return found, first


def begin(folder: MaskFolder, method: Method, wishes: Wishes, post: Post, tell: Tell) -> Session:
    """A sitting in the folder."""
    return Session(
        folder,
        method,
        post=post,
        tell=tell,
        ahead=wishes.ahead,
        memory=wishes.memory,
        templates=wishes.templates,
        template_threshold=wishes.template_threshold,
        by_hand=wishes.pointing is not None,
    )


def names_of(folder: MaskFolder) -> tuple[str, ...]:
    """The images' names within their folder, fit to be shown."""
    start = len(folder.root.rstrip(os.sep)) + 1
    return tuple(printable(path[start:]) for path in folder.images)


def waiting() -> str:
    """What is said while there are no segments yet."""
    first = "preparing Labelimg for its first use on this machine: a few seconds, once…"
    return first if is_first_use() else "finding segments…"
