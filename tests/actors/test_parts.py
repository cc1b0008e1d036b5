"""The small parts of the shells: what Ray's exceptions mean, options, caches, words about leases, loops and signals."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
import ray.exceptions

from skyray.actors.attempt_logs import AttemptLogs, remove_old_output
from skyray.actors.dispatch import Failed, ray_options
from skyray.actors.dispatch import lost_by as end_by
from skyray.actors.lease_desk import LeaseDesk
from skyray.actors.loop import Loop
from skyray.actors.ray_port import ActorUnreachableError, translated
from skyray.actors.wire import PoolsAnswer, StaleSessionError
from skyray.actors.xcom_cache import XComCache
from skyray.core.events import Effects, LeaseChanged, PoolClaim, PoolsChanged
from skyray.core.messages import Lost
from skyray.core.model import Pool, ResourceSpec, TaskInstance, XComRecord
from skyray.core.pool_ledger import LeaseView
from skyray.core.states import TaskState
from skyray.errors import LeadershipLostError, SkyrayError
from skyray.signals import Signal


# ---------------------------------------------------------------------------------------------------------- dispatch
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ray.exceptions.WorkerCrashedError(), "worker process died"),
        (ray.exceptions.OutOfMemoryError("used 9 GB"), "memory monitor: used 9 GB"),
        (ray.exceptions.NodeDiedError("node gone"), "node died"),
        (ray.exceptions.TaskUnschedulableError("no such node"), "could not place it"),
        (ray.exceptions.RaySystemError("broken"), "RaySystemError"),
    ],
)
def test_infrastructure_errors_are_losses_of_dead_processes(error: Exception, words: str) -> None:
    lost = end_by(7, error)
    assert isinstance(lost, Lost)
    assert words in lost.reason
    assert (lost.attempt_id, lost.may_live_seconds, lost.cancelled) == (7, 0.0, False)


def test_a_wrong_runtime_env_is_the_users_fault() -> None:
    failed = end_by(7, ray.exceptions.RuntimeEnvSetupError("no such package"))
    assert isinstance(failed, Failed)
    assert "no such package" in failed.error


def test_options_that_ray_refuses_are_the_users_fault() -> None:
    assert isinstance(end_by(7, ValueError("num_gpus must be >= 0")), Failed)


def test_every_resource_becomes_a_ray_option() -> None:
    spec = ResourceSpec(
        num_cpus=0.5,
        num_gpus=1,
        memory=1 << 30,
        resources=(("tpu", 2.0),),
        label_selector=(("zone", "a"),),
        accelerator_type="H200",
        runtime_env_json='{"env_vars": {"A": "1"}}',
    )
    assert ray_options(spec) == {
        "num_cpus": 0.5,
        "num_gpus": 1,
        "memory": 1 << 30,
        "resources": {"tpu": 2.0},
        "label_selector": {"zone": "a"},
        "accelerator_type": "H200",
        "runtime_env": {"env_vars": {"A": "1"}},
    }
    assert ray_options(ResourceSpec()) == {"num_cpus": 1}


# ---------------------------------------------------------------------------------------------------------- ray port
def test_an_actors_own_error_comes_back_as_it_was() -> None:
    for cause in (LeadershipLostError("over"), StaleSessionError("over")):
        error = translated(ray.exceptions.RayTaskError("attach", "traceback", cause))
        assert error is cause


def test_an_actors_bug_is_named() -> None:
    error = translated(ray.exceptions.RayTaskError("attach", "traceback", KeyError("x")))
    assert type(error) is SkyrayError
    assert "KeyError" in error.message


def test_a_dead_actor_is_unreachable_for_good() -> None:
    error = translated(ray.exceptions.ActorDiedError())
    assert isinstance(error, ActorUnreachableError)
    assert error.is_final
    again = translated(ray.exceptions.ActorUnavailableError("restarting", b"0" * 16))
    assert isinstance(again, ActorUnreachableError)
    assert not again.is_final


# -------------------------------------------------------------------------------------------------------- lease desk
def answer(seq: int, version: int, lease: float, *, incarnation: str = "a", slots: int = 8) -> PoolsAnswer:
    return PoolsAnswer(incarnation, LeaseView((("p", lease),), (), seq, version), (Pool("p", slots),))


def test_a_registration_holds_what_may_be_occupied_at_this_moment() -> None:
    desk = LeaseDesk([Pool("p", 8)])
    assert desk.registration({"p": 3}) == (1, {"p": 3})
    desk.take(answer(1, 1, 8))
    assert desk.registration({"p": 3, "q": 1}) == (2, {"p": 8, "q": 1})


def test_an_answer_older_than_our_last_word_is_dropped() -> None:
    desk = LeaseDesk([Pool("p", 8)])
    desk.registration({})
    assert desk.take(answer(1, 1, 8)) == [LeaseChanged((("p", 8),), ())]
    assert desk.word([PoolClaim("p", 2)]) == 2
    assert desk.take(answer(1, 2, 8)) == []
    assert desk.take(answer(2, 3, 4)) == [LeaseChanged((("p", 4),), ())]
    assert desk.take(answer(2, 3, 4)) == [], "the same again"
    assert desk.registration({})[1] == {"p": 4}


def test_answers_of_a_former_pools_actor_are_dropped() -> None:
    desk = LeaseDesk([Pool("p", 8)])
    desk.registration({})
    desk.take(answer(1, 40, 8))
    desk.registration({})
    assert desk.take(answer(1, 41, 8)) == []
    assert desk.take(answer(2, 1, 5, incarnation="b")) == [LeaseChanged((("p", 5),), ())]
    assert desk.take(answer(2, 42, 8)) == []


def test_changed_definitions_are_said() -> None:
    desk = LeaseDesk([Pool("p", 8)])
    desk.registration({})
    assert desk.take(answer(1, 1, 9, slots=9)) == [PoolsChanged((Pool("p", 9),)), LeaseChanged((("p", 9),), ())]


# -------------------------------------------------------------------------------------------------------- XCom cache
def ended(ti_id: int, task_id: str, state: TaskState = TaskState.SUCCESS, **values: bytes) -> Effects:
    ti = TaskInstance(ti_id, 1, "d", "r", task_id, state=state, attempt_id=9)
    return Effects(tis_changed=[ti], xcoms=[XComRecord(ti_id, key, value) for key, value in values.items()])


def test_what_an_ended_task_did_not_push_is_known() -> None:
    cache = XComCache()
    cache.remember(ended(1, "a", x=b"1"))
    assert cache.find((1, "a", "x")) == (True, b"1")
    assert cache.find((1, "a", "y")) == (True, None)
    assert cache.find((1, "b", "x")) == (False, None)


def test_a_task_that_begins_again_is_forgotten() -> None:
    cache = XComCache()
    cache.remember(ended(1, "a", x=b"1"))
    cache.remember(ended(1, "a", TaskState.SCHEDULED))
    assert cache.find((1, "a", "x")) == (False, None)


def test_the_cache_is_bounded_by_bytes_and_drops_the_least_used() -> None:
    cache = XComCache(bytes_max=1000)
    for ti_id, task_id in enumerate("abc", 1):
        cache.remember(ended(ti_id, task_id, x=b"1" * 150))
        cache.find((1, "a", "x"))
    assert [cache.find((1, task_id, "x"))[0] for task_id in "abc"] == [True, False, True]


# ----------------------------------------------------------------------------------------------------- attempt logs
def test_the_number_of_open_files_is_bounded(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skyray.actors.attempt_logs.OPEN_FILES_MAX", 3)
    logs = AttemptLogs(tmp_path)
    for attempt_id in range(10):
        logs.append(attempt_id, f"{attempt_id}.log", 0, b"a")
    for attempt_id in range(10):
        logs.append(attempt_id, f"{attempt_id}.log", 1, b"b")
    assert [logs.read(f"{each}.log", 0, 9).result(5) for each in range(10)] == [(b"ab", 2)] * 10
    assert len(logs._files) == 3


# --------------------------------------------------------------------------------------------------- loops, signals
class Counting(Loop):
    crash_pause_seconds = 0.001

    def __init__(self, **options: Any) -> None:
        super().__init__("counting", **options)
        self.steps = 0
        self.enough = threading.Event()

    def step(self) -> None:
        self.steps += 1
        if self.steps == 3:
            self.enough.set()
            self.pause(10)
        raise RuntimeError(f"step {self.steps}")


def test_a_loop_outlives_its_crashes_and_says_them() -> None:
    crashes: list[BaseException] = []
    loop = Counting(on_crash=crashes.append)
    loop.start()
    assert loop.enough.wait(5)
    assert loop.stop()
    assert [str(error) for error in crashes] == ["step 1", "step 2", "step 3"]


def test_a_signal_tells_watches_only_and_waits_for_what_is_still_to_come() -> None:
    signal: Signal[int] = Signal("done")
    signal.raise_for(1)
    with signal.watch() as seen:
        signal.raise_for(2)
        threading.Timer(0.01, signal.raise_for, (3,)).start()
        assert seen.wait_for(lambda value: value == 3, timeout_seconds=5) == 3
        assert seen.values == [2, 3]
        with pytest.raises(TimeoutError):
            seen.wait_for(lambda value: value == 4, timeout_seconds=0.01)
    signal.raise_for(5)
    assert seen.values == [2, 3]


def test_what_a_dead_process_had_written_is_added_once_to_what_it_had_shipped(tmp_path: Path) -> None:
    logs = AttemptLogs(tmp_path / "logs")
    output = tmp_path / "cache" / "output" / "7"
    output.parent.mkdir(parents=True)
    output.write_bytes(b"one\ntwo\n")
    logs.append(7, "a/b.log", 0, b"one\n")
    assert logs.salvage(7, "a/b.log", output).result(5)
    logs.note(7, "a/b.log", "the worker process died")
    assert logs.read("a/b.log", 0, 100).result(5)[0] == b"one\ntwo\n*** the worker process died ***\n"
    assert not output.exists()
    assert not logs.salvage(8, "a/c.log", output).result(5)


def test_old_output_of_nobody_is_removed(tmp_path: Path) -> None:
    old, new = tmp_path / "1", tmp_path / "2"
    old.write_text("x")
    new.write_text("x")
    os.utime(old, (1, 1))
    remove_old_output(tmp_path, 3600.0)
    remove_old_output(tmp_path / "missing", 3600.0)
    assert (old.exists(), new.exists()) == (False, True)
