"""A Ray driver without Skyray: what this Ray can do at most, with nothing durable and nobody deciding anything.

Runs in a process of its own (``python -m benchmarks.raw_ray ADDRESS …``), prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise
from typing import Any

import ray


def main() -> None:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--first-task-only", action="store_true")
    parser.add_argument("--burst", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--round-trips", type=int, default=0)
    parser.add_argument("--chains", type=int, default=0)
    parser.add_argument("--chain-length", type=int, default=10)
    parser.add_argument("--hops", type=int, default=0)
    given = parser.parse_args()
    ray.init(address=given.address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    ray.get(_nothing.remote())
    if given.first_task_only:
        print(json.dumps({}))
        return
    _warm_up()
    print(
        json.dumps(
            {
                "burst_tasks_per_second": [_burst(given.burst) for _ in range(given.rounds)],
                "chains_tasks_per_second": [_chains(given.chains, given.chain_length) for _ in range(given.rounds)],
                "round_trip_seconds": [_round_trip() for _ in range(given.round_trips)],
                "start_seconds": [_start() for _ in range(given.round_trips)],
                "hop_seconds": [gap for _ in range(given.rounds) for gap in _hops(given.hops)],
            }
        )
    )


@ray.remote(num_cpus=1, max_retries=0)
def _nothing(*after: Any) -> None:
    pass


@ray.remote(num_cpus=1, max_retries=0)
def _clock(*after: Any) -> float:
    return time.time()


@ray.remote(num_cpus=1, max_retries=0)
def _stamp(*after: Any) -> list[tuple[float, float]]:
    """The stamps of the tasks before, and this one's start and end."""
    start = time.time()
    return [*(after[0] if after else ()), (start, time.time())]


def _warm_up() -> None:
    """Workers started, functions exported."""
    for function in (_nothing, _clock, _stamp):
        ray.get([function.remote() for _ in range(20)])


def _burst(count: int) -> float:
    began = time.perf_counter()
    ray.get([_nothing.remote() for _ in range(count)])
    return count / (time.perf_counter() - began)


def _chains(count: int, length: int) -> float:
    began = time.perf_counter()
    heads = [_nothing.remote() for _ in range(count)]
    for _ in range(length - 1):
        heads = [_nothing.remote(head) for head in heads]
    ray.get(heads)
    return count * length / (time.perf_counter() - began)


def _round_trip() -> float:
    began = time.perf_counter()
    ray.get(_nothing.remote())
    return time.perf_counter() - began


def _start() -> float:
    sent = time.time()
    began: float = ray.get(_clock.remote())
    return began - sent


def _hops(length: int) -> list[float]:
    """A chain, submitted at once: from the end of each task's function to the start of the next one's."""
    last = _stamp.remote()
    for _ in range(length - 1):
        last = _stamp.remote(last)
    stamps = ray.get(last)
    return [after[0] - before[1] for before, after in pairwise(stamps)]


if __name__ == "__main__":
    main()
