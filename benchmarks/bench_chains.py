"""Many small runs at once: each a chain of ten. How many task instances Skyray runs a second."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.deployment import end_of
from benchmarks.figures import Figure, median
from benchmarks.suite import Bench

LENGTH = 10  # of DAG ``chain``


@dataclass(frozen=True)
class Parameters:
    """``runs`` are triggered at once."""

    runs: int
    rounds: int


SMALL = Parameters(runs=3, rounds=1)
LARGE = Parameters(runs=100, rounds=3)


def measure(bench: Bench, parameters: Parameters) -> list[Figure]:
    """From the first of the requests that make the runs until the last run has ended."""
    rates = []
    for _ in range(parameters.rounds):
        runs, sent = bench.deployment.trigger_many("chain", parameters.runs)
        ended = bench.deployment.wait(runs)
        rates.append(parameters.runs * LENGTH / (max(map(end_of, ended)) - sent))
    return [
        Figure(
            name="chains.tis_per_second",
            title=f"{parameters.runs} runs of a {LENGTH}-task chain at once",
            unit="TIs/s",
            skyray=median(rates),
            raw_ray=median(bench.raw.chains_rates),
            ratio_says="share of raw Ray's rate for the same chains that is left",
            samples=rates,
        )
    ]
