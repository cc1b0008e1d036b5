"""What the leader of a partition writes, and what it reads in order to lead. Every write carries its epoch.

One transaction is one message to Postgres: the statements that a batch needs, in one string, which Postgres runs as one
transaction; the first of them is the fence. Called by the scheduler actor's leader thread only.

Whatever goes wrong, the leader's picture of the database may be wrong after it: it loads a new one (``load_snapshot``).

    LeadershipLostError     a newer epoch leads: stop at once
    StoreUnavailableError   the connection broke: the batch is committed or not
    StoreConflictError      the batch was refused: a DAG version was replaced meanwhile, or a unique key was taken
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import psycopg2
import psycopg2.errors
from psycopg2.extensions import cursor as Cursor

from skyray.core.events import Command, Effects
from skyray.core.model import Pool, Snapshot, XComRecord
from skyray.errors import LeadershipLostError
from skyray.store import rows, snapshot
from skyray.store.arrays import moments, numbers, texts
from skyray.store.commands import attach_facts
from skyray.store.engine import PgConnection, connect, unavailable
from skyray.store.errors import StoreConflictError
from skyray.store.snapshot import Editions
from skyray.store.statements import statement

#: Statements of one transaction beyond this size travel one by one. (Postgres takes at most 1 GiB in one message.)
MESSAGE_BYTES_MAX = 64 << 20
COMMANDS_MAX = 1000

_SETTINGS = {
    # Every statement finds its rows by key. On tables that were just filled, without statistics, the planner might
    # prefer to read them whole.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    # Only a batch beyond MESSAGE_BYTES_MAX is ever in a transaction between two messages: if its leader freezes there,
    # it must not hold up the next leader, which waits for it at the fence.
    "idle_in_transaction_session_timeout": "5s",
}


class LeaderStore:
    """The store as the leader of ``partition`` under ``epoch`` sees it. One thread uses it. Connects at first use."""

    def __init__(self, url: str, partition: int, epoch: int) -> None:
        self.partition = partition
        self.epoch = epoch
        self._url = url
        self._connection: PgConnection | None = None
        self._editions: Editions = {}
        # Of dag_changed commands that were handed out and not yet answered: what the leader will know after them.
        self._editions_offered: dict[int, tuple[tuple[str, int], int]] = {}

    def commit(self, effects: Effects) -> None:
        """Write a batch, all or nothing, in one round trip. Returns once it is durable; without writes, at once."""
        if not effects.has_writes:
            return
        with self._cursor() as cursor:
            messages = [cursor.mogrify(text, values) for text, values in self._statements(effects)]
            if sum(map(len, messages)) <= MESSAGE_BYTES_MAX:
                cursor.execute(b";\n".join(messages))
            else:
                self._execute_in_turn(cursor, messages)
        self._settle(effects)

    def load_snapshot(self) -> Snapshot:
        """Everything that a leader must know before it decides anything. It is also what a failed commit calls for."""
        with self._translated():
            name = f"skyray-snapshot-{self.partition}"
            connection = connect(self._url, application_name=name, autocommit=False, settings={"jit": "off"})
            try:
                loaded, self._editions = snapshot.load(connection, self.partition, self.epoch)
            finally:
                connection.close()
        self._editions_offered.clear()
        return loaded

    def pending_commands(self, after: int) -> list[Command]:
        """Commands with ids beyond ``after`` that wait to be applied, oldest first, at most ``COMMANDS_MAX``.

        What a command's kind promises is attached: see ``skyray.core.events.Command``.
        """
        with self._cursor() as cursor:
            scope = {"partition": self.partition, "after": after, "limit": COMMANDS_MAX}
            cursor.execute(statement("pending_commands"), scope)
            found = [Command(command_id, kind, payload) for command_id, kind, payload in cursor]
            commands, editions = attach_facts(cursor, found)
        self._editions_offered.update(editions)
        return commands

    def read_xcoms(self, requests: Sequence[tuple[int, str, str]]) -> dict[tuple[int, str, str], bytes]:
        """Values by (run_seq, task_id, key), of task instances that are not mapped. Absent: nothing was pushed."""
        if not requests:
            return {}
        values = {
            "run_seq": numbers([run_seq for run_seq, _, _ in requests]),
            "task_id": texts([task_id for _, task_id, _ in requests]),
            "key": texts([key for _, _, key in requests]),
        }
        with self._cursor() as cursor:
            cursor.execute(statement("read_xcoms"), values)
            return {(run_seq, task_id, key): bytes(value) for run_seq, task_id, key, value in cursor}

    def run_identity_taken(self, dag_id: str, run_id: str, logical_date: datetime | None) -> bool:
        """True if the DAG has a run, ended or not, of that run id or logical date."""
        values = {
            "place": numbers([0]),
            "dag_id": texts([dag_id]),
            "run_id": texts([run_id]),
            "logical_date": moments([logical_date]),
        }
        with self._cursor() as cursor:
            cursor.execute(statement("taken_run_identities"), values)
            return any(by_run_id or by_date for _, by_run_id, by_date in cursor)

    def pools(self) -> list[Pool]:
        """All pools as they are defined now."""
        with self._cursor() as cursor:
            return snapshot.load_pools(cursor)

    def close(self) -> None:
        """Drop the connection. The next call makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg2.Error):
                connection.close()

    # ------------------------------------------------------------------------------------------------- transactions
    def _statements(self, effects: Effects) -> Iterator[tuple[str, Mapping[str, object]]]:
        """What the batch needs, in an order that no foreign key objects to."""
        yield statement("assert_leader"), {"partition": self.partition, "epoch": self.epoch}
        if effects.runs_created:
            yield statement("assert_editions"), self._known_editions(effects)
            yield statement("insert_runs"), rows.new_runs(effects.runs_created)
        if effects.runs_changed:
            yield statement("update_runs"), rows.changed_runs(effects.runs_changed)
        if effects.tis_created:
            yield statement("insert_task_instances"), rows.new_task_instances(effects.tis_created)
        if effects.tis_changed:
            yield statement("update_task_instances"), rows.changed_task_instances(effects.tis_changed)
        if effects.attempts:
            yield statement("insert_attempts"), rows.ended_attempts(effects.attempts)
        if effects.xcoms_cleared:
            yield statement("delete_xcoms"), {"ti_id": numbers(effects.xcoms_cleared)}
        for xcoms in _by_size(effects.xcoms):
            yield statement("insert_xcoms"), rows.new_xcoms(xcoms)
        if effects.dags_changed:
            yield statement("update_dags"), rows.changed_dags(effects.dags_changed)
        if effects.dags_deleted:
            yield statement("delete_dags"), {"dag_id": texts(effects.dags_deleted)}
        if effects.results:
            yield statement("answer_commands"), rows.answers(effects.results)

    def _learned(self, effects: Effects) -> dict[tuple[str, int], set[int]]:
        """The editions that the leader learned of in this batch, by the dag_changed commands that it answers."""
        learned: dict[tuple[str, int], set[int]] = {}
        for result in effects.results:
            if (offered := self._editions_offered.get(result.command_id)) is not None:
                key, edition = offered
                learned.setdefault(key, set()).add(edition)
        return learned

    def _known_editions(self, effects: Effects) -> Mapping[str, object]:
        """The editions that the batch's new runs were made of.

        A batch that learns of another one may have made its run before or after that: it is refused, and decided again
        upon a new snapshot. (It takes a trigger and an edit within the same moment.)
        """
        learned = self._learned(effects)
        known: dict[tuple[str, int], int] = {}
        for run in effects.runs_created:
            key = run.dag_id, run.version
            candidates = learned.get(key, set()) | ({self._editions[key]} if key in self._editions else set())
            if len(candidates) != 1:
                raise StoreConflictError(f"the version of DAG {run.dag_id} was replaced", constraint="edition")
            (known[key],) = candidates
        return {
            "dag_ids": texts([dag_id for dag_id, _ in known]),
            "versions": numbers([version for _, version in known]),
            "editions": numbers(known.values()),
        }

    def _settle(self, effects: Effects) -> None:
        """Remember what the committed batch taught."""
        for result in effects.results:
            if (offered := self._editions_offered.pop(result.command_id, None)) is not None:
                key, edition = offered
                self._editions[key] = edition

    def _execute_in_turn(self, cursor: Cursor, messages: list[bytes]) -> None:
        cursor.execute("BEGIN")
        try:
            for message in messages:
                cursor.execute(message)
            cursor.execute("COMMIT")
        except BaseException:
            self.close()  # rolls back
            raise

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        with self._translated():
            if self._connection is None or self._connection.closed:
                name = f"skyray-leader-{self.partition}"
                self._connection = connect(self._url, application_name=name, settings=_SETTINGS)
                with self._connection.cursor() as cursor:
                    cursor.execute(statement("ensure_durable"))
            with self._connection.cursor() as cursor:
                yield cursor

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg2.Error as error:
            if error.pgcode == "SK001":
                message = f"partition {self.partition}: {_first_line(error)}"
                raise LeadershipLostError(message, hint="this leader stops; a newer one leads") from None
            if error.pgcode == "SK002":
                raise StoreConflictError(_first_line(error), constraint="edition") from None
            if isinstance(error, psycopg2.errors.UniqueViolation):
                detail = (error.diag.message_detail or "").strip()
                constraint = error.diag.constraint_name or ""
                raise StoreConflictError(f"{_first_line(error)}: {detail}", constraint=constraint) from None
            if isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError)):
                self.close()
                raise unavailable(self._url, error) from None
            raise


def _by_size(xcoms: Sequence[XComRecord]) -> Iterator[list[XComRecord]]:
    """The values in groups whose statements stay well below what Postgres takes in one message."""
    group: list[XComRecord] = []
    size = 0
    for each in xcoms:
        size += 2 * len(each.value)
        if group and size > MESSAGE_BYTES_MAX:
            yield group
            group, size = [], 2 * len(each.value)
        group.append(each)
    if group:
        yield group


def _first_line(error: psycopg2.Error) -> str:
    return (error.diag.message_primary or str(error)).strip().split("\n", 1)[0]
