"""What readers of the store are given, where a record of the core is not enough. Plain data; made by reader.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from skyray.core.model import AttemptRecord, DagRecord, DagSpec, Pool, TaskInstance
from skyray.core.parsed import ParseError


@dataclass(frozen=True, slots=True)
class DagView:
    """A DAG and what its live version says. In lists the ``spec`` is without tasks and groups.

    ``relative_path`` is where its file is now; ``bundle_digest`` the bundle that its live version's tasks come from.
    """

    dag: DagRecord
    spec: DagSpec
    relative_path: str
    bundle_digest: str


@dataclass(frozen=True, slots=True)
class DagVersionView:
    """One version of a DAG, without its spec."""

    dag_id: str
    version: int
    bundle_name: str
    bundle_digest: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TaskInstanceView:
    """A task instance, its ended attempts, oldest first, and the partition whose leader knows more."""

    ti: TaskInstance
    attempts: tuple[AttemptRecord, ...]
    partition: int


@dataclass(frozen=True, slots=True)
class ImportErrorView:
    """Why something of a bundle is not live, and since when."""

    bundle_name: str
    error: ParseError
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool and the slots that are taken, by the state of what takes them."""

    pool: Pool
    queued_slots: int
    running_slots: int
    deferred_slots: int

    @property
    def occupied_slots(self) -> int:
        """Slots that count against the pool's limit."""
        return self.queued_slots + self.running_slots + (self.deferred_slots if self.pool.include_deferred else 0)


@dataclass(frozen=True, slots=True)
class LeaderView:
    """Who leads a partition, or did last. ``epoch`` 0: nobody has led it yet."""

    partition: int
    epoch: int
    holder: str | None
    since: datetime | None
    heartbeat_at: datetime | None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What is going on: counts by state, of unfinished runs and of their task instances.

    ``command_lag_seconds``: for how long the oldest command has waited to be applied.
    """

    runs: Mapping[str, int]
    task_instances: Mapping[str, int]
    command_lag_seconds: float


@dataclass(frozen=True, slots=True)
class Submitted:
    """A command in the inbox, and the partition whose leader will apply it."""

    command_id: int
    partition: int
