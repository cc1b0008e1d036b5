"""Which ready task instance goes next: pools, limits, capacity and order, in one place and without scanning.

A ready TI waits in exactly one place: in a *line* (one heap for each pool and resource shape), or *parked* at the first
thing in its way (its DAG is paused, its run's max_active_tasks is reached, …). When the thing moves, only those parked
at it come back. So nobody's blocked TIs stand in front of anybody else's, and why a TI waits is where it waits.

Order: priority weight (heavier first), then the run's age, then creation order. Within a pool nobody overtakes: where
the foremost TI asks for more slots than are free, slots that come free are kept for it. A TI wider than its whole pool
is parked, and so is one that no node can hold; a TI whose shape has no room on the cluster lets other shapes pass.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from skyray.core.active_run import ActiveRun
from skyray.core.capacity import Capacity
from skyray.core.events import Demand, PoolClaim
from skyray.core.model import Pool, TaskInstance
from skyray.core.states import TaskState
from skyray.core.structure import Shape

_DEMANDS_MAX = 16
Order = tuple[float, float, int]
LineKey = tuple[str, Shape]
Barrier = tuple[str, object]


class Entry:
    """A ready TI's place in line. ``barrier`` names what it is parked at, or is None while it stands in a line."""

    __slots__ = ("barrier", "order", "position", "run", "ti")

    def __init__(self, order: Order, ti: TaskInstance, run: ActiveRun, position: int) -> None:
        self.order = order
        self.ti = ti
        self.run = run
        self.position = position
        self.barrier: Barrier | None = None

    def __lt__(self, other: Entry) -> bool:
        return self.order < other.order


@dataclass(slots=True)
class PoolBooks:
    """A pool as this leader sees it. ``lease``: slots it may occupy; ``used``: slots that its attempts occupy."""

    definition: Pool | None = None
    lease: float = 0.0
    used: int = 0
    recalled: bool = False
    claimed: tuple[Demand, ...] = ()

    @property
    def free(self) -> float:
        """Slots that can be taken without asking."""
        return self.lease - self.used

    @property
    def size(self) -> float:
        """Slots of the whole pool."""
        if self.definition is None:
            return 0.0
        return math.inf if self.definition.slots < 0 else float(self.definition.slots)


class Admission:
    """Lines, parked TIs and the books of pools and limits. Called only by world.py."""

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self.pools: dict[str, PoolBooks] = {}
        self._lines: dict[LineKey, list[tuple[Order, Entry]]] = {}
        # By barrier, then by line: when a limit frees one place, the best of each line may try, since the best of all
        # may turn out to wait for a full pool.
        self._parked: dict[Barrier, dict[LineKey, list[tuple[Order, Entry]]]] = {}
        self._entries: dict[int, Entry] = {}
        self._active_of_task: dict[tuple[str, str], int] = {}
        self.paused_dags: set[str] = set()

    # ------------------------------------------------------------------------------------ coming and going
    def enqueue(self, ti: TaskInstance, run: ActiveRun, position: int) -> None:
        """A TI became ready."""
        order = (float(-ti.priority_weight), run.age, ti.ti_id)
        entry = self._entries[ti.ti_id] = Entry(order, ti, run, position)
        self._stand_in_line(entry)

    def withdraw(self, ti: TaskInstance) -> None:
        """A ready TI is no longer wanted (skipped, cancelled). Its heap entry is dropped when it is met."""
        entry = self._entries.pop(ti.ti_id, None)
        if entry is not None and entry.barrier is None:
            self._call_next(entry, None)

    def occupy(self, ti: TaskInstance, run: ActiveRun, shape: Shape) -> None:
        """An attempt of the TI is with an executor: count it everywhere."""
        self.books(ti.pool).used += ti.pool_slots
        self.capacity.take(shape)
        run.active += 1
        key = (ti.dag_id, ti.task_id)
        self._active_of_task[key] = self._active_of_task.get(key, 0) + 1

    def vacate(self, ti: TaskInstance, run: ActiveRun, shape: Shape) -> None:
        """The attempt is over: give back what it held and call in whoever was parked at it."""
        self.books(ti.pool).used -= ti.pool_slots
        self.capacity.give_back(shape)
        run.active -= 1
        key = (ti.dag_id, ti.task_id)
        left = self._active_of_task[key] - 1
        if left:
            self._active_of_task[key] = left
        else:
            del self._active_of_task[key]
        self._unpark_best(("run", run.run.seq))
        self._unpark_best(("task", key))
        self._unpark_best(("run_task", (run.run.seq, ti.task_id)))

    # ------------------------------------------------------------------------------------ things that move
    def books(self, pool: str) -> PoolBooks:
        """The books of a pool, made at first sight."""
        books = self.pools.get(pool)
        if books is None:
            books = self.pools[pool] = PoolBooks()
        return books

    def change_pools(self, pools: dict[str, Pool]) -> None:
        """The pool definitions are these now."""
        for name in pools:
            self.books(name)
        for name, books in self.pools.items():
            books.definition = pools.get(name)
            self._unpark_all(("pool", name))

    def change_leases(self, leases: dict[str, float], recalled: frozenset[str]) -> None:
        """The Pools actor's newest word; pools that it does not name keep their lease."""
        for name, slots in leases.items():
            self.books(name).lease = slots
        for name, books in self.pools.items():
            books.recalled = name in recalled

    def unpause(self, dag_id: str) -> None:
        """The DAG runs again."""
        self.paused_dags.discard(dag_id)
        self._unpark_all(("paused", dag_id))

    def nodes_changed(self) -> None:
        """Nodes came or went: what fitted nowhere may fit now, and the other way round."""
        self._unpark_all(("cluster", None))

    # ----------------------------------------------------------------------------------------- who is next
    def admit(self, dispatch: Callable[[Entry], None], room: Callable[[], bool]) -> None:
        """Hand TIs to ``dispatch`` in order (it must call ``occupy``) while ``room()`` says an executor takes more."""
        blocked_pools: set[str] = set()
        blocked_shapes: set[Shape] = set()
        while room():
            best: tuple[Order, Entry] | None = None
            for (pool, shape), line in self._lines.items():
                if pool in blocked_pools or shape in blocked_shapes:
                    continue
                while line and not self._is_current(line[0][1]):
                    heapq.heappop(line)
                if line and (best is None or line[0] < best):
                    best = line[0]
            if best is None:
                return
            entry = best[1]
            ti = entry.ti
            shape = entry.run.structure.shapes[entry.position]
            barrier = self._barrier(entry)
            if barrier is not None:
                heapq.heappop(self._lines[ti.pool, shape])
                self._park(entry, barrier)
                continue
            if self.books(ti.pool).free < ti.pool_slots:
                blocked_pools.add(ti.pool)
            elif not self.capacity.has_room(shape):
                blocked_shapes.add(shape)
            else:
                heapq.heappop(self._lines[ti.pool, shape])
                del self._entries[ti.ti_id]
                dispatch(entry)

    def _barrier(self, entry: Entry) -> Barrier | None:
        """The first limit in a TI's way, other than free slots and room on the cluster."""
        ti = entry.ti
        if ti.dag_id in self.paused_dags:
            return ("paused", ti.dag_id)
        for barrier, is_reached in self._limits(entry):
            if is_reached:
                return barrier
        if ti.pool_slots > self.books(ti.pool).size:
            return ("pool", ti.pool)
        if self.capacity.obstacle(entry.run.structure.tasks[entry.position].resources) is not None:
            return ("cluster", None)
        return None

    def _limits(self, entry: Entry) -> list[tuple[Barrier, bool]]:
        """The counted limits that a TI is subject to, and whether each is reached."""
        ti, run = entry.ti, entry.run
        task = run.structure.tasks[entry.position]
        limits: list[tuple[Barrier, bool]] = [(("run", run.run.seq), run.active >= run.structure.spec.max_active_tasks)]
        if task.max_active_tis_per_dag is not None:
            key = (ti.dag_id, ti.task_id)
            limits.append((("task", key), self._active_of_task.get(key, 0) >= task.max_active_tis_per_dag))
        if task.max_active_tis_per_dagrun is not None:
            is_reached = run.active_of(entry.position) >= task.max_active_tis_per_dagrun
            limits.append((("run_task", (run.run.seq, ti.task_id)), is_reached))
        return limits

    def claims(self) -> Iterator[PoolClaim]:
        """What to tell the Pools actor now: recalled slots to return, demands that changed; mostly nothing."""
        for name, books in self.pools.items():
            surplus = books.recalled and books.free > 0
            short = books.definition is not None and books.lease < books.size
            if not surplus and not short and not books.claimed:
                continue
            demands = self._demands(name) if short else ()
            if demands and demands[0].slots <= books.free:
                demands = ()  # they wait for the cluster, not for the pool
            if surplus or demands != books.claimed:
                if surplus:
                    books.lease = float(books.used)
                books.claimed = demands
                yield PoolClaim(pool=name, hold=books.lease, demands=demands)

    def forget_claims(self) -> None:
        """The Pools actor restarted: what it was told is gone, so the next ``claims`` repeats it."""
        for books in self.pools.values():
            books.claimed = ()

    def _demands(self, pool: str) -> tuple[Demand, ...]:
        waiting: list[tuple[Order, Entry]] = []
        for (of_pool, _), line in self._lines.items():
            if of_pool == pool:
                waiting += heapq.nsmallest(_DEMANDS_MAX, (item for item in line if self._is_current(item[1])))
        waiting.sort()
        return tuple(
            Demand(order=(order[0], order[1]), slots=entry.ti.pool_slots) for order, entry in waiting[:_DEMANDS_MAX]
        )

    # ---------------------------------------------------------------------------------------------- places
    def place_of(self, ti_id: int) -> Entry | None:
        """Where a ready TI waits."""
        return self._entries.get(ti_id)

    def active_of_task(self, dag_id: str, task_id: str) -> int:
        """Attempts of a task that are with executors, over all runs."""
        return self._active_of_task.get((dag_id, task_id), 0)

    def waiting(self) -> int:
        """How many ready TIs wait, anywhere."""
        return len(self._entries)

    def _is_current(self, entry: Entry) -> bool:
        return self._entries.get(entry.ti.ti_id) is entry and entry.ti.state is TaskState.SCHEDULED

    def _stand_in_line(self, entry: Entry) -> None:
        entry.barrier = None
        key = (entry.ti.pool, entry.run.structure.shapes[entry.position])
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = []
        heapq.heappush(line, (entry.order, entry))

    def _park(self, entry: Entry, barrier: Barrier) -> None:
        entry.barrier = barrier
        key = (entry.ti.pool, entry.run.structure.shapes[entry.position])
        heapq.heappush(self._parked.setdefault(barrier, {}).setdefault(key, []), (entry.order, entry))
        self._call_next(entry, barrier)

    def _call_next(self, entry: Entry, barrier: Barrier | None) -> None:
        """An entry that had passed other limits leaves the line: whoever is parked at those may take its place.

        Only limits that are not reached call anybody, and an entry parks only at one that is: this ends.
        """
        for passed, is_reached in self._limits(entry):
            if passed != barrier and not is_reached:
                self._unpark_best(passed)

    def _unpark_best(self, barrier: Barrier) -> None:
        lots = self._parked.get(barrier)
        if lots is None:
            return
        for key in list(lots):
            lot = lots[key]
            while lot:
                _, entry = heapq.heappop(lot)
                if self._is_current(entry):
                    self._stand_in_line(entry)
                    break
            if not lot:
                del lots[key]
        if not lots:
            del self._parked[barrier]

    def _unpark_all(self, barrier: Barrier) -> None:
        for lot in self._parked.pop(barrier, {}).values():
            for _, entry in lot:
                if self._is_current(entry):
                    self._stand_in_line(entry)
