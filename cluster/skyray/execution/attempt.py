"""One attempt inside a worker process, from its spec to its outcome. Called by the Ray task that the executor submits.

    result = run_attempt(spec, services=services, node_id=node_id, cache_dir=Path("/var/cache/skyray"))

Whatever happens in the author's code is an outcome; nothing is raised, so that for the executor every exception of Ray
means infrastructure. A worker that gets SIGTERM lets the operator clean up (``on_kill``), ships the log and ends.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from skyray.core.logs import output_name
from skyray.core.messages import AttemptSpec, Outcome, OutcomeKind, Started
from skyray.errors import NotFoundError
from skyray.execution.bundles import bundle_root
from skyray.execution.endings import Ending, describe
from skyray.execution.interrupts import AttemptTerminated, StopSignals
from skyray.execution.log_capture import AttemptLog, CapturedOutput
from skyray.execution.services import WorkerServices
from skyray.execution.side_thread import SIDE_THREAD, Watch, end_process
from skyray.execution.task_run import TaskRun


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """Bounds of an attempt. ``stop_grace_seconds`` is how long a worker may take to clean up after SIGTERM: Ray sends
    SIGKILL 5 s later."""

    xcom_max_bytes: int = 16 << 20
    bundle_max_bytes: int = 256 << 20
    log_max_bytes: int = 256 << 20
    started_after_seconds: float = 0.5
    stop_grace_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class WorkerResult:
    """What a worker hands to its executor: the outcome, and the last part of the log, beginning at ``log_offset``."""

    outcome: Outcome
    log_offset: int
    log: bytes


_DEFAULT_LIMITS = AttemptLimits()
_one_at_a_time = threading.Lock()  # descriptors, signals and bundle modules belong to the process


def run_attempt(
    spec: AttemptSpec,
    *,
    services: WorkerServices,
    node_id: str,
    cache_dir: Path,
    limits: AttemptLimits = _DEFAULT_LIMITS,
) -> WorkerResult:
    """Run the attempt and say how it ended. Never raises. For the main thread: timeouts interrupt only that."""
    start = time.time()
    task_run = TaskRun(spec, services, xcom_max_bytes=limits.xcom_max_bytes, start=start)
    offset, log = 0, b""
    try:
        with _one_at_a_time, CapturedOutput(f"{cache_dir}/{output_name(spec.attempt_id)}") as output:
            attempt_log = AttemptLog(output.fd, services, spec, limits.log_max_bytes)
            try:
                with _watched(spec, task_run, attempt_log, services, node_id, start, limits):
                    ending = task_run.ending(lambda: _load_and_run(spec, task_run, services, cache_dir, limits))
                end = time.time()
                output.flush()
                offset, log = attempt_log.tail()
            except AttemptTerminated:
                _end_worker(output, attempt_log)
            finally:
                attempt_log.close()
    except BaseException as error:  # noqa: BLE001 - the promise of this function
        end = time.time()
        ending = Ending(OutcomeKind.FAILED, f"the worker could not run the attempt: {describe(error)}")
    outcome = Outcome(
        attempt_id=spec.attempt_id,
        kind=ending.kind,
        start_date=start,
        end_date=max(start, end),
        node_id=node_id,
        pid=os.getpid(),
        error=ending.error,
        xcoms=task_run.xcoms.pushed,
        skipped_task_ids=ending.skipped_task_ids,
    )
    return WorkerResult(outcome, offset, log)


@contextlib.contextmanager
def _watched(
    spec: AttemptSpec,
    task_run: TaskRun,
    attempt_log: AttemptLog,
    services: WorkerServices,
    node_id: str,
    start: float,
    limits: AttemptLimits,
) -> Iterator[None]:
    """Have the side thread take care of the attempt, and let SIGTERM interrupt it."""
    watch = Watch(
        services=services,
        started=Started(spec.attempt_id, start, node_id, os.getpid()),
        log=attempt_log,
        started_after_seconds=limits.started_after_seconds,
        stop_grace_seconds=limits.stop_grace_seconds,
        stop=task_run.kill,
    )
    wakeup_fd = SIDE_THREAD.watch(watch)
    try:
        with StopSignals(wakeup_fd):
            yield
    finally:
        SIDE_THREAD.unwatch()


def _load_and_run(
    spec: AttemptSpec, task_run: TaskRun, services: WorkerServices, cache_dir: Path, limits: AttemptLimits
) -> None:
    """Find the DAG in its bundle and run the task, while only that bundle's modules are in sight."""
    from skyray.parsing.loader import bundle_modules, cached_dags

    run = spec.run
    root = bundle_root(run.bundle_digest, cache_dir, services.fetch_bundle, max_bytes=limits.bundle_max_bytes)
    with bundle_modules(root, run.bundle_digest):
        dags = cached_dags(root, run.relative_path, run.bundle_digest)
        dag = next((dag for dag in dags if dag.dag_id == run.dag_id), None)
        if dag is None:
            raise NotFoundError(
                f"{run.relative_path} of this version defines no DAG {run.dag_id!r}",
                hint="does the file define other DAGs on a worker than when it was parsed?",
            )
        task_run.run(dag, _folder_of(root, run.relative_path))


@functools.lru_cache(maxsize=64)
def _folder_of(root: Path, relative_path: str) -> Path:
    return (root / relative_path).parent


def _end_worker(output: CapturedOutput, attempt_log: AttemptLog) -> NoReturn:
    """The operator has cleaned up after SIGTERM: ship what was written, and go."""
    print("Task stopped: its worker was told to end (SIGTERM)", file=sys.stderr)  # noqa: T201
    output.flush()
    with contextlib.suppress(Exception):
        attempt_log.ship()
        output.remove()
    end_process()
