"""Who is let in, what strangers can reach, and that hostile input ends in a clear refusal."""

from __future__ import annotations

import contextlib
import random

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tests.api.deployment import TOKEN, ControlPlane, Deployment, a_dag

from skyray.admin.v1 import cluster_pb2, dags_pb2, pools_pb2, runs_pb2, tasks_pb2
from skyray.api.server import is_loopback
from skyray.errors import ConflictError, InvalidInputError, PermissionDeniedError

SERVICES = [
    service
    for file in (dags_pb2, runs_pb2, tasks_pb2, pools_pb2, cluster_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
]
METHODS = [method for service in SERVICES for method in service.methods]


class _Refused(Exception):
    """A call that ended with an error that is the caller's fault, or the deadline."""


def _call(channel: grpc.Channel, method, content: bytes, metadata=()) -> None:
    """Call any method with raw bytes, and read all that it answers. ``_Refused`` if it is refused properly."""
    try:
        _call_raw(channel, method, content, metadata)
    except grpc.RpcError as error:
        if error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
            raise
        raise _Refused(error.code()) from error


def _call_raw(channel: grpc.Channel, method, content: bytes, metadata) -> None:
    path = f"/{method.containing_service.full_name}/{method.name}"
    if method.client_streaming:
        channel.stream_unary(path)(iter([content]), metadata=metadata, timeout=10)
    elif method.server_streaming:
        list(channel.unary_stream(path)(content, metadata=metadata, timeout=2))
    else:
        channel.unary_unary(path)(content, metadata=metadata, timeout=10)


def test_no_method_answers_without_the_token(deployment: Deployment) -> None:
    tokens = [None, "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"]
    with grpc.insecure_channel(deployment.address) as channel:
        for method in METHODS:
            for token in tokens:
                metadata = () if token is None else (("authorization", token),)
                with pytest.raises(grpc.RpcError) as raised:
                    _call_raw(channel, method, b"", metadata)
                assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED, (method.name, token)


def test_the_client_says_that_the_token_is_wrong(deployment: Deployment) -> None:
    with deployment.client(token="wrong") as client, pytest.raises(PermissionDeniedError) as raised:
        list(client.list_dags())
    assert "token" in raised.value.message
    assert raised.value.hint


def test_health_needs_no_token(deployment: Deployment) -> None:
    with grpc.insecure_channel(deployment.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", "skyray.admin.v1.DagService"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


class _WithToken(
    grpc.UnaryUnaryClientInterceptor, grpc.StreamStreamClientInterceptor, grpc.UnaryStreamClientInterceptor
):
    def _intercept(self, continuation, details, request):
        return continuation(details._replace(metadata=(("authorization", f"Bearer {TOKEN}"),)), request)

    intercept_unary_unary = intercept_stream_stream = intercept_unary_stream = _intercept


def test_reflection_describes_every_service(deployment: Deployment) -> None:
    with grpc.insecure_channel(deployment.address) as channel:
        database = ProtoReflectionDescriptorDatabase(grpc.intercept_channel(channel, _WithToken()))
        names = set(database.get_services())
        assert {service.full_name for service in SERVICES} | {"grpc.health.v1.Health"} <= names
        found = DescriptorPool(database).FindServiceByName("skyray.admin.v1.RunService")
        assert {method.name for method in found.methods} == {"ListRuns", "GetRun", "WatchRuns", "CancelRun"}
        with pytest.raises(grpc.RpcError):
            ProtoReflectionDescriptorDatabase(channel).get_services()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True), ("localhost", True), ("::1", True), ("[::1]", True), ("127.9.9.9", True),
        ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("example.org", False),
    ],
)  # fmt: skip
def test_which_addresses_are_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "nowhere", "127.0.0.1", "127.0.0.1:x", ":50051"])
def test_an_open_door_or_a_bad_address_is_refused(url: str, control_plane: ControlPlane, address: str) -> None:
    with pytest.raises(InvalidInputError):
        Deployment(url, control_plane, token="", address=address)


def test_a_taken_port_is_said_to_be_taken(deployment: Deployment, url: str, control_plane: ControlPlane) -> None:
    with pytest.raises(ConflictError, match=deployment.address):
        Deployment(url, control_plane, address=deployment.address)


HOSTILE = [
    "\0",
    "a\0b",
    "'; DROP TABLE dag; --",
    "%s",
    "%(x)s",
    "../../etc/passwd",
    "\u202e",
    "💥" * 100,
    "x" * 10_000,
    "\x7f",
]


def _fill(message, choose: random.Random) -> None:
    """Put hostile values into every field of a request."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None:
            target = getattr(message, field.name)
            _fill(target.add() if hasattr(target, "add") else target, choose)
            continue
        match field.type:
            case field.TYPE_STRING:
                value = choose.choice(HOSTILE)
            case field.TYPE_BYTES:
                value = choose.randbytes(20)
            case field.TYPE_BOOL:
                value = choose.random() < 0.5
            case _:
                value = choose.choice([-(2**31), -2, 0, 1, 2**31 - 1])
        if choose.random() < 0.3:
            continue
        current = getattr(message, field.name)
        if hasattr(current, "append"):
            current.append(value)
        else:
            setattr(message, field.name, value)


def test_hostile_requests_are_refused_and_break_nothing(deployment: Deployment, control_plane: ControlPlane) -> None:
    control_plane.publish(a_dag())
    choose = random.Random(5)
    metadata = (("authorization", f"Bearer {TOKEN}"),)
    with grpc.insecure_channel(deployment.address) as channel:
        for method in METHODS * 30:
            message = GetMessageClass(method.input_type)()
            _fill(message, choose)
            content = message.SerializeToString()
            if choose.random() < 0.3:
                content = content[: choose.randrange(len(content) + 1)] + choose.randbytes(3)
            with contextlib.suppress(_Refused):
                _call(channel, method, content, metadata)
    with deployment.client() as client:
        assert [dag.dag_id for dag in client.list_dags()] == ["etl"]
