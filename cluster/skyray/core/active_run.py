"""One unfinished run in memory: its task instances by position, and counts that make readiness incremental.

A TI that ends changes only the counts of its direct dependents: work grows with edges, never with runs times tasks.
"""

from __future__ import annotations

from skyray.core.messages import RunContext
from skyray.core.model import Run, TaskInstance
from skyray.core.structure import Structure
from skyray.core.trigger_rules import UpstreamCounts


class ActiveRun:
    """A queued or running run. ``unfinished``: TIs not in a terminal state; ``active``: attempts with executors;
    ``moving``: unfinished TIs that will move by themselves (ready, with an executor, or waiting for a retry)."""

    __slots__ = ("_context", "active", "age", "counts", "instances", "moving", "run", "structure", "unfinished")

    def __init__(self, run: Run, structure: Structure, instances: list[TaskInstance]) -> None:
        self.run = run
        self.structure = structure
        self.instances = instances
        self.counts = [UpstreamCounts(total) for total in structure.upstream_total]
        self.unfinished = 0
        self.active = 0
        self.moving = 0
        self.age = run.logical_date.timestamp() if run.logical_date else run.run_after
        self._context: RunContext | None = None

    def active_of(self, position: int) -> int:
        """Attempts of one task that are with executors, in this run."""
        return 1 if self.instances[position].state.is_active else 0

    def context(self) -> RunContext:
        """What attempts of this run are told of it; one object for all of them."""
        if self._context is None:
            run = self.run
            self._context = RunContext(
                dag_id=run.dag_id,
                run_id=run.run_id,
                run_type=run.run_type,
                dag_version=run.version,
                bundle_digest=self.structure.bundle_digest,
                relative_path=self.structure.spec.relative_path,
                logical_date=run.logical_date,
                data_interval_start=run.data_interval_start,
                data_interval_end=run.data_interval_end,
                run_after=run.run_after,
                queued_at=run.queued_at,
                start_date=run.start_date,
                conf=run.conf,
                triggered_by=run.triggered_by,
            )
        return self._context
