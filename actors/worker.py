"""What runs in a Ray worker for each attempt: unpack, ``execution.run_attempt``, pack. Thin: every TI pays for it.

The only code of this package that shares a process with user code. Called by Ray; submitted by dispatch.py.
"""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyray.actors.ray_port import ActorUnreachableError, RayPort
from skyray.actors.wire import WorkerReply
from skyray.core.messages import AttemptSpec, Lost, Outcome, OutcomeKind, Started
from skyray.errors import ClusterUnreachableError
from skyray.execution.attempt import AttemptLimits, run_attempt
from skyray.settings import Settings

API_SECONDS = 60.0
OUTAGE_SECONDS = 300.0  # how long an attempt waits for Apis and the database
_PAUSES_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
_VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a worker must know of the deployment that it works for; the same for all attempts of an executor."""

    namespace: str
    executor: str
    apis: tuple[str, ...]
    cache_dir: str
    limits: AttemptLimits


class ActorServices:
    """``execution.services.WorkerServices`` by calls to the executor (logs, started) and an Api actor (the rest)."""

    def __init__(self, deployment: Deployment, port: RayPort) -> None:
        self._deployment = deployment
        self._port = port
        self._handles: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.gave_up: str | None = None  # why a request of this attempt was never answered

    def fetch_bundle(self, digest: str) -> bytes:
        """The packed bundle of that digest."""
        content: bytes = self._ask_api(lambda api: api.fetch_bundle.remote(digest))
        return content

    def read_xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str, map_index: int | None
    ) -> list[tuple[int, bytes]]:
        """The values stored under one key, by map index."""
        found: list[tuple[int, bytes]] = self._ask_api(
            lambda api: api.read_xcom.remote(dag_id, run_id, task_id, key, map_index)
        )
        return found

    def publish_log(self, attempt_id: int, log_path: str, offset: int, data: bytes) -> None:
        """Ship a piece of log; nobody waits for it."""
        self._handle(self._deployment.executor).append_log.remote(attempt_id, log_path, offset, data)

    def started(self, started: Started) -> None:
        """Say that the attempt is running; nobody waits for it."""
        self._handle(self._deployment.executor).started.remote(started)

    def _ask_api(self, call: Callable[[Any], Any]) -> Any:
        """Ask the Api actors in turn until one answers: they are stateless, and any may be restarting, or wait for a
        database that is. That is no failure of the author's code, so the attempt waits until it is over.
        """
        deadline = time.monotonic() + OUTAGE_SECONDS
        rounds = 0
        while True:
            problem = ClusterUnreachableError("no Api actor is configured")
            for name in self._deployment.apis:
                try:
                    return self._port.reply_blocking(call(self._handle(name)), API_SECONDS)
                except ClusterUnreachableError as error:
                    problem = error
                    if isinstance(error, ActorUnreachableError) and error.is_final:
                        self._forget_handle(name)
            pause = _PAUSES_SECONDS[min(rounds, len(_PAUSES_SECONDS) - 1)]
            if time.monotonic() + pause > deadline:
                self.gave_up = f"no answer from the deployment within {OUTAGE_SECONDS:g} s: {problem.message}"
                raise problem
            time.sleep(pause)
            rounds += 1

    def _handle(self, name: str) -> Any:
        with self._lock:
            handle = self._handles.get(name)
            if handle is None:
                handle = self._handles[name] = self._port.find_actor(name, self._deployment.namespace)
            return handle

    def _forget_handle(self, name: str) -> None:
        """The actor behind the handle is gone for good; there may be a new one under its name."""
        with self._lock:
            self._handles.pop(name, None)


def attempt_limits(settings: Settings) -> AttemptLimits:
    """The bounds that the settings set."""
    return AttemptLimits(xcom_max_bytes=settings.xcom_max_bytes, bundle_max_bytes=settings.bundle_max_bytes)


def run_attempt_task(payload: bytes, deployment: bytes) -> WorkerReply:
    """Run one attempt: a pickled AttemptSpec, for a pickled Deployment. Returns what became of it; never raises."""
    return attempt_runner(deployment)(payload)


def attempt_runner(deployment: bytes) -> Callable[[bytes], WorkerReply]:
    """What runs attempts for a pickled Deployment; the same one each time."""
    known = _known.get(deployment)
    if known is None:
        known = _known[deployment] = _AttemptRunner(pickle.loads(deployment))
    return known


class _AttemptRunner:
    """Runs attempts of one deployment in this process."""

    def __init__(self, deployment: Deployment) -> None:
        port = RayPort()
        self._services = ActorServices(deployment, port)
        self._node_id = port.node_id()
        self._cache_dir = Path(deployment.cache_dir)
        self._limits = deployment.limits

    def __call__(self, payload: bytes) -> WorkerReply:
        spec: AttemptSpec = pickle.loads(payload)
        if not spec.resources.num_gpus and _VISIBLE_GPUS not in (spec.resources.runtime_env_json or ""):
            # Ray leaves this unset for num_gpus=0, so a CPU attempt would see, and could use, everybody's GPUs. Where
            # it assigns GPUs, it sets the variable anew for each task.
            os.environ[_VISIBLE_GPUS] = ""
        self._services.gave_up = None
        result = run_attempt(
            spec, services=self._services, node_id=self._node_id, cache_dir=self._cache_dir, limits=self._limits
        )
        kind = result.outcome.kind
        report: Outcome | Lost = result.outcome
        if kind is OutcomeKind.FAILED and self._services.gave_up is not None:
            report = Lost(spec.attempt_id, self._services.gave_up)  # no try of the author's is taken for an outage
        return WorkerReply(kind.value, pickle.dumps(report, pickle.HIGHEST_PROTOCOL), result.log_offset, result.log)


_known: dict[bytes, _AttemptRunner] = {}
