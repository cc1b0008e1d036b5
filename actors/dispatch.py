"""How an executor has attempts run: the policy, apart from its books; and the plain policy, a Ray task for each.

The other one (runner_leases.py: a Ray task that runs many attempts) stands behind the same seam, ``Dispatcher``: the
executor says ``start`` and ``cancel``, and hears of each end once, as an ``Ended``, from any thread.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import ray.exceptions

from skyray.actors.ray_port import RayPort
from skyray.actors.wire import Assignment, WorkerReply
from skyray.actors.worker import run_attempt_task
from skyray.core.messages import Lost
from skyray.core.model import ResourceSpec

_VARIANTS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Failed:
    """The user's fault, found before user code ran: a runtime_env that cannot be made."""

    error: str


Ended = WorkerReply | Lost | Failed


class Dispatcher(Protocol):
    """Runs attempts somewhere. ``ended`` is called once for each started attempt, from any thread."""

    def start(self, assignment: Assignment) -> None:
        """Begin an attempt. Does not block; a failure is an end."""
        ...

    def cancel(self, attempt_id: int, *, force: bool) -> None:
        """Ask an attempt to stop, or end its process. Does nothing for one that ended."""
        ...


class TaskForEachAttempt:
    """The plain policy: Ray places, accounts and runs each attempt as a task of its own.

    One generic function with data as its argument: a new function object would cost 3 ms more each time.
    """

    def __init__(self, port: RayPort, deployment: bytes, ended: Callable[[int, Ended], None]) -> None:
        self._port = port
        self._deployment = deployment
        self._ended = ended
        self._function = port.remote_function(
            run_attempt_task, max_retries=0, retry_exceptions=False, enable_task_events=False
        )
        self._refs: dict[int, Any] = {}
        self._variant = lru_cache(maxsize=_VARIANTS_MAX)(self._make_variant)

    def start(self, assignment: Assignment) -> None:
        """Submit the attempt's task."""
        attempt_id = assignment.attempt_id
        try:
            ref = self._variant(assignment.resources, assignment.name).remote(assignment.payload, self._deployment)
        except (ValueError, TypeError, ray.exceptions.RayError) as error:
            self._ended(attempt_id, lost_by(attempt_id, error))
            return
        self._refs[attempt_id] = ref

        def done(reply: WorkerReply | None, error: BaseException | None) -> None:
            self._refs.pop(attempt_id, None)
            self._ended(attempt_id, lost_by(attempt_id, error) if reply is None else reply)

        self._port.when_done(ref, done)

    def cancel(self, attempt_id: int, *, force: bool) -> None:
        """Cancel the attempt's task."""
        ref = self._refs.get(attempt_id)
        if ref is not None:
            self._port.cancel(ref, force=force)

    def _make_variant(self, resources: ResourceSpec, name: str) -> Any:
        return self._function.options(name=name, **ray_options(resources))


def ray_options(resources: ResourceSpec) -> dict[str, Any]:
    """A ResourceSpec as Ray's task options. What the author did not ask for is left to Ray: one CPU, nothing else.

    >>> ray_options(ResourceSpec(num_gpus=1))
    {'num_cpus': 1, 'num_gpus': 1}
    """
    options: dict[str, Any] = {"num_cpus": 1 if resources.num_cpus is None else resources.num_cpus}
    if resources.num_gpus is not None:
        options["num_gpus"] = resources.num_gpus
    if resources.memory is not None:
        options["memory"] = resources.memory
    if resources.resources:
        options["resources"] = dict(resources.resources)
    if resources.label_selector:
        options["label_selector"] = dict(resources.label_selector)
    if resources.accelerator_type is not None:
        options["accelerator_type"] = resources.accelerator_type
    if resources.runtime_env_json is not None:
        options["runtime_env"] = json.loads(resources.runtime_env_json)
    return options


def lost_by(attempt_id: int, error: BaseException | None) -> Lost | Failed:
    """What an exception of Ray's means. A worker returns its outcome, so none of these says what user code did."""
    text = _words(error)
    match error:
        case None:
            return Lost(attempt_id, "its worker ended without a word of it")
        case ray.exceptions.RuntimeEnvSetupError():
            return Failed(f"runtime_env could not be set up: {text}")
        case ray.exceptions.TaskCancelledError():
            return Lost(attempt_id, "cancelled", cancelled=True)
        case ray.exceptions.WorkerCrashedError():
            return Lost(attempt_id, "the worker process died")
        case ray.exceptions.OutOfMemoryError():
            return Lost(attempt_id, f"killed by Ray's memory monitor: {text}")
        case ray.exceptions.NodeDiedError():
            return Lost(attempt_id, f"its node died: {text}")
        case ray.exceptions.TaskUnschedulableError():
            return Lost(attempt_id, f"Ray could not place it: {text}")
        case ray.exceptions.RayTaskError():
            # The runner itself failed (it catches all that user code raises), e.g. a worker without our package.
            return Lost(attempt_id, f"the worker could not run it: {type(error.cause).__name__}: {error.cause}")
        case ValueError() | TypeError():
            return Failed(f"Ray refused its options: {text}")
        case _:
            return Lost(attempt_id, f"{type(error).__name__}: {text}")


def _words(error: BaseException | None) -> str:
    """An exception in one line: its first, and the last, which names the cause where Ray quotes a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:1] + lines[1:][-1:])
