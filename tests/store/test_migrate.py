"""Migrations: from nothing, again, in a race, from a newer version; and what a deployment starts with."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from tests.store.examples import sql

from skyray.errors import ConflictError, DatabaseVersionError, InvalidInputError
from skyray.store.errors import StoreUnavailableError
from skyray.store.migrate import SchemaStatus, check, migrate, require_current, seed

HEAD = "0001"


def test_empty_database_is_brought_up(new_database: Callable[..., str]) -> None:
    url = new_database()
    assert check(url) == SchemaStatus(None, HEAD, "empty")
    with pytest.raises(DatabaseVersionError, match="has no Skyray schema"):
        require_current(url)
    assert migrate(url) == ["0001"]
    assert check(url) == SchemaStatus(HEAD, HEAD, "current")
    assert migrate(url) == []
    require_current(url)


def test_two_at_once_take_turns(new_database: Callable[..., str]) -> None:
    url = new_database()
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [[], [], [], ["0001"]]


def test_database_of_a_newer_version_is_refused(url: str) -> None:
    sql(url, "UPDATE schema_revision SET version_num = '9999'")
    assert check(url) == SchemaStatus("9999", HEAD, "ahead")
    for call in (migrate, require_current):
        with pytest.raises(DatabaseVersionError, match="9999, which this version does not know"):
            call(url)


def test_failed_migration_leaves_nothing(new_database: Callable[..., str]) -> None:
    url = new_database()
    sql(url, "CREATE TABLE pool (mine integer)")
    with pytest.raises(Exception, match="already exists"):
        migrate(url)
    assert sql(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [("pool",)]


def test_database_that_is_away_is_unavailable() -> None:
    for call in (migrate, check, seed):
        with pytest.raises(StoreUnavailableError):
            call("postgresql://nobody@127.0.0.1:1/none")


def test_seed_puts_in_what_is_missing(url: str) -> None:
    seed(url, default_pool_slots=7, partitions=3)
    assert sql(url, "SELECT name, slots FROM pool") == [("default_pool", 128)]
    assert sql(url, "SELECT partition, epoch FROM leadership ORDER BY 1") == [(0, 0), (1, 0), (2, 0)]
    seed(url, partitions=2)
    assert sql(url, "SELECT value FROM setting WHERE name = 'partitions'") == [("2",)]


def test_partitions_are_fixed_once_there_are_dags(url: str) -> None:
    sql(
        url,
        """INSERT INTO dag (dag_id, partition, bundle_name, relative_path, version, is_paused, header)
           VALUES ('etl', 0, 'dags', 'etl.py', 1, false, '{}')""",
    )
    seed(url, partitions=1)
    with pytest.raises(ConflictError, match="this database has DAGs in 1"):
        seed(url, partitions=2)


def test_senseless_seeds_are_refused(url: str) -> None:
    with pytest.raises(InvalidInputError):
        seed(url, partitions=0)
    with pytest.raises(InvalidInputError):
        seed(url, default_pool_slots=-2)
