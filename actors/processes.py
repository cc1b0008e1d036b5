"""Which processes on this machine are ours, and ending exactly those. Never by name, never by port, never by guess.

A process is known by its pid, its start in clock ticks and the machine's boot: a pid alone may be somebody else's by
tomorrow. Called by local_ray.py and deployment.py. Linux only (reads /proc).
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_POLL_SECONDS = 0.02
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process for ever: ``started_ticks`` is field 22 of /proc/PID/stat, ``boot_id`` the kernel's."""

    pid: int
    started_ticks: int
    boot_id: str

    def is_alive(self) -> bool:
        """True while this very process runs (a zombie does not run)."""
        return identify(self.pid) == self


def boot_id() -> str:
    """An identifier of this boot of this machine."""
    return _BOOT_ID.read_text().strip()


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third (state) on, or None where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of the process that has ``pid`` now; None if none has, or only a zombie."""
    fields = _stat(pid)
    if fields is None or fields[0] in "ZX":
        return None
    return ProcessIdentity(pid, int(fields[19]), boot_id())


def marked_processes(variable: str, value: str) -> list[int]:
    """Pids of the processes that were started with ``variable=value`` in their environment."""
    wanted = f"{variable}={value}".encode()
    found = []
    for pid in _pids():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if wanted in environment.split(b"\0"):
            found.append(pid)
    return found


def session_members(leader: ProcessIdentity) -> list[int]:
    """Pids in the session that ``leader`` opened, whether or not it still lives.

    Safe though the leader may be gone: the kernel gives its pid to nobody while a member of the session remains. If
    another process has the pid, the session is empty.
    """
    if leader.boot_id != boot_id():
        return []
    now = identify(leader.pid)
    if now is not None and now != leader:
        return []
    members = []
    for pid in _pids():
        fields = _stat(pid)
        if fields is not None and fields[0] not in "ZX" and int(fields[3]) == leader.pid:
            members.append(pid)
    return members


def descendants(of: Iterable[int]) -> set[int]:
    """Pids of the living children, grandchildren and so on of ``of``, without ``of`` itself."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        fields = _stat(pid)
        if fields is not None and fields[0] not in "ZX":
            children.setdefault(int(fields[1]), []).append(pid)
    found: set[int] = set()
    waiting = list(of)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def send(identity: ProcessIdentity, signal_number: signal.Signals) -> None:
    """Send a signal to this very process, or to nobody. Its pid cannot be reused in between: a pidfd holds it."""
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return
    try:
        if identity.is_alive():
            signal.pidfd_send_signal(handle, signal_number)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def wait_until_gone(identities: Iterable[ProcessIdentity], timeout_seconds: float) -> list[ProcessIdentity]:
    """Wait for the end of all; returns those that still live when the time is up. Reaps those that are our children."""
    deadline = time.monotonic() + timeout_seconds
    left = list(identities)
    while True:
        for each in left:
            with suppress(ChildProcessError):
                os.waitpid(each.pid, os.WNOHANG)
        left = [each for each in left if each.is_alive()]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(_POLL_SECONDS)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends (prctl(2), PR_SET_CHILD_SUBREAPER), to ``reap`` them.

    Daemons are otherwise left to the machine's first process, and in many containers that one collects nobody: what has
    ended stays in the process table.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(timeout_seconds: float) -> None:
    """Collect children that have ended, until there is none left, or the time is up."""
    deadline = time.monotonic() + timeout_seconds
    with suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(_POLL_SECONDS)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
