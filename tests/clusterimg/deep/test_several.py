"""Processes that work together: what they give, what they raise, how they end. Without torch, to start at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from labelimg.clusterimg.deep.several import together
from labelimg.errors import ModelError, OutputError

Tell = Callable[[Any], None]


def nothing(_value: Any) -> None:
    pass


def counting(rank: int, tell: Tell) -> str:
    for number in range(3):
        if rank == 1:
            tell(number)
    return f"by process {rank}"


def note_and_wait(folder: Path, rank: int, tell: Tell) -> None:
    (folder / str(rank)).write_text(str(os.getpid()))
    tell(rank)
    time.sleep(60)


def fail_beside_one_that_waits(error: Exception, folder: Path, rank: int, tell: Tell) -> None:
    if rank == 0:
        note_and_wait(folder, rank, tell)
    while not (folder / "0").exists():
        time.sleep(0.01)
    raise error


def be_killed_beside_one_that_misses_it(folder: Path, rank: int, tell: Tell) -> None:
    (folder / str(rank)).write_text(str(os.getpid()))
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.01)
    if rank:
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError("connection closed by peer")


def leave(rank: int, tell: Tell) -> None:
    if rank:
        sys.stderr.write("the driver is too old\n")
        sys.exit(3)
    time.sleep(60)


class UnpicklableError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def raise_what_cannot_be_pickled(rank: int, tell: Tell) -> None:
    raise UnpicklableError(1, 2)


def read(descriptor: int, rank: int, tell: Tell) -> bytes:
    return os.pread(descriptor, 100, 0)


def gone(pid: int) -> bool:
    """Whether the process has ended, perhaps a moment from now."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def all_gone(folder: Path) -> bool:
    return all(gone(int(path.read_text())) for path in folder.iterdir())


def test_the_result_is_that_of_the_first_process_and_what_they_tell_is_told_in_order():
    told: list[int] = []
    assert together(counting, 3, tell=told.append) == "by process 0"
    assert told == [0, 1, 2]


def test_files_that_are_named_are_open_there(tmp_path):
    (tmp_path / "a").write_bytes(b"pictures")
    with (tmp_path / "a").open("rb") as file:
        assert together(partial(read, file.fileno()), 2, tell=nothing, descriptors=[file.fileno()]) == b"pictures"


@pytest.mark.parametrize("error", [OutputError("the disk is full"), ZeroDivisionError("a bug")])
def test_an_error_of_one_process_is_raised_here_and_ends_the_others(error, tmp_path):
    with pytest.raises(type(error), match=str(error)) as raised:
        together(partial(fail_beside_one_that_waits, error, tmp_path), 2, tell=nothing)
    assert "in fail_beside_one_that_waits" in raised.value.__notes__[0]
    assert all_gone(tmp_path)


def test_an_error_that_cannot_be_pickled_says_what_it_was():
    with pytest.raises(RuntimeError, match=r"UnpicklableError: 1 and 2$"):
        together(raise_what_cannot_be_pickled, 2, tell=nothing)


def test_a_process_that_is_killed_is_what_is_said_whatever_the_others_say_of_it(tmp_path):
    with pytest.raises(ModelError, match=r"^a process of the training was killed by SIGKILL, perhaps for lack of memo"):
        together(partial(be_killed_beside_one_that_misses_it, tmp_path), 2, tell=nothing)
    assert all_gone(tmp_path)


def test_a_process_that_leaves_is_said_with_its_last_line():
    with pytest.raises(ModelError, match=r"^a process of the training ended with status 3: the driver is too old$"):
        together(leave, 2, tell=nothing)


def test_what_is_raised_while_they_tell_ends_them_within_a_second(tmp_path):
    began = 0.0

    def stop(_rank: int) -> None:
        nonlocal began
        if len(list(tmp_path.iterdir())) == 2:
            began = time.monotonic()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        together(partial(note_and_wait, tmp_path), 2, tell=stop)
    assert time.monotonic() - began < 2
    assert all_gone(tmp_path)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from functools import partial
from test_several import note_and_wait, nothing
from labelimg.clusterimg.deep.several import together
together(partial(note_and_wait, Path({folder!r})), 2, tell=nothing)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_they_never_outlive_the_program_that_began_them_nor_run_it_again(how, tmp_path):
    """The program has no file, and nothing that keeps it from being run again."""
    script = SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdin is not None
        program.stdin.write(script.encode())
        program.stdin.close()
        while len(list(tmp_path.iterdir())) < 2:
            assert program.poll() is None
            time.sleep(0.02)
        program.send_signal(how)
        assert program.wait(5) != 0
    assert all_gone(tmp_path)
