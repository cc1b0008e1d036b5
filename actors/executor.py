"""The Executor actor: has attempts run, watches them, and keeps each outcome until the leader has committed it.

No user code and no database in this process. All books are touched on the actor's event loop only; what ends in other
threads is gathered and taken over in one go. Called by leaders (attach, submit, cancel, poll), workers (started,
append_log) and the Api (read_log). How attempts run is dispatch.py's matter.

A leader *attaches* first and gets a session; everything it sends carries it, and an older session is refused. So what
was on its way while the connection broke can never arrive after the answer that said what is held here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from skyray.actors.attempt_logs import AttemptLogs, read_output, remove_old_output
from skyray.actors.channel import Listener
from skyray.actors.dispatch import Dispatcher, Ended, Failed, TaskForEachAttempt
from skyray.actors.leader_line import LeaderLine
from skyray.actors.names import api_names, executor_name
from skyray.actors.ray_port import RayPort
from skyray.actors.runner_leases import RunnerLeases
from skyray.actors.wire import Assignment, Attached, StaleSessionError, WireReport, WorkerReply
from skyray.actors.worker import Deployment, attempt_limits
from skyray.core.logs import OUTPUT_FOLDER, output_name
from skyray.core.messages import Lost, Outcome, OutcomeKind, Started
from skyray.errors import LeadershipLostError, SkyrayError
from skyray.settings import Settings

log = logging.getLogger(__name__)

HARD_TIMEOUT_GRACE_SECONDS = 10.0
SALVAGE_SECONDS = 10.0
OLD_OUTPUT_SECONDS = 3600.0
ENDED_REMEMBERED_MAX = 10_000  # acknowledged attempts that a late submit must not run again


@dataclass(slots=True)
class _Attempt:
    """An attempt from submit to acknowledgement. ``report`` is None while it runs."""

    partition: int
    assignment: Assignment
    started: Started | None = None
    report: WireReport | None = None
    is_cancelled: bool = False
    is_overdue: bool = False
    timers: list[asyncio.TimerHandle] = field(default_factory=list)


class Executor:
    """The actor. ``dispatcher`` makes the policy from the callback that it must report ends to."""

    def __init__(
        self,
        settings: Settings,
        index: int,
        *,
        port: RayPort | None = None,
        dispatcher: Callable[[Callable[[int, Ended], None]], Dispatcher] | None = None,
    ) -> None:
        self._settings = settings
        self._name = executor_name(index)
        self._port = port or RayPort()
        self._port.begin_actor(self._name)
        self._loop = asyncio.get_running_loop()
        self._node_id = self._port.node_id()
        self._incarnation = uuid.uuid4().hex
        self._sessions = 0
        self._lines: dict[int, LeaderLine] = {}
        self._attempts: dict[int, _Attempt] = {}
        self._acknowledged: OrderedDict[int, None] = OrderedDict()
        self._writers: dict[str, int] = {}
        self._ends: deque[tuple[int, Ended]] = deque()
        self._ends_announced = False
        self._logs = AttemptLogs(settings.log_path)
        self._cache_dir = settings.home_path / "cache"
        self._salvaging: set[asyncio.Task[None]] = set()
        remove_old_output(self._cache_dir / OUTPUT_FOLDER, OLD_OUTPUT_SECONDS)
        self._listener = self._listen()
        self._dispatcher = (dispatcher or self._make_dispatcher)(self._ended_elsewhere)

    def _listen(self) -> Listener | None:
        """Where runners and leaders connect. None: everything goes by Ray, as where Ray encrypts what it says, since
        connections of our own are not encrypted."""
        if self._port.uses_tls():
            return None
        host = self._port.node_ip()
        try:
            return Listener(host, self._loop)
        except OSError as error:
            log.warning("executor.no_listener host=%s reason=%s", host, error)
            return None

    def _make_dispatcher(self, ended: Callable[[int, Ended], None]) -> Dispatcher:
        deployment = Deployment(
            namespace=self._settings.ray_namespace,
            executor=self._name,
            apis=api_names(),
            cache_dir=str(self._settings.home_path / "cache"),
            limits=attempt_limits(self._settings),
        )
        packed = pickle.dumps(deployment)
        plain = TaskForEachAttempt(self._port, packed, ended)
        if not self._settings.runner_leases or self._listener is None:
            return plain
        return RunnerLeases(self._port, packed, ended, plain, self._listener)

    # ----------------------------------------------------------------------------------------------- for leaders
    async def attach(self, partition: int, epoch: int) -> Attached:
        """A leader presents itself. Everything that is not acknowledged is told again from here on.

        Raises ``LeadershipLostError`` to one of an older epoch, as every call does.
        """
        before = self._lines.get(partition)
        if before is not None:
            self._check_epoch(partition, epoch, before)
            before.end()
        self._sessions += 1
        line = self._lines[partition] = LeaderLine(
            partition, epoch, self._sessions, orders=self, listener=self._listener
        )
        held = []
        for attempt_id, attempt in self._attempts.items():
            if attempt.partition == partition:
                held.append(attempt_id)
                report = attempt.report or attempt.started
                if report is not None:
                    line.tell(report)
        return Attached(self._incarnation, line.session, self._node_id, os.getpid(), tuple(held), line.invitation)

    async def submit(self, partition: int, epoch: int, session: int, assignments: list[Assignment]) -> None:
        """Run attempts. One that is known, running or ended, is not run again."""
        self.take_on(self._line(partition, epoch, session), assignments)

    async def cancel(self, partition: int, epoch: int, session: int, attempt_ids: list[int]) -> None:
        """Stop attempts: politely, and by force after the grace. Each ends as ``Lost(cancelled=True)`` or, if it was
        faster, with its outcome. One that is unknown never began."""
        self.stop(self._line(partition, epoch, session), attempt_ids)

    async def poll(self, partition: int, epoch: int, session: int, acked: list[int]) -> list[WireReport]:
        """What is new, each report once per session; waits for the first one, up to ``leader_line.POLL_SECONDS``.

        ``acked`` are attempts whose outcome is committed: they are forgotten here.
        """
        line = self._line(partition, epoch, session)
        self.forget(acked)
        reports = await line.next_reports()
        self._line(partition, epoch, session)
        return reports

    # ------------------------------------------------------------------- the same, of the newest session of a leader
    def take_on(self, line: LeaderLine, assignments: list[Assignment]) -> None:
        """See ``submit``."""
        for assignment in assignments:
            attempt_id = assignment.attempt_id
            if attempt_id in self._attempts or attempt_id in self._acknowledged:
                continue
            self._attempts[attempt_id] = _Attempt(line.partition, assignment)
            self._writers[assignment.log_path] = self._writers.get(assignment.log_path, 0) + 1
            self._dispatcher.start(assignment)

    def stop(self, line: LeaderLine, attempt_ids: list[int]) -> None:
        """See ``cancel``."""
        for attempt_id in attempt_ids:
            attempt = self._attempts.get(attempt_id)
            if attempt is None:
                if attempt_id not in self._acknowledged:
                    line.tell(Lost(attempt_id, "cancelled before it reached the executor", cancelled=True))
                continue
            if attempt.report is not None or attempt.is_cancelled:
                continue
            attempt.is_cancelled = True
            self._dispatcher.cancel(attempt_id, force=False)
            self._later(attempt, self._settings.cancel_grace_seconds, partial(self._kill, attempt_id))

    def forget(self, attempt_ids: list[int]) -> None:
        """See ``poll``."""
        for attempt_id in attempt_ids:
            self._forget(attempt_id)

    # ----------------------------------------------------------------------------------------------- for workers
    async def started(self, started: Started) -> None:
        """A longer attempt began. From now on its hard time limit runs."""
        attempt = self._attempts.get(started.attempt_id)
        if attempt is None or attempt.report is not None:
            return
        attempt.started = started
        self._lines[attempt.partition].tell(started)
        limit = attempt.assignment.execution_timeout_seconds
        if limit is not None:
            left = limit + HARD_TIMEOUT_GRACE_SECONDS - (time.time() - started.start_date)
            self._later(attempt, max(left, 0.0), partial(self._overdue, started.attempt_id))

    async def append_log(self, attempt_id: int, log_path: str, offset: int, data: bytes) -> None:
        """A piece of a running attempt's output, at its offset. Of an attempt that is not ours it is dropped."""
        attempt = self._attempts.get(attempt_id)
        if attempt is not None and attempt.report is None and attempt.assignment.log_path == log_path:
            self._logs.append(attempt_id, log_path, offset, data)

    # --------------------------------------------------------------------------------------------------- for Apis
    async def read_log(self, relative_path: str, offset: int, limit: int) -> tuple[bytes, int | None, bool]:
        """(bytes, size of the log or None if there is none yet, whether it is final)."""
        is_final = relative_path not in self._writers
        data, size = await asyncio.wrap_future(self._logs.read(relative_path, offset, limit))
        return data, size, is_final

    async def info(self) -> dict[str, Any]:
        """Who this is, for displays."""
        running = sum(attempt.report is None for attempt in self._attempts.values())
        return {
            "name": self._name,
            "role": "executor",
            "node_id": self._node_id,
            "pid": os.getpid(),
            "state": "running",
            "leads": [],
            "incarnation": self._incarnation,
            "running_attempts": running,
            "unacknowledged_attempts": len(self._attempts) - running,
            "attached_partitions": sorted(self._lines),
        }

    # ------------------------------------------------------------------------------------------- ends of attempts
    def _ended_elsewhere(self, attempt_id: int, ended: Ended) -> None:
        """From any thread. One wake-up of the loop serves all ends until it has run."""
        self._ends.append((attempt_id, ended))
        if not self._ends_announced:
            self._ends_announced = True
            self._loop.call_soon_threadsafe(self._take_ends)

    def _take_ends(self) -> None:
        self._ends_announced = False  # before the first popleft: an end that comes now announces itself again
        while self._ends:
            attempt_id, ended = self._ends.popleft()
            attempt = self._attempts.get(attempt_id)
            if attempt is not None and attempt.report is None:
                self._end(attempt_id, attempt, ended)

    def _end(self, attempt_id: int, attempt: _Attempt, ended: Ended) -> None:
        for timer in attempt.timers:
            timer.cancel()
        attempt.timers.clear()
        attempt.report = report = self._report_of(attempt_id, attempt, ended)
        path = attempt.assignment.log_path
        if isinstance(ended, WorkerReply):
            self._logs.end(attempt_id, path, ended.log_offset, ended.log)
            self._log_is_whole(path)
        else:
            reason = ended.error if isinstance(ended, Failed) else ended.reason
            self._salvage(attempt_id, attempt, "execution_timeout" if attempt.is_overdue else reason)
        self._lines[attempt.partition].tell(report)

    def _log_is_whole(self, path: str) -> None:
        """One writer less for a log; it is final with the last."""
        writers = self._writers[path] - 1
        if writers:
            self._writers[path] = writers
        else:
            del self._writers[path]

    def _salvage(self, attempt_id: int, attempt: _Attempt, reason: str) -> None:
        """Complete the log of an attempt that never replied with what it had written on its node, and say why."""
        path = attempt.assignment.log_path
        if attempt.started is None or attempt.started.node_id == self._node_id:
            self._logs.salvage(attempt_id, path, self._cache_dir / output_name(attempt_id))
            self._logs.note(attempt_id, path, reason)
            self._log_is_whole(path)
        else:
            fetching = self._loop.create_task(self._salvage_from(attempt.started.node_id, attempt_id, path, reason))
            self._salvaging.add(fetching)
            fetching.add_done_callback(self._salvaging.discard)

    async def _salvage_from(self, node_id: str, attempt_id: int, path: str, reason: str) -> None:
        """The same from another node, unless that is gone, too."""
        file = str(self._cache_dir / output_name(attempt_id))
        try:
            call = self._port.on_node(read_output, node_id).remote(file, self._logs.received(attempt_id))
            rest = await self._port.reply(call, SALVAGE_SECONDS)
            if rest is not None:
                self._logs.append(attempt_id, path, *rest)
        except SkyrayError as error:
            log.info("attempt_log.incomplete attempt=%d error=%s", attempt_id, error)
        finally:
            self._logs.note(attempt_id, path, reason)
            self._log_is_whole(path)

    def _report_of(self, attempt_id: int, attempt: _Attempt, ended: Ended) -> WireReport:
        if isinstance(ended, WorkerReply):
            if attempt.is_cancelled and ended.kind in (OutcomeKind.FAILED.value, OutcomeKind.FAILED_FOR_GOOD.value):
                return Lost(attempt_id, "cancelled", cancelled=True)
            return ended.outcome
        if isinstance(ended, Failed):
            return self._failed(attempt_id, attempt, ended.error)
        if attempt.is_overdue:
            limit = attempt.assignment.execution_timeout_seconds
            return self._failed(attempt_id, attempt, f"execution_timeout: ran longer than {limit:g} s, and was killed")
        if attempt.is_cancelled:
            return Lost(attempt_id, "cancelled", cancelled=True)
        if ended.cancelled:  # nobody asked for it: user code raised KeyboardInterrupt past the runner
            return Lost(attempt_id, "interrupted")
        return ended

    def _failed(self, attempt_id: int, attempt: _Attempt, error: str) -> bytes:
        """An outcome that no worker could report."""
        now, started = time.time(), attempt.started
        outcome = Outcome(
            attempt_id=attempt_id,
            kind=OutcomeKind.FAILED,
            start_date=started.start_date if started else now,
            end_date=now,
            node_id=started.node_id if started else "",
            pid=started.pid if started else 0,
            error=error,
        )
        return pickle.dumps(outcome, pickle.HIGHEST_PROTOCOL)

    def _kill(self, attempt_id: int) -> None:
        self._dispatcher.cancel(attempt_id, force=True)

    def _overdue(self, attempt_id: int) -> None:
        """User code that no signal reaches (C code, mostly) has outlived its execution_timeout."""
        attempt = self._attempts.get(attempt_id)
        if attempt is not None and attempt.report is None:
            attempt.is_overdue = True
            self._kill(attempt_id)

    def _later(self, attempt: _Attempt, seconds: float, call: Callable[[], None]) -> None:
        attempt.timers.append(self._loop.call_later(seconds, call))

    def _forget(self, attempt_id: int) -> None:
        attempt = self._attempts.get(attempt_id)
        if attempt is None or attempt.report is None:
            return
        del self._attempts[attempt_id]
        self._acknowledged[attempt_id] = None
        if len(self._acknowledged) > ENDED_REMEMBERED_MAX:
            self._acknowledged.popitem(last=False)

    # ---------------------------------------------------------------------------------------------------- fencing
    def _line(self, partition: int, epoch: int, session: int) -> LeaderLine:
        line = self._lines.get(partition)
        if line is None:
            raise LeadershipLostError(f"{self._name}: partition {partition} has not attached", hint="attach first")
        self._check_epoch(partition, epoch, line)
        if epoch != line.epoch or session != line.session:
            raise StaleSessionError(f"{self._name}: session {session} of partition {partition} is over")
        return line

    def _check_epoch(self, partition: int, epoch: int, line: LeaderLine) -> None:
        if epoch < line.epoch:
            raise LeadershipLostError(
                f"{self._name}: partition {partition} is led under epoch {line.epoch}; epoch {epoch} is over"
            )
