"""Fan-out: a root, very many task instances that are ready at once, a join. How many of them Skyray runs a second."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.deployment import end_of
from benchmarks.figures import Figure, median
from benchmarks.suite import Bench


@dataclass(frozen=True)
class Parameters:
    """``width`` is one of ``WIDTHS`` in dags/fan_out.py."""

    width: int
    rounds: int


SMALL = Parameters(width=20, rounds=1)
LARGE = Parameters(width=1000, rounds=5)


def measure(bench: Bench, parameters: Parameters) -> list[Figure]:
    """From the request that makes the run until the run has ended."""
    task_instances = parameters.width + 2
    rates = []
    for _ in range(parameters.rounds):
        run, sent = bench.deployment.trigger(f"fan_out_{parameters.width}")
        (ended,) = bench.deployment.wait([run])
        rates.append(task_instances / (end_of(ended) - sent))
    return [
        Figure(
            name="fan_out.tis_per_second",
            title=f"fan-out 1 → {parameters.width:,} → 1",
            unit="TIs/s",
            skyray=median(rates),
            raw_ray=median(bench.raw.burst_rates),
            ratio_says="share of raw Ray's burst rate that is left",
            samples=rates,
        )
    ]
