"""Rings the Schedulers when there is something new in a partition's inbox. Used by the DagProcessor.

Every one of them is told: whichever leads the partition looks into the inbox, the others do nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from skyray.actors.names import scheduler_names
from skyray.actors.ray_port import ActorUnreachableError, RayPort
from skyray.settings import Settings

log = logging.getLogger(__name__)

RING_SECONDS = 2.0


class SchedulerBell:
    """Made on an event loop, and rung there."""

    def __init__(self, settings: Settings, port: RayPort | None = None) -> None:
        self._settings = settings
        self._port = port or RayPort()
        self._handles: dict[str, Any] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    def ring(self, partitions: Sequence[int]) -> None:
        """Best effort, without waiting: a leader that is not reached finds its commands when it next looks."""
        for name in scheduler_names(self._settings):
            task = asyncio.get_running_loop().create_task(self._ring_one(name, tuple(partitions)))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _ring_one(self, name: str, partitions: tuple[int, ...]) -> None:
        try:
            handle = self._handles.get(name)
            if handle is None:
                handle = await self._port.find_actor_async(name, self._settings.ray_namespace)
                self._handles[name] = handle
            for partition in partitions:
                await self._port.reply(handle.wake.remote(partition), RING_SECONDS)
        except ActorUnreachableError as error:
            self._handles.pop(name, None)
            log.info("scheduler.not_woken name=%s error=%s", name, error)
