"""Publishing bundles: versions, ownership, retirement, import errors, and what leaders are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.store.examples import a_bundle, a_file, a_run, a_spec, sql

from skyray.core.events import CommandResult, Effects
from skyray.core.model import DagSpec
from skyray.core.parsed import BundleHead, ParsedFile, ParseError, PublishedDag, PublishReport
from skyray.errors import NotFoundError
from skyray.store import catalog as catalog_module
from skyray.store.catalog import Catalog
from skyray.store.errors import StoreConflictError, StoreUnavailableError
from skyray.store.leader_lock import LeaderLock
from skyray.store.writer import LeaderStore


@pytest.fixture
def catalog(url: str) -> Iterator[Catalog]:
    made = Catalog(url)
    for number in range(1, 6):
        made.put_bundle(a_bundle(f"digest-{number}"))
    yield made
    made.close()


@pytest.fixture
def leader(url: str) -> Iterator[LeaderStore]:
    lock = LeaderLock(url, 0, "leader")
    epoch = lock.acquire(threading.Event())
    assert epoch is not None
    store = LeaderStore(url, 0, epoch)
    store.load_snapshot()
    yield store
    store.close()
    lock.release()


def publish(
    catalog: Catalog, *files: ParsedFile, digest: str = "digest-1", name: str = "dags", **how: Any
) -> PublishReport:
    options = {"kind": "folder", "partitions": 1, "paused_by_default": False, **how}
    return catalog.publish(name, options.pop("kind"), digest, files, **options)


def learn(leader: LeaderStore) -> None:
    """Have the leader take over what was published."""
    commands = leader.pending_commands(0)
    leader.commit(Effects(results=[CommandResult(each.command_id, {}) for each in commands]))


def stored(url: str, dag_id: str = "etl") -> tuple[Any, ...]:
    """(live version, its edition, its bundle, number of its tasks)"""
    query = """SELECT v.version, v.edition, v.bundle_digest, json_array_length(v.spec -> 'tasks')
                 FROM dag JOIN dag_version v USING (dag_id, version) WHERE dag_id = %s"""
    return sql(url, query, dag_id)[0]


def test_bundle_content_comes_back(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "PART_BYTES", 10)
    for content in (b"", b"x" * 10, bytes(range(256))):
        bundle = a_bundle(f"of-{len(content)}", content=content)
        catalog.put_bundle(bundle)
        catalog.put_bundle(bundle)
        assert catalog.get_bundle(bundle.digest) == content


def test_unknown_bundle_is_not_found(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError):
        catalog.get_bundle("none")
    with pytest.raises(NotFoundError):
        publish(catalog, digest="none")


def test_first_publication_makes_version_one_and_tells_the_leader(catalog: Catalog, leader: LeaderStore) -> None:
    spec = a_spec(tags=("a", "b"), description='it\'s \\ "quoted" {x}')
    assert publish(catalog, a_file(spec)) == PublishReport((PublishedDag("etl", 1, True),), (), (), (0,))
    assert catalog.bundle_heads() == [BundleHead("dags", "digest-1", "folder")]
    (command,) = leader.pending_commands(0)
    assert (command.kind, command.payload) == ("dag_changed", {"dag_id": "etl"})
    assert command.version is not None
    assert command.version.spec == spec
    assert command.dag is not None
    assert (command.dag.version, command.dag.is_paused, command.dag.bundle_name) == (1, False, "dags")


def test_same_again_changes_nothing(catalog: Catalog, url: str) -> None:
    publish(catalog, a_file(a_spec(line=3)))
    before = sql(url, "SELECT * FROM dag"), sql(url, "SELECT * FROM dag_version"), sql(url, "SELECT * FROM command")
    report = publish(catalog, a_file(a_spec(line=3)), digest="digest-2")  # a neighbour changed
    assert report == PublishReport((PublishedDag("etl", 1, False),))
    after = sql(url, "SELECT * FROM dag"), sql(url, "SELECT * FROM dag_version"), sql(url, "SELECT * FROM command")
    assert before == after


def test_another_line_is_shown_but_is_no_version(catalog: Catalog, url: str) -> None:
    publish(catalog, a_file(a_spec(line=3)))
    assert publish(catalog, a_file(a_spec(line=9))).partitions == ()
    assert sql(url, "SELECT version, header ->> 'line' FROM dag") == [(1, "9")]


@pytest.mark.parametrize("what", ["spec", "source"])
def test_change_without_runs_replaces_the_version(catalog: Catalog, url: str, what: str) -> None:
    publish(catalog, a_file(a_spec()))
    changed = a_file(a_spec("etl", "one")) if what == "spec" else a_file(a_spec(), source="source-2")
    report = publish(catalog, changed, digest="digest-2")
    assert report.dags == (PublishedDag("etl", 1, True),)
    assert report.partitions == (0,)
    assert stored(url) == (1, 2, "digest-2", 1 if what == "spec" else 2)


def test_change_with_runs_makes_a_version(catalog: Catalog, leader: LeaderStore, url: str) -> None:
    publish(catalog, a_file(a_spec()))
    learn(leader)
    leader.commit(Effects(runs_created=[a_run()]))
    assert publish(catalog, a_file(a_spec("etl", "one")), digest="digest-2").dags == (PublishedDag("etl", 2, True),)
    assert stored(url) == (2, 1, "digest-2", 1)
    versions = leader.load_snapshot().versions
    assert [(each.version, each.bundle_digest) for each in versions] == [(1, "digest-1"), (2, "digest-2")]


def test_run_of_a_replaced_version_is_refused(catalog: Catalog, leader: LeaderStore, url: str) -> None:
    publish(catalog, a_file(a_spec()))
    learn(leader)
    publish(catalog, a_file(a_spec("etl", "one")), digest="digest-2")
    with pytest.raises(StoreConflictError, match="replaced"):
        leader.commit(Effects(runs_created=[a_run()]))
    assert sql(url, "SELECT count(*) FROM dag_run") == [(0,)]
    leader.load_snapshot()
    leader.commit(Effects(runs_created=[a_run()]))
    assert stored(url)[:2] == (1, 2)


def test_run_in_the_batch_that_learns_of_a_replacement_is_refused(catalog: Catalog, leader: LeaderStore) -> None:
    publish(catalog, a_file(a_spec()))
    learn(leader)
    publish(catalog, a_file(a_spec("etl", "one")), digest="digest-2")
    (command,) = leader.pending_commands(0)
    answer = CommandResult(command.command_id, {})
    with pytest.raises(StoreConflictError, match="replaced"):
        leader.commit(Effects(runs_created=[a_run()], results=[answer]))


def test_run_in_the_batch_that_learns_of_a_new_dag_is_made(catalog: Catalog, leader: LeaderStore, url: str) -> None:
    publish(catalog, a_file(a_spec()))
    (command,) = leader.pending_commands(0)
    leader.commit(Effects(runs_created=[a_run()], results=[CommandResult(command.command_id, {})]))
    assert sql(url, "SELECT run_id FROM dag_run") == [("run-1",)]


def test_no_run_ever_belongs_to_another_content(url: str, catalog: Catalog, leader: LeaderStore) -> None:
    """A leader makes runs while a DagProcessor publishes, in all orders: each run's version is as it was then."""
    specs = [a_spec("etl", *(f"task-{n}" for n in range(count))) for count in range(1, 8)]
    publish(catalog, a_file(specs[0]))
    done = threading.Event()
    made: dict[int, DagSpec] = {}

    def edit() -> None:
        for number in range(100):
            done.wait(number % 10 / 500)
            publish(catalog, a_file(specs[number % len(specs)], source=f"s{number}"), digest=f"digest-{number % 5 + 1}")
        done.set()

    editor = threading.Thread(target=edit)
    editor.start()
    seq = refused = 0
    while not done.is_set() or seq < 3:
        versions = {each.version: each.spec for each in leader.load_snapshot().versions}
        live = max(versions)
        for _ in range(3):
            seq += 1
            try:
                leader.commit(Effects(runs_created=[a_run(seq, version=live)]))
                made[seq] = versions[live]
            except StoreConflictError:
                refused += 1
                break
    editor.join()
    query = "SELECT seq, spec FROM dag_run JOIN dag_version USING (dag_id, version)"
    assert {number: DagSpec.from_json(spec) for number, spec in sql(url, query)} == made
    assert made
    assert refused


def test_dag_starts_paused_as_it_or_the_deployment_says(catalog: Catalog, url: str) -> None:
    files = [a_file(a_spec("a")), a_file(a_spec("b", is_paused_upon_creation=False))]
    publish(catalog, *files, paused_by_default=True)
    assert sql(url, "SELECT dag_id, is_paused FROM dag ORDER BY 1") == [("a", True), ("b", False)]


def test_vanished_dag_is_retired_and_comes_back(catalog: Catalog, leader: LeaderStore, url: str) -> None:
    publish(catalog, a_file(a_spec("a")), a_file(a_spec("b")))
    learn(leader)
    report = publish(catalog, a_file(a_spec("a")), digest="digest-2")
    assert (report.retired, report.partitions) == (("b",), (0,))
    assert [(each.kind, each.payload["dag_id"]) for each in leader.pending_commands(0)] == [("dag_retired", "b")]
    assert publish(catalog, a_file(a_spec("a")), digest="digest-2").retired == ()
    learn(leader)
    report = publish(catalog, a_file(a_spec("a")), a_file(a_spec("b")), digest="digest-3")
    assert report.dags == (PublishedDag("a", 1, False), PublishedDag("b", 1, False))
    assert [(each.kind, each.payload["dag_id"]) for each in leader.pending_commands(0)] == [("dag_changed", "b")]
    assert sql(url, "SELECT is_retired FROM dag WHERE dag_id = 'b'") == [(False,)]


def test_broken_file_keeps_what_it_defined(catalog: Catalog, url: str) -> None:
    publish(catalog, a_file(a_spec("a")), a_file(a_spec("b"), a_spec("c"), path="two.py"))
    broken = ParsedFile("a.py", (), (ParseError("a.py", None, 3, "SyntaxError: x", "trace"),), 0.0)
    partly = ParsedFile("two.py", a_file(a_spec("c")).dags, (ParseError("two.py", "b", 5, "ValueError: y", ""),), 0.0)
    report = publish(catalog, broken, partly, digest="digest-2")
    assert report.retired == ()
    assert [error.dag_id for error in report.errors] == [None, "b"]
    rows = sql(url, "SELECT path, dag_id, line, message, traceback FROM import_error ORDER BY path")
    assert rows == [("a.py", None, 3, "SyntaxError: x", "trace"), ("two.py", "b", 5, "ValueError: y", "")]
    publish(catalog, a_file(a_spec("a")), a_file(a_spec("b"), a_spec("c"), path="two.py"))
    assert sql(url, "SELECT count(*) FROM import_error") == [(0,)]


def test_a_file_that_is_still_being_imported_keeps_its_dags_and_its_errors(catalog: Catalog, url: str) -> None:
    error = ParseError("two.py", None, 3, "ValueError: x", "")
    publish(catalog, a_file(a_spec("a")), a_file(a_spec("b"), path="two.py"))
    publish(catalog, a_file(a_spec("a")), ParsedFile("two.py", (), (error,), 0.0))
    pending = ParsedFile("two.py", (), (), 0.0, is_pending=True)
    assert publish(catalog, a_file(a_spec("a")), pending, digest="digest-2").retired == ()
    assert sql(url, "SELECT path FROM import_error") == [("two.py",)]
    assert publish(catalog, a_file(a_spec("a")), digest="digest-3").retired == ("b",)
    assert sql(url, "SELECT count(*) FROM import_error") == [(0,)]


def test_dag_of_another_bundle_is_refused_until_retired(catalog: Catalog, url: str) -> None:
    publish(catalog, a_file(a_spec()))
    report = publish(catalog, a_file(a_spec("etl", "mine"), path="mine.py"), name="mine", kind="submitted")
    assert report.dags == ()
    (error,) = report.errors
    assert (error.path, error.dag_id) == ("mine.py", "etl")
    assert error.message == "DuplicateDagError: DAG 'etl' is defined already, in bundle 'dags' (etl.py)"
    publish(catalog)
    report = publish(catalog, a_file(a_spec("etl", "mine"), path="mine.py"), name="mine", kind="submitted")
    assert [each.dag_id for each in report.dags] == ["etl"]
    assert sql(url, "SELECT bundle_name, relative_path, is_retired FROM dag") == [("mine", "mine.py", False)]


def test_of_two_files_the_one_that_had_the_dag_keeps_it(catalog: Catalog, url: str) -> None:
    publish(catalog, a_file(a_spec(), path="z.py"))
    report = publish(catalog, a_file(a_spec(), path="a.py"), a_file(a_spec(), path="z.py"))
    assert [error.path for error in report.errors] == ["a.py"]
    assert sql(url, "SELECT relative_path FROM dag") == [("z.py",)]


def test_text_that_postgres_cannot_store_is_no_obstacle(catalog: Catalog, leader: LeaderStore) -> None:
    spec = a_spec(description="nul \x00 and \udc80", tags=("t\x00",))
    error = ParseError("x.py", None, 1, "ValueError: \x00\udc80", "")
    publish(catalog, a_file(spec), ParsedFile("x.py", (), (error,), 0.0))
    (command,) = leader.pending_commands(0)
    assert command.version is not None
    assert command.version.spec == spec


def test_dag_that_is_no_json_is_an_import_error(catalog: Catalog) -> None:
    report = publish(catalog, a_file(a_spec(params=(("p", {"value": float("nan")}),))), a_file(a_spec("b")))
    assert [each.dag_id for each in report.dags] == ["b"]
    assert report.errors[0].message.startswith("ValueError: DAG 'etl' cannot be stored as JSON")


def test_partitions_divide_the_dags(catalog: Catalog, url: str) -> None:
    report = publish(catalog, *(a_file(a_spec(f"dag-{n}")) for n in range(20)), partitions=4)
    assert report.partitions == (0, 1, 2, 3)
    assert len({row[0] for row in sql(url, "SELECT DISTINCT partition FROM command")}) == 4


def test_broken_connection_is_unavailable_and_then_replaced(catalog: Catalog, url: str) -> None:
    assert catalog.pool_names() == {"default_pool"}
    sql(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'skyray-dag-processor'")
    with pytest.raises(StoreUnavailableError):
        catalog.pool_names()
    assert catalog.pool_names() == {"default_pool"}
