"""A Skyray deployment for benchmarks: fresh, in a temporary home, with the DAGs of ``dags/``, gone afterwards.

Everything goes through what users have: the command line to start and stop, the admin API's client for the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timezone
from pathlib import Path
from typing import Any

from benchmarks.processes import with_descendants
from skyray.actors.deployment import remove
from skyray.actors.local_ray import LocalRay, client_environment
from skyray.admin.v1.runs_pb2 import DagRun
from skyray.api.client import Client
from skyray.parsing.bundle import pack
from skyray.store.embedded import EmbeddedPostgres

DAGS = Path(__file__).parent / "dags"
POOL = "benchmarks"
_POOL_SLOTS = 100_000
_BUNDLE_BYTES_MAX = 1 << 20
_RUN_SECONDS_MAX = 300.0
_CLIENTS = 8

Say = Callable[[str], None]


class BenchmarkError(Exception):
    """Something did not do what it has to do before it is worth timing."""


@dataclass
class Deployment:
    """A deployment that has run a task. ``first_task_seconds`` counts from the start of ``skyray up``."""

    home: Path
    addresses: Mapping[str, Any]
    client: Client
    up_seconds: float
    first_task_seconds: float = 0.0

    def trigger(self, dag_id: str, **options: Any) -> tuple[DagRun, float]:
        """Trigger a run; returns it, and the moment at which the request was sent."""
        sent = time.time()
        return self.client.trigger_dag(dag_id, **options), sent

    def trigger_many(self, dag_id: str, count: int) -> tuple[list[DagRun], float]:
        """Trigger many runs at once, from a few threads; returns them, and the moment of the first request."""
        sent = time.time()
        with ThreadPoolExecutor(_CLIENTS) as pool:
            return list(pool.map(lambda _: self.client.trigger_dag(dag_id), range(count))), sent

    def wait(self, runs: Sequence[DagRun]) -> list[DagRun]:
        """Wait until the runs have ended; returns them as they are then. Raises unless all succeeded."""
        left = {(run.dag_id, run.run_id): run for run in runs}
        ended = []
        for change in self.client.watch_runs(list(left), timeout_seconds=_RUN_SECONDS_MAX):
            run = change.run
            if run.state in ("success", "failed") and left.pop((run.dag_id, run.run_id), None) is not None:
                if run.state == "failed":
                    raise BenchmarkError(f"run {run.run_id} of {run.dag_id} failed: {self._why(run)}")
                ended.append(run)
        if left:
            raise BenchmarkError(f"{len(left)} of {len(runs)} runs never ended, the first is {next(iter(left))}")
        return ended

    def stamps_file(self) -> Path:
        """A new, empty file for the times that the tasks of a run write down."""
        descriptor, name = tempfile.mkstemp(prefix="stamps-", dir=self.home)
        os.close(descriptor)
        return Path(name)

    def raw_ray(self, *arguments: str) -> dict[str, Any]:
        """Run the driver of raw_ray.py on the Ray of this deployment; returns what it measured."""
        return raw_ray(str(self.addresses["ray_address"]), self.home / "ray_token", *arguments)

    def process_groups(self) -> dict[str, set[int]]:
        """The deployment's processes: Skyray's (actors, keeper, what these started), Postgres, and the rest of Ray."""
        recorded = json.loads((self.home / "deployment.json").read_text(encoding="utf-8"))
        everything = {each.pid for each in LocalRay.from_json(recorded["local_ray"]).processes()}
        keeper = recorded["keeper"]["pid"]
        actors = with_descendants([keeper, *(actor.pid for actor in self.client.list_actors() if actor.pid)])
        server = EmbeddedPostgres(self.home / "postgres").pid
        return {
            "skyray": actors,
            "postgres": with_descendants([server] if server else []),
            "ray": everything - actors,
        }

    def _why(self, run: DagRun) -> str:
        for task_instance in self.client.list_task_instances(run.dag_id, run.run_id, states=("failed",)):
            return f"{task_instance.task_id}: {task_instance.error}"
        return run.note or "no task instance failed"


def read_stamps(path: Path) -> dict[str, tuple[float, float]]:
    """What ``dags/stamps.py`` wrote: task id -> (start, end) of the task's own code."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        task_id, start, end = line.split()
        found[task_id] = (float(start), float(end))
    return found


def end_of(run: DagRun) -> float:
    """When a run ended, in seconds since the epoch."""
    return run.end_date.ToDatetime(tzinfo=timezone.utc).timestamp()


@contextlib.contextmanager
def running(say: Say) -> Iterator[Deployment]:
    """A fresh deployment in which a task has run, for as long as the context lasts."""
    home = Path(tempfile.mkdtemp(prefix="skyray-bench-"))
    began = time.monotonic()
    try:
        say("skyray up --detach")
        addresses = json.loads(_skyray(home, "up", "--detach", "-o", "json", "--api-address", "127.0.0.1:0"))
        up_seconds = time.monotonic() - began
        token = (home / "token").read_text(encoding="utf-8").strip()
        with Client(addresses["api_address"], token=token) as client:
            deployment = Deployment(home, addresses, client, up_seconds)
            client.set_pool(POOL, _POOL_SLOTS)
            answer = client.submit_bundle("benchmarks", pack(DAGS, max_bytes=_BUNDLE_BYTES_MAX).content)
            for error in answer.import_errors:
                raise BenchmarkError(f"{error.path}: {error.message}")
            deployment.wait([deployment.trigger("single")[0]])
            deployment.first_task_seconds = time.monotonic() - began
            yield deployment
    finally:
        say("skyray down")
        _tear_down(home)


def _skyray(home: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "skyray", *arguments, "--home", str(home)],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"skyray {arguments[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _tear_down(home: Path) -> None:
    """Stop the deployment and remove its files."""
    _skyray(home, "down")
    remove(home)


def _environment(**more: str) -> dict[str, str]:
    """This process's environment without what would point to another deployment or another Ray."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SKYRAY_", "RAY_"))}
    return {**kept, **more}


def raw_ray(address: str, token_path: Path, *arguments: str) -> dict[str, Any]:
    """Run ``python -m benchmarks.raw_ray`` as a driver of the Ray at ``address``."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.raw_ray", address, *arguments],
        env=_environment(**client_environment(token_path)),
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"the raw Ray driver ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
