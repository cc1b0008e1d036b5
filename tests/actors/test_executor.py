"""The executor's books: sessions, fencing, each end told once and kept until acknowledged, cancelling, time limits."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.actors.fakes import FakeCluster, FakeDispatcher, LoopThread, wait_until

from skyray.actors import executor as executor_module
from skyray.actors import leader_line
from skyray.actors.executor import Executor
from skyray.actors.wire import Assignment, StaleSessionError
from skyray.core.messages import Lost, Outcome, OutcomeKind, Started
from skyray.core.model import ResourceSpec
from skyray.errors import InvalidInputError, LeadershipLostError
from skyray.settings import Settings

PATH = "dag_id=d/run_id=r/task_id=t/attempt=1.log"


class Shell:
    """An executor, spoken to as a leader of partition 0 would."""

    def __init__(self, home: Path) -> None:
        self.thread = LoopThread()
        self.dispatcher: FakeDispatcher

        def dispatcher(ended: Any) -> FakeDispatcher:
            self.dispatcher = FakeDispatcher(ended)
            return self.dispatcher

        settings = Settings(home=str(home), cancel_grace_seconds=0.05)
        port = FakeCluster(self.thread)
        self.executor: Executor = self.thread.make(lambda: Executor(settings, 0, port=port, dispatcher=dispatcher))
        self.session = 0
        self.epoch = 1

    def attach(self, epoch: int = 1) -> Any:
        attached = self.thread.call(self.executor.attach(0, epoch))
        self.session, self.epoch = attached.session, epoch
        return attached

    def submit(self, *attempt_ids: int, timeout: float | None = None) -> None:
        batch = [
            Assignment(each, "d.t", PATH, timeout, ResourceSpec(), pickle.dumps(f"spec {each}")) for each in attempt_ids
        ]
        self.thread.call(self.executor.submit(0, self.epoch, self.session, batch))

    def poll(self, *acked: int) -> list[Any]:
        reports = self.thread.call(self.executor.poll(0, self.epoch, self.session, list(acked)))
        return [pickle.loads(each) if isinstance(each, bytes) else each for each in reports]

    def cancel(self, *attempt_ids: int) -> None:
        self.thread.call(self.executor.cancel(0, self.epoch, self.session, list(attempt_ids)))

    def log(self, path: str = PATH) -> tuple[bytes, int | None, bool]:
        answer: tuple[bytes, int | None, bool] = self.thread.call(self.executor.read_log(path, 0, 1 << 20))
        return answer


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setattr(leader_line, "POLL_SECONDS", 0.2)
    made = Shell(tmp_path)
    made.attach()
    yield made
    made.thread.close()


def test_each_end_is_told_once_in_a_session_and_again_in_the_next(shell: Shell) -> None:
    shell.submit(1, 2)
    shell.dispatcher.finish(1)
    assert [report.attempt_id for report in shell.poll()] == [1]
    shell.dispatcher.finish(2)
    assert [report.attempt_id for report in shell.poll()] == [2]
    assert shell.poll() == []
    assert shell.attach(epoch=2).held == (1, 2)
    assert [report.attempt_id for report in shell.poll()] == [1, 2]


def test_what_is_acknowledged_is_forgotten_and_never_run_again(shell: Shell) -> None:
    shell.submit(1)
    shell.dispatcher.finish(1)
    shell.poll()
    shell.poll(1)
    assert shell.attach().held == ()
    shell.submit(1)
    assert len(shell.dispatcher.started) == 1


def test_an_acknowledgement_of_a_running_attempt_forgets_nothing(shell: Shell) -> None:
    shell.submit(1)
    shell.poll(1)
    assert shell.attach().held == (1,)


def test_a_poll_that_waits_answers_as_soon_as_something_ends(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr(leader_line, "POLL_SECONDS", 5.0)
    shell.submit(1)
    waiting = asyncio.run_coroutine_threadsafe(
        shell.executor.poll(0, shell.epoch, shell.session, []), shell.thread.loop
    )
    shell.dispatcher.finish(1)
    assert len(waiting.result(2)) == 1


def test_an_attempt_that_is_known_is_not_run_twice(shell: Shell) -> None:
    shell.submit(1)
    shell.submit(1)
    shell.attach()
    shell.submit(1)
    assert len(shell.dispatcher.started) == 1


def test_an_older_epoch_is_refused(shell: Shell) -> None:
    shell.attach(epoch=3)
    for call in (
        shell.executor.attach(0, 2),
        shell.executor.submit(0, 2, shell.session, []),
        shell.executor.poll(0, 2, shell.session, []),
        shell.executor.cancel(0, 2, shell.session, [1]),
    ):
        with pytest.raises(LeadershipLostError):
            shell.thread.call(call)


def test_what_was_sent_before_the_newest_attach_is_refused(shell: Shell) -> None:
    old = shell.session
    shell.attach()
    with pytest.raises(StaleSessionError):
        shell.thread.call(shell.executor.submit(0, 1, old, []))


def test_partitions_do_not_see_each_other(shell: Shell) -> None:
    shell.submit(1)
    shell.dispatcher.finish(1)
    other = shell.thread.call(shell.executor.attach(1, 9))
    assert other.held == ()
    assert shell.thread.call(shell.executor.poll(1, 9, other.session, [])) == []
    assert len(shell.poll()) == 1


def test_cancelling_asks_then_forces_and_reports_it_as_cancelled(shell: Shell) -> None:
    shell.submit(1)
    shell.cancel(1)
    shell.cancel(1)
    wait_until(lambda: shell.dispatcher.cancels == [(1, False), (1, True)], "asked once, forced once")
    assert shell.poll() == [Lost(1, "cancelled", cancelled=True)]


def test_an_attempt_that_succeeds_in_spite_of_a_cancel_succeeded(shell: Shell) -> None:
    shell.submit(1, 2)
    shell.cancel(1, 2)
    shell.dispatcher.finish(1)
    shell.dispatcher.finish(2, OutcomeKind.FAILED)
    reports = {report.attempt_id: report for report in (*shell.poll(), *shell.poll())}
    assert isinstance(reports[1], Outcome)
    assert reports[2] == Lost(2, "cancelled", cancelled=True)


def test_cancelling_what_never_arrived_is_answered(shell: Shell) -> None:
    shell.cancel(9)
    (report,) = shell.poll()
    assert (report.attempt_id, report.cancelled) == (9, True)


def test_an_interrupt_that_nobody_asked_for_is_a_loss(shell: Shell) -> None:
    shell.submit(1)
    shell.dispatcher.ended(1, Lost(1, "cancelled", cancelled=True))
    assert shell.poll() == [Lost(1, "interrupted")]


def test_code_that_ignores_its_time_limit_is_killed_and_failed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_module, "HARD_TIMEOUT_GRACE_SECONDS", 0.0)
    shell.submit(1, timeout=0.05)
    start = time.time()
    shell.thread.call(shell.executor.started(Started(1, start, "node-1", 7)))
    assert isinstance(shell.poll()[0], Started)
    (report,) = shell.poll()
    assert (report.kind, report.start_date, report.pid) == (OutcomeKind.FAILED, start, 7)
    assert "execution_timeout" in report.error
    assert shell.dispatcher.cancels == [(1, True)]


def test_a_start_is_told_again_to_a_new_leader(shell: Shell) -> None:
    shell.submit(1)
    started = Started(1, 5.0, "node-1", 7)
    shell.thread.call(shell.executor.started(started))
    assert shell.poll() == [started]
    shell.attach(epoch=2)
    assert shell.poll() == [started]


def test_logs_are_written_by_offset_and_final_when_nobody_writes_any_more(shell: Shell) -> None:
    shell.submit(1)
    assert shell.log() == (b"", None, False)
    for offset, data in ((0, b"hello "), (6, b"wor"), (0, b"hello ")):
        shell.thread.call(shell.executor.append_log(1, PATH, offset, data))
    assert shell.log() == (b"hello wor", 9, False)
    shell.thread.call(shell.executor.append_log(1, "another.log", 0, b"x"))
    assert shell.log("another.log") == (b"", None, True), "not this attempt's file"
    shell.dispatcher.finish(1, log=b"hello world")
    shell.poll()
    assert shell.log() == (b"hello world", 11, True)
    shell.thread.call(shell.executor.append_log(1, PATH, 0, b"late"))
    assert shell.log()[0] == b"hello world"


def test_another_attempt_of_the_same_try_goes_on_in_the_same_file(shell: Shell) -> None:
    shell.submit(1)
    shell.thread.call(shell.executor.append_log(1, PATH, 0, b"first"))
    shell.dispatcher.ended(1, Lost(1, "the worker process died"))
    shell.poll()
    shell.submit(2)
    shell.dispatcher.finish(2, log=b"second")
    shell.poll()
    data, _, _ = shell.log()
    assert data.startswith(b"first")
    assert b"the worker process died" in data
    assert data.endswith(b"begins here ***\nsecond")


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../b", "", "a//b", "a/./b", "a\0b"])
def test_no_path_leaves_the_log_folder(shell: Shell, path: str) -> None:
    with pytest.raises(InvalidInputError):
        shell.log(path)


def test_info_counts(shell: Shell) -> None:
    shell.submit(1, 2)
    shell.dispatcher.finish(1)
    shell.poll()
    info = shell.thread.call(shell.executor.info())
    assert (info["running_attempts"], info["unacknowledged_attempts"], info["role"]) == (1, 1, "executor")
