"""What an executor says to runners and leaders over connections of their own: frames, and nothing else.

A message between actors costs each side about half a millisecond, one over a connection a twentieth of that. A frame is
a head (kind, attempt id, length of the body) and a body.

    whoever connects      HELLO secret
    the executor          WELCOME proof
    runner → executor     STARTED   ENDED reply   LOST why   RETURNED ids   RETIRED
    executor → runner     RUN payload   CANCEL   OVER
    leader → executor     SUBMIT assignments   CANCEL_ALL ids   GO ids
    executor → leader     REPORTS reports
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from skyray.actors.wire import WorkerReply

HELLO, WELCOME = range(1, 3)
STARTED, ENDED, LOST, RETURNED, RETIRED, RUN, CANCEL, OVER = range(3, 11)
SUBMIT, CANCEL_ALL, GO, REPORTS = range(11, 15)

_HEAD = struct.Struct("!BQI")
_REPLY = struct.Struct("!dBQI")


class Frame(NamedTuple):
    """One message."""

    kind: int
    attempt_id: int
    body: bytes


def frame(kind: int, attempt_id: int = 0, body: bytes = b"") -> bytes:
    """A message, ready to be sent."""
    return _HEAD.pack(kind, attempt_id, len(body)) + body


class FrameReader:
    """Puts what arrives back together."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def __len__(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with ``data``."""
        buffer = self._buffer
        buffer += data
        position, size = 0, len(buffer)
        found = []
        while size - position >= _HEAD.size:
            kind, attempt_id, length = _HEAD.unpack_from(buffer, position)
            begin = position + _HEAD.size
            if size - begin < length:
                break
            position = begin + length
            found.append(Frame(kind, attempt_id, bytes(buffer[begin:position])))
        if position:
            del buffer[:position]
        return iter(found)


def pack_reply(reply: WorkerReply, seconds: float) -> bytes:
    """The body of ENDED: a worker's answer, and how long the attempt took."""
    kind = reply.kind.encode()
    return b"".join(
        (_REPLY.pack(seconds, len(kind), reply.log_offset, len(reply.outcome)), kind, reply.outcome, reply.log)
    )


def unpack_reply(body: bytes) -> tuple[WorkerReply, float]:
    """What ``pack_reply`` packed."""
    seconds, kind_length, log_offset, outcome_length = _REPLY.unpack_from(body)
    kind_end = _REPLY.size + kind_length
    outcome_end = kind_end + outcome_length
    kind = body[_REPLY.size : kind_end].decode()
    return WorkerReply(kind, body[kind_end:outcome_end], log_offset, body[outcome_end:]), seconds


def pack_ids(attempt_ids: Iterable[int]) -> bytes:
    """A body of attempt ids."""
    ids = list(attempt_ids)
    return struct.pack(f"!{len(ids)}Q", *ids)


def unpack_ids(body: bytes) -> tuple[int, ...]:
    """What ``pack_ids`` packed."""
    return struct.unpack(f"!{len(body) // 8}Q", body)
