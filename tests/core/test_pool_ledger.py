"""The pools' books: examples of each rule, and a model of leaders, losses and restarts that tries to break them."""

from __future__ import annotations

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from skyray.core.events import Demand, PoolClaim
from skyray.core.model import Pool
from skyray.core.pool_ledger import LeaseView, PoolLedger, accepts
from skyray.errors import LeadershipLostError


def leases(ledger: PoolLedger, partition: int) -> dict[str, float]:
    return dict(ledger.view(partition).leases)


def two_parties(slots: int, held: tuple[int, int] = (0, 0)) -> PoolLedger:
    ledger = PoolLedger([Pool("p", slots)], expected={0: 1, 1: 1})
    ledger.register(0, 1, 1, {"p": held[0]})
    ledger.register(1, 1, 1, {"p": held[1]})
    return ledger


def test_an_only_partition_gets_every_pool_whole() -> None:
    ledger = PoolLedger([Pool("p", 4), Pool("q", 9), Pool("free", -1)], expected={})
    ledger.register(0, 1, 1, {"p": 2})
    assert leases(ledger, 0) == {"p": 4, "q": 9, "free": math.inf}
    assert ledger.view(0).recalled == ()


def test_a_grown_pool_is_leased_whole_and_a_shrunk_one_recalled() -> None:
    ledger = PoolLedger([Pool("p", 4)], expected={})
    ledger.register(0, 1, 1, {})
    assert ledger.define([Pool("p", 6)])
    assert leases(ledger, 0)["p"] == 6
    ledger.define([Pool("p", 3)])
    assert (leases(ledger, 0)["p"], ledger.view(0).recalled) == (6, ("p",))
    ledger.claim(0, 1, 2, [PoolClaim("p", 5)])
    assert (leases(ledger, 0)["p"], ledger.view(0).recalled) == (5, ("p",))
    ledger.claim(0, 1, 3, [PoolClaim("p", 1)])
    assert (leases(ledger, 0)["p"], ledger.view(0).recalled) == (3, ())


def test_the_same_definitions_change_nothing() -> None:
    ledger = PoolLedger([Pool("p", 4)], expected={})
    ledger.register(0, 1, 1, {})
    before = ledger.view(0)
    assert not ledger.define([Pool("p", 4)])
    assert ledger.view(0) == before


def test_a_deleted_pool_is_recalled_and_gone_once_returned() -> None:
    ledger = two_parties(4, (2, 0))
    ledger.define([])
    assert ledger.view(0).recalled == ("p",)
    ledger.claim(0, 1, 2, [PoolClaim("p", 0, (Demand((0, 0), 1),))])
    assert leases(ledger, 0)["p"] == 0


def test_the_better_order_goes_first_whoever_asks() -> None:
    ledger = two_parties(2, (2, 0))
    ledger.claim(0, 1, 2, [PoolClaim("p", 2, (Demand((5.0, 0.0), 1),))])
    ledger.claim(1, 1, 2, [PoolClaim("p", 0, (Demand((1.0, 0.0), 1),))])
    ledger.claim(0, 1, 3, [PoolClaim("p", 1, (Demand((5.0, 0.0), 1),))])
    assert (leases(ledger, 0)["p"], leases(ledger, 1)["p"]) == (1, 1)


def test_nobody_overtakes_a_wide_head_and_the_others_are_recalled() -> None:
    ledger = two_parties(4, (3, 0))
    ledger.claim(1, 1, 2, [PoolClaim("p", 0, (Demand((1.0, 0.0), 3),))])
    assert ledger.view(0).recalled == ("p",)
    ledger.claim(0, 1, 2, [PoolClaim("p", 2, (Demand((2.0, 0.0), 1),))])
    assert (leases(ledger, 0)["p"], leases(ledger, 1)["p"]) == (2, 0), "two are free, and stay reserved"
    ledger.claim(0, 1, 3, [PoolClaim("p", 1, (Demand((2.0, 0.0), 1),))])
    assert (leases(ledger, 0)["p"], leases(ledger, 1)["p"]) == (1, 3)
    assert ledger.view(0).recalled == ()


def test_a_demand_wider_than_the_pool_is_passed_over() -> None:
    ledger = two_parties(4)
    ledger.claim(0, 1, 2, [PoolClaim("p", 0, (Demand((1.0, 0.0), 5), Demand((2.0, 0.0), 1)))])
    ledger.claim(1, 1, 2, [PoolClaim("p", 0, (Demand((3.0, 0.0), 3),))])
    assert (leases(ledger, 0)["p"], leases(ledger, 1)["p"]) == (1, 3)
    assert ledger.view(0).recalled == ()


def test_nothing_is_granted_after_a_restart_until_all_leaders_registered() -> None:
    ledger = PoolLedger([Pool("p", 4)], expected={0: 3, 1: 7})
    ledger.register(0, 3, 1, {"p": 1})
    ledger.claim(0, 3, 2, [PoolClaim("p", 1, (Demand((0.0, 0.0), 3),))])
    assert (leases(ledger, 0)["p"], ledger.awaited) == (1, (1,))
    ledger.register(1, 8, 1, {"p": 2})
    ledger.claim(1, 8, 2, [PoolClaim("p", 0)])
    assert (leases(ledger, 0)["p"], ledger.awaited) == (4, ())


def test_a_newer_epoch_replaces_the_older_ones_lease_and_silences_it() -> None:
    ledger = two_parties(4, (3, 1))
    ledger.register(0, 2, 1, {"p": 2})
    assert ledger.leased("p") == 3
    with pytest.raises(LeadershipLostError, match="epoch 1 speaks, but 2 leads"):
        ledger.claim(0, 1, 9, [PoolClaim("p", 0)])
    with pytest.raises(LeadershipLostError):
        ledger.register(0, 1, 9, {})


def test_a_stranger_must_register_first() -> None:
    ledger = PoolLedger([Pool("p", 4)], expected={0: 1})
    with pytest.raises(KeyError):
        ledger.claim(0, 1, 1, [])


class Leaders(RuleBasedStateMachine):
    """Leaders that start and end task instances, and a network that delays, reorders and loses what is said.

    The truth is ``used``: slots occupied per partition. It must never exceed the pool.
    """

    PARTITIONS = 3

    @initialize(slots=st.integers(1, 8))
    def begin(self, slots: int) -> None:
        self.slots = slots
        self.leadership: dict[int, int] = {}
        self.used = dict.fromkeys(range(self.PARTITIONS), 0)
        self.waiting: dict[int, list[Demand]] = {p: [] for p in range(self.PARTITIONS)}
        self.lease: dict[int, float] = {}
        self.seq: dict[int, int] = {}
        self.seen: dict[int, int] = {}
        self.registered: set[int] = set()
        self.network: list[tuple[int, int, int, LeaseView]] = []
        self.incarnation = 0
        self.ledger = PoolLedger([Pool("p", slots)], {})
        self.orders = 0

    def _answer(self, partition: int) -> None:
        view = self.ledger.view(partition)
        self.network.append((partition, self.leadership[partition], self.incarnation, view))

    def _say_all(self) -> None:
        for partition in self.registered:
            self._answer(partition)

    @rule(partition=st.integers(0, PARTITIONS - 1))
    def elect(self, partition: int) -> None:
        self.leadership[partition] = self.leadership.get(partition, 0) + 1
        self.lease[partition] = 0
        self.seq[partition] = self.seen[partition] = 0
        self.waiting[partition] = []
        self.registered.discard(partition)

    @rule(partition=st.integers(0, PARTITIONS - 1))
    def register(self, partition: int) -> None:
        if partition not in self.leadership or partition in self.registered:
            return
        self.seq[partition] += 1
        self.seen[partition] = 0
        holds = max(self.lease[partition], self.used[partition])
        self.ledger.register(partition, self.leadership[partition], self.seq[partition], {"p": holds})
        self.registered.add(partition)
        self._say_all()

    @rule(partition=st.integers(0, PARTITIONS - 1), slack=st.integers(0, 2), lost=st.booleans())
    def claim(self, partition: int, slack: int, lost: bool) -> None:
        if partition not in self.registered:
            return
        self.seq[partition] += 1
        hold = min(self.used[partition] + slack, max(self.lease[partition], self.used[partition]))
        self.lease[partition] = min(self.lease[partition], hold)
        demands = tuple(self.waiting[partition])
        self.ledger.claim(partition, self.leadership[partition], self.seq[partition], [PoolClaim("p", hold, demands)])
        if not lost:
            self._say_all()

    @precondition(lambda self: self.network)
    @rule(data=st.data(), keep=st.booleans())
    def deliver(self, data: st.DataObject, keep: bool) -> None:
        index = data.draw(st.integers(0, len(self.network) - 1))
        partition, epoch, incarnation, view = self.network[index] if keep else self.network.pop(index)
        if epoch != self.leadership[partition] or partition not in self.registered or incarnation != self.incarnation:
            return
        if accepts(view, self.seq[partition], self.seen[partition]):
            self.seen[partition] = view.version
            self.lease[partition] = dict(view.leases)["p"]

    @rule(partition=st.integers(0, PARTITIONS - 1), width=st.integers(1, 4))
    def want(self, partition: int, width: int) -> None:
        if partition in self.leadership and len(self.waiting[partition]) < 3:
            self.orders += 1
            self.waiting[partition].append(Demand((float(self.orders % 3), float(self.orders)), width))

    @rule(partition=st.integers(0, PARTITIONS - 1))
    def start(self, partition: int) -> None:
        for demand in self.waiting[partition]:
            if self.used[partition] + demand.slots <= self.lease.get(partition, 0):
                self.used[partition] += demand.slots
                self.waiting[partition].remove(demand)
                return

    @rule(partition=st.integers(0, PARTITIONS - 1))
    def end(self, partition: int) -> None:
        if partition in self.leadership and self.used[partition]:
            self.used[partition] -= 1

    @rule()
    def restart_pools(self) -> None:
        self.incarnation += 1
        self.ledger = PoolLedger([Pool("p", self.slots)], dict(self.leadership))
        self.registered.clear()

    @invariant()
    def never_over_subscribed(self) -> None:
        if hasattr(self, "used"):
            assert sum(self.used.values()) <= self.slots
            assert self.ledger.leased("p") <= self.slots


Leaders.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestLeaders = Leaders.TestCase


class Definitions(RuleBasedStateMachine):
    """Whatever definitions do, no word to the ledger makes the leases grow beyond the pool."""

    def __init__(self) -> None:
        super().__init__()
        self.slots: float = 4
        self.ledger = PoolLedger([Pool("p", 4)], {0: 1, 1: 1})
        self.seqs = [1, 1]
        for partition in (0, 1):
            self.ledger.register(partition, 1, 1, {})

    @rule(slots=st.integers(-1, 6))
    def define(self, slots: int) -> None:
        before = self.ledger.leased("p")
        self.slots = math.inf if slots < 0 else slots
        self.ledger.define([Pool("p", slots)])
        assert self.ledger.leased("p") <= max(before, self.slots)

    @rule(partition=st.integers(0, 1), hold=st.integers(0, 6), wants=st.lists(st.integers(1, 5), max_size=3))
    def claim(self, partition: int, hold: int, wants: list[int]) -> None:
        before = self.ledger.leased("p")
        self.seqs[partition] += 1
        demands = tuple(Demand((float(index), 0.0), slots) for index, slots in enumerate(wants))
        self.ledger.claim(partition, 1, self.seqs[partition], [PoolClaim("p", hold, demands)])
        assert self.ledger.leased("p") <= max(before, self.slots)

    @invariant()
    def what_is_too_much_is_recalled(self) -> None:
        if self.ledger.leased("p") > self.slots:
            holders = [each for each in (0, 1) if leases(self.ledger, each).get("p", 0) > 0]
            assert all("p" in self.ledger.view(each).recalled for each in holders)


Definitions.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestDefinitions = Definitions.TestCase
