"""`labelimg cache info` and `labelimg cache clear`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The features that are kept between runs.", no_args_is_help=True)

Folder = Annotated[
    Path | None,
    typer.Option("--cache", help="The cache in this folder and not the user's own.", metavar="DIR", show_default=False),
]


@app.command()
def info(cache: Folder = None) -> None:
    """Show where the cache is, how large it is and what is in it."""
    from labelimg.cache import FeatureCache
    from labelimg.segmentatimg.embeddings import embeddings_folder, kept_embeddings

    with FeatureCache(cache) as features:
        found = features.info()
    typer.echo(f"{'file':<9} {found.path}")
    typer.echo(f"{'features':<9} {found.features:,}")
    typer.echo(f"{'bytes':<9} {found.bytes:,}")
    for recipe in found.recipes:
        typer.echo(f"{'of':<9} {recipe}")
    kept = kept_embeddings(embeddings_folder(cache))
    if kept:
        typer.echo(f"and {len(kept):,} embeddings for pointing, {sum(path.stat().st_size for path in kept):,} bytes")


@app.command()
def clear(cache: Folder = None) -> None:
    """Remove the cache; the next run decodes its images again."""
    from labelimg.cache import FeatureCache
    from labelimg.segmentatimg.embeddings import clear_embeddings, embeddings_folder

    with FeatureCache(cache) as features:
        removed = features.clear()
    removed += clear_embeddings(embeddings_folder(cache))
    typer.echo(f"removed {removed:,} bytes")
