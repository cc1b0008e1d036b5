"""Ways to break into running user code: its time limit, and a stop that comes from outside. Signals and nothing else.

    with TimeLimit(seconds):      # AirflowTaskTimeout in the thread that runs the task
        operator.execute(context)

In the main thread SIGALRM interrupts also what blocks (a sleep, a wait for a child process). Elsewhere only an
asynchronous exception is possible, which waits for the next bytecode. Called by attempt.py.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class AttemptTerminated(BaseException):
    """SIGTERM reached the worker: Ray or an operator of the machine ends it. Not for user code to catch."""


class TimeLimit:
    """Raises ``AirflowTaskTimeout`` inside the block once it has taken ``seconds``; ``None`` or less: no limit."""

    __slots__ = ("_is_over", "_old_handler", "_seconds", "_thread", "_timer")

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._timer: threading.Timer | None = None
        self._old_handler: Any = None
        self._is_over = False

    def __enter__(self) -> TimeLimit:
        if self._seconds is None or self._seconds <= 0:
            return self
        self._thread = threading.get_ident()
        if threading.current_thread() is threading.main_thread():
            self._old_handler = signal.signal(signal.SIGALRM, self._alarm)
            signal.setitimer(signal.ITIMER_REAL, self._seconds)
        else:
            self._timer = threading.Timer(self._seconds, self._raise_in_thread)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
            if error is not None and not str(error) and kind is not None and kind.__name__ == "AirflowTaskTimeout":
                error.args = (self._message(),)
        elif self._old_handler is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._old_handler)

    def _alarm(self, number: int, frame: FrameType | None) -> None:
        from skyray.exceptions import AirflowTaskTimeout

        if not self._is_over:
            raise AirflowTaskTimeout(self._message())

    def _raise_in_thread(self) -> None:
        from skyray.exceptions import AirflowTaskTimeout

        if not self._is_over:
            # The class, not an instance, is all that Python can raise in another thread.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(AirflowTaskTimeout)
            )

    def _message(self) -> str:
        return f"execution_timeout of {self._seconds:g} s is over"


#: Sent to the main thread to end a blocking call, so that Python's handlers of other signals get to run there. Ray
#: blocks SIGINT itself in its workers. Ignored by default, so that one which comes late does no harm.
NUDGE = signal.SIGURG


class StopSignals:
    """While entered, in the main thread, SIGTERM raises ``AttemptTerminated`` there, and ``wakeup_fd`` gets the number
    of every signal at once, whatever the main thread does. In other threads Python allows no handlers: nothing done."""

    __slots__ = ("_is_main", "_old_handler", "_old_nudge_handler", "_old_wakeup_fd", "_wakeup_fd")

    def __init__(self, wakeup_fd: int) -> None:
        self._wakeup_fd = wakeup_fd

    def __enter__(self) -> StopSignals:
        self._is_main = threading.current_thread() is threading.main_thread()
        if self._is_main:
            _register_fork_hooks()
            self._old_nudge_handler = signal.signal(NUDGE, _do_nothing)
            self._old_handler = signal.signal(signal.SIGTERM, _raise_terminated)
            self._old_wakeup_fd = signal.set_wakeup_fd(self._wakeup_fd, warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_main:
            signal.set_wakeup_fd(self._old_wakeup_fd)
            signal.signal(signal.SIGTERM, self._old_handler)
            signal.signal(NUDGE, self._old_nudge_handler)


class ProcessExit(SystemExit):
    """The task called ``os._exit``."""


class ExitCalls:
    """While entered, in the main thread, the task's ``os._exit(n)`` ends the attempt and not the worker.

    Otherwise nobody could tell it from a worker that was killed, which takes none of the author's retries. Processes
    that the task forks, and its other threads, exit as ever.
    """

    __slots__ = ("_exit", "_pid")

    def __enter__(self) -> ExitCalls:
        self._pid, self._exit = os.getpid(), os._exit
        if threading.current_thread() is threading.main_thread():
            os._exit = self._leave  # type: ignore[assignment]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os._exit = self._exit

    def _leave(self, status: int) -> None:
        if os.getpid() == self._pid and threading.current_thread() is threading.main_thread():
            raise ProcessExit(f"os._exit({status})")
        self._exit(status)


def _raise_terminated(number: int, frame: FrameType | None) -> None:
    raise AttemptTerminated


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


_STOPPING = {signal.SIGTERM, signal.SIGINT}
_has_fork_hooks = False
_masks = threading.local()


def _register_fork_hooks() -> None:
    """A process that the task forks (multiprocessing) dies of SIGTERM as usual, and tells its signals to nobody.

    The signals are held back around the fork: the child shares the wake-up pipe until it has let go of it, so that its
    own SIGTERM would look like one of the worker's.
    """
    global _has_fork_hooks
    if not _has_fork_hooks:
        _has_fork_hooks = True
        os.register_at_fork(before=_hold_back, after_in_parent=_let_through, after_in_child=_let_go_in_child)


def _hold_back() -> None:
    _masks.old = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)


def _let_through() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.old)


def _let_go_in_child() -> None:
    if signal.getsignal(signal.SIGTERM) is _raise_terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
    _let_through()
