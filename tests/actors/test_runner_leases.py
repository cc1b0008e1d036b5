"""Runner leases without Ray: real connections, a thread for each runner, tasks that the tests let begin and end."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
import ray.exceptions
from tests.actors.fakes import FakeCluster, LoopThread, wait_until

from skyray.actors import frames
from skyray.actors import runner_leases as leases_module
from skyray.actors.channel import Listener
from skyray.actors.dispatch import Ended
from skyray.actors.durations import Durations
from skyray.actors.frames import FrameReader, frame
from skyray.actors.runner import LONG_SECONDS, run_lease
from skyray.actors.runner_leases import RunnerLeases, can_share_a_runner
from skyray.actors.wire import Assignment, Invitation, WorkerReply
from skyray.core.messages import Lost
from skyray.core.model import ResourceSpec

ONE_CPU = ResourceSpec()
TWO_CPUS = ResourceSpec(num_cpus=2)


class _Died(BaseException):
    """The worker process dies here."""


class Workers(FakeCluster):
    """Ray, as far as leases need it: runs at most ``slots`` leases at once, each in a thread."""

    def __init__(self, thread: LoopThread, slots: int) -> None:
        super().__init__(thread)
        self._slots = threading.BoundedSemaphore(slots)
        self.ran: list[bytes] = []
        self.gates: dict[bytes, threading.Event] = {}
        self.began: dict[bytes, threading.Event] = {}
        self.leases = 0
        self.cancels: list[bool] = []
        self.refused: Exception | None = None
        self.unreachable = False
        self.deaths_on_arrival = 0

    def remote_function(self, function: Any, **options: Any) -> Any:
        return self

    def options(self, **options: Any) -> Any:
        return self

    def remote(self, invitation: Invitation, deployment: bytes) -> Future[Any]:
        if self.refused is not None:
            raise self.refused
        future: Future[Any] = Future()
        self.leases += 1
        if self.deaths_on_arrival:
            self.deaths_on_arrival -= 1
            future.set_exception(ray.exceptions.WorkerCrashedError())
            return future
        if self.unreachable:
            invitation = invitation._replace(port=1)

        def work() -> None:
            with self._slots:
                try:
                    end = run_lease(invitation, self._run)
                except _Died:
                    future.set_exception(ray.exceptions.WorkerCrashedError())
                else:
                    future.set_result(end)

        threading.Thread(target=work, daemon=True).start()
        return future

    def when_done(self, ref: Any, callback: Callable[[Any, BaseException | None], None]) -> None:
        ref.add_done_callback(lambda f: callback(None if f.exception() else f.result(), f.exception()))

    def cancel(self, ref: Any, *, force: bool) -> None:
        self.cancels.append(force)

    def gate(self, payload: bytes) -> None:
        """Have that attempt wait until the test opens it."""
        self.gates[payload] = threading.Event()
        self.began[payload] = threading.Event()

    def _run(self, payload: bytes) -> WorkerReply:
        self.ran.append(payload)
        if payload in self.gates:
            self.began[payload].set()
            assert self.gates[payload].wait(5)
        if payload.startswith(b"die"):
            raise _Died
        if payload.startswith(b"broken"):
            raise ValueError("what is this?")
        return WorkerReply("success", payload, 0, b"")


class Plain:
    def __init__(self) -> None:
        self.started: list[int] = []

    def start(self, assignment: Assignment) -> None:
        self.started.append(assignment.attempt_id)

    def cancel(self, attempt_id: int, *, force: bool) -> None:
        pass


class Bench:
    """The policy, and what it reported."""

    def __init__(self, slots: int = 1) -> None:
        self.thread = LoopThread()
        self.workers = Workers(self.thread, slots)
        self.plain = Plain()
        self.ends: dict[int, list[Ended]] = {}
        self.listener: Listener = self.thread.make(lambda: Listener("127.0.0.1", self.thread.loop))
        self.leases: RunnerLeases = self.thread.make(
            lambda: RunnerLeases(self.workers, b"", self._ended, self.plain, self.listener)
        )

    def _ended(self, attempt_id: int, ended: Ended) -> None:
        self.ends.setdefault(attempt_id, []).append(ended)

    def start(self, *payloads: tuple[int, bytes], resources: ResourceSpec = ONE_CPU, name: str = "d.t") -> None:
        async def call() -> None:
            for attempt_id, payload in payloads:
                self.leases.start(Assignment(attempt_id, name, "log", None, resources, payload))

        self.thread.call(call())

    def cancel(self, attempt_id: int, *, force: bool = False) -> None:
        async def call() -> None:
            self.leases.cancel(attempt_id, force=force)

        self.thread.call(call())

    def warm(self, *names: str) -> None:
        """Such attempts are known to be short."""
        for name in names or ("d.t",):
            self.leases._durations.learn(name, 0.0001)

    def outcome(self, attempt_id: int) -> Ended:
        wait_until(lambda: attempt_id in self.ends, f"attempt {attempt_id} has ended")
        (ended,) = self.ends[attempt_id]
        return ended


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    for gate in made.workers.gates.values():
        gate.set()
    made.thread.close()


def succeeded(ended: Ended) -> bool:
    return isinstance(ended, WorkerReply) and ended.kind == "success"


def test_many_attempts_share_a_few_tasks_of_ray(bench: Bench) -> None:
    bench.start(*((number, b"%d" % number) for number in range(200)))
    wait_until(lambda: len(bench.ends) == 200, "all ended")
    assert all(succeeded(bench.outcome(number)) for number in range(200))
    assert sorted(bench.workers.ran) == sorted(b"%d" % number for number in range(200))
    assert bench.workers.leases <= 4


def test_the_next_one_goes_to_the_lease_that_waits(bench: Bench) -> None:
    bench.start((1, b"a"))
    bench.outcome(1)
    bench.start((2, b"b"))
    bench.outcome(2)
    assert bench.workers.leases == 1


def test_a_lease_ends_when_nothing_comes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "IDLE_SECONDS", 0.01)
    bench.start((1, b"a"))
    bench.outcome(1)
    wait_until(lambda: not bench.leases._shapes[ONE_CPU].leases, "the lease is over")
    bench.start((2, b"b"))
    assert succeeded(bench.outcome(2))
    assert bench.workers.leases == 2


def test_a_death_loses_the_attempt_that_had_begun_and_no_other(bench: Bench) -> None:
    bench.warm()
    bench.workers.gate(b"first")
    bench.start((1, b"first"), (2, b"ok"), (3, b"die"), (4, b"after"), (5, b"last"))
    assert bench.workers.began[b"first"].wait(5)
    bench.workers.gates[b"first"].set()
    assert all(succeeded(bench.outcome(number)) for number in (1, 2, 4, 5))
    assert bench.outcome(3) == Lost(3, "the worker process died")
    assert bench.workers.ran.count(b"die") == 1
    assert sorted(bench.workers.ran) == [b"after", b"die", b"first", b"last", b"ok"]


def test_what_waits_behind_a_long_attempt_runs_elsewhere() -> None:
    bench = Bench(slots=2)
    bench.warm()
    bench.workers.gate(b"long")
    bench.start((1, b"long"), *((number, b"%d" % number) for number in range(2, 30)))
    wait_until(lambda: len(bench.ends) == 28, "the others ended")
    assert 1 not in bench.ends
    bench.workers.gates[b"long"].set()
    assert succeeded(bench.outcome(1))
    assert len(bench.workers.ran) == 29
    bench.thread.close()


def test_what_waits_behind_a_long_attempt_keeps_its_order(bench: Bench) -> None:
    bench.warm()
    bench.workers.gate(b"long")
    bench.start((1, b"long"), (2, b"2"), (3, b"3"), (4, b"4"))
    assert bench.workers.began[b"long"].wait(5)
    shape = bench.leases._shapes[ONE_CPU]
    wait_until(lambda: list(shape.waiting) == [2, 3, 4], "they were given back")
    bench.workers.gates[b"long"].set()
    bench.outcome(4)
    assert bench.workers.ran == [b"long", b"2", b"3", b"4"]


def test_of_what_is_not_known_one_runs_at_a_time(bench: Bench) -> None:
    bench.workers.gate(b"first")
    bench.start((1, b"first"), (2, b"second"))
    assert bench.workers.began[b"first"].wait(5)
    assert list(bench.leases._shapes[ONE_CPU].waiting) == [2]


def test_an_attempt_that_waits_is_cancelled_at_once(bench: Bench) -> None:
    bench.workers.gate(b"first")
    bench.start((1, b"first"), (2, b"second"))
    assert bench.workers.began[b"first"].wait(5)
    bench.cancel(2)
    assert bench.outcome(2) == Lost(2, "cancelled", cancelled=True)
    bench.workers.gates[b"first"].set()
    bench.outcome(1)
    assert bench.workers.ran == [b"first"]


def test_an_attempt_in_a_list_is_cancelled_without_touching_the_one_that_runs(bench: Bench) -> None:
    bench.warm()
    bench.workers.gate(b"first")
    bench.start((1, b"first"), (2, b"second"), (3, b"third"))
    assert bench.workers.began[b"first"].wait(5)
    bench.cancel(2)
    bench.cancel(2, force=True)
    assert bench.outcome(2) == Lost(2, "cancelled", cancelled=True)
    bench.workers.gates[b"first"].set()
    assert succeeded(bench.outcome(1))
    assert succeeded(bench.outcome(3))
    assert bench.workers.cancels == []


def test_one_that_runs_is_interrupted_by_ray_once_nothing_can_begin_behind_it(bench: Bench) -> None:
    bench.warm()
    bench.workers.gate(b"first")
    bench.start((1, b"first"), (2, b"second"))
    assert bench.workers.began[b"first"].wait(5)
    bench.cancel(1)
    wait_until(lambda: bench.workers.cancels == [False], "Ray was asked")
    bench.cancel(1, force=True)
    assert bench.workers.cancels == [False, True]
    bench.workers.gates[b"first"].set()
    bench.outcome(1)
    assert succeeded(bench.outcome(2)), "run by another lease"
    assert bench.workers.leases >= 2


def test_an_attempt_that_the_runner_cannot_read_is_lost_and_the_lease_goes_on(bench: Bench) -> None:
    bench.start((1, b"broken"), (2, b"b"))
    assert bench.outcome(1) == Lost(1, "the worker could not run it: ValueError: what is this?")
    assert succeeded(bench.outcome(2))


def test_leases_make_room_for_other_shapes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "LEASE_SECONDS_WHEN_OTHERS_WAIT", 0.05)
    bench.warm()
    is_over = threading.Event()

    def keep_busy() -> None:
        number = 1000
        while not is_over.is_set():
            bench.start(*((number + each, b"x") for each in range(20)))
            number += 20
            wait_until(lambda last=number - 1: last in bench.ends, "more is needed")  # type: ignore[misc]

    busy = threading.Thread(target=keep_busy)
    busy.start()
    try:
        wait_until(lambda: len(bench.ends) > 100, "one shape keeps the only slot busy")
        bench.start((1, b"other"), resources=TWO_CPUS)
        assert succeeded(bench.outcome(1))
    finally:
        is_over.set()
        busy.join(5)


def test_an_idle_lease_makes_room_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "IDLE_SECONDS", 60.0)
    bench.start((1, b"a"))
    bench.outcome(1)
    bench.start((2, b"b"), resources=TWO_CPUS)
    assert succeeded(bench.outcome(2))


def test_what_ray_refuses_gets_a_task_of_its_own(bench: Bench) -> None:
    bench.workers.refused = ValueError("no such option")
    bench.start((1, b"a"), (2, b"b"))
    wait_until(lambda: bench.plain.started == [1, 2], "left to the plain policy")
    bench.start((3, b"c"))
    assert bench.plain.started == [1, 2, 3]


def test_a_runner_that_dies_before_it_is_here_is_replaced(bench: Bench) -> None:
    bench.workers.deaths_on_arrival = 2
    bench.start((1, b"a"))
    assert succeeded(bench.outcome(1))


def test_runners_that_die_again_and_again_are_done_without(bench: Bench) -> None:
    bench.workers.deaths_on_arrival = 100
    bench.start((1, b"a"))
    wait_until(lambda: bench.plain.started == [1], "left to the plain policy")


def test_runners_that_cannot_reach_the_executor_are_done_without(bench: Bench) -> None:
    bench.workers.unreachable = True
    bench.start((1, b"a"))
    wait_until(lambda: bench.plain.started == [1], "left to the plain policy")


@pytest.mark.parametrize(
    "resources",
    [
        ResourceSpec(num_gpus=1),
        ResourceSpec(num_cpus=0),
        ResourceSpec(runtime_env_json="{}"),
        ResourceSpec(accelerator_type="H100"),
    ],
)
def test_some_shapes_share_no_runner(bench: Bench, resources: ResourceSpec) -> None:
    assert not can_share_a_runner(resources)
    bench.start((1, b"a"), resources=resources)
    assert bench.plain.started == [1]


def test_strangers_are_turned_away(bench: Bench) -> None:
    host, port = bench.listener._address
    for words in (frame(frames.HELLO, 1, b"guess"), frame(frames.STARTED, 1), b"x" * 2000):
        with socket.create_connection((host, port), 5) as stranger:
            stranger.sendall(words)
            stranger.settimeout(5)
            with contextlib.suppress(ConnectionResetError):
                assert stranger.recv(100) == b""
    bench.start((1, b"a"))
    assert succeeded(bench.outcome(1))


def test_a_runner_begins_nothing_once_its_executor_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ran: list[bytes] = []
        gate = threading.Event()

        def run(payload: bytes) -> WorkerReply:
            ran.append(payload)
            assert gate.wait(5)
            return WorkerReply("success", payload, 0, b"")

        host, port = server.getsockname()
        invitation = Invitation(7, host, port, b"secret", b"proof")
        ends: list[Any] = []
        runner = threading.Thread(target=lambda: ends.append(run_lease(invitation, run)))
        runner.start()
        connection, _ = server.accept()
        connection.sendall(frame(frames.WELCOME, 7, b"proof"))
        connection.sendall(frame(frames.RUN, 1, b"a") + frame(frames.RUN, 2, b"b"))
        wait_until(lambda: ran == [b"a"], "the first runs")
        connection.close()
        threading.Event().wait(2 * LONG_SECONDS)  # the side thread looks
        gate.set()
        runner.join(5)
    assert ran == [b"a"]
    assert [attempt_id for attempt_id, _ in ends[0].ended] == [1], "its end travels with the task's result"


def test_a_runner_trusts_nobody_without_proof() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ran: list[bytes] = []

        def run(payload: bytes) -> WorkerReply:
            ran.append(payload)
            raise AssertionError

        host, port = server.getsockname()
        invitation = Invitation(7, host, port, b"secret", b"proof")
        ends: list[Any] = []
        runner = threading.Thread(target=lambda: ends.append(run_lease(invitation, run)))
        runner.start()
        connection, _ = server.accept()
        connection.sendall(frame(frames.WELCOME, 7, b"fraud") + frame(frames.RUN, 1, b"a"))
        runner.join(5)
        connection.close()
    assert "not the executor" in ends[0].problem
    assert ran == []


def test_frames_survive_any_cutting() -> None:
    whole = frame(frames.RUN, 2**63 - 1, b"payload") + frame(frames.OVER) + frame(frames.CANCEL, 5)
    reader = FrameReader()
    found = [each for position in range(len(whole)) for each in reader.feed(whole[position : position + 1])]
    assert [(each.kind, each.attempt_id, each.body) for each in found] == [
        (frames.RUN, 2**63 - 1, b"payload"),
        (frames.OVER, 0, b""),
        (frames.CANCEL, 5, b""),
    ]
    assert len(reader) == 0


def test_replies_survive_the_way() -> None:
    reply = WorkerReply("failed_for_good", b"\0outcome", 12, b"log\n")
    assert frames.unpack_reply(frames.pack_reply(reply, 0.25)) == (reply, 0.25)


def test_durations_are_guessed_by_task_and_else_by_dag() -> None:
    durations = Durations()
    assert durations.guess("d.a") is None
    durations.learn("d.a", 1.0)
    durations.learn("d.b", 3.0)
    assert durations.guess("d.a") == 1.0
    assert durations.guess("d.c") == 1.5
    assert durations.guess("e.a") is None
