"""The one door to Ray: no other module says ray.get, kill, wait or get_actor. Every call has a deadline.

Calls that go through Ray's GCS (looking up or creating a named actor, listing nodes) can block for 20 s and more while
the head is away; here they run in threads of their own, so that no control loop waits for them. Calls between actors go
on meanwhile. The shells take a ``RayPort`` as an argument; unit tests give a fake.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import ray
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from skyray.core.events import NodeResources
from skyray.errors import ClusterUnreachableError, SkyrayError
from skyray.observe.logs import log_to_stderr

LOOKUP_SECONDS = 5.0


class ActorUnreachableError(ClusterUnreachableError):
    """An actor is not there, died, is restarting, or gave no answer in time. The call may have been executed.

    ``is_final``: there is no such actor, or its constructor raised: asking again is of no use.
    """

    is_final = False


class RayPort:
    """Ray, as the shells need it."""

    # ------------------------------------------------------------------------------------------------ this process
    def node_id(self) -> str:
        """The Ray node that this process is on."""
        return str(ray.get_runtime_context().get_node_id())

    def node_ip(self) -> str:
        """The address by which other nodes reach this process's node."""
        return str(ray.util.get_node_ip_address())

    def uses_tls(self) -> bool:
        """Whether Ray encrypts what its processes say to each other."""
        return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")

    def begin_actor(self, name: str) -> None:
        """This process is the actor ``name`` from now on: its log lines go to Ray's file for its standard error."""
        log_to_stderr(name)

    # ----------------------------------------------------------------------------------------------- named actors
    def find_actor(self, name: str, namespace: str, deadline_seconds: float = LOOKUP_SECONDS) -> Any:
        """The handle of a named actor. Blocks; raises ``ActorUnreachableError`` if there is none, or no answer."""
        return _in_thread(lambda: _get_actor(name, namespace), deadline_seconds, f"looking up actor {name}")

    async def find_actor_async(self, name: str, namespace: str, deadline_seconds: float = LOOKUP_SECONDS) -> Any:
        """``find_actor`` for an event loop."""
        return await asyncio.to_thread(self.find_actor, name, namespace, deadline_seconds)

    def create_actor(
        self, actor_class: type, name: str, namespace: str, *, arguments: tuple[Any, ...], node_id: str, calls_max: int
    ) -> Any:
        """Create a named, detached actor that Ray restarts for ever, softly on a node; or find the one there is."""
        options = {
            "name": name,
            "namespace": namespace,
            "lifetime": "detached",
            "get_if_exists": True,
            "num_cpus": 0,
            "max_restarts": -1,
            "max_task_retries": 0,
            "max_concurrency": calls_max,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(node_id, soft=True),
        }
        return ray.remote(actor_class).options(**options).remote(*arguments)

    def kill_actor(self, handle: Any) -> None:
        """End an actor for good, at once."""
        ray.kill(handle, no_restart=True)

    # ------------------------------------------------------------------------------------------------ actor calls
    async def reply(self, ref: Any, deadline_seconds: float) -> Any:
        """The answer to an actor call, on an event loop.

        Raises ``ActorUnreachableError``, or the ``SkyrayError`` that the actor raised.
        """
        try:
            return await asyncio.wait_for(ref, deadline_seconds)
        except asyncio.TimeoutError:
            raise ActorUnreachableError(f"no answer within {deadline_seconds:g} s") from None
        except ray.exceptions.RayError as error:
            raise translated(error) from error

    def reply_blocking(self, ref: Any, deadline_seconds: float) -> Any:
        """The answer to an actor call, in a thread. Raises as ``reply`` does."""
        try:
            return ray.get(ref, timeout=deadline_seconds)
        except ray.exceptions.GetTimeoutError:
            raise ActorUnreachableError(f"no answer within {deadline_seconds:g} s") from None
        except ray.exceptions.RayError as error:
            raise translated(error) from error

    def when_done(self, ref: Any, callback: Callable[[Any, BaseException | None], None]) -> None:
        """Call back with (value, None) or (None, Ray's exception) once a task or call ended.

        The callback runs in a thread of Ray's: it must be quick and must not call Ray. Cheaper than awaiting each ref
        (by a sixth at 100 in flight).
        """

        def ended(future: concurrent.futures.Future[Any]) -> None:
            error = future.exception()
            callback(None if error else future.result(), error)

        ref.future().add_done_callback(ended)

    # ------------------------------------------------------------------------------------------------------ tasks
    def remote_function(self, function: Callable[..., Any], **options: Any) -> Any:
        """A Ray remote function; ``.options(…)`` of it makes a variant that the caller keeps."""
        return ray.remote(**options)(function)

    def on_node(self, function: Callable[..., Any], node_id: str) -> Any:
        """A remote function that runs on that node or, if it is gone, not at all; it takes no resources."""
        place = NodeAffinitySchedulingStrategy(node_id, soft=False)
        return ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=place)(function)

    def cancel(self, ref: Any, *, force: bool) -> None:
        """Cancel a task: a KeyboardInterrupt between two bytecodes, or the end of its process. Never raises."""
        try:
            ray.cancel(ref, force=force, recursive=True)
        except (ray.exceptions.RayError, ValueError):
            return  # ended by itself, which its watcher sees

    # ---------------------------------------------------------------------------------------------------- cluster
    def nodes(self) -> tuple[NodeResources, ...]:
        """The alive nodes, by id. Blocks while the head is away: only for a thread that does nothing else."""
        found = [
            NodeResources(
                node_id=node["NodeID"],
                total=tuple(sorted((name, float(quantity)) for name, quantity in node["Resources"].items())),
                labels=tuple(sorted((node.get("Labels") or {}).items())),
            )
            for node in ray.nodes()
            if node["Alive"]
        ]
        return tuple(sorted(found, key=lambda node: node.node_id))


def translated(error: BaseException) -> SkyrayError:
    """A Ray exception of an actor call as one of ours."""
    if isinstance(error, ray.exceptions.RayTaskError):
        cause = error.cause
        if isinstance(cause, SkyrayError):
            return cause
        return SkyrayError(f"the actor failed: {type(cause).__name__}: {cause}")
    lines = str(error).strip().splitlines() or [""]
    unreachable = ActorUnreachableError(f"{type(error).__name__}: {lines[0]}")
    if isinstance(error, ray.exceptions.ActorDiedError):
        unreachable.is_final = True
        if len(lines) > 1:
            unreachable.message = f"{unreachable.message} {lines[-1]}"
    return unreachable


def _get_actor(name: str, namespace: str) -> Any:
    try:
        return ray.get_actor(name, namespace=namespace)
    except ValueError:
        missing = ActorUnreachableError(
            f"there is no actor {name} in Ray namespace {namespace}", hint="is the control plane up?"
        )
        missing.is_final = True
        raise missing from None


def _in_thread(call: Callable[[], Any], deadline_seconds: float, what: str) -> Any:
    """Run a blocking call in a daemon thread and give up waiting (not the call) after the deadline."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)

    threading.Thread(target=run, name=what, daemon=True).start()
    try:
        return future.result(deadline_seconds)
    except concurrent.futures.TimeoutError:
        raise ActorUnreachableError(f"{what}: Ray's head gave no answer within {deadline_seconds:g} s") from None
    except ray.exceptions.RayError as error:
        raise translated(error) from error


def deadline_in(seconds: float) -> Callable[[], float]:
    """How many seconds are left until ``seconds`` from now; never below zero."""
    end = time.monotonic() + seconds
    return lambda: max(end - time.monotonic(), 0.0)
