"""How a mutation is done: a row in the durable inbox, a word to the partition's leader, and its answer.

Called by the services. The row outlives everybody: where a leader dies in between, the next one applies it, and a
client that asks again under the same request id gets the one answer there is.
"""

from __future__ import annotations

import asyncio
import logging

from skyray.api.control_plane import ControlPlane
from skyray.api.errors import error_of_code
from skyray.api.reads import Reads
from skyray.core.events import CommandResult
from skyray.core.model import Json
from skyray.errors import ClusterUnreachableError

_log = logging.getLogger(__name__)
_PAUSE_FIRST_SECONDS = 0.05
_PAUSE_MOST_SECONDS = 0.5


class CommandDesk:
    """Takes commands to leaders. ``wait_seconds``: how long one may take before the client is told to ask again."""

    def __init__(self, reads: Reads, control_plane: ControlPlane, *, wait_seconds: float = 25.0) -> None:
        self._reads = reads
        self._control_plane = control_plane
        self._wait_seconds = wait_seconds

    async def execute(self, kind: str, dag_id: str, payload: dict[str, Json], request_id: str | None) -> Json:
        """Have a command applied; its result. Raises the error that the leader answered with.

        Where no leader answers in time: ``ClusterUnreachableError``; the command stays in the inbox, to be applied.
        """
        submitted = await self._reads.submit_command(kind, dag_id, payload, request_id)
        result = await self._applied(submitted.partition, submitted.command_id)
        if result.code:
            raise error_of_code(result.code, result.message)
        return result.result

    async def _applied(self, partition: int, command_id: int) -> CommandResult:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._wait_seconds
        pause = _PAUSE_FIRST_SECONDS
        while True:
            # The database first: a leader that does not remember an old command would keep us waiting for its answer.
            result = await self._reads.command_result(command_id) or await self._asked(partition, command_id)
            if result is not None:
                return result
            if loop.time() + pause > give_up:
                raise ClusterUnreachableError(
                    f"partition {partition} has had no leader for {self._wait_seconds:g} s;"
                    " the request is recorded and will be done when it has one",
                    hint="`skyray cluster leaders` and `skyray cluster actors` say more",
                )
            await asyncio.sleep(pause)
            pause = min(2 * pause, _PAUSE_MOST_SECONDS)

    async def _asked(self, partition: int, command_id: int) -> CommandResult | None:
        try:
            return await self._control_plane.run_command(partition, command_id)
        except ClusterUnreachableError as error:
            _log.info("api.leader_unreachable partition=%d command=%d error=%s", partition, command_id, error)
            return None
