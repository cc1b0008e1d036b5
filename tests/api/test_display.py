"""Messages as the command line shows them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from skyray.admin.v1 import cluster_pb2, runs_pb2, tasks_pb2
from skyray.api.display import to_dict

CONTRACT_RUN = {
    "dag_id", "run_id", "run_type", "state", "logical_date", "queued_at", "start_date", "end_date", "dag_version",
    "conf", "note",
}  # fmt: skip
CONTRACT_TASK = {
    "task_id", "map_index", "state", "try_number", "start_date", "end_date", "queued_at", "pool", "node_id", "note",
}  # fmt: skip


def test_a_run_has_the_contracts_keys() -> None:
    run = runs_pb2.DagRun(dag_id="d", run_id="r", conf='{"n": 12345678901234567890}', dag_version=3)
    run.logical_date.FromDatetime(datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))))
    shown = to_dict(run)
    assert shown.keys() >= CONTRACT_RUN
    assert shown["conf"] == {"n": 12345678901234567890}
    assert shown["logical_date"] == "2026-01-02T01:00:00+00:00"
    assert shown["start_date"] is None
    assert shown["note"] is None
    assert json.loads(json.dumps(shown)) == shown


def test_a_task_instance_has_the_contracts_keys() -> None:
    shown = to_dict(tasks_pb2.TaskInstance(task_id="t", map_index=-1))
    assert shown.keys() >= CONTRACT_TASK
    assert shown["state"] is None
    assert shown["map_index"] == -1
    assert shown["attempts"] == []


def test_lists_maps_and_large_numbers() -> None:
    actor = to_dict(cluster_pb2.Actor(name="scheduler-0", leads=[0, 2]))
    assert actor.keys() == {"name", "role", "node_id", "pid", "state", "leads"}
    assert actor["leads"] == [0, 2]
    assert to_dict(cluster_pb2.Leader(epoch=2**40))["epoch"] == 2**40
    assert to_dict(cluster_pb2.Node(resources={"GPU": 1, "CPU": 4}))["resources"] == {"CPU": 4.0, "GPU": 1.0}
