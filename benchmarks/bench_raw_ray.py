"""Raw Ray: no-op tasks per second in a burst, round trip of one. What the others are compared with."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.deployment import Deployment
from benchmarks.figures import Figure, median, milliseconds, percentile
from benchmarks.suite import RawRay


@dataclass(frozen=True)
class Parameters:
    """``burst`` tasks at once; ``chains`` chains of ``chain_length``; a chain of ``hops``; each ``rounds`` times."""

    burst: int
    chains: int
    hops: int
    round_trips: int
    rounds: int
    chain_length: int = 10


SMALL = Parameters(burst=20, chains=3, hops=8, round_trips=5, rounds=1)
LARGE = Parameters(burst=1000, chains=100, hops=50, round_trips=200, rounds=5)


def measure(deployment: Deployment, parameters: Parameters) -> RawRay:
    """Run the driver on the deployment's own Ray, while Skyray has nothing to do."""
    found = deployment.raw_ray(
        *("--burst", str(parameters.burst), "--rounds", str(parameters.rounds)),
        *("--chains", str(parameters.chains), "--chain-length", str(parameters.chain_length)),
        *("--hops", str(parameters.hops), "--round-trips", str(parameters.round_trips)),
    )
    return RawRay(
        burst_rates=found["burst_tasks_per_second"],
        chains_rates=found["chains_tasks_per_second"],
        round_trips=found["round_trip_seconds"],
        starts=found["start_seconds"],
        hops=found["hop_seconds"],
    )


def figures(raw: RawRay, parameters: Parameters) -> list[Figure]:
    """Raw Ray's own lines of the table."""
    trips = milliseconds(raw.round_trips)
    return [
        Figure(
            name="ray.tasks_per_second",
            title=f"no-op tasks, burst of {parameters.burst:,}",
            unit="tasks/s",
            raw_ray=median(raw.burst_rates),
            more={"raw_ray_samples": raw.burst_rates},
        ),
        *(
            Figure(
                name=f"ray.round_trip_p{percent}",
                title=f"one no-op task and back, p{percent}",
                unit="ms",
                raw_ray=percentile(trips, percent),
                more={"raw_ray_samples": trips} if percent == 50 else {},
            )
            for percent in (50, 99)
        ),
    ]
