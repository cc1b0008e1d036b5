"""A figure: something measured of Skyray, of the Ray below it, or of both, and what their ratio says."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One line of the table. ``samples`` are Skyray's single measurements, in the order in which they were taken.

    ``ratio_says`` is the meaning of Skyray's value divided by raw Ray's; empty where there is no such ratio.
    ``more`` holds what is worth keeping but not worth a line.
    """

    name: str
    title: str
    unit: str
    skyray: float | None = None
    raw_ray: float | None = None
    ratio_says: str = ""
    samples: Sequence[float] = ()
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Skyray's value in terms of raw Ray's."""
        if self.skyray is None or not self.raw_ray:
            return None
        return self.skyray / self.raw_ray

    def to_json(self) -> dict[str, Any]:
        """For the JSON file."""
        return {**asdict(self), "ratio": self.ratio}


def percentile(values: Sequence[float], percent: float) -> float:
    """The least of ``values`` that at least ``percent`` % of them do not exceed (nearest rank: always one of them).

    >>> percentile([4, 1, 3, 2], 50), percentile([4, 1, 3, 2], 99)
    (2, 4)
    """
    if not values:
        raise ValueError("no values, no percentile")
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def median(values: Sequence[float]) -> float:
    """The middle, or the mean of the two in the middle."""
    return statistics.median(values)


def milliseconds(seconds: Sequence[float]) -> list[float]:
    """The same times in milliseconds, to the microsecond."""
    return [round(each * 1000, 3) for each in seconds]
