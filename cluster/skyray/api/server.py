"""The admin API's server: every service, health, reflection, on one port of one event loop.

    server = await serve(reader, control_plane, address="127.0.0.1:0", token="…")
    print(server.address)
    await server.stop()

Called by actors/api.py. Stateless: everything is in Postgres or with the actors, so any number of servers may run.
"""

from __future__ import annotations

import ipaddress
import logging
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as aio_health  # type: ignore[attr-defined]
from grpc_reflection.v1alpha import reflection

from skyray.admin.v1 import (
    cluster_pb2,
    cluster_pb2_grpc,
    dags_pb2,
    dags_pb2_grpc,
    pools_pb2,
    pools_pb2_grpc,
    runs_pb2,
    runs_pb2_grpc,
    tasks_pb2,
    tasks_pb2_grpc,
)
from skyray.api.commands import CommandDesk
from skyray.api.control_plane import ControlPlane
from skyray.api.interceptors import Guard
from skyray.api.reads import Reads
from skyray.api.services.cluster import ClusterService
from skyray.api.services.dags import DagService
from skyray.api.services.pools import PoolService
from skyray.api.services.runs import RunService
from skyray.api.services.tasks import TaskService
from skyray.errors import ConflictError, InvalidInputError
from skyray.store.reader import Reader

_log = logging.getLogger(__name__)
_STOP_GRACE_SECONDS = 1.0
_OPTIONS = [
    ("grpc.so_reuseport", 0),  # a second server on the port is an error, not a share of the calls
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.max_metadata_size", 32 << 10),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
]


class Server:
    """A running server; ``address`` is where it listens, with the port that it got."""

    def __init__(self, server: grpc.aio.Server, address: str, reads: Reads, health: aio_health.HealthServicer) -> None:
        self.address = address
        self._server = server
        self._reads = reads
        self._health = health

    async def stop(self) -> None:
        """Refuse new calls, let those under way end for a moment, end the others."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(_STOP_GRACE_SECONDS)
        self._reads.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise InvalidInputError(f"api_address is {address!r}; it must be host:port, such as 127.0.0.1:50051")
    return host, int(port)


async def serve(
    reader: Reader, control_plane: ControlPlane, *, address: str, token: str, bundle_max_bytes: int = 256 << 20
) -> Server:
    """Start serving on ``address`` (port 0: any free one). ``token``: what callers must present.

    Raises ``InvalidInputError`` for an address that others can reach without a token, and ``ConflictError`` for a port
    that is taken.
    """
    host, port = _host_and_port(address)
    if not token and not is_loopback(host):
        raise InvalidInputError(
            f"the admin API does not listen on {address} without a token: others could reach it",
            hint="set SKYRAY_TOKEN, or use a loopback address such as 127.0.0.1:50051",
        )
    reads = Reads(reader)
    desk = CommandDesk(reads, control_plane)
    server = grpc.aio.server(interceptors=[Guard(token)], options=_OPTIONS)
    health = aio_health.HealthServicer()
    services: list[tuple[Any, Any]] = [
        (dags_pb2_grpc.add_DagServiceServicer_to_server, DagService(reads, desk, control_plane, bundle_max_bytes)),
        (runs_pb2_grpc.add_RunServiceServicer_to_server, RunService(reads, desk)),
        (tasks_pb2_grpc.add_TaskServiceServicer_to_server, TaskService(reads, control_plane)),
        (pools_pb2_grpc.add_PoolServiceServicer_to_server, PoolService(reads, control_plane)),
        (cluster_pb2_grpc.add_ClusterServiceServicer_to_server, ClusterService(reads, control_plane)),
        (health_pb2_grpc.add_HealthServicer_to_server, health),
    ]
    for add, service in services:
        add(service, server)
    files = (dags_pb2, runs_pb2, tasks_pb2, pools_pb2, cluster_pb2)
    names = [each.full_name for file in files for each in file.DESCRIPTOR.services_by_name.values()]
    health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    reflection.enable_server_reflection([*names, health_name, reflection.SERVICE_NAME], server)
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError as error:
        reads.close()
        raise ConflictError(
            f"cannot listen on {address}: {error}", hint="is another deployment there? port 0 is any free port"
        ) from None
    await server.start()
    for name in ("", *names):
        await health.set(name, health_pb2.HealthCheckResponse.SERVING)
    _log.info("api.listening address=%s:%d", host, bound)
    return Server(server, f"{host}:{bound or port}", reads, health)
