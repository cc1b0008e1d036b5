"""A leader's connection to the Pools actor: registers, claims, and waits for changes of its leases.

The leader's thread decides what is said and numbers it (``register``, ``claim``); coroutines on the scheduler's event
loop carry it. Whatever is heard goes into the leader's queue, and the leader drops what is older than its own last
word (core/pool_ledger.py says why). Called by leader.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skyray.actors.link import BACKOFF_SECONDS, Fenced, Link
from skyray.actors.names import POOLS
from skyray.actors.ray_port import RayPort
from skyray.actors.wire import PoolsAnswer
from skyray.core.events import PoolClaim
from skyray.errors import LeadershipLostError, SkyrayError

log = logging.getLogger(__name__)

CALL_SECONDS = 5.0
REGISTER_SECONDS = 15.0  # a Pools actor that has just begun reads the database first
WAIT_DEADLINE_SECONDS = 20.0  # the actor answers an idle wait after 10


@dataclass(frozen=True, slots=True)
class PoolsSaid:
    """The Pools actor's word, as an answer or because something changed."""

    answer: PoolsAnswer


@dataclass(frozen=True, slots=True)
class PoolsGone:
    """The Pools actor is unreachable, or a new one that does not know us. The leader registers again."""

    reason: str


class PoolsLink(Link):
    """The Pools actor, as one leader reaches it."""

    def __init__(
        self,
        *,
        port: RayPort,
        namespace: str,
        partition: int,
        epoch: int,
        tell: Callable[[PoolsSaid | PoolsGone | Fenced], None],
    ) -> None:
        super().__init__(port)
        self._namespace = namespace
        self._partition = partition
        self._epoch = epoch
        self._tell = tell
        self._registration: asyncio.Queue[tuple[int, Mapping[str, float]]] = asyncio.Queue()
        self._handle: Any = None
        self._unsent: dict[str, PoolClaim] = {}
        self._unsent_seq = 0
        self.is_registered = False

    # ---------------------------------------------------------------------------------------- in the leader's thread
    def register(self, seq: int, holds: Mapping[str, float]) -> None:
        """Present the leader: it may at this moment occupy ``holds``. Once at start, then after each ``PoolsGone``."""
        self._loop.call_soon_threadsafe(self._registration.put_nowait, (seq, holds))

    def claim(self, seq: int, claims: Sequence[PoolClaim]) -> None:
        """Say what is kept and what is waited for."""
        self._loop.call_soon_threadsafe(self._claim, seq, tuple(claims))

    # -------------------------------------------------------------------------------------------- on the event loop
    def _fenced(self, error: LeadershipLostError) -> None:
        self._tell(Fenced(error))

    async def run(self) -> None:
        """Carry registrations and wait for changes, for ever. Cancel to end."""
        failures = 0
        while True:
            seq, holds = await self._registration.get()
            try:
                self._handle = await self._port.find_actor_async(POOLS, self._namespace)
                call = self._handle.register.remote(self._partition, self._epoch, seq, dict(holds))
                answer: PoolsAnswer = await self._port.reply(call, REGISTER_SECONDS)
                failures = 0
                self._mend()
                self.is_registered = True
                self._tell(PoolsSaid(answer))
                self._send_unsent()
                await self._wait_for_changes(answer)
            except LeadershipLostError as error:
                self._tell(Fenced(error))
                return
            except SkyrayError as error:
                self.is_registered = False
                failures += 1
                log.warning("pools.gone reason=%s", error)
                await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1])
                self._tell(PoolsGone(str(error)))

    async def _wait_for_changes(self, answer: PoolsAnswer) -> None:
        while True:
            call = self._handle.wait_for_change.remote(
                self._partition, self._epoch, answer.incarnation, answer.view.version
            )
            answer = await self._or_broken(self._port.reply(call, WAIT_DEADLINE_SECONDS))
            self._tell(PoolsSaid(answer))

    def _claim(self, seq: int, claims: tuple[PoolClaim, ...]) -> None:
        if not self.is_registered:
            # Kept, the newest for each pool: the registration under way may be older than these.
            self._unsent.update((claim.pool, claim) for claim in claims)
            self._unsent_seq = seq
            return
        self._watch(self._handle.claim.remote(self._partition, self._epoch, seq, list(claims)), self._claim_answered)

    def _send_unsent(self) -> None:
        if self._unsent:
            claims, self._unsent = tuple(self._unsent.values()), {}
            self._claim(self._unsent_seq, claims)

    def _claim_answered(self, answer: PoolsAnswer) -> None:
        """In a thread of Ray's."""
        self._tell(PoolsSaid(answer))
