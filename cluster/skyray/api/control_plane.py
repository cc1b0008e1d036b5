"""What the API's services need of the running actors, as a protocol: actors/api.py implements it, tests fake it.

Everything else comes from Postgres. Every method has its own deadline and raises ``ClusterUnreachableError`` where the
actor in question did not answer within it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from skyray.core.events import CommandResult
from skyray.core.parsed import ParseError


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A Ray node. ``state`` is alive or dead; ``resources`` are totals by Ray resource name."""

    node_id: str
    address: str
    hostname: str
    state: str
    is_head: bool = False
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActorInfo:
    """An actor of the control plane; ``leads`` are the partitions that it leads.

    ``state`` is what it says of itself (running, starting), or restarting, dead or unresponsive where it says nothing.
    """

    name: str
    role: str
    node_id: str
    pid: int
    state: str
    leads: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SubmitReport:
    """What came of a bundle. ``dag_ids`` are those that it defines now."""

    bundle_digest: str
    dag_ids: tuple[str, ...] = ()
    retired_dag_ids: tuple[str, ...] = ()
    errors: tuple[ParseError, ...] = ()


class ControlPlane(Protocol):
    """The actors, as far as the API talks to them."""

    async def run_command(self, partition: int, command_id: int) -> CommandResult | None:
        """Have the partition's leader apply a command of the inbox. None: no leader has applied it yet; ask again."""
        ...

    async def pools_changed(self) -> None:
        """Tell the Pools actor that definitions have changed in the database. Never raises: it looks by itself too."""
        ...

    async def submit_bundle(self, name: str, content: bytes, request_id: str) -> SubmitReport:
        """Have the DagProcessor take over a packed bundle; returns when its DAGs are stored or refused.

        The same ``request_id`` (if not empty) gets the same answer.
        """
        ...

    async def read_log(self, executor: str | None, path: str, offset: int, limit_bytes: int) -> bytes:
        """Part of a log file (its path as ``core.logs.log_path`` has it); empty where there is no more of it yet.

        ``executor``: the actor that keeps it, if known; otherwise every executor is asked.
        """
        ...

    async def nodes(self) -> list[NodeInfo]:
        """The nodes of the Ray cluster."""
        ...

    async def actors(self) -> list[ActorInfo]:
        """The control plane's actors, those that do not answer as well."""
        ...

    async def explain(self, partition: int, ti_id: int) -> str | None:
        """Why a task instance does not run yet, in words; None where its leader knows no reason."""
        ...
