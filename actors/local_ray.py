"""Our own Ray: one head node on this machine, on loopback, behind a token, in a session of its own.

``start`` launches ``ray start --head --block`` with the settings that Skyray wants of a Ray, ``stop`` ends exactly the
processes that came of it. Not here: Rays that others run (deployment.py), and what runs on Ray (launch.py). Nothing in
this module imports Ray: the launched process does.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from skyray.actors.processes import (
    ProcessIdentity,
    descendants,
    identify,
    marked_processes,
    send,
    session_members,
    wait_until_gone,
)
from skyray.errors import ClusterUnreachableError, InvalidInputError

MARK = "SKYRAY_LOCAL_RAY"
_OBJECT_STORE_BYTES = 256 << 20
_OBJECT_STORE_BYTES_MIN = 80 << 20
# AF_UNIX paths end at 107 bytes; Ray adds "/session_2026-11-22_15-20-14_172395_4194304/sockets/plasma_store".
_TEMP_DIR_LENGTH_MAX = 107 - 66
_POLITE_SECONDS = 4.0
_AFTER_HEAD_SECONDS = 0.3
_FORCED_SECONDS = 10.0

#: What every Ray that we start is told. A value that the user's own environment gives wins.
RAY_SETTINGS: Mapping[str, str] = {
    # A dead or frozen node is noticed in 2-4 s instead of 60.
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    # Owners of tasks notice a frozen node in 7 s instead of 438.
    "RAY_grpc_client_keepalive_time_ms": "3000",
    "RAY_grpc_client_keepalive_timeout_ms": "2000",
    # Other nodes wait for a head that comes back, and find actors and tasks as they were.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
    # Idle workers stay for a minute: bursts do not start processes anew each time.
    "RAY_idle_worker_killing_time_threshold_ms": "60000",
    # The GCS would keep 3.6 KB for each of the last 100,000 tasks; Skyray has its own record of them.
    "RAY_task_events_report_interval_ms": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_enable_timeline": "0",
    "RAY_event_stats": "0",
    # Skyray has stopped its tasks by the time that Ray is told to go.
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
_NOT_INHERITED = (
    "RAY_ADDRESS",
    "RAY_REDIS_ADDRESS",
    "RAY_NAMESPACE",
    "RAY_AUTH_TOKEN",
    "RAY_JOB_CONFIG_JSON_ENV_VAR",
    "RAY_RUNTIME_ENV_HOOK",
    "RAY_START_HOOK",
    "RAY_TMPDIR",
)


@dataclass(frozen=True, slots=True)
class LocalRayOptions:
    """What the node offers; None: what Ray finds on the machine. ``resources`` are custom ones."""

    num_cpus: int | None = None
    num_gpus: int | None = None
    resources: Mapping[str, float] = field(default_factory=dict)

    def arguments(self) -> list[str]:
        """The options of ``ray start``."""
        given = []
        if self.num_cpus is not None:
            given += ["--num-cpus", str(self.num_cpus)]
        if self.num_gpus is not None:
            given += ["--num-gpus", str(self.num_gpus)]
        if self.resources:
            given += ["--resources", json.dumps(dict(self.resources))]
        return given


@dataclass(frozen=True, slots=True)
class LocalRay:
    """A Ray that we started: all that is needed to use it and to end it, also from another process."""

    head: ProcessIdentity
    address: str
    folder: str
    token_path: str
    mark: str

    def to_json(self) -> dict[str, Any]:
        """For the state file."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LocalRay:
        """The inverse of ``to_json``."""
        return cls(**{**data, "head": ProcessIdentity(**data["head"])})

    def is_alive(self) -> bool:
        """True while the head's own process runs; it ends when any essential part of Ray does."""
        return self.head.is_alive()

    def processes(self) -> list[ProcessIdentity]:
        """Every living process that came of the head: children, workers, and what tasks started and left behind."""
        found = set(session_members(self.head)) | set(marked_processes(MARK, self.mark))
        if self.head.is_alive():
            found.add(self.head.pid)
        found |= descendants(found)
        found.discard(os.getpid())
        return [each for each in map(identify, sorted(found)) if each is not None]


def client_environment(token_path: str | Path) -> dict[str, str]:
    """What a process needs in its environment, before it imports Ray, to connect to a Ray that we started."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token_path),
        # Ray's switch (named after where it is the default) for clusters that live on loopback: every port is bound
        # to 127.0.0.1, and the cluster survives a laptop's change of network.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }


def make_token(home: Path) -> Path:
    """The file with the token of a home's Ray. It stays, since nodes that have joined present it again."""
    path = home / "ray_token"
    if path.is_file() and path.stat().st_size:
        path.chmod(0o600)
        return path
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    return path


def start(
    home: Path,
    options: LocalRayOptions,
    *,
    previous: LocalRay | None = None,
    launched: Callable[[LocalRay], None] = lambda ray: None,
    timeout_seconds: float = 60.0,
) -> LocalRay:
    """Start a Ray head for the deployment in ``home`` and return when drivers can connect.

    ``previous``: a head of this home that died; its successor takes its address and its GCS's memory, so that nodes
    which had joined it find it again. ``launched`` is called as soon as there is a process to stop.
    Raises ``ClusterUnreachableError`` with the end of Ray's output where the start fails; nothing is left running then.
    """
    folder = _private_folder(home)
    temp_dir = folder / "t"
    if previous is None:
        shutil.rmtree(temp_dir, ignore_errors=True)
    temp_dir.mkdir(mode=0o700, exist_ok=True)
    address_file = temp_dir / "ray_current_cluster"
    address_file.unlink(missing_ok=True)
    token_path = make_token(home)
    mark = secrets.token_hex(8)
    output_path = home / "ray.log"
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
        *("--port", previous.address.rpartition(":")[2] if previous else "0"),
        *("--temp-dir", str(temp_dir), "--node-ip-address", "127.0.0.1"),
        *("--include-dashboard", "false", "--dashboard-port", "0", "--include-log-monitor", "false", "--no-monitor"),
        *("--object-store-memory", str(_object_store_bytes()), "--disable-usage-stats", *options.arguments()),
    ]
    with open(os.open(output_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
        process = subprocess.Popen(
            command,
            env=_environment(token_path, temp_dir, mark),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    head = identify(process.pid)
    deadline = time.monotonic() + timeout_seconds
    try:
        if head is not None:
            launched(LocalRay(head, "", str(folder), str(token_path), mark))
        while not (address := _read(address_file)):
            if process.poll() is not None or head is None:
                raise ClusterUnreachableError(
                    f"Ray did not start (exit status {process.poll()}): {_last_words(output_path)}",
                    hint=f"all it said is in {output_path}",
                )
            if time.monotonic() > deadline:
                raise ClusterUnreachableError(
                    f"Ray did not start within {timeout_seconds:g} s: {_last_words(output_path)}",
                    hint=f"all it said is in {output_path}",
                )
            time.sleep(0.02)
    except BaseException:
        if head is not None:
            stop(LocalRay(head, "", str(folder), str(token_path), mark))
        raise
    assert head is not None
    return LocalRay(head, address, str(folder), str(token_path), mark)


def stop(ray: LocalRay) -> int:
    """End every process of ``ray``, wait until they are gone, remove its folder. Returns how many there were.

    Harmless where nothing runs any more.
    """
    ended = stop_processes(ray)
    shutil.rmtree(Path(ray.folder) / "t", ignore_errors=True)
    return ended


def stop_processes(ray: LocalRay) -> int:
    """``stop``, but keep the folder, for a successor. Politely first (the head ends its children), then by force."""
    seen = {each.pid: each for each in ray.processes()}
    send(ray.head, signal.SIGTERM)
    wait_until_gone([ray.head], _POLITE_SECONDS)
    wait_until_gone(seen.values(), _AFTER_HEAD_SECONDS)
    deadline = time.monotonic() + _FORCED_SECONDS
    while (left := ray.processes()) and time.monotonic() < deadline:
        for each in left:
            seen[each.pid] = each
            send(each, signal.SIGKILL)
        wait_until_gone(left, 1.0)
    if left:
        raise ClusterUnreachableError(
            f"processes {[each.pid for each in left]} of the local Ray do not end, though killed",
            hint="they probably wait for a device or a network file system; `skyray down` tries again",
        )
    return len(seen)


def adjust_head(ray_params: Any, is_head: bool) -> None:
    """Ray calls this (RAY_START_HOOK) inside ``ray start``: sets what has no option there."""
    os.environ.pop("RAY_START_HOOK", None)  # not for a `ray start` in a user's task
    if is_head:
        ray_params.ray_client_server_port = None  # 98 MB and half a second that nobody uses
        ray_params.node_name = "local"


def _environment(token_path: Path, temp_dir: Path, mark: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    return {
        **RAY_SETTINGS,
        "RAY_gcs_storage": "rocksdb",
        "RAY_gcs_storage_path": str(temp_dir / "gcs"),
        **inherited,
        **client_environment(token_path),
        "RAY_START_HOOK": f"{__name__}.adjust_head",
        MARK: mark,
    }


def folder_of(home: Path) -> Path:
    """Where the Ray of a home keeps its files: under the home unless sockets would have too long a name there."""
    folder = home / "ray"
    if len(os.fsencode(folder / "t")) <= _TEMP_DIR_LENGTH_MAX:
        return folder
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:10]
    return Path(f"/tmp/skyray-{os.getuid()}-{digest}")


def _private_folder(home: Path) -> Path:
    """``folder_of``, made and only ours. Ray opens its own temp dir to everybody (0777), so that lies inside this."""
    folder = folder_of(home)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid():
        raise InvalidInputError(
            f"{folder} belongs to somebody else (uid {status.st_uid})", hint="choose a shorter --home"
        )
    folder.chmod(0o700)
    return folder


def _object_store_bytes() -> int:
    """256 MB, or what /dev/shm has (containers often: 64 MB; Ray then uses its temp dir)."""
    try:
        free = shutil.disk_usage("/dev/shm").free
    except OSError:
        return _OBJECT_STORE_BYTES
    return _OBJECT_STORE_BYTES if free < _OBJECT_STORE_BYTES_MIN else min(_OBJECT_STORE_BYTES, int(free * 0.9))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _last_words(path: Path) -> str:
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-3:]) or "it said nothing"
