"""What every benchmark gets, and what raw Ray came to on the same deployment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.deployment import Deployment


@dataclass(frozen=True)
class RawRay:
    """What the Ray below can do at most. Times in seconds, rates in tasks per second."""

    burst_rates: Sequence[float]
    chains_rates: Sequence[float]
    round_trips: Sequence[float]
    starts: Sequence[float]
    hops: Sequence[float]


@dataclass(frozen=True)
class Bench:
    """A running deployment, and its Ray's own figures to compare with."""

    deployment: Deployment
    raw: RawRay
