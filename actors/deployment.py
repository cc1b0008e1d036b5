"""``skyray up`` and ``down``: which parts a deployment has, in which order they start, and what is undone if one fails.

    up:    home, token ─┬─ Postgres ── migrate ──┬─ control plane ── a task can run
                        ├─ Ray ──────────────────┤
                        └─ keeper, warming up ───┘
    down:  control plane ── keeper ── Ray ── Postgres          (each only if `up` started it)

Idempotent both ways: ``up`` starts what is missing, ``down`` stops what is left. Called by cli/up.py, down.py, demo.py.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from skyray.actors import deployment_state as state
from skyray.actors import local_ray, ray_access
from skyray.actors.deployment_state import Deployment
from skyray.actors.keeper import Keeper
from skyray.actors.keeper import end as end_keeper
from skyray.actors.local_ray import LocalRayOptions
from skyray.actors.processes import boot_id
from skyray.errors import ClusterUnreachableError, ConflictError, InvalidInputError
from skyray.settings import Settings

Say = Callable[[str], None]
_PART_NAMES = {"postgres": "Postgres", "ray": "Ray", "control plane": "control plane"}


def up(settings: Settings, ray_options: LocalRayOptions, *, say: Say) -> tuple[Deployment, bool]:
    """Start what is missing of the deployment in ``settings.home``; returns it once a task can run, and whether all of
    it was running before.

    ``say`` gets lines for people. What this call has started is stopped again if it fails or is interrupted. Raises
    ``ConflictError`` if a deployment with other options runs in the home.
    """
    home = prepare_home(settings.home_path)
    with state.locked(home, say):
        found = state.read(home)
        if found is not None and not _lives(found):
            found = _remains(found, settings)
        if found is not None and _lives(found):
            found.refuse_other(settings, ray_options)
            settings, ray_options = _as_it_runs(found, settings)
        settings = settings.with_options(token=_token(settings))
        return _Start(settings, ray_options, found, say).run()


def down(home: Path, *, say: Say, force: bool = False) -> bool:
    """Stop whatever ``up`` started in ``home``. False if nothing was running.

    ``force``: forget also what cannot be stopped, because the Ray cluster that it ran on is gone.
    """
    if not home.is_dir():
        return False
    with state.locked(home, say):
        found = state.read(home)
        if found is None:
            return False
        try:
            _stop(found, say)
        except ClusterUnreachableError as error:
            if not force:
                hint = "`skyray down --force` forgets this deployment if that Ray cluster is gone for good"
                raise ClusterUnreachableError(error.message, hint=hint) from None
            say(f"warning: {error.message}; forgetting what ran there")
        state.forget(home)
        return True


def remove(home: Path) -> None:
    """Remove the home of a stopped deployment with all its data, also what of it lies elsewhere."""
    from skyray.store.embedded import EmbeddedPostgres

    assert state.read(home) is None, f"a deployment runs in {home}"
    EmbeddedPostgres(home / "postgres").remove()
    for folder in (local_ray.folder_of(home), home):
        shutil.rmtree(folder, ignore_errors=True)


def prepare_home(home: Path) -> Path:
    """The home as an existing folder that only its owner can look into."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if home.stat().st_uid != os.getuid() and os.getuid() != 0:
            raise InvalidInputError(f"the home {home} belongs to somebody else", hint="--home DIR names another")
        home.chmod(0o700)
    except OSError as error:
        raise InvalidInputError(f"cannot use {home} as home: {error.strerror}") from None
    return home


# --------------------------------------------------------------------------------------------------------------- start
class _Start:
    """One ``up`` under way: what is there, what this call has started."""

    def __init__(self, settings: Settings, ray_options: LocalRayOptions, found: Deployment | None, say: Say) -> None:
        self._settings = settings
        self._ray_options = ray_options
        self._say = say
        self._home = settings.home_path
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._fresh = found is None
        self._url_before = found.database_url if found else ""
        self._started: set[str] = set()
        self._keeper: Keeper | None = None
        self._deployment = found or Deployment(
            home=str(self._home),
            settings=state.settings_to_json(settings),
            ray_options=state.options_to_json(ray_options),
            skyray_version=importlib.metadata.version("skyray"),
            started_at=time.time(),
            ray_namespace=settings.ray_namespace,
        )

    def run(self) -> tuple[Deployment, bool]:
        """Start everything that is missing, or nothing at all."""
        try:
            self._record()
            self._prepare_for_ray()
            self._start_keeper()
            with ThreadPoolExecutor(2, thread_name_prefix="skyray-up") as pool:
                parts = [pool.submit(self._start_ray), pool.submit(self._start_database)]
                try:
                    for part in as_completed(parts):
                        part.result()
                except BaseException:
                    self._stop_local_ray()  # so that its thread does not wait for it to come up
                    raise
            self._start_control_plane()
        except BaseException:
            self._undo()
            raise
        return self._deployment, not self._started

    def _start_database(self) -> None:
        from skyray.store import migrate

        url = self._settings.database_url
        if not url:
            from skyray.store.embedded import EmbeddedPostgres

            server = EmbeddedPostgres(self._home / "postgres")
            if not server.is_running():
                self._started.add("postgres")
                self._record(embedded_postgres=True)
            url = server.start()
            self._tell("postgres", url.rpartition("@")[2])
        for revision in migrate.migrate(url):
            self._say(f"database migrated to revision {revision}")
        migrate.seed(url, default_pool_slots=self._settings.default_pool_slots, partitions=self._settings.partitions)
        self._record(database_url=url)

    def _prepare_for_ray(self) -> None:
        """Set what Ray reads from the environment, before anything imports it."""
        if self._settings.ray_address:
            ray_access.check_address(self._settings.ray_address)
            ray_access.use_token_at_hand()
        else:
            ray_access.use_local_token(local_ray.make_token(self._home))

    def _start_ray(self) -> None:
        if self._settings.ray_address:
            ray_access.check_token(self._settings.ray_address)
            self._record(ray_address=self._settings.ray_address)
            return
        before = self._deployment.local_ray
        if before is None or not before.is_alive() or not before.address:
            self._started.add("ray")
            if before is not None:
                if before.address:
                    self._say("the local Ray has died; starting it again")
                local_ray.stop_processes(before)
                before = before if before.address else None  # one that an `up` launched, which was killed then
            ray = local_ray.start(
                self._home,
                self._ray_options,
                previous=before,
                launched=lambda launched: self._record(local_ray=launched),
            )
            self._record(local_ray=ray, ray_address=ray.address)
            self._tell("ray", ray.address)

    def _start_keeper(self) -> None:
        """Have a keeper warm up while the rest starts, unless the one that the actors belong to still lives."""
        keeper = self._deployment.keeper
        if keeper is not None and keeper.is_alive():
            ray = self._deployment.local_ray
            if self._deployment.has_control_plane and (ray is None or ray.is_alive()):
                return
            end_keeper(keeper)
        elif self._deployment.has_control_plane and keeper is not None:
            self._say(
                "warning: the process that keeps Ray's idle workers has died, so tasks after a pause start slowly; "
                "`skyray down` and `skyray up` mend it"
            )
        self._keeper = Keeper(self._home)
        self._record(keeper=self._keeper.identity)

    def _start_control_plane(self) -> None:
        if not self._deployment.has_control_plane:
            self._started.add("control plane")
        if not self._deployment.api_address:
            _check_api_port(self._settings)
        settings = self._settings.with_options(
            database_url=self._deployment.database_url,
            ray_address=self._deployment.ray_address,
            api_address=self._deployment.api_address or None,
        )
        # Actors that look for the database where it was are in the way.
        stop_first = self._url_before not in ("", self._deployment.database_url)
        self._record(has_control_plane=True)
        if self._keeper is not None:
            address = self._keeper.start_control_plane(settings, stop_first=stop_first)
        else:
            from skyray.actors import launch

            with ray_access.connected(self._deployment.ray_address, settings.ray_namespace, self._home):
                if stop_first:
                    launch.stop_control_plane(settings)
                address = launch.start_control_plane(settings)
        if self._settings.ray_address and "control plane" in self._started:
            with ray_access.connected(self._deployment.ray_address, settings.ray_namespace, self._home):
                ray_access.advise(self._say)
        self._record(api_address=address)
        self._tell("control plane", address)

    def _undo(self) -> None:
        """Stop what this call has started, and leave the record as it was before."""
        undone = self._deployment
        if not self._fresh:
            undone = undone.with_parts(
                has_control_plane=False,
                local_ray=undone.local_ray if "ray" in self._started else None,
                embedded_postgres="postgres" in self._started,
                keeper=self._keeper.identity if self._keeper else None,
            )
        if self._started or self._fresh:
            self._say("could not start everything; stopping what was started")
            _stop(undone, self._say)
        if self._fresh:
            state.forget(self._home)
        else:
            state.write(self._deployment)

    def _stop_local_ray(self) -> None:
        if "ray" in self._started and self._deployment.local_ray is not None:
            local_ray.stop(self._deployment.local_ray)

    def _record(self, **parts: object) -> None:
        with self._lock:
            self._deployment = self._deployment.with_parts(**parts)
            state.write(self._deployment)

    def _tell(self, part: str, where: str) -> None:
        """Say that a part is up, if this call has started it."""
        if part in self._started:
            self._say(f"{_PART_NAMES[part]} is up at {where} ({time.monotonic() - self._began:.1f} s)")


# ---------------------------------------------------------------------------------------------------------------- stop
def _stop(deployment: Deployment, say: Say) -> None:
    """Stop the parts that are written down, in order. All of them, also where one makes trouble; then raise that."""
    troubles: list[Exception] = []

    @contextlib.contextmanager
    def attempt() -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the others are stopped all the same
            troubles.append(error)

    if deployment.has_control_plane and deployment.local_ray is None:
        with attempt():
            _stop_control_plane(deployment)
            say(f"control plane stopped; the Ray at {deployment.ray_address} stays")
    if deployment.keeper is not None:
        with attempt():
            end_keeper(deployment.keeper)
    if deployment.local_ray is not None:
        with attempt():
            if ended := local_ray.stop(deployment.local_ray):
                say(f"Ray stopped ({ended} processes)")
    if deployment.embedded_postgres:
        from skyray.store.embedded import EmbeddedPostgres

        with attempt():
            EmbeddedPostgres(Path(deployment.home) / "postgres").stop()
            say("Postgres stopped")
    if troubles:
        raise troubles[0]


def _stop_control_plane(deployment: Deployment) -> None:
    ray_access.check_address(deployment.ray_address)
    ray_access.use_token_at_hand()
    ray_access.check_token(deployment.ray_address)
    settings = state.settings_of(deployment).with_options(
        database_url=deployment.database_url, ray_address=deployment.ray_address
    )
    from skyray.actors import launch

    with ray_access.connected(deployment.ray_address, deployment.ray_namespace, Path(deployment.home)):
        launch.stop_control_plane(settings)


# ------------------------------------------------------------------------------------------------------------- helpers
def _lives(deployment: Deployment) -> bool:
    """Whether anything that could conflict with new options still runs."""
    if deployment.local_ray is not None:
        return deployment.local_ray.is_alive()
    return deployment.has_control_plane


def _remains(found: Deployment, settings: Settings) -> Deployment | None:
    """What to build on where the local Ray of an earlier ``up`` is gone: its successor if nothing else has changed."""
    dead = found.local_ray
    same = found.settings == state.settings_to_json(settings)
    if dead is not None and dead.address and dead.head.boot_id == boot_id() and same:
        return found.with_parts(has_control_plane=False)
    if dead is not None:
        local_ray.stop(dead)
    return None


def _as_it_runs(found: Deployment, settings: Settings) -> tuple[Settings, LocalRayOptions]:
    """The options that the running deployment was started with."""
    ray_options = LocalRayOptions(**found.ray_options)
    return state.settings_of(found).with_options(home=settings.home, token=settings.token or None), ray_options


def _token(settings: Settings) -> str:
    """The admin token: as given, or the home's, or a new one; in the home's file in any case."""
    path = settings.token_path
    on_file = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    token = settings.token or on_file or secrets.token_urlsafe(32)
    if token != on_file or path.stat().st_mode & 0o077:
        state.write_private(path, token + "\n")
    return token


def _check_api_port(settings: Settings) -> None:
    """Refuse an API address that is taken, before an actor fails on it over and over. Only where it is on loopback."""
    host, _, port = settings.api_address.rpartition(":")
    if not port.isdigit() or host not in ("127.0.0.1", "localhost", "::1", "[::1]") or port == "0":
        return
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            raise ConflictError(
                f"the admin API cannot listen on {settings.api_address}: {error.strerror}",
                hint="--api-address 127.0.0.1:0 takes any free port; is another deployment running?",
            ) from None
