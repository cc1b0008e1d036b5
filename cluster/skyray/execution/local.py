"""One run of one DAG in this process, on the same core as the cluster: with neither Ray nor server nor database.

    result = LocalRun(dag, folder=Path("dags"), conf={"day": "monday"}).run()
    result.run.state        # RunState.SUCCESS

Tasks run one after the other, in the order in which the core dispatches them, with standard input and output left
alone: ``breakpoint()`` works. Retry delays are waited for. Not here: printing (cli/dags_test.py). Resources and pools
are not limited: there is one process. Called by cli/dags_test.py.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from skyray.core.events import Command, Dispatch, Effects, Event, ExecutorUp, LeaseChanged, Reported, Tick
from skyray.core.messages import Lost, Outcome, Report, Started
from skyray.core.model import DagRecord, DagVersion, Pool, Run, Snapshot, TaskInstance
from skyray.core.world import World
from skyray.errors import ConflictError, InvalidInputError, UnsupportedFeatureError
from skyray.execution.params import check_conf
from skyray.execution.task_run import TaskRun
from skyray.sdk.serialize import dag_to_spec

if TYPE_CHECKING:
    from skyray.sdk.dag import DAG

_EXECUTOR, _INCARNATION = "local", "0"
_ADDRESS = f"{_EXECUTOR}#{_INCARNATION}"
_XCOM_MAX_BYTES = 16 << 20


class Progress(Protocol):
    """Who wants to know how a local run goes on."""

    def moved(self, ti: TaskInstance) -> None:
        """A task instance has a new state."""

    def waiting(self, seconds: float) -> None:
        """Nothing can run before this time has passed: a retry's delay."""


@dataclass(frozen=True, slots=True)
class LocalResult:
    """An ended run, its task instances in topological order, and what they pushed: (task_id, key) -> JSON."""

    run: Run
    task_instances: tuple[TaskInstance, ...]
    xcoms: dict[tuple[str, str], bytes]


class LocalRun:
    """A World with one DAG, one executor that is this process, and a dictionary for a database."""

    def __init__(
        self,
        dag: DAG,
        *,
        folder: Path,
        relative_path: str = "",
        conf: dict[str, Any] | None = None,
        logical_date: datetime | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._dag = dag
        self._folder = folder
        self._conf = conf or {}
        self._logical_date = logical_date
        self._progress = progress
        # The run takes the one place that there is, so that the DAG's schedule makes no other.
        self._spec = replace(dag_to_spec(dag, relative_path=relative_path), max_active_runs=1)
        self._states: dict[int, str] = {}
        self._task_instances: dict[int, TaskInstance] = {}
        self._xcoms: dict[tuple[str, str], bytes] = {}
        self._queue: deque[Dispatch] = deque()

    def run(self) -> LocalResult:
        """Make a manual run and work until it has ended. Raises ``KeyboardInterrupt`` where a person stops it, and
        ``SkyrayError`` where the run cannot be made."""
        check_conf(self._dag, self._conf)
        self._world = self._make_world()
        run = self._trigger()
        while not run.state.is_terminal:
            if self._queue:
                self._handle(self._attempt(self._queue.popleft()))
            else:
                self._wait()
        return LocalResult(run, tuple(self._task_instances.values()), self._xcoms)

    def _make_world(self) -> World:
        dag_id = self._spec.dag_id
        snapshot = Snapshot(
            dags=[DagRecord(dag_id, 0, "local", 1)],
            versions=[DagVersion(dag_id, 1, self._spec, "local")],
            pools=[Pool(name, -1) for name in sorted({task.pool for task in self._spec.tasks})],
        )
        return World(snapshot, partition=0, epoch=1, now=time.time())

    def _trigger(self) -> Run:
        payload = {
            "dag_id": self._spec.dag_id,
            "conf": self._conf,
            "logical_date": None if self._logical_date is None else self._logical_date.isoformat(),
            "triggered_by": "test",
        }
        effects = self._handle(
            LeaseChanged(tuple((task.pool, math.inf) for task in self._spec.tasks)),
            ExecutorUp(_EXECUTOR, _INCARNATION),
            Command(1, "trigger_run", payload),
        )
        (answer,) = effects.results
        if answer.code:
            raise InvalidInputError(answer.message)
        (run,) = effects.runs_created
        return run

    def _handle(self, *events: Event) -> Effects:
        """What the leader's shell does: commit, here to dictionaries, and then send, here to a queue."""
        effects = self._world.handle(events, time.time())
        for ti in effects.tis_created:
            self._task_instances[ti.ti_id] = ti
        for ti_id in effects.xcoms_cleared:
            task_id = self._task_instances[ti_id].task_id
            self._xcoms = {key: value for key, value in self._xcoms.items() if key[0] != task_id}
        for record in effects.xcoms:
            self._xcoms[self._task_instances[record.ti_id].task_id, record.key] = record.value
        self._tell((*effects.tis_created, *effects.tis_changed))
        self._queue.extend(effects.dispatches)
        if effects.cancels:
            self._drop({cancel.attempt_id for cancel in effects.cancels})
        return effects

    def _tell(self, task_instances: tuple[TaskInstance, ...]) -> None:
        for ti in task_instances:
            if self._states.get(ti.ti_id, "none") != ti.state.value:
                self._states[ti.ti_id] = ti.state.value
                if self._progress is not None:
                    self._progress.moved(ti)

    def _drop(self, attempt_ids: set[int]) -> None:
        """Attempts that were cancelled before they began."""
        dropped = [each.attempt.attempt_id for each in self._queue if each.attempt.attempt_id in attempt_ids]
        self._queue = deque(each for each in self._queue if each.attempt.attempt_id not in attempt_ids)
        if dropped:
            self._handle(_report(*(Lost(attempt_id, "cancelled", cancelled=True) for attempt_id in dropped)))

    def _attempt(self, dispatch: Dispatch) -> Event:
        spec = replace(
            dispatch.attempt, inputs=tuple((pair, self._xcoms.get(pair)) for pair in dispatch.missing_inputs)
        )
        start = time.time()
        self._handle(_report(Started(spec.attempt_id, start, _EXECUTOR, os.getpid())))
        task_run = TaskRun(spec, self, xcom_max_bytes=_XCOM_MAX_BYTES, start=start)
        ending = task_run.ending(lambda: task_run.run(self._dag, self._folder))
        if task_run.was_interrupted:
            raise KeyboardInterrupt
        return _report(
            Outcome(
                attempt_id=spec.attempt_id,
                kind=ending.kind,
                start_date=start,
                end_date=max(start, time.time()),
                node_id=_EXECUTOR,
                pid=os.getpid(),
                error=ending.error,
                xcoms=task_run.xcoms.pushed,
                skipped_task_ids=ending.skipped_task_ids,
            )
        )

    def _wait(self) -> None:
        due = self._world.next_wakeup()
        if due is None:
            raise ConflictError(f"the run of {self._spec.dag_id!r} cannot go on: nothing runs, and nothing is due")
        seconds = due - time.time()
        if seconds > 0:
            if self._progress is not None:
                self._progress.waiting(seconds)
            time.sleep(seconds)
        self._handle(Tick())

    # ------------------------------------------------------------------------------------- WorkerServices, in memory
    def fetch_bundle(self, digest: str) -> bytes:
        """Never called: the DAG is loaded already."""
        raise NotImplementedError

    def read_xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str, map_index: int | None
    ) -> list[tuple[int, bytes]]:
        """XComs of this run, all there is."""
        own_runs = {ti.run_id for ti in self._task_instances.values()}
        if dag_id != self._spec.dag_id or run_id not in own_runs:
            raise UnsupportedFeatureError(
                f"XComs of run {run_id!r} of DAG {dag_id!r} cannot be read here",
                hint="a local run has no database: it knows its own XComs only",
            )
        value = self._xcoms.get((task_id, key))
        return [] if value is None or map_index not in (None, -1) else [(-1, value)]

    def publish_log(self, attempt_id: int, log_path: str, offset: int, data: bytes) -> None:
        """Never called: output is not captured."""

    def started(self, started: Started) -> None:
        """Never called: the World is told directly."""


def _report(*reports: Report) -> Reported:
    return Reported(_ADDRESS, reports)
