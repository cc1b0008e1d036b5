"""What a set of processes costs: CPU over a while, and memory. Linux only, as Skyray is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import psutil

Groups = Mapping[str, Iterable[int]]


@dataclass(frozen=True)
class Cost:
    """Of one group of processes. ``cpu_percent`` is of one core; ``memory_bytes`` counts shared pages in part (PSS)."""

    processes: int
    cpu_percent: float
    memory_bytes: int


def with_descendants(pids: Iterable[int]) -> set[int]:
    """The processes given that live, and all their children, grandchildren and so on."""
    found = set()
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            found |= {pid, *(child.pid for child in process.children(recursive=True))}
    return found


def costs(groups: Callable[[], Groups], seconds: float) -> dict[str, Cost]:
    """Watch groups of processes for a while. A process that comes meanwhile counts from its start, one that goes is
    counted no more: at rest, neither should happen."""
    before = {pid: used for pids in groups().values() for pid, used in _cpu_seconds(pids).items()}
    began = time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - began
    found = {}
    for name, pids in groups().items():
        after = _cpu_seconds(pids)
        used = sum(seconds_now - before.get(pid, 0.0) for pid, seconds_now in after.items())
        memory = sum(_memory_bytes(pid) for pid, _ in after)
        found[name] = Cost(len(after), 100 * used / elapsed, memory)
    return found


def _cpu_seconds(pids: Iterable[int]) -> dict[tuple[int, float], float]:
    """CPU seconds so far, by (pid, time of start)."""
    found = {}
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            times = process.cpu_times()
            found[pid, process.create_time()] = times.user + times.system
    return found


def _memory_bytes(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        try:
            return int(process.memory_full_info().pss)
        except psutil.AccessDenied:
            return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
