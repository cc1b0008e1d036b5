"""Leader, executor and pools as they are, connected without Ray: what happens when messages and actors get lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.actors.fakes import FakeCluster, FakeDispatcher, LoopThread, MemoryStore, wait_until

from skyray.actors import frames
from skyray.actors.executor import Executor
from skyray.actors.frames import Frame
from skyray.actors.leader import Leader
from skyray.actors.leader_line import LeaderLine
from skyray.actors.pools import Pools
from skyray.core.messages import OutcomeKind
from skyray.core.model import DagSpec, Pool, TaskSpec
from skyray.errors import CommandCrashedError, LeadershipLostError
from skyray.settings import Settings
from skyray.store.errors import StoreUnavailableError

CHAIN = DagSpec(
    dag_id="chain",
    tasks=(
        TaskSpec("a"),
        TaskSpec("b", upstream=("a",), xcom_inputs=(("a", "return_value"),)),
        TaskSpec("c", upstream=("b",), xcom_inputs=(("a", "return_value"), ("b", "return_value"))),
    ),
)
WIDE = DagSpec(dag_id="wide", tasks=tuple(TaskSpec(f"t{n}") for n in range(6)), max_active_tasks=100)


class Deployment:
    """One leader at a time, one executor, one Pools actor."""

    def __init__(
        self,
        home: Path,
        *specs: DagSpec,
        pools: tuple[Pool, ...] = (Pool("default_pool", 128),),
        has_lines: bool = True,
    ) -> None:
        self.settings = Settings(home=str(home), cancel_grace_seconds=0.05, lost_owner_grace_seconds=0.05)
        self.thread = LoopThread()
        self.cluster = FakeCluster(self.thread, has_lines=has_lines)
        self.store = MemoryStore(*specs, pools=pools)
        self.dispatcher: FakeDispatcher
        self.leader: Leader
        self.errors: list[BaseException] = []
        self.start_executor()
        self.start_pools()
        self.elect()

    def start_executor(self) -> None:
        def dispatcher(ended: Any) -> FakeDispatcher:
            self.dispatcher = FakeDispatcher(ended)
            return self.dispatcher

        self.cluster.actors["executor-0"] = self.thread.make(
            lambda: Executor(self.settings, 0, port=self.cluster, dispatcher=dispatcher)
        )

    def start_pools(self) -> None:
        self.cluster.actors["pools"] = self.thread.make(
            lambda: Pools(
                self.settings,
                port=self.cluster,
                read=lambda: (self.store.pools, {0: self.store.epoch} if self.store.epoch else {}),
            )
        )

    def elect(self) -> None:
        """A new leader, whatever becomes of the one before."""
        view = self.store.as_leader()
        leader = self.leader = Leader(
            self.settings, 0, self.store.epoch, store=view, port=self.cluster, loop=self.thread.loop
        )

        def lead() -> None:
            try:
                leader.lead()
            except Exception as error:  # noqa: BLE001 - the test looks at it
                self.errors.append(error)

        self.leading = threading.Thread(target=lead, daemon=True)
        self.leading.start()

    def run(self, kind: str, **payload: Any) -> Any:
        command_id = self.store.ask(kind, **payload)
        return self.thread.call(self.leader.result_of(command_id))

    def resign(self) -> None:
        self.leader.resign()
        self.leading.join(5)
        assert not self.leading.is_alive()

    def running(self) -> dict[str, int]:
        return {spec.task_id: attempt_id for attempt_id, spec in list(self.dispatcher.running.items())}

    def close(self) -> None:
        self.leader.resign()
        self.leading.join(5)
        self.thread.close()


@pytest.fixture(params=[True, False], ids=["lines", "calls"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(tmp_path, CHAIN, WIDE, has_lines=request.param)
    yield made
    made.close()


def trigger(deployment: Deployment, dag_id: str) -> None:
    result = deployment.run("trigger_run", dag_id=dag_id)
    assert result.code == "", result


def all_ended(deployment: Deployment) -> bool:
    return bool(deployment.store.runs) and all(run.state.is_terminal for run in deployment.store.runs.values())


def test_a_run_goes_from_command_to_success(deployment: Deployment) -> None:
    deployment.dispatcher.finish_at_once = True
    trigger(deployment, "chain")
    wait_until(lambda: all_ended(deployment), "the run ended")
    assert deployment.store.states() == dict.fromkeys("abc", "success")
    wait_until(lambda: len(deployment.store.attempts) == 3, "each attempt is recorded")


def test_inputs_travel_with_the_attempt_without_a_read(deployment: Deployment) -> None:
    trigger(deployment, "chain")
    wait_until(lambda: "a" in deployment.running(), "a runs")
    deployment.dispatcher.finish(deployment.running()["a"], xcoms=(("return_value", b"17"),))
    wait_until(lambda: "b" in deployment.running(), "b runs")
    attempt_id = deployment.running()["b"]
    assert deployment.dispatcher.running[attempt_id].inputs == ((("a", "return_value"), b"17"),)
    deployment.dispatcher.finish(attempt_id)
    wait_until(lambda: "c" in deployment.running(), "c runs")
    inputs = deployment.dispatcher.running[deployment.running()["c"]].inputs
    assert inputs == ((("a", "return_value"), b"17"), (("b", "return_value"), None))
    assert deployment.store.reads == []


def test_a_new_leader_reads_what_its_cache_does_not_have(deployment: Deployment) -> None:
    trigger(deployment, "chain")
    wait_until(lambda: "a" in deployment.running(), "a runs")
    deployment.dispatcher.finish(deployment.running()["a"], xcoms=(("return_value", b"17"),))
    wait_until(lambda: "b" in deployment.running(), "b runs")
    deployment.resign()
    deployment.elect()
    deployment.dispatcher.finish(deployment.running()["b"], xcoms=(("return_value", b'"' + b"x" * 70_000 + b'"'),))
    wait_until(lambda: "c" in deployment.running(), "c runs")
    inputs = deployment.dispatcher.running[deployment.running()["c"]].inputs
    assert inputs == ((("a", "return_value"), b"17"),), "what is too large is left out"
    assert [read[1:] for read in deployment.store.reads] == [("a", "return_value")]


def test_an_outcome_outlives_its_leader_and_is_recorded_once(deployment: Deployment) -> None:
    trigger(deployment, "wide")
    wait_until(lambda: len(deployment.running()) == 6, "all run")
    deployment.resign()
    for attempt_id in list(deployment.running().values()):
        deployment.dispatcher.finish(attempt_id)
    deployment.elect()
    wait_until(lambda: all_ended(deployment), "the run ended")
    assert len(deployment.dispatcher.started) == 6
    assert len({attempt.attempt_id for attempt in deployment.store.attempts}) == len(deployment.store.attempts) == 6


def test_a_leader_that_is_fenced_stops_and_the_next_one_goes_on(deployment: Deployment) -> None:
    trigger(deployment, "wide")
    wait_until(lambda: len(deployment.running()) == 6, "all run")
    old = deployment.leading
    deployment.elect()
    old.join(5)
    assert not old.is_alive()
    assert [type(error) for error in deployment.errors] == [LeadershipLostError]
    for attempt_id in list(deployment.running().values()):
        deployment.dispatcher.finish(attempt_id)
    wait_until(lambda: all_ended(deployment), "the run ended")
    assert len(deployment.dispatcher.started) == 6


def test_a_submit_that_is_lost_is_sent_again_and_runs_once(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.dispatcher.finish_at_once = True
    lost = iter([True, False, True])
    deployment.cluster.lose = lambda name, method: method == "submit" and next(lost, False)
    said = LeaderLine.said

    def lossy(line: LeaderLine, news: list[Frame]) -> None:
        if any(each.kind == frames.SUBMIT and next(lost, False) for each in news):
            assert line._channel is not None
            line._channel.abort()
        else:
            said(line, news)

    monkeypatch.setattr(LeaderLine, "said", lossy)
    trigger(deployment, "chain")
    wait_until(lambda: all_ended(deployment), "the run ended")
    assert deployment.store.states() == dict.fromkeys("abc", "success")
    assert len(deployment.dispatcher.started) == 3
    assert {attempt.state.value for attempt in deployment.store.attempts} == {"success"}


def test_where_no_connection_can_be_made_messages_are_calls(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, CHAIN)
    try:
        wait_until(lambda: deployment.leader.readiness()["executors"] == ["executor-0"], "the executor is reached")
        executor = deployment.cluster.actors["executor-0"]
        deployment.thread.call(executor._listener.close())
        deployment.dispatcher.finish_at_once = True
        trigger(deployment, "chain")
        wait_until(lambda: all_ended(deployment), "the run ended")
        assert len(deployment.dispatcher.started) == 3
        assert deployment.leader._links["executor-0"]._line is None
    finally:
        deployment.close()


def test_an_executor_that_cannot_listen_works_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCluster, "node_ip", lambda port: "192.0.2.1")  # an address of no machine
    deployment = Deployment(tmp_path, CHAIN)
    try:
        deployment.dispatcher.finish_at_once = True
        trigger(deployment, "chain")
        wait_until(lambda: all_ended(deployment), "the run ended")
    finally:
        deployment.close()


def test_attempts_of_a_dead_executor_run_again_and_take_no_retry(deployment: Deployment) -> None:
    trigger(deployment, "wide")
    wait_until(lambda: len(deployment.running()) == 6, "all run")
    deployment.cluster.kill("executor-0")
    deployment.start_executor()
    wait_until(lambda: len(deployment.running()) == 6, "all run again")
    deployment.dispatcher.finish_at_once = True
    for attempt_id in list(deployment.running().values()):
        deployment.dispatcher.finish(attempt_id)
    wait_until(lambda: all_ended(deployment), "the run ended")
    assert {ti.try_number for ti in deployment.store.tis.values()} == {1}


def test_a_cancelled_run_stops_its_attempts_by_force_if_need_be(deployment: Deployment) -> None:
    trigger(deployment, "chain")
    wait_until(lambda: "a" in deployment.running(), "a runs")
    attempt_id = deployment.running()["a"]
    run = next(iter(deployment.store.runs.values()))
    deployment.run("cancel_run", dag_id="chain", run_id=run.run_id)
    wait_until(lambda: deployment.dispatcher.cancels == [(attempt_id, False), (attempt_id, True)], "asked, then forced")
    wait_until(lambda: deployment.running() == {}, "nothing runs")
    wait_until(lambda: len(deployment.store.attempts) == 1, "the end is recorded")


def test_a_failed_commit_ends_the_term_and_nothing_was_sent(deployment: Deployment) -> None:
    deployment.store.fail_next_commit = StoreUnavailableError("gone")
    deployment.store.ask("trigger_run", dag_id="chain")
    deployment.leader.wake()
    deployment.leading.join(5)
    assert [type(error) for error in deployment.errors] == [StoreUnavailableError]
    assert deployment.dispatcher.started == []
    deployment.dispatcher.finish_at_once = True
    deployment.elect()
    wait_until(lambda: all_ended(deployment), "the command waited in the inbox")


def test_a_command_that_crashes_the_core_ends_one_term_and_not_the_next(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    with monkeypatch.context() as patched:
        patched.setattr("skyray.core.runs.create", crash)
        command_id = deployment.store.ask("trigger_run", dag_id="chain")
        deployment.leader.wake()
        deployment.leading.join(5)
    assert [type(error) for error in deployment.errors] == [CommandCrashedError]
    assert deployment.store.results[command_id].code == "internal"
    deployment.dispatcher.finish_at_once = True
    deployment.elect()
    trigger(deployment, "chain")
    wait_until(lambda: all_ended(deployment), "the next term goes on without it")


def test_results_are_remembered_for_those_who_ask_late(deployment: Deployment) -> None:
    command_id = deployment.store.ask("pause_dag", dag_id="chain")
    deployment.leader.wake()
    wait_until(lambda: command_id in deployment.store.results, "it was applied")
    assert deployment.thread.call(deployment.leader.result_of(command_id)).code == ""


def test_who_waits_for_a_result_hears_of_a_change_of_leader(deployment: Deployment) -> None:
    import asyncio

    waiting = asyncio.run_coroutine_threadsafe(deployment.leader.result_of(4711), deployment.thread.loop)
    wait_until(lambda: 4711 in deployment.leader._waiting, "it waits")
    deployment.resign()
    assert waiting.result(5).code == "not_leader"


def test_a_pool_is_obeyed_through_a_restart_of_the_pools_actor(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, WIDE, pools=(Pool("default_pool", 2),))
    try:
        trigger(deployment, "wide")
        wait_until(lambda: len(deployment.running()) == 2, "two run")
        deployment.cluster.kill("pools")
        deployment.start_pools()
        most = 0
        while not all_ended(deployment):
            wait_until(lambda: bool(deployment.running()) or all_ended(deployment), "somebody runs")
            most = max(most, len(deployment.running()))
            for attempt_id in list(deployment.running().values())[:1]:
                deployment.dispatcher.finish(attempt_id)
        assert most == 2
    finally:
        deployment.close()


def test_a_pool_that_grows_lets_more_run(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, WIDE, pools=(Pool("default_pool", 2),))
    try:
        trigger(deployment, "wide")
        wait_until(lambda: len(deployment.running()) == 2, "two run")
        deployment.store.pools = [Pool("default_pool", 5)]
        deployment.thread.call(deployment.cluster.actors["pools"].reload())
        wait_until(lambda: len(deployment.running()) == 5, "five run")
    finally:
        deployment.close()


def test_why_a_task_waits_can_be_asked(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, WIDE, pools=(Pool("default_pool", 2),))
    try:
        trigger(deployment, "wide")
        wait_until(lambda: len(deployment.running()) == 2, "two run")
        waiting = next(ti for ti in deployment.store.tis.values() if ti.state.value == "scheduled")
        reason = deployment.thread.call(deployment.leader.explain(waiting.ti_id))
        assert "default_pool" in reason.message
        assert deployment.thread.call(deployment.leader.explain(1)) is None
    finally:
        deployment.close()


def test_user_failures_reach_the_core(deployment: Deployment) -> None:
    trigger(deployment, "chain")
    wait_until(lambda: "a" in deployment.running(), "a runs")
    deployment.dispatcher.finish(deployment.running()["a"], OutcomeKind.FAILED)
    wait_until(lambda: all_ended(deployment), "the run ended")
    assert deployment.store.states() == {"a": "failed", "b": "upstream_failed", "c": "upstream_failed"}
