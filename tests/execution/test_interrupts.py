"""Time limits and signals, with real processes and real signals."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.execution.conftest import Worker

from skyray.core.messages import OutcomeKind

HEADER = """
import ctypes, multiprocessing, os, signal, subprocess, sys, threading, time
from skyray.sdk.dag import DAG
from skyray.sdk.operator import BaseOperator

class Do(BaseOperator):
    def __init__(self, *, work, **kwargs):
        super().__init__(**kwargs)
        self.work = work
    def execute(self, context):
        return self.work()
    def on_kill(self):
        print("on_kill in", threading.current_thread() is threading.main_thread(), flush=True)

dag = DAG("d", schedule=None)
def ready():
    print("ready")
"""
_WAITS_MAX_SECONDS = 20.0


class Process:
    """A worker process and what it said so far."""

    def __init__(self, folder: Path, source: str, **options: Any) -> None:
        dags = folder / "dags"
        dags.mkdir()
        (dags / "main.py").write_text(
            textwrap.dedent(HEADER) + textwrap.dedent(source) + "\nDo(task_id='t', work=work, dag=dag)"
        )
        self._events = folder / "events"
        script = Path(__file__).with_name("worker_process.py")
        self.process = subprocess.Popen([sys.executable, script, dags, "t", self._events, json.dumps(options)])

    def events(self) -> list[dict[str, Any]]:
        if not self._events.exists():
            return []
        return [
            json.loads(line) for line in self._events.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")
        ]

    @property
    def log(self) -> str:
        return b"".join(base64.b64decode(event["log"]) for event in self.events() if "log" in event).decode()

    @property
    def result(self) -> dict[str, Any]:
        (result,) = (event for event in self.events() if event.get("end"))
        return result

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _WAITS_MAX_SECONDS
        while not condition():
            assert time.monotonic() < deadline, (self.events(), self.log)
            assert self.process.poll() is None, (self.process.returncode, self.log)
            time.sleep(0.01)

    def wait_until_ready(self) -> None:
        self.wait_until(lambda: "ready" in self.log)

    def signal(self, number: int) -> float:
        self.process.send_signal(number)
        return time.monotonic()

    def wait(self) -> int:
        return self.process.wait(timeout=_WAITS_MAX_SECONDS)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    processes: list[Process] = []

    def make(source: str, **options: Any) -> Process:
        processes.append(Process(tmp_path, source, **options))
        return processes[-1]

    yield make
    for each in processes:
        each.process.kill()
        each.process.wait()


def test_sigterm_ends_the_worker_after_on_kill(start: Callable[..., Process]) -> None:
    worker = start("def work():\n    ready()\n    time.sleep(60)")
    worker.wait_until_ready()
    sent = worker.signal(signal.SIGTERM)
    assert worker.wait() == 143
    assert time.monotonic() - sent < 1.5
    assert worker.log == "ready\non_kill in True\nTask stopped: its worker was told to end (SIGTERM)\n"
    assert {"started": worker.process.pid} in worker.events()


def test_sigterm_ends_a_worker_whose_task_swallows_everything(start: Callable[..., Process]) -> None:
    source = """
    def work():
        ready()
        while True:
            try:
                time.sleep(60)
            except BaseException:
                print("swallowed")
    """
    worker = start(source, stop_grace_seconds=0.6)
    worker.wait_until_ready()
    sent = worker.signal(signal.SIGTERM)
    assert worker.wait() == 143
    assert time.monotonic() - sent < 2
    assert "on_kill in False" in worker.log


def test_sigterm_ends_a_worker_stuck_in_c_code(start: Callable[..., Process]) -> None:
    source = """
    def work():
        mutex = ctypes.create_string_buffer(128)
        libc = ctypes.CDLL(None)
        ready()
        libc.pthread_mutex_lock(mutex)
        libc.pthread_mutex_lock(mutex)
    """
    worker = start(source, stop_grace_seconds=0.6)
    worker.wait_until_ready()
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 143
    assert "on_kill in False" in worker.log


def test_cancel_flag_of_ray_interrupts_a_blocking_call(start: Callable[..., Process]) -> None:
    # ray.cancel(force=False) is _thread.interrupt_main() in another thread of the worker, which blocks SIGINT itself.
    source = """
    import _thread
    def work():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        ready()
        threading.Timer(0.3, _thread.interrupt_main).start()
        time.sleep(60)
    """
    worker = start(source)
    assert worker.wait() == 0
    assert worker.result["kind"] == "failed"
    assert worker.result["error"].startswith("the task was interrupted")
    assert "on_kill in True" in worker.log


def test_time_limit_interrupts_a_wait_for_a_child(start: Callable[..., Process]) -> None:
    worker = start("def work():\n    subprocess.run(['sleep', '60'])", execution_timeout_seconds=0.3)
    assert worker.wait() == 0
    assert worker.result["kind"] == "failed"
    assert worker.result["error"].startswith("AirflowTaskTimeout: execution_timeout of 0.3 s is over")
    assert "on_kill in True" in worker.log


def test_child_processes_die_of_sigterm_without_harm_to_the_worker(start: Callable[..., Process]) -> None:
    source = """
    def work():
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
        child.terminate()
        child.join()
        other = subprocess.Popen(["sleep", "60"])
        other.terminate()
        time.sleep(1.2)
        return print(child.exitcode, other.wait())
    """
    worker = start(source, stop_grace_seconds=0.6)
    assert worker.wait() == 0
    assert worker.result["kind"] == "success"
    assert worker.log == "-15 -15\n"


def test_log_of_child_left_behind_stays_out_of_the_next_attempt(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(
        HEADER
        + """
def work():
    subprocess.Popen("read line; echo late; echo late >&2", shell=True, stdin=pipe[0])
pipe = os.pipe()
def finish():
    os.write(pipe[1], b"go\\n")
    os.wait()
    print("mine")
Do(task_id='a', work=work, dag=dag)
Do(task_id='b', work=finish, dag=dag)
"""
    )
    assert worker.attempt("a").log == b""
    assert worker.attempt("b").log == b"mine\n"


def test_time_limit_outside_the_main_thread(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(
        HEADER
        + """
def work():
    while True:
        time.sleep(0.01)
Do(task_id='t', work=work, dag=dag)
"""
    )
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(worker.attempt("t", execution_timeout_seconds=0.2)))
    thread.start()
    thread.join(_WAITS_MAX_SECONDS)
    outcome = results[0].outcome
    assert outcome.kind is OutcomeKind.FAILED
    assert outcome.error.startswith("AirflowTaskTimeout: execution_timeout of 0.2 s is over")
    assert b"on_kill in False" in results[0].log


def test_signal_handlers_and_timers_are_restored(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(HEADER + "Do(task_id='t', work=lambda: None, dag=dag)")
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGURG)]
    worker.attempt("t", execution_timeout_seconds=30.0)
    assert [
        signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGURG)
    ] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.set_wakeup_fd(-1) == -1
    assert os.getpid() == worker.attempt("t").outcome.pid


@pytest.mark.parametrize("where", ["os._exit(3)", "ctypes and [os._exit(3) for _ in (1,)]"])
def test_os_exit_fails_the_attempt_and_not_the_worker(start: Callable[..., Process], where: str) -> None:
    worker = start(f"def work():\n    print('last words')\n    {where}")
    assert worker.wait() == 0
    assert worker.result["kind"] == OutcomeKind.FAILED.value
    assert worker.result["error"].startswith("the task called os._exit(3) (main.py:")
    assert "last words" in worker.log


def test_os_exit_of_a_child_process_is_its_own(start: Callable[..., Process]) -> None:
    source = """
    def work():
        pid = os.fork()
        if not pid:
            os._exit(5)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    """
    worker = start(source)
    assert worker.wait() == 0
    assert worker.result["kind"] == OutcomeKind.SUCCESS.value
