"""Cold start: from ``skyray up --detach`` in an empty home until a task of a DAG that was then submitted has run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.deployment import Deployment, Say, raw_ray, running
from benchmarks.figures import Figure, median
from skyray.actors import local_ray


@dataclass(frozen=True)
class Parameters:
    """``more_rounds`` cold starts beside that of the deployment for the other benchmarks; ``raw_rounds`` of Ray."""

    more_rounds: int
    raw_rounds: int


SMALL = Parameters(more_rounds=0, raw_rounds=1)
LARGE = Parameters(more_rounds=2, raw_rounds=3)


@dataclass(frozen=True)
class Rehearsal:
    """Cold starts on a machine where nothing else of ours runs."""

    up_seconds: Sequence[float]
    first_task_seconds: Sequence[float]
    raw_seconds: Sequence[float]


def rehearse(parameters: Parameters, say: Say) -> Rehearsal:
    """Start and stop, as often as asked for. Before the deployment for the other benchmarks is there."""
    raw = [_raw_ray(say) for _ in range(parameters.raw_rounds)]
    up, first_task = [], []
    for _ in range(parameters.more_rounds):
        with running(say) as deployment:
            up.append(deployment.up_seconds)
            first_task.append(deployment.first_task_seconds)
    return Rehearsal(up, first_task, raw)


def figures(rehearsal: Rehearsal, deployment: Deployment) -> list[Figure]:
    """The cold starts of the rehearsal and that of ``deployment``."""
    first_task = [*rehearsal.first_task_seconds, deployment.first_task_seconds]
    return [
        Figure(
            name="cold_start.seconds",
            title="cold start until a task has run",
            unit="s",
            skyray=median(first_task),
            raw_ray=median(rehearsal.raw_seconds),
            ratio_says="times a start of the same Ray until a task has run",
            samples=first_task,
            more={
                "up_seconds": [*rehearsal.up_seconds, deployment.up_seconds],
                "raw_ray_samples": rehearsal.raw_seconds,
            },
        )
    ]


def _raw_ray(say: Say) -> float:
    """A Ray head with the options that Skyray gives its own, a driver that joins, one task."""
    say("raw Ray: start, a task, stop")
    with tempfile.TemporaryDirectory(prefix="skyray-bench-") as folder:
        home = Path(folder)
        began = time.monotonic()
        ray = local_ray.start(home, local_ray.LocalRayOptions())
        try:
            raw_ray(ray.address, Path(ray.token_path), "--first-task-only")
            return time.monotonic() - began
        finally:
            local_ray.stop(ray)
