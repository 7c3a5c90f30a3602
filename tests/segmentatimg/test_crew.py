"""Worker processes and the memory they share with their parent; no window."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelimg.segmentatimg.crew import Crew
from labelimg.segmentatimg.hierarchy import levels
from labelimg.segmentatimg.jobs import LEVELS_COARSER, LEVELS_FINER, Job, Part, parts_of
from labelimg.segmentatimg.methods import make_method
from labelimg.segmentatimg.shared import SharedArray, receive, send
from pictures import photograph, save, truncated_png

SLIC = make_method("superpixel", region_size=12)
SLOW = make_method("quickshift", kernel_size=12)


class Reports:
    """What a crew reported, in the order in which it came."""

    def __init__(self, ahead: int = 0) -> None:
        self.came: queue.Queue[tuple[Job, Part, dict[str, Any]]] = queue.Queue()
        self.crew = Crew(lambda *report: self.came.put(report), ahead)
        self.serial = 0

    def job(self, path: Path, method: Any = SLIC, **more: Any) -> Job:
        self.serial += 1
        return Job(self.serial, str(path), method, **more)

    def until_end(self, serial: int) -> list[tuple[Part, dict[str, Any]]]:
        """The parts of a job, up to its end; those of others are left out."""
        parts = []
        while True:
            job, part, arrays = self.came.get(timeout=60)
            if job.serial == serial:
                parts.append((part, arrays))
                if part.kind == "end":
                    return parts

    def until(self, true: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while not true():
            assert time.monotonic() < end
            time.sleep(0.005)


@pytest.fixture
def crews() -> Iterator[Callable[..., Reports]]:
    made: list[Reports] = []

    def make(ahead: int = 0) -> Reports:
        made.append(Reports(ahead))
        return made[-1]

    yield make
    for reports in made:
        reports.crew.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(tmp_path / "coffee.png", photograph("coffee", 120, 90))


def kinds(parts: list[tuple[Part, dict[str, Any]]]) -> list[str]:
    return [part.kind for part, _ in parts]


# ----------------------------------------------------------------------------------------------------------- jobs


def test_a_job_gives_image_segments_levels_and_an_end(crews: Callable[..., Reports], photo: Path) -> None:
    reports = crews()
    reports.crew.now(reports.job(photo))
    parts = reports.until_end(1)
    assert kinds(parts) == ["image", "segments", "levels", "end"] and parts[-1][0].reason == ""
    image = photograph("coffee", 120, 90)
    labels = SLIC.segment(image)
    assert (parts[0][1]["image"].array == image).all()
    assert (parts[1][1]["labels"].array == labels).all()
    expected = levels(image, labels, LEVELS_COARSER + 1, finer=LEVELS_FINER)
    del expected[parts[2][0].finer]
    found = [parts[2][1][str(k)].array for k in range(len(expected))]
    assert len(parts[2][1]) == len(expected)
    assert all((one == other).all() for one, other in zip(found, expected, strict=True))


def test_a_job_with_an_image_and_segments_gives_levels_alone(photo: Path) -> None:
    image = photograph("coffee", 120, 90)
    given = {"image": SharedArray.of(image), "labels": SharedArray.of(SLIC.segment(image))}
    assert [part.kind for part, _ in parts_of(Job(1, "no such file", SLIC), given)] == ["levels"]


def test_a_preview_ends_with_segments_at_the_size_of_the_image(photo: Path) -> None:
    small = make_method("superpixel", work_size=64)
    parts = list(parts_of(Job(1, str(photo), small, preview=True), {}))
    assert [part.kind for part, _ in parts] == ["image", "segments"]
    assert parts[1][1]["labels"].array.shape == (90, 120)


def test_an_unreadable_file_is_said_and_the_process_goes_on(
    crews: Callable[..., Reports], photo: Path, tmp_path: Path
) -> None:
    reports = crews()
    truncated_png(tmp_path / "broken.png")
    reports.crew.now(reports.job(tmp_path / "broken.png"))
    (end, _) = reports.until_end(1)[-1]
    assert end.unreadable and "truncated" in end.reason
    process = reports.crew._hand._process.pid
    reports.crew.now(reports.job(tmp_path / "gone.png"))
    assert reports.until_end(2)[-1][0].unreadable
    reports.crew.now(reports.job(photo))
    assert reports.until_end(3)[-1][0].reason == ""
    assert reports.crew._hand._process.pid == process


# ------------------------------------------------------------------------------------------------ processes that end


def test_a_worker_that_is_killed_is_said_and_the_next_job_has_another(
    crews: Callable[..., Reports], photo: Path
) -> None:
    reports = crews()
    reports.crew.now(reports.job(photo, SLOW))
    reports.until(lambda: [job.serial for job in reports.crew.doing()] == [1] and not reports.came.empty())
    process = reports.crew._hand._process.pid
    os.kill(process, signal.SIGKILL)
    assert "perhaps for lack of memory" in reports.until_end(1)[-1][0].reason
    reports.crew.now(reports.job(photo))
    assert reports.until_end(2)[-1][0].reason == ""
    assert reports.crew._hand._process.pid != process


def test_ctrl_c_in_the_terminal_leaves_workers_to_their_parent(
    crews: Callable[..., Reports], photo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reports = crews()
    reports.crew.now(reports.job(photo))
    reports.until_end(1)
    process = reports.crew._hand._process.pid
    os.kill(process, signal.SIGINT)
    reports.crew.now(reports.job(photo))
    assert reports.until_end(2)[-1][0].reason == "" and reports.crew._hand._process.pid == process
    assert capfd.readouterr().err == ""


def test_a_killed_worker_of_those_ahead_is_said_and_the_others_jobs_are_done(
    crews: Callable[..., Reports], photo: Path
) -> None:
    reports = crews(ahead=1)
    reports.crew.ahead([reports.job(photo, SLOW), reports.job(photo)])
    reports.until(lambda: reports.crew.doing() and not reports.came.empty())
    reports.crew._others[0]._process.kill()
    assert "ended" in reports.until_end(1)[-1][0].reason
    assert reports.until_end(2)[-1][0].reason == ""


def test_a_new_job_in_sight_drops_the_one_before_without_a_word(crews: Callable[..., Reports], photo: Path) -> None:
    reports = crews()
    reports.crew.now(reports.job(photo, SLOW))
    reports.until(lambda: reports.crew.doing())
    reports.crew.now(reports.job(photo))
    assert reports.until_end(2)[-1][0].reason == ""
    assert reports.came.empty()


def test_jobs_ahead_that_are_not_named_any_more_are_not_begun(crews: Callable[..., Reports], photo: Path) -> None:
    reports = crews(ahead=1)
    first, second, third = reports.job(photo), reports.job(photo), reports.job(photo)
    reports.crew.ahead([first, second])
    reports.until(lambda: first in reports.crew.doing() or not reports.came.empty())
    reports.crew.ahead([third])
    assert reports.until_end(third.serial)[-1][0].reason == ""
    assert reports.crew.doing() == [] or second not in reports.crew.doing()
    reports.crew.close()
    assert second.serial not in [job.serial for job, _, _ in list(reports.came.queue)]


def test_closing_ends_all_processes(photo: Path) -> None:
    reports = Reports(ahead=2)
    reports.crew.now(reports.job(photo, SLOW))
    reports.until(lambda: reports.crew.doing() and all(w._process for w in (reports.crew._hand, *reports.crew._others)))
    processes = [worker._process.pid for worker in (reports.crew._hand, *reports.crew._others)]
    reports.crew.close()
    reports.until(lambda: not any(is_there(process) for process in processes))


def test_workers_end_with_their_parent_when_that_is_killed(photo: Path) -> None:
    given, taken = multiprocessing.get_context("spawn").Pipe(duplex=False)
    parent = multiprocessing.get_context("spawn").Process(target=_crew_that_says_its_workers, args=(taken, str(photo)))
    parent.start()
    taken.close()
    workers = given.recv() if given.poll(60) else []
    parent.kill()
    parent.join()
    parent.close()
    given.close()
    assert len(workers) == 2
    end = time.monotonic() + 30
    while any(is_there(worker) for worker in workers):
        assert time.monotonic() < end, "workers outlived their parent"
        time.sleep(0.02)


def _crew_that_says_its_workers(to: Any, photo: str) -> None:
    reports = Reports(ahead=1)
    reports.crew.now(reports.job(Path(photo)))
    reports.until_end(1)
    reports.until(lambda: all(worker._process for worker in (reports.crew._hand, *reports.crew._others)))
    to.send([worker._process.pid for worker in (reports.crew._hand, *reports.crew._others)])
    time.sleep(60)


def is_there(process: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


# ---------------------------------------------------------------------------------------------------- shared memory


def test_arrays_pass_between_connections_without_a_copy() -> None:
    ours, theirs = multiprocessing.Pipe()
    sent = SharedArray.of(np.arange(6, dtype=np.int32).reshape(2, 3))
    send(ours, os.getpid(), "a word", {"one": sent, "none": SharedArray((0, 4), "|u1")})
    word, arrays = receive(theirs)
    assert word == "a word" and list(arrays) == ["one", "none"]
    assert arrays["none"].array.shape == (0, 4)
    sent.array[1, 2] = 77
    assert arrays["one"].array.tolist() == [[0, 1, 2], [3, 4, 77]]
    ours.close()
    with pytest.raises((EOFError, OSError)):
        receive(theirs)
    theirs.close()


def shared_bytes() -> tuple[int, int]:
    """How many descriptors of shared memory this process has, and how many mappings."""
    descriptors = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            descriptors += "memfd:labelimg" in os.readlink(f"/proc/self/fd/{name}")
    return descriptors, Path("/proc/self/maps").read_text().count("memfd:labelimg")


def test_shared_memory_is_freed_with_the_last_array_that_lies_in_it() -> None:
    before = shared_bytes()
    shared = SharedArray.of(np.ones((100, 100), np.uint8))
    rows = shared.array[3:5]
    del shared
    assert rows.sum() == 200  # it is kept as long as a part of it is
    assert shared_bytes()[1] == before[1] + 1
    del rows
    assert shared_bytes() == before


def test_shared_memory_is_freed_when_jobs_are_done_dropped_and_killed(
    crews: Callable[..., Reports], photo: Path
) -> None:
    before = shared_bytes()
    reports = crews(ahead=1)
    for _ in range(3):
        reports.crew.now(reports.job(photo))
        reports.until_end(reports.serial)
        reports.crew.now(reports.job(photo, SLOW), SharedArray.of(photograph("coffee", 120, 90)))
        reports.until(lambda: reports.crew.doing())
        reports.crew._hand._process.kill()
        reports.until_end(reports.serial)
    reports.crew.close()
    reports.came.queue.clear()
    assert shared_bytes() == before
