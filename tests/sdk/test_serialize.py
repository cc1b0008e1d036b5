"""From DAG to DagSpec: every field, the same text for the same source, and back from JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from skyray import DAG, CronDataIntervalTimetable, DeltaDataIntervalTimetable, Param, TaskGroup, chain, task
from skyray.core.model import DagSpec, ResourceSpec, TaskSpec, TimetableSpec
from skyray.core.timetables import build
from skyray.exceptions import AirflowDagCycleException
from skyray.operators import BashOperator, EmptyOperator
from skyray.sdk.serialize import dag_to_spec

UTC = timezone.utc


def full_dag() -> DAG:
    @task(num_cpus=2, runtime_env={"pip": ["x"]}, doc_md="# Doc")
    def extract() -> dict[str, int]:
        return {"a": 1}

    with DAG(
        "full",
        description="All of it",
        schedule="0 6 * * 1-5",
        start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Zurich")),
        end_date=datetime(2026, 12, 31, tzinfo=UTC),
        catchup=True,
        max_active_tasks=4,
        max_active_runs=2,
        dagrun_timeout=timedelta(hours=2),
        is_paused_upon_creation=True,
        tags=["b", "a"],
        params={"n": Param(3, description="how many", type="integer"), "free": "x"},
        doc_md="About",
        dag_display_name="Full DAG",
        default_args={"owner": "ops"},
    ) as dag:
        data = extract()
        with TaskGroup("load", tooltip="in here", ui_color="#abc"), TaskGroup("inner"):
            load = BashOperator(
                task_id="bash",
                bash_command="echo {{ params.n }}",
                env={"A": data["a"], "B": data},
                owner="bash",
                trigger_rule="none_failed",
                retries=3,
                retry_delay=timedelta(minutes=1),
                retry_exponential_backoff=2.0,
                max_retry_delay=timedelta(hours=1),
                execution_timeout=timedelta(minutes=5),
                pool="db",
                pool_slots=2,
                priority_weight=7,
                weight_rule="absolute",
                max_active_tis_per_dag=3,
                max_active_tis_per_dagrun=1,
                start_date=datetime(2026, 2, 1, tzinfo=UTC),
                task_display_name="Load it",
            )
        end = EmptyOperator(task_id="end")
        EmptyOperator(task_id="hooked", pre_execute=print)
        load >> end
    return dag


def test_every_field() -> None:
    dag = full_dag()
    start, end = datetime(2025, 12, 31, 23, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
    bounds = {"start_date": start, "end_date": end, "owner": "ops"}
    assert dag_to_spec(dag, relative_path="sub/full.py") == DagSpec(
        dag_id="full",
        relative_path="sub/full.py",
        line=dag.lineno,
        description="All of it",
        timetable=TimetableSpec("cron_trigger", (("expression", "0 6 * * 1-5"), ("timezone", "Europe/Zurich"))),
        timezone="Europe/Zurich",
        start_date=start,
        end_date=end,
        catchup=True,
        max_active_tasks=4,
        max_active_runs=2,
        dagrun_timeout_seconds=7200.0,
        is_paused_upon_creation=True,
        tags=("a", "b"),
        owners=("bash", "ops"),
        params=(
            ("free", {"value": "x", "description": None, "schema": {}}),
            ("n", {"value": 3, "description": "how many", "schema": {"type": "integer"}}),
        ),
        doc_md="About",
        dag_display_name="Full DAG",
        tasks=(
            TaskSpec(
                "extract",
                operator="@task",
                resources=ResourceSpec(num_cpus=2.0, runtime_env_json='{"pip": ["x"]}'),
                task_display_name="extract",
                doc_md="# Doc",
                **bounds,  # type: ignore[arg-type]
            ),
            TaskSpec(
                "load.inner.bash",
                operator="BashOperator",
                upstream=("extract",),
                trigger_rule="none_failed",
                retries=3,
                retry_delay_seconds=60.0,
                retry_backoff=2.0,
                max_retry_delay_seconds=3600.0,
                execution_timeout_seconds=300.0,
                pool="db",
                pool_slots=2,
                priority_weight=7,
                weight_rule="absolute",
                max_active_tis_per_dag=3,
                max_active_tis_per_dagrun=1,
                start_date=datetime(2026, 2, 1, tzinfo=UTC),
                end_date=end,
                xcom_inputs=(("extract", "a"), ("extract", "return_value")),
                task_group="load.inner",
                owner="bash",
                task_display_name="Load it",
            ),
            TaskSpec(
                "end",
                operator="EmptyOperator",
                upstream=("load.inner.bash",),
                is_empty=True,
                task_display_name="end",
                **bounds,  # type: ignore[arg-type]
            ),
            TaskSpec("hooked", operator="EmptyOperator", task_display_name="hooked", **bounds),  # type: ignore[arg-type]
        ),
        groups=(
            ("load", {"label": "load", "children": ["load.inner"], "tooltip": "in here", "ui_color": "#abc"}),
            ("load.inner", {"parent": "load", "label": "inner", "children": ["load.inner.bash"]}),
        ),
    )


def test_round_trip_through_json() -> None:
    spec = dag_to_spec(full_dag(), relative_path="full.py")
    assert DagSpec.from_json(json.loads(spec.canonical())) == spec


def test_minimal_dag() -> None:
    with DAG("d") as dag:
        EmptyOperator(task_id="a")
    spec = dag_to_spec(dag, relative_path="d.py")
    assert (spec.timetable, spec.start_date, spec.owners) == (TimetableSpec(), None, ("airflow",))
    assert DagSpec.from_json(spec.to_json()) == spec
    assert dag_to_spec(DAG("empty"), relative_path="d.py").tasks == ()


@pytest.mark.parametrize(
    "schedule",
    [
        None,
        "@once",
        "@hourly",
        "@quarterly",
        "0 0 * * *",
        timedelta(minutes=5),
        CronDataIntervalTimetable("@daily", "Asia/Tokyo"),
        DeltaDataIntervalTimetable(timedelta(days=1)),
    ],
)
def test_core_can_build_every_timetable(schedule: object) -> None:
    spec = dag_to_spec(DAG("d", schedule=schedule), relative_path="d.py")
    assert build(DagSpec.from_json(json.loads(spec.canonical())).timetable) is not None


def test_tasks_are_in_topological_order_as_near_to_the_source_as_can_be() -> None:
    with DAG("d") as dag:
        d, c, b, a = (EmptyOperator(task_id=name) for name in "dcba")
        chain(a, [b, c], d)
    assert [each.task_id for each in dag_to_spec(dag, relative_path="d.py").tasks] == ["a", "c", "b", "d"]


def test_cycle_is_refused() -> None:
    with DAG("d") as dag:
        a, b = EmptyOperator(task_id="a"), EmptyOperator(task_id="b")
        a >> b >> a
    with pytest.raises(AirflowDagCycleException, match="a -> b -> a"):
        dag_to_spec(dag, relative_path="d.py")


def test_same_source_gives_the_same_text_in_every_process(tmp_path: Path) -> None:
    """Whatever the seed of hashes, which decides how sets iterate."""
    (tmp_path / "source.py").write_text(
        "from skyray import DAG, TaskGroup, chain\n"
        "from skyray.operators import EmptyOperator, BashOperator\n"
        "from skyray.sdk.serialize import dag_to_spec\n"
        "with DAG('d', tags={'x', 'y', 'z', 'w'}, params={'b': 1, 'a': 2}) as dag:\n"
        "    tasks = [EmptyOperator(task_id=f't{i}', resources={'b': 1, 'a': 2}) for i in range(20)]\n"
        "    for i in range(20):\n"
        "        tasks[i] >> tasks[i + 1:]\n"
        "    BashOperator(task_id='last', bash_command='x', env={str(i): t.output for i, t in enumerate(tasks)})\n"
        "print(dag_to_spec(dag, relative_path='x.py').canonical())\n"
    )
    texts = {
        subprocess.run(
            [sys.executable, str(tmp_path / "source.py")],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": str(seed), "PATH": ""},
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(texts) == 1
    assert '"task_id":"t19"' in texts.pop()


def test_a_thousand_tasks_do_not_take_long_and_no_depth_is_too_deep() -> None:
    with DAG("d") as dag:
        chain(*(EmptyOperator(task_id=f"t{index}") for index in range(3000)))
    assert len(dag_to_spec(dag, relative_path="d.py").tasks) == 3000
