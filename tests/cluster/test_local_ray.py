"""Our own Ray: on loopback, behind a token, ended to the last process, and never more than that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.support import processes_that_name

from skyray.actors import local_ray
from skyray.actors.local_ray import LocalRay, LocalRayOptions
from skyray.actors.processes import identify

#: A driver that has a task leave a process behind, in a session of its own.
DRIVER = """
import os, subprocess, sys
import ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")

@ray.remote
def leave_behind():
    # Forked twice, so that Ray does not end it with the worker.
    shell = "echo $$; exec sleep 1000 >/dev/null 2>&1"
    with subprocess.Popen(["setsid", "-f", "sh", "-c", shell], stdout=subprocess.PIPE) as process:
        return int(process.stdout.readline())

print(ray.get(leave_behind.remote()), ray.cluster_resources().get("licence"), ray.cluster_resources().get("GPU"))
"""


def drive(ray: LocalRay, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the driver in a process of its own, since Ray reads its environment once."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-c", DRIVER, ray.address]
    return subprocess.run(
        command, env={**clean, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def home(short_folder: Path) -> Path:
    folder = short_folder / "local"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def test_two_rays_live_side_by_side_and_end_apart(home: Path) -> None:
    other_home = home / "other"
    other_home.mkdir(mode=0o700)
    first = local_ray.start(home, LocalRayOptions(num_cpus=1, num_gpus=1, resources={"licence": 2}))
    try:
        second = local_ray.start(other_home, LocalRayOptions(num_cpus=1))
        try:
            ran = drive(first, local_ray.client_environment(first.token_path))
            assert ran.returncode == 0, ran.stderr
            left_behind, licences, gpus = ran.stdout.split()
            assert (licences, gpus) == ("2.0", "1.0")
            pids = {each.pid for each in first.processes()}
            assert int(left_behind) in pids, "a process that a task left behind is known"
            assert not pids & {each.pid for each in second.processes()}

            listening = {
                connection.laddr.ip
                for connection in psutil.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN and connection.pid in pids
            }
            assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, "nothing listens to the network"

            local_ray.stop(first)
            assert identify(int(left_behind)) is None
            assert first.processes() == []
            assert not first.is_alive()
            assert second.is_alive()
            assert drive(second, local_ray.client_environment(second.token_path)).returncode == 0
        finally:
            local_ray.stop(second)
    finally:
        local_ray.stop(first)
    assert processes_that_name(home) == []
    assert local_ray.stop(first) == 0, "stopping again does nothing"


def test_a_failing_start_says_why_and_leaves_nothing(home: Path) -> None:
    with pytest.raises(local_ray.ClusterUnreachableError, match="did not start"):
        local_ray.start(home, LocalRayOptions(resources={"CPU": 1}))
    assert processes_that_name(home) == []


def test_a_long_home_gets_a_short_private_folder(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 20)
    folder = local_ray.folder_of(home)
    assert len(str(folder)) < 41
    assert folder == local_ray.folder_of(home)
    assert folder != local_ray.folder_of(tmp_path / ("long" * 21))
