"""Runner leases: a Ray task that runs many attempts of one resource shape, one after the other, in place of one each.

Ray still does the placing and the accounting: a lease is a Ray task (runner.py) that asks for exactly what each of its
attempts asks for. A lease runs attempts while there are any, waits a moment for the next, and ends. It also ends after
a while, so that whatever else waits in Ray gets its turn. What cannot share a process, or what Ray has to arrange for
each attempt, is left to the plain policy (dispatch.TaskForEachAttempt).

Lists are short: about ``LIST_SECONDS`` of work, by what such attempts took before; what is not known runs alone. All
books are touched on the executor's event loop only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import ray.exceptions

from skyray.actors import frames
from skyray.actors.channel import Channel, Listener
from skyray.actors.dispatch import Dispatcher, Ended, lost_by, ray_options
from skyray.actors.durations import Durations
from skyray.actors.frames import Frame, frame, unpack_ids, unpack_reply
from skyray.actors.ray_port import RayPort
from skyray.actors.runner import LONG_SECONDS, LeaseEnd, run_lease_task
from skyray.actors.wire import Assignment, Invitation
from skyray.core.messages import Lost
from skyray.core.model import ResourceSpec

log = logging.getLogger(__name__)

LIST_SECONDS = 0.02
LIST_ATTEMPTS_MAX = 64
IDLE_SECONDS = 0.1
LEASE_SECONDS = 10.0
LEASE_SECONDS_WHEN_OTHERS_WAIT = 1.0
LAST_WORDS_SECONDS = 1.0  # between Ray's word that a runner is gone and the end of what it wrote
PLAIN_SECONDS_AFTER_FAILURE = 30.0
PLAIN_SECONDS_WHEN_UNREACHABLE = 600.0  # a firewall, mostly: finding it out again costs a runner CONNECT_SECONDS
REQUESTS_MIN = 2
FAILURES_MAX = 3  # deaths of a shape's runners in a row before they reached us
_DEATHS = (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError)


def can_share_a_runner(resources: ResourceSpec) -> bool:
    """Whether attempts of this shape may run one after the other in a lease: no GPUs, no environment of their own."""
    return (
        not resources.num_gpus
        and resources.runtime_env_json is None
        and resources.accelerator_type is None
        and resources.num_cpus != 0
    )


class _Shape:
    """Attempts that ask for the same, and the leases for them."""

    def __init__(self, resources: ResourceSpec, function: Any) -> None:
        self.resources = resources
        self.function = function
        self.waiting: OrderedDict[int, Assignment] = OrderedDict()
        self.requested: set[_Lease] = set()  # with Ray, not yet here
        self.leases: set[_Lease] = set()
        self.idle: dict[_Lease, None] = {}  # a stack: whoever came last is taken first, so that others may end
        self.is_pump_due = False
        self.plain_until = 0.0
        self.failures = 0


class _Lease:
    """One lease. ``channel.Guest`` for its runner."""

    def __init__(self, books: RunnerLeases, shape: _Shape) -> None:
        self._books = books
        self.shape = shape
        self.ref: Any = None
        self.invitation: Invitation
        self.channel: Channel | None = None
        self.since = 0.0
        self.assigned: dict[int, tuple[Assignment, float | None]] = {}  # with the seconds that it may take
        self.current: int | None = None
        self.current_since = 0.0
        self.doomed: set[int] = set()  # to be killed as soon as they begin
        self.is_closing = False
        self.has_left = False
        self.is_complete = False
        self.end: tuple[LeaseEnd | None, BaseException | None] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def arrived(self, channel: Channel) -> None:
        """From the channel: the runner is here."""
        self._books.lease_arrived(self, channel)

    def said(self, news: list[Frame]) -> None:
        """From the channel: it told of attempts."""
        self._books.lease_said(self, news)

    def left(self, *, is_complete: bool) -> None:
        """From the channel: nothing more will come."""
        self.has_left, self.is_complete = True, is_complete
        self._books.lease_left(self)

    def expected_seconds(self) -> float:
        """How long what it has may take."""
        return sum(seconds or 0.0 for _, seconds in self.assigned.values())


class RunnerLeases:
    """The policy. ``plain`` runs what cannot share a runner, and everything while no runner can reach us."""

    def __init__(
        self,
        port: RayPort,
        deployment: bytes,
        ended: Callable[[int, Ended], None],
        plain: Dispatcher,
        listener: Listener,
    ) -> None:
        self._port = port
        self._deployment = deployment
        self._ended = ended
        self._plain = plain
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._function = port.remote_function(
            run_lease_task, max_retries=0, retry_exceptions=False, enable_task_events=False
        )
        self._shapes: dict[ResourceSpec, _Shape] = {}
        self._place: dict[int, _Shape | _Lease] = {}
        self._cancelled: set[int] = set()
        self._durations = Durations()
        self._last_plain = 0.0

    # -------------------------------------------------------------------------------------------- for the executor
    def start(self, assignment: Assignment) -> None:
        """Give the attempt to a lease, or have it wait for one."""
        resources = assignment.resources
        shape = self._shapes.get(resources)
        if shape is None:
            if not can_share_a_runner(resources):
                self._start_plain(assignment)
                return
            shape = self._shapes[resources] = self._make_shape(resources)
        if shape.plain_until and time.monotonic() < shape.plain_until:
            self._start_plain(assignment)
            return
        shape.waiting[assignment.attempt_id] = assignment
        self._place[assignment.attempt_id] = shape
        self._pump_soon(shape)

    def cancel(self, attempt_id: int, *, force: bool) -> None:
        """Interrupt an attempt as Ray would, or end its process; others in its lease's list run elsewhere."""
        place = self._place.get(attempt_id)
        if place is None:
            self._plain.cancel(attempt_id, force=force)
        elif isinstance(place, _Shape):
            del place.waiting[attempt_id]
            self._end(attempt_id, Lost(attempt_id, "cancelled", cancelled=True))
        elif force and place.current == attempt_id:
            self._port.cancel(place.ref, force=True)
        else:
            self._cancelled.add(attempt_id)
            if force:
                place.doomed.add(attempt_id)
            if place.channel is not None:
                place.channel.send(frame(frames.CANCEL, attempt_id))

    def _start_plain(self, assignment: Assignment) -> None:
        self._last_plain = time.monotonic()
        self._reguest_idle(None)
        self._plain.start(assignment)

    def _make_shape(self, resources: ResourceSpec) -> _Shape:
        return _Shape(resources, self._function.options(name="skyray-runner", **ray_options(resources)))

    def _end(self, attempt_id: int, ended: Ended) -> None:
        self._place.pop(attempt_id, None)
        self._cancelled.discard(attempt_id)
        self._ended(attempt_id, ended)

    # ----------------------------------------------------------------------------------------------- who gets what
    def _pump_soon(self, shape: _Shape) -> None:
        """Once for all attempts of one message."""
        if not shape.is_pump_due:
            shape.is_pump_due = True
            self._loop.call_soon(self._pump, shape)

    def _pump(self, shape: _Shape) -> None:
        shape.is_pump_due = False
        while shape.waiting and shape.idle:
            lease, _ = shape.idle.popitem()
            self._fill(lease)
        wanted = min(len(shape.waiting), max(REQUESTS_MIN, len(shape.leases)))
        if wanted > len(shape.requested):
            if not shape.requested:
                self._reguest_idle(shape)
            for _ in range(wanted - len(shape.requested)):
                self._request(shape)

    def _fill(self, lease: _Lease) -> None:
        """Give a lease work, if it has little. One that has none waits for a moment, or ends."""
        shape = lease.shape
        now = time.monotonic()
        if lease.is_closing or lease.has_left:
            return
        if now - lease.since > self._lease_seconds(shape, now):
            if not lease.assigned:
                self._close(lease)
                self._pump_soon(shape)
            return
        if lease.current is not None and now - lease.current_since > LONG_SECONDS:
            return
        self._assign(lease)
        if not lease.assigned and lease not in shape.idle:
            shape.idle[lease] = None
            lease.timer = self._loop.call_later(IDLE_SECONDS, self._close, lease)

    def _assign(self, lease: _Lease) -> None:
        shape = lease.shape
        waiting, assigned = shape.waiting, lease.assigned
        expected = lease.expected_seconds()
        if not waiting or (assigned and expected > LIST_SECONDS / 2):
            return
        share = min(-(-len(waiting) // len(shape.leases)), LIST_ATTEMPTS_MAX - len(assigned))
        orders = []
        while waiting and share > 0:
            attempt_id, assignment = next(iter(waiting.items()))
            seconds = self._durations.guess(assignment.name)
            if assigned and (seconds is None or expected + seconds > LIST_SECONDS):
                break
            del waiting[attempt_id]
            assigned[attempt_id] = assignment, seconds
            self._place[attempt_id] = lease
            orders.append(frame(frames.RUN, attempt_id, assignment.payload))
            if seconds is None:
                break
            expected += seconds
            share -= 1
        if orders:
            assert lease.channel is not None
            lease.channel.send(b"".join(orders))
            self._no_longer_idle(lease)

    def _no_longer_idle(self, lease: _Lease) -> None:
        lease.shape.idle.pop(lease, None)
        if lease.timer is not None:
            lease.timer.cancel()
            lease.timer = None

    def _lease_seconds(self, shape: _Shape, now: float) -> float:
        others_wait = now - self._last_plain < LEASE_SECONDS_WHEN_OTHERS_WAIT or any(
            other.requested for other in self._shapes.values() if other is not shape
        )
        return LEASE_SECONDS_WHEN_OTHERS_WAIT if others_wait else LEASE_SECONDS

    def _reguest_idle(self, asking: _Shape | None) -> None:
        """Leases that do nothing must not stand in the way of what others ask Ray for."""
        for shape in self._shapes.values():
            if shape is not asking:
                for lease in list(shape.idle):
                    self._close(lease)

    # ------------------------------------------------------------------------------------------------------- leases
    def _request(self, shape: _Shape) -> None:
        lease = _Lease(self, shape)
        lease.invitation = self._listener.invite(lease)
        try:
            lease.ref = shape.function.remote(lease.invitation, self._deployment)
        except (ValueError, TypeError, ray.exceptions.RayError) as error:
            self._listener.forget(lease.invitation)
            self._fall_back(shape, str(error), PLAIN_SECONDS_AFTER_FAILURE)
            return
        shape.requested.add(lease)

        def done(end: LeaseEnd | None, error: BaseException | None) -> None:
            self._loop.call_soon_threadsafe(self._ray_task_ended, lease, end, error)

        self._port.when_done(lease.ref, done)

    def lease_arrived(self, lease: _Lease, channel: Channel) -> None:
        """Ray granted the lease, and its runner is here."""
        shape = lease.shape
        shape.requested.discard(lease)
        shape.leases.add(lease)
        shape.failures = 0
        lease.channel = channel
        lease.since = time.monotonic()
        self._fill(lease)
        if shape.waiting:
            self._pump_soon(shape)

    def lease_said(self, lease: _Lease, news: list[Frame]) -> None:
        """A runner told of its attempts."""
        for kind, attempt_id, body in news:
            if kind == frames.STARTED:
                lease.current, lease.current_since = attempt_id, time.monotonic()
                if attempt_id in lease.doomed:
                    self._port.cancel(lease.ref, force=True)
            elif kind == frames.RETURNED:
                self._take_back(lease, unpack_ids(body))
            elif kind == frames.RETIRED:
                lease.is_closing = True
                self._port.cancel(lease.ref, force=False)
            elif (found := lease.assigned.pop(attempt_id, None)) is not None:
                self._over(lease, attempt_id)
                if kind == frames.ENDED:
                    reply, seconds = unpack_reply(body)
                    self._durations.learn(found[0].name, seconds)
                    self._end(attempt_id, reply)
                else:
                    self._end(attempt_id, Lost(attempt_id, body.decode()))
        self._fill(lease)

    def _take_back(self, lease: _Lease, attempt_ids: tuple[int, ...]) -> None:
        """What has certainly not begun goes back to the head of the queue."""
        shape = lease.shape
        for attempt_id in reversed(attempt_ids):
            found = lease.assigned.pop(attempt_id, None)
            if found is None:
                continue
            if attempt_id in self._cancelled:
                self._end(attempt_id, Lost(attempt_id, "cancelled", cancelled=True))
            elif shape.plain_until and time.monotonic() < shape.plain_until:
                del self._place[attempt_id]
                self._start_plain(found[0])
            else:
                self._place[attempt_id] = shape
                shape.waiting[attempt_id] = found[0]
                shape.waiting.move_to_end(attempt_id, last=False)
        if shape.waiting:
            self._pump_soon(shape)

    def _close(self, lease: _Lease) -> None:
        """Have a lease end: it has no attempts."""
        self._no_longer_idle(lease)
        lease.is_closing = True
        if lease.channel is not None:
            lease.channel.send(frame(frames.OVER))

    def lease_left(self, lease: _Lease) -> None:
        """Its connection is closed. What became of its attempts is settled with Ray's word on its task."""
        self._no_longer_idle(lease)
        if lease.end is not None:
            self._settle(lease)

    def _ray_task_ended(self, lease: _Lease, end: LeaseEnd | None, error: BaseException | None) -> None:
        shape = lease.shape
        lease.end = end, error
        if lease.channel is None:
            shape.requested.discard(lease)
            self._listener.forget(lease.invitation)
            if end is not None:
                self._fall_back(shape, end.problem, PLAIN_SECONDS_WHEN_UNREACHABLE)
                return
            shape.failures += 1
            if shape.failures < FAILURES_MAX and isinstance(error, _DEATHS):
                self._pump_soon(shape)
            else:
                self._fall_back(shape, str(error), PLAIN_SECONDS_AFTER_FAILURE)
        elif lease.has_left:
            self._settle(lease)
        else:
            self._loop.call_later(LAST_WORDS_SECONDS, self._settle, lease)

    def _settle(self, lease: _Lease) -> None:
        """A runner is gone: what it had begun is lost, the rest of its list runs elsewhere.

        If its last words may be missing (its machine is gone), whatever it had may have begun.
        """
        shape = lease.shape
        if lease not in shape.leases:
            return
        shape.leases.discard(lease)
        assert lease.end is not None
        end, error = lease.end
        for attempt_id, reply in end.ended if end is not None else ():
            if lease.assigned.pop(attempt_id, None) is not None:
                self._over(lease, attempt_id)
                self._end(attempt_id, reply)
        not_begun = []
        for attempt_id in list(lease.assigned):
            if lease.is_complete and attempt_id != lease.current:
                not_begun.append(attempt_id)
                continue
            del lease.assigned[attempt_id]
            self._end(attempt_id, lost_by(attempt_id, error))
        self._take_back(lease, tuple(not_begun))
        if lease.channel is not None:
            lease.channel.close()

    def _over(self, lease: _Lease, attempt_id: int) -> None:
        lease.doomed.discard(attempt_id)
        if lease.current == attempt_id:
            lease.current = None

    def _fall_back(self, shape: _Shape, why: str, seconds: float) -> None:
        """Ray refused a lease, or its runner could not reach us: each attempt gets a task of its own for a while, and
        says by itself what is wrong."""
        log.warning("runner_lease.failed resources=%s reason=%s", shape.resources, why)
        shape.plain_until = time.monotonic() + seconds
        waiting, shape.waiting = shape.waiting, OrderedDict()
        for attempt_id, assignment in waiting.items():
            del self._place[attempt_id]
            self._start_plain(assignment)
