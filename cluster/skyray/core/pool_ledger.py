"""The books of the Pools actor: which leader may occupy how many slots of which pool. Pure; called by actors/pools.py.

A *lease* is an absolute number of slots per (partition, pool). Only the ledger raises a lease, only its holder lowers
it (``claim``, ``register``), so the sum of what leaders believe never exceeds the sum in the books, in whatever order
messages arrive. The rules of a grant:

- The books hold one partition only: it gets the whole pool at once, and no message is needed ever after.
- Several: by demand, in the order of ``Demand.order`` across all partitions. Nobody overtakes the head: a demand wider
  than what is free reserves slots as they come free, and the others are *recalled* (their free slots go back at once).
- A demand wider than the whole pool can never be met and is passed over.
- After a restart nothing is granted beyond what leaders re-register, until every partition that has a leader did.

Every word of a leader carries a rising ``seq``; a view says up to which one it has heard. A leader that has since
said more drops the view (see ``accepts``): otherwise it would take back in belief what it has just given away.

>>> from skyray.core.model import Pool
>>> ledger = PoolLedger([Pool("default_pool", 8)], expected={})
>>> ledger.register(0, epoch=1, seq=1, holds={})
>>> ledger.view(0).leases
(('default_pool', 8),)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from skyray.core.events import Demand, PoolClaim
from skyray.core.model import Pool
from skyray.errors import LeadershipLostError


@dataclass(frozen=True, slots=True)
class LeaseView:
    """What one partition may know: its leases, what is wanted back, and how recent this is."""

    leases: tuple[tuple[str, float], ...]
    recalled: tuple[str, ...]
    seq: int
    version: int


def accepts(view: LeaseView, last_seq: int, last_version: int) -> bool:
    """Whether a leader that has said ``last_seq`` and believes ``last_version`` may take ``view`` over."""
    return view.seq >= last_seq and view.version > last_version


@dataclass(slots=True)
class _Party:
    """A partition in the books. ``seq`` −1: it has a leader, but that one has not registered with us yet."""

    epoch: int
    seq: int = -1
    leases: dict[str, float] = field(default_factory=dict)
    demands: dict[str, tuple[Demand, ...]] = field(default_factory=dict)
    view: LeaseView = field(default=LeaseView((), (), -1, 0))


def _total(pool: Pool | None) -> float:
    """A pool's slots: none where it is not defined, without limit for −1."""
    if pool is None:
        return 0
    return math.inf if pool.slots < 0 else pool.slots


class PoolLedger:
    """The books. ``expected`` are the partitions that have, or had, a leader: partition -> epoch."""

    def __init__(self, pools: Iterable[Pool], expected: Mapping[int, int]) -> None:
        self._pools: dict[str, Pool] = {pool.name: pool for pool in pools}
        self._parties: dict[int, _Party] = {partition: _Party(epoch) for partition, epoch in expected.items()}
        self._version = 0

    # ------------------------------------------------------------------------------------------------ what is so
    @property
    def pools(self) -> tuple[Pool, ...]:
        """The definitions, by name."""
        return tuple(self._pools[name] for name in sorted(self._pools))

    @property
    def awaited(self) -> tuple[int, ...]:
        """Partitions that must register before anything is granted."""
        return tuple(sorted(partition for partition, party in self._parties.items() if party.seq < 0))

    def leased(self, pool: str) -> float:
        """The slots of ``pool`` that are in leaders' hands."""
        return sum(party.leases.get(pool, 0) for party in self._parties.values())

    def has_registered(self, partition: int) -> bool:
        """Whether a leader of the partition has registered with these books."""
        party = self._parties.get(partition)
        return party is not None and party.seq >= 0

    def check(self, partition: int, epoch: int) -> None:
        """Raise ``LeadershipLostError`` if a newer epoch of the partition is known."""
        party = self._parties.get(partition)
        if party is not None:
            self._check_epoch(partition, epoch, party)

    def view(self, partition: int) -> LeaseView:
        """The newest view of a partition that has registered."""
        return self._parties[partition].view

    # ------------------------------------------------------------------------------------------------ what is said
    def define(self, pools: Iterable[Pool]) -> bool:
        """Replace the definitions. A pool that shrank below its leases is recalled. False if nothing changed."""
        defined = {pool.name: pool for pool in pools}
        if defined == self._pools:
            return False
        affected = set(defined) | set(self._pools)
        self._pools = defined
        self._settle(affected, renew_all=True)
        return True

    def register(self, partition: int, epoch: int, seq: int, holds: Mapping[str, float]) -> None:
        """A leader's first word to these books: it occupies, or may at this moment occupy, ``holds``.

        Replaces whatever the partition held, also under an older epoch. Raises ``LeadershipLostError`` if a newer
        epoch is known.
        """
        known = self._parties.get(partition)
        if known is not None:
            self._check_epoch(partition, epoch, known)
            if known.epoch == epoch and seq <= known.seq:
                return
        party = _Party(epoch, seq, {pool: slots for pool, slots in holds.items() if slots > 0})
        if known is not None:
            party.view = known.view
        self._parties[partition] = party
        self._settle(self._names())

    def claim(self, partition: int, epoch: int, seq: int, claims: Iterable[PoolClaim]) -> None:
        """A leader gives slots back (``hold`` below its lease) and says what it waits for. Late claims are ignored.

        Raises ``LeadershipLostError`` if a newer epoch is known, ``KeyError`` if the leader has not registered.
        """
        party = self._parties.get(partition)
        if party is None or party.epoch < epoch or party.seq < 0:
            raise KeyError(f"partition {partition} has not registered under epoch {epoch}")
        self._check_epoch(partition, epoch, party)
        if seq <= party.seq:
            return
        party.seq = seq
        touched = set()
        for claim in claims:
            touched.add(claim.pool)
            party.leases[claim.pool] = min(party.leases.get(claim.pool, 0), max(claim.hold, 0))
            party.demands[claim.pool] = tuple(sorted(claim.demands, key=lambda demand: demand.order))
        self._settle(touched)

    # ------------------------------------------------------------------------------------------------ the decision
    def _settle(self, names: Iterable[str], *, renew_all: bool = False) -> None:
        if not self.awaited:
            for name in names:
                self._grant(name)
        self._version += 1
        for partition, party in self._parties.items():
            if party.seq >= 0:
                self._renew_view(partition, party, always=renew_all)

    def _grant(self, name: str) -> None:
        total = _total(self._pools.get(name))
        if total == math.inf or len(self._parties) == 1:
            for party in self._parties.values():
                party.leases[name] = max(party.leases.get(name, 0), total)
                party.demands.pop(name, None)
            return
        free = total - self.leased(name)
        for _, partition, demand in self._waiting(name):
            if demand.slots > total:
                continue
            if demand.slots > free:
                break
            party = self._parties[partition]
            party.leases[name] = party.leases.get(name, 0) + demand.slots
            party.demands[name] = tuple(each for each in party.demands[name] if each is not demand)
            free -= demand.slots

    def _waiting(self, name: str) -> list[tuple[tuple[float, float], int, Demand]]:
        """All demands for a pool, best first; equals go by partition."""
        return sorted(
            (
                (demand.order, partition, demand)
                for partition, party in self._parties.items()
                for demand in party.demands.get(name, ())
            ),
            key=lambda entry: entry[:2],
        )

    def _is_recalled(self, name: str, partition: int, party: _Party) -> bool:
        if party.leases.get(name, 0) <= 0:
            return False
        total = _total(self._pools.get(name))
        if self.leased(name) > total:
            return True
        head = next((each for each in self._waiting(name) if each[2].slots <= total), None)
        return head is not None and head[1] != partition

    def _renew_view(self, partition: int, party: _Party, *, always: bool) -> None:
        names = sorted(self._names())
        leases = tuple((name, party.leases.get(name, 0)) for name in names)
        recalled = tuple(name for name in names if self._is_recalled(name, partition, party))
        old = party.view
        if always or (leases, recalled, party.seq) != (old.leases, old.recalled, old.seq):
            party.view = LeaseView(leases, recalled, party.seq, self._version)

    def _names(self) -> set[str]:
        return set(self._pools).union(*(party.leases for party in self._parties.values()))

    @staticmethod
    def _check_epoch(partition: int, epoch: int, party: _Party) -> None:
        if epoch < party.epoch:
            raise LeadershipLostError(f"partition {partition}: epoch {epoch} speaks, but {party.epoch} leads it")
