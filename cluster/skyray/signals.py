"""Signals for tests: what a shell has just done, so that a test waits for the fact instead of sleeping.

A signal costs one attribute look-up while nobody watches it, and nothing in production ever does. Within one process
only. Raised by the shells in actors/.

>>> leader_elected = Signal("leader_elected")
>>> with leader_elected.watch() as seen:
...     leader_elected.raise_for((0, 7))
...     seen.wait_for(lambda value: value == (0, 7), timeout_seconds=1.0)
(0, 7)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Watch(Generic[T]):
    """What a signal said since the watch began."""

    def __init__(self) -> None:
        self._values: list[T] = []
        self._changed = threading.Condition()

    @property
    def values(self) -> list[T]:
        """Everything said so far, oldest first."""
        with self._changed:
            return list(self._values)

    def wait_for(self, matches: Callable[[T], bool], *, timeout_seconds: float) -> T:
        """The first value that matches, said already or still to come. Raises ``TimeoutError``."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            seen = 0
            while True:
                for value in self._values[seen:]:
                    if matches(value):
                        return value
                seen = len(self._values)
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise TimeoutError(f"not said within {timeout_seconds:g} s; said: {self._values!r}")

    def _say(self, value: T) -> None:
        with self._changed:
            self._values.append(value)
            self._changed.notify_all()


class Signal(Generic[T]):
    """A named fact. ``raise_for`` is a no-op unless a test watches."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._watches: tuple[Watch[T], ...] = ()

    def raise_for(self, value: T) -> None:
        """Tell whoever watches."""
        for watch in self._watches:
            watch._say(value)

    @contextmanager
    def watch(self) -> Iterator[Watch[T]]:
        """Collect what is said within the ``with`` block."""
        watch: Watch[T] = Watch()
        self._watches = (*self._watches, watch)
        try:
            yield watch
        finally:
            self._watches = tuple(each for each in self._watches if each is not watch)


#: (partition, epoch): this process leads the partition from now on.
leader_elected: Signal[tuple[int, int]] = Signal("leader_elected")
#: (partition, epoch): the term is over and its lock given back.
leader_resigned: Signal[tuple[int, int]] = Signal("leader_resigned")
#: (partition, number of events): a batch was decided, written and sent.
batch_done: Signal[tuple[int, int]] = Signal("batch_done")
