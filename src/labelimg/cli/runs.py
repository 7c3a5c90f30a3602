"""What the commands share that sort images into folders: their options, and how a run is carried out and shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    NO_REPORT,
    OUT,
    OVERWRITE,
    QUIET,
    RECURSIVE,
    THREADS,
    TRANSFER,
    opened_cache,
)
from labelimg.cli.show import Progress, print_result

if TYPE_CHECKING:
    from labelimg.clusterimg.results import Clustering


@dataclass(frozen=True)
class RunOptions:
    """The options about batches, files and output, which every kind of run has."""

    batch_size: BATCH_SIZE = None
    out: OUT = None
    transfer: TRANSFER = "copy"
    recursive: RECURSIVE = True
    include: INCLUDE = None
    exclude: EXCLUDE = None
    no_merge: NO_MERGE = False
    keep_batches: KEEP_BATCHES = False
    overwrite: OVERWRITE = False
    threads: THREADS = None
    dry_run: DRY_RUN = False
    quiet: QUIET = False
    as_json: JSON = False
    cache: CACHE = None
    no_cache: NO_CACHE = False
    no_report: NO_REPORT = False

    def carry_out(self, cluster: Callable[..., Clustering], images: list[Path], **own: Any) -> None:
        """Let `cluster`, or a function like it, do it with these options and with `own`; show what came of it."""
        place = self.out if self.out is not None else default_out(images[0])
        with opened_cache(self.cache, self.no_cache) as features, Progress(quiet=self.quiet) as progress:
            result = cluster(
                images,
                batch_size=self.batch_size,
                merge=not self.no_merge,
                out=place,
                transfer=self.transfer,
                keep_batches=self.keep_batches,
                overwrite=self.overwrite,
                dry_run=self.dry_run,
                recursive=self.recursive,
                include=self.include or (),
                exclude=self.exclude or (),
                threads=self.threads,
                cache=features,
                report=not self.no_report,
                progress=progress,
                **own,
            )
        print_result(result, quiet=self.quiet, as_json=self.as_json, dry_run=self.dry_run)


def default_out(folder: Path) -> Path:
    """Where the result of a folder goes if nothing else is said: beside it, with _clustered after its name."""
    from labelimg.outputs import folder_beside

    return folder_beside(folder, "_clustered", "result")
