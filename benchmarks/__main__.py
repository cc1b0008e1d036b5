"""``python -m benchmarks``: run all, print the table, write the JSON file. ``make bench`` calls this."""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType

from benchmarks import (
    bench_chains,
    bench_cold_start,
    bench_fan_out,
    bench_hops,
    bench_idle,
    bench_raw_ray,
    bench_trigger,
    machine,
)
from benchmarks.deployment import BenchmarkError, running
from benchmarks.figures import Figure
from benchmarks.report import Report
from benchmarks.suite import Bench
from skyray.errors import SkyrayError

#: In this order: at rest first, then one thing at a time, then load.
_ON_A_DEPLOYMENT: tuple[ModuleType, ...] = (bench_idle, bench_trigger, bench_hops, bench_fan_out, bench_chains)
_RESULTS = Path("bench-results")


def main() -> int:
    """Exit status 0 if everything could be measured; no figure is ever a reason to fail."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--small", action="store_true", help="parameters that only show that the benchmarks work")
    parser.add_argument("--output", type=Path, help="JSON file (default: bench-results/TIME.json)")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)  # so that the deployment is stopped
    now = datetime.now(timezone.utc).replace(microsecond=0)
    try:
        report = run("small" if given.small else "large", now.isoformat())
    except (BenchmarkError, SkyrayError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    path = given.output or _RESULTS / f"{now:%Y-%m-%dT%H%M%SZ}.json"
    report.write(path)
    print(report.table())
    print(f"\nall measurements: {path}")
    return 0


def run(size: str, taken_at: str) -> Report:
    """All benchmarks with their parameters of that size."""
    about = machine.describe()
    modules = (bench_raw_ray, *_ON_A_DEPLOYMENT, bench_cold_start)
    parameters = {_name(module): getattr(module, size.upper()) for module in modules}
    rehearsal = bench_cold_start.rehearse(parameters["cold_start"], _say)
    found: list[Figure] = []
    with running(_say) as deployment:
        _say("raw_ray")
        raw = bench_raw_ray.measure(deployment, parameters["raw_ray"])
        found += bench_raw_ray.figures(raw, parameters["raw_ray"])
        bench = Bench(deployment, raw)
        for module in _ON_A_DEPLOYMENT:
            _say(_name(module))
            found += module.measure(bench, parameters[_name(module)])
        found += bench_cold_start.figures(rehearsal, deployment)
    return Report(taken_at, size, about, {name: asdict(each) for name, each in parameters.items()}, found)


def _name(module: ModuleType) -> str:
    return module.__name__.rpartition("bench_")[2]


def _say(line: str) -> None:
    print(f"benchmarks: {line}", file=sys.stderr, flush=True)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
