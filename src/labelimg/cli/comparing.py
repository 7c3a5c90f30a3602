"""The options of the five methods, which every command has that compares images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from labelimg.cli.options import size_of

METHOD = Annotated[
    str, typer.Option(help="How images are compared: imagehash, ssim, minhash, orb or tm.", metavar="METHOD")
]


def _own(method: str, help: str, low: int | None = None, high: int | None = None) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        help=help, min=low, max=high, rich_help_panel=f"Options of --method {method}", show_default=False
    )
    return option


@dataclass(frozen=True)
class MethodOptions:
    """The parameters of all methods; None where one is not given."""

    size: Annotated[
        str | None,
        typer.Option(help="Shrink images to this before comparing.", metavar="WxH", show_default=False),
    ] = None
    scale: Annotated[
        float | None,
        typer.Option(help="Shrink images by this factor before comparing, in place of --size.", show_default=False),
    ] = None
    hash_size: Annotated[int | None, _own("imagehash", "The hash has N x N bits. Default 12.", 2, 64)] = None
    frequency_factor: Annotated[
        int | None, _own("imagehash", "The image is shrunk to N times the hash size before its DCT. Default 4.", 1, 16)
    ] = None
    corner_size: Annotated[
        int | None,
        _own("minhash", "The longest side, in pixels, at which corners are looked for. Default 160.", 16, 4096),
    ] = None
    corners: Annotated[
        int | None, _own("minhash", "How many of the strongest corners count. Default 200.", 1, 10_000)
    ] = None
    grid: Annotated[
        int | None, _own("minhash", "Places are cells of an N x N grid over the image. Default 16.", 2, 256)
    ] = None
    permutations: Annotated[
        int | None, _own("minhash", "Values of a minhash; more estimate better and cost more. Default 128.", 2, 4096)
    ] = None
    orb_size: Annotated[
        int | None,
        _own("orb", "The longest side, in pixels, at which keypoints are looked for. Default 400.", 32, 8192),
    ] = None
    orb_features: Annotated[int | None, _own("orb", "The most keypoints of an image. Default 200.", 1, 10_000)] = None
    good_bits: Annotated[
        int | None, _own("orb", "A match is good when at most N of the 256 bits differ. Default 32.", 0, 256)
    ] = None

    def given(self) -> dict[str, Any]:
        """Those that are given, by name, as `make_method` takes them."""
        values = asdict(self) | {"size": size_of(self.size)}
        return {name: value for name, value in values.items() if value is not None}
