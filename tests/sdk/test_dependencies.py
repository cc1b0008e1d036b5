"""What runs before what: operators, lists, groups, labels, chain and its relatives, XComArgs in arguments."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import pytest

from skyray import DAG, EdgeModifier, Label, TaskGroup, XComArg, chain, chain_linear, cross_downstream, literal, task
from skyray.operators import BashOperator, EmptyOperator, PythonOperator
from skyray.sdk.serialize import xcom_inputs
from skyray.sdk.xcom_arg import iter_xcom_args, resolve

Tasks = dict[str, Any]


def edges(dag: DAG) -> set[str]:
    return {f"{up.task_id}{down}" for up in dag.tasks for down in up.downstream_task_ids}


@pytest.mark.parametrize(
    ("relate", "expected"),
    [
        (lambda a, b, c, d, e: a >> b >> c, "ab bc"),
        (lambda a, b, c, d, e: a << b << c, "ba cb"),
        (lambda a, b, c, d, e: a >> [b, c] >> d, "ab ac bd cd"),
        (lambda a, b, c, d, e: [a, b] >> c, "ac bc"),
        (lambda a, b, c, d, e: [a, b] << c, "ca cb"),
        (lambda a, b, c, d, e: a >> (b, c), "ab ac"),
        (lambda a, b, c, d, e: a.set_downstream([b, c]), "ab ac"),
        (lambda a, b, c, d, e: a.set_upstream([b, c]), "ba ca"),
        (lambda a, b, c, d, e: a.output >> b.output, "ab"),
        (lambda a, b, c, d, e: a >> Label("x") >> b >> Label("y") >> [c, d], "ab bc bd"),
        (lambda a, b, c, d, e: [a, b] >> Label("x") >> c, "ac bc"),
        (lambda a, b, c, d, e: c << Label("x") << [a, b], "ac bc"),
        (lambda a, b, c, d, e: chain(a, b, c), "ab bc"),
        (lambda a, b, c, d, e: chain(a, [b, c], d), "ab ac bd cd"),
        (lambda a, b, c, d, e: chain([a, b], [c, d], e), "ac bd ce de"),
        (lambda a, b, c, d, e: chain(a, [Label("x"), Label("y")], [b, c], d), "ab ac bd cd"),
        (lambda a, b, c, d, e: chain(a, Label("x"), b), "ab"),
        (lambda a, b, c, d, e: chain(a.output, b), "ab"),
        (lambda a, b, c, d, e: chain_linear(a, [b, c], [d, e]), "ab ac bd be cd ce"),
        (lambda a, b, c, d, e: chain_linear(a, [], b), "ab"),
        (lambda a, b, c, d, e: cross_downstream([a, b], [c, d]), "ac ad bc bd"),
        (lambda a, b, c, d, e: cross_downstream([a, b], c), "ac bc"),
    ],
)
def test_edges(relate: Callable[..., Any], expected: str) -> None:
    with DAG("d") as dag:
        relate(*(EmptyOperator(task_id=name) for name in "abcde"))
    assert edges(dag) == set(expected.split())


@pytest.mark.parametrize(
    ("relate", "error", "words"),
    [
        (lambda a, b, c: a >> 3, TypeError, "got int: 3"),
        (lambda a, b, c: a >> [b, "c"], TypeError, "got str: 'c'"),
        (lambda a, b, c: a >> None, TypeError, "NoneType"),
        (lambda a, b, c: a >> Label("x") >> Label("y"), TypeError, "Label"),
        (lambda a, b, c: chain([a, b], [c]), ValueError, "2, 1"),
        (lambda a, b, c: chain([a, b], 3), TypeError, "int"),
        (lambda a, b, c: chain_linear(), ValueError, "no tasks"),
        (lambda a, b, c: chain_linear([a, b, c]), ValueError, "expand a list"),
        (lambda a, b, c: chain_linear(a, Label("x"), b), ValueError, "labels"),
    ],
)
def test_wrong_relation_raises(relate: Callable[..., Any], error: type[Exception], words: str) -> None:
    with DAG("d"), pytest.raises(error, match=words):
        relate(*(EmptyOperator(task_id=name) for name in "abc"))


def test_tasks_of_two_dags_cannot_be_related() -> None:
    a, b = EmptyOperator(task_id="a", dag=DAG("one")), EmptyOperator(task_id="b", dag=DAG("two"))
    with pytest.raises(RuntimeError, match="'one' and 'two'"):
        a >> b


def test_task_without_dag_joins_the_others() -> None:
    dag = DAG("d")
    a, b = EmptyOperator(task_id="a", dag=dag), EmptyOperator(task_id="b")
    b >> a
    assert b.dag is dag
    assert edges(dag) == {"ba"}
    with pytest.raises(RuntimeError, match="in no DAG"):
        EmptyOperator(task_id="c") >> EmptyOperator(task_id="e")


def test_relatives() -> None:
    with DAG("d"):
        a, b, c, d = (EmptyOperator(task_id=name) for name in "abcd")
        chain(a, [b, c], d)
    assert (a.downstream_list, d.upstream_list) == ([b, c], [b, c])
    assert (a.get_flat_relative_ids(), d.get_flat_relative_ids(upstream=True)) == ({"b", "c", "d"}, {"a", "b", "c"})
    assert a.get_flat_relatives() == [b, c, d]
    assert a.get_direct_relative_ids() == {"b", "c"}
    assert d.get_direct_relatives(upstream=True) == [b, c]


def test_groups_stand_for_their_first_and_last_tasks() -> None:
    with DAG("d") as dag:
        before, after = EmptyOperator(task_id="B"), EmptyOperator(task_id="A")
        with TaskGroup("g", prefix_group_id=False) as group:
            a, b, c = (EmptyOperator(task_id=name) for name in "abc")
            a >> b
        with TaskGroup("h", prefix_group_id=False) as other:
            EmptyOperator(task_id="x") >> EmptyOperator(task_id="y")
        before >> group >> Label("done") >> other
        other >> after
        c >> EmptyOperator(task_id="z")
    assert edges(dag) == {"ab", "Ba", "Bc", "bx", "cx", "xy", "yA", "cz"}
    assert dag.get_edge_info("b", "x") == {"label": "done"}
    assert (group.upstream_task_ids, group.downstream_group_ids) == ({"B"}, {"h"})
    assert (other.upstream_group_ids, other.downstream_task_ids) == ({"g"}, {"A"})


# ------------------------------------------------------------------------------------------------ XComArgs
def test_output_of_a_task_in_another_ones_arguments_is_a_dependency() -> None:
    Pair = namedtuple("Pair", ["left", "right"])
    with DAG("d") as dag:
        a, b, c, d, e = (EmptyOperator(task_id=name) for name in "abcde")
        last = PythonOperator(
            task_id="Z",
            python_callable=print,
            op_args=[a.output, (b.output["k"], [1])],
            op_kwargs={"x": {"y": [c.output]}, "pair": Pair(d.output, 1)},
        )
        bash = BashOperator(task_id="Y", bash_command=e.output, env={"A": a.output})
    assert edges(dag) == {"aZ", "bZ", "cZ", "dZ", "eY", "aY"}
    assert xcom_inputs(last) == [("a", "return_value"), ("b", "k"), ("c", "return_value"), ("d", "return_value")]
    assert xcom_inputs(bash) == [("a", "return_value"), ("e", "return_value")]


def test_output_assigned_later_is_a_dependency() -> None:
    with DAG("d") as dag:
        a = EmptyOperator(task_id="a")
        b = BashOperator(task_id="b", bash_command="true")
        b.bash_command = a.output
    assert edges(dag) == {"ab"}


def test_xcom_arg() -> None:
    with DAG("d"):
        a = EmptyOperator(task_id="a")
    assert a.output == XComArg(a)
    assert a.output["k"] == XComArg(a, "k")
    assert a.output["k"] != a.output
    assert len({a.output, a.output, a.output["k"]}) == 2
    assert str(a.output) == "{{ task_instance.xcom_pull(task_ids='a', dag_id='d', key='return_value') }}"
    assert repr(a.output["k"]) == "XComArg('a')['k']"
    with pytest.raises(TypeError, match="not iterable"):
        list(a.output)
    with pytest.raises(ValueError, match="0"):
        a.output[0]  # type: ignore[index]


def test_resolve_replaces_outputs_and_renders_only_the_authors_text() -> None:
    class Point(namedtuple("Point", ["x", "y"])):
        pass

    with DAG("d"):
        a = EmptyOperator(task_id="a")
    values = {("a", "return_value"): "{{ data }}", ("a", "k"): 5}
    given = [a.output, {"k": a.output["k"]}, (a.output,), Point(1, a.output["k"]), "{{ x }}", literal("{{ x }}"), None]
    found = resolve(given, lambda task_id, key: values[task_id, key], render=lambda text: text.replace("{{ x }}", "X"))
    assert found == ["{{ data }}", {"k": 5}, ("{{ data }}",), Point(1, 5), "X", "{{ x }}", None]
    assert resolve({"{{ x }}"}, lambda *_: None) == {"{{ x }}"}
    assert resolve(frozenset({1}), lambda *_: None) == frozenset({1})


def test_iter_xcom_args_looks_into_objects_with_template_fields() -> None:
    class Query:
        template_fields = ("text",)

        def __init__(self, text: Any) -> None:
            self.text = text

    with DAG("d"):
        a = EmptyOperator(task_id="a")

        @task
        def use(query: Any) -> None: ...

        used = use(Query([a.output]))
    assert list(iter_xcom_args(Query(a.output))) == [a.output]
    assert used.operator.upstream_task_ids == {"a"}
    assert list(iter_xcom_args([1, "x", Query])) == []


def test_label_makes_an_edge_modifier() -> None:
    assert isinstance(Label("x"), EdgeModifier)
    assert Label("x").label == "x"
