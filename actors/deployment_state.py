"""What ``skyray up`` writes down about a deployment: ``deployment.json`` in its home, mode 0600, and its lock.

Written as parts start, so that ``skyray down`` finds them even if ``up`` was killed half-way. Clients read only
``api_address`` from it (cli/options.py). Called by deployment.py.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from skyray.actors.local_ray import LocalRay, LocalRayOptions
from skyray.actors.processes import ProcessIdentity
from skyray.errors import ConflictError, InvalidInputError
from skyray.settings import Settings

_FORMAT = 1
_LOCK_SECONDS_MAX = 180.0

#: Settings in which a second ``up`` may not differ from what runs, unless it leaves them at their default.
_FIXED = (
    "database_url",
    "ray_address",
    "ray_namespace",
    "dags_dir",
    "partitions",
    "schedulers",
    "executors",
    "log_dir",
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment as far as it has come. Addresses are empty until the part in question runs.

    ``settings`` are those asked for (``database_url`` and ``ray_address`` are empty where the part is our own), without
    the token. ``database_url`` and ``ray_address`` here are those in use.
    """

    home: str
    settings: Mapping[str, Any]
    ray_options: Mapping[str, Any]
    skyray_version: str = ""
    started_at: float = 0.0
    api_address: str = ""
    ui_url: str | None = None
    database_url: str = field(default="", repr=False)
    ray_address: str = ""
    ray_namespace: str = "skyray"
    local_ray: LocalRay | None = None
    embedded_postgres: bool = False
    has_control_plane: bool = False
    keeper: ProcessIdentity | None = None

    def with_parts(self, **parts: Any) -> Deployment:
        """A copy with some fields changed."""
        return replace(self, **parts)

    def addresses(self) -> dict[str, Any]:
        """What the contract prints of a deployment, and where it lives."""
        return {
            "api_address": self.api_address,
            "ui_url": self.ui_url,
            "database_url": self.database_url,
            "ray_address": self.ray_address,
            "ray_namespace": self.ray_namespace,
            "home": self.home,
        }

    def refuse_other(self, settings: Settings, ray_options: LocalRayOptions) -> None:
        """Raise ``ConflictError`` if ``up`` is asked for something else than what runs."""
        for name in _FIXED:
            wanted, running = getattr(settings, name), self.settings.get(name)
            if wanted not in (running, getattr(Settings, name)):
                self._conflict(name, wanted, running)
        port = settings.api_address.rpartition(":")[2]
        # What was asked for counts as well: an `up` that was killed half-way had no address yet.
        known = (self.api_address, self.settings.get("api_address"), Settings.api_address)
        if settings.api_address not in known and port != "0":
            self._conflict("api_address", settings.api_address, self.api_address)
        wanted_options = options_to_json(ray_options)
        if wanted_options not in (self.ray_options, options_to_json(LocalRayOptions())):
            self._conflict("options of the local Ray", wanted_options, self.ray_options)

    def _conflict(self, name: str, wanted: Any, running: Any) -> None:
        shown = "another one" if name == "database_url" else f"{running!r}, not {wanted!r}"
        raise ConflictError(
            f"the deployment in {self.home} already runs with {name} {shown}",
            hint=f"`skyray down --home {self.home}` stops it; --home DIR gives another deployment its own home",
        )


def options_to_json(options: LocalRayOptions) -> dict[str, Any]:
    """Options of a local Ray as JSON-ready data."""
    return {
        "num_cpus": options.num_cpus,
        "num_gpus": options.num_gpus,
        "resources": {name: float(quantity) for name, quantity in sorted(options.resources.items())},
    }


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """Settings as JSON-ready data, without the token."""
    return {name: value for name, value in asdict(settings).items() if name != "token"}


def settings_of(deployment: Deployment) -> Settings:
    """The settings that a deployment was asked for, as far as this version knows them."""
    known = {each.name for each in fields(Settings)}
    return Settings(**{name: value for name, value in deployment.settings.items() if name in known})


def read(home: Path) -> Deployment | None:
    """What is written down in ``home``; None if nothing is."""
    path = home / "deployment.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("format") != _FORMAT:
            raise InvalidInputError(f"{path} was written by another version of Skyray", hint="use that one for `down`")
        local_ray = data.pop("local_ray")
        keeper = data.pop("keeper", None)
        return Deployment(
            **data,
            local_ray=LocalRay.from_json(local_ray) if local_ray else None,
            keeper=ProcessIdentity(**keeper) if keeper else None,
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(f"cannot read {path}: {type(error).__name__}: {error}") from None


def write(deployment: Deployment) -> None:
    """Write the file atomically, mode 0600: it holds the database's password."""
    data = {"format": _FORMAT, **asdict(deployment)}
    data["local_ray"] = deployment.local_ray.to_json() if deployment.local_ray else None
    write_private(Path(deployment.home) / "deployment.json", json.dumps(data, indent=2) + "\n")


def forget(home: Path) -> None:
    """Remove the file: nothing of the deployment runs any more."""
    (home / "deployment.json").unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all of it or nothing."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


@contextlib.contextmanager
def locked(home: Path, say: Callable[[str], None]) -> Iterator[None]:
    """One ``up`` or ``down`` at a time in a home. The lock goes with its process."""
    descriptor = os.open(home / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS_MAX
        waited = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ConflictError(f"another `skyray up` or `down` is still at work in {home}") from None
                if not waited:
                    say("another `skyray up` or `down` is at work in this home; waiting for it")
                    waited = True
                time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)
