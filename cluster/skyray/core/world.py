"""The scheduler's mind: events in, effects out, nothing else. Pure, so that it can be simulated and proven.

The shell (actors/leader.py) gathers events, calls ``World.handle``, writes what the effects ask for in one transaction,
and sends the rest. ``skyray dags test`` does the same with a local executor. All decisions about task instances are
made here; ``_move`` is the only place that changes a task instance's state.

Where things are: admission.py decides who goes next, runs.py how runs begin and end, commands.py what users ask for,
explain.py why something is not running.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skyray.core import commands, runs
from skyray.core.active_run import ActiveRun
from skyray.core.admission import Admission, Entry
from skyray.core.capacity import Capacity
from skyray.core.dags import DagState, run_info_of
from skyray.core.events import (
    Cancel,
    ClusterChanged,
    Command,
    Dispatch,
    Effects,
    Event,
    ExecutorDown,
    ExecutorUp,
    LeaseChanged,
    PoolsChanged,
    PoolsLost,
    Reported,
    Tick,
)
from skyray.core.explain import Reason, explain
from skyray.core.ids import IdSource
from skyray.core.messages import AttemptSpec, Lost, Outcome, OutcomeKind, Report, Started
from skyray.core.model import AttemptRecord, DagRecord, Run, Snapshot, TaskInstance, XComRecord
from skyray.core.retry import may_retry, retry_delay_seconds
from skyray.core.states import TASK_MOVES, TERMINAL_STATES, Move, RunState, TaskState
from skyray.core.structure import Shape, Structure
from skyray.core.trigger_rules import Verdict, evaluate
from skyray.errors import CommandCrashedError, IllegalMoveError

_MOVING_STATES = frozenset(
    {TaskState.SCHEDULED, TaskState.QUEUED, TaskState.RUNNING, TaskState.UP_FOR_RETRY, TaskState.RESTARTING}
)


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """What the core has to know of the settings. Durations in seconds; see Settings for the meaning of each."""

    max_infrastructure_retries: int = 3
    lost_owner_grace_seconds: float = 5.5
    executor_gone_seconds: float = 30.0
    look_ahead_seconds: float = 0.2
    look_ahead_min: int = 2
    look_ahead_max: int = 400


@dataclass(slots=True)
class InFlight:
    """An attempt that an executor holds, or may hold. ``is_abandoned``: its TI has ended without it (cancelled)."""

    ti: TaskInstance
    run: ActiveRun
    position: int
    shape: Shape
    executor: str
    is_abandoned: bool = False


@dataclass(slots=True)
class ExecutorState:
    """An executor as the leader knows it."""

    incarnation: str
    is_up: bool
    in_flight: int = 0


class World:
    """Everything that one partition's leader knows.

    ``now`` is epoch seconds, UTC, and never decreases from call to call. Not thread-safe. After an exception, or after
    a commit that failed, the World must be thrown away and built anew from a snapshot.
    """

    def __init__(
        self, snapshot: Snapshot, *, partition: int, epoch: int, now: float, config: WorldConfig | None = None
    ) -> None:
        self.config = config or WorldConfig()
        self.partition = partition
        self.epoch = epoch
        self.now = now
        self.ids = IdSource(partition, epoch)
        self.dags: dict[str, DagState] = {}
        self.active_runs: dict[tuple[str, str], ActiveRun] = {}
        self.attempts: dict[int, InFlight] = {}
        self.executors: dict[str, ExecutorState] = {}
        self.capacity = Capacity(
            look_ahead_seconds=self.config.look_ahead_seconds,
            look_ahead_min=self.config.look_ahead_min,
            look_ahead_max=self.config.look_ahead_max,
        )
        self.admission = Admission(self.capacity)
        self._shapes: dict[Any, Shape] = {}
        self._structures: dict[tuple[str, int], Structure] = {}
        self._instances: dict[int, tuple[ActiveRun, int]] = {}
        self._timers: list[tuple[float, int, str, Any]] = []
        self._timer_count = 0
        self._executor_turn = 0
        self._touched_runs: dict[int, ActiveRun] = {}
        self._to_evaluate: deque[tuple[ActiveRun, int]] = deque()
        self._effects = Effects()
        self._created_tis: dict[int, TaskInstance] = {}
        self._changed_tis: dict[int, TaskInstance] = {}
        self._created_runs: dict[int, Run] = {}
        self._changed_runs: dict[int, Run] = {}
        self._changed_dags: dict[str, DagRecord] = {}
        self._load(snapshot)

    # ------------------------------------------------------------------------------------------------- the two doors
    def handle(self, events: Sequence[Event], now: float) -> Effects:
        """Take in what has happened up to ``now``; return what to write and what to send.

        A batch is one transaction: rows are returned once, in their final state. The records in the effects are the
        World's own: write them before the next call.
        """
        self.now = max(now, self.now)
        for event in events:
            self._take(event)
            self._evaluate_dependents()
        self._run_timers()
        self._settle_runs()
        self.admission.admit(self._dispatch, self._has_executor)
        effects = self._effects
        effects.claims.extend(self.admission.claims())
        effects.runs_created = list(self._created_runs.values())
        effects.runs_changed = list(self._changed_runs.values())
        effects.tis_created = list(self._created_tis.values())
        effects.tis_changed = list(self._changed_tis.values())
        effects.dags_changed = list(self._changed_dags.values())
        self._effects = Effects()
        for each in (
            self._created_runs,
            self._changed_runs,
            self._created_tis,
            self._changed_tis,
        ):
            each.clear()
        self._changed_dags.clear()
        return effects

    def next_wakeup(self) -> float | None:
        """When a Tick is due, epoch seconds; None if only other events can lead to anything."""
        return self._timers[0][0] if self._timers else None

    def used_slots(self) -> dict[str, int]:
        """Slots of each pool that this leader's attempts occupy."""
        return {name: books.used for name, books in self.admission.pools.items() if books.used}

    def explain(self, ti_id: int) -> Reason | None:
        """Why a task instance is not running; None for one that this World does not hold."""
        found = self._instances.get(ti_id)
        return None if found is None else explain(self, *found)

    # ------------------------------------------------------------------------------------------------------- loading
    def _load(self, snapshot: Snapshot) -> None:
        for version in snapshot.versions:
            self.structure_of(version)
        for record in snapshot.dags:
            state = DagState(record, self._structures[record.dag_id, record.version])
            state.taken_dates.update(snapshot.taken_dates.get(record.dag_id, ()))
            last = snapshot.last_scheduled.get(record.dag_id)
            state.last = None if last is None else run_info_of(last)
            self.dags[record.dag_id] = state
            if record.is_paused:
                self.admission.paused_dags.add(record.dag_id)
        self.admission.change_pools({pool.name: pool for pool in snapshot.pools})
        of_run: dict[int, list[TaskInstance]] = {}
        for ti in snapshot.task_instances:
            of_run.setdefault(ti.run_seq, []).append(ti)
        for run in sorted(snapshot.runs, key=lambda each: (each.run_after, each.seq)):
            structure = self._structures[run.dag_id, run.version]
            loaded = of_run.get(run.seq, [])
            loaded.sort(key=lambda ti: structure.position[ti.task_id])
            self._load_run(ActiveRun(run, structure, loaded))
        for name in {_name_of(flight.executor) for flight in self.attempts.values()}:
            self.set_timer(self.now + self.config.executor_gone_seconds, "executor_gone", name)
        for dag in self.dags.values():
            runs.start_queued(self, dag)
            runs.plan(self, dag)
        self._settle_runs()

    def _load_run(self, active: ActiveRun) -> None:
        run = active.run
        dag = self.dags[run.dag_id]
        self.active_runs[run.dag_id, run.run_id] = active
        (dag.running if run.state is RunState.RUNNING else dag.queued)[run.seq] = active
        for position, ti in enumerate(active.instances):
            self._instances[ti.ti_id] = (active, position)
            if ti.state in TERMINAL_STATES:
                for below in active.structure.downstream[position]:
                    active.counts[below].add(ti.state)
                continue
            active.unfinished += 1
            if ti.state in _MOVING_STATES:
                active.moving += 1
            if ti.state.is_active:
                self._hold(ti, active, position, ti.executor or "")
            elif ti.state in (TaskState.SCHEDULED, TaskState.UP_FOR_RETRY):
                self._await_turn(ti, active, position)
        if run.state is RunState.RUNNING:
            self._touched_runs[run.seq] = active
            runs.set_timeout(self, active)
            for position, ti in enumerate(active.instances):
                if ti.state is TaskState.NONE:
                    self.evaluate(active, position)

    def structure_of(self, version: Any) -> Structure:
        """The compiled form of a DagVersion, made once."""
        key = (version.dag_id, version.version)
        structure = self._structures.get(key)
        if structure is None or structure.spec != version.spec or structure.bundle_digest != version.bundle_digest:
            structure = self._structures[key] = Structure(version, self._shapes)
        return structure

    def forget_structures(self, dag_id: str) -> None:
        """Drop compiled versions of a DAG that no run uses and that are not live."""
        dag = self.dags.get(dag_id)
        keep = set()
        if dag is not None:
            keep = {dag.structure.version}
            keep |= {each.run.version for each in (*dag.queued.values(), *dag.running.values())}
        for key in [key for key in self._structures if key[0] == dag_id and key[1] not in keep]:
            del self._structures[key]

    # -------------------------------------------------------------------------------------------------------- events
    def _take(self, event: Event) -> None:
        match event:
            case Reported():
                for report in event.reports:
                    self._fold_in(event.executor, report)
            case Command():
                try:
                    self._effects.results.append(commands.apply(self, event))
                except Exception as error:
                    raise CommandCrashedError(event.command_id, event.kind, error) from error
            case Tick():
                pass
            case ExecutorUp():
                self._executor_up(event)
            case ExecutorDown():
                state = self.executors.get(event.name)
                if state is not None and state.incarnation == event.incarnation and state.is_up:
                    state.is_up = False
                    self.set_timer(self.now + self.config.executor_gone_seconds, "executor_gone", event.name)
            case ClusterChanged():
                self.capacity.change_nodes(event.nodes)
                self.admission.nodes_changed()
            case PoolsChanged():
                self.admission.change_pools({pool.name: pool for pool in event.pools})
            case LeaseChanged():
                self.admission.change_leases(dict(event.leases), frozenset(event.recalled))
            case PoolsLost():
                self.admission.forget_claims()

    def _executor_up(self, event: ExecutorUp) -> None:
        state = self.executors.get(event.name)
        if state is None or state.incarnation != event.incarnation:
            state = self.executors[event.name] = ExecutorState(event.incarnation, is_up=True)
        state.is_up = True
        held = set(event.held)
        address = f"{event.name}#{event.incarnation}"
        state.in_flight = 0
        for attempt_id, flight in list(self.attempts.items()):
            if _name_of(flight.executor) != event.name:
                continue
            if flight.executor != address:
                self._lose(
                    attempt_id, f"executor {flight.executor} died", may_live=self.config.lost_owner_grace_seconds
                )
                continue
            state.in_flight += 1
            if attempt_id in held:
                held.discard(attempt_id)
            elif flight.is_abandoned:
                self._lose(attempt_id, "cancelled", may_live=0.0)
            else:
                self._send(flight)
        for attempt_id in held:  # of a TI that ended without it, under an earlier leader
            if attempt_id not in self.attempts:
                self._effects.cancels.append(Cancel(address, attempt_id))

    def _run_timers(self) -> None:
        while self._timers and self._timers[0][0] <= self.now:
            _, _, kind, subject = heapq.heappop(self._timers)
            match kind:
                case "ready":
                    ti_id, attempt_id = subject
                    found = self._instances.get(ti_id)
                    if found is not None and found[0].instances[found[1]].attempt_id == attempt_id:
                        self._make_ready(*found)
                case "run_due":
                    dag = self.dags.get(subject)
                    if dag is not None:
                        runs.create_due(self, dag)
                case "start_runs":
                    dag = self.dags.get(subject)
                    if dag is not None:
                        runs.start_queued(self, dag)
                case "run_timeout":
                    runs.time_out(self, subject)
                case "vacate":
                    self.admission.vacate(*subject)
                case "executor_gone":
                    self._executor_gone(subject)
            self._evaluate_dependents()

    def set_timer(self, when: float, kind: str, subject: Any) -> None:
        """Have ``kind`` happen to ``subject`` at ``when``. Timers are never cancelled: who is called checks again."""
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, kind, subject))

    def _executor_gone(self, name: str) -> None:
        state = self.executors.get(name)
        if state is not None and state.is_up:
            return
        self.executors.pop(name, None)
        for attempt_id, flight in list(self.attempts.items()):
            if _name_of(flight.executor) == name:
                self._lose(attempt_id, f"executor {name or '(none)'} is gone", may_live=0.0)

    # ----------------------------------------------------------------------------------------- what became of attempts
    def _fold_in(self, executor: str, report: Report) -> None:
        if not isinstance(report, Started):
            self._effects.acks.setdefault(executor, []).append(report.attempt_id)
        flight = self.attempts.get(report.attempt_id)
        if flight is None or flight.executor != executor:
            return  # late or duplicate: already folded in, or taken for lost
        match report:
            case Started():
                if flight.ti.state is TaskState.QUEUED and not flight.is_abandoned:
                    flight.ti.start_date = report.start_date
                    flight.ti.node_id, flight.ti.pid = report.node_id, report.pid
                    self._move(flight.ti, flight.run, flight.position, Move.START)
            case Outcome():
                self._end(flight, report)
            case Lost():
                self._lose(report.attempt_id, report.reason, may_live=report.may_live_seconds)

    def _end(self, flight: InFlight, outcome: Outcome) -> None:
        ti, active, position = flight.ti, flight.run, flight.position
        self._release(flight)
        state = {OutcomeKind.SUCCESS: TaskState.SUCCESS, OutcomeKind.SKIPPED: TaskState.SKIPPED}.get(
            outcome.kind, TaskState.FAILED
        )
        self._effects.attempts.append(
            AttemptRecord(
                attempt_id=outcome.attempt_id,
                ti_id=ti.ti_id,
                try_number=ti.try_number,
                state=state,
                start_date=outcome.start_date,
                end_date=outcome.end_date,
                queued_at=ti.queued_at,
                executor=flight.executor,
                node_id=outcome.node_id,
                pid=outcome.pid,
                error=outcome.error,
            )
        )
        self.capacity.learn(flight.shape, outcome.end_date - outcome.start_date)
        if flight.is_abandoned:
            return
        ti.start_date, ti.end_date = outcome.start_date, outcome.end_date
        ti.node_id, ti.pid, ti.error = outcome.node_id, outcome.pid, outcome.error
        self._effects.xcoms.extend(XComRecord(ti.ti_id, key, value) for key, value in outcome.xcoms)
        match outcome.kind:
            case OutcomeKind.SUCCESS:
                for task_id in outcome.skipped_task_ids:
                    self._skip_named(active, task_id)
                self._move(ti, active, position, Move.SUCCEED)
            case OutcomeKind.SKIPPED:
                self._move(ti, active, position, Move.SKIP)
            case OutcomeKind.FAILED:
                self._fail(ti, active, position)
            case OutcomeKind.FAILED_FOR_GOOD:
                self._move(ti, active, position, Move.FAIL)

    def _fail(self, ti: TaskInstance, active: ActiveRun, position: int) -> None:
        if not may_retry(ti.try_number, ti.max_tries):
            self._move(ti, active, position, Move.FAIL)
            return
        delay = retry_delay_seconds(
            active.structure.tasks[position],
            try_number=ti.try_number,
            dag_id=ti.dag_id,
            logical_date=active.run.logical_date,
            run_id=ti.run_id,
        )
        ti.not_before = (ti.end_date or self.now) + delay
        self._move(ti, active, position, Move.RETRY)
        self._await_turn(ti, active, position)

    def _lose(self, attempt_id: int, reason: str, *, may_live: float) -> None:
        """The attempt is over and nobody knows how: the TI goes back in line without losing a try, a few times."""
        flight = self.attempts[attempt_id]
        ti, active, position = flight.ti, flight.run, flight.position
        self._release(flight, after_seconds=may_live)
        self._effects.attempts.append(
            AttemptRecord(
                attempt_id=attempt_id,
                ti_id=ti.ti_id,
                try_number=ti.try_number,
                state=TaskState.SKIPPED if flight.is_abandoned else TaskState.SCHEDULED,
                start_date=ti.start_date,
                end_date=self.now,
                queued_at=ti.queued_at,
                executor=flight.executor,
                node_id=ti.node_id,
                pid=ti.pid,
                error=reason,
            )
        )
        if flight.is_abandoned:
            return
        ti.infrastructure_failures += 1
        ti.error = reason
        if ti.infrastructure_failures > self.config.max_infrastructure_retries:
            ti.end_date = self.now
            ti.error = f"lost {ti.infrastructure_failures} times with infrastructure; last: {reason}"
            self._fail(ti, active, position)
            return
        ti.not_before = self.now + may_live if may_live > 0 else None
        ti.start_date = None
        self._move(ti, active, position, Move.LOSE)
        self._await_turn(ti, active, position)

    def _release(self, flight: InFlight, *, after_seconds: float = 0.0) -> None:
        """The attempt holds nothing any more, or, where its process may live on, after that time."""
        del self.attempts[flight.ti.attempt_id]
        state = self.executors.get(_name_of(flight.executor))
        if state is not None and state.in_flight:
            state.in_flight -= 1
        subject = (flight.ti, flight.run, flight.shape)
        if after_seconds > 0:
            self.set_timer(self.now + after_seconds, "vacate", subject)
        else:
            self.admission.vacate(*subject)

    def _skip_named(self, active: ActiveRun, task_id: str) -> None:
        position = active.structure.position.get(task_id)
        if position is None:
            return
        ti = active.instances[position]
        if ti.state in (TaskState.NONE, TaskState.SCHEDULED, TaskState.UP_FOR_RETRY):
            self.stop_waiting(ti, active, position, Move.SKIP)

    def stop_waiting(self, ti: TaskInstance, active: ActiveRun, position: int, move: Move) -> None:
        """End a TI that no executor holds."""
        self.admission.withdraw(ti)
        ti.start_date = ti.start_date or self.now
        ti.end_date = self.now
        self._move(ti, active, position, move)

    def abandon(self, ti: TaskInstance, active: ActiveRun, position: int, move: Move) -> None:
        """End a TI whose attempt is with an executor: the attempt is told to stop, and keeps its slots until it has."""
        flight = self.attempts[ti.attempt_id]
        flight.is_abandoned = True
        self._effects.cancels.append(Cancel(flight.executor, ti.attempt_id))
        ti.start_date = ti.start_date or self.now
        ti.end_date = self.now
        self._move(ti, active, position, move)

    # -------------------------------------------------------------------------------------------- moving task instances
    def _move(self, ti: TaskInstance, active: ActiveRun, position: int, move: Move) -> None:
        """Change a TI's state by the table, and tell its dependents if it has ended."""
        before = ti.state
        after = TASK_MOVES.get((before, move))
        if after is None:
            raise IllegalMoveError(
                f"{ti.dag_id}/{ti.run_id}/{ti.task_id}[{ti.map_index}] cannot {move.value} from {before.value} "
                f"(try {ti.try_number}, attempt {ti.attempt_id}, epoch {self.epoch})"
            )
        ti.state = after
        if ti.ti_id not in self._created_tis:
            self._changed_tis[ti.ti_id] = ti
        active.moving += (after in _MOVING_STATES) - (before in _MOVING_STATES)
        self._touched_runs[active.run.seq] = active
        if after not in TERMINAL_STATES:
            return
        active.unfinished -= 1
        for below in active.structure.downstream[position]:
            active.counts[below].add(after)
            self._to_evaluate.append((active, below))

    def _evaluate_dependents(self) -> None:
        """Breadth first, not by recursion: a skip may run down a chain of thousands."""
        while self._to_evaluate:
            self.evaluate(*self._to_evaluate.popleft())

    def evaluate(self, active: ActiveRun, position: int) -> None:
        """See whether a TI that has not begun can begin, or never will."""
        ti = active.instances[position]
        if ti.state is not TaskState.NONE or active.run.state is not RunState.RUNNING:
            return
        match evaluate(active.structure.tasks[position].trigger_rule, active.counts[position]):
            case Verdict.RUN:
                self._make_ready(active, position)
            case Verdict.SKIP:
                self.stop_waiting(ti, active, position, Move.SKIP)
            case Verdict.UPSTREAM_FAILED:
                self.stop_waiting(ti, active, position, Move.FAIL_UPSTREAM)
            case Verdict.REMOVE:
                self.stop_waiting(ti, active, position, Move.REMOVE)
            case Verdict.WAIT:
                pass

    def _make_ready(self, active: ActiveRun, position: int) -> None:
        """Dependencies are met, or a delay is over: stand in line."""
        ti = active.instances[position]
        if ti.state in (TaskState.NONE, TaskState.UP_FOR_RETRY):
            if ti.try_number:
                # Also what the try before has pushed in this very batch, where its retry is due at once.
                self._effects.xcoms = [each for each in self._effects.xcoms if each.ti_id != ti.ti_id]
                self._effects.xcoms_cleared.append(ti.ti_id)
            ti.try_number += 1
            ti.infrastructure_failures = 0
            self._move(ti, active, position, Move.READY)
        elif ti.state is not TaskState.SCHEDULED:
            return
        ti.scheduled_at = self.now
        ti.not_before = None
        if active.structure.tasks[position].is_empty:
            ti.start_date = ti.end_date = self.now
            self._move(ti, active, position, Move.SUCCEED)
            return
        self.admission.enqueue(ti, active, position)

    def _await_turn(self, ti: TaskInstance, active: ActiveRun, position: int) -> None:
        if ti.not_before is not None and ti.not_before > self.now:
            self.set_timer(ti.not_before, "ready", (ti.ti_id, ti.attempt_id))
        else:
            self._make_ready(active, position)

    # ---------------------------------------------------------------------------------------------------- dispatching
    def _has_executor(self) -> bool:
        return any(state.is_up for state in self.executors.values())

    def _dispatch(self, entry: Entry) -> None:
        ti, active, position = entry.ti, entry.run, entry.position
        name, state = min(
            ((name, state) for name, state in self.executors.items() if state.is_up),
            key=lambda item: item[1].in_flight,
        )
        state.in_flight += 1
        ti.attempt_id = self.ids.next()
        ti.executor = f"{name}#{state.incarnation}"
        ti.queued_at = self.now
        ti.start_date = ti.end_date = None
        ti.node_id = ti.pid = ti.error = None
        self._move(ti, active, position, Move.DISPATCH)
        self._send(self._hold(ti, active, position, ti.executor))

    def _hold(self, ti: TaskInstance, active: ActiveRun, position: int, executor: str) -> InFlight:
        shape = active.structure.shapes[position]
        flight = self.attempts[ti.attempt_id] = InFlight(ti, active, position, shape, executor)
        self.admission.occupy(ti, active, shape)
        return flight

    def _send(self, flight: InFlight) -> None:
        ti, task = flight.ti, flight.run.structure.tasks[flight.position]
        attempt = AttemptSpec(
            attempt_id=ti.attempt_id,
            ti_id=ti.ti_id,
            run=flight.run.context(),
            task_id=ti.task_id,
            map_index=ti.map_index,
            try_number=ti.try_number,
            max_tries=ti.max_tries,
            pool=ti.pool,
            pool_slots=ti.pool_slots,
            priority_weight=ti.priority_weight,
            resources=task.resources,
            execution_timeout_seconds=task.execution_timeout_seconds,
            queued_at=ti.queued_at or self.now,
        )
        self._effects.dispatches.append(Dispatch(flight.executor, attempt, task.xcom_inputs))

    # ------------------------------------------------------------------------------------------- for runs and commands
    def add_run(self, active: ActiveRun) -> None:
        """A run was created: keep it, and have it written."""
        run = active.run
        self.active_runs[run.dag_id, run.run_id] = active
        self.dags[run.dag_id].queued[run.seq] = active
        self._created_runs[run.seq] = run
        active.unfinished = len(active.instances)
        for position, ti in enumerate(active.instances):
            self._instances[ti.ti_id] = (active, position)
            self._created_tis[ti.ti_id] = ti

    def drop_run(self, active: ActiveRun) -> None:
        """A run has ended: forget it. Attempts of it that still run are remembered by ``attempts`` alone."""
        self.active_runs.pop((active.run.dag_id, active.run.run_id), None)
        for ti in active.instances:
            self._instances.pop(ti.ti_id, None)

    def run_changed(self, active: ActiveRun) -> None:
        """Have the run's row written."""
        if active.run.seq not in self._created_runs:
            self._changed_runs[active.run.seq] = active.run

    def dag_changed(self, record: DagRecord) -> None:
        """Have the DAG's row written."""
        self._changed_dags[record.dag_id] = record

    def dag_deleted(self, dag_id: str) -> None:
        """Have the DAG and all that belongs to it deleted."""
        self._changed_dags.pop(dag_id, None)
        self._effects.dags_deleted.append(dag_id)

    def touch(self, active: ActiveRun) -> None:
        """Look at the end of this batch whether the run has ended."""
        self._touched_runs[active.run.seq] = active

    def _settle_runs(self) -> None:
        self._evaluate_dependents()
        while self._touched_runs:
            _, active = self._touched_runs.popitem()
            runs.settle(self, active)
            self._evaluate_dependents()  # a run that ended may have started another


def _name_of(executor: str | None) -> str:
    return (executor or "").partition("#")[0]
