"""Look at a sample of a folder's images: their similarities, and the threshold that these suggest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelimg.cache import FeatureCache
from labelimg.clusterimg.batches import available_memory
from labelimg.clusterimg.clock import Clock, Stage
from labelimg.clusterimg.extraction import extract
from labelimg.clusterimg.methods import DEFAULT, make_method
from labelimg.clusterimg.methods.base import Method
from labelimg.clusterimg.pipeline import Folder, thread_count, why_none
from labelimg.clusterimg.suggestion import Suggestion, suggest
from labelimg.clusterimg.threshold import Similarities, choose_rows, sample_similarities
from labelimg.errors import UsageError, printable
from labelimg.images import Unreadable, find_images


@dataclass(frozen=True, eq=False)
class Sampled:
    """A sample of the images of folders.

    paths: of the sample's images that could be read, in name order; positions in similarities count along it.
    """

    root: str
    method: Method
    paths: tuple[str, ...]
    unreadable: tuple[Unreadable, ...]
    similarities: Similarities
    suggestion: Suggestion


def sample_folder(
    images: Folder | Sequence[Folder],
    *,
    method: str = DEFAULT,
    sample: int = 1000,
    seed: int = 0,
    recursive: bool = True,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    threads: int | None = None,
    cache: FeatureCache | None = None,
    progress: Stage | None = None,
    **parameters: object,
) -> Sampled:
    """Decode `sample` images, chosen at random but the same for the same seed, and compare all of them.

    Raises UsageError for an argument that cannot be or where there are no images.
    """
    folders = [images] if isinstance(images, (str, bytes)) or not isinstance(images, Sequence) else list(images)
    made, count, clock = make_method(method, **parameters), thread_count(threads), Clock(progress)
    choose_rows(0, sample, seed)  # what is wrong with them is said before anything is looked for
    with clock.stage("finding images"):
        found = find_images(folders, recursive=recursive, include=include, exclude=exclude)
    if not found.paths:
        raise UsageError(f"no images in {', '.join(map(printable, folders))}{why_none(found)}")
    rows = choose_rows(len(found.paths), sample, seed)
    with clock.stage("decoding") as told:
        paths = [found.paths[row] for row in rows.tolist()]
        extracted = extract(paths, made, threads=count, memory=available_memory() // 2, cache=cache, progress=told)
    readable = extracted.rows
    with clock.stage("comparing") as told:
        within = sample_similarities(
            extracted.features, made, np.arange(len(readable), dtype=np.int64), threads=count, progress=told
        )
    # Of those that were not looked at it is not known how many can be read.
    similarities = Similarities(rows[readable], len(found.paths) - len(extracted.unreadable), within.values)
    return Sampled(
        root=found.root,
        method=made,
        paths=tuple(paths[row] for row in readable.tolist()),
        unreadable=extracted.unreadable,
        similarities=similarities,
        suggestion=suggest(similarities, made),
    )


def suggest_threshold(
    images: Folder | Sequence[Folder],
    *,
    method: str = DEFAULT,
    sample: int = 1000,
    seed: int = 0,
    recursive: bool = True,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    threads: int | None = None,
    cache: FeatureCache | None = None,
    progress: Stage | None = None,
    **parameters: object,
) -> Suggestion:
    """The threshold for the images of a folder, or of several, and why it is that, from a random sample of them.

    `cluster` without a threshold finds it in the same way, by default in the same sample. `sample`: 2 to 4,000 images,
    chosen at random, the same for the same `seed`. `parameters`: the method's own. Raises UsageError for an argument
    that cannot be or where there are no images; images that cannot be read are left out.

    >>> suggest_threshold("photos").threshold  # doctest: +SKIP
    0.69
    """
    return sample_folder(
        images,
        method=method,
        sample=sample,
        seed=seed,
        recursive=recursive,
        include=include,
        exclude=exclude,
        threads=threads,
        cache=cache,
        progress=progress,
        **parameters,
    ).suggestion
