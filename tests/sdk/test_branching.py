"""Branches and short circuits: which tasks they skip (reference §3.3), and how they say so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from skyray import DAG, BaseBranchOperator, TaskGroup, task
from skyray.exceptions import AirflowException, DownstreamTasksSkipped
from skyray.operators import BranchPythonOperator, EmptyOperator, PythonOperator, ShortCircuitOperator
from skyray.operators.branch import SkipMixin


class Instance:
    """As much of a task instance as branching uses."""

    def __init__(self, operator: Any) -> None:
        self.task = operator
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def outcome(operator: Any) -> tuple[Any, set[str] | None, Any]:
    """(what it returned, the tasks it skips, what it remembers)."""
    instance = Instance(operator)
    try:
        result = operator.execute({"ti": instance})
    except DownstreamTasksSkipped as skipped:
        return None, set(skipped.tasks), instance.pushed.get("skipmixin_key")
    return result, None, instance.pushed.get("skipmixin_key")


def branching_dag(chosen: Any) -> Any:
    """br → x → x2, br → y → join, br → join, br → g(a → b), and a task elsewhere."""
    with DAG("d") as dag:
        br = BranchPythonOperator(task_id="br", python_callable=lambda: chosen)
        x, y, join = (EmptyOperator(task_id=name) for name in ("x", "y", "join"))
        with TaskGroup("g") as group:
            EmptyOperator(task_id="a") >> EmptyOperator(task_id="b")
        EmptyOperator(task_id="elsewhere")
        br >> [x, y, join] >> EmptyOperator(task_id="end")
        x >> EmptyOperator(task_id="x2")
        y >> join
        br >> group
    assert dag.task_dict["br"] is br
    return br


@pytest.mark.parametrize(
    ("chosen", "skipped", "followed"),
    [
        ("x", {"y", "join", "g.a"}, ["x"]),
        ("y", {"x", "g.a"}, ["y"]),  # join is downstream of y
        (["x", "y"], {"g.a"}, ["x", "y"]),
        (("x",), {"y", "join", "g.a"}, ["x"]),
        ({"x"}, {"y", "join", "g.a"}, ["x"]),
        ("g", {"x", "y", "join"}, ["g.a"]),
        (["g", "y"], {"x"}, ["g.a", "y"]),
        ("elsewhere", {"x", "y", "join", "g.a"}, ["elsewhere"]),
        (None, {"x", "y", "join", "g.a"}, []),
        ([], {"x", "y", "join", "g.a"}, []),
    ],
)
def test_branch_skips_direct_children_that_it_does_not_lead_to(
    chosen: Any, skipped: set[str], followed: list[str]
) -> None:
    assert outcome(branching_dag(chosen)) == (None, skipped, {"followed": followed})


def test_branch_that_follows_all_returns_its_choice() -> None:
    assert outcome(branching_dag(["x", "y", "g"])) == (["x", "y", "g"], None, {"followed": ["x", "y", "g.a"]})


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("nowhere", "there are none called 'nowhere'"),
        (["x", "nowhere", "never"], "'never', 'nowhere'"),
        (3, "int: 3"),
        (["x", 3], r"\[3\]"),
        (True, "bool"),
    ],
)
def test_branch_to_what_does_not_exist_fails(chosen: Any, words: str) -> None:
    with pytest.raises(AirflowException, match=words):
        outcome(branching_dag(chosen))


def test_task_branch_and_subclasses() -> None:
    class Choose(BaseBranchOperator):
        def choose_branch(self, context: Any) -> str:
            return str(context["params"])

    with DAG("d"):

        @task.branch
        def pick(way: str) -> str:
            return way

        picked, choose = pick("a"), Choose(task_id="choose")
        ends = [EmptyOperator(task_id=name) for name in "ab"]
        picked >> ends
        choose >> ends
    assert outcome(picked.operator)[1] == {"b"}
    with pytest.raises(DownstreamTasksSkipped) as caught:
        choose.execute({"ti": Instance(choose), "params": "b"})
    assert caught.value.tasks == ["a"]
    with pytest.raises(NotImplementedError, match="choose_branch"):
        BaseBranchOperator(task_id="x").execute({})


@pytest.mark.parametrize(
    ("value", "ignore_rules", "skipped"),
    [
        (False, True, {"a", "b", "c"}),
        (False, False, {"a", "b"}),
        (0, True, {"a", "b", "c"}),
        (None, True, {"a", "b", "c"}),
        (True, True, None),
        ("yes", False, None),
    ],
)
def test_short_circuit(value: Any, ignore_rules: bool, skipped: set[str] | None) -> None:
    with DAG("d"):
        gate = ShortCircuitOperator(
            task_id="gate", python_callable=lambda: value, ignore_downstream_trigger_rules=ignore_rules
        )
        a, b = EmptyOperator(task_id="a"), EmptyOperator(task_id="b")
        gate >> [a, b] >> EmptyOperator(task_id="c", trigger_rule="all_done")
        EmptyOperator(task_id="elsewhere")
    memory = None if skipped is None else {"skipped": sorted(skipped)}
    assert outcome(gate) == (value if skipped is None else None, skipped, memory)


def test_short_circuit_decorator_and_end_of_the_line() -> None:
    with DAG("d"):

        @task.short_circuit(ignore_downstream_trigger_rules=False)
        def gate() -> bool:
            return False

        output = gate()
    assert outcome(output.operator) == (False, None, None)  # nothing to skip
    assert output.operator.ignore_downstream_trigger_rules is False  # type: ignore[attr-defined]


def test_skip_mixin() -> None:
    class Skips(PythonOperator, SkipMixin):
        def execute(self, context: Any) -> None:
            self.skip(context["ti"], [*self.downstream_list, "more"])

    with DAG("d"):
        operator = Skips(task_id="s", python_callable=print)
        operator >> EmptyOperator(task_id="a")
    assert outcome(operator) == (None, {"a", "more"}, {"skipped": ["a", "more"]})
    SkipMixin().skip(SimpleNamespace(), [])
