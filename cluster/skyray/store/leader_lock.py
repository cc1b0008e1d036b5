"""Who leads a partition: the process whose database session holds its advisory lock. One LeaderLock a candidacy.

Called by the scheduler actor: a standby's thread sits in ``acquire``, a leader's thread calls ``beat`` once a second.

What bounds a dead, frozen or cut-off leader, each on its own (a process that only stops beating holds its connection):
the server frees the lock with the connection; it ends a session that has not beaten for ``IDLE_SECONDS_MAX``; a standby
that sees the heartbeat grow old ends it sooner (``terminate_stale_leader``). That a leader may believe to lead for a
moment longer is harmless: it can write nothing under its epoch.
"""

from __future__ import annotations

import contextlib
import logging
import threading

import psycopg2
import psycopg2.errors
from psycopg2.extensions import QueryCanceledError

from skyray.errors import DatabaseVersionError, InvalidInputError, LeadershipLostError
from skyray.store.engine import PgConnection, connect, redact, translated, unavailable
from skyray.store.errors import StoreUnavailableError
from skyray.store.statements import statement

#: Namespace of the leaders' advisory locks in a database: "SK" and a number. The partition is the second half of a key.
LOCK_NAMESPACE = 1397441792
IDLE_SECONDS_MAX = 6.0
_RETRY_SECONDS = (0.1, 2.0)
_SETTINGS = {
    "idle_session_timeout": f"{IDLE_SECONDS_MAX:g}s",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS_MAX:g}s",
    # A standby that died while it waits leaves the queue, instead of being handed the lock.
    "client_connection_check_interval": "500ms",
    "lock_timeout": "0",
    "statement_timeout": "0",
}
_log = logging.getLogger(__name__)


class LeaderLock:
    """The lock of one partition. ``holder`` is the name that people see as the leader's.

    >>> lock = LeaderLock(url, partition=0, holder="scheduler-0")   # doctest: +SKIP
    >>> epoch = lock.acquire(stop)                                  # doctest: +SKIP
    """

    def __init__(self, url: str, partition: int, holder: str) -> None:
        self.partition = partition
        self.holder = holder
        self.epoch: int | None = None
        self._url = url
        self._connection: PgConnection | None = None
        self._waiting = threading.Event()
        self._cancelled = False

    def acquire(self, stop: threading.Event) -> int | None:
        """Wait for the lock and return the new epoch; None if ``stop`` was set (with ``cancel``) before that.

        A server that is away is waited for. Raises only for what waiting does not mend: a pooler in between, a server
        or schema of the wrong version.
        """
        assert self.epoch is None, "held already"
        self._waiting.set()
        pause, pause_max = _RETRY_SECONDS
        try:
            while not stop.is_set() and not self._cancelled:
                try:
                    return self._attempt()
                except QueryCanceledError:
                    _log.info("lock.cancelled partition=%d holder=%s", self.partition, self.holder)
                except StoreUnavailableError as error:
                    _log.warning("lock.retry partition=%d in_s=%.1f error=%s", self.partition, pause, error)
                    stop.wait(pause)
                    pause = min(2 * pause, pause_max)
            return None
        finally:
            self._waiting.clear()
            self._cancelled = False
            if self.epoch is None:
                self._disconnect()

    def cancel(self) -> None:
        """Make ``acquire``, in another thread, return soon. Set its ``stop`` first. Does nothing if nobody waits."""
        self._cancelled = True
        while self._waiting.is_set():
            connection = self._connection
            if connection is not None:
                with contextlib.suppress(psycopg2.Error):
                    connection.cancel()
            # Again, in case that the statement had not yet begun.
            threading.Event().wait(0.02)
        self._cancelled = False

    def beat(self) -> None:
        """Say that we live. Raises ``LeadershipLostError`` if the lock, the epoch or the connection is gone."""
        connection, epoch = self._connection, self.epoch
        if connection is None or epoch is None:
            raise LeadershipLostError(f"partition {self.partition}: the lock is not held")
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement("beat"), {"partition": self.partition, "epoch": epoch})
                alive = cursor.rowcount == 1
        except psycopg2.Error as error:
            self.release()
            reason = str(error).strip().split("\n", 1)[0]
            raise LeadershipLostError(f"partition {self.partition}: the lock's connection broke: {reason}") from None
        if not alive:
            self.release()
            raise LeadershipLostError(f"partition {self.partition}: epoch {epoch} is over")

    def release(self) -> None:
        """Give the lock up, if held: a standby gets it at once."""
        self.epoch = None
        self._disconnect()

    # ------------------------------------------------------------------------------------------------------ one try
    def _attempt(self) -> int:
        """Connect, wait for the lock, begin a new epoch."""
        self._disconnect()
        name = f"skyray-lock-{self.partition}"
        connection = self._connection = connect(self._url, application_name=name, settings=_SETTINGS)
        key = {"namespace": LOCK_NAMESPACE, "partition": self.partition, "holder": self.holder}
        try:
            with connection.cursor() as cursor:
                self._refuse_pooler(connection)
                cursor.execute(statement("lock_partition"), key)
                # Raising the epoch waits for transactions of the epoch before: none can commit after this.
                cursor.execute(statement("begin_epoch"), key)
                row = cursor.fetchone()
        except psycopg2.errors.UndefinedTable:
            message = f"the database {redact(self._url)} has no Skyray schema"
            raise DatabaseVersionError(message, hint="run: skyray db migrate") from None
        except QueryCanceledError:
            raise
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise unavailable(self._url, error) from None
        assert row is not None
        self.epoch = int(row[0])
        _log.info("lock.acquired partition=%d epoch=%d holder=%s", self.partition, self.epoch, self.holder)
        return self.epoch

    def _refuse_pooler(self, connection: PgConnection) -> None:
        """A pooler gives its clients process numbers of its own, and may hand our session, with the lock, to others."""
        with connection.cursor() as cursor:
            cursor.execute(statement("backend_pid"))
            row = cursor.fetchone()
        if row is None or row[0] != connection.info.backend_pid:
            raise InvalidInputError(
                f"{redact(self._url)} leads through a connection pooler, on which a session's locks mean nothing",
                hint="give the address of Postgres itself as database_url",
            )

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg2.Error):
                connection.close()


def terminate_stale_leader(url: str, partition: int, older_than_seconds: float) -> bool:
    """End the session of a leader whose last heartbeat is older than that. True if there was one to end.

    Ends only the process that holds the lock and is recorded as its holder, never one that got its number later.
    """
    connection = connect(url, application_name=f"skyray-standby-{partition}")
    try:
        with translated(url), connection.cursor() as cursor:
            values = {"namespace": LOCK_NAMESPACE, "partition": partition, "seconds": older_than_seconds}
            cursor.execute(statement("terminate_stale_leader"), values)
            ended = cursor.fetchall()
    finally:
        connection.close()
    for pid, holder, epoch in ended:
        _log.warning("lock.terminated partition=%d epoch=%d holder=%s backend=%d", partition, epoch, holder, pid)
    return bool(ended)
