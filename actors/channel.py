"""The executor's end of connections to runners and leaders: listens, lets in who was invited, passes frames on.

All on the executor's event loop. Called by runner_leases.py (the other end is runner.py) and leader_line.py.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from hmac import compare_digest
from typing import Protocol

from skyray.actors import frames as frames
from skyray.actors.frames import Frame, FrameReader, frame
from skyray.actors.wire import Invitation

_SECRET_BYTES = 32
_STRANGER_BYTES_MAX = 1024
_STRANGER_SECONDS = 10.0


class Guest(Protocol):
    """Who was invited, as the channel sees it."""

    def arrived(self, channel: Channel) -> None:
        """The guest is here."""
        ...

    def said(self, news: list[Frame]) -> None:
        """It sent these."""
        ...

    def left(self, *, is_complete: bool) -> None:
        """The connection is closed. ``is_complete``: everything that it had written has arrived."""
        ...


class Listener:
    """A port on this node. Each guest is let in once, with the secret that only it was given."""

    def __init__(self, host: str, loop: asyncio.AbstractEventLoop) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, 0), family=family, backlog=1024)
        self._address = self._socket.getsockname()[:2]
        self._guests: dict[int, tuple[Invitation, Guest]] = {}
        self._channels: set[Channel] = set()
        self._serving = loop.create_task(
            loop.create_server(lambda: Channel(self._admit, self._channels), sock=self._socket)
        )
        self._invited = 0

    def invite(self, guest: Guest) -> Invitation:
        """What the guest has to know."""
        self._invited += 1
        host, port = self._address
        invitation = Invitation(
            self._invited, host, port, secrets.token_bytes(_SECRET_BYTES), secrets.token_bytes(_SECRET_BYTES)
        )
        self._guests[invitation.guest_id] = invitation, guest
        return invitation

    def forget(self, invitation: Invitation) -> None:
        """Whoever has not come by now does not come any more."""
        self._guests.pop(invitation.guest_id, None)

    async def close(self) -> None:
        """Listen no more, and drop every connection."""
        (await self._serving).close()
        for channel in list(self._channels):
            channel.abort()

    def _admit(self, guest_id: int, secret: bytes) -> tuple[Invitation, Guest] | None:
        known = self._guests.get(guest_id)
        if known is None or not compare_digest(known[0].secret, secret):
            return None
        return self._guests.pop(guest_id)


class Channel(asyncio.Protocol):
    """One connection."""

    _transport: asyncio.Transport

    def __init__(self, admit: Callable[[int, bytes], tuple[Invitation, Guest] | None], channels: set[Channel]) -> None:
        self._admit = admit
        self._channels = channels
        self._guest: Guest | None = None
        self._reader = FrameReader()
        self._patience: asyncio.TimerHandle | None = None

    # -------------------------------------------------------------------------------------------- for the executor
    def send(self, data: bytes) -> None:
        """Send frames. If the other end is gone this does nothing: ``left`` says so."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close the connection, once what was sent has left."""
        self._transport.close()

    def abort(self) -> None:
        """Drop the connection."""
        self._transport.abort()

    # ------------------------------------------------------------------------------------------------ from asyncio
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connected, who has to say who it is."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._channels.add(self)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._patience = asyncio.get_running_loop().call_later(_STRANGER_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Frames, or parts of them."""
        news = list(self._reader.feed(data))
        if self._guest is None:
            if news:
                self._let_in(news.pop(0))
            elif len(self._reader) > _STRANGER_BYTES_MAX:
                self._transport.abort()
        if news and self._guest is not None:
            self._guest.said(news)

    def connection_lost(self, error: Exception | None) -> None:
        """The other end closed it, or died. Between two machines, an abrupt end may swallow what was written last."""
        self._channels.discard(self)
        if self._patience is not None:
            self._patience.cancel()
        if self._guest is not None:
            connection = self._transport.get_extra_info("sockname"), self._transport.get_extra_info("peername")
            is_same_machine = connection[0][0] == connection[1][0]
            self._guest.left(is_complete=error is None or is_same_machine)

    def _let_in(self, hello: Frame) -> None:
        known = self._admit(hello.attempt_id, hello.body) if hello.kind == frames.HELLO else None
        if known is None:
            self._transport.abort()
            return
        invitation, self._guest = known
        if self._patience is not None:
            self._patience.cancel()
        self.send(frame(frames.WELCOME, invitation.guest_id, invitation.proof))
        self._guest.arrived(self)
