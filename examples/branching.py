"""One of several ways is taken, the others are skipped, and the ways meet again.

Shows: ``@task.branch`` (returns the task_id to go on with), why the meeting point needs a trigger rule, and
``@task.short_circuit``, which skips everything after it. Runs differ by the conf that they are triggered with:

    skyray dags submit examples/branching.py
    skyray dags trigger branching --wait --conf '{"size_mb": 2}'
    skyray dags trigger branching --wait --conf '{"size_mb": 2000}'
"""

from skyray import Param, dag, get_current_context, task
from skyray.operators import EmptyOperator


@dag(schedule=None, tags=["example"], params={"size_mb": Param(10, type="integer", minimum=0)})
def branching():
    @task.branch
    def choose() -> str:
        size = get_current_context()["params"]["size_mb"]
        return "process_in_memory" if size < 1000 else "process_in_pieces"

    @task
    def process_in_memory() -> None:
        print("small enough to hold")

    @task
    def process_in_pieces() -> None:
        print("piece by piece")

    # One of its upstreams is always skipped: with the default rule, all_success, it would be skipped too.
    meet = EmptyOperator(task_id="meet", trigger_rule="none_failed_min_one_success")

    @task.short_circuit
    def is_worth_archiving() -> bool:
        return get_current_context()["params"]["size_mb"] >= 1000

    @task
    def archive() -> None:
        print("archived")

    choose() >> [process_in_memory(), process_in_pieces()] >> meet >> is_worth_archiving() >> archive()


branching()
