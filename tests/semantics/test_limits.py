"""Limits hold and priorities count, as seen from when task instances began and ended."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.semantics.expectations import trigger_all
from tests.support import Skyray, wait_for

SOURCE = """
import time
from datetime import timedelta
from skyray import DAG
from skyray.operators import BashOperator, EmptyOperator, PythonOperator

SMALL = {"num_cpus": 0.05}

def nap(seconds=0.2):
    time.sleep(seconds)

def naps(number, **options):
    return [PythonOperator(task_id=f"t{i}", python_callable=nap, **options) for i in range(number)]

with DAG("of_a_run", max_active_tasks=2, default_args=SMALL):
    naps(5)
with DAG("of_runs", max_active_runs=2, default_args=SMALL):
    naps(1)
with DAG("of_a_task", default_args=SMALL):
    naps(1, max_active_tis_per_dag=1)
with DAG("of_a_task_in_a_run", default_args=SMALL):
    naps(2, max_active_tis_per_dagrun=1)
with DAG("in_a_pool", default_args={**SMALL, "pool": "limits_two"}):
    naps(4)
    PythonOperator(task_id="wide", python_callable=nap, pool_slots=2, priority_weight=5)
with DAG("in_order", default_args={**SMALL, "pool": "limits_one"}):
    for weight in range(4):
        PythonOperator(
            task_id=f"t{weight}", python_callable=nap, op_args=[0.01], priority_weight=weight, weight_rule="absolute"
        )
with DAG("waiting"):
    PythonOperator(task_id="wide", python_callable=nap, pool="limits_one", pool_slots=2)
    PythonOperator(task_id="large", python_callable=nap, num_cpus=1000)
    PythonOperator(task_id="special", python_callable=nap, resources={"no_such_thing": 1})
with DAG("late", dagrun_timeout=timedelta(seconds=1), default_args=SMALL):
    BashOperator(task_id="sleeps", bash_command="sleep 60") >> EmptyOperator(task_id="below", trigger_rule="all_done")
"""
RUNS = {"of_runs": 4, "of_a_task": 3, "of_a_task_in_a_run": 2}
WAITING_FOR = {
    "wide": "it needs 2 slots, pool limits_one has 1",
    "large": "no node has 1000 CPU (the largest has 2)",
    "special": "no node has 1 no_such_thing (the largest has 0)",
}


@pytest.fixture(scope="module")
def runs(deployment: Skyray, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """dag_id -> run_ids, all of them begun at once."""
    deployment.run("pools", "set", "limits_one", "1")
    deployment.run("pools", "set", "limits_two", "2")
    file: Path = tmp_path_factory.mktemp("limits") / "limits.py"
    file.write_text(SOURCE)
    report = deployment.submit(file)
    assert report["import_errors"] == []
    made: dict[str, list[str]] = {}
    for number in range(max(RUNS.values())):
        dag_ids = [dag["dag_id"] for dag in report["dags"] if number < RUNS.get(dag["dag_id"], 1)]
        for dag_id, run_id in trigger_all(deployment, dag_ids).items():
            made.setdefault(dag_id, []).append(run_id)
    return made


def ended(deployment: Skyray, dag_id: str, run_ids: list[str]) -> list[dict[str, Any]]:
    """The task instances of runs, once those have succeeded."""
    assert {deployment.wait_for_run(dag_id, run_id, 90) for run_id in run_ids} == {"success"}
    return [task for run_id in run_ids for task in deployment.tasks(dag_id, run_id).values()]


def most_at_once(rows: Iterable[dict[str, Any]], slots: str = "") -> int:
    """How many rows, or slots of them, were under way at one moment at most."""
    changes = [
        change
        for row in rows
        for change in ((row["start_date"], row.get(slots, 1)), (row["end_date"], -row.get(slots, 1)))
    ]
    now = most = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


@pytest.mark.parametrize(
    ("dag_id", "most"), [("of_a_run", 2), ("of_a_task", 1), ("of_a_task_in_a_run", 4), ("of_runs", 2)]
)
def test_no_more_at_once_than_allowed(deployment: Skyray, runs: dict[str, list[str]], dag_id: str, most: int) -> None:
    tasks = ended(deployment, dag_id, runs[dag_id])
    assert most_at_once(tasks) <= most
    for run_id in runs[dag_id]:
        for task_id in {task["task_id"] for task in tasks}:
            own = [task for task in tasks if (task["run_id"], task["task_id"]) == (run_id, task_id)]
            assert most_at_once(own) == 1


def test_no_more_runs_at_once_than_allowed(deployment: Skyray, runs: dict[str, list[str]]) -> None:
    ended(deployment, "of_runs", runs["of_runs"])
    assert most_at_once(deployment.json("runs", "list", "of_runs")) <= 2


def test_a_pool_is_never_overfull_and_a_wide_task_gets_its_slots(
    deployment: Skyray, runs: dict[str, list[str]]
) -> None:
    tasks = ended(deployment, "in_a_pool", runs["in_a_pool"])
    assert most_at_once(tasks, "pool_slots") == 2
    assert min(tasks, key=lambda task: str(task["start_date"]))["task_id"] == "wide"


def test_the_heaviest_goes_first(deployment: Skyray, runs: dict[str, list[str]]) -> None:
    tasks = ended(deployment, "in_order", runs["in_order"])
    order = [task["task_id"] for task in sorted(tasks, key=lambda task: str(task["start_date"]))]
    assert order == ["t3", "t2", "t1", "t0"]


def test_what_can_never_run_says_why_and_can_be_cancelled(deployment: Skyray, runs: dict[str, list[str]]) -> None:
    (run_id,) = runs["waiting"]

    def reasons() -> dict[str, str]:
        return {name: task["waiting_for"] for name, task in deployment.tasks("waiting", run_id).items()}

    wait_for(lambda: reasons() == WAITING_FOR, f"reasons are {WAITING_FOR}")
    assert deployment.json("tasks", "show", "waiting", run_id, "large")["waiting_for"] == WAITING_FOR["large"]
    assert deployment.json("runs", "cancel", "waiting", run_id)["state"] == "failed"
    assert {task["state"] for task in deployment.tasks("waiting", run_id).values()} == {"skipped"}
    deployment.run("runs", "cancel", "waiting", run_id, exit_code=5)


def test_a_run_that_takes_too_long_is_ended(deployment: Skyray, runs: dict[str, list[str]]) -> None:
    (run_id,) = runs["late"]
    assert deployment.wait_for_run("late", run_id) == "failed"
    assert "dagrun_timeout" in deployment.json("runs", "show", "late", run_id)["note"]
    assert {name: task["state"] for name, task in deployment.tasks("late", run_id).items()} == {
        "sleeps": "skipped",
        "below": "skipped",
    }
