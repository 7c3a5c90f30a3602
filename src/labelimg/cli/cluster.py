"""`labelimg cluster`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from labelimg.cli.options import Images, size_of, with_shared
from labelimg.cli.runs import RunOptions


def _own(method: str, help: str, low: int | None = None, high: int | None = None) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        help=help, min=low, max=high, rich_help_panel=f"Options of --method {method}", show_default=False
    )
    return option


@with_shared
def cluster(
    images: Images,
    *,
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
    size: Annotated[
        str | None,
        typer.Option(help="Shrink images to this before comparing.", metavar="WxH", show_default=False),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(help="Shrink images by this factor before comparing, in place of --size.", show_default=False),
    ] = None,
    run: RunOptions,
    rescue: Annotated[
        bool, typer.Option("--rescue/--no-rescue", help="Look for the twins of a batch's outliers in other batches.")
    ] = True,
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
    # Nothing here multiplies large matrices, and threads of NumPy's own would spin beside those that decode.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
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
    given = {name: value for name, value in own.items() if value is not None}
    run.carry_out(pipeline.cluster, images, method=method, threshold=threshold, rescue=rescue, **given)
