"""DagService over TCP, with the real store and a real World as leader."""

from __future__ import annotations

import hashlib
import threading
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from tests.api.deployment import ControlPlane, Deployment, a_dag, wait_until

from skyray.admin.v1 import dags_pb2
from skyray.api.client import Client
from skyray.api.display import to_dict
from skyray.core.model import TaskSpec, TimetableSpec
from skyray.core.parsed import ParsedDag, ParsedFile, ParseError
from skyray.errors import ClusterUnreachableError, ConflictError, InvalidInputError, NotFoundError

DAILY = TimetableSpec("cron_trigger", (("expression", "0 6 * * *"), ("timezone", "Europe/Berlin")))


def test_dags_are_listed_in_pages_by_id(control_plane: ControlPlane, deployment: Deployment, client: Client) -> None:
    control_plane.publish(*(a_dag(f"dag-{number:02}") for number in range(7)))
    assert [dag.dag_id for dag in client.list_dags()] == [f"dag-{number:02}" for number in range(7)]
    request = dags_pb2.ListDagsRequest(page_size=3)
    pages = []
    while True:
        response = client._channel.call(client._dags.ListDags, request, dags_pb2.ListDagsResponse)
        pages.append([dag.dag_id for dag in response.dags])
        request.page_token = response.next_page_token
        if not request.page_token:
            break
    assert [len(page) for page in pages] == [3, 3, 1]


def test_a_dag_is_shown_with_its_tasks(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(
        a_dag(timetable=DAILY, tags=("a",), description="what", params=(("n", {"value": 1, "schema": {}}),), line=7)
    )
    dag = to_dict(client.get_dag("etl"))
    assert dag["dag_version"] == 1
    assert dag["schedule"]
    assert (dag["path"], dag["line"], dag["tags"], dag["description"]) == ("etl.py", 7, ["a"], "what")
    assert dag["params"] == {"n": {"value": 1, "schema": {}}}
    assert [(task["task_id"], task["upstream_task_ids"]) for task in dag["tasks"]] == [
        ("extract", []),
        ("load", ["extract"]),
    ]
    assert [version.dag_version for version in client.list_dag_versions("etl")] == [1]


def test_what_does_not_exist_is_not_found(client: Client) -> None:
    for call in (
        lambda: client.get_dag("none"),
        lambda: client.trigger_dag("none"),
        lambda: client.pause_dag("none"),
        lambda: client.delete_dag("none"),
        lambda: list(client.list_upcoming_runs("none")),
        lambda: list(client.list_dag_versions("none")),
    ):
        with pytest.raises(NotFoundError, match="none"):
            call()


def test_triggering_makes_a_run(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag())
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=1)))
    run = to_dict(client.trigger_dag("etl", run_id="r1", logical_date=moment, conf={"n": 2**70}, note="hi"))
    assert (run["run_id"], run["run_type"], run["note"], run["conf"]) == ("r1", "manual", "hi", {"n": 2**70})
    assert run["logical_date"] == "2026-01-02T02:04:05.678901+00:00"
    assert run["state"] in ("queued", "running")
    with pytest.raises(ConflictError, match="r1"):
        client.trigger_dag("etl", run_id="r1")


def test_a_request_id_makes_a_mutation_happen_once(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag())
    request_id = str(uuid.uuid4())
    runs = {client.trigger_dag("etl", request_id=request_id).run_id for _ in range(3)}
    assert len(runs) == 1
    assert [run.run_id for run in client.list_runs("etl")] == list(runs)


def test_a_command_is_applied_by_the_next_leader(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag())
    control_plane.has_leader = False
    made: list[str] = []
    caller = threading.Thread(target=lambda: made.append(client.trigger_dag("etl").run_id))
    caller.start()
    wait_until(lambda: control_plane.store.pending_commands(0))
    control_plane.has_leader = True
    caller.join(10)
    assert [run.run_id for run in client.list_runs("etl")] == made


def test_params_are_checked_when_a_run_is_triggered(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag(params=(("count", {"value": 3, "schema": {"type": "integer"}}),)))
    with pytest.raises(InvalidInputError, match="count"):
        client.trigger_dag("etl", conf={"count": "many"})
    with pytest.raises(InvalidInputError, match="JSON object"):
        client.trigger_dag("etl", conf="[1]")
    with pytest.raises(InvalidInputError, match="run id"):
        client.trigger_dag("etl", run_id="no spaces")
    assert list(client.list_runs("etl")) == []


def test_pause_and_unpause(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag())
    assert client.pause_dag("etl").is_paused
    assert client.get_dag("etl").is_paused
    assert not client.unpause_dag("etl").is_paused


def test_a_dag_that_is_gone_can_be_deleted(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag())
    control_plane.publish()
    assert list(client.list_dags()) == []
    assert [dag.is_retired for dag in client.list_dags(include_retired=True)] == [True]
    with pytest.raises(ConflictError):
        client.trigger_dag("etl")
    client.delete_dag("etl")
    assert list(client.list_dags(include_retired=True)) == []


def test_upcoming_runs_go_on_from_page_to_page(control_plane: ControlPlane, client: Client) -> None:
    start = datetime(2030, 1, 1, tzinfo=timezone.utc)
    control_plane.publish(a_dag(timetable=DAILY, start_date=start), a_dag("by-hand"))
    runs = list(client.list_upcoming_runs("etl", 5))
    assert [run.run_after.ToDatetime() for run in runs] == [datetime(2030, 1, day, 5) for day in range(1, 6)]
    assert len(list(client.list_upcoming_runs("etl"))) == 1
    assert list(client.list_upcoming_runs("by-hand", 3)) == []
    request = dags_pb2.ListUpcomingRunsRequest(dag_id="etl", page_size=2)
    first = client._channel.call(client._dags.ListUpcomingRuns, request, dags_pb2.ListUpcomingRunsResponse)
    request.page_token = first.next_page_token
    second = client._channel.call(client._dags.ListUpcomingRuns, request, dags_pb2.ListUpcomingRunsResponse)
    assert [run.run_after.ToDatetime().day for run in second.upcoming_runs] == [3, 4]


def test_a_bundle_is_sent_in_pieces_and_reported_on(control_plane: ControlPlane, client: Client) -> None:
    fault = ParseError("bad.py", None, 3, "ValueError: no", "Traceback …")
    control_plane.parsed = [
        ParsedFile("etl.py", (ParsedDag(a_dag(), "1"),), (), 0.0),
        ParsedFile("bad.py", (), (fault,), 0.0),
    ]
    report = to_dict(client.submit_bundle("mine", b"x" * (2 << 20)))
    assert [dag["dag_id"] for dag in report["dags"]] == ["etl"]
    assert report["dags"][0]["bundle_name"] == "mine"
    (error,) = report["import_errors"]
    assert (error["path"], error["line"], error["message"]) == ("bad.py", 3, "ValueError: no")
    (shown,) = [to_dict(each) for each in client.list_import_errors()]
    assert (shown["path"], shown["dag_id"], shown["line"], shown["message"]) == ("bad.py", None, 3, "ValueError: no")
    assert shown["traceback"] == "Traceback …"


def _header(content: bytes, **fields: object) -> dags_pb2.SubmitBundleRequest:
    known = {"name": "b", "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return dags_pb2.SubmitBundleRequest(header=dags_pb2.BundleHeader(**{**known, **fields}))


def _chunk(content: bytes) -> dags_pb2.SubmitBundleRequest:
    return dags_pb2.SubmitBundleRequest(chunk=content)


@pytest.mark.parametrize(
    ("requests", "match"),
    [
        ([], "empty"),
        ([_chunk(b"abc")], "header"),
        ([_header(b"abc"), _header(b"abc")], "header"),
        ([_header(b"abc"), _chunk(b"abcd")], "longer"),
        ([_header(b"abc"), _chunk(b"ab")], "2 of 3"),
        ([_header(b"abc"), _chunk(b"abd")], "SHA-256"),
        ([_header(b"abc", name="../x"), _chunk(b"abc")], "name"),
        ([_header(b"abc", size_bytes=4 << 20), _chunk(b"abc")], "bytes"),
        ([_header(b"x" * (2 << 20)), _chunk(b"x" * (2 << 20))], "chunk"),
    ],
)
def test_a_broken_upload_is_refused(client: Client, requests: list, match: str) -> None:
    with pytest.raises(InvalidInputError, match=match):
        client._channel.upload(client._dags.SubmitBundle, lambda: iter(requests), dags_pb2.SubmitBundleResponse, 10)


def test_without_a_leader_the_request_is_kept(control_plane: ControlPlane, deployment: Deployment) -> None:
    control_plane.publish(a_dag("etl", TaskSpec("only")))
    control_plane.has_leader = False
    with deployment.client(timeout_seconds=0.6, retry_seconds=0) as client, pytest.raises(ClusterUnreachableError):
        client.trigger_dag("etl", run_id="later")
    control_plane.has_leader = True
    control_plane.feed([])
    with deployment.client() as client:
        assert client.get_run("etl", "later").run_id == "later"
