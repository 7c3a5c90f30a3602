"""The same work in several processes that need each other: they end together, and never outlive who began them."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import IO, Any, TypeVar

from labelimg.errors import LabelimgError, ModelError

T = TypeVar("T")

_GRACE_S = 0.5  # for a process to tidy up when it is interrupted
# Not multiprocessing: it would run the caller's script again, or fail where there is none.
_BEGINNING = "import sys; sys.path[:] = {path!r}; from {module} import serve; serve({descriptor})"


def together(
    work: Callable[[int, Callable[[Any], None]], T],
    count: int,
    *,
    tell: Callable[[Any], object],
    descriptors: Sequence[int] = (),
) -> T:
    """What work(0, tell) gives in a process of its own, while others do work(1, tell) to work(count - 1, tell).

    work is pickled by reference. What they tell is told here, in the calling thread. The first exception in one of them
    ends all and is raised; ModelError where one is killed. An exception here, Ctrl-C among them, ends all within a
    second; if this process is killed they leave by themselves. Open files of these descriptors are theirs, too.
    """
    ends: list[Connection] = []
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryFile() as said:
        try:
            for rank in range(count):
                ours, theirs = Pipe()
                ends.append(ours)
                with theirs:
                    beginning = _BEGINNING.format(path=sys.path, module=__name__, descriptor=theirs.fileno())
                    processes.append(
                        subprocess.Popen(
                            [sys.executable, "-c", beginning],
                            stdin=subprocess.DEVNULL,
                            stdout=said,
                            stderr=said,
                            pass_fds=(theirs.fileno(), *descriptors),
                            start_new_session=True,  # Ctrl-C is for this process, which tells them
                        )
                    )
                with suppress(BrokenPipeError):  # it has ended; what it said is raised below
                    ours.send((work, rank))
            first: T = _results(ends, processes, tell, said)[0]
            return first
        except BaseException:
            for process in processes:
                process.send_signal(signal.SIGINT)
            _await(processes)
            raise
        finally:
            for each in ends:
                each.close()
            for process in processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_GRACE_S)
                process.kill()
                process.wait()


def _results(
    ends: list[Connection], processes: list[subprocess.Popen[bytes]], tell: Callable[[Any], object], said: IO[bytes]
) -> list[Any]:
    results: list[Any] = [None] * len(ends)
    waiting = {end: rank for rank, end in enumerate(ends)}
    while waiting:
        for end in wait(list(waiting)):
            assert isinstance(end, Connection)
            rank = waiting[end]
            try:
                kind, value = end.recv()
            except (EOFError, ConnectionError):
                _await([processes[rank]])
                raise _lost(processes[rank], said) from None
            if kind == "told":
                tell(value)
            elif kind == "done":
                results[rank] = value
                del waiting[end]
            else:
                if not isinstance(value, LabelimgError):  # perhaps the others only miss one that was killed
                    _await(processes, all_of_them=False)
                    for process in processes:
                        if process.poll():
                            raise _lost(process, said) from value
                raise value
    return results


def _await(processes: list[subprocess.Popen[bytes]], *, all_of_them: bool = True) -> None:
    """Wait for the processes to end, or for one of them, not for long."""
    until = time.monotonic() + _GRACE_S
    while time.monotonic() < until:
        ended = [process.poll() is not None for process in processes]
        if all(ended) if all_of_them else any(ended):
            return
        time.sleep(0.01)


def _lost(process: subprocess.Popen[bytes], said: IO[bytes]) -> ModelError:
    """What to say of a process that ended before its work did."""
    code = process.poll()
    if code is not None and code < 0:
        return ModelError(
            f"a process of the training was killed by {signal.Signals(-code).name}, perhaps for lack of memory"
        )
    said.seek(0)
    lines = said.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    return ModelError(f"a process of the training ended with status {code}: {last}")


def serve(descriptor: int) -> None:
    """Do the work of one process, as the other end of the connection tells it."""
    connection = Connection(descriptor)
    try:
        work, rank = connection.recv()
        leaving = threading.Thread(target=_leave_with, args=(connection,), daemon=True)
        leaving.start()
        try:
            outcome = "done", work(rank, lambda value: connection.send(("told", value)))
        except Exception as error:  # noqa: BLE001 (raised at the other end)
            error.add_note(traceback.format_exc())
            outcome = "raised", _portable(error)
        connection.send(outcome)
        leaving.join()  # the others may still need this process
    except (KeyboardInterrupt, EOFError, ConnectionError):
        os._exit(1)


def _leave_with(connection: Connection) -> None:
    """End the process, whatever it does, when the other end of the connection is closed or gone."""
    with suppress(EOFError, OSError):
        connection.recv()
    os._exit(0)


def _portable(error: Exception) -> Exception:
    """The error if it can be pickled; else one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (our own)
    except Exception:  # noqa: BLE001 (it depends on the error's own code)
        return RuntimeError("".join(traceback.format_exception_only(error)).strip())
    return error
