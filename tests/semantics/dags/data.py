"""How values travel: XComs, arguments nested in dictionaries and lists, several outputs, large values, unicode."""

import asyncio
import datetime
import decimal
import uuid

from skyray import DAG, get_current_context, task
from skyray.operators import PythonOperator

EXPECTED = {}
WORDS = "Zürich – 東京 🚀 \u202e\x00\x7f"

with DAG("xcoms"):

    @task
    def push(ti):
        ti.xcom_push(key="number", value=7)
        ti.xcom_push(key="none", value=None)
        ti.xcom_push(key="ünï 🚀", value=WORDS)
        ti.xcom_push(key="number", value=8)
        return {"a": 1, "b": [1, 2, (3, 4)]}

    @task
    def nothing():
        return None

    @task(do_xcom_push=False)
    def keeps():
        return 1

    @task
    def pull(ti):
        assert ti.xcom_pull(task_ids="push") == {"a": 1, "b": [1, 2, (3, 4)]}
        assert ti.xcom_pull(task_ids="push", key="number") == 8
        assert ti.xcom_pull(task_ids="push", key="none") is None
        assert ti.xcom_pull(task_ids="push", key="ünï 🚀") == WORDS
        assert ti.xcom_pull("push", key="missing") is None
        assert ti.xcom_pull("push", key="missing", default=3) == 3
        assert ti.xcom_pull(task_ids="nothing") is None
        assert ti.xcom_pull(task_ids="nothing", default="d", map_indexes=-1) == "d"
        assert ti.xcom_pull(task_ids="keeps") is None
        assert ti.xcom_pull(task_ids="nowhere") is None
        assert ti.xcom_pull(task_ids=["push", "nothing"], key="number") == [8, None]
        assert ti.xcom_pull(task_ids=["push"], key="number") == [8]
        assert ti.xcom_pull(task_ids=[], key="number") == []
        assert ti.xcom_pull() is None  # its own, of this try
        assert ti.xcom_pull(task_ids="push", key="number", map_indexes=None) == 8
        assert ti.xcom_pull(task_ids="push", key="number", map_indexes=[-1]) == [8]
        assert ti.xcom_pull(task_ids="push", key="number", dag_id="xcoms", run_id=ti.run_id) == 8

    @task
    def pulls_prior(ti):
        ti.xcom_pull(task_ids="push", include_prior_dates=True)

    @task
    def not_json():
        return object()

    [push(), nothing(), keeps()] >> pull()
    pulls_prior()
    not_json()

EXPECTED["xcoms"] = {
    "run": "failed",
    "tasks": {
        "push": "success",
        "nothing": "success",
        "keeps": "success",
        "pull": "success",
        "pulls_prior": "failed",
        "not_json": "failed",
    },
}

with DAG("arguments"):

    @task(multiple_outputs=True)
    def several():
        return {"x": 1, "y": {"z": 2}, "größe": "L"}

    @task
    def annotated() -> dict[str, int]:
        return {"one": 1, "two": 2}

    @task
    def bad_outputs() -> dict:
        return {1: "a"}

    @task
    def nested(config, *rest, last=None, **more):
        assert config == {"list": [1, {"deep": ({"z": 2}, 1)}], "text": "L"}, config
        assert rest == (1, [2, 1]), rest
        assert last == {1, 2}, last
        assert more["whole"] == {"one": 1, "two": 2}, more
        assert more["missing"] is None

    @task
    def missing_key(value):
        raise AssertionError("not reached")

    @task
    def none():
        return None

    @task
    def types(ti):
        return [
            datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.timezone.utc),
            datetime.date(2026, 1, 2),
            datetime.timedelta(hours=1.5),
            decimal.Decimal("1.10"),
            uuid.UUID(int=5),
            (1, (2,)),
            {3},
            b"\x00\xff",
            float("inf"),
            2**80,
            WORDS,
            {"": {}, "__type": "x"},
        ]

    @task
    def check_types(value):
        assert value[:10] == types.function(None)[:10], value
        assert value[10:] == [WORDS, {"": {}, "__type": "x"}], value

    outputs, numbers = several(), annotated()
    nested(
        {"list": [1, {"deep": (outputs["y"], outputs["x"])}], "text": outputs["größe"]},
        numbers["one"],
        [numbers["two"], numbers["one"]],
        last={1, 2},
        whole=numbers,
        missing=none(),
    )
    missing_key(numbers["three"])
    bad_outputs()
    check_types(types())

EXPECTED["arguments"] = {
    "run": "failed",
    "tasks": {
        "several": "success",
        "annotated": "success",
        "bad_outputs": "failed",
        "nested": "success",
        "missing_key": "failed",
        "none": "success",
        "types": "success",
        "check_types": "success",
    },
}

with DAG("sizes"):

    @task
    def big(size):
        return "ä" * size

    @task
    def measure(value, size):
        assert value == "ä" * size

    for size in (1_000, 100_000, 3_000_000):
        measure.override(task_id=f"measure_{size}")(big.override(task_id=f"big_{size}")(size), size)

    @task
    def too_big():
        return "x" * (17 << 20)

    too_big()

EXPECTED["sizes"] = {
    "run": "failed",
    "tasks": {
        "big_1000": "success",
        "big_100000": "success",
        "big_3000000": "success",
        "measure_1000": "success",
        "measure_100000": "success",
        "measure_3000000": "success",
        "too_big": "failed",
    },
}

with DAG("functions"):

    @task
    async def wait(x: int):
        await asyncio.sleep(0.01)
        return x + 1

    async def coroutine(x):
        await asyncio.sleep(0)
        return x * 10

    @task
    def context_by_name(run_id, dag_run, params, try_number, ti=None, task=None, logical_date=None, **context):
        assert run_id == dag_run.run_id == ti.run_id == get_current_context()["run_id"]
        assert task.task_id == "context_by_name"
        assert try_number == 1
        assert logical_date is None
        assert "ds" not in context
        assert context["dag"].dag_id == "functions"
        assert dag_run.run_type == "manual"
        assert dag_run.conf == {"k": "v"}
        print("über", WORDS.encode())

    @task
    def again():
        return get_current_context()["ti"].task_id

    @task
    def check(value):
        assert value == ["again", "again__1", "again__2", 21], value

    multiplied = PythonOperator(task_id="multiplied", python_callable=coroutine, op_args=["{{ 2 }}1"])

    @task
    def is_text(value):
        assert value == "21" * 10, value

    is_text(multiplied.output)
    check([again(), again(), again(), wait(20)])
    context_by_name()

EXPECTED["functions"] = {
    "run": "success",
    "conf": {"k": "v"},
    "tasks": {
        "wait": "success",
        "multiplied": "success",
        "is_text": "success",
        "again": "success",
        "again__1": "success",
        "again__2": "success",
        "check": "success",
        "context_by_name": "success",
    },
    "log": {("context_by_name", 1): ["über"]},
}
