"""The Pools actor: the only grantor of pool slots. Books are core/pool_ledger.py; here is only how they are reached.

After a restart the books are rebuilt from Postgres (definitions, who leads) and from what leaders re-register. Called
by leaders (pools_link.py), and by Apis after a definition has changed (``reload``).
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from skyray.actors.names import POOLS
from skyray.actors.ray_port import RayPort
from skyray.actors.wire import PoolsAnswer, StaleSessionError
from skyray.core.events import PoolClaim
from skyray.core.model import Pool
from skyray.core.pool_ledger import PoolLedger
from skyray.settings import Settings
from skyray.store.errors import StoreUnavailableError
from skyray.store.pool_books import read_pools_and_epochs

log = logging.getLogger(__name__)

WAIT_SECONDS = 10.0
RELOAD_SECONDS = 10.0  # a nudge can be lost with its sender
RETRY_SECONDS = 0.5

Definitions = tuple[Sequence[Pool], Mapping[int, int]]


class Pools:
    """The actor. ``read`` gives the definitions, and the newest epoch of each partition."""

    def __init__(
        self, settings: Settings, *, port: RayPort | None = None, read: Callable[[], Definitions] | None = None
    ) -> None:
        self._port = port or RayPort()
        self._port.begin_actor(POOLS)
        self._read = read or partial(read_pools_and_epochs, settings.database_url)
        self._incarnation = uuid.uuid4().hex
        self._ledger: PoolLedger | None = None
        self._begun = asyncio.Event()
        self._changed = asyncio.Event()
        self._reloading = asyncio.create_task(self._reload_for_ever(), name="pools-reload")

    # ---------------------------------------------------------------------------------------------------- leaders
    async def register(self, partition: int, epoch: int, seq: int, holds: dict[str, float]) -> PoolsAnswer:
        """A leader presents itself with the slots that it may occupy at this moment. First word to this incarnation.

        Raises ``LeadershipLostError`` to one of an older epoch, as every call does.
        """
        await self._begun.wait()
        self._books.register(partition, epoch, seq, holds)
        return self._announce(partition)

    async def claim(self, partition: int, epoch: int, seq: int, claims: list[PoolClaim]) -> PoolsAnswer:
        """A leader gives slots back and says what it waits for. Raises ``StaleSessionError`` before ``register``."""
        self._check_registered(partition)
        try:
            self._books.claim(partition, epoch, seq, claims)
        except KeyError as error:
            raise StaleSessionError(str(error)) from None
        return self._announce(partition)

    async def wait_for_change(self, partition: int, epoch: int, incarnation: str, version: int) -> PoolsAnswer:
        """The partition's view once it is newer than ``version``; as it is after ``WAIT_SECONDS``."""
        if incarnation != self._incarnation:
            raise StaleSessionError("the Pools actor was restarted; register again")
        self._check_registered(partition)
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while self._books.view(partition).version <= version:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except asyncio.TimeoutError:
                break
        self._books.check(partition, epoch)
        return self._answer(partition)

    # ------------------------------------------------------------------------------------------------------- Apis
    async def reload(self) -> None:
        """The definitions may have changed: read them now."""
        await self._reload()

    async def info(self) -> dict[str, Any]:
        """Who this is, and the books in short."""
        ledger = self._ledger
        leased = {} if ledger is None else {pool.name: ledger.leased(pool.name) for pool in ledger.pools}
        return {
            "name": POOLS,
            "role": "pools",
            "node_id": self._port.node_id(),
            "pid": os.getpid(),
            "state": "running" if ledger is not None else "starting",
            "leads": [],
            "leased": leased,
            "awaited_partitions": [] if ledger is None else list(ledger.awaited),
        }

    # ------------------------------------------------------------------------------------------------------ inside
    @property
    def _books(self) -> PoolLedger:
        assert self._ledger is not None
        return self._ledger

    def _check_registered(self, partition: int) -> None:
        if self._ledger is None or not self._ledger.has_registered(partition):
            raise StaleSessionError(f"partition {partition} has not registered; register first")

    def _answer(self, partition: int) -> PoolsAnswer:
        return PoolsAnswer(self._incarnation, self._books.view(partition), self._books.pools)

    def _announce(self, partition: int) -> PoolsAnswer:
        """Wake everybody who waits for a change; whose view is the same goes on waiting."""
        self._changed.set()
        self._changed = asyncio.Event()
        return self._answer(partition)

    async def _reload_for_ever(self) -> None:
        while True:
            try:
                await self._reload()
            except StoreUnavailableError as error:
                log.warning("pools.reload_failed error=%s", error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await asyncio.sleep(RELOAD_SECONDS)

    async def _reload(self) -> None:
        pools, epochs = await asyncio.to_thread(self._read)
        if self._ledger is None:
            self._ledger = PoolLedger(pools, epochs)
            self._begun.set()
        elif self._ledger.define(pools):
            self._changed.set()
            self._changed = asyncio.Event()
