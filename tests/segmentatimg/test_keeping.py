"""Which pictures stay in memory and which come next, by numbers; and what a sitting takes, as measured."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_session import Desk

from labelimg.segmentatimg.keeping import MOST, memory_for, to_let_go, wanted_next
from labelimg.segmentatimg.picture import Picture
from pictures import photograph, save


class Kept(Picture):
    """A picture that says to take so much memory."""

    def __init__(self, row: int, nbytes: int, whole: int | None = None, *, painted: bool = True) -> None:
        super().__init__(row, f"{row}.png")
        self._nbytes, self._whole = nbytes, nbytes if whole is None else whole
        self.image = object()  # type: ignore[assignment]
        self.painting = object() if painted else None  # type: ignore[assignment]

    @property
    def nbytes(self) -> int:
        return self._nbytes

    @property
    def whole_nbytes(self) -> int:
        return self._whole


def kept(*pictures: Picture) -> dict[int, Picture]:
    return {picture.row: picture for picture in pictures}


def test_a_quarter_of_free_memory_but_never_less_than_256_megabytes() -> None:
    assert memory_for(8 << 30) == 2 << 30
    assert memory_for(100 << 20) == 256 << 20
    assert memory_for(1 << 40) == 4 << 30


def test_the_next_is_wanted_first_then_the_previous_as_far_as_memory_goes() -> None:
    here = kept(Kept(0, 10))

    def wanted(memory: int, ahead: int = 3) -> list[int]:
        return wanted_next(here, 0, 10, ahead=ahead, memory=memory, begun=())

    assert wanted(1000) == [1, 9, 2, 3]
    assert wanted(29) == [1, 9] and wanted(10) == [1] and wanted(9) == []
    assert wanted(1000, ahead=0) == [] and wanted(1000, ahead=1) == [1, 9]
    assert wanted_next(kept(Kept(0, 10)), 0, 1, ahead=3, memory=1000, begun=()) == []
    assert wanted_next(kept(Kept(0, 10)), 0, 2, ahead=3, memory=1000, begun=()) == [1]


def test_what_is_being_prepared_needs_its_memory_before_it_has_it() -> None:
    begun = Kept(1, 2, 10, painted=False)
    pictures = kept(Kept(0, 10), begun)
    assert wanted_next(pictures, 0, 10, ahead=2, memory=20, begun=[begun]) == [9]
    assert wanted_next(pictures, 0, 10, ahead=2, memory=19, begun=[begun]) == []


def test_the_farthest_go_first_and_never_the_one_in_sight() -> None:
    pictures = kept(*(Kept(row, 10) for row in range(6)))

    def gone(memory: int, here: int = 2, may_go: Callable[[Picture], bool] = lambda _: True) -> list[int]:
        return [p.row for p in to_let_go(pictures, here, 100, ahead=2, memory=memory, may_go=may_go)]

    assert gone(50) == [] and gone(49) == [5] and gone(30) == [5, 0]
    assert gone(10) == [5, 0, 4, 1] and gone(0) == [5, 0, 4, 1, 3]
    assert gone(30, may_go=lambda picture: picture.row != 5) == [0, 4]


def test_no_more_pictures_are_kept_than_there_are_descriptors_for() -> None:
    pictures = kept(*(Kept(row, 1) for row in range(MOST + 5)))
    assert len(to_let_go(pictures, 0, 1000, ahead=2, memory=1 << 30, may_go=lambda _: True)) == 5


def resident_bytes() -> int:
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(lines["VmRSS"].split()[0]) << 10


def _sitting_that_measures(to: Any, folder: str, pictures_of_memory: float) -> None:
    """Go through a folder; send what pictures say to take, what they take, the bound, and the greatest of both."""
    desk = Desk(Path(folder), ahead=2, memory=1 << 40)
    session = desk.session

    def settled() -> bool:
        return not session._crew.doing() and not session._crew._queue and desk.posted.empty()

    def others() -> int:
        return sum(each.nbytes for row, each in session._pictures.items() if row != session.current.row)  # type: ignore[union-attr]

    first = desk.go(0)
    desk.until(settled)
    one = first.nbytes
    session.memory = memory = int(pictures_of_memory * one)
    before = resident_bytes()
    said_before = sum(each.nbytes for each in session._pictures.values())
    most_said = most_resident = 0
    for row in range(1, len(session)):
        picture = desk.go(row)
        desk.fill(picture)
        desk.until(settled)
        most_said = max(most_said, others())
        most_resident = max(most_resident, resident_bytes() - before + said_before)
    to.send((one, memory, most_said, most_resident))
    session.close()


def test_pictures_take_no_more_memory_than_they_may_as_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # glibc keeps freed blocks of up to 32 MB for later, more or less of them as threads happen to run: up to a picture
    # in all. With a fixed threshold arrays go back when they are freed, and what is resident is what is held.
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "131072")
    large = np.asarray(photograph("coffee", 1200, 900))
    for number in range(9):
        save(tmp_path / "photos" / f"{number}.png", np.roll(large, 40 * number, axis=1), compress_level=1)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_sitting_that_measures, args=(theirs, str(tmp_path / "photos"), 2.1))
    child.start()
    theirs.close()
    assert ours.poll(120)
    one, memory, most_said, most_resident = ours.recv()
    child.join()
    child.close()
    ours.close()
    assert 24 * 1_080_000 < one < 32 * 1_080_000
    assert one < most_said <= memory  # there is something to measure, and it is within the bound
    # What the process has resident: besides those pictures the one in sight, and two more to work with in between.
    assert most_resident < memory + 3 * one
