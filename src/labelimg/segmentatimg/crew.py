"""Worker processes that segment images: one for the image in sight, the others for those that come next."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from labelimg.segmentatimg.jobs import Job, Part, serve
from labelimg.segmentatimg.shared import SharedArray, receive, send

Report = Callable[[Job, Part, dict[str, SharedArray]], None]

_CONTEXT: Any = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["labelimg.segmentatimg.jobs", "labelimg.segmentatimg.preloading"])


def begin() -> None:
    """Start the server that workers are forked from, before anything else is loaded: what they need takes a while."""
    from multiprocessing.forkserver import ensure_running

    ensure_running()


class _Worker:
    """A process, and the thread that hands it jobs and takes what it gives."""

    def __init__(self, crew: Crew, ahead: bool) -> None:
        self._crew, self._ahead = crew, ahead
        self._process: Any = None
        self._connection: Any = None
        self.job: Job | None = None
        self.dropped = False
        self.stale = False  # the process was ended while it had nothing to do
        self._thread = threading.Thread(target=self._run, name="labelimg-worker", daemon=True)
        self._thread.start()

    def drop(self) -> None:
        """End the process with the job that it does; another is started for the next one."""
        self.dropped = True
        process = self._process
        if process is not None:
            with suppress(ValueError):  # its thread has just closed it
                process.kill()

    def join(self) -> None:
        self._thread.join()

    def _start(self) -> None:
        ours, theirs = _CONTEXT.Pipe()
        process = _CONTEXT.Process(target=serve, args=(theirs, os.getpid(), self._ahead), daemon=True)
        process.start()
        theirs.close()
        self._connection, self._process = ours, process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            self._connection.close()
            process.join(0.2)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
        self.stale = False

    def _run(self) -> None:
        with suppress(EOFError, OSError):  # if it cannot be started now, it is tried again for a job
            self._start()  # before there is a job: it takes a moment
        while (given := self._crew.next_job(self, self._ahead)) is not None:
            job, arrays = given
            if self.stale:
                self._stop()
            try:
                if self._process is None:
                    self._start()
                if self.dropped:
                    continue
                send(self._connection, self._process.pid, job, arrays)
                while True:
                    part, results = receive(self._connection)
                    if not self.dropped:
                        self._crew.report(job, part, results)
                    if part.kind == "end":
                        break
            except (EOFError, OSError):
                self._stop()
                if not self.dropped and not self._crew.closed:
                    reason = "the process that segmented it ended, perhaps for lack of memory"
                    self._crew.report(job, Part("end", reason=reason, lost=self._ahead), {})
            del arrays, given
        self._stop()


class Crew:
    """Does jobs in worker processes, and reports each part in the thread of its worker.

    `now` is for the image in sight: it begins at once, and what was begun for the sake of an earlier one is dropped.
    `ahead` names what is wanted next, in order of need: what is not named is not begun.
    """

    def __init__(self, report: Report, ahead: int) -> None:
        self.report = report
        self.closed = False
        self._condition = threading.Condition()
        self._now: tuple[Job, dict[str, SharedArray]] | None = None
        self._queue: list[Job] = []
        self._hand = _Worker(self, ahead=False)
        self._others = [_Worker(self, ahead=True) for _ in range(ahead)]

    def now(self, job: Job, image: SharedArray | None = None, labels: SharedArray | None = None) -> None:
        """Do this job at once; the image, if it is decoded already; the segments, if only levels are wanted."""
        given = {"image": image, "labels": labels}
        with self._condition:
            self._now = job, {name: array for name, array in given.items() if array is not None}
            if self._hand.job is not None and not self._hand.job.preview:
                self._hand.drop()
            self._condition.notify_all()

    def ahead(self, jobs: Sequence[Job]) -> None:
        """Do these jobs when there is time, in this order, and no others. What is being done is finished."""
        with self._condition:
            self._queue = list(jobs)
            self._condition.notify_all()

    def doing(self) -> list[Job]:
        """The jobs that are being done."""
        with self._condition:
            return [worker.job for worker in (self._hand, *self._others) if worker.job is not None]

    def next_job(self, worker: _Worker, ahead: bool) -> tuple[Job, dict[str, SharedArray]] | None:
        """Wait for a job for the worker; None when there will be none."""
        with self._condition:
            worker.job, worker.stale, worker.dropped = None, worker.stale or worker.dropped, False
            while not self.closed:
                if not ahead and self._now is not None:
                    given, self._now = self._now, None
                    worker.job = given[0]
                    return given
                if ahead and self._queue:
                    worker.job = self._queue.pop(0)
                    return worker.job, {}
                self._condition.wait()
            return None

    def close(self) -> None:
        """End all processes."""
        with self._condition:
            self.closed = True
            self._queue, self._now = [], None
            for worker in (self._hand, *self._others):
                worker.drop()
            self._condition.notify_all()
        for worker in (self._hand, *self._others):
            worker.join()
