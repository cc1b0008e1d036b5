"""RunService and TaskService over TCP: lists, watching, cancelling, logs."""

from __future__ import annotations

import threading
from datetime import datetime, timezone

import pytest
from tests.api.deployment import ControlPlane, a_dag, wait_until

from skyray.api.client import Client
from skyray.api.display import to_dict
from skyray.core.logs import log_path
from skyray.core.messages import OutcomeKind
from skyray.core.model import TaskSpec
from skyray.errors import ConflictError, InvalidInputError, NotFoundError


def _states(client: Client, run_id: str) -> dict[str, str | None]:
    return {ti["task_id"]: ti["state"] for ti in map(to_dict, client.list_task_instances("etl", run_id))}


def test_runs_are_listed_newest_first(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag("etl", TaskSpec("t"), max_active_runs=2), a_dag("other", TaskSpec("t")))
    for number in range(4):
        client.trigger_dag("etl", run_id=f"r{number}")
    client.trigger_dag("other", run_id="o")
    assert [run.run_id for run in client.list_runs()] == ["o", "r3", "r2", "r1", "r0"]
    assert [run.run_id for run in client.list_runs("etl", limit=3)] == ["r3", "r2", "r1"]
    assert [run.run_id for run in client.list_runs("etl", states=["queued"])] == ["r3", "r2"]
    assert [run.run_id for run in client.list_runs("etl", states=["queued", "running"])] == ["r3", "r2", "r1", "r0"]
    with pytest.raises(InvalidInputError, match="gone"):
        list(client.list_runs(states=["gone"]))


def test_a_run_goes_through_to_its_end(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag())
    client.trigger_dag("etl", run_id="r")
    assert _states(client, "r") == {"extract": "queued", "load": None}
    control_plane.finish("extract")
    control_plane.finish("load", OutcomeKind.FAILED, "ValueError: no")
    run = to_dict(client.get_run("etl", "r"))
    assert run["state"] == "failed"
    assert datetime.fromisoformat(run["end_date"]).tzinfo is not None
    ti = to_dict(client.get_task_instance("etl", "r", "load"))
    assert (ti["state"], ti["try_number"], ti["map_index"], ti["error"]) == ("failed", 1, -1, "ValueError: no")
    assert (ti["node_id"], ti["pid"], ti["pool"]) == ("n1", 77, "default_pool")
    assert [(attempt["try_number"], attempt["state"]) for attempt in ti["attempts"]] == [(1, "failed")]
    assert [ti.task_id for ti in client.list_task_instances("etl", "r", states=["failed"])] == ["load"]


def test_a_waiting_task_says_what_it_waits_for(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag())
    client.trigger_dag("etl", run_id="r")
    assert client.get_task_instance("etl", "r", "load").waiting_for


def test_a_list_says_why_ready_tasks_do_not_run(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag("d", TaskSpec("wide", pool_slots=1000), TaskSpec("below", upstream=("wide",))))
    client.trigger_dag("d", run_id="r")
    wide, below = sorted(client.list_task_instances("d", "r"), key=lambda ti: ti.task_id, reverse=True)
    assert "1000 slots" in wide.waiting_for
    assert not below.waiting_for


def test_what_does_not_exist_is_not_found(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag())
    client.trigger_dag("etl", run_id="r")
    for call in (
        lambda: client.get_run("etl", "none"),
        lambda: client.cancel_run("etl", "none"),
        lambda: list(client.watch_runs([("etl", "none")])),
        lambda: list(client.list_task_instances("etl", "none")),
        lambda: client.get_task_instance("etl", "r", "none"),
        lambda: client.get_task_instance("etl", "r", "load", 3),
        lambda: list(client.stream_logs("etl", "r", "none")),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_cancelling_ends_a_run(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag())
    client.trigger_dag("etl", run_id="r")
    run = client.cancel_run("etl", "r", note="enough")
    assert (run.state, run.note) == ("failed", "enough")
    with pytest.raises(ConflictError):
        client.cancel_run("etl", "r")


def test_watching_tells_every_change_until_all_runs_have_ended(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag())
    for run_id in ("a", "b"):
        client.trigger_dag("etl", run_id=run_id)
    seen: list[tuple[str, str, str]] = []
    done = threading.Event()

    def watch() -> None:
        for change in client.watch_runs([("etl", "a"), ("etl", "b")], include_task_instances=True):
            shown = change.run if change.HasField("run") else change.task_instance
            seen.append((shown.run_id, getattr(shown, "task_id", ""), shown.state))
        done.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    wait_until(lambda: ("b", "extract", "queued") in seen)
    for _ in "ab":
        control_plane.finish("extract")
    wait_until(lambda: ("b", "load", "queued") in seen)
    assert not done.is_set()
    for _ in "ab":
        control_plane.finish("load")
    watcher.join(10)
    assert done.is_set()
    for run_id in "ab":
        of_run = [(task_id, state) for each, task_id, state in seen if each == run_id]
        assert of_run[-1] == ("", "success"), "a run's end comes after all of its task instances"
        assert ("load", "success") in of_run
    assert len(seen) == len(set(seen)), "nothing is told twice"


def test_logs_end_where_the_try_has_ended(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag("etl", TaskSpec("t")))
    client.trigger_dag("etl", run_id="r")
    path = log_path("etl", "r", "t", -1, 1)
    control_plane.logs[path] = "grüße\n".encode() + b"x" * 600_000
    assert b"".join(part.content for part in client.stream_logs("etl", "r", "t")) == control_plane.logs[path]
    received = bytearray()
    ended = threading.Event()

    def follow() -> None:
        for part in client.stream_logs("etl", "r", "t", follow=True):
            received.extend(part.content)
        ended.set()

    follower = threading.Thread(target=follow)
    follower.start()
    wait_until(lambda: len(received) == len(control_plane.logs[path]))
    control_plane.logs[path] += b"more\n"
    wait_until(lambda: received.endswith(b"more\n"))
    assert not ended.is_set()
    control_plane.logs[path] += b"last\n"
    control_plane.finish("t")
    follower.join(10)
    assert ended.is_set()
    assert bytes(received) == control_plane.logs[path]
    (part,) = client.stream_logs("etl", "r", "t", offset=len(received) - 5)
    assert (part.content, part.next_offset) == (b"last\n", len(received))


def test_following_waits_for_a_task_to_begin(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag())
    client.trigger_dag("etl", run_id="r")
    with pytest.raises(ConflictError, match="has not run"):
        list(client.stream_logs("etl", "r", "load"))
    control_plane.logs[log_path("etl", "r", "load", -1, 1)] = b"hello\n"
    received: list[bytes] = []
    follower = threading.Thread(
        target=lambda: received.extend(part.content for part in client.stream_logs("etl", "r", "load", follow=True))
    )
    follower.start()
    control_plane.finish("extract")
    wait_until(lambda: received)
    control_plane.finish("load")
    follower.join(10)
    assert received == [b"hello\n"]
    with pytest.raises(NotFoundError, match="1 tries, not 4"):
        list(client.stream_logs("etl", "r", "load", try_number=4))


def test_times_are_utc(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag())
    queued_at = client.trigger_dag("etl").queued_at.ToDatetime(tzinfo=timezone.utc)
    assert abs((datetime.now(timezone.utc) - queued_at).total_seconds()) < 60
