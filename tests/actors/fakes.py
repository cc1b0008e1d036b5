"""The world around the shells, in one process: actors without Ray, a store without Postgres, workers without processes.

``FakeCluster`` keeps actors by name; killing one fails the calls to it, as Ray does. Coroutines run on an event loop in
a thread of its own, as in an actor.
"""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any

from skyray.actors.dispatch import Ended
from skyray.actors.ray_port import ActorUnreachableError, RayPort
from skyray.actors.wire import Assignment, WorkerReply
from skyray.core.events import Command, CommandResult, Effects, NodeResources
from skyray.core.messages import AttemptSpec, Lost, Outcome, OutcomeKind
from skyray.core.model import DagRecord, DagSpec, DagVersion, Pool, Run, Snapshot, TaskInstance
from skyray.errors import LeadershipLostError

WAIT_SECONDS = 5.0


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for a condition that another thread brings about."""
    deadline = time.monotonic() + WAIT_SECONDS
    pause = threading.Event()
    while not is_so():
        assert time.monotonic() < deadline, f"not so within {WAIT_SECONDS} s: {what}"
        pause.wait(0.005)


class LoopThread:
    """An event loop in a thread, as an async actor has one."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(WAIT_SECONDS)

    def make(self, factory: Callable[[], Any]) -> Any:
        async def build() -> Any:
            return factory()

        return self.call(build())

    def close(self) -> None:
        async def end() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.call(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(WAIT_SECONDS)
        self.loop.close()


class FakeMethod:
    def __init__(self, handle: FakeHandle, name: str) -> None:
        self._handle, self._name = handle, name

    def remote(self, *arguments: Any) -> Future[Any]:
        return self._handle.call(self._name, arguments)


class FakeHandle:
    """A handle: calls run on the cluster's loop, with everything pickled as on the wire."""

    def __init__(self, cluster: FakeCluster, name: str) -> None:
        self._cluster, self._name = cluster, name

    def __getattr__(self, name: str) -> FakeMethod:
        return FakeMethod(self, name)

    def call(self, method: str, arguments: tuple[Any, ...]) -> Future[Any]:
        actor = self._cluster.actors.get(self._name)
        if actor is None or self._cluster.lose(self._name, method):
            failed: Future[Any] = Future()
            failed.set_exception(ActorUnreachableError(f"{self._name} is dead"))
            return failed
        coroutine = getattr(actor, method)(*pickle.loads(pickle.dumps(arguments)))
        future = asyncio.run_coroutine_threadsafe(coroutine, self._cluster.thread.loop)
        self._cluster.calls.setdefault(self._name, []).append(future)
        return future


class FakeCluster(RayPort):
    """The port, without Ray."""

    def __init__(self, thread: LoopThread, *, has_lines: bool = False) -> None:
        self.thread = thread
        self.has_lines = has_lines
        self.actors: dict[str, Any] = {}
        self.calls: dict[str, list[Future[Any]]] = {}
        self.lose: Callable[[str, str], bool] = lambda name, method: False

    def kill(self, name: str) -> None:
        actor = self.actors.pop(name, None)
        listener = getattr(actor, "_listener", None)
        if listener is not None:
            self.thread.call(listener.close())
        for call in self.calls.pop(name, []):
            call.cancel()

    def node_id(self) -> str:
        return "node-1"

    def node_ip(self) -> str:
        return "127.0.0.1"

    def uses_tls(self) -> bool:
        return not self.has_lines

    def begin_actor(self, name: str) -> None:
        pass

    def find_actor(self, name: str, namespace: str, deadline_seconds: float = 5.0) -> Any:
        if name not in self.actors:
            raise ActorUnreachableError(f"there is no actor {name}")
        return FakeHandle(self, name)

    async def reply(self, ref: Any, deadline_seconds: float) -> Any:
        answer = asyncio.wrap_future(ref)
        await asyncio.wait({answer}, timeout=deadline_seconds)
        if not answer.done() or answer.cancelled():
            raise ActorUnreachableError("the actor died")
        return answer.result()

    def when_done(self, ref: Any, callback: Callable[[Any, BaseException | None], None]) -> None:
        def ended(future: Future[Any]) -> None:
            error = ActorUnreachableError("died") if future.cancelled() else future.exception()
            callback(None if error else future.result(), error)

        ref.add_done_callback(ended)

    def nodes(self) -> tuple[NodeResources, ...]:
        return (NodeResources("node-1", (("CPU", 4.0),)),)


class FakeDispatcher:
    """Runs nothing: keeps what was started until a test, or ``finish_at_once``, ends it."""

    def __init__(self, ended: Callable[[int, Ended], None]) -> None:
        self.ended = ended
        self.started: list[Assignment] = []
        self.running: dict[int, AttemptSpec] = {}
        self.cancels: list[tuple[int, bool]] = []
        self.finish_at_once = False

    def start(self, assignment: Assignment) -> None:
        self.started.append(assignment)
        self.running[assignment.attempt_id] = pickle.loads(assignment.payload)
        if self.finish_at_once:
            self.finish(assignment.attempt_id)

    def cancel(self, attempt_id: int, *, force: bool) -> None:
        self.cancels.append((attempt_id, force))
        if force and attempt_id in self.running:
            del self.running[attempt_id]
            self.ended(attempt_id, Lost(attempt_id, "cancelled", cancelled=True))

    def finish(
        self,
        attempt_id: int,
        kind: OutcomeKind = OutcomeKind.SUCCESS,
        *,
        xcoms: tuple[tuple[str, bytes], ...] = (),
        log: bytes = b"",
    ) -> None:
        del self.running[attempt_id]
        now = time.time()
        outcome = Outcome(attempt_id, kind, now, now, node_id="node-1", pid=1, xcoms=xcoms)
        self.ended(attempt_id, WorkerReply(kind.value, pickle.dumps(outcome), 0, log))


class MemoryStore:
    """A database of one partition. ``epoch`` is the newest one: an older writer is fenced."""

    def __init__(self, *specs: DagSpec, pools: Sequence[Pool] = (Pool("default_pool", 128),)) -> None:
        self.epoch = 0
        self.pools = list(pools)
        self.dags = {spec.dag_id: DagRecord(spec.dag_id, 0, "test", 1) for spec in specs}
        self.versions = [DagVersion(spec.dag_id, 1, spec, "digest") for spec in specs]
        self.runs: dict[int, Run] = {}
        self.tis: dict[int, TaskInstance] = {}
        self.attempts: list[Any] = []
        self.xcoms: dict[tuple[int, str], bytes] = {}
        self.inbox: dict[int, Command] = {}
        self.results: dict[int, CommandResult] = {}
        self.commits = 0
        self.reads: list[tuple[int, str, str]] = []
        self.fail_next_commit: Exception | None = None

    def as_leader(self) -> StoreOfLeader:
        self.epoch += 1
        return StoreOfLeader(self, self.epoch)

    def ask(self, kind: str, **payload: Any) -> int:
        command_id = len(self.inbox) + len(self.results) + 1
        self.inbox[command_id] = Command(command_id, kind, payload)
        return command_id

    def states(self) -> dict[str, str]:
        return {ti.task_id: ti.state.value for ti in self.tis.values()}


class StoreOfLeader:
    """``leader.Store`` for one epoch."""

    def __init__(self, memory: MemoryStore, epoch: int) -> None:
        self._memory, self._epoch = memory, epoch

    def load_snapshot(self) -> Snapshot:
        memory = self._memory
        unfinished = [run for run in memory.runs.values() if not run.state.is_terminal]
        seqs = {run.seq for run in unfinished}
        return copy.deepcopy(
            Snapshot(
                dags=list(memory.dags.values()),
                versions=memory.versions,
                runs=unfinished,
                task_instances=[ti for ti in memory.tis.values() if ti.run_seq in seqs],
                pools=memory.pools,
            )
        )

    def commit(self, effects: Effects) -> None:
        memory = self._memory
        if self._epoch != memory.epoch:
            raise LeadershipLostError(f"epoch {self._epoch} is over")
        if memory.fail_next_commit is not None:
            error, memory.fail_next_commit = memory.fail_next_commit, None
            raise error
        effects = copy.deepcopy(effects)
        memory.commits += 1
        memory.runs.update((run.seq, run) for run in (*effects.runs_created, *effects.runs_changed))
        memory.tis.update((ti.ti_id, ti) for ti in (*effects.tis_created, *effects.tis_changed))
        memory.attempts += effects.attempts
        memory.xcoms.update(((each.ti_id, each.key), each.value) for each in effects.xcoms)
        memory.dags.update((dag.dag_id, dag) for dag in effects.dags_changed)
        for result in effects.results:
            memory.inbox.pop(result.command_id, None)
            memory.results[result.command_id] = result

    def pending_commands(self, after: int) -> list[Command]:
        return [command for command_id, command in sorted(self._memory.inbox.items()) if command_id > after]

    def read_xcoms(self, requests: Sequence[tuple[int, str, str]]) -> dict[tuple[int, str, str], bytes]:
        self._memory.reads += requests
        found = {}
        for ti in self._memory.tis.values():
            for run_seq, task_id, key in requests:
                value = self._memory.xcoms.get((ti.ti_id, key))
                if (ti.run_seq, ti.task_id) == (run_seq, task_id) and value is not None:
                    found[run_seq, task_id, key] = value
        return found
