"""Hops: in a chain, from the end of a task's code to the start of the next one's. What the scheduler's path costs."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.deployment import read_stamps
from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.suite import Bench


@dataclass(frozen=True)
class Parameters:
    """``length`` is one of ``LENGTHS`` in dags/chains.py."""

    length: int
    rounds: int


SMALL = Parameters(length=8, rounds=1)
LARGE = Parameters(length=50, rounds=5)


def measure(bench: Bench, parameters: Parameters) -> list[Figure]:
    """By the stamps that the tasks' own code takes: logs, outcome, commit and dispatch all lie in between."""
    gaps: list[float] = []
    for _ in range(parameters.rounds):
        stamps = bench.deployment.stamps_file()
        run, _ = bench.deployment.trigger(f"hops_{parameters.length}", conf={"stamps": str(stamps)})
        bench.deployment.wait([run])
        times = sorted(read_stamps(stamps).values())
        gaps += [times[index + 1][0] - times[index][1] for index in range(len(times) - 1)]
    taken, raw = milliseconds(gaps), milliseconds(bench.raw.hops)
    return [
        Figure(
            name=f"hop.p{percent}",
            title=f"hop in a {parameters.length}-task chain, p{percent}",
            unit="ms",
            skyray=percentile(taken, percent),
            raw_ray=percentile(raw, percent),
            ratio_says="times a hop between dependent raw Ray tasks",
            samples=taken if percent == 50 else (),
        )
        for percent in (50, 99)
    ]
