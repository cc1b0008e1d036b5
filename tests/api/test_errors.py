"""A SkyrayError that the server raises is the SkyrayError that the client gets, with details on the wire."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from skyray.api.errors import (
    FieldError,
    ResourceNotFoundError,
    UnauthenticatedError,
    error_of_code,
    from_rpc_error,
    to_status,
)
from skyray.errors import (
    ClusterUnreachableError,
    ConflictError,
    InvalidInputError,
    LeadershipLostError,
    NotFoundError,
    PermissionDeniedError,
    SkyrayError,
)


class _Failed(grpc.RpcError, grpc.Call):
    """A call as a client sees it that ended with ``status``."""

    def __init__(self, status: status_pb2.Status) -> None:
        self._status = rpc_status.to_status(status)

    def code(self) -> grpc.StatusCode:
        return self._status.code

    def details(self) -> str:
        return self._status.details

    def trailing_metadata(self):
        return self._status.trailing_metadata

    def initial_metadata(self):
        return ()

    def is_active(self) -> bool:
        return False

    def time_remaining(self) -> None:
        return None

    def cancel(self) -> bool:
        return False

    def add_callback(self, callback) -> bool:
        return False


def _detail(status: status_pb2.Status, kind):
    found = kind()
    (item,) = [each for each in status.details if each.Is(found.DESCRIPTOR)]
    item.Unpack(found)
    return found


@pytest.mark.parametrize(
    ("raised", "code", "received"),
    [
        (InvalidInputError("a"), code_pb2.INVALID_ARGUMENT, InvalidInputError),
        (FieldError("conf.x", "a"), code_pb2.INVALID_ARGUMENT, InvalidInputError),
        (NotFoundError("a"), code_pb2.NOT_FOUND, NotFoundError),
        (ConflictError("a"), code_pb2.FAILED_PRECONDITION, ConflictError),
        (PermissionDeniedError("a"), code_pb2.PERMISSION_DENIED, PermissionDeniedError),
        (UnauthenticatedError("a"), code_pb2.UNAUTHENTICATED, PermissionDeniedError),
        (ClusterUnreachableError("a"), code_pb2.UNAVAILABLE, ClusterUnreachableError),
        (LeadershipLostError("a"), code_pb2.UNAVAILABLE, ClusterUnreachableError),
        (SkyrayError("a"), code_pb2.INTERNAL, SkyrayError),
    ],
)
def test_errors_survive_the_wire(raised: SkyrayError, code: int, received: type[SkyrayError]) -> None:
    raised.hint = "do this"
    status = to_status(raised)
    assert status.code == code
    error = from_rpc_error(_Failed(status), "somewhere:1")
    assert type(error) is received
    assert (error.message, error.hint) == ("a", "do this")


def test_a_status_says_which_field_and_which_resource() -> None:
    status = to_status(FieldError("conf.count", "param 'count' cannot be 'x'"))
    assert _detail(status, error_details_pb2.ErrorInfo).reason == "INVALID"
    assert _detail(status, error_details_pb2.ErrorInfo).domain == "skyray"
    assert _detail(status, error_details_pb2.BadRequest).field_violations[0].field == "conf.count"
    status = to_status(ResourceNotFoundError("DagRun", "etl/r1", "there is no run r1"))
    info = _detail(status, error_details_pb2.ResourceInfo)
    assert (info.resource_type, info.resource_name) == ("skyray.admin.v1.DagRun", "etl/r1")


def test_a_long_message_still_fits_the_trailers() -> None:
    assert to_status(InvalidInputError("x" * 100_000, hint="y" * 100_000)).ByteSize() < 8000


@pytest.mark.parametrize(
    ("code", "kind"), [("not_found", NotFoundError), ("conflict", ConflictError), ("else", SkyrayError)]
)
def test_a_commands_code_is_an_error(code: str, kind: type[SkyrayError]) -> None:
    assert type(error_of_code(code, "m")) is kind
