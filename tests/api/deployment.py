"""A control plane without Ray for the API's tests: the real server on TCP, the real store, a real World as leader.

Only executors, DagProcessor and Pools actor are played: ``finish`` says how an attempt ends, ``parsed`` is what the
next bundle parses to, ``logs`` are the log files.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from skyray.api.client import Client
from skyray.api.control_plane import ActorInfo, NodeInfo, SubmitReport
from skyray.api.server import Server, serve
from skyray.core.events import Command, CommandResult, Event, ExecutorUp, LeaseChanged, Reported
from skyray.core.messages import AttemptSpec, Outcome, OutcomeKind
from skyray.core.model import DagSpec, TaskSpec
from skyray.core.parsed import Bundle, ParsedDag, ParsedFile, ParseError
from skyray.core.world import World, WorldConfig
from skyray.errors import ClusterUnreachableError
from skyray.store.catalog import Catalog
from skyray.store.leader_lock import LeaderLock
from skyray.store.reader import Reader
from skyray.store.writer import LeaderStore

TOKEN = "secret-token"
_digests = itertools.count()
NODE = NodeInfo("n1", "10.0.0.1", "head", "alive", True, {"CPU": 4.0, "memory": 1e9}, {"zone": "a"})


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true value of ``condition``. Fails after a deadline."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "it never came true"
        pause.wait(0.02)


class ControlPlane:
    """``skyray.api.control_plane.ControlPlane`` in one process. ``has_leader`` off: no scheduler answers."""

    def __init__(self, url: str) -> None:
        self._lock = threading.Lock()
        self._leader = LeaderLock(url, 0, "scheduler-0")
        epoch = self._leader.acquire(threading.Event())
        assert epoch is not None
        self.store = LeaderStore(url, 0, epoch)
        self.world = World(self.store.load_snapshot(), partition=0, epoch=epoch, now=time.time(), config=WorldConfig())
        self.catalog = Catalog(url)
        self.parsed: list[ParsedFile] = []
        self.logs: dict[str, bytes] = {}
        self.held: list[AttemptSpec] = []
        self.has_leader = True
        self.applied: list[Command] = []
        self.pool_changes = 0
        self._results: dict[int, CommandResult] = {}
        self.feed([LeaseChanged((("default_pool", math.inf),)), ExecutorUp("executor-0", "i1")])

    def close(self) -> None:
        """Give the lock and the connections back."""
        self.store.close()
        self.catalog.close()
        self._leader.release()

    # ------------------------------------------------------------------------------------------ what a test plays
    def feed(self, events: Sequence[Event]) -> None:
        """What a leader does with a batch."""
        with self._lock:
            commands = self.store.pending_commands(0)
            self.applied += commands
            effects = self.world.handle([*events, *commands], time.time())
            self.store.commit(effects)
            self.held += [dispatch.attempt for dispatch in effects.dispatches]
            self._results.update({result.command_id: result for result in effects.results})

    def publish(self, *specs: DagSpec, bundle: str = "test", errors: Sequence[ParseError] = ()) -> SubmitReport:
        """Have a bundle define exactly these DAGs."""
        files = [ParsedFile(spec.relative_path, (ParsedDag(spec, "1"),), (), 0.0) for spec in specs]
        files += [ParsedFile(error.path, (), (error,), 0.0) for error in errors]
        return self._publish(bundle, files)

    def _publish(self, bundle: str, files: Sequence[ParsedFile]) -> SubmitReport:
        digest = f"digest-{next(_digests)}"
        self.catalog.put_bundle(Bundle(bundle, digest, b"zip", ()))
        report = self.catalog.publish(bundle, "submitted", digest, files, partitions=1, paused_by_default=False)
        self.feed([])
        dag_ids = tuple(dag.dag_id for dag in report.dags)
        return SubmitReport(digest, dag_ids, tuple(report.retired), tuple(report.errors))

    def finish(self, task_id: str, kind: OutcomeKind = OutcomeKind.SUCCESS, error: str | None = None) -> None:
        """Have the attempt of a task end so, once it was dispatched."""
        attempt = wait_until(lambda: next((each for each in self.held if each.task_id == task_id), None))
        self.held.remove(attempt)
        now = time.time()
        outcome = Outcome(attempt.attempt_id, kind, now - 0.5, now, "n1", 77, error=error)
        self.feed([Reported("executor-0#i1", (outcome,))])

    # ------------------------------------------------------------------------------------------------ the protocol
    async def run_command(self, partition: int, command_id: int) -> CommandResult | None:
        if not self.has_leader:
            raise ClusterUnreachableError("no leader")
        await asyncio.to_thread(self.feed, [])
        return self._results.get(command_id)

    async def pools_changed(self) -> None:
        self.pool_changes += 1

    async def submit_bundle(self, name: str, content: bytes, request_id: str) -> SubmitReport:
        return await asyncio.to_thread(self._publish, name, self.parsed)

    async def read_log(self, executor: str | None, path: str, offset: int, limit_bytes: int) -> bytes:
        assert executor in (None, "executor-0")
        return self.logs.get(path, b"")[offset : offset + limit_bytes]

    async def nodes(self) -> list[NodeInfo]:
        return [NODE]

    async def actors(self) -> list[ActorInfo]:
        return [
            ActorInfo("scheduler-0", "scheduler", "n1", 10, "running", (0,)),
            ActorInfo("executor-0", "executor", "n1", 11, "running"),
        ]

    async def explain(self, partition: int, ti_id: int) -> str | None:
        reason = self.world.explain(ti_id)
        return None if reason is None else reason.message


class Deployment:
    """A server in a thread of its own. ``address`` may be asked for; port 0 is any."""

    def __init__(self, url: str, control_plane: ControlPlane, *, token: str = TOKEN, address: str = "127.0.0.1:0"):
        self.url = url
        self.control_plane = control_plane
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.reader = Reader(url)
        self._server: Server = self._call(
            serve(self.reader, control_plane, address=address, token=token, bundle_max_bytes=3 << 20)
        )
        self.address = self._server.address

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def client(self, token: str = TOKEN, **options: Any) -> Client:
        """A client of it."""
        return Client(self.address, token=token, **options)

    def stop(self) -> None:
        """End it."""
        self._call(self._server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


def a_dag(dag_id: str = "etl", *tasks: TaskSpec, **fields: Any) -> DagSpec:
    """A DAG of two tasks in a row, unless given others."""
    tasks = tasks or (TaskSpec("extract", "PythonOperator"), TaskSpec("load", "PythonOperator", ("extract",)))
    return DagSpec(dag_id, **{"relative_path": f"{dag_id}.py", "tasks": tasks, **fields})
