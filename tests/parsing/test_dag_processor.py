"""The DagProcessor publishes what the folder holds and what is submitted, whatever happens around it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from skyray.actors import dag_processor
from skyray.actors.dag_processor import FOLDER_BUNDLE, DagProcessor
from skyray.core.parsed import Bundle, BundleHead, ParsedFile, PublishedDag, PublishReport
from skyray.errors import ConflictError, InvalidInputError, NotFoundError
from skyray.parsing import pool
from skyray.parsing.bundle import pack
from skyray.settings import Settings
from skyray.store.catalog import Catalog
from skyray.store.errors import StoreUnavailableError
from skyray.store.migrate import migrate, seed

DEADLINE_SECONDS = 20.0


class FakeCatalog:
    """Keeps everything in memory, under the one rule that matters here: a broken file changes nothing."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.heads: dict[str, BundleHead] = {}
        self.published: dict[str, Sequence[ParsedFile]] = {}
        self.publications: list[tuple[str, tuple[str, ...]]] = []
        self.pools = {"default_pool"}
        self.failures = 0

    def put_bundle(self, bundle: Bundle) -> None:
        self.contents[bundle.digest] = bundle.content

    def get_bundle(self, digest: str) -> bytes:
        return self.contents[digest]

    def bundle_heads(self) -> list[BundleHead]:
        return list(self.heads.values())

    def pool_names(self) -> set[str]:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("the database is away")
        return self.pools

    def publish(
        self,
        bundle_name: str,
        kind: str,
        digest: str,
        files: Sequence[ParsedFile],
        *,
        partitions: int,
        paused_by_default: bool,
    ) -> PublishReport:
        assert digest in self.contents, "put_bundle comes first"
        self.heads[bundle_name] = BundleHead(bundle_name, digest, kind)
        self.published[bundle_name] = files
        dag_ids = tuple(dag.spec.dag_id for file in files for dag in file.dags)
        self.publications.append((bundle_name, dag_ids))
        return PublishReport(
            dags=tuple(PublishedDag(dag_id, 1, True) for dag_id in dag_ids),
            errors=tuple(error for file in files for error in file.errors),
            partitions=tuple(range(partitions)),
        )

    def dag_ids(self, bundle_name: str = FOLDER_BUNDLE) -> list[str]:
        return sorted(dag.spec.dag_id for file in self.published.get(bundle_name, ()) for dag in file.dags)


def dag_file(dag_id: str, **task: str) -> str:
    given = "".join(f", {name}={value!r}" for name, value in task.items())
    return (
        "from skyray import DAG\nfrom skyray.operators.empty import EmptyOperator\n"
        f"with DAG({dag_id!r}):\n    EmptyOperator(task_id='t'{given})\n"
    )


def packed(folder: Path, **files: str) -> Bundle:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return pack(folder, max_bytes=1 << 20)


def run(
    tmp_path: Path,
    scenario: Callable[[DagProcessor], Coroutine[Any, Any, None]],
    catalog: Any,
    rung: list[int] | None = None,
    **settings: Any,
) -> None:
    """Run a scenario with an actor, which is ended whatever happens."""

    async def main() -> None:
        processor = DagProcessor(
            Settings(home=str(tmp_path / "home"), **settings), catalog=catalog, notify=(rung or []).extend
        )
        try:
            await asyncio.wait_for(scenario(processor), 60)
        finally:
            await processor.close()

    asyncio.run(main())


async def until(condition: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> float:
    """Wait for a condition; how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


def test_a_submitted_bundle_is_published_and_its_leaders_are_woken(tmp_path: Path) -> None:
    catalog, rung = FakeCatalog(), [-1]
    bundle = packed(tmp_path / "b", good=dag_file("good"), bad="from skyray import DAG\nDAG('no such name!')")

    async def scenario(processor: DagProcessor) -> None:
        report = await processor.submit("mine", bundle.content, "r1")
        assert report["digest"] == bundle.digest
        assert report["dags"] == [{"dag_id": "good", "version": 1, "is_new": True}]
        assert [(error["path"], error["line"]) for error in report["errors"]] == [("bad.py", 2)]
        assert catalog.heads["mine"] == BundleHead("mine", bundle.digest, "submitted")
        assert rung[1:] in ([0, 1], [0, 1, 0, 1])
        again = await processor.submit("mine", bundle.content, "r1")
        assert again is report or again == report
        assert len(catalog.publications) == 1

    run(tmp_path, scenario, catalog, rung, partitions=2)


def test_what_is_no_bundle_is_refused_and_the_folders_name_is_taken(tmp_path: Path) -> None:
    async def scenario(processor: DagProcessor) -> None:
        with pytest.raises(InvalidInputError, match="not a zip archive"):
            await processor.submit("mine", b"nonsense", "r1")
        with pytest.raises(InvalidInputError):  # the same id may be used again after a failure
            await processor.submit("mine", b"nonsense", "r1")
        with pytest.raises(ConflictError, match="belongs to the watched folder"):
            await processor.submit(FOLDER_BUNDLE, b"", "r2")
        with pytest.raises(NotFoundError):
            await processor.reparse("nothing")

    run(tmp_path, scenario, FakeCatalog())


def test_a_saved_file_is_live_in_under_a_second(tmp_path: Path) -> None:
    catalog, dags = FakeCatalog(), tmp_path / "dags"
    packed(dags, **{f"f{n}": dag_file(f"d{n}") for n in range(20)})

    async def scenario(processor: DagProcessor) -> None:
        await until(lambda: len(catalog.dag_ids()) == 20)
        (dags / "new.py").write_text(dag_file("new"))
        assert await until(lambda: "new" in catalog.dag_ids()) < 1.0
        (dags / "new.py").unlink()
        assert await until(lambda: "new" not in catalog.dag_ids()) < 1.0
        (dags / "sub").mkdir()
        (dags / "sub" / "deep.py").write_text(dag_file("deep"))
        assert await until(lambda: "deep" in catalog.dag_ids()) < 1.0
        published = len(catalog.publications)
        (dags / "__pycache__").mkdir()
        (dags / "__pycache__" / "x.pyc").write_text("")
        (dags / "f0.py").write_text((dags / "f0.py").read_text())
        (dags / "last.py").write_text(dag_file("last"))
        await until(lambda: "last" in catalog.dag_ids())
        assert len(catalog.publications) - published <= 2

    run(tmp_path, scenario, catalog, dags_dir=str(dags))


def test_a_file_that_is_being_saved_is_never_seen_empty(tmp_path: Path) -> None:
    catalog, dags = FakeCatalog(), tmp_path / "dags"
    packed(dags, a=dag_file("a"), b=dag_file("b"))

    async def scenario(processor: DagProcessor) -> None:
        for n in range(20):
            (dags / "a.py").write_text("")
            (dags / "a.py").write_text(dag_file("a") + f"# {n}\n")
            before = len(catalog.publications)
            await until(lambda before=before: len(catalog.publications) > before)  # type: ignore[misc]
        assert {dag_ids for _, dag_ids in catalog.publications} == {("a", "b")}

    run(tmp_path, scenario, catalog, dags_dir=str(dags))


def test_a_hanging_file_does_not_keep_the_others_from_being_published(tmp_path: Path) -> None:
    catalog, dags = FakeCatalog(), tmp_path / "dags"
    packed(dags, good=dag_file("good"), hangs="'skyray dag'\nwhile True: pass")

    async def scenario(processor: DagProcessor) -> None:
        await until(lambda: catalog.dag_ids() == ["good"])
        (dags / "more.py").write_text(dag_file("more"))
        # What hangs is not tried again until it, or what it depends on, changes.
        assert await until(lambda: "more" in catalog.dag_ids()) < 1.0
        (dags / "hangs.py").write_text(dag_file("mended"))
        assert await until(lambda: "mended" in catalog.dag_ids()) < 1.0

    run(tmp_path, scenario, catalog, dags_dir=str(dags), parse_timeout_seconds=1.5)


def test_files_that_hang_for_long_hold_up_nobody_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "QUICK_SECONDS", 0.5)
    catalog, dags = FakeCatalog(), tmp_path / "dags"
    hanging = {f"a{number}": "'skyray dag'\nwhile True: pass" for number in range(5)}
    slow = "import time\ntime.sleep(1.5)\n" + dag_file("slow")
    packed(dags, **hanging, good=dag_file("good"), slow=slow)

    async def scenario(processor: DagProcessor) -> None:
        assert await until(lambda: "good" in catalog.dag_ids()) < 5.0
        assert {file.path for file in catalog.published[FOLDER_BUNDLE] if file.is_pending} >= {"a0.py"}
        (dags / "more.py").write_text(dag_file("more"))
        assert await until(lambda: "more" in catalog.dag_ids()) < 2.0
        assert "good" in catalog.dag_ids()
        for number in range(5):
            (dags / f"a{number}.py").unlink()
        await until(lambda: catalog.dag_ids() == ["good", "more", "slow"])
        await until(lambda: not processor._slow)
        assert not any(file.is_pending for file in catalog.published[FOLDER_BUNDLE])

    run(tmp_path, scenario, catalog, dags_dir=str(dags))


def test_a_folder_that_is_not_there_is_shown_and_waited_for(tmp_path: Path) -> None:
    catalog, dags = FakeCatalog(), tmp_path / "dags"

    async def scenario(processor: DagProcessor) -> None:
        await until(lambda: bool(processor._problems))
        info = await processor.info()
        assert info["problems"] == [f"dags_dir: {dags} does not exist"]
        packed(dags, a=dag_file("a"))
        await until(lambda: catalog.dag_ids() == ["a"])
        await until(lambda: not processor._problems)
        dags.rename(tmp_path / "away")
        await until(lambda: bool(processor._problems))
        assert catalog.dag_ids() == ["a"], "a folder that goes away retires nothing"

    run(tmp_path, scenario, catalog, dags_dir=str(dags))


def test_a_database_that_is_away_is_shown_and_waited_for(tmp_path: Path) -> None:
    catalog, dags = FakeCatalog(), tmp_path / "dags"
    catalog.failures = 5
    packed(dags, a=dag_file("a"))

    async def scenario(processor: DagProcessor) -> None:
        await until(lambda: "database" in processor._problems)
        assert (await processor.info())["problems"] == ["database: the database is away"]
        await until(lambda: catalog.dag_ids() == ["a"])
        assert (await processor.info())["problems"] == []

    run(tmp_path, scenario, catalog, dags_dir=str(dags))


def test_a_submit_tells_its_caller_that_the_database_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dag_processor, "DATABASE_BACKOFF_SECONDS", (0.001,))
    catalog = FakeCatalog()
    catalog.failures = 1_000_000
    packed(tmp_path / "dags", c=dag_file("c"))  # which waits for the database for ever, and holds up nobody
    bundle = packed(tmp_path / "b", a=dag_file("a"))

    async def scenario(processor: DagProcessor) -> None:
        with pytest.raises(StoreUnavailableError):
            await processor.submit("mine", bundle.content, "r1")
        catalog.failures = 0
        assert (await processor.submit("mine", bundle.content, "r1"))["dags"]
        await until(lambda: catalog.dag_ids() == ["c"])

    run(tmp_path, scenario, catalog, dags_dir=str(tmp_path / "dags"))


def test_a_pool_that_does_not_exist_is_an_error_until_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dag_processor, "POOLS_RECHECK_SECONDS", 0.05)
    catalog = FakeCatalog()
    bundle = packed(tmp_path / "b", a=dag_file("a", pool="gpus"), b=dag_file("b"))

    async def scenario(processor: DagProcessor) -> None:
        report = await processor.submit("mine", bundle.content, "r1")
        (error,) = report["errors"]
        assert (error["path"], error["dag_id"], error["line"]) == ("a.py", "a", 4)
        assert "task 't' is in pool 'gpus': there is no such pool" in error["message"]
        assert catalog.dag_ids("mine") == ["b"]
        catalog.pools = {"default_pool", "gpus"}
        await until(lambda: catalog.dag_ids("mine") == ["a", "b"])

    run(tmp_path, scenario, catalog)


def test_a_new_life_goes_through_everything_again(tmp_path: Path) -> None:
    catalog, dags, rung = FakeCatalog(), tmp_path / "dags", [-1]
    packed(dags, a=dag_file("a"))
    bundle = packed(tmp_path / "b", b=dag_file("b"))

    async def first(processor: DagProcessor) -> None:
        await processor.submit("mine", bundle.content, "r1")
        await until(lambda: catalog.dag_ids() == ["a"])

    async def second(processor: DagProcessor) -> None:
        await until(lambda: len(catalog.publications) == 2)
        assert sorted(catalog.publications) == [(FOLDER_BUNDLE, ("a",)), ("mine", ("b",))]
        assert (await processor.info())["bundles"].keys() == {FOLDER_BUNDLE, "mine"}
        assert [report["dags"][0]["dag_id"] for report in await processor.reparse()] == ["a", "b"]
        assert [report["dags"][0]["dag_id"] for report in await processor.reparse("mine")] == ["b"]

    run(tmp_path, first, catalog, dags_dir=str(dags))
    catalog.publications = []
    run(tmp_path, second, catalog, rung, dags_dir=str(dags))
    assert 0 in rung


def test_nothing_of_an_author_is_imported_in_the_actors_process(tmp_path: Path) -> None:
    bundle = packed(
        tmp_path / "b",
        a=dag_file("a") + f"open({str(tmp_path / 'pid')!r}, 'w').write(str(__import__('os').getpid()))\n",
    )

    async def scenario(processor: DagProcessor) -> None:
        await processor.submit("mine", bundle.content)
        assert int((tmp_path / "pid").read_text()) != os.getpid()

    run(tmp_path, scenario, FakeCatalog())


def test_with_a_real_database(tmp_path: Path, postgres_url: str) -> None:
    migrate(postgres_url)
    seed(postgres_url, default_pool_slots=128, partitions=1)
    dags, rung = tmp_path / "dags", [-1]
    packed(dags, a=dag_file("a"), b=dag_file("b"))

    def rows(sql: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(postgres_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall()
        finally:
            connection.close()

    def live() -> list[tuple[Any, ...]]:
        return rows("SELECT dag_id, bundle_name, is_retired FROM dag ORDER BY dag_id")

    async def scenario(processor: DagProcessor) -> None:
        await until(lambda: live() == [("a", FOLDER_BUNDLE, False), ("b", FOLDER_BUNDLE, False)])
        (dags / "a.py").write_text("from skyray import DAG\n1 +")
        took = await until(lambda: rows("SELECT path, line FROM import_error") == [("a.py", 2)])
        assert took < 1.0
        assert live()[0] == ("a", FOLDER_BUNDLE, False), "a broken file keeps its DAGs"
        (dags / "a.py").unlink()
        await until(lambda: live() == [("a", FOLDER_BUNDLE, True), ("b", FOLDER_BUNDLE, False)])
        assert rows("SELECT count(*) FROM import_error") == [(0,)]
        taken = packed(tmp_path / "s", mine=dag_file("b"), other=dag_file("other"))
        report = await processor.submit("mine", taken.content, "r1")
        assert [dag["dag_id"] for dag in report["dags"]] == ["other"]
        assert [(error["path"], error["dag_id"]) for error in report["errors"]] == [("mine.py", "b")]
        replaced = packed(tmp_path / "s2", third=dag_file("third"))
        report = await processor.submit("mine", replaced.content, "r2")
        assert ([dag["dag_id"] for dag in report["dags"]], report["retired"]) == (["third"], ["other"])
        assert rung[1:]

    run(tmp_path, scenario, Catalog(postgres_url), rung, dags_dir=str(dags))
