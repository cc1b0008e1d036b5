"""The leading scheduler is killed (SIGKILL) in the middle of a 500-TI run: nothing is lost, nothing runs twice."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import psycopg2
import pytest
from tests.support import Skyray, wait_for

TASKS = 500
DAG = """
import os
from pathlib import Path
from skyray import dag, task

@dag(schedule=None, max_active_tasks=1000)
def wide():
    @task(num_cpus=1)
    def touch(number, folder):
        # One line an execution, each in a file of its own: appending twice would show.
        descriptor = os.open(Path(folder) / str(number), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, b"x\\n")
        os.close(descriptor)

    for number in range({tasks}):
        touch.override(task_id=f"t{{number}}")(number, {folder!r})

wide()
"""


def leader(skyray: Skyray) -> dict[str, object]:
    """The actor that leads partition 0; empty where none does."""
    actors = skyray.json("cluster", "actors")
    return next((actor for actor in actors if actor["role"] == "scheduler" and 0 in actor["leads"]), {})


def test_killing_the_leader_loses_no_task_instance_and_runs_none_twice(
    new_home: Skyray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    addresses = new_home.up("--num-cpus", "2")
    marks = tmp_path / "marks"
    marks.mkdir()
    source = tmp_path / "wide.py"
    source.write_text(DAG.format(tasks=TASKS, folder=str(marks)))
    assert new_home.submit(source)["import_errors"] == []
    before = leader(new_home)
    epoch = new_home.json("cluster", "leaders")[0]["epoch"]

    run_id = new_home.trigger("wide")
    wait_for(lambda: len(list(marks.iterdir())) > TASKS // 10, "the run is under way")
    executed_before = len(list(marks.iterdir()))
    killed_at = time.time()
    os.kill(int(str(before["pid"])), signal.SIGKILL)
    assert executed_before < TASKS, "the leader was killed in the middle of the run"

    assert new_home.wait_for_run("wide", run_id, 120) == "success"
    after = new_home.json("cluster", "leaders")[0]
    assert after["epoch"] > epoch

    task_instances = new_home.tasks("wide", run_id)
    assert len(task_instances) == TASKS
    assert Counter(each["state"] for each in task_instances.values()) == {"success": TASKS}
    assert Counter(each["try_number"] for each in task_instances.values()) == {1: TASKS}
    executions = {path.name: path.read_text().count("x") for path in marks.iterdir()}
    assert len(executions) == TASKS
    assert set(executions.values()) == {1}, "each task instance ran exactly once"
    with contextlib.closing(psycopg2.connect(addresses["database_url"])) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT state, count(*), count(DISTINCT ti_id) FROM task_attempt GROUP BY state")
        assert cursor.fetchall() == [("success", TASKS, TASKS)], "one attempt is recorded for each task instance"

    since = datetime.fromisoformat(after["since"]).timestamp()
    with capsys.disabled():
        print(f"\ntakeover: {1000 * (since - killed_at):.0f} ms after the kill, at {executed_before} of {TASKS} TIs")
    assert since - killed_at < 10
