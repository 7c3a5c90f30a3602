"""`labelimg cluster`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelimg.cli.options import (
    BATCH_SIZE,
    CACHE,
    DRY_RUN,
    EXCLUDE,
    INCLUDE,
    JSON,
    KEEP_BATCHES,
    NO_CACHE,
    NO_MERGE,
    OUT,
    OVERWRITE,
    QUIET,
    RECURSIVE,
    THREADS,
    TRANSFER,
    Images,
    opened_cache,
    size_of,
)
from labelimg.cli.show import Progress, print_plan, print_summary, print_unreadable
from labelimg.errors import UsageError, printable


def _own(method: str, help: str, low: int | None = None, high: int | None = None) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        help=help, min=low, max=high, rich_help_panel=f"Options of --method {method}", show_default=False
    )
    return option


def cluster(
    images: Images,
    method: Annotated[
        str, typer.Option(help="How images are compared: imagehash, ssim, minhash, orb or tm.", metavar="METHOD")
    ] = "imagehash",
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Images more similar than this, from 0 to 1, belong together. Each method has its own default.",
            show_default=False,
        ),
    ] = None,
    batch_size: BATCH_SIZE = None,
    size: Annotated[
        str | None,
        typer.Option(help="Shrink images to this before comparing.", metavar="WxH", show_default=False),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(help="Shrink images by this factor before comparing, in place of --size.", show_default=False),
    ] = None,
    out: OUT = None,
    transfer: TRANSFER = "copy",
    recursive: RECURSIVE = True,
    include: INCLUDE = None,
    exclude: EXCLUDE = None,
    no_merge: NO_MERGE = False,
    keep_batches: KEEP_BATCHES = False,
    rescue: Annotated[
        bool, typer.Option("--rescue/--no-rescue", help="Look for the twins of a batch's outliers in other batches.")
    ] = True,
    overwrite: OVERWRITE = False,
    threads: THREADS = None,
    dry_run: DRY_RUN = False,
    quiet: QUIET = False,
    as_json: JSON = False,
    cache: CACHE = None,
    no_cache: NO_CACHE = False,
    hash_size: Annotated[int | None, _own("imagehash", "The hash has N x N bits. Default 12.", 2, 64)] = None,
    frequency_factor: Annotated[
        int | None, _own("imagehash", "The image is shrunk to N times the hash size before its DCT. Default 4.", 1, 16)
    ] = None,
    corner_size: Annotated[
        int | None,
        _own("minhash", "The longest side, in pixels, at which corners are looked for. Default 160.", 16, 4096),
    ] = None,
    corners: Annotated[
        int | None, _own("minhash", "How many of the strongest corners count. Default 200.", 1, 10_000)
    ] = None,
    grid: Annotated[
        int | None, _own("minhash", "Places are cells of an N x N grid over the image. Default 16.", 2, 256)
    ] = None,
    permutations: Annotated[
        int | None, _own("minhash", "Values of a minhash; more estimate better and cost more. Default 128.", 2, 4096)
    ] = None,
    orb_size: Annotated[
        int | None,
        _own("orb", "The longest side, in pixels, at which keypoints are looked for. Default 400.", 32, 8192),
    ] = None,
    orb_features: Annotated[int | None, _own("orb", "The most keypoints of an image. Default 200.", 1, 10_000)] = None,
    good_bits: Annotated[
        int | None, _own("orb", "A match is good when at most N of the 256 bits differ. Default 32.", 0, 256)
    ] = None,
) -> None:
    """Sort a folder of mixed images, or several, into folders of similar ones.

    The images are copied unless --transfer says otherwise; the originals stay as they are.
    """
    from labelimg.clusterimg import pipeline

    own = {
        "hash_size": hash_size,
        "frequency_factor": frequency_factor,
        "corner_size": corner_size,
        "corners": corners,
        "grid": grid,
        "permutations": permutations,
        "orb_size": orb_size,
        "orb_features": orb_features,
        "good_bits": good_bits,
        "size": size_of(size),
        "scale": scale,
    }
    place = out if out is not None else default_out(images[0])
    with opened_cache(cache, no_cache) as features, Progress(quiet=quiet) as progress:
        result = pipeline.cluster(
            images,
            method=method,
            threshold=threshold,
            batch_size=batch_size,
            rescue=rescue,
            merge=not no_merge,
            out=place,
            transfer=transfer,
            keep_batches=keep_batches,
            overwrite=overwrite,
            dry_run=dry_run,
            recursive=recursive,
            include=include or (),
            exclude=exclude or (),
            threads=threads,
            cache=features,
            progress=progress,
            **{name: value for name, value in own.items() if value is not None},
        )
    if not quiet:
        print_unreadable(result)
    if dry_run and not as_json:
        print_plan(result)
    print_summary(result, as_json=as_json, dry_run=dry_run)


def default_out(folder: Path) -> Path:
    """Where the result of a folder goes if nothing else is said: beside it, with _clustered after its name."""
    full = folder.absolute() if folder.name not in ("", "..") else folder.resolve()
    if not full.name:
        raise UsageError(f"there is no place beside {printable(folder)} for the result: name one with --out")
    return full.with_name(f"{full.name}_clustered")
