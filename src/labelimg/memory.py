"""How much memory there is."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

_LIMITS = {resource.RLIMIT_AS: "VmSize", resource.RLIMIT_DATA: "VmData"}  # and what counts towards them


def available_memory() -> int:
    """Bytes that can be taken without swapping: the system's figure, the container's or ulimit's, the lowest."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        pass
    try:
        most, now = (Path("/sys/fs/cgroup", name).read_text("ascii") for name in ("memory.max", "memory.current"))
        free = min(free, int(most) - int(now))
    except (OSError, ValueError):
        pass
    for limit, name in _LIMITS.items():
        soft, _ = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY:
            free = min(free, soft - _taken(name))
    return max(free, 1 << 26)


def _taken(name: str) -> int:
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
    return 0
