"""How far a run is, and how long each stage of it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Stage = Callable[[str, int, int], None]
"""Told (stage, done, total) while a run goes on; total is 0 where it is not known."""


class Clock:
    """Tells the caller how far a run is and remembers how long each stage took."""

    def __init__(self, progress: Stage | None) -> None:
        self._progress = progress
        self.seconds: dict[str, float] = {}

    @property
    def total(self) -> float:
        """Seconds of all stages that are over."""
        return sum(self.seconds.values())

    def add(self, seconds: Mapping[str, float]) -> None:
        """Count what stages took before an interruption."""
        for name, value in seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + value

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[int, int], None] | None]:
        """A stage; what it yields is told the parts done and the parts there are."""
        began = time.perf_counter()
        told = self._progress
        if told is not None:
            told(name, 0, 0)
        try:
            yield None if told is None else lambda done, total: told(name, done, total)
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
