"""One place for start and stop: a loop is a daemon thread around ``step``, and a test calls ``step`` by hand.

Used by every shell that works beside its actor's event loop (candidacies, watches). Not for coroutines.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Loop:
    """Calls ``step()`` again and again until stopped. Subclasses write ``step`` and wait in it by ``self.pause``.

    An exception in a step goes to ``on_crash`` (default: logged, and the loop goes on after ``crash_pause_seconds``):
    a helper thread that dies in silence is the worst of all failures.
    """

    crash_pause_seconds = 1.0

    def __init__(self, name: str, on_crash: Callable[[BaseException], None] | None = None) -> None:
        self.name = name
        self._on_crash = on_crash
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------------------------------------------- lifecycle
    def start(self) -> None:
        """Begin; a loop starts once."""
        assert self._thread is None, f"loop {self.name} was started before"
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self, timeout_seconds: float = 5.0) -> bool:
        """Ask the loop to end and wait for it. False if it is still in a step after the timeout."""
        self._stopping.set()
        self.interrupt()
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    @property
    def stopping(self) -> threading.Event:
        """Set once ``stop`` was called."""
        return self._stopping

    def pause(self, seconds: float) -> bool:
        """Wait that long, or until stopped. True if stopped."""
        return self._stopping.wait(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.step()
            except BaseException as error:
                if self._on_crash is not None:
                    self._on_crash(error)
                else:
                    log.exception("loop.crashed name=%s", self.name)
                self.pause(self.crash_pause_seconds)

    # ------------------------------------------------------------------------------------------------ to override
    def step(self) -> None:
        """One turn."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Make a step that waits for something other than ``pause`` return. Called by ``stop``, from its thread."""
        return None
