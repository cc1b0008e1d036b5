"""Which DAGs a file made; what a running task and a file being parsed can ask."""

from __future__ import annotations

from types import ModuleType

import pytest

from skyray import DAG, dag, get_current_context, get_parsing_context
from skyray.sdk.context import CURRENT_CONTEXT, KNOWN_CONTEXT_KEYS, parsing_context
from skyray.sdk.registry import collect_dags, dags_of_module


def load(source: str) -> list[DAG]:
    module = ModuleType("dags")
    with collect_dags() as found:
        exec(source, vars(module))
    return dags_of_module(module, found)


HEADER = "from skyray import DAG, dag\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = DAG('a')", ["a"]),
        ("DAG('a')", []),
        ("with DAG('a'): pass", ["a"]),
        ("with DAG('a') as x: pass", ["a"]),
        ("with DAG('a', auto_register=False): pass", []),
        ("x = DAG('a', auto_register=False)", ["a"]),
        ("x = y = DAG('a')", ["a"]),
        ("@dag\ndef a(): pass\na()", ["a"]),
        ("@dag\ndef a(): pass", []),
        ("def make():\n    with DAG('a'): pass\n    DAG('b')\nmake()", ["a"]),
        ("x = DAG('b')\nwith DAG('a'): pass\ny = DAG('c')", ["b", "a", "c"]),
        ("x = DAG('a')\ny = DAG('a')", ["a", "a"]),
        ("x = DAG('a')\nwith x: pass\nwith x: pass", ["a"]),
        ("dags = [DAG('a')]", []),
        ("for n in 'ab': globals()[n] = DAG(n)", ["a", "b"]),
        ("try:\n    with DAG('a'): 1/0\nexcept ZeroDivisionError: pass", []),
    ],
)
def test_dags_of_a_file(source: str, expected: list[str]) -> None:
    assert [each.dag_id for each in load(HEADER + source)] == expected


def test_nothing_is_collected_outside() -> None:
    with DAG("before"):
        pass
    assert load(HEADER) == []


def test_with_blocks_nest_and_end() -> None:
    with DAG("outer") as outer:

        @dag
        def inner() -> None:
            from skyray.operators import EmptyOperator

            EmptyOperator(task_id="in")

        made = inner()
        from skyray.operators import EmptyOperator

        EmptyOperator(task_id="out")
    assert (made.task_ids, outer.task_ids) == (["in"], ["out"])
    assert not EmptyOperator(task_id="x").has_dag()


def test_failed_with_block_leaves_no_current_dag() -> None:
    from skyray.operators import EmptyOperator

    with pytest.raises(ZeroDivisionError), DAG("d"):
        _ = 1 / 0
    assert not EmptyOperator(task_id="x").has_dag()


def test_current_context() -> None:
    with pytest.raises(RuntimeError, match="only while a task runs"):
        get_current_context()
    token = CURRENT_CONTEXT.set({"ds": "2026"})
    try:
        assert get_current_context()["ds"] == "2026"
    finally:
        CURRENT_CONTEXT.reset(token)


def test_parsing_context() -> None:
    assert get_parsing_context() == (None, None)
    with parsing_context("d", "t"):
        assert get_parsing_context().dag_id == "d"
    assert get_parsing_context().dag_id is None


def test_known_context_keys_are_those_of_the_reference() -> None:
    assert {"ti", "task_instance", "ds", "ts_nodash", "params", "dag_run", "data_interval_end"} <= KNOWN_CONTEXT_KEYS
    assert KNOWN_CONTEXT_KEYS.isdisjoint({"execution_date", "next_ds", "conf", "yesterday_ds", "test_mode"})
