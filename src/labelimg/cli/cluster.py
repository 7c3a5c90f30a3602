"""`labelimg cluster`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from labelimg.cli.comparing import METHOD, MethodOptions
from labelimg.cli.options import Images, with_shared
from labelimg.cli.runs import RunOptions
from labelimg.errors import UsageError


@with_shared
def cluster(
    images: Images,
    *,
    method: METHOD = "imagehash",
    threshold: Annotated[
        str,
        typer.Option(
            help="Images more similar than this, from 0 to 1, belong together; auto finds it in the images, pick shows "
            "a window to choose it in.",
            metavar="X|auto|pick",
        ),
    ] = "auto",
    run: RunOptions,
    rescue: Annotated[
        bool, typer.Option("--rescue/--no-rescue", help="Look for the twins of a batch's outliers in other batches.")
    ] = True,
    own: MethodOptions,
) -> None:
    """Sort a folder of mixed images, or several, into folders of similar ones.

    The images are copied unless --transfer says otherwise; the originals stay as they are.
    """
    # Nothing here multiplies large matrices, and threads of NumPy's own would spin beside those that decode.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if threshold == "pick":
        from labelimg.cli.threshold import pick

        limit: float | None = pick(images, method, run, own)
    else:
        limit = threshold_of(threshold)
    from labelimg.clusterimg import pipeline

    run.carry_out(pipeline.cluster, images, method=method, threshold=limit, rescue=rescue, **own.given())


def threshold_of(text: str) -> float | None:
    """The number that --threshold says; None for auto. Raises UsageError for anything else.

    >>> threshold_of("0.8"), threshold_of("auto")
    (0.8, None)
    """
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--threshold must be a number from 0 to 1, auto or pick, got {text!r}") from None
