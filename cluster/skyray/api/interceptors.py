"""What happens around every method: the token is checked, and errors become statuses with details.

Called by gRPC. Health is open to everybody (load balancers ask it); everything else needs the token, reflection too.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from skyray.api.errors import UnauthenticatedError, to_status
from skyray.errors import InvalidInputError, SkyrayError

_log = logging.getLogger(__name__)
_OPEN = "/grpc.health.v1.Health/"
_Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


class Guard(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """Refuses calls without ``token`` (empty: nobody is asked for one), and reports errors of those it lets in."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    async def intercept_service(self, continuation: _Continuation, details: grpc.HandlerCallDetails) -> Any:
        """Wrap the method that is called."""
        handler = await continuation(details)
        if handler is None:
            return None
        refusal = None if details.method.startswith(_OPEN) else self._refusal(details.invocation_metadata)
        return _wrapped(handler, details.method, refusal)

    def _refusal(self, metadata: Any) -> SkyrayError | None:
        if not self._token:
            return None
        given = [value for key, value in metadata if key == "authorization"]
        hint = "`skyray up` writes the token to HOME/token; --token, --token-file or SKYRAY_TOKEN present it"
        if not given:
            return UnauthenticatedError("no token was presented", hint=hint)
        scheme, _, token = given[0].partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token):
            return UnauthenticatedError("the token is not valid", hint=hint)
        return None


class _Malformed:
    """In place of a request that is no protobuf of its type. gRPC itself would answer UNKNOWN, with its own text."""


def _parser(parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def parsed(content: bytes) -> Any:
        try:
            return parse(content)
        except DecodeError:
            return _Malformed()

    return parsed


def _checked(request: Any) -> Any:
    if isinstance(request, _Malformed):
        raise InvalidInputError("the request is not a protobuf message of the method's request type")
    return request


async def _all_checked(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _checked(request)


def _wrapped(handler: Any, method: str, refusal: SkyrayError | None) -> Any:
    if handler.response_streaming:

        async def answers(request: Any, context: Any) -> AsyncIterator[Any]:
            try:
                if refusal is not None:
                    raise refusal
                if handler.request_streaming:
                    responses = handler.stream_stream(_all_checked(request), context)
                else:
                    responses = handler.unary_stream(_checked(request), context)
                async for response in responses:
                    yield response
            except Exception as error:  # noqa: BLE001 - the last resort before gRPC, which would tell the client all
                await _abort(context, method, error)

        make = (
            grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler
        )
        return make(answers, _parser(handler.request_deserializer), handler.response_serializer)

    async def answer(request: Any, context: Any) -> Any:
        try:
            if refusal is not None:
                raise refusal
            if handler.request_streaming:
                return await handler.stream_unary(_all_checked(request), context)
            return await handler.unary_unary(_checked(request), context)
        except Exception as error:  # noqa: BLE001 - as above
            await _abort(context, method, error)

    make = grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
    return make(answer, _parser(handler.request_deserializer), handler.response_serializer)


async def _abort(context: Any, method: str, error: Exception) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if not isinstance(error, SkyrayError):
        _log.exception("api.failed method=%s", method)
        error = SkyrayError("internal error", hint="the API actor's log says more")
    status = rpc_status.to_status(to_status(error))
    await context.abort(status.code, status.details, status.trailing_metadata)
