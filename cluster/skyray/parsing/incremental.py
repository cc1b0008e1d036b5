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

from skyray.core.parsed import Bundle, ParsedDag, ParsedFile
from skyray.parsing.ignore import IgnoreRules, is_ignored, read_rules
from skyray.parsing.pool import FileResult, ParserPool

AIRFLOW_IGNORE_FILE = ".airflowignore"
_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class _Known:
    """A file's newest result, and the source hash that it was made from."""

    result: FileResult
    source_hash: str


class BundleParser:
    """Remembers one bundle's results from one version to the next."""

    def __init__(self, pool: ParserPool) -> None:
        self._pool = pool
        self._known: dict[str, _Known] = {}
        self._hashes: dict[str, str] = {}

    async def parse(self, bundle: Bundle, root: Path, *, fresh: bool = False) -> tuple[ParsedFile, ...]:
        """The results of every DAG file of the bundle, which is unpacked at ``root``. ``fresh``: trust no old result.

        DAG files are the ``.py`` files that contain both "dag" and "skyray", in any case (Airflow's safe mode), and
        that no ``.airflowignore`` names.
        """
        hashes = dict(bundle.files)
        candidates = await asyncio.to_thread(find_dag_files, bundle, root)
        known = {} if fresh else {path: self._known[path] for path in candidates if path in self._known}
        results = {path: each.result for path, each in known.items() if self._hashes.get(path) == hashes[path]}
        due = [path for path in candidates if path not in results]
        parsed: set[str] = set()
        while True:
            for result in await asyncio.gather(*(self._pool.parse(root, path, bundle.digest) for path in due)):
                results[result.path] = result
            parsed.update(due)
            sources = source_hashes(hashes, results)
            due = [path for path in results if path not in parsed and sources[path] != known[path].source_hash]
            if not due:
                break
        self._known = {path: _Known(result, sources[path]) for path, result in results.items()}
        self._hashes = hashes
        return tuple(_parsed_file(results[path], sources[path]) for path in candidates)


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


def _parsed_file(result: FileResult, source_hash: str) -> ParsedFile:
    pairs = zip(result.specs, result.pool_lines, strict=True)
    dags = tuple(ParsedDag(spec, source_hash, pool_lines) for spec, pool_lines in pairs)
    return ParsedFile(result.path, dags, result.errors, result.duration_seconds)
