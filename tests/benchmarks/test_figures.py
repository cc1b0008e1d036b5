"""The arithmetic of the benchmarks: percentiles, ratios, and the table that shows them."""

import json
from pathlib import Path

import pytest
from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.processes import costs, with_descendants
from benchmarks.report import Report

ABOUT = {
    "machine": {"cpu": "A CPU", "cpus": 2, "memory_gib": 24.0, "kernel": "Linux 6", "load_average": [0.5, 0.4, 0.3]},
    "commit": "0123456789abcdef",
    "has_uncommitted_changes": True,
    "versions": {"python": "3.11.7", "skyray": "0.1.0", "ray": "2.60.0"},
}


@pytest.mark.parametrize(
    ("percent", "expected"), [(1, 1), (10, 1), (11, 2), (50, 5), (51, 6), (90, 9), (99, 10), (100, 10)]
)
def test_a_percentile_is_one_of_the_values(percent: float, expected: float) -> None:
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == expected


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_times_become_milliseconds() -> None:
    assert milliseconds([0.0012345, 1.0]) == [1.234, 1000.0]


@pytest.mark.parametrize(
    ("skyray", "raw", "ratio"), [(10.0, 4.0, 2.5), (None, 4.0, None), (1.0, None, None), (1, 0, None)]
)
def test_a_ratio_takes_two(skyray: float | None, raw: float | None, ratio: float | None) -> None:
    assert Figure("name", "title", "ms", skyray, raw).ratio == ratio


def test_the_table_says_where_it_comes_from_and_what_a_ratio_means() -> None:
    figures = [
        Figure("ray.rate", "burst", "tasks/s", raw_ray=1850.4),
        Figure("fan_out", "fan-out", "TIs/s", skyray=925.2, raw_ray=1850.4, ratio_says="share that is left"),
        Figure("hop", "hop", "ms", skyray=7.25, raw_ray=0.5, ratio_says="times raw Ray's"),
    ]
    lines = Report("2026-11-22T10:00:00+00:00", "large", ABOUT, {}, figures).table().splitlines()
    assert lines[0] == (
        "Skyray 0.1.0 at 0123456789ab with uncommitted changes, large parameters, 2026-11-22T10:00:00+00:00"
    )
    assert lines[1] == "A CPU, 2 CPUs, 24 GiB, Linux 6, load 0.5 before; Python 3.11.7, Ray 2.60.0"
    assert [line.split() for line in lines[4:]] == [
        ["burst", "–", "1,850", "tasks/s"],
        ["fan-out", "925", "1,850", "TIs/s", "0.50", "share", "that", "is", "left"],
        ["hop", "7.25", "0.50", "ms", "14", "times", "raw", "Ray's"],
    ]


def test_the_file_has_every_measurement(tmp_path: Path) -> None:
    figure = Figure("hop", "hop", "ms", 7.0, 3.5, "times raw Ray's", samples=[6.0, 7.0, 8.0])
    path = tmp_path / "results" / "today.json"
    Report("2026-11-22T10:00:00+00:00", "small", ABOUT, {"hops": {"length": 8}}, [figure]).write(path)
    found = json.loads(path.read_text())
    assert found["machine"]["cpus"] == 2
    assert found["parameters"] == {"hops": {"length": 8}}
    assert found["figures"][0]["samples"] == [6.0, 7.0, 8.0]
    assert found["figures"][0]["ratio"] == 2.0


def test_this_process_costs_something() -> None:
    def groups() -> dict[str, set[int]]:
        # Busy for a moment: the call that ends the watching is part of what is watched.
        sum(index * index for index in range(300_000))
        import os

        return {"us": with_descendants([os.getpid()]), "nobody": set()}

    found = costs(groups, seconds=0.05)
    assert found["us"].processes >= 1
    assert found["us"].memory_bytes > 1 << 20
    assert found["us"].cpu_percent > 0
    assert found["nobody"].processes == 0
    assert found["nobody"].cpu_percent == 0
