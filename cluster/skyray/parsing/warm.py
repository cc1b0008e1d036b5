"""The pool's end of one nursery: start it, have it fork children, learn how they ended, end it.

Runs in the DagProcessor's event loop; blocks for nothing. What a child wrote is the pool's to read (pool.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from skyray.errors import SkyrayError
from skyray.parsing.request import MESSAGE_MAX_BYTES, ParseRequest

START_SECONDS = 60.0
KILL_SECONDS = 5.0  # a process that SIGKILL does not end within this time is stuck in the kernel
DUMP_SECONDS = 0.2
OUTPUT_KEPT_BYTES = 16 << 10
_OUTPUT_UNTHROTTLED_BYTES = 1 << 20
_OUTPUT_PAUSE_SECONDS = 0.01

_PROGRAM = "import sys; sys.path.append(sys.argv[1]); from skyray.parsing.nursery import main; main(int(sys.argv[2]))"
_SECRET_VARIABLES = ("SKYRAY_TOKEN", "SKYRAY_DATABASE_URL", "DATABASE_URL", "PGPASSWORD", "PGPASSFILE")
_SECRET_PREFIXES = ("RAY_AUTH_",)


class NurseryDiedError(SkyrayError):
    """The nursery ended while it was needed: something killed it."""


@dataclass(frozen=True)
class Ended:
    """How a child ended. ``status`` is a wait status; None where it did not even begin: ``output`` says why."""

    status: int | None
    timed_out: bool
    output: str


@dataclass
class _Output:
    """The last of what a child printed. Read as it comes, so a child that prints never waits for long, but a flood is
    slowed down rather than let it take the event loop's time."""

    descriptor: int
    kept: bytearray = field(default_factory=bytearray)
    total: int = 0
    is_open: bool = True

    def read(self) -> None:
        """Take what is there. For ``add_reader``."""
        try:
            data = os.read(self.descriptor, 64 << 10)
        except BlockingIOError:
            return
        loop = asyncio.get_running_loop()
        self.total += len(data)
        self.kept += data
        del self.kept[:-OUTPUT_KEPT_BYTES]
        if not data:
            loop.remove_reader(self.descriptor)
        elif self.total > _OUTPUT_UNTHROTTLED_BYTES:
            loop.remove_reader(self.descriptor)
            loop.call_later(_OUTPUT_PAUSE_SECONDS, self.resume)

    def resume(self) -> None:
        """Go on reading after a pause."""
        if self.is_open:
            asyncio.get_running_loop().add_reader(self.descriptor, self.read)

    def close(self) -> str:
        """Read what is left, without waiting, and give it all as text."""
        asyncio.get_running_loop().remove_reader(self.descriptor)
        self.is_open = False
        with contextlib.suppress(BlockingIOError):
            self.kept += os.read(self.descriptor, 64 << 10)
        os.close(self.descriptor)
        return self.kept[-OUTPUT_KEPT_BYTES:].decode(errors="backslashreplace")


def clean_environment(environ: dict[str, str]) -> dict[str, str]:
    """The environment without what authors' code must not have. PYTHONHASHSEED is fixed, so that a file which iterates
    over a set of names gives the same DAG each time."""
    kept = {
        name: value
        for name, value in environ.items()
        if name not in _SECRET_VARIABLES and not name.startswith(_SECRET_PREFIXES)
    }
    return {**kept, "PYTHONHASHSEED": "0"}


class WarmNursery:
    """One nursery process. ``await start()`` first; ``await close()`` ends it and every child."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_alive(self) -> bool:
        """True from ``start`` until it ends, for whatever reason."""
        return self._socket is not None

    async def start(self) -> None:
        """Start the process and wait until it can fork. Raises ``NurseryDiedError`` if that fails."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, _package_root(), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd="/",
                env=clean_environment(dict(os.environ)),
                start_new_session=True,
            )
        self._socket = ours
        ready = self._waiting[0] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(ours.fileno(), self._receive)
        try:
            await asyncio.wait_for(ready, START_SECONDS)
        except (asyncio.TimeoutError, NurseryDiedError):
            status = self._process.poll()
            await self.close()
            raise NurseryDiedError(
                f"the parser's process did not start within {START_SECONDS:g} s (exit status {status})",
                hint="its output is in the log of this process",
            ) from None

    async def run(self, request: ParseRequest, timeout_seconds: float) -> Ended:
        """Run one child to its end, which comes at the latest a moment after the timeout.

        Raises ``NurseryDiedError`` if the nursery dies meanwhile, or no longer does as it is told.
        """
        if self._socket is None:
            raise NurseryDiedError("the parser's process is gone")
        number = next(self._numbers)
        ended: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = ended
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        output = _Output(read_end)
        output.resume()
        timed_out = False
        try:
            try:
                self._send({"id": number, "parse": asdict(request)}, [write_end])
            finally:
                os.close(write_end)
            if not await _is_done(ended, timeout_seconds):
                timed_out = True
                self._send({"id": number, "dump": True})
                await _is_done(ended, DUMP_SECONDS)
                self._send({"id": number, "kill": True})
                if not await _is_done(ended, KILL_SECONDS):
                    self._disconnect()
            reply = ended.result()
            return Ended(reply.get("status"), timed_out, str(reply.get("refused", "")) + output.close())
        finally:
            self._waiting.pop(number, None)
            if output.is_open:
                output.close()
            if not ended.done():  # cancelled: so is the child
                ended.cancel()
                with contextlib.suppress(NurseryDiedError):
                    self._send({"id": number, "kill": True})
            elif not ended.cancelled():
                ended.exception()  # seen: asyncio need not complain

    async def close(self) -> None:
        """End the nursery, which ends its children."""
        self._disconnect()
        process, self._process = self._process, None
        if process is None:
            return
        deadline = asyncio.get_running_loop().time() + KILL_SECONDS
        while process.poll() is None and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.005)
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.wait)

    def _send(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        data = json.dumps(message).encode()
        assert len(data) <= MESSAGE_MAX_BYTES, f"a request of {len(data)} bytes"
        if self._socket is None:
            raise NurseryDiedError("the parser's process is gone")
        try:
            socket.send_fds(self._socket, [data], descriptors or [])
        except OSError as error:
            self._disconnect()
            raise NurseryDiedError(f"the parser's process does not answer: {error}") from None

    def _receive(self) -> None:
        while self._socket is not None:
            try:
                data = self._socket.recv(MESSAGE_MAX_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._disconnect()
                return
            message = json.loads(data)
            future = self._waiting.get(message.get("id", 0))
            if future is not None and not future.done():
                future.set_result(message)

    def _disconnect(self) -> None:
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(NurseryDiedError("the parser's process died"))


async def _is_done(future: asyncio.Future[dict[str, Any]], seconds: float) -> bool:
    await asyncio.wait([future], timeout=seconds)
    return future.done()


def _package_root() -> str:
    return str(Path(__file__).resolve().parents[2])
