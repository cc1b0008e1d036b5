"""What the scheduling core does, one behaviour a test: events in, rows and dispatches out."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from tests.core.driver import START, Driver, dag, task

from skyray.core.events import (
    ClusterChanged,
    Command,
    ExecutorDown,
    ExecutorUp,
    LeaseChanged,
    NodeResources,
    PoolsChanged,
    Reported,
)
from skyray.core.messages import Outcome, OutcomeKind, Started
from skyray.core.model import DagRecord, DagVersion, Pool, ResourceSpec, TimetableSpec
from skyray.core.states import RunState
from skyray.core.world import WorldConfig
from skyray.errors import CommandCrashedError

DIAMOND = dag("d", task("a"), task("b", "a"), task("c", "a"), task("e", "b", "c"))


def test_a_hop_queues_the_dependents_in_the_batch_that_ends_the_upstream() -> None:
    play = Driver(DIAMOND)
    play.trigger("d")
    assert play.held_tasks() == ["a"]
    effects = play.finish("a")
    assert [dispatch.attempt.task_id for dispatch in effects.dispatches] == ["b", "c"]
    assert {ti.task_id: ti.state.value for ti in effects.tis_changed} == {"a": "success", "b": "queued", "c": "queued"}


def test_a_run_ends_in_success_when_every_leaf_has() -> None:
    play = Driver(DIAMOND)
    play.trigger("d")
    play.finish_all()
    assert play.run_state() is RunState.SUCCESS
    assert set(play.states().values()) == {"success"}


def test_the_leaves_decide_so_a_failure_that_a_later_task_handles_is_no_failure() -> None:
    play = Driver(dag("d", task("a"), task("b", "a", trigger_rule="all_done")))
    play.trigger("d")
    play.finish("a", OutcomeKind.FAILED)
    play.finish_all()
    assert play.states() == {"a": "failed", "b": "success"}
    assert play.run_state() is RunState.SUCCESS


def test_upstream_failed_runs_down_a_long_chain_without_recursion() -> None:
    chain = [task("t0"), *(task(f"t{n}", f"t{n - 1}") for n in range(1, 5000))]
    play = Driver(dag("d", *chain))
    play.trigger("d")
    play.finish("t0", OutcomeKind.FAILED)
    assert play.run_state() is RunState.FAILED
    assert play.states()["t4999"] == "upstream_failed"


def test_an_empty_operator_succeeds_without_an_executor_and_counts_as_a_try() -> None:
    play = Driver(dag("d", task("a", is_empty=True), task("b", "a", is_empty=True)))
    play.trigger("d")
    assert play.run_state() is RunState.SUCCESS
    assert not play.dispatched
    assert all(ti.try_number == 1 and ti.start_date is not None for ti in play.tis.values())


def test_a_dag_without_tasks_succeeds() -> None:
    play = Driver(dag("d"))
    play.trigger("d")
    assert play.run_state() is RunState.SUCCESS


def test_a_branch_skips_what_it_did_not_choose_before_that_can_begin() -> None:
    play = Driver(dag("d", task("br"), task("x", "br"), task("y", "br"), task("join", "br", "x", "y")))
    play.trigger("d")
    play.finish("br", skip=["y"])
    play.finish_all()
    assert play.states() == {"br": "success", "x": "success", "y": "skipped", "join": "skipped"}


def test_a_retry_waits_its_delay_and_then_runs_as_the_next_try() -> None:
    play = Driver(dag("d", task("a", retries=2, retry_delay_seconds=60)))
    play.trigger("d")
    play.finish("a", OutcomeKind.FAILED)
    assert play.states() == {"a": "up_for_retry"}
    wakeup = play.world.next_wakeup()
    assert wakeup is not None
    assert wakeup == pytest.approx(play.now + 60)
    play.now = wakeup - 1
    assert not play.do().dispatches
    play.now = wakeup
    play.do()
    assert play.held_tasks() == ["a"]
    play.finish("a", OutcomeKind.FAILED)
    play.finish_all(lambda attempt: OutcomeKind.FAILED)
    assert play.dispatched[-1][2] == 3
    assert play.states() == {"a": "failed"}


def test_fail_for_good_takes_no_retry() -> None:
    play = Driver(dag("d", task("a", retries=5)))
    play.trigger("d")
    play.finish("a", OutcomeKind.FAILED_FOR_GOOD)
    assert play.states() == {"a": "failed"}
    assert play.run_state() is RunState.FAILED


def test_a_lost_attempt_goes_again_at_once_and_takes_none_of_the_authors_retries() -> None:
    play = Driver(dag("d", task("a")))
    play.trigger("d")
    play.lose("a")
    assert play.dispatched == [(play.dispatched[0][0], "a", 1)] * 2
    play.finish("a")
    assert play.run_state() is RunState.SUCCESS
    assert [state for _, state in play.attempts] == ["scheduled", "success"]


def test_a_task_that_kills_its_worker_every_time_fails_in_the_end() -> None:
    play = Driver(dag("d", task("a")), config=WorldConfig(max_infrastructure_retries=2))
    play.trigger("d")
    for _ in range(3):
        play.lose("a")
    assert play.states() == {"a": "failed"}
    (ti,) = play.tis.values()
    assert ti.error == "lost 3 times with infrastructure; last: worker crashed"


def test_a_lost_attempt_whose_process_may_live_keeps_its_slot_until_it_cannot() -> None:
    pools = [Pool("default_pool", 1)]
    play = Driver(dag("d", task("a"), task("z")), pools=pools)
    play.trigger("d")
    assert play.held_tasks() == ["a"]
    play.lose("a", may_live=5.0)
    assert play.held_tasks() == []
    play.now += 5.0
    play.do()
    assert play.held_tasks() == ["a"]


def test_a_report_that_comes_twice_or_late_changes_nothing_and_is_acknowledged() -> None:
    play = Driver(dag("d", task("a")))
    play.trigger("d")
    (attempt_id,) = play.held
    play.finish("a")
    late = Outcome(attempt_id, OutcomeKind.FAILED, 0.0, 1.0)
    effects = play.do(Reported("executor-0#a", (late,)))
    assert not effects.has_writes
    assert effects.acks == {"executor-0#a": [attempt_id]}


def test_a_new_leader_goes_on_where_the_old_one_was_killed() -> None:
    play = Driver(DIAMOND)
    play.trigger("d")
    play.finish("a")
    play.fail_over()
    assert sorted(play.held_tasks()) == ["b", "c"]
    play.finish_all()
    assert play.run_state() is RunState.SUCCESS
    assert sorted(task_id for _, task_id, _ in play.dispatched) == ["a", "b", "c", "e"]


def test_a_new_leader_sends_again_what_was_committed_and_never_sent() -> None:
    play = Driver(dag("d", task("a")))
    play.trigger("d")
    (attempt_id,) = play.held
    play.held.clear()
    play.fail_over()
    assert list(play.held) == [attempt_id]


def test_an_executor_that_died_loses_its_attempts_after_their_grace() -> None:
    play = Driver(dag("d", task("a")))
    play.trigger("d")
    play.do(ExecutorDown("executor-0", "a"))
    play.held.clear()
    play.incarnations["executor-0"] = "b"
    play.do(ExecutorUp("executor-0", "b"))
    assert play.states() == {"a": "scheduled"}
    play.now += play.config.lost_owner_grace_seconds
    play.do()
    assert play.held_tasks() == ["a"]
    play.finish_all()
    assert play.run_state() is RunState.SUCCESS


def test_an_executor_that_never_returns_gives_its_attempts_up() -> None:
    play = Driver(dag("d", task("a")), executors=["executor-0", "executor-1"])
    play.trigger("d")
    holder = next(iter(play.world.attempts.values())).executor.split("#")[0]
    play.do(ExecutorDown(holder, "a"))
    play.held.clear()
    play.now += play.config.executor_gone_seconds
    play.do()
    assert play.held_tasks() == ["a"]
    assert not next(iter(play.world.attempts.values())).executor.startswith(holder)


def test_nothing_is_dispatched_while_no_executor_answers() -> None:
    play = Driver(dag("d", task("a")), executors=[])
    play.trigger("d")
    (ti,) = play.tis.values()
    assert play.world.explain(ti.ti_id).code == "no_executor"
    play.incarnations["executor-0"] = "a"
    play.do(ExecutorUp("executor-0", "a"))
    assert play.held_tasks() == ["a"]


# ------------------------------------------------------------------------------------------------- limits and order
def test_heavier_tasks_go_first() -> None:
    play = Driver(
        dag("d", task("light"), task("heavy", priority_weight=5), task("mid", priority_weight=3)),
        pools=[Pool("default_pool", 1)],
    )
    play.trigger("d")
    play.finish_all()
    assert [task_id for _, task_id, _ in play.dispatched] == ["heavy", "mid", "light"]


def test_max_active_tasks_counts_per_run_and_lets_other_pools_pass() -> None:
    wide = [task(f"a{n}", pool="full") for n in range(3)] + [task("free")]
    play = Driver(dag("d", *wide, max_active_tasks=2), pools=[Pool("default_pool", 9), Pool("full", 1)])
    play.trigger("d")
    assert sorted(play.held_tasks()) == ["a0", "free"]
    play.finish_all()
    assert play.run_state() is RunState.SUCCESS


def test_one_dags_blocked_tasks_do_not_stand_in_front_of_anothers() -> None:
    crowd = dag("crowd", *(task(f"t{n}", priority_weight=9) for n in range(500)), max_active_tasks=1)
    play = Driver(crowd, dag("other", task("x")))
    play.trigger("crowd")
    play.trigger("other")
    assert "x" in play.held_tasks()


def test_a_wide_task_is_not_overtaken_for_ever_in_its_pool() -> None:
    narrow = [task(f"n{n}") for n in range(6)]
    wide = task("wide", pool_slots=3, priority_weight=9)
    play = Driver(dag("d", *narrow, wide), dag("e", task("first"), task("second")), pools=[Pool("default_pool", 3)])
    play.trigger("e")
    play.trigger("d")
    assert play.held_tasks() == ["first", "second"]
    play.finish("first")
    assert play.held_tasks() == ["second"]
    play.finish("second")
    assert play.held_tasks() == ["wide"]


def test_a_task_wider_than_its_pool_waits_with_a_reason_and_blocks_nobody() -> None:
    play = Driver(dag("d", task("wide", pool_slots=5, priority_weight=9), task("n")), pools=[Pool("default_pool", 3)])
    play.trigger("d")
    assert play.held_tasks() == ["n"]
    (wide,) = [ti for ti in play.tis.values() if ti.task_id == "wide"]
    assert play.world.explain(wide.ti_id).message == "it needs 5 slots, pool default_pool has 3"
    play.pools = [Pool("default_pool", 6)]
    play.do(PoolsChanged(tuple(play.pools)), LeaseChanged((("default_pool", 6.0),)))
    assert sorted(play.held_tasks()) == ["n", "wide"]


def test_a_task_that_no_node_can_hold_waits_with_a_reason_until_a_node_comes() -> None:
    gpu = task("gpu", resources=ResourceSpec(num_gpus=2))
    play = Driver(dag("d", gpu, task("cpu")))
    play.do(ClusterChanged((NodeResources("n1", (("CPU", 2.0), ("GPU", 1.0))),)))
    play.trigger("d")
    assert play.held_tasks() == ["cpu"]
    (ti,) = [ti for ti in play.tis.values() if ti.task_id == "gpu"]
    assert play.world.explain(ti.ti_id).message == "no node has 2 GPU (the largest has 1)"
    play.do(ClusterChanged((NodeResources("n1", (("CPU", 2.0),)), NodeResources("n2", (("CPU", 8.0), ("GPU", 4.0))))))
    assert "gpu" in play.held_tasks()


def test_ray_gets_what_fits_and_a_small_look_ahead() -> None:
    play = Driver(dag("d", *(task(f"t{n}") for n in range(50)), max_active_tasks=50))
    play.do(ClusterChanged((NodeResources("n1", (("CPU", 4.0),)),)))
    play.trigger("d")
    assert len(play.held) == 4 + play.config.look_ahead_min


def test_max_active_tis_per_dag_counts_over_all_runs() -> None:
    play = Driver(dag("d", task("a", max_active_tis_per_dag=1)))
    first, second = play.trigger("d"), play.trigger("d")
    assert len(play.held) == 1
    play.finish_all()
    assert play.run_state(first) is play.run_state(second) is RunState.SUCCESS


def test_max_active_runs_holds_later_runs_in_order() -> None:
    play = Driver(dag("d", task("a"), max_active_runs=1))
    runs = [play.trigger("d") for _ in range(3)]
    assert [play.run_state(run) for run in runs] == [RunState.RUNNING, RunState.QUEUED, RunState.QUEUED]
    play.finish("a")
    assert play.run_state(runs[1]) is RunState.RUNNING
    play.finish_all()
    assert [run for run, _, _ in play.dispatched] == runs


# ---------------------------------------------------------------------------------------------------- time and runs
DAILY = TimetableSpec("cron_trigger", (("expression", "0 0 * * *"), ("timezone", "UTC")))


def test_catchup_creates_every_missed_run_within_max_active_runs() -> None:
    start = datetime(2025, 12, 28, tzinfo=timezone.utc)
    spec = dag("d", task("a"), timetable=DAILY, start_date=start, catchup=True, max_active_runs=2)
    play = Driver(spec)
    assert len(play.runs) == 2
    play.finish_all()
    dates = sorted(run.logical_date for run in play.runs.values() if run.logical_date)
    assert dates[:5] == [datetime(2025, 12, day, tzinfo=timezone.utc) for day in (28, 29, 30, 31)] + [
        datetime(2026, 1, 1, tzinfo=timezone.utc)
    ]


def test_a_scheduled_run_is_created_once_for_each_tick_whoever_leads() -> None:
    start = datetime(2025, 12, 31, tzinfo=timezone.utc)
    play = Driver(dag("d", task("a", is_empty=True), timetable=DAILY, start_date=start, catchup=True))
    for _ in range(4):
        play.fail_over()
        wakeup = play.world.next_wakeup()
        assert wakeup is not None
        play.now = wakeup
        play.do()
    run_ids = [run.run_id for run in play.runs.values()]
    assert len(run_ids) == len(set(run_ids)) == 2 + 4


def test_a_paused_dag_makes_and_starts_nothing_and_goes_on_when_unpaused() -> None:
    play = Driver(DIAMOND)
    run = play.trigger("d")
    play.command("pause_dag", dag_id="d")
    play.finish("a")
    assert play.states(run)["b"] == "scheduled"
    second = play.trigger("d")
    assert play.run_state(second) is RunState.QUEUED
    play.command("unpause_dag", dag_id="d")
    play.finish_all()
    assert play.run_state(run) is play.run_state(second) is RunState.SUCCESS


def test_a_try_finds_no_xcoms_of_the_try_before_even_if_it_begins_at_once() -> None:
    play = Driver(dag("d", task("a", retries=1, retry_delay_seconds=0.01), task("b")))
    play.trigger("d")
    failed, other = play.held
    play.now += 1
    outcomes = [
        Outcome(failed, OutcomeKind.FAILED, play.now - 1, play.now - 0.5, "node", 1, xcoms=(("mark", b"1"),)),
        Outcome(other, OutcomeKind.SUCCESS, play.now - 1, play.now - 0.5, "node", 1, xcoms=(("return_value", b"2"),)),
    ]
    effects = play.do(Reported("executor-0#a", tuple(outcomes)))
    assert [dispatch.attempt.try_number for dispatch in effects.dispatches] == [2]
    assert [record.key for record in effects.xcoms] == ["return_value"]
    assert len(effects.xcoms_cleared) == 1


def test_dagrun_timeout_skips_what_is_unfinished_and_stops_what_runs() -> None:
    play = Driver(dag("d", task("a"), task("b", "a"), dagrun_timeout_seconds=60))
    play.trigger("d")
    (attempt_id,) = play.held
    play.now = START + 60
    play.do()
    assert play.run_state() is RunState.FAILED
    assert play.states() == {"a": "skipped", "b": "skipped"}
    assert "dagrun_timeout" in (next(iter(play.runs.values())).note or "")
    assert play.cancelled == [attempt_id]
    assert play.world.used_slots() == {"default_pool": 1}
    play.lose("a")
    assert play.world.used_slots() == {}


def test_a_deadlocked_run_fails_and_says_so() -> None:
    play = Driver(dag("d", task("a", is_empty=True), task("b", "a", trigger_rule="all_skipped")))
    play.trigger("d")
    assert play.states()["b"] == "skipped"


def test_cancel_stops_a_run() -> None:
    play = Driver(DIAMOND)
    run = play.trigger("d")
    play.finish("a")
    result = play.command("cancel_run", dag_id="d", run_id=run)
    assert result.result == {"state": "failed"}
    assert sorted(play.states().values()) == ["skipped", "skipped", "skipped", "success"]
    assert len(play.cancelled) == 2
    assert play.command("cancel_run", dag_id="d", run_id=run).code == "conflict"


def test_a_started_report_of_a_long_attempt_makes_it_running() -> None:
    play = Driver(dag("d", task("a")))
    play.trigger("d")
    (attempt_id,) = play.held
    play.do(Reported("executor-0#a", (Started(attempt_id, play.now, "node", 7),)))
    assert play.states() == {"a": "running"}
    play.finish("a")
    assert play.states() == {"a": "success"}


# --------------------------------------------------------------------------------------------------------- commands
def test_a_run_keeps_its_version_when_the_dag_changes() -> None:
    play = Driver(dag("d", task("a"), task("b", "a")))
    old = play.trigger("d")
    version = DagVersion("d", 2, dag("d", task("x")), "digest2")
    play.do(Command(900, "dag_changed", {"dag_id": "d"}, DagRecord("d", 0, "test", 2), version))
    play.versions.append(version)
    play.dags["d"].version = 2
    new = play.trigger("d")
    play.fail_over()
    play.finish_all()
    assert set(play.states(old)) == {"a", "b"}
    assert set(play.states(new)) == {"x"}
    assert sorted(task_id for _, task_id, _ in play.dispatched) == ["a", "b", "x"]


@pytest.mark.parametrize(
    ("kind", "payload", "code"),
    [
        ("trigger_run", {"dag_id": "nope"}, "not_found"),
        ("trigger_run", {"dag_id": "d", "conf": [1]}, "invalid"),
        ("trigger_run", {"dag_id": "d", "logical_date": "yesterday"}, "invalid"),
        ("trigger_run", {"dag_id": "d", "logical_date": "2026-01-01T00:00:00"}, "invalid"),
        ("trigger_run", {"dag_id": "d", "run_id": "scheduled__x"}, "invalid"),
        ("trigger_run", {"dag_id": "d", "run_id": "a b"}, "invalid"),
        ("trigger_run", {"dag_id": "d", "run_id": "taken"}, "conflict"),
        ("trigger_run", {"dag_id": "d", "run_id": "ended", "_exists": "run_id"}, "conflict"),
        ("trigger_run", {"dag_id": "d", "logical_date": "2026-01-05T00:00:00Z"}, "conflict"),
        ("cancel_run", {"dag_id": "d", "run_id": "nope"}, "conflict"),
        ("delete_dag", {"dag_id": "d"}, "conflict"),
        ("dance", {"dag_id": "d"}, "invalid"),
    ],
)
def test_a_command_that_cannot_be_done_says_why_and_changes_nothing(kind: str, payload: dict, code: str) -> None:
    play = Driver(dag("d", task("a")))
    play.trigger("d", run_id="taken", logical_date="2026-01-05T00:00:00Z")
    before = len(play.runs)
    result = play.command(kind, **payload)
    assert result.code == code
    assert result.message
    assert len(play.runs) == before


def test_delete_removes_a_dag_that_has_no_unfinished_run() -> None:
    play = Driver(dag("d", task("a")))
    play.trigger("d")
    play.finish_all()
    assert play.command("delete_dag", dag_id="d").code == ""
    assert play.command("trigger_run", dag_id="d").code == "not_found"


def test_a_retired_dag_makes_no_run_and_a_running_one_goes_on() -> None:
    play = Driver(DIAMOND)
    run = play.trigger("d")
    play.command("dag_retired", dag_id="d")
    assert play.command("trigger_run", dag_id="d").code == "conflict"
    play.finish_all()
    assert play.run_state(run) is RunState.SUCCESS


def test_a_task_that_leaves_its_runs_line_for_another_limit_lets_the_next_one_in() -> None:
    limited = task("limited", priority_weight=9, max_active_tis_per_dag=1)
    play = Driver(dag("d", task("p", priority_weight=8), limited, task("z"), max_active_tasks=1))
    first = play.trigger("d")
    assert play.held_tasks() == ["limited"]
    second = play.trigger("d")
    assert play.held_tasks() == ["limited", "p"]
    (p_of_second,) = [each.attempt_id for each in play.held.values() if each.task_id == "p"]
    play.finish(attempt_id=p_of_second)  # `limited` of the second run is called first, and is parked at its own limit
    assert sorted((each.run.run_id, each.task_id) for each in play.held.values()) == sorted(
        [(first, "limited"), (second, "z")]
    )


def test_a_command_that_crashes_is_named_so_that_it_can_be_answered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    play = Driver(DIAMOND)

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("skyray.core.runs.create", crash)
    with pytest.raises(CommandCrashedError, match=r"trigger_run failed inside .*: RuntimeError: boom") as info:
        play.command("trigger_run", dag_id="d")
    assert info.value.command_id == 1
