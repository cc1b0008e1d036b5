"""The benchmarks work, shown by running them small, from a deployment's start to its end. No time is judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
COMPARED = {
    "fan_out.tis_per_second",
    "chains.tis_per_second",
    "hop.p50",
    "hop.p99",
    "trigger_to_start.p50",
    "trigger_to_start.p99",
    "idle.memory.skyray",
    "idle.memory.postgres",
    "cold_start.seconds",
}
RAW = {"ray.tasks_per_second", "ray.round_trip_p50", "ray.round_trip_p99"}
AT_REST = {"idle.cpu.skyray", "idle.cpu.postgres"}  # on a quiet machine, in a second, these may be too little to see


@pytest.mark.timeout(280)
def test_all_of_them_run_small(tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--small", "--output", str(output)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(output.read_text())
    figures = {each["name"]: each for each in results["figures"]}
    assert figures.keys() == COMPARED | RAW | AT_REST
    for name in COMPARED:
        assert figures[name]["skyray"] > 0, name
        assert figures[name]["ratio"] > 0, name
        assert figures[name]["ratio_says"], name
    for name in RAW:
        assert figures[name]["raw_ray"] > 0, name
    for name in AT_REST:
        assert figures[name]["skyray"] >= 0, name
    assert results["size"] == "small"
    assert results["machine"]["cpus"] >= 1
    assert {"python", "ray", "skyray"} <= results["versions"].keys()
    assert set(results["parameters"]) == {
        *("raw_ray", "idle", "trigger", "hops", "fan_out", "chains", "cold_start"),
    }
    assert all(each["title"] in done.stdout for each in results["figures"])
