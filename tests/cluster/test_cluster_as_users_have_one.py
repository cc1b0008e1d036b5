"""Skyray on a cluster that others run: two Ray nodes with token authentication, one of them with a GPU, a Postgres 15.

DAGs are submitted from a folder that no worker can see: it is gone before anything runs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import Skyray, processes_that_name, ray_nodes

DAG = """
import os
from pathlib import Path
from skyray import dag, task

@dag(schedule=None)
def placed():
    @task
    def anywhere():
        return (Path(__file__).parent / "data.txt").read_text()

    @task(num_gpus=1)
    def on_gpu(text):
        return [text, os.environ.get("CUDA_VISIBLE_DEVICES")]

    @task(num_cpus=0, resources={"special": 1})
    def special():
        from helper import WORD
        return WORD

    @task
    def check(got, word):
        assert got == ["from the bundle", "0"], got
        assert word == "helped", word

    check(on_gpu(anywhere()), special())

placed()
"""


@pytest.fixture(scope="module")
def cluster(short_folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Address and client environment of a Ray cluster of two nodes."""
    head = ["--num-cpus", "2", "--num-gpus", "0"]
    worker = ["--num-cpus", "1", "--num-gpus", "1", "--resources", '{"special": 1}']
    worker += ["--dashboard-agent-listen-port", "0"]
    with ray_nodes(short_folder / "ray", head, worker) as found:
        yield found


def test_deploying_submitting_and_placing(
    cluster: tuple[str, dict[str, str]], postgres15_url: str, short_folder: Path, tmp_path: Path
) -> None:
    address, authentication = cluster
    skyray = Skyray(short_folder / "u", authentication)
    without_token = Skyray(short_folder / "u")
    arguments = ("--ray-address", address, "--database-url", postgres15_url)
    refused = without_token.run("up", "--detach", "--api-address", "127.0.0.1:0", *arguments, exit_code=6, seconds=20)
    assert "RAY_AUTH_TOKEN" in refused.stderr
    try:
        addresses = skyray.up(*arguments)
        assert addresses["ray_address"] == address
        assert addresses["database_url"] == postgres15_url

        folder = tmp_path / "dags"
        folder.mkdir()
        (folder / "placed.py").write_text(DAG)
        (folder / "helper.py").write_text('WORD = "helped"\n')
        (folder / "data.txt").write_text("from the bundle")
        report = skyray.submit(folder)
        shutil.rmtree(folder)
        assert report["import_errors"] == []

        run_id = skyray.trigger("placed")
        assert skyray.wait_for_run("placed", run_id) == "success", skyray.json("tasks", "list", "placed", run_id)
        nodes = {node["node_id"]: node for node in skyray.json("cluster", "nodes") if node["state"] == "alive"}
        assert len(nodes) == 2
        gpu_node = next(node_id for node_id, node in nodes.items() if node["resources"].get("GPU"))
        tasks = skyray.tasks("placed", run_id)
        assert tasks["on_gpu"]["node_id"] == gpu_node
        assert tasks["special"]["node_id"] == gpu_node
        assert {task["node_id"] for task in tasks.values()} <= set(nodes)
    finally:
        skyray.run("down")
    assert processes_that_name(skyray.home) == []
    assert json.loads(skyray.run("down", "-o", "json").stdout)["stopped"] is False
    # The cluster and the database are as they were: the next deployment finds the record of the first.
    skyray.up(*arguments)
    try:
        assert skyray.run_state("placed", run_id) == "success"
    finally:
        skyray.run("down")
