"""What can happen to a World (events in), and what it wants done about it (effects out).

The shell gathers events, calls ``World.handle(events, now)``, writes ``Effects.writes`` in one transaction, then sends
the rest. Everything is plain data.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from skyray.core.messages import AttemptSpec, Report
from skyray.core.model import (
    AttemptRecord,
    DagRecord,
    DagVersion,
    Json,
    Pool,
    Run,
    TaskInstance,
    XComRecord,
)


# ------------------------------------------------------------------------------------------------------------ events
@dataclass(frozen=True, slots=True)
class Tick:
    """Nothing but time has passed. The shell sends it when ``World.next_wakeup()`` is due."""


@dataclass(frozen=True, slots=True)
class Reported:
    """An executor reports about attempts. Late and duplicate reports are normal."""

    executor: str  # name#incarnation
    reports: tuple[Report, ...]


@dataclass(frozen=True, slots=True)
class ExecutorUp:
    """An executor answered ``attach``: ``held`` are the attempts of this partition that it knows, ended or not."""

    name: str
    incarnation: str
    held: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecutorDown:
    """An executor no longer answers: nothing is dispatched to it. Its attempts are lost only when it comes back as a
    new incarnation, or after ``WorldConfig.executor_gone_seconds``."""

    name: str
    incarnation: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NodeResources:
    """Total resources and labels of one alive Ray node."""

    node_id: str
    total: tuple[tuple[str, float], ...]
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterChanged:
    """The alive Ray nodes, whenever their set or their resources changed."""

    nodes: tuple[NodeResources, ...]


@dataclass(frozen=True, slots=True)
class PoolsChanged:
    """The pool definitions as they are now (all of them)."""

    pools: tuple[Pool, ...]


@dataclass(frozen=True, slots=True)
class LeaseChanged:
    """The Pools actor's newest word: this leader may occupy up to ``leases[pool]`` slots; ``recalled`` pools are
    wanted elsewhere, so slots that come free go back at once. ``math.inf`` for a pool without limit."""

    leases: tuple[tuple[str, float], ...]
    recalled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolsLost:
    """The Pools actor restarted or is unreachable. Leases stay as they are, no new ones until LeaseChanged."""


@dataclass(frozen=True, slots=True)
class Command:
    """A row of the durable inbox: something that a user or the DagProcessor asked for. Answered exactly once.

    kind, payload -> result:
      dag_changed   {"dag_id"}; the shell attaches ``dag`` and ``version`` -> {}
      dag_retired   {"dag_id"} -> {}
      trigger_run   {"dag_id", "run_id"?, "logical_date"? (ISO 8601 or absent), "conf"?, "note"?, "triggered_by"?,
                     "run_after"?} -> {"run_id", "seq"}
                     The shell adds "_exists": "run_id" or "logical_date" where the database has a run of that identity,
                     which may have ended and be unknown to the World: a conflict.
      pause_dag / unpause_dag {"dag_id"} -> {}
      delete_dag    {"dag_id"} -> {}   conflict while it has unfinished runs; it comes back when its file is parsed next
      cancel_run    {"dag_id", "run_id", "note"?} -> {"state"}   unfinished TIs are stopped and skipped, run failed
    """

    command_id: int
    kind: str
    payload: Json
    dag: DagRecord | None = None
    version: DagVersion | None = None


Event = Tick | Reported | ExecutorUp | ExecutorDown | ClusterChanged | PoolsChanged | LeaseChanged | PoolsLost | Command


# ----------------------------------------------------------------------------------------------------------- effects
@dataclass(frozen=True, slots=True)
class CommandResult:
    """The answer to a command: ``code`` is "" for done, or a SkyrayError code with a message."""

    command_id: int
    result: Json = None
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Hand ``attempt`` to the executor. ``missing_inputs``: XComs that the shell adds from its cache or the store."""

    executor: str  # name#incarnation
    attempt: AttemptSpec
    missing_inputs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop an attempt: politely, then by force. Its executor reports Lost(cancelled=True)."""

    executor: str
    attempt_id: int


@dataclass(frozen=True, slots=True)
class Demand:
    """What a leader wants of a pool: one entry for each of its foremost waiting TIs (bounded), best first.

    ``order`` compares across leaders: smaller goes first.
    """

    order: tuple[float, float]
    slots: int


@dataclass(frozen=True, slots=True)
class PoolClaim:
    """A leader's word to the Pools actor about one pool: it keeps ``hold`` of its slots and waits for ``demands``."""

    pool: str
    hold: float
    demands: tuple[Demand, ...] = ()


@dataclass(slots=True)
class Effects:
    """What a batch of events leads to.

    Writes (one transaction, rows in their final state; a created row is not also in ``changed``):
    ``runs_created, tis_created, runs_changed, tis_changed, attempts, xcoms, xcoms_cleared`` (ti_ids whose XComs go:
    a new try starts), ``dags_changed, dags_deleted, results``.

    Sends, after the commit: ``dispatches, cancels, claims, acks`` (by executor: attempts whose reports are folded in).
    """

    runs_created: list[Run] = field(default_factory=list)
    tis_created: list[TaskInstance] = field(default_factory=list)
    runs_changed: list[Run] = field(default_factory=list)
    tis_changed: list[TaskInstance] = field(default_factory=list)
    attempts: list[AttemptRecord] = field(default_factory=list)
    xcoms: list[XComRecord] = field(default_factory=list)
    xcoms_cleared: list[int] = field(default_factory=list)
    dags_changed: list[DagRecord] = field(default_factory=list)
    dags_deleted: list[str] = field(default_factory=list)
    results: list[CommandResult] = field(default_factory=list)

    dispatches: list[Dispatch] = field(default_factory=list)
    cancels: list[Cancel] = field(default_factory=list)
    claims: list[PoolClaim] = field(default_factory=list)
    acks: dict[str, list[int]] = field(default_factory=dict)

    @property
    def has_writes(self) -> bool:
        """True if a transaction is needed."""
        return bool(
            self.runs_created
            or self.tis_created
            or self.runs_changed
            or self.tis_changed
            or self.attempts
            or self.xcoms
            or self.xcoms_cleared
            or self.dags_changed
            or self.dags_deleted
            or self.results
        )
