"""Every DAG of dags/ ends as its file says: run on a cluster, and by ``dags test`` in this process."""

from __future__ import annotations

from typing import Any

import pytest
from tests.semantics.expectations import FOLDER, arguments, differences, expected_dags, trigger_all
from tests.support import Skyray

from skyray.cli.dags_test import run_dag_test
from skyray.cli.values import moment

DAGS = [pytest.param(file, dag_id, expected, id=dag_id) for file, dag_id, expected in expected_dags()]
HERE = [each for each in DAGS if not each.values[2].get("only_cluster")]


@pytest.fixture(scope="module")
def runs(deployment: Skyray) -> dict[str, str]:
    """dag_id -> run_id of a run of each DAG, all of them begun at once."""
    assert deployment.submit(FOLDER)["import_errors"] == []
    alike: dict[tuple[str, ...], list[str]] = {}
    for each in DAGS:
        _, dag_id, expected = each.values
        alike.setdefault(tuple(arguments(expected)), []).append(dag_id)
    made: dict[str, str] = {}
    for options, dag_ids in alike.items():
        made |= trigger_all(deployment, dag_ids, *options)
    return made


@pytest.mark.parametrize(("file", "dag_id", "expected"), DAGS)
def test_on_a_cluster(
    deployment: Skyray, runs: dict[str, str], file: str, dag_id: str, expected: dict[str, Any]
) -> None:
    run_id = runs[dag_id]
    state = deployment.wait_for_run(dag_id, run_id, 120)
    assert differences(expected, state, list(deployment.tasks(dag_id, run_id).values())) == []
    for (task_id, try_number), texts in expected.get("log", {}).items():
        log = deployment.run("tasks", "logs", dag_id, run_id, task_id, "--try", str(try_number)).stdout
        assert [text for text in texts if text not in log] == [], log


@pytest.mark.parametrize(("file", "dag_id", "expected"), HERE)
def test_in_this_process(file: str, dag_id: str, expected: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    result = run_dag_test(
        FOLDER / file,
        dag_id,
        conf=expected.get("conf"),
        logical_date=moment(expected["logical_date"]) if "logical_date" in expected else None,
        echo=lambda line: None,
    )
    tasks = [
        {"task_id": ti.task_id, "state": ti.state.value, "try_number": ti.try_number, "error": ti.error}
        for ti in result.task_instances
    ]
    assert differences(expected, result.run.state.value, tasks) == []
