"""What a task prints, however it prints it, is in its log, in order, and nowhere else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.execution.conftest import Worker

from skyray.core.logs import log_path
from skyray.execution.attempt import AttemptLimits, WorkerResult

HEADER = """
import logging, os, subprocess, sys, threading, time
from skyray.sdk.dag import DAG
from skyray.sdk.operator import BaseOperator

class Do(BaseOperator):
    def __init__(self, *, work, **kwargs):
        super().__init__(**kwargs)
        self.work = work
    def execute(self, context):
        return self.work()

dag = DAG("d", schedule=None)
def do(task_id, work):
    Do(task_id=task_id, work=work, dag=dag)
"""


def _whole_log(worker: Worker, result: WorkerResult) -> bytes:
    """Published parts and the tail, checked to be without gap or overlap."""
    whole = b""
    parts = [(offset, data) for _, _, offset, data in worker.services.published]
    for offset, data in [*parts, (result.log_offset, result.log)]:
        assert offset == len(whole)
        whole += data
    return whole


def test_every_way_of_writing_is_caught_in_order(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(
        HEADER
        + """
def work():
    print("one")
    print("two", file=sys.stderr)
    os.write(1, b"three\\n")
    subprocess.run("echo four; echo five >&2", shell=True)
    logging.getLogger("mine").info("six")
    logging.getLogger("mine").debug("not this")
    sys.stdout.write("seven")
    sys.stdout.buffer.write(b"\\xff") if False else None
do('t', work)
"""
    )
    lines = worker.attempt("t").log.decode().splitlines()
    assert [line.split()[-1] for line in lines] == ["one", "two", "three", "four", "five", "six", "seven"]
    assert " INFO mine: six" in lines[5]


def test_descriptors_and_streams_are_restored(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(HEADER + "do('t', lambda: (print('x'), sys.stdout.close(), setattr(sys, 'stderr', None)))")
    before = [os.fstat(1).st_ino, os.fstat(2).st_ino], sys.stdout, sys.stderr
    open_before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        assert worker.attempt("t").log == b"x\n"
    assert ([os.fstat(1).st_ino, os.fstat(2).st_ino], sys.stdout, sys.stderr) == before
    assert len(os.listdir("/proc/self/fd")) <= open_before + 2  # the side thread's pipe


def test_short_attempt_says_nothing_before_its_end(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(HEADER + "do('t', lambda: print('x'))")
    worker.attempt("t")
    assert worker.services.published == []
    assert worker.services.starts == []


def test_longer_attempt_reports_started_and_ships_its_log_while_it_runs(
    make_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make_worker(
        HEADER
        + """
def work():
    print("first")
    deadline = time.monotonic() + 20
    while not waiter.is_shipped() and time.monotonic() < deadline:
        time.sleep(0.01)
    print("last")
import waiter
do('t', work)
""",
        waiter__py="is_shipped = lambda: False",
    )
    worker.limits = replace(worker.limits, started_after_seconds=0.1)
    monkeypatch.setattr(worker.services, "publish_log", _and_tell(worker))
    result = worker.attempt("t")
    (start,) = worker.services.starts
    assert (start.attempt_id, start.node_id, start.pid) == (1, "node-1", os.getpid())
    assert start.start_date == result.outcome.start_date
    assert worker.services.published == [(1, log_path("d", "r1", "t", -1, 1), 0, b"first\n")]
    assert (result.log_offset, result.log) == (6, b"last\n")


def _and_tell(worker: Worker) -> Callable[..., None]:
    publish = worker.services.publish_log

    def tell(*args: Any) -> None:
        publish(*args)
        sys.modules["waiter"].is_shipped = lambda: True  # type: ignore[attr-defined]

    return tell


def test_huge_log_is_published_in_chunks_before_its_tail(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(HEADER + "do('t', lambda: [print('%099d' % i) for i in range(60_000)] and None)")
    result = worker.attempt("t")
    assert _whole_log(worker, result) == b"".join(b"%099d\n" % i for i in range(60_000))
    assert len(result.log) <= 256 << 10
    assert max(len(data) for _, _, _, data in worker.services.published) <= 1 << 20


def test_log_is_bounded_and_says_so(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(HEADER + "do('t', lambda: [print('%099d' % i) for i in range(20_000)] and None)")
    worker.limits = AttemptLimits(log_max_bytes=500_000)
    result = worker.attempt("t")
    whole = _whole_log(worker, result)
    assert whole[:500_000] == b"".join(b"%099d\n" % i for i in range(5_000))
    assert whole[500_000:] == b"\n[log limited to 500,000 bytes: 1,500,000 bytes left out]\n"


def test_services_that_fail_cost_log_lines_but_no_outcome(
    make_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make_worker(HEADER + "do('t', lambda: [print('%099d' % i) for i in range(20_000)] and None)")

    def fail(*_: Any) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(worker.services, "publish_log", fail)
    result = worker.attempt("t")
    assert result.outcome.kind.value == "success"
    assert b"bytes of log could not be shipped: ConnectionError('gone')]" in result.log[:200]
    assert result.log.endswith(b"%099d\n" % 19_999)


def test_idle_worker_parks_its_side_thread_and_wakes_it_again(
    make_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    from skyray.execution import side_thread

    monkeypatch.setattr(side_thread, "_PARK_AFTER_BEATS", 1)
    thread = side_thread.SideThread(interval_seconds=0.01)
    monkeypatch.setattr("skyray.execution.attempt.SIDE_THREAD", thread)
    worker = make_worker(HEADER + "do('t', lambda: time.sleep(0.5))\ndo('short', lambda: None)")
    worker.limits = replace(worker.limits, started_after_seconds=0.05)
    worker.attempt("short")
    deadline = time.monotonic() + 10
    while not thread._is_parked:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    worker.attempt("t")
    assert len(worker.services.starts) == 1
