"""A run keeps the version that it began with; a broken edit changes nothing; a mended one counts."""

from __future__ import annotations

from pathlib import Path

from tests.support import Skyray, wait_for

SOURCE = """
import os, time
from skyray import DAG, task

with DAG("versions"):

    @task
    def first():
        while {version} == 1 and not os.path.exists({gate!r}):
            time.sleep(0.05)
        return {version}

    @task
    def second(number):
        print("version", number, {version})

    second(first())
"""


def test_versions(deployment: Skyray, tmp_path: Path) -> None:
    file, gate = tmp_path / "versions.py", tmp_path / "gate"

    def submit(version: int, more: str = "") -> dict[str, object]:
        file.write_text(SOURCE.format(version=version, gate=str(gate)) + more)
        return deployment.submit(file)

    def version_of(run_id: str) -> int:
        return int(deployment.json("runs", "show", "versions", run_id)["dag_version"])

    assert submit(1)["import_errors"] == []
    old = deployment.trigger("versions")
    wait_for(lambda: deployment.tasks("versions", old)["first"]["state"] == "running", "the first task runs")
    assert submit(2)["import_errors"] == []
    new = deployment.trigger("versions")
    report = submit(3, "1 / 0\n")
    (error,) = report["import_errors"]  # type: ignore[misc]
    assert (error["path"], error["line"], error["message"]) == (
        "versions.py",
        len(file.read_text().splitlines()),
        "ZeroDivisionError: division by zero",
    )
    assert [each for each in deployment.json("dags", "errors") if each["path"] == "versions.py"]
    assert deployment.json("dags", "show", "versions")["dag_version"] == 2
    gate.touch()
    for run_id, version in ((old, 1), (new, 2)):
        assert deployment.wait_for_run("versions", run_id) == "success"
        assert version_of(run_id) == version
        assert f"version {version} {version}" in deployment.log("versions", run_id, "second")
    assert submit(4)["import_errors"] == []
    assert not [each for each in deployment.json("dags", "errors") if each["path"] == "versions.py"]
    assert deployment.json("dags", "show", "versions")["dag_version"] == 3
