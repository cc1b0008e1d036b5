"""One term of leading a partition: gather events, ``World.handle``, commit, send. Decides nothing itself.

``lead`` runs in a thread of its own (candidacy.py) until the term ends; what happens elsewhere reaches it through one
queue, and while it commits, the next batch gathers there. It waits only in ``queue.get``: for an event, or for the
World's next timer. Not here: who leads (candidacy.py), how executors and pools are reached (executor_link, pools_link).
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import queue
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Protocol

from skyray import signals
from skyray.actors.executor_link import ExecutorLink, LinkDown, LinkNews, LinkUp
from skyray.actors.lease_desk import LeaseDesk
from skyray.actors.link import Fenced
from skyray.actors.names import executor_names
from skyray.actors.pools_link import PoolsGone, PoolsLink, PoolsSaid
from skyray.actors.ray_port import RayPort
from skyray.actors.wire import Assignment
from skyray.actors.xcom_cache import XComCache
from skyray.core.events import (
    ClusterChanged,
    Command,
    CommandResult,
    Dispatch,
    Effects,
    Event,
    ExecutorDown,
    ExecutorUp,
    PoolsLost,
    Reported,
    Tick,
)
from skyray.core.explain import Reason
from skyray.core.logs import log_path
from skyray.core.model import Snapshot
from skyray.core.world import World, WorldConfig
from skyray.errors import CommandCrashedError
from skyray.settings import Settings

log = logging.getLogger(__name__)

BATCH_ITEMS_MAX = 1000
INBOX_CHECK_SECONDS = 5.0  # a nudge can be lost with its sender; the inbox is durable
RESULTS_REMEMBERED_MAX = 1000


class Store(Protocol):
    """What a leader needs of ``store.writer.LeaderStore``."""

    def load_snapshot(self) -> Snapshot: ...
    def commit(self, effects: Effects) -> None: ...
    def pending_commands(self, after: int) -> list[Command]: ...
    def read_xcoms(self, requests: Sequence[tuple[int, str, str]]) -> dict[tuple[int, str, str], bytes]: ...


@dataclass(frozen=True, slots=True)
class _Wake:
    """There may be something in the command inbox."""


@dataclass(frozen=True, slots=True)
class _Resign:
    """End the term."""


@dataclass(frozen=True, slots=True)
class _Ask:
    """Somebody wants to know why a task instance is not running."""

    ti_id: int
    answer: Future[Reason | None]


class Leader:
    """The leader of ``partition`` under ``epoch``. ``clock`` gives epoch seconds."""

    def __init__(
        self,
        settings: Settings,
        partition: int,
        epoch: int,
        *,
        store: Store,
        port: RayPort,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.partition = partition
        self.epoch = epoch
        self.since = clock()
        self._settings = settings
        self._store = store
        self._port = port
        self._loop = loop
        self._clock = clock
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._links: dict[str, ExecutorLink] = {}
        self._addresses: dict[str, str] = {}  # executor -> name#incarnation, as the World knows it
        self._pools: PoolsLink | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._is_woken = True
        self._has_resigned = False
        self._inbox_read_at = 0.0
        self._xcoms = XComCache()
        self._waiting: dict[int, asyncio.Future[CommandResult]] = {}
        self._results: OrderedDict[int, CommandResult] = OrderedDict()
        self._world: World | None = None
        self._desk = LeaseDesk(())

    # ------------------------------------------------------------------------------------ from the actor's event loop
    def tell(self, item: Any) -> None:
        """Put an event, or news of a link, into the queue. From any thread."""
        self._queue.put(item)

    def wake(self) -> None:
        """There is something in the command inbox."""
        self._queue.put(_Wake())

    def resign(self) -> None:
        """End the term soon."""
        self._queue.put(_Resign())

    async def result_of(self, command_id: int) -> CommandResult:
        """Wait until a command of this partition was applied."""
        known = self._results.get(command_id)
        if known is not None:
            return known
        future = self._waiting.get(command_id)
        if future is None:
            future = self._waiting[command_id] = self._loop.create_future()
        self.wake()
        return await asyncio.shield(future)

    async def explain(self, ti_id: int) -> Reason | None:
        """Why a task instance is not running; None for one that this leader does not hold."""
        ask = _Ask(ti_id, Future())
        self._queue.put(ask)
        return await asyncio.wrap_future(ask.answer)

    def readiness(self) -> dict[str, Any]:
        """What the leader has reached so far."""
        return {
            "partition": self.partition,
            "epoch": self.epoch,
            "since": self.since,
            "executors": sorted(name for name, link in self._links.items() if link.is_attached),
            "pools": self._pools is not None and self._pools.is_registered,
            "is_loaded": self._world is not None,
        }

    # ---------------------------------------------------------------------------------------------- the leader's thread
    def lead(self) -> None:
        """The term, until ``resign``. Raises what ended it otherwise; then everything here is to be thrown away."""
        asyncio.run_coroutine_threadsafe(self._open_links(), self._loop).result()
        try:
            self._load()
            signals.leader_elected.raise_for((self.partition, self.epoch))
            while not self._has_resigned:
                self.step()
        finally:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._close)
            signals.leader_resigned.raise_for((self.partition, self.epoch))

    def step(self) -> None:
        """One batch: waits for the first event, takes all that are there, and sees them through."""
        events = self._gather()
        assert self._world is not None
        try:
            effects = self._world.handle(events, self._clock())
        except CommandCrashedError as error:
            # The term ends, since the World is half changed; without an answer the command would end the next one too.
            answer = CommandResult(error.command_id, code=error.code, message=error.message)
            self._store.commit(Effects(results=[answer]))
            raise
        claim_seq = self._desk.word(effects.claims) if effects.claims else 0
        self._xcoms.remember(effects)
        if effects.has_writes:
            self._store.commit(effects)
        self._send(effects)
        if effects.claims and self._pools is not None:
            self._pools.claim(claim_seq, effects.claims)
        if effects.results:
            self._loop.call_soon_threadsafe(self._answer, effects.results)
        signals.batch_done.raise_for((self.partition, len(events)))

    def _load(self) -> None:
        snapshot = self._store.load_snapshot()
        config = WorldConfig(
            max_infrastructure_retries=self._settings.max_infrastructure_retries,
            lost_owner_grace_seconds=self._settings.lost_owner_grace_seconds,
            executor_gone_seconds=self._settings.executor_gone_seconds,
        )
        self._world = World(snapshot, partition=self.partition, epoch=self.epoch, now=self._clock(), config=config)
        self._desk = LeaseDesk(snapshot.pools)
        self._register()
        self._queue.put(Tick())

    async def _open_links(self) -> None:
        for name in executor_names(self._settings):
            link = ExecutorLink(
                name,
                port=self._port,
                namespace=self._settings.ray_namespace,
                partition=self.partition,
                epoch=self.epoch,
                tell=self.tell,
            )
            self._links[name] = link
            self._tasks.append(asyncio.create_task(link.run(), name=f"link-{name}"))
        self._pools = PoolsLink(
            port=self._port,
            namespace=self._settings.ray_namespace,
            partition=self.partition,
            epoch=self.epoch,
            tell=self.tell,
        )
        self._tasks.append(asyncio.create_task(self._pools.run(), name="link-pools"))

    def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for command_id, future in self._waiting.items():
            if not future.done():
                future.set_result(CommandResult(command_id, code="not_leader", message="the leader changed"))

    # ----------------------------------------------------------------------------------------------------- gathering
    def _gather(self) -> list[Event]:
        events: list[Event] = []
        item = self._wait()
        taken = 0
        while item is not None:
            self._take(item, events)
            taken += 1
            if taken >= BATCH_ITEMS_MAX:
                break
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
        now = self._clock()
        if self._is_woken or now - self._inbox_read_at >= INBOX_CHECK_SECONDS:
            self._is_woken = False
            self._inbox_read_at = now
            # Always from the beginning: ids are taken before they are committed, so a smaller one may appear later.
            events.extend(self._store.pending_commands(0))
        return events

    def _wait(self) -> Any:
        """The next item; None if a timer of the World's, or the inbox's, is due first."""
        assert self._world is not None
        now = self._clock()
        wakeup = self._world.next_wakeup()
        until = self._inbox_read_at + INBOX_CHECK_SECONDS
        if wakeup is not None:
            until = min(until, wakeup)
        try:
            return self._queue.get(timeout=max(until - now, 0.0))
        except queue.Empty:
            return None

    def _take(self, item: Any, events: list[Event]) -> None:
        match item:
            case LinkNews(link, address, reports):
                link.go_on()
                opened = (pickle.loads(each) if isinstance(each, bytes) else each for each in reports)
                events.append(Reported(address, tuple(opened)))
            case PoolsSaid(answer):
                events.extend(self._desk.take(answer))
            case _Wake():
                self._is_woken = True
            case LinkUp(link, attached):
                link.adopt(attached)
                self._addresses[link.name] = f"{link.name}#{attached.incarnation}"
                events.append(ExecutorUp(link.name, attached.incarnation, attached.held))
            case LinkDown(link, incarnation, reason):
                events.append(ExecutorDown(link.name, incarnation, reason))
            case PoolsGone():
                events.append(PoolsLost())
                self._register()
            case _Ask(ti_id, answer):
                assert self._world is not None
                answer.set_result(self._world.explain(ti_id))
            case Fenced(error):
                raise error
            case _Resign():
                self._has_resigned = True
            case Tick() | ClusterChanged():
                events.append(item)
            case _:
                raise AssertionError(f"nobody says {item!r} to a leader")

    def _register(self) -> None:
        assert self._world is not None
        assert self._pools is not None
        self._pools.register(*self._desk.registration(self._world.used_slots()))

    # ------------------------------------------------------------------------------------------------------- sending
    def _send(self, effects: Effects) -> None:
        batches: dict[str, list[Assignment]] = {}
        for dispatch in self._with_inputs(effects.dispatches):
            batches.setdefault(dispatch.executor, []).append(_assignment(dispatch))
        for address, assignments in batches.items():
            link = self._link(address)
            if link is not None:
                link.submit(assignments)
        cancels: dict[str, list[int]] = {}
        for cancel in effects.cancels:
            cancels.setdefault(cancel.executor, []).append(cancel.attempt_id)
        for address, attempt_ids in cancels.items():
            link = self._link(address)
            if link is not None:
                link.cancel(attempt_ids)
        for address, attempt_ids in effects.acks.items():
            link = self._link(address)
            if link is not None:
                link.acknowledge(attempt_ids)

    def _link(self, address: str) -> ExecutorLink | None:
        """The link to an incarnation of an executor; None if that one is gone: the World hears of it, or has."""
        name = address.partition("#")[0]
        return self._links[name] if self._addresses.get(name) == address else None

    def _with_inputs(self, dispatches: Sequence[Dispatch]) -> list[Dispatch]:
        """The dispatches with the XComs that their tasks' arguments name, read in one go where the cache has them not.

        A value beyond ``xcom_inline_bytes`` is left out: the worker asks for it. None: nothing was pushed.
        """
        if not any(dispatch.missing_inputs for dispatch in dispatches):
            return list(dispatches)
        assert self._world is not None
        wanted: dict[tuple[int, str, str], bytes | None] = {}
        unknown = []
        for dispatch in dispatches:
            run_seq = self._run_seq(dispatch)
            for task_id, key in dispatch.missing_inputs:
                place = run_seq, task_id, key
                if place not in wanted:
                    is_known, wanted[place] = self._xcoms.find(place)
                    if not is_known:
                        unknown.append(place)
        if unknown:
            wanted.update(self._store.read_xcoms(unknown))
        complete = []
        for dispatch in dispatches:
            run_seq = self._run_seq(dispatch)
            values = ((each, wanted[run_seq, each[0], each[1]]) for each in dispatch.missing_inputs)
            limit = self._settings.xcom_inline_bytes
            inputs = tuple((name, value) for name, value in values if value is None or len(value) <= limit)
            complete.append(replace(dispatch, attempt=replace(dispatch.attempt, inputs=inputs)))
        return complete

    def _run_seq(self, dispatch: Dispatch) -> int:
        assert self._world is not None
        return self._world.attempts[dispatch.attempt.attempt_id].ti.run_seq

    def _answer(self, results: list[CommandResult]) -> None:
        """On the event loop: hand results to those who wait, and keep them for those who come a moment later."""
        for result in results:
            self._results[result.command_id] = result
            future = self._waiting.pop(result.command_id, None)
            if future is not None and not future.done():
                future.set_result(result)
        while len(self._results) > RESULTS_REMEMBERED_MAX:
            self._results.popitem(last=False)


def _assignment(dispatch: Dispatch) -> Assignment:
    attempt = dispatch.attempt
    run = attempt.run
    return Assignment(
        attempt_id=attempt.attempt_id,
        name=f"{run.dag_id}.{attempt.task_id}",
        log_path=log_path(run.dag_id, run.run_id, attempt.task_id, attempt.map_index, attempt.try_number),
        execution_timeout_seconds=attempt.execution_timeout_seconds,
        resources=attempt.resources,
        payload=pickle.dumps(attempt, pickle.HIGHEST_PROTOCOL),
    )
