"""A World with everything around it played by plain Python: executors that say what they are told to say, and a clock.

Used by the core's tests. What is checked after every step is in ``check_invariants``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

from skyray.core.events import Command, CommandResult, Effects, Event, ExecutorUp, LeaseChanged, Reported
from skyray.core.messages import AttemptSpec, Lost, Outcome, OutcomeKind
from skyray.core.model import (
    DEFAULT_POOL,
    DagRecord,
    DagSpec,
    DagVersion,
    Pool,
    Run,
    Snapshot,
    TaskInstance,
    TaskSpec,
)
from skyray.core.states import RunState
from skyray.core.world import World, WorldConfig

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z


class Driver:
    """One partition: its World, the rows that it has written, and the attempts that its executor holds."""

    def __init__(
        self,
        *dags: DagSpec,
        pools: Sequence[Pool] = (Pool(DEFAULT_POOL, 128),),
        now: float = START,
        config: WorldConfig | None = None,
        executors: Sequence[str] = ("executor-0",),
        paused: Sequence[str] = (),
    ) -> None:
        self.now = now
        self.config = config or WorldConfig()
        self.epoch = 1
        self.pools = list(pools)
        self.dags = {
            spec.dag_id: DagRecord(spec.dag_id, 0, "test", 1, is_paused=spec.dag_id in paused) for spec in dags
        }
        self.versions = [DagVersion(spec.dag_id, 1, spec, "digest") for spec in dags]
        self.runs: dict[int, Run] = {}
        self.tis: dict[int, TaskInstance] = {}
        self.held: dict[int, AttemptSpec] = {}
        self.cancelled: list[int] = []
        self.dispatched: list[tuple[str, str, int]] = []  # (run_id, task_id, try_number), in order
        self.attempts: list[tuple[int, str]] = []
        self.results: dict[int, CommandResult] = {}
        self.incarnations = dict.fromkeys(executors, "a")
        self._commands = 0
        self.world = self._new_world()
        self.begin()

    def _snapshot(self) -> Snapshot:
        unfinished = [run for run in self.runs.values() if not run.state.is_terminal]
        seqs = {run.seq for run in unfinished}
        last: dict[str, Run] = {}
        for run in self.runs.values():
            newest = last.get(run.dag_id)
            if run.run_type.value == "scheduled" and (newest is None or run.run_after > newest.run_after):
                last[run.dag_id] = run
        return copy.deepcopy(
            Snapshot(
                dags=list(self.dags.values()),
                versions=self.versions,
                runs=unfinished,
                task_instances=[ti for ti in self.tis.values() if ti.run_seq in seqs],
                last_scheduled=last,
                pools=self.pools,
            )
        )

    def _new_world(self) -> World:
        return World(self._snapshot(), partition=0, epoch=self.epoch, now=self.now, config=self.config)

    def begin(self) -> Effects:
        """What the shell does first: leases, executors."""
        leases = tuple((pool.name, math.inf if pool.slots < 0 else float(pool.slots)) for pool in self.pools)
        ups = [ExecutorUp(name, incarnation, tuple(self.held)) for name, incarnation in self.incarnations.items()]
        return self.do(LeaseChanged(leases), *ups)

    def fail_over(self) -> None:
        """A new leader takes over from what was written; executors go on."""
        self.epoch += 1
        self.world = self._new_world()
        self.begin()

    def do(self, *events: Event) -> Effects:
        """Hand events to the World, write what it says, hold what it dispatches, check everything."""
        effects = self.world.handle(list(events), self.now)
        for run in effects.runs_created:
            assert run.seq not in self.runs
        for ti in effects.tis_created:
            assert ti.ti_id not in self.tis
        for ti in effects.tis_changed:
            assert ti.ti_id in self.tis
        for run in (*effects.runs_created, *effects.runs_changed):
            self.runs[run.seq] = copy.copy(run)
        for ti in (*effects.tis_created, *effects.tis_changed):
            self.tis[ti.ti_id] = copy.copy(ti)
        for record in effects.dags_changed:
            self.dags[record.dag_id] = copy.copy(record)
        for dag_id in effects.dags_deleted:
            del self.dags[dag_id]
        for result in effects.results:
            assert result.command_id not in self.results
            self.results[result.command_id] = result
        self.attempts += [(attempt.attempt_id, attempt.state.value) for attempt in effects.attempts]
        assert len({attempt_id for attempt_id, _ in self.attempts}) == len(self.attempts), "an attempt ended twice"
        for dispatch in effects.dispatches:
            attempt = dispatch.attempt
            if attempt.attempt_id not in self.held:
                self.dispatched.append((attempt.run.run_id, attempt.task_id, attempt.try_number))
            self.held[attempt.attempt_id] = attempt
        self.cancelled += [cancel.attempt_id for cancel in effects.cancels]
        self.check_invariants()
        return effects

    def check_invariants(self) -> None:
        """Limits hold, books agree with what is held."""
        world = self.world
        for name, books in world.admission.pools.items():
            held = sum(flight.ti.pool_slots for flight in world.attempts.values() if flight.ti.pool == name)
            assert books.used >= held
            assert books.used <= max(books.lease, books.used if not books.definition else 0), f"pool {name} over"
        for active in world.active_runs.values():
            states = [ti.state for ti in active.instances]
            assert active.unfinished == sum(not state.is_terminal for state in states)
            assert active.active <= max(active.structure.spec.max_active_tasks, 0)
            stored = self.runs[active.run.seq]
            assert stored.state is active.run.state
            for ti in active.instances:
                assert self.tis[ti.ti_id].state is ti.state, f"{ti.task_id}: {ti.state} was not written"
        for dag in world.dags.values():
            assert dag.count_running() <= dag.max_active_runs

    def command(self, kind: str, **payload: object) -> CommandResult:
        """Send a command and return its answer."""
        self._commands += 1
        self.do(Command(self._commands, kind, payload))
        return self.results[self._commands]

    def trigger(self, dag_id: str, **payload: object) -> str:
        """Trigger a run and return its id."""
        result = self.command("trigger_run", dag_id=dag_id, **payload)
        assert not result.code, result.message
        return str(result.result["run_id"])

    def finish(
        self,
        task_id: str | None = None,
        kind: OutcomeKind = OutcomeKind.SUCCESS,
        *,
        skip: Sequence[str] = (),
        seconds: float = 0.1,
        attempt_id: int | None = None,
    ) -> Effects:
        """Have the (first) held attempt of a task end so."""
        attempt = (
            self.held[attempt_id]
            if attempt_id is not None
            else next(each for each in self.held.values() if task_id in (None, each.task_id))
        )
        self.now += seconds
        outcome = Outcome(
            attempt.attempt_id, kind, self.now - seconds, self.now, "node", 1, skipped_task_ids=tuple(skip)
        )
        return self.report(outcome)

    def lose(self, task_id: str, may_live: float = 0.0) -> Effects:
        """Have the (first) held attempt of a task be lost."""
        attempt = next(each for each in self.held.values() if each.task_id == task_id)
        return self.report(Lost(attempt.attempt_id, "worker crashed", may_live))

    def report(self, report: Outcome | Lost) -> Effects:
        """One report of whichever executor holds the attempt."""
        self.held.pop(report.attempt_id, None)
        flight = self.world.attempts.get(report.attempt_id)
        name, incarnation = next(iter(self.incarnations.items()))
        executor = flight.executor if flight else f"{name}#{incarnation}"
        return self.do(Reported(executor, (report,)))

    def finish_all(self, outcome_of: Callable[[AttemptSpec], OutcomeKind] | None = None) -> None:
        """Play on, one attempt at a time, until nothing is held and no retry is near."""
        for _ in range(100_000):
            if self.held:
                attempt = next(iter(self.held.values()))
                kind = outcome_of(attempt) if outcome_of else OutcomeKind.SUCCESS
                self.finish(kind=kind, attempt_id=attempt.attempt_id)
                continue
            wakeup = self.world.next_wakeup()
            if wakeup is None or wakeup > self.now + 7200:
                return
            self.now = max(self.now, wakeup)
            self.do()
        raise AssertionError("never ends")

    def states(self, run_id: str | None = None) -> dict[str, str]:
        """task_id -> state of one run, or of the only run."""
        seqs = {run.seq for run in self.runs.values() if run_id in (None, run.run_id)}
        assert len(seqs) == 1
        return {ti.task_id: ti.state.value for ti in self.tis.values() if ti.run_seq in seqs}

    def run_state(self, run_id: str | None = None) -> RunState:
        """State of one run, or of the only run."""
        (found,) = [run.state for run in self.runs.values() if run_id in (None, run.run_id)]
        return found

    def held_tasks(self) -> list[str]:
        """Task ids that the executor holds, in order of dispatch."""
        return [attempt.task_id for attempt in self.held.values()]


def dag(dag_id: str, *tasks: TaskSpec, **fields: object) -> DagSpec:
    """A DAG of tasks given in topological order."""
    return DagSpec(dag_id, tasks=tuple(tasks), **fields)  # type: ignore[arg-type]


def task(task_id: str, *upstream: str, **fields: object) -> TaskSpec:
    """A task below others."""
    return TaskSpec(task_id, upstream=tuple(upstream), **fields)  # type: ignore[arg-type]
