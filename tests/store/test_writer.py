"""The leader's transactions: whole or not at all, under its epoch, in one round trip. And what it begins with."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import psycopg2
import pytest
from tests.store.examples import a_bundle, a_file, a_run, a_spec, a_ti, sql

from skyray.core.events import CommandResult, Effects
from skyray.core.model import AttemptRecord, Pool, Snapshot, XComRecord
from skyray.core.states import RunState, RunType, TaskState
from skyray.errors import LeadershipLostError
from skyray.store import writer
from skyray.store.catalog import Catalog
from skyray.store.engine import connect
from skyray.store.errors import StoreConflictError, StoreUnavailableError
from skyray.store.leader_lock import LeaderLock
from skyray.store.reader import Reader
from skyray.store.statements import statement
from skyray.store.writer import LeaderStore

DAY = datetime(2026, 3, 29, 1, 2, 3, 456789, tzinfo=timezone.utc)
NASTY = 'it\'s "\\\\" {a,b} NULL %s %(x)s ü\N{GRINNING FACE}\n\t;--'


def new_leader(url: str) -> tuple[LeaderLock, LeaderStore]:
    """Begin an epoch."""
    lock = LeaderLock(url, 0, "leader")
    epoch = lock.acquire(threading.Event())
    assert epoch is not None
    store = LeaderStore(url, 0, epoch)
    store.load_snapshot()
    return lock, store


@pytest.fixture
def leader(url: str) -> Iterator[LeaderStore]:
    """A leader of a partition with the DAG ``etl``, whose publication it has taken over."""
    catalog = Catalog(url)
    catalog.put_bundle(a_bundle())
    catalog.publish("dags", "folder", "digest-1", [a_file(a_spec())], partitions=1, paused_by_default=False)
    catalog.close()
    lock, store = new_leader(url)
    store.commit(Effects(results=[CommandResult(each.command_id, {}) for each in store.pending_commands(0)]))
    yield store
    store.close()
    lock.release()


def everything(url: str) -> list[list[tuple[object, ...]]]:
    tables = ["dag_run", "task_instance", "task_attempt", "xcom"]
    return [sql(url, f"SELECT * FROM {table} ORDER BY 1") for table in tables]


# ------------------------------------------------------------------------------------------------------- round trips
def test_every_field_of_every_record_comes_back(leader: LeaderStore) -> None:
    run = a_run(
        1 << 62,
        run_id=NASTY,
        run_type=RunType.SCHEDULED,
        state=RunState.RUNNING,
        logical_date=DAY,
        data_interval_start=DAY - timedelta(days=1),
        data_interval_end=DAY,
        run_after=1_790_000_000.123457,
        start_date=1_790_000_001.5,
        end_date=1_790_000_002.25,
        conf={NASTY: [1, 2.5, None, True, "\x00"]},
        triggered_by=NASTY,
        note=NASTY,
    )
    ti = a_ti(
        (1 << 62) + 1,
        1 << 62,
        NASTY,
        run_id=NASTY,
        map_index=7,
        state=TaskState.UP_FOR_RETRY,
        try_number=2,
        max_tries=5,
        attempt_id=1 << 61,
        infrastructure_failures=1,
        executor="executor-0#abc",
        pool="other",
        pool_slots=3,
        priority_weight=-4,
        scheduled_at=1.0,
        queued_at=2.0,
        start_date=3.0,
        end_date=4.5,
        not_before=1_790_000_003.000001,
        node_id="n",
        pid=123,
        error=NASTY,
        note=NASTY,
    )
    plain_run, plain_ti = a_run(2), a_ti(2, 2)
    leader.commit(Effects(runs_created=[run, plain_run], tis_created=[ti, plain_ti]))
    found = leader.load_snapshot()
    assert found.runs == [plain_run, run]
    assert found.task_instances == [plain_ti, ti]
    assert found.last_scheduled == {"etl": run}
    assert found.pools == [Pool("default_pool", 128, "Default pool")]
    assert [each.spec for each in found.versions] == [a_spec()]


def test_changes_reach_every_field_that_may_change(leader: LeaderStore) -> None:
    run, tis = a_run(), [a_ti(1), a_ti(2)]
    leader.commit(Effects(runs_created=[run], tis_created=tis))
    run.state, run.start_date, run.end_date, run.note = RunState.RUNNING, 5.0, 6.0, NASTY
    changed = dataclasses.replace(
        tis[1],
        state=TaskState.RUNNING,
        try_number=1,
        max_tries=3,
        attempt_id=9,
        infrastructure_failures=2,
        executor="e#1",
        pool="p",
        pool_slots=2,
        priority_weight=8,
        scheduled_at=1.5,
        queued_at=2.5,
        start_date=3.5,
        end_date=4.5,
        not_before=5.5,
        node_id="n",
        pid=1,
        error=NASTY,
        note=NASTY,
    )
    leader.commit(Effects(runs_changed=[run], tis_changed=[changed]))
    found = leader.load_snapshot()
    assert found.runs == [run]
    assert found.task_instances == [tis[0], changed]


def test_attempts_are_written_once(leader: LeaderStore, url: str) -> None:
    attempt = AttemptRecord(7, 1, 1, TaskState.FAILED, None, 2.0, 1.0, "e#1", None, None, NASTY)
    leader.commit(Effects(runs_created=[a_run()], tis_created=[a_ti(1)], attempts=[attempt]))
    assert sql(url, "SELECT attempt_id, state, error FROM task_attempt") == [(7, "failed", NASTY)]
    with pytest.raises(StoreConflictError) as caught:
        leader.commit(Effects(attempts=[attempt]))
    assert caught.value.constraint == "task_attempt_pkey"


def test_xcoms_are_set_replaced_and_cleared(leader: LeaderStore) -> None:
    everything = bytes(range(256))
    first = [
        XComRecord(1, "k", b"1"),
        XComRecord(1, "k", b"2"),
        XComRecord(1, NASTY, everything),
        XComRecord(2, "k", b""),
    ]
    leader.commit(Effects(runs_created=[a_run()], tis_created=[a_ti(1), a_ti(2)], xcoms=first))
    wanted = [(1, "task-1", "k"), (1, "task-1", NASTY), (1, "task-2", "k"), (1, "task-2", "none"), (9, "task-1", "k")]
    found = {wanted[0]: b"2", wanted[1]: everything, wanted[2]: b""}
    assert leader.read_xcoms(wanted) == found
    assert leader.read_xcoms([]) == {}
    # A new try: what the last one left goes, what this batch pushes stays.
    leader.commit(Effects(xcoms_cleared=[1], xcoms=[XComRecord(1, "k", b"3")]))
    assert leader.read_xcoms(wanted) == {wanted[0]: b"3", wanted[2]: b""}


def test_text_that_postgres_cannot_store_does_not_stop_a_leader(leader: LeaderStore) -> None:
    leader.commit(Effects(runs_created=[a_run(note="\x00")], tis_created=[a_ti(1, error="a\x00b\udc80")]))
    (ti,) = leader.load_snapshot().task_instances
    assert ti.error == "a\N{REPLACEMENT CHARACTER}b?"


def test_dags_keep_what_the_dag_processor_says(leader: LeaderStore, url: str) -> None:
    (dag,) = leader.load_snapshot().dags
    changed = dataclasses.replace(
        dag, is_paused=True, next_run_after=DAY, next_logical_date=DAY, version=9, is_retired=True
    )
    leader.commit(Effects(dags_changed=[changed]))
    assert leader.load_snapshot().dags == [dataclasses.replace(changed, version=1, is_retired=False)]


def test_deleted_dag_takes_everything_with_it(leader: LeaderStore, url: str) -> None:
    attempt = AttemptRecord(7, 1, 1, TaskState.FAILED, None, 2.0, 1.0, "e#1", None, None)
    xcom = XComRecord(1, "k", b"1")
    leader.commit(Effects(runs_created=[a_run()], tis_created=[a_ti(1)], attempts=[attempt], xcoms=[xcom]))
    leader.commit(Effects(dags_deleted=["etl"]))
    assert everything(url) == [[], [], [], []]
    assert leader.load_snapshot() == Snapshot(pools=leader.pools())


def test_nothing_to_write_is_no_round_trip() -> None:
    LeaderStore("postgresql://nobody@127.0.0.1:1/none", 0, 1).commit(Effects())


def test_batch_is_one_message(leader: LeaderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []

    class Counting(psycopg2.extensions.cursor):
        def execute(self, query: bytes, values: object = None) -> None:
            sent.append(query)
            super().execute(query, values)  # type: ignore[arg-type]

    assert leader._connection is not None
    leader._connection.cursor_factory = Counting
    attempt = AttemptRecord(7, 1, 1, TaskState.SUCCESS, 1.0, 2.0, 1.0, "e#1", "n", 1)
    leader.commit(
        Effects(runs_created=[a_run()], tis_created=[a_ti(1)], attempts=[attempt], xcoms=[XComRecord(1, "k", b"1")])
    )
    assert len(sent) == 1


def test_batch_too_large_for_one_message_is_still_one_transaction(
    leader: LeaderStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MESSAGE_BYTES_MAX", 1000)
    xcoms = [XComRecord(1, f"k{n}", bytes([n]) * 400) for n in range(20)]
    leader.commit(Effects(runs_created=[a_run()], tis_created=[a_ti(1)], xcoms=xcoms))
    assert sql(url, "SELECT count(*), sum(length(value)) FROM xcom") == [(20, 8000)]
    with pytest.raises(StoreConflictError):
        leader.commit(Effects(tis_created=[a_ti(2), a_ti(1)], xcoms=xcoms))
    with pytest.raises(StoreConflictError):
        leader.commit(Effects(runs_created=[a_run(2), a_run(2)], xcoms=xcoms))
    assert sql(url, "SELECT count(*) FROM task_instance") == [(1,)]
    leader.commit(Effects(tis_created=[a_ti(2)]))


# ----------------------------------------------------------------------------------------------------------- fencing
def test_old_epoch_writes_nothing(leader: LeaderStore, url: str) -> None:
    leader.commit(Effects(runs_created=[a_run()], tis_created=[a_ti(1)]))
    sql(url, "UPDATE leadership SET epoch = epoch + 1")
    before = everything(url)
    late = [
        Effects(runs_created=[a_run(2)]),
        Effects(tis_changed=[a_ti(1, state=TaskState.SUCCESS)]),
        Effects(xcoms=[XComRecord(1, "k", b"1")]),
        Effects(dags_deleted=["etl"]),
        Effects(results=[CommandResult(1)]),
    ]
    for effects in late:
        with pytest.raises(LeadershipLostError, match="epoch 1 of partition 0 is over"):
            leader.commit(effects)
    with pytest.raises(LeadershipLostError):
        leader.load_snapshot()
    assert everything(url) == before


def test_epoch_of_another_partition_does_not_matter(leader: LeaderStore, url: str) -> None:
    sql(url, "INSERT INTO leadership (partition, epoch) VALUES (1, 1)")
    sql(url, "UPDATE leadership SET epoch = 5 WHERE partition = 1")
    leader.commit(Effects(runs_created=[a_run()]))


def test_take_over_waits_for_a_transaction_under_way(leader: LeaderStore, url: str) -> None:
    """What the old leader commits is there before the new epoch exists; the new one never misses any of it."""
    old = connect(url, autocommit=False)
    with old.cursor() as cursor:
        cursor.execute(statement("assert_leader"), {"partition": 0, "epoch": leader.epoch})
        cursor.execute("UPDATE dag SET is_paused = true")
    begun = threading.Event()
    seen: list[bool] = []

    def take_over() -> None:
        with connect(url) as new, new.cursor() as cursor:
            begun.set()
            cursor.execute(statement("begin_epoch"), {"partition": 0, "holder": "new"})
            cursor.execute("SELECT is_paused FROM dag")
            seen.extend(row[0] for row in cursor)

    thread = threading.Thread(target=take_over)
    thread.start()
    begun.wait(5)
    thread.join(0.3)
    assert thread.is_alive()
    assert seen == []
    old.commit()
    thread.join(5)
    assert seen == [True]
    with pytest.raises(LeadershipLostError):
        leader.commit(Effects(runs_created=[a_run()]))
    old.close()


def test_heartbeat_does_not_wait_for_a_transaction_under_way(url: str, leader: LeaderStore) -> None:
    under_way = connect(url, autocommit=False)
    with under_way.cursor() as cursor:
        cursor.execute(statement("assert_leader"), {"partition": 0, "epoch": leader.epoch})
    with connect(url, settings={"lock_timeout": "200ms"}) as beating, beating.cursor() as cursor:
        cursor.execute("UPDATE leadership SET heartbeat_at = clock_timestamp() WHERE partition = 0")
    under_way.close()


def test_race_of_two_leaders_leaves_one_story(url: str, leader: LeaderStore) -> None:
    """While one leader writes as fast as it can, epochs begin: its writes end with its epoch, and each is whole."""
    leader.commit(Effects(runs_created=[a_run()], tis_created=[a_ti(n) for n in range(1, 51)]))
    written = [0]
    refused = threading.Event()

    def write() -> None:
        try:
            while True:
                tis = [a_ti(n, try_number=written[0] + 1) for n in range(1, 51)]
                leader.commit(Effects(tis_changed=tis))
                written[0] += 1
        except LeadershipLostError:
            refused.set()

    thread = threading.Thread(target=write)
    thread.start()
    while written[0] < 20:
        assert thread.is_alive()
    with connect(url) as new, new.cursor() as cursor:
        cursor.execute(statement("begin_epoch"), {"partition": 0, "holder": "new"})
        cursor.execute("SELECT DISTINCT try_number FROM task_instance")
        at_take_over = cursor.fetchall()
    thread.join(5)
    assert refused.is_set()
    assert len(at_take_over) == 1
    assert sql(url, "SELECT DISTINCT try_number FROM task_instance") == at_take_over == [(written[0],)]


# ------------------------------------------------------------------------------------------------------------ errors
def test_broken_connection_is_unavailable_and_then_replaced(leader: LeaderStore, url: str) -> None:
    leader.pools()
    sql(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'skyray-leader-0'")
    with pytest.raises(StoreUnavailableError):
        leader.commit(Effects(runs_created=[a_run()]))
    leader.commit(Effects(runs_created=[a_run()]))


def test_identity_that_is_taken_is_a_conflict(leader: LeaderStore) -> None:
    leader.commit(Effects(runs_created=[a_run(1, logical_date=DAY, state=RunState.SUCCESS)]))
    for run, constraint in [
        (a_run(2, run_id="run-1"), "dag_run_run_id"),
        (a_run(2, logical_date=DAY), "dag_run_logical_date"),
    ]:
        with pytest.raises(StoreConflictError) as caught:
            leader.commit(Effects(runs_created=[run]))
        assert caught.value.constraint == constraint
        assert "already exists" in str(caught.value)
    assert leader.run_identity_taken("etl", "run-1", None)
    assert leader.run_identity_taken("etl", "other", DAY)
    assert not leader.run_identity_taken("etl", "other", DAY + timedelta(seconds=1))
    assert not leader.run_identity_taken("other", "run-1", DAY)


# ---------------------------------------------------------------------------------------------------------- commands
def test_trigger_of_an_identity_that_was_is_told_so(leader: LeaderStore, url: str) -> None:
    leader.commit(Effects(runs_created=[a_run(1, logical_date=DAY, state=RunState.SUCCESS)]))
    reader = Reader(url)
    payloads = [
        {"run_id": "run-1"},
        {"run_id": "other", "logical_date": DAY.isoformat()},
        {"logical_date": "2026-03-29T03:02:03.456789+02:00"},
        {"logical_date": "2026-03-29T01:02:03.456789Z", "run_id": None},
        {"run_id": "new", "logical_date": "2026-03-30T00:00:00+00:00"},
        {"logical_date": "no date"},
        {},
    ]
    for payload in payloads:
        reader.submit_command("trigger_run", "etl", {"dag_id": "etl", **payload})
    reader.close()
    found = [each.payload.get("_exists") for each in leader.pending_commands(0)]
    assert found == ["run_id", "logical_date", "logical_date", "logical_date", None, None, None]


def test_commands_come_in_order_and_once_answered_never_again(leader: LeaderStore, url: str) -> None:
    reader = Reader(url)
    ids = [reader.submit_command("pause_dag", "etl", {"dag_id": "etl"}).command_id for _ in range(5)]
    reader.close()
    assert [each.command_id for each in leader.pending_commands(0)] == ids
    assert [each.command_id for each in leader.pending_commands(ids[2])] == ids[3:]
    leader.commit(Effects(results=[CommandResult(ids[1], {"x": 1})]))
    assert [each.command_id for each in leader.pending_commands(0)] == [ids[0], *ids[2:]]
    leader.commit(Effects(results=[CommandResult(ids[1], {"x": 2}, "conflict", "late")]))
    assert sql(url, "SELECT result, code FROM command WHERE command_id = %s", ids[1]) == [({"x": 1}, "")]


def test_command_ids_appear_in_their_order(leader: LeaderStore, url: str) -> None:
    """A command whose transaction takes its time holds up later ones: a leader that has read up to one missed none."""
    slow = connect(url, autocommit=False)
    with slow.cursor() as cursor:
        cursor.execute("SELECT add_command(0, 'etl', 'pause_dag', '{\"dag_id\": \"etl\"}', NULL)")
    reader = Reader(url)
    quick = threading.Thread(target=reader.submit_command, args=("unpause_dag", "etl", {"dag_id": "etl"}))
    quick.start()
    quick.join(0.3)
    assert quick.is_alive()
    assert leader.pending_commands(0) == []
    slow.commit()
    quick.join(5)
    assert [each.kind for each in leader.pending_commands(0)] == ["pause_dag", "unpause_dag"]
    slow.close()
    reader.close()


# ------------------------------------------------------------------------------------------------------------- shape
def test_state_changes_touch_no_index(leader: LeaderStore, url: str) -> None:
    indexed = """SELECT DISTINCT a.attname FROM pg_index i
                   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                  WHERE i.indrelid = 'task_instance'::regclass"""
    assert {row[0] for row in sql(url, indexed)} == {"ti_id", "run_seq", "task_id", "map_index"}


def test_ended_runs_are_not_loaded(leader: LeaderStore) -> None:
    runs = [a_run(1, state=RunState.SUCCESS), a_run(2), a_run(3, state=RunState.FAILED)]
    leader.commit(Effects(runs_created=runs, tis_created=[a_ti(1, 1), a_ti(2, 2), a_ti(3, 3)]))
    found = leader.load_snapshot()
    assert ([run.seq for run in found.runs], [ti.ti_id for ti in found.task_instances]) == ([2], [2])
