"""What the DagProcessor stores: bundles, DAGs and their versions, import errors. Called by the dag-processor actor.

A publication is one transaction, which also puts a command for each DAG that changed into its leader's inbox: the
leader hears of exactly what was published, and of nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import psycopg2
import psycopg2.errors
from psycopg2.extensions import cursor as Cursor

from skyray.core.parsed import Bundle, BundleHead, ParsedFile, ParseError, PublishedDag, PublishReport
from skyray.core.partitions import partition_of
from skyray.errors import NotFoundError
from skyray.store.arrays import numbers, storable, texts
from skyray.store.engine import PgConnection, connect, unavailable
from skyray.store.publication import Candidate, KnownDag, Plan, plan
from skyray.store.rows import as_json
from skyray.store.statements import statement

PART_BYTES = 8 << 20
_CHANCES = 3
#: A DagProcessor that freezes amid a publication must not hold up leaders, whose runs wait for its locks.
_SETTINGS = {"idle_in_transaction_session_timeout": "5s", "jit": "off"}


class Catalog:
    """The store as the DagProcessor sees it. One thread at a time. Connects at first use, and again after a failure."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: PgConnection | None = None

    def put_bundle(self, bundle: Bundle) -> None:
        """Store a bundle's content, unless there already."""
        content = memoryview(bundle.content)
        with self._transaction() as cursor:
            cursor.execute(statement("insert_bundle"), {"digest": bundle.digest, "size_bytes": len(content)})
            if cursor.rowcount == 0:
                return
            for part, begin in enumerate(range(0, len(content), PART_BYTES)):
                piece = psycopg2.Binary(content[begin : begin + PART_BYTES])
                cursor.execute(
                    statement("insert_bundle_part"), {"digest": bundle.digest, "part": part, "content": piece}
                )

    def get_bundle(self, digest: str) -> bytes:
        """A bundle's content. ``NotFoundError`` for an unknown digest."""
        with self._transaction() as cursor:
            cursor.execute(statement("bundle_size"), {"digest": digest})
            if (row := cursor.fetchone()) is None:
                raise NotFoundError(f"no bundle {digest}")
            content = bytearray()
            for part in range(-(-row[0] // PART_BYTES)):
                cursor.execute(statement("bundle_part"), {"digest": digest, "part": part})
                if (piece := cursor.fetchone()) is not None:
                    content += piece[0]
        assert len(content) == row[0], f"bundle {digest}: {len(content)} bytes of {row[0]}"
        return bytes(content)

    def bundle_heads(self) -> list[BundleHead]:
        """The newest bundle of every name."""
        with self._transaction() as cursor:
            cursor.execute(statement("bundle_heads"))
            return [BundleHead(*row) for row in cursor]

    def pool_names(self) -> frozenset[str]:
        """The pools that there are: a DAG that names another is refused by the parser."""
        with self._transaction() as cursor:
            cursor.execute(statement("pool_names"))
            return frozenset(name for (name,) in cursor)

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
        """Make ``files``, all DAG files of the bundle ``digest``, what ``bundle_name`` defines from now on.

        A DAG whose tasks or code changed gets a new version, or, if its live version has no run yet, that version
        gets another content. ``kind`` is ``folder`` or ``submitted``. Publishing the same again changes nothing.
        """
        for chance in range(_CHANCES):
            try:
                with self._transaction() as cursor:
                    publication = _Publication(cursor, bundle_name, digest, partitions, paused_by_default)
                    return publication.carry_out(kind, files)
            except (psycopg2.errors.DeadlockDetected, psycopg2.errors.ForeignKeyViolation, _DagVanishedError):
                # A leader deletes a DAG while it is published anew.
                if chance == _CHANCES - 1:
                    raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Drop the connection. The next call makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg2.Error):
                connection.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Cursor]:
        if self._connection is None or self._connection.closed:
            name = "skyray-dag-processor"
            self._connection = connect(self._url, application_name=name, autocommit=False, settings=_SETTINGS)
        try:
            with self._connection, self._connection.cursor() as cursor:
                yield cursor
        except psycopg2.errors.DeadlockDetected:
            raise
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            self.close()
            raise unavailable(self._url, error) from None


class _DagVanishedError(Exception):
    """A DAG was deleted between reading and locking it."""


class _Publication:
    """One publication, within one transaction."""

    def __init__(self, cursor: Cursor, bundle_name: str, digest: str, partitions: int, paused_by_default: bool) -> None:
        self._cursor = cursor
        self._bundle_name = bundle_name
        self._digest = digest
        self._partitions = partitions
        self._paused_by_default = paused_by_default

    def carry_out(self, kind: str, files: Sequence[ParsedFile]) -> PublishReport:
        self._run("publish_lock")
        self._run("bundle_size", {"digest": self._digest})
        if self._cursor.fetchone() is None:
            raise NotFoundError(f"no bundle {self._digest}", hint="put_bundle comes first")
        known = self._known(files)
        made = plan(self._bundle_name, files, known)
        versions = self._versions(made)
        self._write_dags(made, versions)
        if made.retired:
            self._run("publish_retire_dags", {"dag_ids": texts([each.dag_id for each in made.retired])})
        self._write_errors(made.errors, [file.path for file in files if file.is_pending])
        self._run("publish_head", {"bundle_name": self._bundle_name, "digest": self._digest, "kind": kind})
        partitions = self._tell_leaders(made)
        dags = tuple(PublishedDag(each.dag_id, versions[each.dag_id], each.needs_version) for each in made.candidates)
        retired = tuple(each.dag_id for each in made.retired)
        return PublishReport(dags, retired, tuple(made.errors), partitions)

    def _known(self, files: Sequence[ParsedFile]) -> dict[str, KnownDag]:
        wanted = sorted({parsed.spec.dag_id for file in files for parsed in file.dags})
        self._run("publish_known_dags", {"bundle_name": self._bundle_name, "dag_ids": texts(wanted)})
        return {row[0]: KnownDag(*row) for row in self._cursor}

    def _versions(self, made: Plan) -> dict[str, int]:
        """The version that each DAG has after this. Locks what will change, in the order in which leaders do."""
        changing = [each for each in made.candidates if each.needs_version and each.known is not None]
        dag_ids = {"dag_ids": texts(sorted(each.dag_id for each in changing))}
        locked, used = set[str](), set[str]()
        if changing:
            self._run("publish_lock_versions", dag_ids)
            locked = {dag_id for (dag_id,) in self._cursor}
            self._run("publish_used_versions", dag_ids)
            used = {dag_id for (dag_id,) in self._cursor}
        touched = [each.dag_id for each in made.candidates if each.known is not None and each.is_different]
        touched += [each.dag_id for each in made.retired]
        self._run("publish_lock_dags", {"dag_ids": texts(sorted(touched))})
        there = {dag_id for (dag_id,) in self._cursor}
        if len(locked) < len(changing) or len(there) < len(touched):
            raise _DagVanishedError
        versions = {each.dag_id: each.known.version if each.known else 1 for each in made.candidates}
        return {dag_id: version + (dag_id in used) for dag_id, version in versions.items()}

    def _write_dags(self, made: Plan, versions: Mapping[str, int]) -> None:
        new = [each for each in made.candidates if each.known is None]
        if new:
            self._run(
                "publish_insert_dags",
                self._dag_columns(new)
                | {
                    "partition": numbers([partition_of(each.dag_id, self._partitions) for each in new]),
                    "is_paused": "{" + ",".join(["t" if self._starts_paused(each) else "f" for each in new]) + "}",
                },
            )
        changed = [each for each in made.candidates if each.known is not None and each.is_different]
        if changed:
            version_column = {"version": numbers([versions[each.dag_id] for each in changed])}
            self._run("publish_update_dags", self._dag_columns(changed) | version_column)
        renewed = [each for each in made.candidates if each.needs_version]
        if renewed:
            self._run(
                "publish_put_versions",
                {
                    "digest": self._digest,
                    "dag_id": texts([each.dag_id for each in renewed]),
                    "version": numbers([versions[each.dag_id] for each in renewed]),
                    "spec": texts([each.spec_json for each in renewed]),
                    "spec_hash": texts([each.spec_hash for each in renewed]),
                    "source_hash": texts([each.parsed.source_hash for each in renewed]),
                },
            )

    def _dag_columns(self, dags: Sequence[Candidate]) -> dict[str, str]:
        return {
            "bundle_name": self._bundle_name,
            "dag_id": texts([each.dag_id for each in dags]),
            "relative_path": texts([each.path for each in dags]),
            "header": texts([as_json(each.header) for each in dags]),
            "tags": texts([as_json([storable(tag) for tag in each.parsed.spec.tags]) for each in dags]),
        }

    def _starts_paused(self, candidate: Candidate) -> bool:
        wish = candidate.parsed.spec.is_paused_upon_creation
        return self._paused_by_default if wish is None else wish

    def _write_errors(self, errors: Sequence[ParseError], pending: Sequence[str]) -> None:
        self._run("publish_delete_errors", {"bundle_name": self._bundle_name, "pending": texts(pending)})
        if errors:
            self._run(
                "publish_insert_errors",
                {
                    "bundle_name": self._bundle_name,
                    "path": texts([each.path for each in errors]),
                    "dag_id": texts([each.dag_id for each in errors]),
                    "line": numbers([each.line for each in errors]),
                    "message": texts([each.message for each in errors]),
                    "traceback": texts([each.traceback for each in errors]),
                },
            )

    def _tell_leaders(self, made: Plan) -> tuple[int, ...]:
        """Last of all, since it holds up everybody's commands to those partitions until the transaction ends."""
        told: list[tuple[int, str, str]] = []
        for each in made.candidates:
            if each.needs_version or each.changes_ownership:
                partition = each.known.partition if each.known else partition_of(each.dag_id, self._partitions)
                told.append((partition, each.dag_id, "dag_changed"))
        told += [(each.partition, each.dag_id, "dag_retired") for each in made.retired]
        if told:
            self._run(
                "publish_commands",
                {
                    "partition": numbers([partition for partition, _, _ in told]),
                    "dag_id": texts([dag_id for _, dag_id, _ in told]),
                    "kind": texts([kind for _, _, kind in told]),
                },
            )
        return tuple(sorted({partition for partition, _, _ in told}))

    def _run(self, name: str, values: Mapping[str, object] | None = None) -> None:
        self._cursor.execute(statement(name), values)
