"""The control plane on a real Ray and a real Postgres, and what happens when its processes are killed one by one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from tests.conftest import _fresh_database as fresh_database
from tests.support import wait_for

from skyray.actors import launch
from skyray.actors.processes import identify
from skyray.actors.ray_port import ActorUnreachableError, RayPort
from skyray.core.logs import log_path
from skyray.core.model import Run
from skyray.core.parsed import ParsedDag, ParsedFile
from skyray.parsing.bundle import pack
from skyray.parsing.loader import load_dags
from skyray.sdk.serialize import dag_to_spec
from skyray.settings import Settings
from skyray.store import migrate
from skyray.store.catalog import Catalog
from skyray.store.reader import Reader

DAGS = Path(__file__).parent / "dags"
NAMESPACE = "skyray-test-actors"


class OnRay:
    """A running control plane: two schedulers, one executor, the rest one each."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.port = RayPort()
        self.reader = Reader(settings.database_url)
        self.address = launch.start_control_plane(settings)

    def publish(self) -> None:
        bundle = pack(DAGS, max_bytes=1 << 20)
        specs = [
            dag_to_spec(dag, relative_path="on_ray.py") for dag in load_dags(DAGS, "on_ray.py", digest=bundle.digest)
        ]
        catalog = Catalog(self.settings.database_url)
        catalog.put_bundle(bundle)
        parsed = ParsedFile("on_ray.py", tuple(ParsedDag(spec, bundle.digest) for spec in specs), (), 0.0)
        catalog.publish(bundle.name, "submitted", bundle.digest, [parsed], partitions=1, paused_by_default=False)
        catalog.close()

    def call(self, name: str, method: str, *arguments: Any) -> Any:
        handle = self.port.find_actor(name, NAMESPACE)
        return self.port.reply_blocking(getattr(handle, method).remote(*arguments), 10)

    def pid(self, name: str) -> int:
        return int(self.call(name, "info")["pid"])

    def leader(self) -> str:
        for name in ("scheduler-0", "scheduler-1"):
            with contextlib.suppress(ActorUnreachableError):
                if self.call(name, "leads"):
                    return name
        return ""

    def command(self, kind: str, dag_id: str, **payload: Any) -> Any:
        submitted = self.reader.submit_command(kind, dag_id, {"dag_id": dag_id, **payload})
        for name in ("scheduler-0", "scheduler-1"):
            with contextlib.suppress(ActorUnreachableError):  # it is being restarted
                self.call(name, "wake", submitted.partition)
        return wait_for(lambda: self.reader.command_result(submitted.command_id), f"{kind} is applied")

    def trigger(self, dag_id: str, folder: Path) -> str:
        result = self.command("trigger_run", dag_id, conf={"folder": str(folder)})
        assert result.code == "", result.message
        return str(result.result["run_id"])

    def run(self, dag_id: str, run_id: str) -> Run:
        return self.reader.get_run(dag_id, run_id)

    def end_of(self, dag_id: str, run_id: str) -> str:
        wait_for(lambda: self.run(dag_id, run_id).state.is_terminal, f"{dag_id} ended", 40)
        return self.run(dag_id, run_id).state.value

    def ti(self, dag_id: str, run_id: str, task_id: str) -> Any:
        return self.reader.get_task_instance(dag_id, run_id, task_id)

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        data, _, _ = self.call("executor-0", "read_log", log_path(dag_id, run_id, task_id, -1, 1), 0, 1 << 20)
        return bytes(data).decode()

    def ready(self) -> None:
        """The next test begins with everything in its place."""
        launch._wait_for_leaders(
            self.settings,
            self.port,
            {name: self.port.find_actor(name, NAMESPACE) for name in ("scheduler-0", "scheduler-1")},
            lambda: 20.0,
        )


@pytest.fixture(scope="module", params=[True, False], ids=["leases", "plain"])
def on_ray(request: pytest.FixtureRequest, postgres_server: str, short_folder: Path) -> Iterator[OnRay]:
    databases = fresh_database(postgres_server)
    url = next(databases)
    migrate.migrate(url)
    migrate.seed(url)
    before = os.environ.get("RAY_AUTH_MODE")
    os.environ["RAY_AUTH_MODE"] = "disabled"  # else Ray writes a token into the user's home
    ray.init(
        num_cpus=2,
        num_gpus=1,
        include_dashboard=False,
        namespace=NAMESPACE,
        log_to_driver=False,
        object_store_memory=100_000_000,
        _temp_dir=str(short_folder / "ray"),
    )
    settings = Settings(
        home=str(short_folder / f"actors-{request.param}"),
        database_url=url,
        ray_namespace=NAMESPACE,
        api_address="127.0.0.1:0",
        token="secret",
        cancel_grace_seconds=0.5,
        runner_leases=request.param,
    )
    try:
        made = OnRay(settings)
        made.publish()
        made.command("unpause_dag", "pair")  # the leader has taken the DAGs over
        yield made
        assert launch.stop_control_plane(settings) == 6
        assert launch.stop_control_plane(settings) == 0, "nothing is left, and that is no error"
        made.reader.close()
    finally:
        ray.shutdown()
        if before is None:
            del os.environ["RAY_AUTH_MODE"]
        else:
            os.environ["RAY_AUTH_MODE"] = before
        next(databases, None)


def killed(pid: int) -> None:
    """SIGKILL, and wait until the process is gone."""
    process = identify(pid)
    assert process is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not process.is_alive(), f"process {pid} is gone")


def begun(folder: Path) -> Callable[[], bool]:
    return lambda: (folder / "began").exists()


def test_values_flow_and_output_is_kept(on_ray: OnRay, tmp_path: Path) -> None:
    run_id = on_ray.trigger("pair", tmp_path)
    assert on_ray.end_of("pair", run_id) == "success"
    assert "to the log" in on_ray.log("pair", run_id, "first")
    assert on_ray.ti("pair", run_id, "third").ti.state.value == "success"


def test_starting_again_finds_what_runs(on_ray: OnRay) -> None:
    pids = {info["name"]: info["pid"] for info in launch.control_plane_actors(on_ray.settings)}
    assert launch.start_control_plane(on_ray.settings) == on_ray.address
    assert {info["name"]: info["pid"] for info in launch.control_plane_actors(on_ray.settings)} == pids
    assert len(pids) == 6


def test_a_runtime_env_is_made_and_a_wrong_one_fails_the_task(on_ray: OnRay, tmp_path: Path) -> None:
    good, bad = on_ray.trigger("env", tmp_path), on_ray.trigger("bad_env", tmp_path)
    assert on_ray.end_of("env", good) == "success"
    assert on_ray.reader.read_xcom("env", good, "colour", "return_value") == [(-1, b'"green"')]
    assert on_ray.end_of("bad_env", bad) == "failed"
    ti = on_ray.ti("bad_env", bad, "unreachable").ti
    assert "runtime_env" in ti.error
    assert ti.infrastructure_failures == 0


def test_only_who_asks_for_a_gpu_sees_one(on_ray: OnRay, tmp_path: Path) -> None:
    run_id = on_ray.trigger("gpus", tmp_path)
    assert on_ray.end_of("gpus", run_id) == "success"
    seen = {}
    for task_id in ("before", "with_gpu", "afterwards"):
        (_, value), *_ = on_ray.reader.read_xcom("gpus", run_id, task_id, "return_value")
        seen[task_id] = json.loads(value)[0]
    assert seen == {"before": "", "with_gpu": "0", "afterwards": ""}


def test_a_worker_that_is_killed_costs_no_retry(on_ray: OnRay, tmp_path: Path) -> None:
    run_id = on_ray.trigger("crash", tmp_path)
    assert on_ray.end_of("crash", run_id) == "success"
    view = on_ray.ti("crash", run_id, "crash_once")
    assert (view.ti.try_number, len(view.attempts)) == (1, 2)
    assert "worker process died" in on_ray.log("crash", run_id, "crash_once")


def test_a_cancelled_run_ends_its_worker_even_if_that_resists(on_ray: OnRay, tmp_path: Path) -> None:
    run_id = on_ray.trigger("stubborn", tmp_path)
    wait_for(begun(tmp_path), "the task runs")
    worker = identify(int((tmp_path / "began").read_text()))
    assert worker is not None
    assert on_ray.command("cancel_run", "stubborn", run_id=run_id).code == ""
    wait_for(lambda: not worker.is_alive(), "the worker is gone", 10)
    wait_for(lambda: len(on_ray.ti("stubborn", run_id, "never_ends").attempts) == 1, "its end is recorded")
    assert on_ray.run("stubborn", run_id).state.value == "failed"


def test_a_death_and_a_time_limit_concern_one_attempt_each(on_ray: OnRay, tmp_path: Path) -> None:
    run_id = on_ray.trigger("crowd", tmp_path)
    assert on_ray.end_of("crowd", run_id) == "failed"
    views = {name: on_ray.ti("crowd", run_id, name) for name in (f"member{number}" for number in range(40))}
    again = {name for name, view in views.items() if len(view.attempts) == 2}
    assert again == {"member13", "member21"}
    assert {name for name, view in views.items() if view.ti.state.value != "success"} == {"member30"}
    assert "execution_timeout" in views["member30"].ti.error
    written = {file.name: len(file.read_text()) for file in tmp_path.iterdir()}
    assert written == {name: len(view.attempts) for name, view in views.items()}, "each attempt ran once"


def test_a_cancelled_run_interrupts_what_blocks(on_ray: OnRay, tmp_path: Path) -> None:
    run_id = on_ray.trigger("sleepers", tmp_path)
    wait_for(begun(tmp_path), "the task runs")
    assert on_ray.command("cancel_run", "sleepers", run_id=run_id).code == ""
    wait_for((tmp_path / "interrupted").exists, "its finally ran")
    wait_for(lambda: len(on_ray.ti("sleepers", run_id, "sleeper").attempts) == 1, "its end is recorded")
    assert on_ray.run("sleepers", run_id).state.value == "failed"


def test_many_of_one_shape_leave_room_for_another(on_ray: OnRay, tmp_path: Path) -> None:
    many = on_ray.trigger("narrow", tmp_path)
    wait_for(lambda: on_ray.ti("narrow", many, "narrow0").ti.state.value == "success", "they run")
    one = on_ray.trigger("whole_machine", tmp_path)
    assert on_ray.end_of("whole_machine", one) == "success"
    assert on_ray.end_of("narrow", many) == "success"


def test_a_killed_leader_is_followed_by_the_standby_and_running_tasks_notice_nothing(
    on_ray: OnRay, tmp_path: Path
) -> None:
    on_ray.ready()
    run_id = on_ray.trigger("gate", tmp_path)
    wait_for(begun(tmp_path), "the task runs")
    before = on_ray.reader.leaders()[0]
    killed(on_ray.pid(str(before.holder)))
    at = time.monotonic()
    wait_for(lambda: on_ray.reader.leaders()[0].epoch > before.epoch, "the standby leads", 10)
    took = time.monotonic() - at
    (tmp_path / "release").touch()
    assert on_ray.end_of("gate", run_id) == "success"
    assert len((tmp_path / "began").read_text().split()) == 1
    assert on_ray.reader.leaders()[0].holder != before.holder
    assert took < 1.0, "a waiting standby needs no restart"


def test_a_killed_executor_comes_back_and_its_tasks_run_again(on_ray: OnRay, tmp_path: Path) -> None:
    run_id = on_ray.trigger("gate", tmp_path)
    wait_for(begun(tmp_path), "the task runs")
    killed(on_ray.pid("executor-0"))
    wait_for(lambda: len((tmp_path / "began").read_text().split()) == 2, "it runs again", 30)
    (tmp_path / "release").touch()
    assert on_ray.end_of("gate", run_id) == "success"
    view = on_ray.ti("gate", run_id, "wait")
    assert (view.ti.try_number, len(view.attempts)) == (1, 2)


def test_a_killed_pools_actor_is_not_missed(on_ray: OnRay, tmp_path: Path) -> None:
    on_ray.ready()
    killed(on_ray.pid("pools"))
    run_id = on_ray.trigger("broad", tmp_path)
    assert on_ray.end_of("broad", run_id) == "success"
    on_ray.ready()
    assert {file.read_text() for file in tmp_path.iterdir()} == {"x"}


def test_a_task_that_needs_a_killed_api_waits_for_the_next_one(on_ray: OnRay, tmp_path: Path) -> None:
    on_ray.ready()
    killed(on_ray.pid("api"))
    run_id = on_ray.trigger("pair", tmp_path)  # its third task asks the Api for a large value
    assert on_ray.end_of("pair", run_id) == "success"
    assert len(on_ray.ti("pair", run_id, "third").attempts) == 1


def test_a_frozen_leader_loses_its_lock_to_the_standby_and_ends_when_it_thaws(on_ray: OnRay, tmp_path: Path) -> None:
    on_ray.ready()
    before = on_ray.leader()
    other = "scheduler-1" if before == "scheduler-0" else "scheduler-0"
    pid = on_ray.pid(before)
    frozen = identify(pid)
    assert frozen is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: bool(on_ray.call(other, "leads")), "the standby leads", 15)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not frozen.is_alive(), "what was frozen ended itself", 10)
    run_id = on_ray.trigger("pair", tmp_path)
    assert on_ray.end_of("pair", run_id) == "success"
