"""A scheduler's standing for one partition: wait for its lock, lead while it is held, stand again.

Two threads beside the leader's own: one beats on the lock's connection, one watches, while another scheduler leads,
that it still does. A leader that finds its lock or lease gone ends its process at once: nothing that it holds in memory
is true any more, and Ray starts a new one as a standby. Called by scheduler.py.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from skyray.actors.leader import Leader
from skyray.actors.loop import Loop
from skyray.errors import LeadershipLostError
from skyray.store.errors import StoreConflictError, StoreUnavailableError
from skyray.store.leader_lock import LeaderLock, terminate_stale_leader
from skyray.store.writer import LeaderStore

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
WATCH_SECONDS = 2.0
STALE_SECONDS = 4.0


def end_process(error: BaseException) -> None:
    """Leave at once, without a chance to write or send anything more."""
    log.critical("leadership.lost error=%s", error)
    os._exit(1)


class Candidacy(Loop):
    """Stands for ``partition``. A step is a term: from waiting for the lock to giving it back."""

    def __init__(
        self,
        url: str,
        partition: int,
        holder: str,
        *,
        new_leader: Callable[[int, int, LeaderStore], Leader],
        die: Callable[[BaseException], None] = end_process,
    ) -> None:
        super().__init__(f"partition-{partition}")
        self.partition = partition
        self.leader: Leader | None = None
        self._url = url
        self._new_leader = new_leader
        self._die = die
        self._lock = LeaderLock(url, partition, holder)

    def step(self) -> None:
        """One term. Ends by ``stop``, or where the database's word is needed again; the next begins a new epoch."""
        epoch = self._lock.acquire(self.stopping)
        if epoch is None:
            return
        beat = _Beat(self._lock, self._die)
        store = LeaderStore(self._url, self.partition, epoch)
        leader = self._new_leader(self.partition, epoch, store)
        beat.start()
        log.info("leader.elected partition=%d epoch=%d", self.partition, epoch)
        self.leader = leader
        try:
            if not self.stopping.is_set():
                leader.lead()
        except LeadershipLostError as error:
            self._die(error)
        except (StoreUnavailableError, StoreConflictError) as error:
            # Whether the last batch is committed is unknown, so what is in memory is void. Not the same epoch again:
            # identifiers that it has given out must not be given out twice.
            log.warning("leader.resigned partition=%d epoch=%d error=%s", self.partition, epoch, error)
        finally:
            self.leader = None
            beat.stop()
            store.close()
            self._lock.release()

    def interrupt(self) -> None:
        """Leave the queue for the lock, or the lead."""
        self._lock.cancel()
        leader = self.leader
        if leader is not None:
            leader.resign()


class _Beat(Loop):
    """Says once a second, on the lock's connection, that its holder lives."""

    def __init__(self, lock: LeaderLock, die: Callable[[BaseException], None]) -> None:
        super().__init__(f"beat-{lock.partition}", on_crash=die)
        self._lock = lock

    def step(self) -> None:
        """One beat."""
        if not self.pause(BEAT_SECONDS):
            self._lock.beat()


class StaleLeaderWatch(Loop):
    """While others lead: end the session of a leader that is frozen or cut off, so that its lock comes free."""

    def __init__(self, url: str, candidacies: list[Candidacy]) -> None:
        super().__init__("stale-leaders")
        self._url = url
        self._candidacies = candidacies

    def step(self) -> None:
        """Look at each partition that somebody else leads."""
        if self.pause(WATCH_SECONDS):
            return
        for candidacy in self._candidacies:
            if candidacy.leader is None:
                try:
                    terminate_stale_leader(self._url, candidacy.partition, STALE_SECONDS)
                except StoreUnavailableError as error:
                    log.warning("stale_leaders.unknown partition=%d error=%s", candidacy.partition, error)
