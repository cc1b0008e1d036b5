"""Branches: one id, several, a group, none, a wrong id; a join below; short circuits of both kinds."""

from skyray import DAG, TaskGroup, task
from skyray.operators import BranchPythonOperator, EmptyOperator, ShortCircuitOperator

EXPECTED = {}

with DAG("branch_one"):

    @task.branch
    def decide():
        return "left"

    left, right = EmptyOperator(task_id="left"), EmptyOperator(task_id="right")
    decide() >> [left, right]
    below_right = EmptyOperator(task_id="below_right")
    right >> below_right
    join = EmptyOperator(task_id="join", trigger_rule="none_failed_min_one_success")
    strict = EmptyOperator(task_id="strict")
    [left, below_right] >> join
    [left, right] >> strict

EXPECTED["branch_one"] = {
    "run": "success",
    "tasks": {
        "decide": "success",
        "left": "success",
        "right": "skipped",
        "below_right": "skipped",
        "join": "success",
        "strict": "skipped",
    },
}

with DAG("branch_direct_join"):
    # The join is directly below the branch, but one of the followed tasks leads to it: it is not skipped by the branch,
    # but by its rule, because of y.
    branch = BranchPythonOperator(task_id="branch", python_callable=lambda: ["x"])
    x, y, join = (EmptyOperator(task_id=name) for name in ("x", "y", "join"))
    join_done = EmptyOperator(task_id="join_done", trigger_rule="all_done")
    branch >> [x, y, join, join_done]
    [x, y] >> join
    [x, y] >> join_done

EXPECTED["branch_direct_join"] = {
    "run": "success",
    "tasks": {"branch": "success", "x": "success", "y": "skipped", "join": "skipped", "join_done": "success"},
}

with DAG("branch_group"):

    @task.branch
    def choose():
        return ["chosen", "single"]

    with TaskGroup("chosen") as chosen:
        EmptyOperator(task_id="a") >> EmptyOperator(task_id="b")
        EmptyOperator(task_id="c")
    with TaskGroup("other") as other:
        EmptyOperator(task_id="a")
    choose() >> [chosen, other, EmptyOperator(task_id="single")]

EXPECTED["branch_group"] = {
    "run": "success",
    "tasks": {
        "choose": "success",
        "chosen.a": "success",
        "chosen.b": "success",
        "chosen.c": "success",
        "other.a": "skipped",
        "single": "success",
    },
}

with DAG("branch_none"):

    @task.branch
    def nothing():
        return None

    x = EmptyOperator(task_id="x")
    x2 = EmptyOperator(task_id="x2", trigger_rule="all_done")
    nothing() >> x >> x2

EXPECTED["branch_none"] = {"run": "success", "tasks": {"nothing": "success", "x": "skipped", "x2": "success"}}

with DAG("branch_wrong"):

    @task.branch
    def wrong():
        return "nowhere"

    @task.branch
    def number():
        return 3

    wrong() >> EmptyOperator(task_id="below_wrong")
    number() >> EmptyOperator(task_id="below_number")

EXPECTED["branch_wrong"] = {
    "run": "failed",
    "tasks": {
        "wrong": "failed",
        "below_wrong": "upstream_failed",
        "number": "failed",
        "below_number": "upstream_failed",
    },
}

for everything in (True, False):
    dag_id = "short_circuit_all" if everything else "short_circuit_direct"
    with DAG(dag_id):
        stop = ShortCircuitOperator(
            task_id="stop", python_callable=lambda: 0, ignore_downstream_trigger_rules=everything
        )
        go = ShortCircuitOperator(task_id="go", python_callable=lambda: "yes")
        direct, far = EmptyOperator(task_id="direct"), EmptyOperator(task_id="far", trigger_rule="all_done")
        stop >> direct >> far
        go >> EmptyOperator(task_id="below_go")
    EXPECTED[dag_id] = {
        "run": "success",
        "tasks": {
            "stop": "success",
            "direct": "skipped",
            "far": "skipped" if everything else "success",
            "go": "success",
            "below_go": "success",
        },
    }
