"""What the API reads and writes: lists in pages, details, counts, pools, the command inbox."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from tests.store.examples import a_bundle, a_file, a_run, a_spec, a_ti, sql

from skyray.core.events import CommandResult, Effects
from skyray.core.model import AttemptRecord, Pool, XComRecord
from skyray.core.parsed import ParsedFile, ParseError
from skyray.core.states import RunState, RunType, TaskState
from skyray.errors import ConflictError, InvalidInputError, NotFoundError
from skyray.store.catalog import Catalog
from skyray.store.errors import StoreUnavailableError
from skyray.store.leader_lock import LeaderLock
from skyray.store.reader import Reader
from skyray.store.writer import LeaderStore

DAY = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def reader(url: str) -> Iterator[Reader]:
    """A reader of a database with three DAGs (the third retired) and an import error."""
    catalog = Catalog(url)
    catalog.put_bundle(a_bundle())
    error = ParseError("bad.py", None, 3, "SyntaxError: x", "trace")
    files = [
        a_file(a_spec("etl", line=4, tags=("daily", "core"))),
        a_file(a_spec("Report", is_paused_upon_creation=True, tags=("daily",), doc_md="doc")),
        a_file(a_spec("old")),
    ]
    for some in (files, [*files[:2], ParsedFile("bad.py", (), (error,), 0.0)]):
        catalog.publish("dags", "folder", "digest-1", some, partitions=1, paused_by_default=False)
    catalog.close()
    made = Reader(url)
    yield made
    made.close()


@pytest.fixture
def leader(url: str, reader: Reader) -> Iterator[LeaderStore]:
    lock = LeaderLock(url, 0, "scheduler-1")
    epoch = lock.acquire(threading.Event())
    assert epoch is not None
    store = LeaderStore(url, 0, epoch)
    store.load_snapshot()
    yield store
    store.close()
    lock.release()


def pages(read: Callable[..., tuple[list[Any], str]], *args: Any, **options: Any) -> list[list[Any]]:
    """All pages of a list."""
    found, token = [], ""
    while True:
        page, token = read(*args, page_token=token, **options)
        found.append(page)
        if not token:
            return found


def test_dags_are_listed_by_id_in_pages(reader: Reader) -> None:
    found = pages(reader.list_dags, page_size=1, include_retired=True)
    assert [[each.dag.dag_id for each in page] for page in found] == [["Report"], ["etl"], ["old"]]
    assert found[2][0].dag.is_retired


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["Report", "etl"]),
        ({"is_paused": True}, ["Report"]),
        ({"is_paused": False}, ["etl"]),
        ({"tags": ["daily"]}, ["Report", "etl"]),
        ({"tags": ["core", "daily"]}, ["etl"]),
        ({"id_part": "REP"}, ["Report"]),
        ({"id_part": "%"}, []),
        ({"include_retired": True, "id_part": "ol"}, ["old"]),
    ],
)
def test_dags_are_filtered(reader: Reader, filters: dict[str, Any], expected: list[str]) -> None:
    assert [each.dag.dag_id for each in reader.list_dags(**filters)[0]] == expected


def test_dag_has_its_tasks_and_a_list_has_not(reader: Reader) -> None:
    listed = reader.list_dags(id_part="etl")[0][0]
    detail = reader.get_dag("etl")
    assert (listed.spec.tasks, listed.spec.tags, listed.spec.line) == ((), ("daily", "core"), 4)
    assert [task.task_id for task in detail.spec.tasks] == ["extract", "load"]
    assert (detail.relative_path, detail.bundle_digest, detail.dag.bundle_name) == ("etl.py", "digest-1", "dags")
    assert [(each.version, each.bundle_digest) for each in reader.dag_versions("etl")[0]] == [(1, "digest-1")]


def test_import_errors_are_listed(reader: Reader) -> None:
    (found,) = reader.import_errors()[0]
    assert found.error == ParseError("bad.py", None, 3, "SyntaxError: x", "trace")
    assert found.created_at.tzinfo is not None


def test_runs_are_listed_newest_first(reader: Reader, leader: LeaderStore) -> None:
    moments = [1000.123457, 1000.123457, 1000.123456, 999.0, 2000.0]
    runs = [a_run(seq, run_after=moment) for seq, moment in enumerate(moments, 1)]
    runs.append(a_run(6, "Report", run_after=1500.0, state=RunState.RUNNING))
    leader.commit(Effects(runs_created=runs))
    found = pages(reader.list_runs, page_size=2)
    assert [[run.seq for run in page] for page in found] == [[5, 6], [2, 1], [3, 4]]
    assert [run.seq for run in reader.list_runs("etl")[0]] == [5, 2, 1, 3, 4]
    assert [run.seq for run in reader.list_runs(states=["running", "failed"])[0]] == [6]
    assert reader.get_run("etl", "run-5") == runs[4]


def test_last_scheduled_run_is_by_logical_date(reader: Reader, leader: LeaderStore) -> None:
    assert reader.last_scheduled_run("etl") is None
    leader.commit(
        Effects(
            runs_created=[
                a_run(1, run_type=RunType.SCHEDULED, logical_date=DAY),
                a_run(2, run_type=RunType.SCHEDULED, logical_date=DAY + timedelta(days=1), state=RunState.SUCCESS),
                a_run(3, logical_date=DAY + timedelta(days=2)),
            ]
        )
    )
    last = reader.last_scheduled_run("etl")
    assert last is not None
    assert last.seq == 2


def test_task_instances_and_their_attempts(reader: Reader, leader: LeaderStore) -> None:
    tis = [a_ti(n, state=state) for n, state in enumerate([TaskState.SUCCESS, TaskState.NONE, TaskState.QUEUED], 1)]
    attempt = AttemptRecord(9, 1, 1, TaskState.SUCCESS, 5.5, 6.5, 4.5, "executor-0#x", "node", 42)
    leader.commit(Effects(runs_created=[a_run()], tis_created=tis, attempts=[attempt]))
    assert pages(reader.list_task_instances, "etl", "run-1", page_size=2) == [tis[:2], tis[2:]]
    assert reader.list_task_instances("etl", "run-1", states=["none"])[0] == tis[1:2]
    view = reader.get_task_instance("etl", "run-1", "task-1")
    assert (view.ti, view.attempts, view.partition) == (tis[0], (attempt,), 0)


def test_xcoms_are_read_by_name(reader: Reader, leader: LeaderStore) -> None:
    tis = [a_ti(1), a_ti(2, task_id="mapped", map_index=1), a_ti(3, task_id="mapped", map_index=0)]
    xcoms = [XComRecord(1, "k", b"1"), XComRecord(2, "k", b"[2]"), XComRecord(3, "k", b"null")]
    leader.commit(Effects(runs_created=[a_run()], tis_created=tis, xcoms=xcoms))
    assert reader.read_xcom("etl", "run-1", "task-1", "k") == [(-1, b"1")]
    assert reader.read_xcom("etl", "run-1", "mapped", "k", None) == [(0, b"null"), (1, b"[2]")]
    assert reader.read_xcom("etl", "run-1", "mapped", "k", 1) == [(1, b"[2]")]
    assert reader.read_xcom("etl", "run-1", "task-1", "none") == []


def test_what_does_not_exist_is_not_found(reader: Reader, leader: LeaderStore) -> None:
    leader.commit(Effects(runs_created=[a_run()]))
    missing: list[Callable[[], object]] = [
        lambda: reader.get_dag("none"),
        lambda: reader.dag_versions("none"),
        lambda: reader.list_runs("none"),
        lambda: reader.get_run("etl", "none"),
        lambda: reader.list_task_instances("etl", "none"),
        lambda: reader.get_task_instance("etl", "run-1", "none"),
        lambda: reader.get_pool("none"),
        lambda: reader.delete_pool("none"),
        lambda: reader.command_result(99),
    ]
    for call in missing:
        with pytest.raises(NotFoundError):
            call()
    assert reader.list_runs("Report") == ([], "")
    assert reader.list_task_instances("etl", "run-1") == ([], "")


@pytest.mark.parametrize("token", ["x", "W10", "WyJhIl0", "é", "WzFd="])
def test_made_up_page_tokens_are_refused(reader: Reader, token: str) -> None:
    with pytest.raises(InvalidInputError, match="page_token"):
        reader.list_runs(page_token=token)


def test_pools_show_what_is_taken(reader: Reader, leader: LeaderStore) -> None:
    reader.set_pool(Pool("db", 3, "slow", True))
    reader.set_pool(Pool("db", 4, "slow", True))
    states = [TaskState.QUEUED, TaskState.RUNNING, TaskState.DEFERRED, TaskState.SUCCESS, TaskState.SCHEDULED]
    tis = [a_ti(n, state=state, pool="db", pool_slots=n) for n, state in enumerate(states, 1)]
    leader.commit(Effects(runs_created=[a_run()], tis_created=tis))
    found = reader.get_pool("db")
    assert (found.pool, found.queued_slots, found.running_slots) == (Pool("db", 4, "slow", True), 1, 2)
    assert found.occupied_slots == 6
    assert [each.pool.name for each in reader.pools()] == ["db", "default_pool"]
    assert leader.pools() == [each.pool for each in reader.pools()]
    reader.delete_pool("db")
    assert [each.pool.name for each in reader.pools()] == ["default_pool"]


def test_pools_that_cannot_be_are_refused(reader: Reader) -> None:
    with pytest.raises(InvalidInputError, match="slots"):
        reader.set_pool(Pool("db", -2))
    with pytest.raises(ConflictError, match="default_pool"):
        reader.delete_pool("default_pool")


def test_leaders_and_counts(reader: Reader, leader: LeaderStore) -> None:
    (led,) = reader.leaders()
    assert (led.partition, led.epoch, led.holder) == (0, 1, "scheduler-1")
    done = a_run(2, state=RunState.SUCCESS)
    tis = [a_ti(1), a_ti(2, state=TaskState.RUNNING), a_ti(3), a_ti(4, run_seq=2)]
    answers = [CommandResult(each.command_id) for each in leader.pending_commands(0)]
    leader.commit(Effects(runs_created=[a_run(), done], tis_created=tis, results=answers))
    found = reader.unfinished()
    assert (found.runs, found.task_instances) == ({"queued": 1}, {"none": 2, "running": 1})
    assert found.command_lag_seconds == 0
    reader.submit_command("pause_dag", "etl", {"dag_id": "etl"})
    assert reader.unfinished().command_lag_seconds > 0


def test_command_is_answered_once_applied(reader: Reader, leader: LeaderStore) -> None:
    submitted = reader.submit_command("trigger_run", "etl", {"dag_id": "etl", "conf": {"a": ["\x00", "ü"]}})
    assert submitted.partition == 0
    assert reader.command_result(submitted.command_id) is None
    command = leader.pending_commands(0)[-1]
    assert command.payload == {"dag_id": "etl", "conf": {"a": ["\x00", "ü"]}}
    answer = CommandResult(command.command_id, {"run_id": "r"}, "conflict", "it's taken")
    leader.commit(Effects(results=[answer]))
    assert reader.command_result(submitted.command_id) == answer


def test_request_id_makes_a_command_one(reader: Reader, url: str) -> None:
    first = reader.submit_command("pause_dag", "etl", {"dag_id": "etl"}, "request-1")
    assert reader.submit_command("pause_dag", "etl", {"dag_id": "etl"}, "request-1") == first
    assert reader.submit_command("pause_dag", "etl", {"dag_id": "etl"}, "request-2") != first
    for kind, payload in [("unpause_dag", {"dag_id": "etl"}), ("pause_dag", {"dag_id": "etl", "x": 1})]:
        with pytest.raises(ConflictError, match="request-1"):
            reader.submit_command(kind, "etl", payload, "request-1")
    assert sql(url, "SELECT count(*) FROM command WHERE request_id IS NOT NULL") == [(2,)]


def test_request_id_makes_a_command_one_in_a_race(reader: Reader) -> None:
    barrier = threading.Barrier(5)
    found = []

    def submit() -> None:
        barrier.wait()
        found.append(reader.submit_command("pause_dag", "etl", {"dag_id": "etl"}, "request-1").command_id)

    threads = [threading.Thread(target=submit) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 5
    assert len(set(found)) == 1


def test_payload_that_is_no_json_is_refused(reader: Reader) -> None:
    with pytest.raises(InvalidInputError, match="not JSON"):
        reader.submit_command("trigger_run", "etl", {"conf": float("inf")})


def test_broken_connections_are_replaced(reader: Reader, url: str) -> None:
    reader.pools()
    sql(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'skyray-api'")
    assert reader.pools()


def test_server_that_is_away_is_unavailable() -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        Reader("postgresql://me:secret@127.0.0.1:1/x").pools()
    assert "secret" not in str(caught.value)
    assert caught.value.code == "unreachable"
