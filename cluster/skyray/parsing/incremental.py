"""Parse a whole bundle, and again after an edit: only the files that the edit can concern.

What a DAG depends on is its *source*: its own file, the bundle's files that it imports, and every file of the bundle
that defines no DAGs (helpers, also those imported later by a running task; SQL, YAML, …). ``source_hash`` is the hash
of that. The same hash means the same result, so it is not parsed anew; and an edit of a neighbour's DAG file changes
it not, so it makes no new version. Called by the DagProcessor, with one ``BundleParser`` for each bundle name.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from skyray.core.parsed import Bundle, ParsedDag, ParsedFile, ParseError
from skyray.parsing.ignore import IgnoreRules, is_ignored, read_rules
from skyray.parsing.pool import FileResult, ParserPool

AIRFLOW_IGNORE_FILE = ".airflowignore"
_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class _Known:
    """A file's newest result, and the source hash that it was made from."""

    result: FileResult
    source_hash: str


@dataclass(frozen=True)
class _Import:
    """One that is under way, and what the bundle's files were when it began."""

    task: asyncio.Task[FileResult]
    hashes: Mapping[str, str]


class BundleParser:
    """Remembers one bundle's results from one version to the next."""

    def __init__(self, pool: ParserPool) -> None:
        self._pool = pool
        self._known: dict[str, _Known] = {}
        self._hashes: dict[str, str] = {}
        self._imports: dict[str, _Import] = {}
        self._kinds: dict[str, FileResult] = {}  # the last results, also of files whose next import is under way

    @property
    def under_way(self) -> list[asyncio.Task[FileResult]]:
        """The imports that the last ``parse`` did not wait for, and no later one has taken in. Parse again when one has
        ended."""
        return [each.task for each in self._imports.values()]

    async def parse(
        self, bundle: Bundle, root: Path, *, fresh: bool = False, patience_seconds: float | None = None
    ) -> tuple[ParsedFile, ...]:
        """The results of every DAG file of the bundle, which is unpacked at ``root``. ``fresh``: trust no old result.

        DAG files are the ``.py`` files that contain both "dag" and "skyray", in any case (Airflow's safe mode), and
        that no ``.airflowignore`` names. Where a file takes longer than ``patience_seconds`` it comes back as pending,
        and its import goes on: ``root`` must stay until it is no longer ``under_way``.
        """
        hashes = dict(bundle.files)
        candidates = await asyncio.to_thread(find_dag_files, bundle, root)
        deadline = None if patience_seconds is None else asyncio.get_running_loop().time() + patience_seconds
        self._take_in(hashes, candidates, fresh)
        known = {} if fresh else {path: self._known[path] for path in candidates if path in self._known}
        results = {path: each.result for path, each in known.items() if self._hashes.get(path) == hashes[path]}
        due = [path for path in candidates if path not in results]
        parsed: set[str] = set()
        while True:
            for path in due:
                if path not in self._imports:
                    task = asyncio.ensure_future(self._pool.parse(root, path, bundle.digest))
                    self._imports[path] = _Import(task, hashes)
            parsed |= await self._wait(due, deadline, results)
            kinds = {path: results.get(path) or self._kinds.get(path) or _unknown(path) for path in candidates}
            sources = source_hashes(hashes, kinds)
            due = [path for path in results if path not in parsed and sources[path] != known[path].source_hash]
            if not due:
                break
            for path in due:
                del results[path]
        self._known = {path: _Known(result, sources[path]) for path, result in results.items()}
        self._hashes, self._kinds = hashes, kinds
        return tuple(_parsed_file(path, results.get(path), sources[path]) for path in candidates)

    async def close(self) -> None:
        """End what is under way."""
        tasks = self.under_way
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._imports.clear()

    def _take_in(self, hashes: Mapping[str, str], candidates: list[str], fresh: bool) -> None:
        """Make known what has ended since the last time, and end what is no longer wanted."""
        for path, each in list(self._imports.items()):
            is_wanted = not fresh and path in candidates and each.hashes[path] == hashes[path]
            if is_wanted and not each.task.done():
                continue
            del self._imports[path]
            if not is_wanted:
                each.task.cancel()
            elif not each.task.cancelled() and each.task.exception() is None:
                result = each.task.result()
                source = source_hashes(each.hashes, {**self._kinds, path: result})[path]
                self._known[path] = _Known(result, source)
                self._hashes[path] = hashes[path]

    async def _wait(self, due: list[str], deadline: float | None, results: dict[str, FileResult]) -> set[str]:
        """Wait for the imports of ``due``, put those that ended into ``results``, and return their paths."""
        if due:
            left = None if deadline is None else max(deadline - asyncio.get_running_loop().time(), 0.0)
            await asyncio.wait([self._imports[path].task for path in due], timeout=left)
        ended = {path for path in due if self._imports[path].task.done()}
        for path in ended:
            results[path] = self._imports.pop(path).task.result()
        return ended


def find_dag_files(bundle: Bundle, root: Path) -> list[str]:
    """The paths of the bundle's files that may define DAGs, sorted. Reads them; imports nothing."""
    paths = [path for path, _ in bundle.files]
    rules: list[IgnoreRules] = []
    for path in sorted(path for path in paths if path.rpartition("/")[2] == AIRFLOW_IGNORE_FILE):
        rules += read_rules(root / path, path[: -len(AIRFLOW_IGNORE_FILE)])
    return [
        path for path in paths if path.endswith(".py") and not is_ignored(rules, path) and _is_dag_file(root / path)
    ]


def _is_dag_file(file: Path) -> bool:
    text = file.read_bytes().lower()
    return b"dag" in text and b"skyray" in text


def source_hashes(files: Mapping[str, str], results: Mapping[str, FileResult]) -> dict[str, str]:
    """The source hash of every parsed file. ``files``: every file of the bundle and the hash of its content.

    A file that failed counts as one that defines DAGs: it usually does, and its repair is no change of its neighbours.
    Empty files count for nothing, for the same reason: a DAG file is empty for a moment while it is being saved.
    """
    defines_dags = {path for path, result in results.items() if result.specs or result.errors}
    common = _hash((path, files[path]) for path in files if path not in defines_dags and files[path] != _EMPTY)

    def source_of(path: str, result: FileResult) -> str:
        imports = defines_dags if result.imports is None else {path, *result.imports} & defines_dags
        return _hash([("", common), *((each, files[each]) for each in sorted(imports) if each in files)])

    return {path: source_of(path, result) for path, result in results.items()}


def _hash(pairs: Iterable[tuple[str, str]]) -> str:
    listing = hashlib.sha256()
    for path, digest in pairs:
        listing.update(f"{len(path)} {path} {digest}\n".encode())
    return listing.hexdigest()


def _unknown(path: str) -> FileResult:
    """Stands for a file that was never imported to its end: until then it counts as one that defines DAGs."""
    return FileResult(path, (), (ParseError(path, None, None, "", ""),), (path,), 0.0)


def _parsed_file(path: str, result: FileResult | None, source_hash: str) -> ParsedFile:
    if result is None:
        return ParsedFile(path, (), (), 0.0, is_pending=True)
    pairs = zip(result.specs, result.pool_lines, strict=True)
    dags = tuple(ParsedDag(spec, source_hash, pool_lines) for spec, pool_lines in pairs)
    return ParsedFile(path, dags, result.errors, result.duration_seconds)
