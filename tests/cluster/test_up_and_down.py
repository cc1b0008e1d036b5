"""``skyray up``, ``down`` and ``status`` as a user calls them, and what they leave behind: nothing."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
from tests.support import Skyray, free_port, processes_that_name, wait_for

HELLO = """
from skyray import dag, task

@dag(schedule=None)
def hello():
    @task
    def greet():
        return "hi"
    greet()

hello()
"""


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_up_is_idempotent_and_down_leaves_no_process(new_home: Skyray) -> None:
    first = new_home.up("--num-cpus", "2")
    assert set(first) >= {"api_address", "ui_url", "database_url", "ray_address"}
    assert first["ui_url"] is None

    assert mode(new_home.home) == 0o700
    for secret in ("token", "ray_token", "deployment.json"):
        assert mode(new_home.home / secret) == 0o600, secret

    second = new_home.up()
    assert second == first
    other = new_home.run("up", "--detach", "--ray-address", "127.0.0.1:6379", exit_code=5)
    assert "already runs with ray_address" in other.stderr

    status = new_home.json("status")
    assert [leader["partition"] for leader in status["leaders"]] == [0]
    roles = sorted(actor["role"] for actor in status["actors"])
    assert roles == ["api", "dag_processor", "executor", "pools", "scheduler", "scheduler"]
    assert {actor["state"] for actor in status["actors"]} <= {"alive", "running"}
    assert [node["state"] for node in status["nodes"]] == ["alive"]
    assert [pool["name"] for pool in status["pools"]] == ["default_pool"]
    assert "Leaders" in new_home.run("status").stdout

    (new_home.home / "hello.py").write_text(HELLO)
    assert new_home.submit(new_home.home / "hello.py")["import_errors"] == []
    new_home.run("dags", "trigger", "hello", "--wait")

    new_home.run("down")
    assert processes_that_name(new_home.home) == []
    assert not (new_home.home / "deployment.json").exists()
    again = new_home.run("down")
    assert "nothing is running" in again.stdout
    refused = new_home.run("dags", "list", exit_code=3)
    assert "no deployment" in refused.stderr

    new_home.up()
    runs = new_home.json("runs", "list", "hello")
    assert [run["state"] for run in runs] == ["success"], "what was recorded is there after `down` and `up`"


def test_foreground_up_stops_everything_on_sigterm(new_home: Skyray) -> None:
    process = subprocess.Popen(
        new_home.command("up", "--api-address", "127.0.0.1:0", "--num-cpus", "1"),
        env=new_home.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=new_home.home.parent,
    )
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        assert "Ctrl-C" in lines[-1], "".join(lines)
        assert new_home.json("status")["leaders"]
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=60)
        assert process.returncode == 0, rest
    finally:
        process.kill()
    assert processes_that_name(new_home.home) == []


def test_interrupted_up_stops_what_it_had_started(new_home: Skyray) -> None:
    process = subprocess.Popen(
        new_home.command("up", "--detach", "--api-address", "127.0.0.1:0"),
        env=new_home.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=new_home.home.parent,
    )
    state = new_home.home / "deployment.json"
    try:
        wait_for(lambda: state.exists() and json.loads(state.read_text())["local_ray"], "Ray is launched")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode != 0
    finally:
        process.kill()
    assert processes_that_name(new_home.home) == []
    assert not state.exists()


def test_down_finds_what_a_killed_up_had_started(new_home: Skyray) -> None:
    process = subprocess.Popen(
        new_home.command("up", "--detach", "--api-address", "127.0.0.1:0"),
        env=new_home.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=new_home.home.parent,
    )
    state = new_home.home / "deployment.json"
    wait_for(lambda: state.exists() and json.loads(state.read_text())["local_ray"], "Ray is launched")
    process.kill()
    process.wait()
    assert processes_that_name(new_home.home) != []
    new_home.run("down")
    assert processes_that_name(new_home.home) == []


def test_up_goes_on_where_a_killed_up_had_stopped(new_home: Skyray) -> None:
    address = f"127.0.0.1:{free_port()}"
    options = ("up", "--detach", "--num-cpus", "1", "--api-address", address)
    process = subprocess.Popen(
        new_home.command(*options), env=new_home.environment, stderr=subprocess.DEVNULL, cwd=new_home.home.parent
    )
    state = new_home.home / "deployment.json"
    wait_for(lambda: state.exists() and json.loads(state.read_text())["local_ray"], "Ray is launched")
    process.kill()
    process.wait()
    assert new_home.json(*options)["api_address"] == address
    new_home.run("down")
    assert processes_that_name(new_home.home) == []


def test_up_brings_back_a_local_ray_that_died(new_home: Skyray) -> None:
    first = new_home.up("--num-cpus", "1")
    head = json.loads((new_home.home / "deployment.json").read_text())["local_ray"]["head"]["pid"]
    os.killpg(head, signal.SIGKILL)
    second = new_home.up()
    assert second["ray_address"] == first["ray_address"]
    (new_home.home / "hello.py").write_text(HELLO)
    assert new_home.submit(new_home.home / "hello.py")["import_errors"] == []
    new_home.run("dags", "trigger", "hello", "--wait")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (("--ray-address", "127.0.0.1:1"), 3, "no Ray cluster answers at 127.0.0.1:1"),
        (("--ray-address", "nonsense"), 2, "host:port"),
        (("--database-url", "mysql://x"), 2, "Postgres"),
        (("--num-cpus", "1", "--ray-address", "127.0.0.1:1"), 2, "for a local Ray"),
        (("--resources", "[1]"), 2, "JSON object"),
    ],
)
def test_wrong_options_are_refused_quickly_and_leave_nothing(
    new_home: Skyray, arguments: tuple[str, ...], exit_code: int, says: str
) -> None:
    began = time.monotonic()
    done = new_home.run("up", "--detach", "--api-address", "127.0.0.1:0", *arguments, exit_code=exit_code)
    assert says in done.stderr
    assert time.monotonic() - began < 10
    assert processes_that_name(new_home.home) == []
    assert not (new_home.home / "deployment.json").exists()


def test_a_taken_api_port_is_a_conflict(new_home: Skyray) -> None:
    import socket

    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        done = new_home.run("up", "--detach", "--api-address", f"127.0.0.1:{port}", exit_code=5)
    assert f"127.0.0.1:{port}" in done.stderr
    assert processes_that_name(new_home.home) == []
