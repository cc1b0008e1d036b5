"""What a DAG file says wrong is told with file, line and cause; the good DAGs beside it are there all the same."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from skyray.parsing.pool import FileResult, ParserPool

GOOD = "from skyray import DAG, task\nfrom skyray.operators.empty import EmptyOperator\n\n"  # three lines


def parse(root: Path, path: str, **options: object) -> FileResult:
    async def run() -> FileResult:
        pool = ParserPool(folder=root / "results", processes=1, timeout_seconds=60.0, memory_bytes=4 << 30, **options)  # type: ignore[arg-type]
        try:
            return await pool.parse(root, path, "d" * 64)
        finally:
            await pool.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("with DAG('a'):\n    EmptyOperator(task_id=1 +)\n", 5, r"SyntaxError: .*\(.*etl\.py, line 5\)"),
        ("import nothing_like_it\n", 4, r"ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("DAG('a', schedule='61 * * * *')\n", 4, r".*61 \* \* \* \*"),
        ("DAG('a b')\n", 4, r".*'a b'"),
        ("DAG('a', colour='red')\n", 4, r"TypeError: .*colour"),
        ("with DAG('a'):\n    EmptyOperator(task_id='t', retires=2)\n", 5, r".*retires"),
        (
            "with DAG('a'):\n    EmptyOperator(task_id='t')\n    EmptyOperator(task_id='t')\n",
            6,
            r"DuplicateTaskIdFound: .*'t'",
        ),
        (
            "from skyray import TaskGroup\nwith DAG('a'):\n    TaskGroup('g')\n    TaskGroup('g')\n",
            7,
            r"DuplicateTaskIdFound: .*'g'",
        ),
        ("def f():\n    raise ValueError('two\\nlines')\nf()\n", 5, r"ValueError: two lines$"),
        ("raise ValueError\n", 4, r"ValueError$"),
    ],
)
def test_an_error_while_importing(tmp_path: Path, text: str, line: int, message: str) -> None:
    (tmp_path / "etl.py").write_text(GOOD + text)
    found = parse(tmp_path, "etl.py")
    (error,) = found.errors
    assert (error.path, error.line) == ("etl.py", line), error
    assert re.match(message, error.message), error.message
    assert str(tmp_path) not in error.traceback + error.message
    assert found.specs == ()


def test_a_cycle_names_its_dag_and_a_line_and_hides_no_neighbour(tmp_path: Path) -> None:
    (tmp_path / "etl.py").write_text(
        GOOD
        + "with DAG('first'):\n    EmptyOperator(task_id='x')\n"
        + "bad = DAG('bad')\na = EmptyOperator(task_id='a', dag=bad)\nb = EmptyOperator(task_id='b', dag=bad)\n"
        + "a >> b >> a\n"
        + "with DAG('last'):\n    EmptyOperator(task_id='x')\n"
    )
    found = parse(tmp_path, "etl.py")
    (error,) = found.errors
    assert (error.dag_id, error.line in (8, 9)) == ("bad", True), error
    assert re.search(r"cycle: \w -> \w -> \w", error.message)
    assert [spec.dag_id for spec in found.specs] == ["first", "last"]


def test_a_dag_id_used_twice_names_both_lines(tmp_path: Path) -> None:
    (tmp_path / "etl.py").write_text(GOOD + "one = DAG('same')\ntwo = DAG('same')\nother = DAG('other')\n")
    found = parse(tmp_path, "etl.py")
    (error,) = found.errors
    assert error.dag_id == "same"
    assert "'same' is defined more than once in this file: line 4 and line 5" in error.message
    assert [spec.dag_id for spec in found.specs] == ["other"]


def test_an_error_in_a_helper_is_shown_at_the_line_that_imports_it(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("x = 1\nraise KeyError('no')\n")
    (tmp_path / "etl.py").write_text(GOOD + "import helper\n")
    (error,) = parse(tmp_path, "etl.py").errors
    assert (error.path, error.line) == ("etl.py", 4)
    assert 'File "helper.py", line 2, in <module>' in error.traceback


def test_the_deployments_defaults_apply(tmp_path: Path) -> None:
    (tmp_path / "etl.py").write_text(GOOD + "with DAG('a', schedule='@daily'):\n    EmptyOperator(task_id='x')\n")
    (spec,) = parse(tmp_path, "etl.py", default_retries=3, default_timezone="Europe/Zurich").specs
    assert (spec.tasks[0].retries, spec.timezone) == (3, "Europe/Zurich")


def test_a_thousand_dags_in_one_file(tmp_path: Path) -> None:
    (tmp_path / "many.py").write_text(
        GOOD
        + "for n in range(1000):\n    with DAG(f'dag_{n:04}', schedule='@daily') as dag:\n"
        + "        EmptyOperator(task_id='a') >> [EmptyOperator(task_id=f't{i}') for i in range(5)]\n"
        + "    globals()[f'dag_{n}'] = dag\n"
    )
    began = time.monotonic()
    found = parse(tmp_path, "many.py")
    assert (len(found.specs), found.errors) == (1000, ())
    assert time.monotonic() - began < 30


def test_the_same_file_gives_the_same_dags_each_time(tmp_path: Path) -> None:
    names = ", ".join(f"'name_{n}'" for n in range(20))
    text = f"with DAG('a'):\n    for name in {{{names}}}:\n        EmptyOperator(task_id=name)\n"
    (tmp_path / "etl.py").write_text(GOOD + text)
    first, second = (parse(tmp_path, "etl.py").specs[0] for _ in range(2))
    assert first.canonical() == second.canonical()
