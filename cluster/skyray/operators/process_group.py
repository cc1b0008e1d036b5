"""A command in a process group of its own, that ends when it is told to, and when this process dies.

Ray ends what a killed worker leaves behind only in the worker's own group. A command that lived on would run beside its
task's next attempt. So a guard (a ``sh`` that waits on a pipe from us) kills the group once we are gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import IO

_GUARD = 'read -r group || exit 0; read -r ended || kill -s KILL -- "-$group"'
_POLL_SECONDS = 0.02


class ProcessGroup:
    """A running command. ``output`` is what it and its children write, to both of their outputs.

    >>> group = ProcessGroup(["echo", "hello"], cwd="/", env={})
    >>> group.output.read(), group.wait()
    (b'hello\\n', 0)
    """

    def __init__(self, arguments: Sequence[str], *, cwd: str, env: Mapping[str, str]) -> None:
        reading, self._pipe = os.pipe()  # our end is closed in what we start, so that only our death closes it
        try:
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(reading)
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=dict(env),
                start_new_session=True,
            )
        except BaseException:
            self._dismiss_guard()
            raise
        self._tell_guard(str(self._process.pid))
        assert self._process.stdout is not None, "the output is a pipe"
        self.output: IO[bytes] = self._process.stdout

    def wait(self) -> int:
        """The command's exit code, once it has ended; that of a signal is negative. Its children may live on."""
        exit_code = self._process.wait()
        self.output.close()
        self._tell_guard("ended")
        self._dismiss_guard()
        return exit_code

    def end(self, grace_seconds: float) -> None:
        """End the command and everything that it started: SIGTERM, and SIGKILL for what is left after the grace."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        while self._is_alive() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._tell_guard("ended")

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _is_alive(self) -> bool:
        self._process.poll()  # a command that has ended counts as a member until it is waited for
        try:
            os.killpg(self._process.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _tell_guard(self, line: str) -> None:
        with contextlib.suppress(OSError):  # the guard may be gone, or dismissed
            os.write(self._pipe, f"{line}\n".encode())

    def _dismiss_guard(self) -> None:
        pipe, self._pipe = self._pipe, -1
        if pipe >= 0:
            os.close(pipe)
            self._guard.wait()
