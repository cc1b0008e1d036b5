"""The Ray task of a runner lease: runs attempts from a list that its executor keeps filling, in the main thread.

Before an attempt begins, and as soon as one ends, the executor is told. What was written to a connection arrives even
if this process dies at once, so the executor always knows which attempt a dead runner had begun: that one is lost, and
those behind it in the list are run elsewhere. A side thread gives the list back while one attempt takes long, and hears
of cancelling. Submitted by runner_leases.py; the other end is channel.py.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from hmac import compare_digest
from types import FrameType
from typing import NamedTuple

from skyray.actors import frames
from skyray.actors.frames import FrameReader, frame, pack_ids, pack_reply
from skyray.actors.wire import Invitation, WorkerReply
from skyray.actors.worker import attempt_runner

CONNECT_SECONDS = 2.0
LONG_SECONDS = 0.05  # an attempt that takes longer holds up nobody: what waits behind it is given back
_LONG_BEAT_SECONDS = 0.25
_CHUNK_BYTES = 1 << 18


class LeaseEnd(NamedTuple):
    """What the Ray task returns. ``problem``: why it could not reach its executor; ``ended``: what it could not say."""

    problem: str = ""
    ended: tuple[tuple[int, WorkerReply], ...] = ()


def run_lease_task(invitation: Invitation, deployment: bytes) -> LeaseEnd:
    """Run attempts until the executor ends the lease, or is gone."""
    return run_lease(invitation, attempt_runner(deployment))


def run_lease(invitation: Invitation, run: Callable[[bytes], WorkerReply]) -> LeaseEnd:
    """The same with any way to run one attempt."""
    try:
        connection = _connect(invitation)
    except (OSError, EOFError) as error:
        return LeaseEnd(f"{invitation.host}:{invitation.port}: {error}")
    runner = Runner(connection, run)
    with connection, _closed_in_forked_children(connection), _InterruptsOnlyIn(runner):
        runner.work()
    return LeaseEnd(ended=tuple(runner.untold))


def _connect(invitation: Invitation) -> socket.socket:
    """A connection to the executor that invited us, which has proved to be the one."""
    connection = socket.create_connection((invitation.host, invitation.port), CONNECT_SECONDS)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.sendall(frame(frames.HELLO, invitation.guest_id, invitation.secret))
        expected = frame(frames.WELCOME, invitation.guest_id, invitation.proof)
        answer = b""
        while len(answer) < len(expected):
            data = connection.recv(len(expected) - len(answer))
            if not data:
                raise EOFError("the executor refused the lease")
            answer += data
        if not compare_digest(answer, expected):
            raise EOFError("whoever listens there is not the executor")
        connection.settimeout(None)
    except BaseException:
        connection.close()
        raise
    return connection


class Runner:
    """One lease at work. ``run`` runs one attempt; ``work`` returns when the lease is over."""

    def __init__(self, connection: socket.socket, run: Callable[[bytes], WorkerReply]) -> None:
        self._connection = connection
        self._arrival = select.poll()
        self._arrival.register(connection, select.POLLIN)
        self._run = run
        self._reader = FrameReader()
        self._lock = threading.Lock()  # the list, the connection and who runs; never held while an attempt runs
        self._list: OrderedDict[int, bytes] = OrderedDict()
        self._current: int | None = None
        self._began = 0.0
        self._is_over = False
        self._is_broken = False
        self._finished = threading.Event()
        self.is_interruptible = False
        self.untold: list[tuple[int, WorkerReply]] = []  # ends that the executor could not be told of

    def work(self) -> None:
        """Run attempts as they come."""
        threading.Thread(target=self._watch, name="skyray-lease", daemon=True).start()
        news = b""
        try:
            while (todo := self._next(news)) is not None:
                news = self._run_one(*todo)
        finally:
            self._finished.set()

    # ------------------------------------------------------------------------------------------- in the main thread
    def _next(self, news: bytes) -> tuple[int, bytes] | None:
        """Tell the news and take the next attempt: it counts as begun from here on. Waits; None: the lease is over."""
        with self._lock:
            was_long = self._current is not None and time.monotonic() - self._began > LONG_SECONDS
            self._current = None
            while True:
                self._receive()
                if was_long or self._is_over:
                    was_long = False
                    self._give_back()  # it waited too long, if code that holds Python's lock held up the side thread
                if self._list:
                    attempt_id, payload = self._list.popitem(last=False)
                    self._tell(news + frame(frames.STARTED, attempt_id))
                    if self._is_broken:
                        return None  # the executor cannot know that it would run
                    self._current, self._began = attempt_id, time.monotonic()
                    return attempt_id, payload
                if news:
                    self._tell(news)
                    news = b""
                if self._is_over or self._is_broken:
                    return None
                self._lock.release()
                try:
                    self._arrival.poll()
                finally:
                    self._lock.acquire()

    def _tell(self, news: bytes) -> None:
        self._send(news)
        if not self._is_broken:
            self.untold.clear()

    def _run_one(self, attempt_id: int, payload: bytes) -> bytes:
        """Run an attempt. Returns what to tell of it."""
        reply: WorkerReply | None = None
        why = "interrupted"
        try:
            self.is_interruptible = True
            reply = self._run(payload)
            self.is_interruptible = False
        except KeyboardInterrupt:  # before the author's code began, or after it ended
            self.is_interruptible = False
        except Exception as error:  # noqa: BLE001 - e.g. an attempt that this worker's version cannot read
            self.is_interruptible = False
            why = f"the worker could not run it: {type(error).__name__}: {error}"
        if reply is None:
            return frame(frames.LOST, attempt_id, why.encode(errors="replace"))
        self.untold.append((attempt_id, reply))
        return frame(frames.ENDED, attempt_id, pack_reply(reply, time.monotonic() - self._began))

    # ------------------------------------------------------------------------------------------------ with the lock
    def _receive(self) -> None:
        """Take in what has arrived."""
        while not self._is_broken:
            try:
                data = self._connection.recv(_CHUNK_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._break()
                return
            for kind, attempt_id, body in self._reader.feed(data):
                if kind == frames.RUN:
                    self._list[attempt_id] = body
                elif kind == frames.OVER:
                    self._is_over = True
                elif kind == frames.CANCEL:
                    self._cancel(attempt_id)

    def _cancel(self, attempt_id: int) -> None:
        """Give it back if it has not begun. If it runs, begin no other: the executor has Ray interrupt this task."""
        if self._list.pop(attempt_id, None) is not None:
            self._send(frame(frames.RETURNED, body=pack_ids([attempt_id])))
        elif attempt_id == self._current:
            self._is_over = True
            self._give_back()
            self._send(frame(frames.RETIRED, attempt_id))

    def _give_back(self) -> None:
        if self._list:
            returned = pack_ids(self._list)
            self._list.clear()
            self._send(frame(frames.RETURNED, body=returned))

    def _send(self, data: bytes) -> None:
        if not self._is_broken:
            try:
                self._connection.sendall(data)
            except OSError:
                self._break()

    def _break(self) -> None:
        """The executor is gone, or cannot be reached any more: what it does not know to have begun must not begin."""
        self._is_broken = True
        self._list.clear()

    # ------------------------------------------------------------------------------------------ in the side thread
    def _watch(self) -> None:
        """While an attempt takes long: give back what waits behind it, and hear of its cancelling."""
        is_long = False
        arrival = select.poll()
        arrival.register(self._connection, select.POLLIN)
        while not self._finished.is_set() and not self._is_broken:
            if is_long:
                arrival.poll(_LONG_BEAT_SECONDS * 1000)
            elif self._finished.wait(LONG_SECONDS):
                return
            with self._lock:
                is_long = self._current is not None and time.monotonic() - self._began > LONG_SECONDS
                if is_long:
                    self._receive()
                    self._give_back()


class _InterruptsOnlyIn:
    """While entered, Ray's polite cancel (a KeyboardInterrupt) reaches attempts, and never the runner between them."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def __enter__(self) -> None:
        self._is_main = threading.current_thread() is threading.main_thread()
        if self._is_main:
            self._before = signal.signal(signal.SIGINT, self._interrupt)

    def __exit__(self, *error: object) -> None:
        if self._is_main:
            signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, number: int, at: FrameType | None) -> None:
        if self._runner.is_interruptible:
            raise KeyboardInterrupt


_open: socket.socket | None = None
_has_fork_hook = False


@contextlib.contextmanager
def _closed_in_forked_children(connection: socket.socket) -> Iterator[None]:
    """A process that a task forks must not hold the connection open when this one has died."""
    global _open, _has_fork_hook
    if not _has_fork_hook:
        _has_fork_hook = True
        os.register_at_fork(after_in_child=_close_open)
    _open = connection
    try:
        yield
    finally:
        _open = None


def _close_open() -> None:
    if _open is not None:
        _open.close()
