"""``skyray demo``: every example ends as its author says, and nothing is left behind."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

from tests.support import Skyray, processes_that_name

ROOT = Path(__file__).parents[2]


def test_demo_runs_every_example_and_leaves_nothing(new_home: Skyray) -> None:
    done = new_home.run(
        "demo", "--home", str(new_home.home), "--examples", str(ROOT / "examples"), "-o", "json", exit_code=None
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["faults"] == [], done.stderr
    assert done.returncode == 0
    assert {run["dag_id"] for run in report["runs"]} >= {"hello", "penguins_etl", "retries", "torch_training", "pools"}
    assert all(run["as_expected"] for run in report["runs"])
    assert processes_that_name(new_home.home) == []


def test_interrupted_demo_stops_everything(new_home: Skyray) -> None:
    process = subprocess.Popen(
        new_home.command("demo", "--home", str(new_home.home), "--examples", str(ROOT / "examples")),
        env=new_home.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=new_home.home.parent,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "submitted" in line:
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode not in (0, None)
    finally:
        process.kill()
    assert processes_that_name(new_home.home) == []


def test_closing_the_terminal_stops_everything(new_home: Skyray) -> None:
    command = new_home.command("demo", "--home", str(new_home.home), "--examples", str(ROOT / "examples"))
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], command, new_home.environment)
    said = b""
    while b"submitted" not in said:
        said += os.read(terminal, 4096)
    os.close(terminal)  # SIGHUP, and nothing more can be printed
    os.waitpid(pid, 0)
    assert processes_that_name(new_home.home) == []
    assert not (new_home.home / "deployment.json").exists()


def test_demo_says_what_is_not_as_expected(new_home: Skyray, tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text(
        "from skyray import dag, task\n\n@dag(schedule=None)\ndef fails():\n    @task\n    def boom():\n"
        "        raise ValueError('on purpose')\n    boom()\n\nfails()\n"
    )
    (tmp_path / "expected.toml").write_text('[[run]]\ndag_id = "fails"\n\n[[run]]\ndag_id = "absent"\n')
    report = new_home.json("demo", "--home", str(new_home.home), "--examples", str(tmp_path), exit_code=1)
    assert any("fails: ended as failed" in fault and "on purpose" in fault for fault in report["faults"])
    assert any("absent" in fault for fault in report["faults"])
