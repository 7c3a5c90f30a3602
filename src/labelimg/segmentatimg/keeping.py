"""Which pictures of a sitting stay in memory, and which are prepared next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from labelimg.segmentatimg.picture import Picture

MOST = 40
"""More pictures are not kept, however small: each takes descriptors, of which a process has only so many."""


def memory_for(free_bytes: int) -> int:
    """How much a sitting may take for pictures besides the one in sight, of so much free memory."""
    return int(np.clip(free_bytes // 4, 256 << 20, 4 << 30))


def wanted_next(
    pictures: Mapping[int, Picture],
    here: int,
    count: int,
    *,
    ahead: int,
    memory: int,
    begun: Collection[Picture | None],
) -> list[int]:
    """The rows that are to be prepared while row `here` of `count` is in sight, in order of need, as many as fit.

    The next, the previous, and then those after the next; not those that are there, that cannot be read, or that are
    `begun`, which need their memory all the same. A picture of unknown size is taken to be as large as the largest.
    """
    largest = max((picture.whole_nbytes for picture in pictures.values()), default=0)
    used = sum(
        picture.whole_nbytes or largest if picture in begun else picture.nbytes
        for row, picture in pictures.items()
        if row != here
    )
    rows: list[int] = []
    order = [(here + by) % count for by in (1, -1, *range(2, ahead + 1))][: ahead + 1] if ahead else []
    for row in dict.fromkeys(order):
        picture = pictures.get(row)
        if row == here or (picture is not None and (picture.painting or picture.reason or picture in begun)):
            continue
        used += largest - (0 if picture is None else picture.nbytes)
        if used > memory:
            break
        rows.append(row)
    return rows


def to_let_go(
    pictures: Mapping[int, Picture],
    here: int,
    count: int,
    *,
    ahead: int,
    memory: int,
    may_go: Callable[[Picture], bool],
) -> list[Picture]:
    """The pictures besides that of row `here` that should go, the farthest first, until the others fit in the memory.

    Also those far away of which nothing is there. Those that may not go stay, whatever they take.
    """

    def distance(picture: Picture) -> int:
        return min((picture.row - here) % count, (here - picture.row) % count)

    def order(picture: Picture) -> tuple[int, bool]:
        return -distance(picture), (picture.row - here) % count == distance(picture)  # of equals the one behind first

    used = sum(picture.nbytes for row, picture in pictures.items() if row != here)
    kept = len(pictures)
    going = []
    for picture in sorted(pictures.values(), key=order):
        empty = picture.image is None and not picture.reason and distance(picture) > ahead + 1
        if picture.row != here and (used > memory or kept > MOST or empty) and may_go(picture):
            used -= picture.nbytes
            kept -= 1
            going.append(picture)
    return going
