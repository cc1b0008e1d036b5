"""The one side thread of a worker process: it ships a longer attempt's log, reports it started, and sees signals even
while the main thread is stuck in C code.

    watch = SIDE_THREAD.watch(Watch(…))   # for a short attempt: an assignment, no wake-up, no message
    SIDE_THREAD.unwatch()

Signals arrive through ``signal.set_wakeup_fd``: Python's own handlers run in the main thread, between two bytecodes.
Called by attempt.py.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from skyray.core.messages import Started
from skyray.execution.interrupts import NUDGE
from skyray.execution.log_capture import AttemptLog
from skyray.execution.services import WorkerServices

_PARK_AFTER_BEATS = 40


class Watch:
    """One attempt as the side thread sees it. ``stop`` (the attempt's, once) calls ``on_kill`` and may block."""

    def __init__(
        self,
        *,
        services: WorkerServices,
        started: Started,
        log: AttemptLog,
        started_after_seconds: float,
        stop_grace_seconds: float,
        stop: Callable[[], None],
    ) -> None:
        self._services = services
        self._started = started
        self._log = log
        self._begin = time.monotonic()
        self._started_after_seconds = started_after_seconds
        self._stop_grace_seconds = stop_grace_seconds
        self._stop = stop
        self._said_started = False
        self._terminated_at: float | None = None
        self._is_stopping = False
        self._was_nudged = False

    def beat(self) -> None:
        """Report and ship what is due, and end the process if it was told to end and does not."""
        now = time.monotonic()
        if self._terminated_at is not None:
            self._end_process_when_due(now - self._terminated_at)
        if now - self._begin < self._started_after_seconds:
            return
        if not self._said_started:
            self._services.started(self._started)
            self._said_started = True
        self._log.ship()

    def signalled(self, number: int) -> None:
        """A signal reached the process."""
        if number == signal.SIGTERM and self._terminated_at is None:
            self._terminated_at = time.monotonic()
        elif number == signal.SIGINT and not self._was_nudged:
            # ray.cancel only sets a flag that is seen between two bytecodes: a real signal ends a sleep or a wait, too.
            self._was_nudged = True
            signal.pthread_kill(threading.main_thread().ident or 0, NUDGE)

    def _end_process_when_due(self, waited_seconds: float) -> None:
        """Usually the main thread stops the attempt and ends the process itself before half of the grace is over."""
        if waited_seconds >= self._stop_grace_seconds / 2 and not self._is_stopping:
            self._is_stopping = True
            threading.Thread(target=self._stop, name="on-kill", daemon=True).start()
        if waited_seconds >= self._stop_grace_seconds:
            with contextlib.suppress(Exception):
                self._log.ship()
            end_process()


def end_process() -> NoReturn:
    """End this worker as SIGTERM would, once the messages on their way have had a moment to leave."""
    time.sleep(0.1)
    os._exit(128 + signal.SIGTERM)


class SideThread:
    """Beats while attempts come and go, and sleeps without a timer once none has come for some seconds."""

    def __init__(self, interval_seconds: float = 0.25) -> None:
        self._interval_seconds = interval_seconds
        self._current: Watch | None = None
        self._is_parked = False
        self._pid = 0
        self._fd = -1  # write end: signals, and a zero byte to wake a parked thread
        os.register_at_fork(after_in_child=self._forget)

    def watch(self, watch: Watch) -> int:
        """Take care of an attempt from now on. Returns the descriptor for ``signal.set_wakeup_fd``."""
        if self._pid != os.getpid():
            self._start()
        self._current = watch
        if self._is_parked:
            with contextlib.suppress(BlockingIOError):
                os.write(self._fd, b"\0")
        return self._fd

    def unwatch(self) -> None:
        """The attempt has ended."""
        self._current = None

    def _start(self) -> None:
        read_fd, self._fd = os.pipe()
        os.set_blocking(read_fd, False)
        os.set_blocking(self._fd, False)
        self._pid = os.getpid()
        self._is_parked = False
        threading.Thread(target=self._beat_for_ever, args=(read_fd,), name="skyray-side", daemon=True).start()

    def _forget(self) -> None:
        """In a forked child there is no such thread, and the pipe is the parent's."""
        self._current = None
        self._pid = 0

    def _beat_for_ever(self, read_fd: int) -> None:
        poll = select.poll()
        poll.register(read_fd, select.POLLIN)
        idle_beats = 0
        while True:
            self._is_parked = idle_beats >= _PARK_AFTER_BEATS
            if self._is_parked and self._current is not None:
                self._is_parked = False
            signals = b""
            if poll.poll(None if self._is_parked else self._interval_seconds * 1000):
                with contextlib.suppress(BlockingIOError):
                    signals = os.read(read_fd, 4096)
            watch = self._current
            if watch is None:
                idle_beats += 1
                continue
            idle_beats = 0
            with contextlib.suppress(Exception):  # services that fail now are asked again with the next beat
                for number in signals:
                    watch.signalled(number)
                watch.beat()


SIDE_THREAD = SideThread()
