"""Idle: what a deployment costs while nothing is to be done, in CPU and memory, apart for its parts."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.figures import Figure
from benchmarks.processes import Cost, costs
from benchmarks.suite import Bench

_MIB = 1 << 20


@dataclass(frozen=True)
class Parameters:
    """``settle_seconds`` of rest, then ``seconds`` of watching."""

    settle_seconds: float
    seconds: float


SMALL = Parameters(settle_seconds=0.2, seconds=1.0)
LARGE = Parameters(settle_seconds=5.0, seconds=20.0)


def measure(bench: Bench, parameters: Parameters) -> list[Figure]:
    """Skyray's actors, Postgres, and the rest of Ray, which would be there without Skyray too."""
    time.sleep(parameters.settle_seconds)
    found = costs(bench.deployment.process_groups, parameters.seconds)
    ray = found["ray"]
    return [
        *_lines("skyray", "Skyray's actors", found["skyray"], ray),
        *_lines("postgres", "Postgres", found["postgres"], ray),
    ]


def _lines(name: str, title: str, cost: Cost, ray: Cost) -> list[Figure]:
    more = {"processes": cost.processes, "raw_ray_processes": ray.processes}
    return [
        Figure(
            name=f"idle.cpu.{name}",
            title=f"idle CPU of {title}",
            unit="% of a core",
            skyray=cost.cpu_percent,
            raw_ray=ray.cpu_percent,
            ratio_says="times what Ray itself takes at rest",
            more=more,
        ),
        Figure(
            name=f"idle.memory.{name}",
            title=f"memory of {title}",
            unit="MiB",
            skyray=cost.memory_bytes / _MIB,
            raw_ray=ray.memory_bytes / _MIB,
            ratio_says="times what Ray itself holds",
            more=more,
        ),
    ]
