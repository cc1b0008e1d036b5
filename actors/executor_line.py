"""The leader's end of a connection to an executor (whose end is leader_line.py). Called by executor_link.py."""

from __future__ import annotations

import asyncio
import pickle
import socket
import time
from collections.abc import Callable
from hmac import compare_digest

from skyray.actors import frames
from skyray.actors.frames import FrameReader, frame, pack_ids
from skyray.actors.ray_port import ActorUnreachableError
from skyray.actors.wire import Assignment, Invitation, WireReport

CONNECT_SECONDS = 2.0
SILENCE_SECONDS = 30.0  # an executor that has nothing to report says so after 20
_LOOK_SECONDS = 5.0


class ExecutorLine(asyncio.Protocol):
    """One session's connection. ``heard`` gets reports on the event loop; sends may come from any thread."""

    _transport: asyncio.Transport

    def __init__(self, invitation: Invitation, heard: Callable[[list[WireReport]], None]) -> None:
        self._invitation = invitation
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._welcomed: asyncio.Future[None] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._asked_at: float | None = None  # for reports that have not come yet

    async def open(self) -> None:
        """Connect. Raises ``OSError`` (also ``asyncio.TimeoutError``) if the executor cannot be reached that way."""
        invitation = self._invitation
        connected = self._loop.create_connection(lambda: self, invitation.host, invitation.port)
        await asyncio.wait_for(connected, CONNECT_SECONDS)
        try:
            await asyncio.wait_for(self._welcomed, CONNECT_SECONDS)
        except BaseException:
            self.close()
            raise

    async def broken(self) -> None:
        """Waits until the connection is of no more use; then raises ``ActorUnreachableError``."""
        while not self._closed.done():
            await asyncio.wait((self._closed,), timeout=_LOOK_SECONDS)
            if self._asked_at is not None and time.monotonic() - self._asked_at > SILENCE_SECONDS:
                raise ActorUnreachableError(f"no word within {SILENCE_SECONDS:g} s")
        raise ActorUnreachableError("the connection was closed")

    def close(self) -> None:
        """Close it."""
        self._transport.close()

    # ------------------------------------------------------------------------------------------------------- sending
    def submit(self, assignments: list[Assignment]) -> None:
        """Hand attempts over."""
        self._send(frame(frames.SUBMIT, body=pickle.dumps(assignments, pickle.HIGHEST_PROTOCOL)))

    def cancel(self, attempt_ids: list[int]) -> None:
        """Have attempts stopped."""
        self._send(frame(frames.CANCEL_ALL, body=pack_ids(attempt_ids)))

    def go(self, acked: list[int]) -> None:
        """Ask for the next reports."""
        self._asked_at = time.monotonic()
        self._send(frame(frames.GO, body=pack_ids(acked)))

    def _send(self, data: bytes) -> None:
        self._loop.call_soon_threadsafe(self._write, data)

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    # ------------------------------------------------------------------------------------------------- from asyncio
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._write(frame(frames.HELLO, self._invitation.guest_id, self._invitation.secret))

    def data_received(self, data: bytes) -> None:
        """Reports. Nothing is opened before the executor has proved to be the one that invited us."""
        for kind, _, body in self._reader.feed(data):
            if not self._welcomed.done():
                if kind != frames.WELCOME or not compare_digest(body, self._invitation.proof):
                    self.close()
                    return
                self._welcomed.set_result(None)
            elif kind == frames.REPORTS:
                self._asked_at = None
                self._heard(pickle.loads(body))

    def connection_lost(self, error: Exception | None) -> None:
        """The executor is gone, or has begun another session."""
        if not self._welcomed.done():
            self._welcomed.set_exception(ConnectionRefusedError("the executor refused the connection"))
        if not self._closed.done():
            self._closed.set_result(None)
