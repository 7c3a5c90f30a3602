"""Options that several commands share, and what they are turned into."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelimg.errors import UsageError

if TYPE_CHECKING:
    from labelimg.cache import FeatureCache

Images = Annotated[list[Path], typer.Argument(help="One folder of images or several.", metavar="IMAGES...")]
THREADS = Annotated[
    int | None, typer.Option(help="Threads to work with. Default: one for each processor.", show_default=False)
]
QUIET = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no list of unreadable images.")]
ImageFolder = Annotated[Path, typer.Argument(help="A folder of images.", metavar="IMAGES")]
MASKS = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Where the masks are. Default: IMAGES_segmented, beside IMAGES.",
        metavar="DIR",
        show_default=False,
    ),
]
CACHE = Annotated[
    Path | None,
    typer.Option(help="Keep features here and not in the user's cache folder.", metavar="DIR", show_default=False),
]

BATCH_SIZE = Annotated[
    int | None,
    typer.Option(help="Most images of a batch. Default: as many as fit in memory, mostly all.", show_default=False),
]
OUT = Annotated[
    Path | None,
    typer.Option(
        help="Where the result goes. Default: IMAGES_clustered, beside IMAGES.", metavar="DIR", show_default=False
    ),
]
TRANSFER = Annotated[
    str, typer.Option(help="What is done with the images: copy, move, hardlink, symlink or none.", metavar="MODE")
]
RECURSIVE = Annotated[
    bool, typer.Option("--recursive/--no-recursive", help="Look for images in folders within the folders, too.")
]
INCLUDE = Annotated[
    list[str] | None, typer.Option(help="Only images whose name or path matches. May be given again.", metavar="GLOB")
]
EXCLUDE = Annotated[
    list[str] | None, typer.Option(help="No images whose name or path matches. May be given again.", metavar="GLOB")
]
NO_MERGE = Annotated[
    bool, typer.Option("--no-merge", help="Stop after the batch folders; labelimg merge goes on from there.")
]
KEEP_BATCHES = Annotated[bool, typer.Option("--keep-batches", help="Leave the batch folders, too.")]
NO_REPORT = Annotated[bool, typer.Option("--no-report", help="Leave no page to look at, and no thumbnails.")]
OVERWRITE = Annotated[
    bool, typer.Option("--overwrite", help="Replace what an earlier run wrote; files that others added stay.")
]
DRY_RUN = Annotated[bool, typer.Option("--dry-run", help="Show what would go where; write nothing.")]
JSON = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
NO_CACHE = Annotated[bool, typer.Option("--no-cache", help="Neither look features up nor keep them.")]
SEED = Annotated[int, typer.Option(help="What random numbers begin with; the same seed gives the same result.", min=0)]
DEVICE = Annotated[
    str,
    typer.Option(
        help="Where to compute: auto (GPUs, if there are any), cpu, cuda (training uses all) or cuda:1.",
        metavar="DEVICE",
    ),
]


def size_of(text: str | None) -> tuple[int, int] | None:
    """Width and height from "WxH"; raises UsageError for anything else.

    >>> size_of("128x96")
    (128, 96)
    """
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise UsageError(f"--size must be a width and a height such as 128x128, got {text!r}")
    return int(width), int(height)


@contextmanager
def opened_cache(folder: Path | None, refused: bool) -> Iterator[FeatureCache | None]:
    """The feature cache in the folder or the user's own; None if it is refused."""
    if refused:
        yield None
        return
    from labelimg.cache import FeatureCache

    with FeatureCache(folder, warn=lambda text: print(f"labelimg: {text}", file=sys.stderr)) as cache:  # noqa: T201
        yield cache


def with_shared(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the fields of a frozen dataclass of options in place of the parameter that is one.

    Several such parameters may be among the command's own, which are keyword-only from the first of them on; it gets
    each as one value.
    """
    signature = inspect.signature(command, eval_str=True)
    shared: dict[str, Any] = {
        name: each.annotation for name, each in signature.parameters.items() if is_dataclass(each.annotation)
    }
    parameters = [
        option
        for name, each in signature.parameters.items()
        for option in (_options_of(shared[name]) if name in shared else [each])
    ]

    def call(**given: Any) -> None:
        made = {
            name: kind(**{field.name: given.pop(field.name) for field in fields(kind)}) for name, kind in shared.items()
        }
        command(**given, **made)

    call.__name__, call.__doc__ = command.__name__, command.__doc__
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    return call


def _options_of(kind: Any) -> list[inspect.Parameter]:
    own = inspect.signature(kind, eval_str=True).parameters.values()
    return [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
