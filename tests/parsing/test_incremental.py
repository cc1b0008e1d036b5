"""After an edit exactly those files are parsed, and those DAGs get another source hash, that it can concern."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from skyray.core.parsed import ParsedFile
from skyray.parsing.bundle import pack, unpack
from skyray.parsing.incremental import BundleParser, find_dag_files
from skyray.parsing.pool import FileResult, ParserPool

DAG = "from skyray import DAG\n{more}\ndag = DAG('{name}')\n"
BROKEN = "from skyray import DAG\nraise ValueError\n"


class CountingPool(ParserPool):
    """A real pool that notes what it was asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder=folder, processes=2, timeout_seconds=20.0, memory_bytes=1 << 30)
        self.parsed: list[str] = []

    async def parse(self, root: Path, path: str, digest: str) -> FileResult:
        self.parsed.append(path)
        return await super().parse(root, path, digest)


class Folder:
    """A folder that is edited and parsed."""

    def __init__(self, path: Path, files: dict[str, str]) -> None:
        self.dags = path / "dags"
        self.work = path / "work"
        self.pool = CountingPool(path / "results")
        self.parser = BundleParser(self.pool)
        self.edit(files)

    def edit(self, files: dict[str, str | None]) -> None:
        for name, text in files.items():
            path = self.dags / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True) if text is None else path.write_text(text)

    async def parse(
        self,
        files: dict[str, str | None] | None = None,
        *,
        fresh: bool = False,
        patience_seconds: float | None = None,
    ) -> dict[str, ParsedFile]:
        self.edit(files or {})
        bundle = pack(self.dags, max_bytes=1 << 20)
        root = self.work / bundle.digest
        unpack(bundle.content, root, max_bytes=1 << 20)
        self.pool.parsed = []
        parsed = await self.parser.parse(bundle, root, fresh=fresh, patience_seconds=patience_seconds)
        return {file.path: file for file in parsed}


def hashes(files: dict[str, ParsedFile]) -> dict[str, str]:
    return {dag.spec.dag_id: dag.source_hash for file in files.values() for dag in file.dags}


def changed(before: dict[str, ParsedFile], after: dict[str, ParsedFile]) -> list[str]:
    first, second = hashes(before), hashes(after)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


FILES = {
    "a.py": DAG.format(name="a", more="import helper"),
    "b.py": DAG.format(name="b", more="import a"),
    "c.py": DAG.format(name="c", more=""),
    "helper.py": "x = 1\n",
    "query.sql": "select 1",
    "ignored.py": DAG.format(name="ignored", more=""),
    ".airflowignore": "ignored.py\n",
}


@pytest.mark.parametrize(
    ("edit", "parsed", "new_versions"),
    [
        ({}, [], []),
        ({"c.py": FILES["c.py"] + "# x"}, ["c.py"], ["c"]),
        ({"a.py": FILES["a.py"] + "# x"}, ["a.py", "b.py"], ["a", "b"]),
        ({"b.py": FILES["b.py"] + "# x"}, ["b.py"], ["b"]),
        ({"helper.py": "x = 2\n"}, ["a.py", "b.py", "c.py"], ["a", "b", "c"]),
        ({"query.sql": "select 2"}, ["a.py", "b.py", "c.py"], ["a", "b", "c"]),
        ({"new.py": DAG.format(name="new", more="")}, ["new.py"], ["new"]),
        ({"new.py": BROKEN}, ["new.py"], []),
        ({"c.py": BROKEN}, ["c.py"], ["c"]),
        ({"c.py": None}, [], ["c"]),
        ({"c.py": ""}, [], ["c"]),
        ({"a.py": BROKEN}, ["a.py", "b.py"], ["a", "b"]),
    ],
)
def test_an_edit_concerns_only_what_depends_on_it(
    tmp_path: Path, edit: dict[str, str | None], parsed: list[str], new_versions: list[str]
) -> None:
    async def run() -> None:
        folder = Folder(tmp_path, FILES)
        before = await folder.parse()
        assert sorted(folder.pool.parsed) == ["a.py", "b.py", "c.py"]
        assert sorted(hashes(before)) == ["a", "b", "c"]
        after = await folder.parse(edit)
        assert sorted(folder.pool.parsed) == parsed
        assert changed(before, after) == new_versions
        back = await folder.parse(dict(FILES) | {name: None for name in edit if name not in FILES})
        assert hashes(back) == hashes(before)
        await folder.pool.close()

    asyncio.run(run())


def test_a_file_that_failed_is_tried_again_when_what_it_lacked_is_there(tmp_path: Path) -> None:
    async def run() -> None:
        folder = Folder(tmp_path, {"a.py": DAG.format(name="a", more="import later"), "c.py": FILES["c.py"]})
        assert [error.line for error in (await folder.parse())["a.py"].errors] == [2]
        after = await folder.parse({"later.py": DAG.format(name="later", more="")})
        assert sorted(hashes(after)) == ["a", "c", "later"]
        assert sorted(folder.pool.parsed) == ["a.py", "later.py"]
        await folder.pool.close()

    asyncio.run(run())


def test_fresh_parses_everything(tmp_path: Path) -> None:
    async def run() -> None:
        folder = Folder(tmp_path, FILES)
        before = await folder.parse()
        assert hashes(await folder.parse(fresh=True)) == hashes(before)
        assert sorted(folder.pool.parsed) == ["a.py", "b.py", "c.py"]
        await folder.pool.close()

    asyncio.run(run())


@pytest.mark.parametrize("edit", [{}, {"c.py": FILES["c.py"] + "# x"}, {"helper.py": "x = 2\n"}])
def test_a_slow_file_is_taken_in_later_unless_what_it_imports_has_changed(
    tmp_path: Path, edit: dict[str, str | None]
) -> None:
    async def run() -> None:
        slow = DAG.format(name="slow", more="import helper, time; time.sleep(0.6)")
        folder = Folder(tmp_path, {"c.py": FILES["c.py"], "helper.py": FILES["helper.py"]})
        before = await folder.parse()
        first = await folder.parse({"slow.py": slow}, patience_seconds=0.2)
        assert [file.path for file in first.values() if file.is_pending] == ["slow.py"]
        assert hashes(first) == hashes(before), "who waits for nothing notices nothing"
        await folder.parse(edit, patience_seconds=0.0)
        await asyncio.wait(folder.parser.under_way)
        after = await folder.parse()
        assert not any(file.is_pending for file in after.values())
        assert sorted(hashes(after)) == ["c", "slow"]
        assert ("slow.py" in folder.pool.parsed) == ("helper.py" in edit)
        assert hashes(await folder.parse(fresh=True)) == hashes(after)
        await folder.pool.close()

    asyncio.run(run())


def test_a_file_that_stops_defining_dags_becomes_a_helper_of_all(tmp_path: Path) -> None:
    async def run() -> None:
        folder = Folder(tmp_path, {name: FILES[name] for name in ("c.py", "helper.py")} | {"d.py": "# skyray dag\n"})
        before = await folder.parse()
        after = await folder.parse({"d.py": DAG.format(name="d", more="")})
        assert changed(before, after) == ["c", "d"]
        await folder.pool.close()

    asyncio.run(run())


def test_only_files_that_speak_of_dags_and_skyray_are_looked_at(tmp_path: Path) -> None:
    files = {
        "yes.py": "from skyray import dag",
        "YES.py": "SKYRAY DAG",
        "no_dag.py": "import skyray",
        "no_skyray.py": "dag = 1",
        "text.txt": "skyray dag",
        "sub/off.py": "skyray dag",
        "sub/on.py": "skyray dag",
        "sub/.airflowignore": "off*\n",
    }
    folder = Folder(tmp_path, files)
    bundle = pack(folder.dags, max_bytes=1 << 20)
    assert find_dag_files(bundle, folder.dags) == ["YES.py", "sub/on.py", "yes.py"]
