"""Effective priority weights."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyray.core.graph import descendants
from skyray.core.model import TaskSpec
from skyray.core.weights import WEIGHT_RULES, effective_weights

DIAMOND = [
    TaskSpec("a", priority_weight=1),
    TaskSpec("b", priority_weight=10, upstream=("a",)),
    TaskSpec("c", priority_weight=100, upstream=("a",)),
    TaskSpec("d", priority_weight=1000, upstream=("b", "c")),
]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("downstream", {"a": 1111, "b": 1010, "c": 1100, "d": 1000}),
        ("upstream", {"a": 1, "b": 11, "c": 101, "d": 1111}),
        ("absolute", {"a": 1, "b": 10, "c": 100, "d": 1000}),
    ],
)
def test_each_relative_counts_once(rule: str, expected: dict[str, int]) -> None:
    assert effective_weights([replace(task, weight_rule=rule) for task in DIAMOND]) == expected


def test_every_task_has_its_own_rule() -> None:
    tasks = [replace(task, weight_rule=rule) for task, rule in zip(DIAMOND, [*WEIGHT_RULES, "upstream"], strict=True)]
    assert effective_weights(tasks) == {"a": 1111, "b": 11, "c": 100, "d": 1111}


def test_order_of_tasks_makes_no_difference() -> None:
    assert effective_weights(DIAMOND[::-1]) == effective_weights(DIAMOND)


@pytest.mark.parametrize("sign", [1, -1])
def test_weight_is_clamped_to_32_bits(sign: int) -> None:
    tasks = [TaskSpec("a", priority_weight=sign * 2**31), TaskSpec("b", priority_weight=sign * 5, upstream=("a",))]
    assert effective_weights(tasks) == {"a": 2**31 - 1 if sign > 0 else -(2**31), "b": sign * 5}


def test_unknown_rule_is_named() -> None:
    with pytest.raises(ValueError, match="'custom'"):
        effective_weights([TaskSpec("a", weight_rule="custom")])


def test_unknown_upstream_is_named() -> None:
    with pytest.raises(ValueError, match="'x'"):
        effective_weights([TaskSpec("a", upstream=("x",))])


@given(st.data())
def test_agrees_with_the_definition(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 8))
    tasks = [
        TaskSpec(
            str(n),
            priority_weight=data.draw(st.integers(-50, 50)),
            weight_rule=data.draw(st.sampled_from(WEIGHT_RULES)),
            upstream=tuple(str(u) for u in data.draw(st.sets(st.integers(0, n - 1), max_size=3))) if n else (),
        )
        for n in range(size)
    ]
    above = {task.task_id: task.upstream for task in tasks}
    below = {task.task_id: [each.task_id for each in tasks if task.task_id in each.upstream] for task in tasks}
    own = {task.task_id: task.priority_weight for task in tasks}
    graphs = {"downstream": below, "upstream": above, "absolute": {}}
    assert effective_weights(tasks) == {
        task.task_id: own[task.task_id] + sum(own[each] for each in descendants(graphs[task.weight_rule], task.task_id))
        for task in tasks
    }


def _chain(length: int) -> list[TaskSpec]:
    return [TaskSpec(str(n), upstream=(str(n - 1),) if n else (), priority_weight=n + 1) for n in range(length)]


def _layers(width: int, depth: int) -> list[TaskSpec]:
    return [
        TaskSpec(f"{layer}.{n}", upstream=tuple(f"{layer - 1}.{u}" for u in range(width)) if layer else ())
        for layer in range(depth)
        for n in range(width)
    ]


def _fan(width: int) -> list[TaskSpec]:
    middle = [TaskSpec(f"m{n}", upstream=("first",)) for n in range(width)]
    return [TaskSpec("first"), *middle, TaskSpec("last", upstream=tuple(task.task_id for task in middle))]


@pytest.mark.parametrize("tasks", [_chain(5_000), _layers(50, 100), _fan(1_000)], ids=["chain", "layers", "fan"])
@pytest.mark.parametrize("rule", ["downstream", "upstream"])
def test_large_dags_take_a_moment(tasks: list[TaskSpec], rule: str) -> None:
    tasks = [replace(task, weight_rule=rule) for task in tasks]
    begin = time.process_time()  # of this process: other load on the machine does not count
    weights = effective_weights(tasks)
    assert time.process_time() - begin < 0.5
    assert len(weights) == len(tasks)


def test_large_dags_are_right() -> None:
    assert effective_weights(_fan(1_000))["first"] == 1_002
    assert effective_weights(_chain(5_000))["0"] == 5_000 * 5_001 // 2
    assert effective_weights(_layers(50, 100))["0.0"] == 1 + 50 * 99
