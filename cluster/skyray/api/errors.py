"""SkyrayError <-> gRPC status with google.rpc details. Both ends of the wire use this file; nothing else knows codes.

A status carries ``ErrorInfo`` (reason: the SkyrayError's code in capitals, the hint in metadata), ``BadRequest`` where
a field is at fault and ``ResourceInfo`` where something was not found.
"""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from skyray.errors import (
    ClusterUnreachableError,
    ConflictError,
    InvalidInputError,
    LeadershipLostError,
    NotFoundError,
    PermissionDeniedError,
    SkyrayError,
)

DOMAIN = "skyray"
_HINT_CHARACTERS_MAX = 1000  # details travel in the trailers, which are bounded
_MESSAGE_CHARACTERS_MAX = 2000


class FieldError(InvalidInputError):
    """An invalid request whose fault lies in one field of it: ``field`` is that field's path in the message."""

    def __init__(self, field: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


class ResourceNotFoundError(NotFoundError):
    """A resource that does not exist: ``kind`` is its message's name, ``name`` its identifiers joined by slashes."""

    def __init__(self, kind: str, name: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.name = name


class UnauthenticatedError(PermissionDeniedError):
    """The caller presented no token or an unknown one."""


_GRPC_OF_CODE = {
    "invalid": code_pb2.INVALID_ARGUMENT,
    "not_found": code_pb2.NOT_FOUND,
    "conflict": code_pb2.FAILED_PRECONDITION,
    "not_allowed": code_pb2.PERMISSION_DENIED,
    "unreachable": code_pb2.UNAVAILABLE,
    "fenced": code_pb2.UNAVAILABLE,
}
_ERROR_OF_CODE: dict[str, type[SkyrayError]] = {
    "invalid": InvalidInputError,
    "not_found": NotFoundError,
    "conflict": ConflictError,
    "not_allowed": PermissionDeniedError,
    "unreachable": ClusterUnreachableError,
    "fenced": LeadershipLostError,
}
_ERROR_OF_GRPC: dict[grpc.StatusCode, type[SkyrayError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInputError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidInputError,
    grpc.StatusCode.UNIMPLEMENTED: InvalidInputError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: InvalidInputError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: ConflictError,
    grpc.StatusCode.FAILED_PRECONDITION: ConflictError,
    grpc.StatusCode.ABORTED: ConflictError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.UNAUTHENTICATED: PermissionDeniedError,
    grpc.StatusCode.UNAVAILABLE: ClusterUnreachableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: ClusterUnreachableError,
    grpc.StatusCode.CANCELLED: ClusterUnreachableError,
}


def error_of_code(code: str, message: str) -> SkyrayError:
    """The error that a ``SkyrayError.code`` (of a command's result, say) stands for."""
    return _ERROR_OF_CODE.get(code, SkyrayError)(message)


def to_status(error: SkyrayError) -> status_pb2.Status:
    """The status, with details, that tells a caller about ``error``."""
    code = code_pb2.UNAUTHENTICATED if isinstance(error, UnauthenticatedError) else _GRPC_OF_CODE.get(error.code)
    reason = "UNAUTHENTICATED" if isinstance(error, UnauthenticatedError) else error.code.upper()
    message = error.message[:_MESSAGE_CHARACTERS_MAX]
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)
    if error.hint:
        info.metadata["hint"] = error.hint[:_HINT_CHARACTERS_MAX]
    details: list[Any] = [info]
    if isinstance(error, FieldError):
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, ResourceNotFoundError):
        resource_type = f"skyray.admin.v1.{error.kind}"
        details.append(error_details_pb2.ResourceInfo(resource_type=resource_type, resource_name=error.name))
    packed = []
    for detail in details:
        item = any_pb2.Any()
        item.Pack(detail)
        packed.append(item)
    return status_pb2.Status(code=code_pb2.INTERNAL if code is None else code, message=message, details=packed)


def from_rpc_error(error: grpc.RpcError, target: str) -> SkyrayError:
    """The error that a failed call to ``target`` stands for; the inverse of ``to_status`` where that was its source."""
    assert isinstance(error, grpc.Call), "a call's error is the call"
    code, message = error.code(), error.details() or ""
    kind = _ERROR_OF_GRPC.get(code, SkyrayError)
    hint = ""
    status = rpc_status.from_call(error)
    for detail in () if status is None else status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
            hint = info.metadata.get("hint", "")
    if status is None and kind is ClusterUnreachableError:
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return kind(
                f"the admin API at {target} did not answer in time", hint="is the control plane well? `skyray status`"
            )
        hint = "is the control plane running? `skyray up` starts it; SKYRAY_API_ADDRESS says where it is"
        return kind(f"no admin API answers at {target}", hint=hint)
    if status is None and code is grpc.StatusCode.UNIMPLEMENTED:
        hint = "client and control plane are of different versions"
    return kind(message or code.name.lower(), hint=hint)
