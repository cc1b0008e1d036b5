"""Effective priority weights: a task's own weight and those of everything it leads to (or that leads to it).

Worked out once for every DAG version, by core/world.py. Airflow's ``weight_rule``: downstream (default), upstream,
absolute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from skyray.core.graph import topological_order
from skyray.core.model import TaskSpec

WEIGHT_RULES = ("downstream", "upstream", "absolute")
_INT32_MAX = 2**31 - 1


def effective_weights(tasks: Sequence[TaskSpec]) -> dict[str, int]:
    """task_id -> weight, for all tasks of a DAG. Each relative counts once, however many paths lead to it.

    The result is clamped to 32 bits. Raises ``ValueError`` for an unknown weight rule, an upstream that is not among
    ``tasks``, or a cycle.

    >>> from skyray.core.model import TaskSpec
    >>> effective_weights([TaskSpec("a"), TaskSpec("b", upstream=("a",)), TaskSpec("c", upstream=("b",))])
    {'a': 3, 'b': 2, 'c': 1}
    """
    wanted = {task.weight_rule for task in tasks}
    if unknown := wanted.difference(WEIGHT_RULES):
        raise ValueError(f"unknown weight rule {min(unknown)!r}; known are {', '.join(WEIGHT_RULES)}")
    after: dict[str, list[str]] = {task.task_id: [] for task in tasks}
    for task in tasks:
        for upstream in task.upstream:
            if upstream not in after:
                raise ValueError(f"task {task.task_id!r} has an upstream {upstream!r} that is not in the DAG")
            after[upstream].append(task.task_id)

    bit = {task.task_id: 1 << index for index, task in enumerate(tasks)}
    total = _summing([task.priority_weight for task in tasks])
    order = topological_order(after) if wanted - {"absolute"} else []
    below = _reach(reversed(order), after, bit) if "downstream" in wanted else {}
    above = _reach(order, {task.task_id: task.upstream for task in tasks}, bit) if "upstream" in wanted else {}
    relatives = {"downstream": below, "upstream": above, "absolute": {}}
    return {
        task.task_id: _clamp(task.priority_weight + total(relatives[task.weight_rule].get(task.task_id, 0)))
        for task in tasks
    }


def _reach(order: Iterable[str], towards: Mapping[str, Iterable[str]], bit: Mapping[str, int]) -> dict[str, int]:
    """For each node the set of nodes it reaches, as one integer with a bit a node: thousands of them in one ``|``."""
    reached: dict[str, int] = {}
    for node in order:
        mine = 0
        for target in towards[node]:
            mine |= bit[target] | reached[target]
        reached[node] = mine
    return reached


def _summing(weights: Sequence[int]) -> Callable[[int], int]:
    """A function from a set of tasks (bits) to the sum of their weights.

    Weights are sliced by binary digit: the sum is Σ 2^digit · (how many members have that digit), so it takes a few
    popcounts instead of a walk over the members. Negative weights are slices of their own.
    """
    slices: dict[int, int] = {}
    for index, weight in enumerate(weights):
        sign = -1 if weight < 0 else 1
        for digit in range(abs(weight).bit_length()):
            if abs(weight) >> digit & 1:
                slices[sign << digit] = slices.get(sign << digit, 0) | 1 << index
    worth = list(slices.items())
    return lambda members: sum(value * (members & mask).bit_count() for value, mask in worth)


def _clamp(weight: int) -> int:
    return max(-_INT32_MAX - 1, min(_INT32_MAX, weight))
