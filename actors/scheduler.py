"""The Scheduler actor: stands for every partition, leads those whose lock it holds. Its loop only passes messages on.

Leading is leader.py, standing is candidacy.py. Called by Apis and the DagProcessor (wake, run_command, explain).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from skyray.actors.candidacy import Candidacy, StaleLeaderWatch
from skyray.actors.leader import Leader
from skyray.actors.loop import Loop
from skyray.actors.names import scheduler_name
from skyray.actors.ray_port import RayPort
from skyray.core.events import ClusterChanged, NodeResources
from skyray.settings import Settings
from skyray.store.writer import LeaderStore

log = logging.getLogger(__name__)

COMMAND_SECONDS = 30.0
EXPLAIN_SECONDS = 5.0
NODES_SECONDS = 2.0


class Scheduler:
    """The actor."""

    def __init__(self, settings: Settings, index: int, *, port: RayPort | None = None) -> None:
        self._settings = settings
        self._name = scheduler_name(index)
        self._port = port or RayPort()
        self._port.begin_actor(self._name)
        self._loop = asyncio.get_running_loop()
        self._nodes = _ClusterWatch(self._port, self._cluster_changed)
        self._candidacies = [
            Candidacy(settings.database_url, partition, self._name, new_leader=self._new_leader)
            for partition in range(settings.partitions)
        ]
        self._stale_leaders = StaleLeaderWatch(settings.database_url, self._candidacies)
        for each in self._loops():
            each.start()

    # ---------------------------------------------------------------------------------------------------- commands
    async def wake(self, partition: int) -> None:
        """There is something in the partition's command inbox. Ignored if another scheduler leads it."""
        leader = self._leader(partition)
        if leader is not None:
            leader.wake()

    async def run_command(self, partition: int, command_id: int) -> dict[str, Any]:
        """Have a command of the inbox applied; the CommandResult as a dictionary.

        ``code`` is "not_leader" if this scheduler does not lead the partition (or no longer), "pending" if the command
        was not applied within ``COMMAND_SECONDS``: its row stays, and will be.
        """
        leader = self._leader(partition)
        if leader is None:
            return _no_result(command_id, "not_leader", f"{self._name} does not lead partition {partition}")
        try:
            result = await asyncio.wait_for(leader.result_of(command_id), COMMAND_SECONDS)
        except asyncio.TimeoutError:
            return _no_result(command_id, "pending", f"not applied within {COMMAND_SECONDS:g} s")
        return asdict(result)

    async def explain(self, partition: int, ti_id: int) -> dict[str, str] | None:
        """Why a task instance is not running: {"code", "message"}; None if not known here."""
        leader = self._leader(partition)
        if leader is None:
            return None
        try:
            reason = await asyncio.wait_for(leader.explain(ti_id), EXPLAIN_SECONDS)
        except asyncio.TimeoutError:
            return None
        return None if reason is None else {"code": reason.code, "message": reason.message}

    # ---------------------------------------------------------------------------------------------------- displays
    async def leads(self) -> list[dict[str, Any]]:
        """The partitions led from here, with what each leader has reached (``Leader.readiness``)."""
        return [leader.readiness() for leader in self._leaders()]

    async def info(self) -> dict[str, Any]:
        """Who this is."""
        return {
            "name": self._name,
            "role": "scheduler",
            "node_id": self._port.node_id(),
            "pid": os.getpid(),
            "state": "running",
            "leads": [leader.partition for leader in self._leaders()],
        }

    # ----------------------------------------------------------------------------------------------------- failover
    async def resign(self, partition: int) -> bool:
        """Give a partition's lock back: whoever waits for it leads next. False if it is not led from here."""
        leader = self._leader(partition)
        if leader is None:
            return False
        leader.resign()
        return True

    async def stop(self) -> None:
        """End all threads and give every lock back; the actor is of no use after that."""
        await asyncio.gather(*(asyncio.to_thread(each.stop) for each in self._loops()))

    # ------------------------------------------------------------------------------------------------------ inside
    def _loops(self) -> list[Loop]:
        return [self._nodes, *self._candidacies, self._stale_leaders]

    def _new_leader(self, partition: int, epoch: int, store: LeaderStore) -> Leader:
        leader = Leader(self._settings, partition, epoch, store=store, port=self._port, loop=self._loop)
        nodes = self._nodes.known
        if nodes is not None:
            leader.tell(ClusterChanged(nodes))
        return leader

    def _cluster_changed(self, nodes: tuple[NodeResources, ...]) -> None:
        for leader in self._leaders():
            leader.tell(ClusterChanged(nodes))

    def _leaders(self) -> Iterable[Leader]:
        return [each.leader for each in self._candidacies if each.leader is not None]

    def _leader(self, partition: int) -> Leader | None:
        if not 0 <= partition < len(self._candidacies):
            return None
        return self._candidacies[partition].leader


def _no_result(command_id: int, code: str, message: str) -> dict[str, Any]:
    return {"command_id": command_id, "result": None, "code": code, "message": message}


class _ClusterWatch(Loop):
    """Looks at Ray's nodes every two seconds and says what changed. Blocks, in its own thread, while the head is away:
    then everybody goes on with what was known last."""

    def __init__(self, port: RayPort, changed: Callable[[tuple[NodeResources, ...]], None]) -> None:
        super().__init__("cluster-watch")
        self._port = port
        self._changed = changed
        self.known: tuple[NodeResources, ...] | None = None

    def step(self) -> None:
        """One look."""
        nodes = self._port.nodes()
        if nodes != self.known:
            self.known = nodes
            self._changed(nodes)
        self.pause(NODES_SECONDS)
