"""An attempt's output, caught at the file descriptors, so that print, logging, C code and child processes all count.

    with CapturedOutput(file) as output:        # fd 1 and 2 lead to a file of this node
        log = AttemptLog(output.fd, …)          # what of it has been shipped, and what is left
        …
    offset, rest = log.tail()

A file of its own for each attempt: a process that one leaves behind cannot write into the log of the next. It has a
name until the attempt has ended, so that what a killed process had written can still be read. Not here: when to ship
(side_thread.py), where logs are kept, and who reads what the dead have left (the executor).
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from skyray.core.logs import log_path
from skyray.core.messages import AttemptSpec
from skyray.execution.services import WorkerServices

CHUNK_BYTES = 1 << 20
TAIL_BYTES_MAX = 256 << 10  # what travels with the outcome; anything before it is published


class CapturedOutput:
    """While entered, descriptors 1 and 2, ``sys.stdout`` and ``sys.stderr`` write to ``fd``, the file of that name.

    Restores all of them and removes the file.
    """

    __slots__ = ("_file", "_saved_fds", "_saved_streams", "fd")

    def __init__(self, file: str) -> None:
        self._file = file

    def __enter__(self) -> CapturedOutput:
        self._saved_streams = sys.stdout, sys.stderr
        _flush(self._saved_streams)
        self.fd = _create(self._file)
        self._saved_fds = os.dup(1), os.dup(2)
        os.dup2(self.fd, 1)
        os.dup2(self.fd, 2)
        sys.stdout, sys.stderr = _streams()
        configure_logging()
        return self

    def flush(self) -> None:
        """Bring everything that was printed into the file."""
        _flush((sys.stdout, sys.stderr, *_streams()))  # the task may have put others in their place

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.flush()
        for target, saved in zip((1, 2), self._saved_fds, strict=True):
            os.dup2(saved, target)
            os.close(saved)
        os.close(self.fd)
        sys.stdout, sys.stderr = self._saved_streams
        self.remove()

    def remove(self) -> None:
        """All that is in the file has been shipped."""
        with contextlib.suppress(OSError):
            os.unlink(self._file)


class AttemptLog:
    """The captured bytes of one attempt on their way out: each is shipped once, in order, with its offset.

    ``ship`` is the side thread's, ``tail`` the main thread's last word, both while the file is open. What exceeds
    ``max_bytes`` is left out, and a line says so.
    """

    def __init__(self, fd: int, services: WorkerServices, spec: AttemptSpec, max_bytes: int) -> None:
        self._fd = fd
        self._services = services
        self._spec = spec
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._position = 0  # in the file
        self._offset = 0  # in the log; behind the position only once bytes were left out
        self._left_out = 0
        self._is_closed = False

    def ship(self) -> None:
        """Publish what has been written since the last time. An error of the services leaves it for the next time."""
        with self._lock:
            if not self._is_closed:
                self._ship_until(0)

    def tail(self) -> tuple[int, bytes]:
        """The last part of the log with its offset, after publishing all that does not fit; ends the shipping."""
        with self._lock:
            assert not self._is_closed, "the tail is taken once"
            self._is_closed = True
            try:
                self._ship_until(TAIL_BYTES_MAX)
            except Exception as error:  # noqa: BLE001 - the log must not cost the attempt its outcome
                size = self._size()
                skipped = max(0, size - TAIL_BYTES_MAX - self._position)
                self._position += skipped
                notice = f"[{skipped} bytes of log could not be shipped: {error!r}]\n".encode() if skipped else b""
            else:
                notice = b""
            rest = self._clip(os.pread(self._fd, max(0, self._size() - self._position), self._position))
            if self._left_out:
                rest += f"\n[log limited to {self._max_bytes:,} bytes: {self._left_out:,} bytes left out]\n".encode()
            return self._offset, notice + rest

    def close(self) -> None:
        """Ship no more: the file is about to be closed."""
        with self._lock:
            self._is_closed = True

    def _size(self) -> int:
        size = os.fstat(self._fd).st_size
        if size < self._position:  # the task opened /dev/stdout anew, which truncates
            self._position = 0
        return size

    def _ship_until(self, remaining: int) -> None:
        size = self._size()
        while size - self._position > remaining:
            read = os.pread(self._fd, min(CHUNK_BYTES, size - self._position - remaining), self._position)
            data = self._clip(read)
            if data:
                self._services.publish_log(self._spec.attempt_id, _path(self._spec), self._offset, data)
            self._position += len(read)
            self._offset += len(data)

    def _clip(self, data: bytes) -> bytes:
        kept = data[: max(0, self._max_bytes - self._offset)]
        self._left_out += len(data) - len(kept)
        return kept


def _path(spec: AttemptSpec) -> str:
    return log_path(spec.run.dag_id, spec.run.run_id, spec.task_id, spec.map_index, spec.try_number)


def _create(file: str) -> int:
    """The file, new and empty. On a disk that takes 20 µs longer than in memory (memfd), and survives its process."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
    try:
        return os.open(file, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
        return os.open(file, flags, 0o600)


_own_streams: tuple[io.TextIOWrapper, io.TextIOWrapper] | None = None


def _streams() -> tuple[io.TextIOWrapper, io.TextIOWrapper]:
    """Text streams on descriptors 1 and 2, line buffered: both, and child processes, interleave as they happen."""
    global _own_streams
    if _own_streams is None or _own_streams[0].closed or _own_streams[1].closed:
        _own_streams = _stream(1), _stream(2)
    return _own_streams


def _stream(fd: int) -> io.TextIOWrapper:
    file = open(fd, "wb", closefd=False)  # noqa: SIM115 - lives as long as the process
    return io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _flush(streams: Iterable[object]) -> None:
    for stream in streams:
        with contextlib.suppress(Exception):  # a stream of the task's own making
            stream.flush()  # type: ignore[attr-defined]


if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[io.TextIOWrapper]
else:
    _StreamHandler = logging.StreamHandler  # takes no parameter in Python 3.10


class _CurrentStderr(_StreamHandler):
    """Writes to whatever ``sys.stderr`` is at that moment, as ``logging.lastResort`` does."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> io.TextIOWrapper:  # type: ignore[override]
        return sys.stderr  # type: ignore[return-value]


class _Formatter(logging.Formatter):
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


_handler: logging.Handler | None = None


def configure_logging() -> None:
    """Let the author's ``logging`` appear in the log: root logger, from INFO. Once per process: a DAG file that
    configures logging itself is left alone from then on."""
    global _handler
    if _handler is None:
        _handler = _CurrentStderr()
        _handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root = logging.getLogger()
        root.addHandler(_handler)
        if root.level in (logging.NOTSET, logging.WARNING):
            root.setLevel(logging.INFO)
