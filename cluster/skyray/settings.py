"""Every option of a deployment in one frozen object: read once, at the edge, and passed down. Never read in the middle.

Order, later wins: defaults, ``$SKYRAY_HOME/skyray.toml``, environment (``SKYRAY_`` + the field's name in capitals),
command-line options. Standard library only (client commands import it).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from skyray.errors import InvalidInputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def _option(default: Any, description: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"description": description, "secret": secret})


@dataclass(frozen=True)
class Settings:
    """One deployment's options. Units are the last word of a name; empty text means "not set"."""

    home: str = _option("~/.skyray", "Folder of this deployment: token, state of `up`, embedded Postgres, logs.")
    database_url: str = _option("", "postgresql://… of Postgres 14+; empty: embedded under the home.", secret=True)
    ray_address: str = _option("", "host:port of a Ray cluster's head; empty: a local Ray of our own.")
    ray_namespace: str = _option("skyray", "Ray namespace of all actors; two deployments on one Ray need two.")
    api_address: str = _option("127.0.0.1:50051", "host:port on which the admin API listens; port 0: any free port.")
    token: str = _option("", "Admin token that a client presents; empty: read from home/token.", secret=True)
    dags_dir: str = _option("", "Folder of DAG files that the DagProcessor watches; empty: only submitted bundles.")
    partitions: int = _option(1, "Partitions of the DAGs; each has one leader. Fixed for a database once it has DAGs.")
    schedulers: int = _option(2, "Scheduler actors; one leads each partition, the others stand by.")
    executors: int = _option(1, "Executor actors.")
    dags_are_paused_at_creation: bool = _option(False, "Whether a new DAG starts paused.")
    default_pool_slots: int = _option(128, "Slots of default_pool when the database is first made.")
    default_timezone: str = _option("UTC", "Time zone of DAGs whose start_date has none.")
    default_task_retries: int = _option(0, "`retries` of tasks that give none.")
    parse_timeout_seconds: float = _option(30.0, "Longest time that importing one DAG file may take.")
    parse_memory_bytes: int = _option(4 << 30, "Most memory that importing one DAG file may take.")
    parse_processes: int = _option(2, "DAG files parsed at the same time, and as many again that take long.")
    bundle_max_bytes: int = _option(256 << 20, "Largest bundle (DAG folder, packed) that is accepted.")
    xcom_max_bytes: int = _option(16 << 20, "Largest single XCom, as JSON.")
    xcom_inline_bytes: int = _option(64 << 10, "XComs up to this size travel with the attempt.")
    runner_leases: bool = _option(True, "Whether short attempts share Ray tasks; off: a Ray task for each attempt.")
    max_infrastructure_retries: int = _option(3, "Lost attempts of one try before it counts as failed.")
    lost_owner_grace_seconds: float = _option(5.5, "How long tasks of a dead executor may live on (Ray: 5.0).")
    executor_gone_seconds: float = _option(30.0, "After this long without an executor its attempts are lost.")
    cancel_grace_seconds: float = _option(5.0, "Time for a cancelled attempt's on_kill before its process is killed.")
    log_dir: str = _option("", "Folder of attempt logs on the executors' node; empty: home/logs.")

    def __post_init__(self) -> None:
        for name in ("partitions", "schedulers", "executors", "parse_processes"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"{name} is {getattr(self, name)}; it must be at least 1")

    @property
    def home_path(self) -> Path:
        """The home as an absolute path."""
        return Path(self.home).expanduser().absolute()

    @property
    def log_path(self) -> Path:
        """The folder of attempt logs."""
        return Path(self.log_dir).expanduser().absolute() if self.log_dir else self.home_path / "logs"

    @property
    def token_path(self) -> Path:
        """The file, mode 0600, that ``up`` writes the admin token to."""
        return self.home_path / "token"

    def with_options(self, **options: Any) -> Settings:
        """A copy with the options given; those that are None are left as they are."""
        given = {name: value for name, value in options.items() if value is not None}
        return replace(self, **given) if given else self


def _parse(name: str, kind: str, raw: Any, where: str) -> Any:
    try:
        if kind == "bool":
            if isinstance(raw, bool):
                return raw
            text = str(raw).strip().lower()
            if text in ("1", "true", "yes", "on"):
                return True
            if text in ("0", "false", "no", "off"):
                return False
            raise ValueError(text)
        if kind == "int":
            return int(raw)
        if kind == "float":
            return float(raw)
        return str(raw)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{where}: {name} must be of type {kind}, not {raw!r}") from None


def load_settings(environ: Mapping[str, str] | None = None, **options: Any) -> Settings:
    """Settings from the home's file, the environment and ``options`` (None: not given).

    Raises ``InvalidInputError`` naming file or variable, field and value for an unknown field or a wrong type.
    """
    environ = os.environ if environ is None else environ
    kinds = {each.name: str(each.type) for each in fields(Settings)}
    home = options.get("home") or environ.get("SKYRAY_HOME") or Settings.home
    values: dict[str, Any] = {}
    file = Path(str(home)).expanduser() / "skyray.toml"
    if file.is_file():
        try:
            data = tomllib.loads(file.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise InvalidInputError(f"{file}: not valid TOML: {error}") from None
        for name, raw in data.items():
            if name not in kinds:
                raise InvalidInputError(f"{file}: unknown option {name!r}", hint=f"known: {', '.join(sorted(kinds))}")
            values[name] = _parse(name, kinds[name], raw, str(file))
    for name, kind in kinds.items():
        raw_value = environ.get(f"SKYRAY_{name.upper()}")
        if raw_value is not None and raw_value != "":
            values[name] = _parse(name, kind, raw_value, f"environment variable SKYRAY_{name.upper()}")
    values["home"] = str(home)
    values.update({name: value for name, value in options.items() if value is not None})
    return Settings(**values)
