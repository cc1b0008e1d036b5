"""Two partitions share one executor and one small pool: slots wander between their leaders, and are never overdrawn."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from tests.actors.fakes import FakeCluster, FakeDispatcher, LoopThread, MemoryStore, wait_until

from skyray.actors.executor import Executor
from skyray.actors.leader import Leader
from skyray.actors.pools import Pools
from skyray.core.model import DagSpec, Pool, TaskSpec
from skyray.settings import Settings

SLOTS = 3


def dag(dag_id: str, *widths: int) -> DagSpec:
    tasks = tuple(TaskSpec(f"t{number}", pool_slots=width) for number, width in enumerate(widths))
    return DagSpec(dag_id=dag_id, tasks=tasks, max_active_tasks=100)


@pytest.mark.parametrize(
    ("first", "second"),
    [((1,) * 8, (1,) * 8), ((1,) * 8, (3, 3)), ((2, 2, 2), (1, 2, 1, 2)), ((3,), (1,) * 6), ((1, 1), (5, 1, 1))],
)
def test_a_pool_is_shared_and_never_overdrawn(tmp_path: Path, first: tuple[int, ...], second: tuple[int, ...]) -> None:
    thread = LoopThread()
    cluster = FakeCluster(thread)
    settings = Settings(home=str(tmp_path), partitions=2)
    pools = (Pool("default_pool", SLOTS),)
    stores = [MemoryStore(dag("first", *first), pools=pools), MemoryStore(dag("second", *second), pools=pools)]
    dispatchers: list[FakeDispatcher] = []

    def dispatcher(ended: Any) -> FakeDispatcher:
        dispatchers.append(FakeDispatcher(ended))
        return dispatchers[0]

    cluster.actors["executor-0"] = thread.make(lambda: Executor(settings, 0, port=cluster, dispatcher=dispatcher))
    cluster.actors["pools"] = thread.make(lambda: Pools(settings, port=cluster, read=lambda: (pools, {0: 1, 1: 1})))
    leaders = [
        Leader(settings, partition, 1, store=store.as_leader(), port=cluster, loop=thread.loop)
        for partition, store in enumerate(stores)
    ]
    threads = [threading.Thread(target=leader.lead, daemon=True) for leader in leaders]
    for each in threads:
        each.start()
    try:
        for leader, store, dag_id in zip(leaders, stores, ("first", "second"), strict=True):
            assert thread.call(leader.result_of(store.ask("trigger_run", dag_id=dag_id))).code == ""
        running = dispatchers[0].running
        fitting = sum(width <= SLOTS for width in (*first, *second))
        for _ in range(fitting):
            wait_until(lambda: bool(running), "somebody runs")
            assert sum(spec.pool_slots for spec in list(running.values())) <= SLOTS
            dispatchers[0].finish(next(iter(running)))
        wait_until(
            lambda: sum(ti.state.value == "success" for store in stores for ti in store.tis.values()) == fitting,
            "all that fit have run",
        )
        assert running == {}
    finally:
        for leader in leaders:
            leader.resign()
        for each in threads:
            each.join(5)
        thread.close()
