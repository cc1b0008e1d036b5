"""A leader's connection to one executor: attaches, keeps one poll outstanding, and attaches again after every failure.

``run`` is a coroutine on the scheduler's event loop; ``submit``, ``cancel``, ``acknowledge`` and ``go_on`` are called
by the leader's thread. Whatever is heard goes into the leader's queue. Called by leader.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skyray.actors.executor_line import ExecutorLine
from skyray.actors.link import BACKOFF_SECONDS, Fenced, Link
from skyray.actors.ray_port import RayPort
from skyray.actors.wire import Assignment, Attached, WireReport
from skyray.errors import LeadershipLostError, SkyrayError

log = logging.getLogger(__name__)

ATTACH_SECONDS = 5.0
POLL_DEADLINE_SECONDS = 30.0  # an executor answers an idle poll after 20


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The executor answered. The leader's sends belong to this session from the moment it takes this in."""

    link: ExecutorLink
    attached: Attached


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The executor no longer answers."""

    link: ExecutorLink
    incarnation: str
    reason: str


@dataclass(frozen=True, slots=True)
class LinkNews:
    """Reports. The next poll leaves when the leader takes these in (``go_on``): it is on its way while the leader
    commits, and while the leader is busy reports gather at the executor instead of in many small messages."""

    link: ExecutorLink
    address: str
    reports: list[WireReport]


class ExecutorLink(Link):
    """One executor, as one leader reaches it."""

    def __init__(
        self,
        name: str,
        *,
        port: RayPort,
        namespace: str,
        partition: int,
        epoch: int,
        tell: Callable[[LinkUp | LinkDown | LinkNews | Fenced], None],
    ) -> None:
        super().__init__(port)
        self.name = name
        self._namespace = namespace
        self._partition = partition
        self._epoch = epoch
        self._tell = tell
        self._acks: list[int] = []
        self._taken = asyncio.Event()
        # The session that the leader's thread sends under: set by it, when it takes in LinkUp.
        self._handle: Any = None
        self._session = 0
        self._next_handle: Any = None
        self._line: ExecutorLine | None = None
        self._next_line: ExecutorLine | None = None
        self.is_attached = False

    # -------------------------------------------------------------------------------------------- on the event loop
    def _fenced(self, error: LeadershipLostError) -> None:
        self._tell(Fenced(error))

    async def run(self) -> None:
        """Attach and poll, for ever. Cancel to end."""
        failures = 0
        while True:
            incarnation = ""
            try:
                handle = await self._port.find_actor_async(self.name, self._namespace)
                attached: Attached = await self._port.reply(
                    handle.attach.remote(self._partition, self._epoch), ATTACH_SECONDS
                )
                incarnation, failures = attached.incarnation, 0
                self._next_handle = handle
                self._next_line = line = await self._open_line(attached)
                self._acks = []
                self.is_attached = True
                self._tell(LinkUp(self, attached))
                if line is None:
                    await self._poll(handle, attached)
                else:
                    try:
                        line.go([])
                        await line.broken()
                    finally:
                        line.close()
            except LeadershipLostError as error:
                self._tell(Fenced(error))
                return
            except SkyrayError as error:
                self.is_attached = False
                if incarnation:
                    log.warning("executor.down name=%s reason=%s", self.name, error)
                    self._tell(LinkDown(self, incarnation, str(error)))
                failures += 1
                await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1])

    async def _open_line(self, attached: Attached) -> ExecutorLine | None:
        """A connection for this session; None where there is to be none, or can be none."""
        if attached.line is None:
            return None
        address = f"{self.name}#{attached.incarnation}"

        def heard(reports: list[WireReport]) -> None:
            if reports:
                self._tell(LinkNews(self, address, reports))
            else:
                self._ask()

        line = ExecutorLine(attached.line, heard)
        try:
            await line.open()
        except (OSError, asyncio.TimeoutError) as error:
            log.warning("executor.no_line name=%s address=%s reason=%r", self.name, attached.line.host, error)
            return None
        return line

    def _ask(self) -> None:
        """The next reports may come."""
        if self._next_line is None:
            self._taken.set()
        else:
            acks, self._acks = self._acks, []
            self._next_line.go(acks)

    async def _poll(self, handle: Any, attached: Attached) -> None:
        address = f"{self.name}#{attached.incarnation}"
        self._mend()
        while True:
            acks, self._acks = self._acks, []
            call = handle.poll.remote(self._partition, self._epoch, attached.session, acks)
            reports = await self._or_broken(self._port.reply(call, POLL_DEADLINE_SECONDS))
            if reports:
                self._taken.clear()
                self._tell(LinkNews(self, address, reports))
                await self._or_broken(self._taken.wait())

    # ---------------------------------------------------------------------------------------- in the leader's thread
    def adopt(self, attached: Attached) -> None:
        """The leader has taken in LinkUp."""
        self._handle, self._session, self._line = self._next_handle, attached.session, self._next_line

    def go_on(self) -> None:
        """The leader has taken in what came: the next poll may leave."""
        self._loop.call_soon_threadsafe(self._ask)

    def submit(self, assignments: list[Assignment]) -> None:
        """Hand attempts over. If that fails, the link attaches anew and the leader hears what is held."""
        if self._line is not None:
            self._line.submit(assignments)
            return
        self._watch(self._handle.submit.remote(self._partition, self._epoch, self._session, assignments))

    def cancel(self, attempt_ids: list[int]) -> None:
        """Have attempts stopped."""
        if self._line is not None:
            self._line.cancel(attempt_ids)
            return
        self._watch(self._handle.cancel.remote(self._partition, self._epoch, self._session, attempt_ids))

    def acknowledge(self, attempt_ids: list[int]) -> None:
        """These ends are committed; said with the next poll."""
        self._loop.call_soon_threadsafe(self._acks.extend, attempt_ids)
