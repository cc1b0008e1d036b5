"""What the DAG files of this folder say about themselves, and comparing it with what came of a run.

A file's ``EXPECTED`` maps a DAG id to ``run`` (its state) and ``tasks`` (each one's state, or state and number of the
last try), and where needed to ``conf`` and ``logical_date`` of the run, ``log`` ((task_id, try): texts in that log),
and ``only_cluster`` for what cannot run in this process.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support import Skyray

FOLDER = Path(__file__).parent / "dags"
TRUTH = Path(__file__).parent / "trigger_rules.md"
_STATE_OF = {"RUN": "success", "SKIP": "skipped", "UPF": "upstream_failed", "wait": None}


def expected_dags() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(file, dag_id, what is expected) of each DAG."""
    for path in sorted(FOLDER.glob("*.py")):
        if path.stem == "trigger_rules":
            yield path.name, "trigger_rules", {"run": "failed", "tasks": dict(trigger_rule_states())}
            continue
        for dag_id, expected in runpy.run_path(str(path))["EXPECTED"].items():
            yield path.name, dag_id, expected


def trigger_rule_states() -> Iterator[tuple[str, str]]:
    """Task id -> state, for the tasks of dags/trigger_rules.py whose upstreams end one after the other."""
    rows = [line.strip("|").split("|") for line in TRUTH.read_text().splitlines() if line.startswith("|")]
    rules = rows[0][1:]
    table = {row[0]: dict(zip(rules, row[1:], strict=True)) for row in rows[2:] if len(row) == len(rows[0])}
    for rule in rules:
        if rule == "all_done_setup_success":
            continue
        for one in "SFKU":
            yield f"{one}-{rule}", str(_STATE_OF[table[one][rule]])
            for two in "SFKU":
                early = _STATE_OF[table[f"{one} ."][rule]]
                late = _STATE_OF[_cell(table, one, two)[rule]]
                yield f"{one}{two}-{rule}", str(early or late)


def _cell(table: Mapping[str, dict[str, str]], one: str, two: str) -> dict[str, str]:
    return table[f"{one} {two}"] if f"{one} {two}" in table else table[f"{two} {one}"]


def arguments(expected: Mapping[str, Any]) -> list[str]:
    """Options of ``dags trigger`` and ``dags test`` that make the run that is expected."""
    found = ["--conf", json.dumps(expected.get("conf", {}))]
    if "logical_date" in expected:
        found += ["--logical-date", expected["logical_date"]]
    return found


def trigger_all(skyray: Skyray, dag_ids: Sequence[str], *options: str) -> dict[str, str]:
    """Trigger a run of each DAG by one command; dag_id -> run_id."""
    found = skyray.json("dags", "trigger", *dag_ids, *options)
    return {run["dag_id"]: run["run_id"] for run in (found if isinstance(found, list) else [found])}


def differences(expected: Mapping[str, Any], run_state: str, tasks: list[dict[str, Any]]) -> list[str]:
    """What is otherwise than expected, a line each."""
    found = []
    if run_state != expected["run"]:
        found.append(f"run: {run_state}, not {expected['run']}")
    actual = {each["task_id"]: each for each in tasks}
    for task_id, wanted in expected["tasks"].items():
        state, try_number = wanted if isinstance(wanted, tuple) else (wanted, None)
        task = actual.get(task_id, {"state": "missing", "try_number": None})
        if task["state"] != state:
            found.append(f"{task_id}: {task['state']}, not {state}: {task.get('error')}")
        if try_number is not None and task["try_number"] != try_number:
            found.append(f"{task_id}: try {task['try_number']}, not {try_number}")
    return found
