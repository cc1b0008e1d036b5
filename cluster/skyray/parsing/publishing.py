"""Between parsing and storing: what the store must offer, which DAGs it may not get, and how a report is told.

Pure, except for the protocol. Used by the DagProcessor.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

from skyray.core.model import DagSpec
from skyray.core.parsed import Bundle, BundleHead, ParsedDag, ParsedFile, ParseError, PublishReport

_TASKS_NAMED_MAX = 3


class DagCatalog(Protocol):
    """What the DagProcessor needs of the database (store.catalog.Catalog). Every call blocks, and may be made again.

    One thread at a time. Raises ``StoreUnavailableError`` while the database is away.
    """

    def put_bundle(self, bundle: Bundle) -> None:
        """Keep a bundle's content under its digest."""
        ...

    def get_bundle(self, digest: str) -> bytes:
        """The content kept under a digest."""
        ...

    def bundle_heads(self) -> Sequence[BundleHead]:
        """The newest bundle of every name."""
        ...

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
        """Make a bundle the newest of its name, in one transaction. ``kind`` is ``folder`` or ``submitted``."""
        ...

    def pool_names(self) -> Collection[str]:
        """The names of all pools."""
        ...


def refuse_unknown_pools(
    files: Sequence[ParsedFile], pools: Collection[str]
) -> tuple[tuple[ParsedFile, ...], frozenset[str]]:
    """The files with an error in place of every DAG that names a pool which does not exist; and those pools' names."""
    checked, missing = [], set[str]()
    for file in files:
        bad = {dag.spec.dag_id: _unknown_pools(dag.spec, pools) for dag in file.dags}
        if not any(bad.values()):
            checked.append(file)
            continue
        missing.update(pool for tasks in bad.values() for _, pool in tasks)
        good = tuple(dag for dag in file.dags if not bad[dag.spec.dag_id])
        errors = tuple(_pool_error(dag, bad[dag.spec.dag_id]) for dag in file.dags if bad[dag.spec.dag_id])
        checked.append(replace(file, dags=good, errors=(*file.errors, *errors)))
    return tuple(checked), frozenset(missing)


def _unknown_pools(spec: DagSpec, pools: Collection[str]) -> list[tuple[str, str]]:
    return [(task.task_id, task.pool) for task in spec.tasks if task.pool not in pools]


def _pool_error(dag: ParsedDag, tasks: Sequence[tuple[str, str]]) -> ParseError:
    """One sentence, also for a DAG of a thousand such tasks."""
    named = "; ".join(f"task {task_id!r} is in pool {pool!r}" for task_id, pool in tasks[:_TASKS_NAMED_MAX])
    more = len(tasks) - _TASKS_NAMED_MAX
    others = f"; and {more} more tasks" if more > 0 else ""
    hint = "`skyray pools set NAME SLOTS` makes a pool"
    message = f"DagDefinitionError: {named}{others}: there is no such pool ({hint})"
    line = dag.pool_lines.get(tasks[0][1], dag.spec.line)
    return ParseError(dag.spec.relative_path, dag.spec.dag_id, line, message, "")


def report_to_dict(bundle: Bundle, report: PublishReport) -> dict[str, Any]:
    """A report as plain data, for the Api and people."""
    return {
        "digest": bundle.digest,
        "dags": [asdict(dag) for dag in report.dags],
        "retired": list(report.retired),
        "errors": [asdict(error) for error in report.errors],
    }
