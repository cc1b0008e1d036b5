"""Groups, chains, default arguments, ids that need escaping, and what BashOperator makes of a command."""

from datetime import timedelta

from skyray import DAG, Label, TaskGroup, chain, cross_downstream, dag, get_current_context, task, task_group
from skyray.operators import BashOperator, EmptyOperator

EXPECTED = {}

with DAG("default_arguments", default_args={"retries": 3, "retry_delay": timedelta(milliseconds=1), "owner": "dag"}):

    @task
    def tries(expected):
        task = get_current_context()["task"]
        assert (task.retries, task.owner) == tuple(expected), (task.retries, task.owner)

    tries.override(task_id="of_dag")([3, "dag"])
    tries.override(task_id="of_task", retries=0)([0, "dag"])
    tries.override(task_id="of_own_defaults", default_args={"retries": 7})([7, "dag"])
    with TaskGroup("outer", default_args={"retries": 1, "owner": "outer"}):
        tries.override(task_id="outer")([1, "outer"])
        with TaskGroup("inner", default_args={"retries": 2}):
            tries.override(task_id="inner")([2, "outer"])
            tries.override(task_id="own", owner="me")([2, "me"])

EXPECTED["default_arguments"] = {
    "run": "success",
    "tasks": dict.fromkeys(
        ("of_dag", "of_task", "of_own_defaults", "outer.outer", "outer.inner.inner", "outer.inner.own"), ("success", 1)
    ),
}


@dag
def groups():
    """Groups in groups, called twice; what stands after a group waits for all of its leaves."""

    @task
    def note(name):
        return name

    @task_group
    def section(x):
        @task_group(group_id="part", prefix_group_id=False)
        def part(y):
            return note.override(task_id="deep")(y)

        first = note.override(task_id="first")(x)
        return part(first)

    @task(trigger_rule="all_done")
    def last(ti):
        states = ti.xcom_pull(task_ids=["section.first", "deep", "section__1.first"])
        assert states == ["a", "a", "b"], states

    chain([section("a"), section("b")], last())


EXPECTED["groups"] = {
    "run": "success",
    "tasks": dict.fromkeys(("section.first", "deep", "section__1.first", "deep__1", "last"), "success"),
}
groups()

with DAG("edges"):
    a, b, c, d, e, f = (EmptyOperator(task_id=name) for name in "abcdef")
    chain(a, [b, c], [d, e], Label("über"), f)
    cross_downstream([b, c], [e])
    a >> Label("direct") >> f

    @task
    def check(ti):
        task = get_current_context()["dag"].task_dict
        found = {name: sorted(task[name].upstream_task_ids) for name in "abcdef"}
        expected = {"a": [], "b": ["a"], "c": ["a"], "d": ["b"], "e": ["b", "c"], "f": ["a", "d", "e"]}
        assert found == expected, found

    f >> check()

EXPECTED["edges"] = {"run": "success", "tasks": dict.fromkeys([*"abcdef", "check"], "success")}

with DAG("bash", params={"x": "y"}):
    BashOperator(task_id="ok", bash_command="echo first; echo {{ params.x }}")
    BashOperator(task_id="fails", bash_command="exit 3")
    BashOperator(task_id="skips", bash_command="exit 99")
    BashOperator(task_id="skips_7", bash_command="exit 7", skip_on_exit_code=[7, 8])
    BashOperator(task_id="no_skip", bash_command="exit 99", skip_on_exit_code=None)
    BashOperator(task_id="killed", bash_command="kill -9 $$")
    BashOperator(task_id="only_env", bash_command='test -z "$HOME" && echo "$A"', env={"A": "ä"})
    BashOperator(task_id="more_env", bash_command='test -n "$PATH" && echo "$A"', env={"A": "1"}, append_env=True)
    BashOperator(task_id="here", bash_command="pwd", cwd="/")
    BashOperator(task_id="no_folder", bash_command="pwd", cwd="/no/such/folder")
    BashOperator(task_id="both", bash_command="echo out; echo err >&2", output_processor=lambda line: line[::-1])
    BashOperator(
        task_id="context", bash_command="echo $AIRFLOW_CTX_DAG_ID.$AIRFLOW_CTX_TASK_ID.$AIRFLOW_CTX_TRY_NUMBER"
    )
    BashOperator(task_id="binary", bash_command=r"printf '\xff\xfe\n'")
    BashOperator(task_id="background", bash_command="sleep 5 >/dev/null 2>&1 & echo started")

    @task.bash
    def by_function():
        return "echo {{ params.x }} by function"

    @task(trigger_rule="all_done")
    def check(ti):
        names = ("ok", "only_env", "more_env", "here", "both", "context", "by_function", "fails")
        found = dict(zip(names, ti.xcom_pull(task_ids=names), strict=True))
        assert found.pop("both") in ("tuo", "rre")
        assert found == {
            "ok": "y",
            "only_env": "ä",
            "more_env": "1",
            "here": "/",
            "context": "bash.context.1",
            "by_function": "y by function",
            "fails": None,
        }, found

    checked = check()
    for each in list(checked.operator.dag.task_dict.values()):
        if each.task_id not in ("check", "background"):
            each >> checked
    by_function() >> checked

EXPECTED["bash"] = {
    "run": "success",
    "tasks": {
        **dict.fromkeys(("ok", "only_env", "more_env", "here", "both", "context", "binary", "by_function"), "success"),
        **dict.fromkeys(("check", "background"), "success"),
        **dict.fromkeys(("fails", "no_skip", "killed", "no_folder"), "failed"),
        **dict.fromkeys(("skips", "skips_7"), "skipped"),
    },
    "log": {
        ("ok", 1): ["first"],
        ("both", 1): ["out", "err"],
        ("fails", 1): ["exit code 3"],
        ("killed", 1): ["SIGKILL"],
    },
}
