"""Tasks that say what they need; Ray finds a machine that has it.

Shows: ``num_cpus``, ``memory``, ``num_gpus`` and custom ``resources`` – Ray's own words, on any task. What no
machine of the cluster can ever offer waits, and says so: `skyray tasks show resource_tags RUN_ID with_licence`.

    skyray up --num-gpus 1 --resources '{"licence": 2}' --detach     # logical: Ray counts them, it does not look
    skyray dags submit examples/resource_tags.py
    skyray dags trigger resource_tags --wait
"""

import os

from skyray import dag, task


@dag(schedule=None, tags=["example", "ray"])
def resource_tags():
    @task(num_cpus=0.5)
    def half_a_core() -> None:
        print("two of us share a core")

    @task(num_cpus=1, memory=200 * 1024 * 1024)
    def with_memory() -> None:
        print("placed where 200 MB are not promised to anybody else")

    @task(num_gpus=0.5)
    def half_a_gpu() -> str:
        print("CUDA_VISIBLE_DEVICES =", os.environ.get("CUDA_VISIBLE_DEVICES"))
        return os.environ.get("CUDA_VISIBLE_DEVICES", "")

    @task(num_cpus=0, resources={"licence": 1})
    def with_licence() -> None:
        print("one of the licences is mine while I run")

    @task
    def done(device: str) -> None:
        assert device, "Ray names the GPU that a task got"

    [half_a_core(), with_memory(), with_licence()] >> done(half_a_gpu())


resource_tags()
