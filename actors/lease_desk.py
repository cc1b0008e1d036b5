"""What a leader has told the Pools actor and what it may believe of the answers. Plain data; called by leader.py.

Numbers every word (``seq``) and drops answers that were given before the newest one: see core/pool_ledger.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from skyray.actors.wire import PoolsAnswer
from skyray.core.events import Event, LeaseChanged, PoolClaim, PoolsChanged
from skyray.core.model import Pool
from skyray.core.pool_ledger import accepts


class LeaseDesk:
    """The leader's side of the books."""

    def __init__(self, pools: Sequence[Pool]) -> None:
        self._pools = tuple(sorted(pools, key=lambda pool: pool.name))
        self._leases: dict[str, float] = {}
        self._seq = 0
        self._version = 0
        self._incarnation = ""

    def registration(self, used: Mapping[str, int]) -> tuple[int, dict[str, float]]:
        """(seq, holds) to register with: for each pool what may be occupied at this moment, not only what is."""
        self._seq += 1
        self._version = 0
        self._incarnation = ""
        names = set(self._leases) | set(used)
        return self._seq, {name: max(self._leases.get(name, 0), used.get(name, 0)) for name in names}

    def word(self, claims: Sequence[PoolClaim]) -> int:
        """The seq of a claim that is about to be sent. From now on its holds are what we believe."""
        self._seq += 1
        for claim in claims:
            self._leases[claim.pool] = min(self._leases.get(claim.pool, 0), claim.hold)
        return self._seq

    def take(self, answer: PoolsAnswer) -> list[Event]:
        """What an answer changes; nothing if it is older than our last word or than what is known."""
        if self._incarnation not in ("", answer.incarnation):
            return []
        if not accepts(answer.view, self._seq, self._version):
            return []
        self._incarnation = answer.incarnation
        self._version = answer.view.version
        events: list[Event] = []
        if answer.pools != self._pools:
            self._pools = answer.pools
            events.append(PoolsChanged(answer.pools))
        self._leases = dict(answer.view.leases)
        events.append(LeaseChanged(answer.view.leases, answer.view.recalled))
        return events
