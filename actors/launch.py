"""Creating and ending a deployment's actors, by name, from a process that is connected to its Ray. Called by the CLI.

Both ways idempotent: what is there stays, what is gone is not missed. ``start_control_plane`` returns once a task can
run. Nothing here decides where Ray or Postgres come from (deployment.py).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from typing import Any

from skyray.actors import names, processes
from skyray.actors.ray_port import ActorUnreachableError, RayPort, deadline_in
from skyray.errors import ClusterUnreachableError
from skyray.settings import Settings

log = logging.getLogger(__name__)

START_SECONDS = 60.0
STOP_SECONDS = 15.0
INFO_SECONDS = 3.0
_POLL_SECONDS = 0.02  # between looks while starting and stopping; nothing else polls

#: role -> (class, the most calls that it answers at the same time)
_CLASSES = {
    "pools": ("skyray.actors.pools:Pools", 1_000),
    "scheduler": ("skyray.actors.scheduler:Scheduler", 1_000),
    "executor": ("skyray.actors.executor:Executor", 10_000),
    "api": ("skyray.actors.api:Api", 10_000),
    "dag_processor": ("skyray.actors.dag_processor:DagProcessor", 1_000),
}


def start_control_plane(
    settings: Settings, *, port: RayPort | None = None, deadline_seconds: float = START_SECONDS
) -> str:
    """Create the actors that are missing, all at once, softly on this process's node; returns the admin API's address.

    Ready means: every partition has a leader that has reached all executors and the pools, and the API answers. Raises
    ``ClusterUnreachableError`` with the cause if an actor cannot start, or that is not so in time.
    """
    port = port or RayPort()
    left = deadline_in(deadline_seconds)
    handles = _create(settings, port)
    with ThreadPoolExecutor(len(handles), thread_name_prefix="ready") as pool:
        for started in [pool.submit(_wait_for_info, port, name, handle, left) for name, handle in handles.items()]:
            started.result()
    _wait_for_leaders(settings, port, handles, left)
    return str(port.reply_blocking(handles[names.API].address.remote(), max(left(), 0.1)))


def stop_control_plane(
    settings: Settings, *, port: RayPort | None = None, deadline_seconds: float = STOP_SECONDS
) -> int:
    """End exactly the actors of this deployment, leaders first; returns how many there were, once they are gone.

    Their locks go with their connections, and the attempts that an executor has running end with it (within 5 s).
    """
    port = port or RayPort()
    left = deadline_in(deadline_seconds)
    first = names.scheduler_names(settings)
    order = [*first, *(name for name in names.all_names(settings) if name not in first)]
    with ThreadPoolExecutor(len(order), thread_name_prefix="stop") as pool:
        found = dict(zip(order, pool.map(lambda name: _find(port, name, settings), order), strict=True))
        handles = {name: handle for name, handle in found.items() if handle is not None}
        lives = list(pool.map(lambda item: _process_of(port, item[1]), handles.items()))
        for handle in handles.values():
            port.kill_actor(handle)
    for name in handles:
        _wait(partial(_is_gone, port, name, settings), left, f"actor {name} is still there")
    for process in filter(None, lives):
        _wait(partial(_has_ended, process), left, f"process {process.pid} of an actor still runs")
    return len(handles)


def control_plane_actors(settings: Settings, *, port: RayPort | None = None) -> list[dict[str, Any]]:
    """``info()`` of every actor; those that do not answer have the state "unreachable"."""
    port = port or RayPort()

    def ask(name: str) -> dict[str, Any]:
        role = _role(name)
        try:
            handle = port.find_actor(name, settings.ray_namespace, INFO_SECONDS)
            info: dict[str, Any] = port.reply_blocking(handle.info.remote(), INFO_SECONDS)
        except ActorUnreachableError as error:
            return {
                "name": name,
                "role": role,
                "node_id": "",
                "pid": 0,
                "state": "unreachable",
                "leads": [],
                "error": error.message,
            }
        return info

    every = names.all_names(settings)
    with ThreadPoolExecutor(len(every), thread_name_prefix="info") as pool:
        return list(pool.map(ask, every))


# ------------------------------------------------------------------------------------------------------------- helpers
def _create(settings: Settings, port: RayPort) -> dict[str, Any]:
    """All actors; those that exist are found. Ray makes their processes side by side."""
    node_id = port.node_id()
    handles = {}
    for name in names.all_names(settings):
        role = _role(name)
        path, calls_max = _CLASSES[role]
        module, _, class_name = path.partition(":")
        arguments: tuple[Any, ...] = (settings,)
        if role in ("scheduler", "executor"):
            arguments = (settings, int(name.rpartition("-")[2]))
        handles[name] = port.create_actor(
            getattr(import_module(module), class_name),
            name,
            settings.ray_namespace,
            arguments=arguments,
            node_id=node_id,
            calls_max=calls_max,
        )
    return handles


def _role(name: str) -> str:
    if name in (names.POOLS, names.API):
        return name
    return "dag_processor" if name == names.DAG_PROCESSOR else name.rpartition("-")[0]


def _wait_for_info(port: RayPort, name: str, handle: Any, left: Callable[[], float]) -> dict[str, Any]:
    """The actor's first answer. One that is being restarted is asked again; one whose constructor raised is not."""
    while True:
        try:
            info: dict[str, Any] = port.reply_blocking(handle.info.remote(), max(left(), 0.1))
            return info
        except ActorUnreachableError as error:
            if error.is_final or left() <= 0:
                raise ClusterUnreachableError(f"actor {name} did not start: {error.message}") from None
            time.sleep(_POLL_SECONDS)


def _wait_for_leaders(settings: Settings, port: RayPort, handles: dict[str, Any], left: Callable[[], float]) -> None:
    schedulers = [handles[name] for name in names.scheduler_names(settings)]
    executors = sorted(names.executor_names(settings))

    def missing() -> list[str]:
        ready: set[int] = set()
        for handle in schedulers:
            try:
                for led in port.reply_blocking(handle.leads.remote(), INFO_SECONDS):
                    if led["is_loaded"] and led["pools"] and led["executors"] == executors:
                        ready.add(led["partition"])
            except ActorUnreachableError:
                continue
        return [str(partition) for partition in range(settings.partitions) if partition not in ready]

    _wait(lambda: not missing(), left, "partitions without a leader that reaches executors and pools")


def _find(port: RayPort, name: str, settings: Settings) -> Any:
    try:
        return port.find_actor(name, settings.ray_namespace)
    except ActorUnreachableError as error:
        if error.is_final:
            return None
        raise


def _is_gone(port: RayPort, name: str, settings: Settings) -> bool:
    return _find(port, name, settings) is None


def _has_ended(process: processes.ProcessIdentity) -> bool:
    return not process.is_alive()


def _process_of(port: RayPort, handle: Any) -> processes.ProcessIdentity | None:
    """The actor's process, if it is on this machine and answers."""
    try:
        info = port.reply_blocking(handle.info.remote(), INFO_SECONDS)
    except ActorUnreachableError:
        return None
    pid = int(info["pid"])
    if info["node_id"] != port.node_id() or pid == os.getpid():
        return None
    return processes.identify(pid)


def _wait(is_so: Callable[[], bool], left: Callable[[], float], problem: str) -> None:
    while not is_so():
        if left() <= 0:
            raise ClusterUnreachableError(problem, hint="the actors' logs are in Ray's session folder")
        time.sleep(_POLL_SECONDS)
