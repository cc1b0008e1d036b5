"""The files of attempt logs: one thread writes and reads them in order, so that no event loop waits for a disk.

Pieces are addressed by their offset in the attempt's output, so one that comes late or twice does no harm. Another
attempt of the same try (after a loss) goes on in the same file, after a separator. Called by executor.py.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from skyray.errors import InvalidInputError

log = logging.getLogger(__name__)

OPEN_FILES_MAX = 128
READ_BYTES_MAX = 4 << 20
SALVAGE_BYTES_MAX = 8 << 20
_SEPARATOR = b"\n*** another attempt of this try begins here ***\n"


class AttemptLogs:
    """A folder of logs. Every method returns at once; what it asks for happens in the order of the calls."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._files: OrderedDict[str, int] = OrderedDict()
        self._bases: dict[int, int] = {}
        self._received: dict[int, int] = {}  # attempt -> end of what it has shipped, in its own output
        self._writing: set[int] = set()  # attempts that wrote before their end; touched by the callers' thread only
        threading.Thread(target=self._work, name="attempt-logs", daemon=True).start()

    # ------------------------------------------------------------------------------------------------- from outside
    def append(self, attempt_id: int, path: str, offset: int, data: bytes) -> None:
        """Write a piece of a running attempt's output."""
        self._writing.add(attempt_id)
        self._jobs.put(lambda: self._write(attempt_id, path, offset, data))

    def end(self, attempt_id: int, path: str, offset: int, data: bytes) -> None:
        """Write the last piece (it may be empty) and forget the attempt. One that wrote nothing has no file."""
        if attempt_id in self._writing:
            self._writing.discard(attempt_id)
        elif not data:
            return

        def finish() -> None:
            if data:
                self._write(attempt_id, path, offset, data)
            self._bases.pop(attempt_id, None)
            self._received.pop(attempt_id, None)
            self._close(path)

        self._jobs.put(finish)

    def salvage(self, attempt_id: int, path: str, output: Path) -> Future[bool]:
        """Take over what a dead process had written into its ``output`` file and not shipped, and remove that file.

        False if there is none on this node.
        """
        found: Future[bool] = Future()

        def take() -> None:
            rest = read_output(str(output), self._received.get(attempt_id, 0))
            if rest is not None and rest[1]:
                self._write(attempt_id, path, *rest)
            found.set_result(rest is not None)

        self._jobs.put(take)
        return found

    def received(self, attempt_id: int) -> int:
        """How much of its output an attempt has shipped."""
        return self._received.get(attempt_id, 0)

    def note(self, attempt_id: int, path: str, line: str) -> None:
        """Add a line of ours after whatever the attempt wrote, and forget the attempt."""
        self._writing.discard(attempt_id)

        def finish() -> None:
            descriptor = self._open(path)
            os.pwrite(descriptor, f"*** {line} ***\n".encode(), os.fstat(descriptor).st_size)
            self._bases.pop(attempt_id, None)
            self._received.pop(attempt_id, None)
            self._close(path)

        self._jobs.put(finish)

    def read(self, path: str, offset: int, limit: int) -> Future[tuple[bytes, int | None]]:
        """(bytes from ``offset``, size of the file or None if there is none), after all writes asked for so far.

        Raises ``InvalidInputError`` for a path that leaves the folder.
        """
        file = self._resolve(path)
        found: Future[tuple[bytes, int | None]] = Future()

        def read() -> None:
            try:
                descriptor = os.open(file, os.O_RDONLY)
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                found.set_result((b"", None))
                return
            except OSError as error:
                found.set_exception(error)
                return
            try:
                data = os.pread(descriptor, min(max(limit, 0), READ_BYTES_MAX), max(offset, 0))
                found.set_result((data, os.fstat(descriptor).st_size))
            except OSError as error:
                found.set_exception(error)
            finally:
                os.close(descriptor)

        self._jobs.put(read)
        return found

    # --------------------------------------------------------------------------------------------- in the thread
    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            except OSError:
                log.exception("attempt_log.write_failed root=%s", self._root)

    def _resolve(self, path: str) -> str:
        if "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
            raise InvalidInputError(f"{path!r} is not the relative path of a log")
        return f"{self._root}/{path}"

    def _write(self, attempt_id: int, path: str, offset: int, data: bytes) -> None:
        descriptor = self._open(path)
        base = self._bases.get(attempt_id)
        if base is None:
            base = os.fstat(descriptor).st_size
            if base:
                base += os.pwrite(descriptor, _SEPARATOR, base)
            self._bases[attempt_id] = base
        self._received[attempt_id] = max(self._received.get(attempt_id, 0), offset + len(data))
        position = base + offset
        while data:
            written = os.pwrite(descriptor, data, position)
            position, data = position + written, data[written:]

    def _open(self, path: str) -> int:
        descriptor = self._files.get(path)
        if descriptor is not None:
            self._files.move_to_end(path)
            return descriptor
        file = self._resolve(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            descriptor = os.open(file, flags, 0o640)
        except FileNotFoundError:
            _make_folder(os.path.dirname(file))
            descriptor = os.open(file, flags, 0o640)
        self._files[path] = descriptor
        while len(self._files) > OPEN_FILES_MAX:
            _, oldest = self._files.popitem(last=False)
            os.close(oldest)
        return descriptor

    def _close(self, path: str) -> None:
        descriptor = self._files.pop(path, None)
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def read_output(file: str, offset: int) -> tuple[int, bytes] | None:
    """(offset, bytes) of what stands in an attempt's output file from ``offset`` on, at most its last
    ``SALVAGE_BYTES_MAX``; None if there is no such file. Removes it. Also runs as a Ray task, on other nodes."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        size = os.fstat(descriptor).st_size
        begin = max(offset, size - SALVAGE_BYTES_MAX)
        notice = f"[{begin - offset} bytes of log lost with the worker]\n".encode() if begin > offset else b""
        data = os.pread(descriptor, size - begin, begin) if size > begin else b""
    finally:
        os.close(descriptor)
    with contextlib.suppress(OSError):
        os.unlink(file)
    return offset, notice + data


def remove_old_output(folder: Path, older_than_seconds: float) -> None:
    """Remove output files that nobody has written to for long: of workers that died together with their executor."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            with contextlib.suppress(OSError):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > older_than_seconds:
                    os.unlink(entry.path)


def _make_folder(folder: str) -> None:
    """As ``os.makedirs``, without first looking for each of the folders above: mostly only the last is missing."""
    try:
        os.mkdir(folder)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)
    except FileExistsError:
        return
