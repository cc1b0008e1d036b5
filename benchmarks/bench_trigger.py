"""Trigger to start: on an idle deployment, from the request that makes a run to the first line of its task's code."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.deployment import read_stamps
from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.suite import Bench


@dataclass(frozen=True)
class Parameters:
    """``triggers`` requests, one after the other has ended."""

    triggers: int


SMALL = Parameters(triggers=3)
LARGE = Parameters(triggers=100)


def measure(bench: Bench, parameters: Parameters) -> list[Figure]:
    """Both clocks are this machine's."""
    latencies = []
    for _ in range(parameters.triggers):
        stamps = bench.deployment.stamps_file()
        run, sent = bench.deployment.trigger("single", conf={"stamps": str(stamps)})
        bench.deployment.wait([run])
        latencies.append(read_stamps(stamps)["only"][0] - sent)
    taken, raw = milliseconds(latencies), milliseconds(bench.raw.starts)
    return [
        Figure(
            name=f"trigger_to_start.p{percent}",
            title=f"trigger to start, p{percent}",
            unit="ms",
            skyray=percentile(taken, percent),
            raw_ray=percentile(raw, percent),
            ratio_says="times raw Ray's submit-to-start",
            samples=taken if percent == 50 else (),
        )
        for percent in (50, 99)
    ]
