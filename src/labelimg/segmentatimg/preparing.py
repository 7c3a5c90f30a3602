"""Makes of an image's segments, saved masks and journal a painting to go on with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from labelimg.segmentatimg.picture import Picture, edges_of
from labelimg.segmentatimg.pyramid import EdgePyramid

if TYPE_CHECKING:
    from labelimg.segmentatimg.journal import Journal, Replayed
    from labelimg.segmentatimg.maskfolder import MaskFolder
    from labelimg.segmentatimg.painting import Painting


@dataclass(frozen=True, eq=False)
class Prepared:
    """A painting with its journal, what the journal brought back, and the boundaries to be shown."""

    painting: Painting
    journal: Journal
    replayed: Replayed
    edges: EdgePyramid


def prepare(
    folder: MaskFolder,
    picture: Picture,
    maps: Sequence[NDArray[np.int32]],
    level: int,
    warn: Callable[[str], None],
    edges: EdgePyramid | None = None,
) -> Prepared:
    """The painting of a decoded picture over label maps from fine to coarse, at a level.

    `edges`: the boundaries of that level, if they are known.

    It may be called in any thread. Raises UnreadableImageError for a mask that cannot be read, which saving would
    otherwise replace; OutputError and TransferError for a journal that can neither be read nor set aside.
    """
    from labelimg.segmentatimg.journal import Journal
    from labelimg.segmentatimg.painting import Painting

    scene = picture.decoded
    assert scene is not None
    painting = Painting(scene.image, maps, masks=folder.load(picture.path, scene.size))
    painting.level(min(level, painting.level_count - 1))
    journal = Journal(folder.journal_of(picture.path), painting, folder.stamp(picture.path), warn=warn)
    replayed = journal.replay()
    return Prepared(painting, journal, replayed, edges if edges and not replayed.changes else edges_of(painting.labels))
