"""What a running attempt may ask of the rest of the deployment, as a protocol. No implementation here.

The actors package implements it with calls to Ray actors; ``execution.local`` and the tests do it in memory.
"""

from __future__ import annotations

from typing import Protocol

from skyray.core.messages import Started


class WorkerServices(Protocol):
    """The worker's way out. Calls come from the main thread and from one side thread."""

    def fetch_bundle(self, digest: str) -> bytes:
        """The packed bundle of that digest. Raises an ``Exception`` where it cannot be had."""
        ...

    def read_xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str, map_index: int | None
    ) -> list[tuple[int, bytes]]:
        """The values stored under one key as (map_index, JSON), by map index. ``None``: those of every map index."""
        ...

    def publish_log(self, attempt_id: int, log_path: str, offset: int, data: bytes) -> None:
        """Ship ``data``, which begins at ``offset`` of the attempt's output. Does not wait for an answer."""
        ...

    def started(self, started: Started) -> None:
        """Say that an attempt has been running for a moment. Does not wait for an answer."""
        ...
