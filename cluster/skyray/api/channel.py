"""One connection to the admin API: token, deadlines, retries, and SkyrayErrors instead of gRPC's.

Called by client.py only, all of whose calls may be sent again: they are reads, or mutations that carry a request id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from skyray.api.errors import from_rpc_error

_RETRY_FIRST_SECONDS = 0.05
_RETRY_MOST_SECONDS = 1.0
_OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_http_proxy", 0),
]
_Response = TypeVar("_Response", bound=Message)


class Channel:
    """Calls to the API at ``target`` ("host:port"). ``retry_seconds``: how long an unreachable API is tried again."""

    def __init__(self, target: str, *, token: str, timeout_seconds: float, retry_seconds: float) -> None:
        self.target = target
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._timeout_seconds = timeout_seconds
        self._retry_seconds = retry_seconds
        self._channel = grpc.insecure_channel(target, options=_OPTIONS)

    def close(self) -> None:
        """Give the connection back. Streams under way end."""
        self._channel.close()

    def stub(self, stub_class: Callable[[grpc.Channel], Any]) -> Any:
        """A generated stub on this connection."""
        return stub_class(self._channel)

    def call(self, method: Callable[..., Any], request: Message, response: type[_Response]) -> _Response:
        """One request, one answer. Raises the ``SkyrayError`` that the API's status stands for."""
        return self._until_reached(method, lambda: request, response, self._timeout_seconds)

    def upload(
        self,
        method: Callable[..., Any],
        requests: Callable[[], Iterator[Message]],
        response: type[_Response],
        timeout_seconds: float,
    ) -> _Response:
        """A stream of requests, one answer; ``requests`` is called anew for every time that it is sent."""
        return self._until_reached(method, requests, response, timeout_seconds)

    def _until_reached(
        self,
        method: Callable[..., Any],
        argument: Callable[[], Any],
        response: type[_Response],
        timeout_seconds: float,
    ) -> _Response:
        give_up = time.monotonic() + self._retry_seconds
        pause = _RETRY_FIRST_SECONDS
        while True:
            try:
                answer = method(argument(), timeout=timeout_seconds, metadata=self._metadata)
                assert isinstance(answer, response), f"{answer!r} is no {response.__name__}"
                return answer
            except grpc.RpcError as error:
                if not _is_unavailable(error) or time.monotonic() + pause > give_up:
                    raise from_rpc_error(error, self.target) from None
            time.sleep(pause)
            pause = min(2 * pause, _RETRY_MOST_SECONDS)

    def stream(
        self, method: Callable[..., Any], request: Callable[[], Message], timeout_seconds: float | None = None
    ) -> Iterator[Any]:
        """One request, a stream of answers. Where the stream breaks, it is asked for anew with a new ``request()``.

        ``timeout_seconds`` bounds the whole; None: no bound. Closing the iterator cancels the call.
        """
        ends = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        give_up = time.monotonic() + self._retry_seconds
        pause = _RETRY_FIRST_SECONDS
        while True:
            left = None if ends is None else max(0.0, ends - time.monotonic())
            call = method(request(), timeout=left, metadata=self._metadata)
            try:
                for response in call:
                    yield response
                    give_up = time.monotonic() + self._retry_seconds
                    pause = _RETRY_FIRST_SECONDS
                return
            except grpc.RpcError as error:
                if not _is_unavailable(error) or time.monotonic() + pause > give_up:
                    raise from_rpc_error(error, self.target) from None
            finally:
                call.cancel()
            time.sleep(pause)
            pause = min(2 * pause, _RETRY_MOST_SECONDS)


def _is_unavailable(error: grpc.RpcError) -> bool:
    return isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.UNAVAILABLE
