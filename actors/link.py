"""What a leader's connections have in common: a send that fails breaks the wait that is under way. Base class only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skyray.actors.ray_port import ActorUnreachableError, RayPort
from skyray.actors.wire import StaleSessionError
from skyray.errors import LeadershipLostError

BACKOFF_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Fenced:
    """Somebody knows a newer epoch: this term is over."""

    error: LeadershipLostError


class Link:
    """A connection to an actor that is made again after every failure. Made on the event loop that carries it."""

    def __init__(self, port: RayPort) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._broken: asyncio.Future[None] = self._loop.create_future()

    def _fenced(self, error: LeadershipLostError) -> None:
        raise NotImplementedError

    def _mend(self) -> None:
        """A new session begins: failures of the one before are forgotten."""
        self._broken = self._loop.create_future()

    async def _or_broken(self, awaitable: Any) -> Any:
        """Wait, unless a send fails first; then raise ``ActorUnreachableError``."""
        task = asyncio.ensure_future(awaitable)
        try:
            await asyncio.wait((task, self._broken), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise ActorUnreachableError("a message to it was not delivered")
        finally:
            if not task.done():
                task.cancel()

    def _watch(self, call: Any, answered: Callable[[Any], None] | None = None) -> None:
        """See that a send arrives. From any thread; ``answered`` gets the answer in a thread of Ray's."""

        def done(answer: Any, error: BaseException | None) -> None:
            if error is None:
                if answered is not None:
                    answered(answer)
            elif not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._break, error)

        self._port.when_done(call, done)

    def _break(self, error: BaseException) -> None:
        cause = getattr(error, "cause", error)
        if isinstance(cause, LeadershipLostError):
            self._fenced(cause)
        elif isinstance(cause, StaleSessionError):
            return  # a newer session is under way already
        elif not self._broken.done():
            self._broken.set_result(None)
