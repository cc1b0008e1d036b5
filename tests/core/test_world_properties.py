"""What holds for every DAG, every outcome and every order of events, failovers and losses included."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.core.driver import Driver, dag, task

from skyray.core.events import ExecutorDown, ExecutorUp
from skyray.core.messages import OutcomeKind
from skyray.core.model import DagSpec, Pool
from skyray.core.states import TERMINAL_STATES, RunState, TaskState
from skyray.core.trigger_rules import RULES

POOLS = [Pool("default_pool", 3), Pool("narrow", 1), Pool("free", -1)]
STEPS = ["end", "end", "end", "lose", "time", "takeover", "executor", "pause", "cancel"]
_RULES = sorted(set(RULES) - {"all_done_setup_success"})


@st.composite
def dags(draw: st.DrawFn, dag_id: str = "d") -> DagSpec:
    count = draw(st.integers(1, 9))
    tasks = []
    for n in range(count):
        upstream = [f"t{m}" for m in range(n) if draw(st.integers(0, 2)) == 0]
        pool = draw(st.sampled_from([pool.name for pool in POOLS]))
        tasks.append(
            task(
                f"t{n}",
                *upstream,
                trigger_rule=draw(st.sampled_from(_RULES)),
                retries=draw(st.integers(0, 2)),
                retry_delay_seconds=5.0,
                pool=pool,
                pool_slots=1 if pool == "narrow" else draw(st.integers(1, 3)),
                priority_weight=draw(st.integers(1, 3)),
                is_empty=draw(st.integers(0, 5)) == 0,
                max_active_tis_per_dag=draw(st.sampled_from([None, None, 1])),
            )
        )
    return dag(
        dag_id,
        *tasks,
        max_active_tasks=draw(st.integers(1, 4)),
        max_active_runs=draw(st.integers(1, 3)),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_every_run_ends_whatever_happens_and_in_whatever_order(data: st.DataObject) -> None:
    """Random steps, checked after each by the driver; then everything is let to end."""
    play = Driver(data.draw(dags("d")), data.draw(dags("e")), pools=POOLS)
    for _ in range(data.draw(st.integers(1, 3))):
        play.trigger(data.draw(st.sampled_from(["d", "e"])))
    for _ in range(data.draw(st.integers(0, 25))):
        step = data.draw(st.sampled_from(STEPS))
        if step in ("end", "lose") and play.held:
            attempt = data.draw(st.sampled_from(sorted(play.held.values(), key=lambda each: each.attempt_id)))
            if step == "end":
                others = [other for other in ("t1", "t3", "t5") if other != attempt.task_id]
                skip = data.draw(st.lists(st.sampled_from(others), max_size=1))
                play.finish(kind=data.draw(st.sampled_from(OutcomeKind)), skip=skip, attempt_id=attempt.attempt_id)
            else:
                play.lose(attempt.task_id, may_live=data.draw(st.sampled_from([0.0, 4.0])))
        elif step == "time":
            play.now += data.draw(st.sampled_from([0.5, 4.0, 30.0]))
            play.do()
        elif step == "takeover":
            play.fail_over()
        elif step == "executor":
            play.do(ExecutorDown("executor-0", play.incarnations["executor-0"]))
            play.held.clear()
            play.incarnations["executor-0"] += "+"
            play.do(ExecutorUp("executor-0", play.incarnations["executor-0"]))
        elif step == "pause":
            play.command(data.draw(st.sampled_from(["pause_dag", "unpause_dag"])), dag_id="d")
        elif step == "cancel":
            run = data.draw(st.sampled_from(sorted(play.runs.values(), key=lambda each: each.seq)))
            play.command("cancel_run", dag_id=run.dag_id, run_id=run.run_id)
    play.command("unpause_dag", dag_id="d")
    play.finish_all()
    for run in play.runs.values():
        assert run.state.is_terminal, play.world.active_runs
    for ti in play.tis.values():
        run = play.runs[ti.run_seq]
        is_stuck = run.state is RunState.FAILED and ti.state is TaskState.NONE  # deadlocked by its own trigger rule
        assert ti.state in TERMINAL_STATES or is_stuck
        assert ti.try_number <= ti.max_tries + 1
    assert play.world.used_slots() == {}
    assert not play.world.attempts
    assert play.world.admission.waiting() == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spec=dags(), seed=st.randoms(use_true_random=False))
def test_the_result_does_not_depend_on_the_order_of_outcomes(spec: DagSpec, seed: object) -> None:
    """For rules that wait for all upstreams, which of two independent tasks ends first decides nothing."""
    failing = {each.task_id for each in spec.tasks if each.pool != "default_pool"}
    spec = dag("d", *(task(each.task_id, *each.upstream, trigger_rule="all_done", pool="free") for each in spec.tasks))

    def outcome_of(task_id: str) -> OutcomeKind:
        return OutcomeKind.FAILED if task_id in failing else OutcomeKind.SUCCESS

    results = []
    for _ in range(2):
        play = Driver(spec, pools=POOLS)
        play.trigger("d")
        while play.held:
            attempt = seed.choice(sorted(play.held.values(), key=lambda each: each.task_id))  # type: ignore[attr-defined]
            play.finish(kind=outcome_of(attempt.task_id), attempt_id=attempt.attempt_id)
        results.append((play.states(), play.run_state()))
    assert results[0] == results[1]
