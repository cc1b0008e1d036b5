"""One leader at a time, whatever happens to the process that leads. Real processes, real signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.store.examples import sql

from skyray.errors import DatabaseVersionError, InvalidInputError, LeadershipLostError
from skyray.store import leader_lock
from skyray.store.leader_lock import LeaderLock, terminate_stale_leader

_HOLDER = Path(__file__).with_name("lock_holder.py")
Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def leader_process(url: str) -> Iterator[Start]:
    """A function that starts a process which leads partition 0, and returns once it does."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(_HOLDER), url, "0", name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


class Candidate(threading.Thread):
    """A thread that waits for the lock."""

    def __init__(self, url: str, holder: str = "standby") -> None:
        super().__init__(daemon=True)
        self.lock = LeaderLock(url, 0, holder)
        self.stop = threading.Event()
        self.epoch: int | None = None
        self.start()

    def run(self) -> None:
        self.epoch = self.lock.acquire(self.stop)

    def wait_for_epoch(self, seconds: float) -> int:
        self.join(seconds)
        assert not self.is_alive(), f"no lock within {seconds} s"
        assert self.epoch is not None
        return self.epoch


def _wait_until_queued(url: str, count: int = 1) -> None:
    deadline = time.monotonic() + 10
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    while sql(url, query)[0][0] < count:
        assert time.monotonic() < deadline, "the candidates do not wait for the lock"


def test_first_leader_begins_epoch_one(url: str) -> None:
    lock = LeaderLock(url, 0, "scheduler-0")
    assert lock.acquire(threading.Event()) == 1
    lock.beat()
    row = sql(url, "SELECT epoch, holder, since <= heartbeat_at FROM leadership WHERE partition = 0")
    assert row == [(1, "scheduler-0", True)]
    lock.release()


def test_release_hands_over_at_once_with_a_new_epoch(url: str) -> None:
    first = LeaderLock(url, 0, "first")
    first.acquire(threading.Event())
    second = Candidate(url)
    _wait_until_queued(url)
    first.release()
    assert second.wait_for_epoch(2) == 2
    with pytest.raises(LeadershipLostError):
        first.beat()
    second.lock.release()


def test_partitions_have_leaders_of_their_own(url: str) -> None:
    first, second = LeaderLock(url, 0, "a"), LeaderLock(url, 1, "a")
    assert first.acquire(threading.Event()) == 1
    assert second.acquire(threading.Event()) == 1
    first.release()
    second.beat()
    second.release()


def test_killed_leader_is_replaced(url: str, leader_process: Start) -> None:
    process = leader_process("first")
    standby = Candidate(url)
    _wait_until_queued(url)
    process.send_signal(signal.SIGKILL)
    assert standby.wait_for_epoch(3) == 2
    standby.lock.release()


def test_frozen_leader_is_ended_by_a_standby(url: str, leader_process: Start) -> None:
    process = leader_process("first")
    standby = Candidate(url)
    _wait_until_queued(url)
    assert not terminate_stale_leader(url, 0, older_than_seconds=5)
    process.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + 5
    while not terminate_stale_leader(url, 0, older_than_seconds=0.5):
        assert time.monotonic() < deadline
    assert standby.wait_for_epoch(2) == 2
    # Woken, it finds out by itself, and cannot end the one that leads now.
    process.send_signal(signal.SIGCONT)
    assert process.wait(5) == 1
    standby.lock.beat()
    standby.lock.release()


def test_frozen_leader_is_ended_by_the_server(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(leader_lock._SETTINGS, "idle_session_timeout", "700ms")
    silent = LeaderLock(url, 0, "silent")
    silent.acquire(threading.Event())
    monkeypatch.undo()
    standby = Candidate(url)  # waits longer than that, but is not idle
    assert standby.wait_for_epoch(5) == 2
    with pytest.raises(LeadershipLostError):
        silent.beat()
    standby.lock.release()


def test_waiting_is_not_idling(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = LeaderLock(url, 0, "first")
    first.acquire(threading.Event())
    monkeypatch.setitem(leader_lock._SETTINGS, "idle_session_timeout", "200ms")
    standby = Candidate(url)
    _wait_until_queued(url)
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        first.beat()
        threading.Event().wait(0.05)
        assert standby.is_alive()
    first.release()
    assert standby.wait_for_epoch(1) == 2
    standby.lock.release()


def test_cancel_ends_the_wait(url: str) -> None:
    first = LeaderLock(url, 0, "first")
    first.acquire(threading.Event())
    standby = Candidate(url)
    _wait_until_queued(url)
    standby.stop.set()
    standby.lock.cancel()
    standby.join(2)
    assert not standby.is_alive()
    assert standby.epoch is None
    first.beat()
    first.release()


def test_cancel_without_a_wait_does_nothing(url: str) -> None:
    lock = LeaderLock(url, 0, "first")
    lock.cancel()
    assert lock.acquire(threading.Event()) == 1
    lock.cancel()
    lock.beat()
    lock.release()


def test_waiting_survives_a_broken_connection(url: str) -> None:
    first = LeaderLock(url, 0, "first")
    first.acquire(threading.Event())
    standby = Candidate(url)
    _wait_until_queued(url)
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'"
    assert sql(url, f"{ended} AND datname = current_database()") == [(True,)]
    _wait_until_queued(url)
    first.release()
    assert standby.wait_for_epoch(5) == 2
    standby.lock.release()


def test_server_that_is_away_is_waited_for() -> None:
    waiting = Candidate("postgresql://skyray@127.0.0.1:1/none")
    threading.Event().wait(0.3)
    assert waiting.is_alive()
    waiting.stop.set()
    waiting.lock.cancel()
    waiting.join(8)
    assert not waiting.is_alive()
    assert waiting.epoch is None


def test_epochs_never_repeat_under_contention(url: str) -> None:
    epochs: list[int] = []

    def lead_thrice(name: str) -> None:
        for _ in range(3):
            lock = LeaderLock(url, 0, name)
            epoch = lock.acquire(threading.Event())
            assert epoch is not None
            epochs.append(epoch)
            lock.release()

    threads = [threading.Thread(target=lead_thrice, args=(f"s{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert epochs == list(range(1, 13))


def test_database_without_schema_is_refused(new_database: Callable[..., str]) -> None:
    with pytest.raises(DatabaseVersionError, match="has no Skyray schema"):
        LeaderLock(new_database(), 0, "a").acquire(threading.Event())


def test_pooler_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A pooler shows as a process number, told at the connection's start, that is not the server's.
    real = leader_lock.statement
    monkeypatch.setattr(leader_lock, "statement", lambda name: "SELECT 1" if name == "backend_pid" else real(name))
    with pytest.raises(InvalidInputError, match="connection pooler"):
        LeaderLock(url, 0, "a").acquire(threading.Event())
