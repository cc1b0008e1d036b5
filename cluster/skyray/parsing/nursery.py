"""The warm process that parser children are forked from. It has imported the SDK, and never any author's code.

A child is ready in milliseconds instead of the second that a fresh interpreter takes. It is single-threaded, which
makes forking safe, and the subreaper of everything its children start, so nothing of a parse outlives it for long.
Talks with pool.py over a socket (SOCK_SEQPACKET), one JSON object a message:

    pool -> nursery   {"id", "parse": {ParseRequest}} with the output's descriptor | {"id", "dump"} | {"id", "kill"}
    nursery -> pool   {"ready": pid} | {"id", "status": wait status} | {"id", "refused": why}
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
from typing import Any

from skyray.parsing import child
from skyray.parsing.request import MESSAGE_MAX_BYTES, ParseRequest

_PR_SET_CHILD_SUBREAPER = 36


def main(descriptor: int) -> None:
    """Serve until the pool closes its end of the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _preload()
    with socket.socket(fileno=descriptor) as pool:
        _Nursery(pool).serve()


def _preload() -> None:
    """What nearly every DAG file imports, so that children share it."""
    import skyray.operators
    import skyray.sensors  # noqa: F401

    gc.collect()
    gc.freeze()


class _Nursery:
    def __init__(self, pool: socket.socket) -> None:
        self._pool = pool
        self._children: dict[int, int] = {}  # pid -> id of its request
        self._wake, signalled = os.pipe()
        for end in (self._wake, signalled):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)

    def serve(self) -> None:
        self._send({"ready": os.getpid()})
        pool = self._pool.fileno()
        while True:
            readable, _, _ = select.select([pool, self._wake], [], [])
            if self._wake in readable:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            self._reap()
            if pool in readable and not self._receive():
                break
        for pid in self._children:
            _kill_group(pid)
        self._reap()

    def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._pool.send(json.dumps(message).encode())

    def _receive(self) -> bool:
        """Obey one message. False once the pool is gone."""
        data, descriptors, _, _ = socket.recv_fds(self._pool, MESSAGE_MAX_BYTES, 1)
        if not data:
            return False
        message = json.loads(data)
        number = message["id"]
        if "parse" in message:
            self._fork(number, ParseRequest(**message["parse"]), descriptors[0])
            os.close(descriptors[0])
            return True
        for pid in [pid for pid, each in self._children.items() if each == number]:
            if "dump" in message:
                os.kill(pid, signal.SIGUSR1)
            else:
                _kill_group(pid)
        return True

    def _fork(self, number: int, request: ParseRequest, output: int) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._send({"id": number, "refused": f"no process could be started: {error}"})
            return
        if pid == 0:
            child.run(request, output, parent)
        self._children[pid] = number

    def _reap(self) -> None:
        """Report the children that ended, having killed what they left behind. A child is looked at before it is
        reaped: until then its process group cannot be another's."""
        while (pid := _ended_child()) is not None:
            _kill_group(pid)
            _, status = os.waitpid(pid, 0)
            number = self._children.pop(pid, None)
            self._kill_orphans()
            if number is not None:
                self._send({"id": number, "status": status})

    def _kill_orphans(self) -> None:
        """Processes that moved to a session of their own and lost their parent have come to us: subreaper."""
        try:
            with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as stream:
                mine = {int(pid) for pid in stream.read().split()}
        except OSError:
            return
        for pid in mine - self._children.keys():
            _kill_group(pid)


def _ended_child() -> int | None:
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if ended is None else ended.si_pid


def _kill_group(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
