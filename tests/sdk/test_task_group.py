"""TaskGroup and @task_group: ids, nesting, collisions, defaults, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from skyray import DAG, TaskGroup, task, task_group
from skyray.errors import UnsupportedFeatureError
from skyray.exceptions import AirflowException, DuplicateTaskIdFound, TaskAlreadyInTaskGroup
from skyray.operators import EmptyOperator


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [(True, True, "o.i.t"), (True, False, "t"), (False, True, "i.t"), (False, False, "t")],
)
def test_ids_begin_with_those_of_the_groups(outer: bool, inner: bool, expected: str) -> None:
    with DAG("d") as dag, TaskGroup("o", prefix_group_id=outer) as o, TaskGroup("i", prefix_group_id=inner) as i:
        made = EmptyOperator(task_id="t")
    assert dag.task_ids == [expected] == [made.task_id]
    assert made.label == "t"
    assert (i.parent_group, o.parent_group, made.task_group) == (o, dag.task_group, i)
    assert o.get_child_by_label("i") is i
    assert i.get_child_by_label("t") is made
    assert set(dag.task_group_dict) == {"o", "o.i" if outer else "i"}


def test_group_needs_a_dag() -> None:
    with pytest.raises(RuntimeError, match="'g' can only be used inside a DAG"):
        TaskGroup("g")


@pytest.mark.parametrize(
    ("group_id", "error"), [("a.b", ValueError), ("a b", ValueError), ("x" * 201, ValueError), (3, TypeError)]
)
def test_wrong_group_id(group_id: Any, error: type[Exception]) -> None:
    with DAG("d"), pytest.raises(error):
        TaskGroup(group_id)


def test_collisions() -> None:
    with DAG("d") as dag:
        TaskGroup("g")
        with pytest.raises(DuplicateTaskIdFound, match="'g'"):
            TaskGroup("g")
        assert TaskGroup("g", add_suffix_on_collision=True).group_id == "g__1"
        assert TaskGroup("g", add_suffix_on_collision=True).group_id == "g__2"
        EmptyOperator(task_id="t")
        assert TaskGroup("t", add_suffix_on_collision=True).group_id == "t__1"
        with TaskGroup("outer"):
            assert TaskGroup("g", add_suffix_on_collision=True).group_id == "outer.g"
            assert TaskGroup("g", add_suffix_on_collision=True).group_id == "outer.g__1"
    assert dag.has_task_group("outer.g__1")


def test_group_of_another_dag_or_with_children_cannot_be_added() -> None:
    with DAG("one") as one:
        group = TaskGroup("g")
        EmptyOperator(task_id="a", task_group=group)
    two = DAG("two")
    with pytest.raises(AirflowException, match="'one' cannot be put into one of 'two'"):
        two.task_group.add(group)
    with pytest.raises(AirflowException, match="has children already"):
        TaskGroup("h", dag=one).add(group)
    with pytest.raises(AirflowException, match="not 'two'"):
        EmptyOperator(task_id="b", task_group=TaskGroup("k", dag=one), dag=two)


def test_task_moves_from_the_root_into_one_group_only() -> None:
    with DAG("d") as dag:
        made = EmptyOperator(task_id="t")
        first, second = TaskGroup("first"), TaskGroup("second")
    first.add(made)
    assert made.task_group is first
    assert "t" not in dag.task_group.children
    with pytest.raises(TaskAlreadyInTaskGroup, match="already in TaskGroup 'first'"):
        second.add(made)


def test_roots_leaves_and_members() -> None:
    with DAG("d") as dag:
        with TaskGroup("g", tooltip="what") as group:
            a, b = EmptyOperator(task_id="a"), EmptyOperator(task_id="b")
            with TaskGroup("h") as inner:
                c = EmptyOperator(task_id="c")
            a >> inner
        outside = EmptyOperator(task_id="x")
        group >> outside
    assert (group.roots, group.leaves) == ([a, b], [b, c])
    assert list(group) == list(group.iter_tasks()) == [a, b, c]
    assert list(group.iter_groups()) == [group, inner]
    assert group.has_task(c)
    assert not group.has_task(outside)
    assert outside.upstream_task_ids == {"g.b", "g.h.c"}
    assert dag.task_group.is_root
    assert repr(group) == "<TaskGroup: g>"


def test_default_args_of_a_group_go_no_further() -> None:
    with DAG("d", default_args={"retries": 1}):
        with TaskGroup("g", default_args={"retries": 2}):
            inside = EmptyOperator(task_id="t")
        outside = EmptyOperator(task_id="t")
    assert (inside.retries, outside.retries) == (2, 1)


# ------------------------------------------------------------------------------------------------ @task_group
def test_task_group_function() -> None:
    @task
    def double(x: int) -> int:
        return 2 * x

    @task_group
    def both(x: int) -> Any:
        """Twice doubled."""
        return double(double(x))

    @task_group(group_id="named", prefix_group_id=False, tooltip="own")
    def nothing() -> None:
        """Doc."""
        EmptyOperator(task_id="alone")

    with DAG("d") as dag:
        result = both(1)
        both(2)
        group = nothing()
        result >> group
    assert dag.task_ids == ["both.double", "both.double__1", "both__1.double", "both__1.double__1", "alone"]
    assert result.operator.task_id == "both.double__1"
    assert isinstance(group, TaskGroup)
    assert [(g.group_id, g.tooltip) for g in dag.task_group_dict.values()] == [
        ("both", "Twice doubled."),
        ("both__1", "Twice doubled."),
        ("named", "own"),
    ]
    assert dag.get_task("alone").upstream_task_ids == {"both.double__1"}
    assert both.override(group_id="other").kwargs == {"group_id": "other"}
    assert both.__name__ == "both"


@pytest.mark.parametrize("method", ["expand", "partial", "expand_kwargs"])
def test_mapping_is_refused_by_name(method: str) -> None:
    @task_group
    def g() -> None: ...

    with pytest.raises(UnsupportedFeatureError, match=rf"g\.{method}\(\): dynamic task mapping is not supported yet"):
        getattr(g, method)()


@pytest.mark.parametrize(
    ("decorate", "words"),
    [(lambda: task_group(nonsense=1), "nonsense"), (lambda: task_group()(3), "decorates a function")],
)
def test_wrong_decoration_raises(decorate: Callable[[], Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        decorate()
