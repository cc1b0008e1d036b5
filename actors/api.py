"""The Api actor: the admin API's server, and what workers may ask for. Stateless: any number of them may run.

``Api`` is the actor; ``ActorControlPlane`` is api/control_plane.py's protocol over the other actors, each found by its
name and asked with a deadline. Called by launch.py (address, info) and by workers (fetch_bundle, read_xcom).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import OrderedDict
from typing import Any

from skyray.actors.names import API, DAG_PROCESSOR, POOLS, executor_names, scheduler_names
from skyray.actors.names import all_names as all_actor_names
from skyray.actors.ray_port import ActorUnreachableError, RayPort
from skyray.api.control_plane import ActorInfo, NodeInfo, SubmitReport
from skyray.api.server import Server, serve
from skyray.core.events import CommandResult
from skyray.core.parsed import ParseError
from skyray.errors import ClusterUnreachableError, ConflictError
from skyray.settings import Settings
from skyray.store.catalog import Catalog
from skyray.store.reader import Reader

_log = logging.getLogger(__name__)

COMMAND_SECONDS = 10.0
INFO_SECONDS = 2.0
LOG_SECONDS = 10.0
NODES_SECONDS = 5.0
EXPLAIN_SECONDS = 3.0
SUBMIT_SECONDS = 280.0
BUNDLES_CACHED_BYTES_MAX = 64 << 20
_NOT_APPLIED = frozenset({"not_leader", "pending"})


class Api:
    """The actor. Serves from construction on; ``address`` says where, once it listens."""

    def __init__(self, settings: Settings, index: int = 0, *, port: RayPort | None = None) -> None:
        self._settings = settings
        self._name = API if index == 0 else f"{API}-{index}"
        self._port = port or RayPort()
        self._reader = Reader(settings.database_url)
        self._bundles = BundleCache(Catalog(settings.database_url))
        control_plane = ActorControlPlane(settings, self._port)
        self._serving = asyncio.create_task(self._serve(control_plane), name="api-serve")

    async def _serve(self, control_plane: ActorControlPlane) -> Server:
        """Listen where the settings say; for "any free port", where the actor's life before this one listened."""
        wanted = self._settings.api_address
        remembered = self._settings.home_path / f"{self._name}.address"
        if wanted.endswith(":0") and remembered.is_file():
            before = remembered.read_text(encoding="utf-8").strip()
            if before.rpartition(":")[0] == wanted.rpartition(":")[0]:
                try:
                    return await self._serve_on(control_plane, before)
                except ConflictError:
                    _log.warning("api.port_lost address=%s", before)
        server = await self._serve_on(control_plane, wanted)
        remembered.parent.mkdir(parents=True, exist_ok=True)
        remembered.write_text(server.address + "\n", encoding="utf-8")
        return server

    async def _serve_on(self, control_plane: ActorControlPlane, address: str) -> Server:
        return await serve(
            self._reader,
            control_plane,
            address=address,
            token=_token_of(self._settings),
            bundle_max_bytes=self._settings.bundle_max_bytes,
        )

    # -------------------------------------------------------------------------------------------------- deployment
    async def address(self) -> str:
        """``host:port`` on which the admin API listens. Raises what kept it from doing so."""
        return (await asyncio.shield(self._serving)).address

    async def info(self) -> dict[str, Any]:
        """Who this is."""
        is_serving = self._serving.done() and not self._serving.cancelled() and self._serving.exception() is None
        return {
            "name": self._name,
            "role": "api",
            "node_id": self._port.node_id(),
            "pid": os.getpid(),
            "state": "running" if is_serving else "starting",
            "leads": [],
        }

    async def stop(self) -> None:
        """Serve no more."""
        await (await self._serving).stop()

    # ----------------------------------------------------------------------------------------------------- workers
    async def fetch_bundle(self, digest: str) -> bytes:
        """The packed bundle of that digest."""
        return await self._bundles.get(digest)

    async def read_xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str, map_index: int | None
    ) -> list[tuple[int, bytes]]:
        """The values stored under one key as (map_index, JSON), by map index. ``None``: those of every map index."""
        return await asyncio.to_thread(self._reader.read_xcom, dag_id, run_id, task_id, key, map_index)


def _token_of(settings: Settings) -> str:
    if settings.token:
        return settings.token
    try:
        return settings.token_path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


class BundleCache:
    """The bundles asked for last, up to ``BUNDLES_CACHED_BYTES_MAX``. Many who ask for one at once cause one read."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._reading: dict[str, asyncio.Task[bytes]] = {}
        self._one_at_a_time = asyncio.Lock()  # the catalog has one connection

    async def get(self, digest: str) -> bytes:
        """The bundle's content. Raises ``NotFoundError``."""
        content = self._kept.get(digest)
        if content is not None:
            self._kept.move_to_end(digest)
            return content
        reading = self._reading.get(digest)
        if reading is None:
            reading = self._reading[digest] = asyncio.create_task(self._read(digest))
        return await asyncio.shield(reading)

    async def _read(self, digest: str) -> bytes:
        try:
            async with self._one_at_a_time:
                content = await asyncio.to_thread(self._catalog.get_bundle, digest)
        finally:
            del self._reading[digest]
        self._kept[digest] = content
        while sum(map(len, self._kept.values())) > BUNDLES_CACHED_BYTES_MAX:
            self._kept.popitem(last=False)
        return content


class ActorControlPlane:
    """``api.control_plane.ControlPlane`` by calls to the actors of the settings' Ray namespace."""

    def __init__(self, settings: Settings, port: RayPort) -> None:
        self._settings = settings
        self._port = port
        self._handles: dict[str, Any] = {}
        self._leaders: dict[int, str] = {}  # partition -> the scheduler that led it last

    async def run_command(self, partition: int, command_id: int) -> CommandResult | None:
        """Ask the scheduler that led last; where that is no longer so, all of them at once."""
        known = self._leaders.get(partition)
        if known is not None:
            result = await self._ask_scheduler(known, partition, command_id)
            if result is not None:
                return result
            del self._leaders[partition]
        names = [name for name in scheduler_names(self._settings) if name != known]
        for result in await asyncio.gather(*(self._ask_scheduler(name, partition, command_id) for name in names)):
            if result is not None:
                return result
        return None

    async def _ask_scheduler(self, name: str, partition: int, command_id: int) -> CommandResult | None:
        try:
            answer = await self._call(name, "run_command", partition, command_id, deadline_seconds=COMMAND_SECONDS)
        except ClusterUnreachableError as error:
            _log.info("api.scheduler_unreachable name=%s error=%s", name, error)
            return None
        if answer["code"] in _NOT_APPLIED:
            return None
        self._leaders[partition] = name
        return CommandResult(**answer)

    async def pools_changed(self) -> None:
        """Have the Pools actor read the definitions. It does so by itself every few seconds, should this get lost."""
        try:
            await self._call(POOLS, "reload", deadline_seconds=INFO_SECONDS)
        except ClusterUnreachableError as error:
            _log.info("api.pools_unreachable error=%s", error)

    async def submit_bundle(self, name: str, content: bytes, request_id: str) -> SubmitReport:
        """Have the DagProcessor parse and publish it."""
        report = await self._call(DAG_PROCESSOR, "submit", name, content, request_id, deadline_seconds=SUBMIT_SECONDS)
        return SubmitReport(
            bundle_digest=report["digest"],
            dag_ids=tuple(dag["dag_id"] for dag in report["dags"]),
            retired_dag_ids=tuple(report["retired"]),
            errors=tuple(ParseError(**error) for error in report["errors"]),
        )

    async def read_log(self, executor: str | None, path: str, offset: int, limit_bytes: int) -> bytes:
        """From the executor that keeps it, or from whichever has it."""
        names = executor_names(self._settings)
        if executor in names:
            return await self._read_log_of(executor, path, offset, limit_bytes)
        parts = await asyncio.gather(
            *(self._read_log_of(name, path, offset, limit_bytes) for name in names), return_exceptions=True
        )
        for part in parts:
            if isinstance(part, bytes) and part:
                return part
        for part in parts:
            if isinstance(part, BaseException):
                raise part
        return b""

    async def _read_log_of(self, name: str, path: str, offset: int, limit_bytes: int) -> bytes:
        data, _size, _is_final = await self._call(
            name, "read_log", path, offset, limit_bytes, deadline_seconds=LOG_SECONDS
        )
        return bytes(data)

    async def nodes(self) -> list[NodeInfo]:
        """What Ray's head knows of its nodes."""
        try:
            return await asyncio.wait_for(asyncio.to_thread(_ray_nodes), NODES_SECONDS)
        except asyncio.TimeoutError:
            raise ClusterUnreachableError("Ray's head does not say which nodes there are") from None

    async def actors(self) -> list[ActorInfo]:
        """Every actor that the deployment should have, asked at the same time."""
        return list(await asyncio.gather(*(self._info(name) for name in all_actor_names(self._settings))))

    async def _info(self, name: str) -> ActorInfo:
        try:
            info = await self._call(name, "info", deadline_seconds=INFO_SECONDS)
        except ClusterUnreachableError as error:
            return ActorInfo(name, _role_of(name), "", 0, _state_of(error))
        return ActorInfo(name, info["role"], info["node_id"], info["pid"], info["state"], tuple(info["leads"]))

    async def explain(self, partition: int, ti_id: int) -> str | None:
        """Ask the leader."""
        known = self._leaders.get(partition)
        names = [known] if known else list(scheduler_names(self._settings))
        for name in names:
            reason = await self._call(name, "explain", partition, ti_id, deadline_seconds=EXPLAIN_SECONDS)
            if reason is not None:
                return str(reason["message"])
        return None

    async def _call(self, name: str, method: str, *arguments: Any, deadline_seconds: float) -> Any:
        handle = self._handles.get(name)
        if handle is None:
            handle = await self._port.find_actor_async(name, self._settings.ray_namespace)
            self._handles[name] = handle
        try:
            return await self._port.reply(getattr(handle, method).remote(*arguments), deadline_seconds)
        except ActorUnreachableError:
            self._handles.pop(name, None)  # it may have been made anew under its name
            raise


def _role_of(name: str) -> str:
    return {DAG_PROCESSOR: "dag_processor", POOLS: "pools", API: "api"}.get(name) or name.partition("-")[0]


def _state_of(error: ClusterUnreachableError) -> str:
    text = error.message
    if "ActorUnavailable" in text:
        return "restarting"
    return "dead" if "ActorDied" in text or "there is no actor" in text else "unresponsive"


def _ray_nodes() -> list[NodeInfo]:
    import ray

    return [
        NodeInfo(
            node_id=node["NodeID"],
            address=node["NodeManagerAddress"],
            hostname=node["NodeManagerHostname"],
            state="alive" if node["Alive"] else "dead",
            is_head="node:__internal_head__" in node["Resources"],
            resources={key: float(value) for key, value in node["Resources"].items() if not key.startswith("node:")},
            labels=dict(node.get("Labels") or {}),
        )
        for node in ray.nodes()
    ]
