"""A process that has loaded everything and forks a child for each run, so that killing 200 of them is affordable.

It reads a line of JSON for each run: {"work": name, "root": folder, "kill_at": n or null, "kill_after_s": s or null}.
The child calls `works.WORKS[name](root)` and is killed, by a real SIGKILL, before its n-th file operation or after some
time. What comes back is a line: {"status": exit status or -9, "operations": how many, "error": text, "seconds": s}.

A kill loses nothing of what the kernel was given, so fsync does nothing in here.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).parent


class Warm:
    """The process, from outside."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._lock = threading.Lock()

    def run(
        self, work: str, root: Path, *, kill_at: int | None = None, kill_after_s: float | None = None, **more: Any
    ) -> dict[str, Any]:
        """Let a child do the work; what became of it."""
        task = {"work": work, "root": str(root), "kill_at": kill_at, "kill_after_s": kill_after_s, **more}
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        assert isinstance(answer, dict)
        return answer

    def whole(self, work: str, root: Path, **more: Any) -> dict[str, Any]:
        """The same of a child that nobody kills and that must succeed."""
        answer = self.run(work, root, **more)
        assert answer["status"] == 0, answer["error"]
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


def _serve() -> None:
    from works import WORKS, warm_up

    os.fsync = lambda descriptor: None  # type: ignore[assignment]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the work prints must not come between
    warm_up()
    assert threading.active_count() == 1, threading.enumerate()
    for line in sys.stdin:
        task = json.loads(line)
        here, there = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(here)
            _work(WORKS[task["work"]], task, there)
        os.close(there)
        began = time.perf_counter()
        if task["kill_after_s"] is not None:
            time.sleep(task["kill_after_s"])
            os.kill(pid, signal.SIGKILL)
        with os.fdopen(here, "rb") as pipe:
            told = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        answer = {"operations": 0, "error": "", **(json.loads(told) if told else {})}
        answers.write(json.dumps({**answer, "status": status, "seconds": time.perf_counter() - began}) + "\n")
        answers.flush()


def _work(work: Any, task: dict[str, Any], there: int) -> NoReturn:
    from labelimg import files

    counter = itertools.count(1)
    done, error, status = 0, "", 0

    def hook(name: str, path: str) -> None:
        nonlocal done
        done = next(counter)
        if done == task["kill_at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    files.on_operation = hook
    signal.alarm(60)  # nothing may hang
    try:
        work(Path(task["root"]))
    except BaseException:  # noqa: BLE001 (told to the process outside)
        error, status = traceback.format_exc(), 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    os.write(there, json.dumps({"operations": done, "error": error, "peak_kb": peak}).encode()[:60_000])
    os._exit(status)


if __name__ == "__main__":
    _serve()
