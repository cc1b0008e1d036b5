"""DAG: arguments, what is refused, places, schedules that cannot be, cycles."""

from __future__ import annotations

import inspect
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.relativedelta import relativedelta

from skyray import DAG, CronTriggerTimetable, Label, Param, TaskGroup, dag
from skyray.errors import DagDefinitionError, UnsupportedFeatureError
from skyray.exceptions import AirflowDagCycleException, DuplicateTaskIdFound, ParamValidationError, TaskNotFound
from skyray.operators import EmptyOperator
from skyray.sdk.defaults import Defaults, use_defaults
from skyray.sdk.operator import BaseOperator


def line_here() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_arguments_and_their_defaults_are_airflows() -> None:
    made = DAG("d")
    found = {name: getattr(made, name) for name in ("schedule", "catchup", "max_active_tasks", "max_active_runs")}
    assert found == {"schedule": None, "catchup": False, "max_active_tasks": 16, "max_active_runs": 16}
    assert (made.start_date, made.end_date, made.dagrun_timeout, made.is_paused_upon_creation) == (None,) * 4
    assert (made.tags, made.default_args, dict(made.params), made.dag_display_name) == (set(), {}, {}, "d")
    assert (made.auto_register, made.render_template_as_native_obj) == (True, False)
    kinds = [p.kind for p in inspect.signature(DAG).parameters.values()]
    assert kinds[0] is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert set(kinds[1:]) == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_consecutive_failed_dag_runs", 3),
        ("deadline", object()),
        ("sla_miss_callback", print),
        ("on_success_callback", print),
        ("on_failure_callback", [print]),
        ("access_control", {"a": {}}),
        ("owner_links", {"a": "https://a"}),
        ("fail_fast", True),
        ("allowed_run_types", ["manual"]),
        ("disable_bundle_versioning", True),
        ("rerun_with_latest_version", True),
    ],
)
def test_unsupported_argument_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(UnsupportedFeatureError, match=rf"DAG 'd': the argument {name}="):
        DAG("d", **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_consecutive_failed_dag_runs", 0),
        ("on_success_callback", None),
        ("on_failure_callback", []),
        ("owner_links", {}),
        ("fail_fast", False),
        ("disable_bundle_versioning", False),
    ],
)
def test_unsupported_argument_at_its_default_is_accepted(name: str, value: Any) -> None:
    DAG("d", **{name: value})


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"dag_id": 3}, TypeError, "string"),
        ({"dag_id": "a b"}, ValueError, "'a b'"),
        ({"dag_id": "a\n"}, ValueError, "alphanumeric"),
        ({"dag_id": ""}, ValueError, "alphanumeric"),
        ({"dag_id": "x" * 251}, ValueError, "251"),
        ({"dag_id": "d", "nonsense": 1}, TypeError, "nonsense"),
        ({"dag_id": "d", "schedule_interval": "@daily"}, TypeError, "schedule_interval"),
        ({"dag_id": "d", "tags": "one"}, TypeError, "tags"),
        ({"dag_id": "d", "tags": ["x" * 101]}, ValueError, "100"),
        ({"dag_id": "d", "tags": [1]}, TypeError, "tags"),
        ({"dag_id": "d", "default_args": [1]}, TypeError, "default_args"),
        ({"dag_id": "d", "start_date": "2026-01-01"}, TypeError, "start_date"),
        ({"dag_id": "d", "catchup": "yes"}, TypeError, "catchup"),
        ({"dag_id": "d", "schedule": "@daily", "catchup": True}, ValueError, "catchup=True needs a start_date"),
        ({"dag_id": "d", "max_active_runs": 0}, ValueError, "max_active_runs"),
        ({"dag_id": "d", "max_active_tasks": "3"}, TypeError, "max_active_tasks"),
        ({"dag_id": "d", "max_active_tasks": True}, TypeError, "max_active_tasks"),
        ({"dag_id": "d", "dagrun_timeout": 3}, TypeError, "dagrun_timeout"),
        ({"dag_id": "d", "params": [1]}, TypeError, "params"),
        ({"dag_id": "d", "params": {"x": object()}}, ParamValidationError, "param x"),
        ({"dag_id": "d", "schedule": "@continuous"}, ValueError, "max_active_runs <= 1"),
        ({"dag_id": "d", "schedule": "not a cron"}, ValueError, "not a cron"),
        ({"dag_id": "d", "schedule": "@fortnightly"}, ValueError, "@fortnightly"),
        ({"dag_id": "d", "schedule": "0 0 31 2 *"}, ValueError, "never"),
        ({"dag_id": "d", "schedule": 5}, ValueError, "schedule=5"),
        ({"dag_id": "d", "schedule": timedelta(0)}, ValueError, "positive"),
        ({"dag_id": "d", "schedule": relativedelta(months=-1)}, ValueError, "positive"),
        ({"dag_id": "d", "schedule": relativedelta(day=3)}, UnsupportedFeatureError, r"relativedelta\(day"),
        ({"dag_id": "d", "schedule": [1]}, UnsupportedFeatureError, "assets"),
    ],
)
def test_wrong_argument_raises_with_its_value(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        DAG(**arguments)


@pytest.mark.parametrize(
    ("schedule", "kind", "arguments"),
    [
        (None, "null", {}),
        ("@once", "once", {}),
        ("@daily", "cron_trigger", {"expression": "@daily", "timezone": "UTC"}),
        ("@quarterly", "cron_trigger", {"expression": "@quarterly", "timezone": "UTC"}),
        ("*/5 * * * *", "cron_trigger", {"expression": "*/5 * * * *", "timezone": "UTC"}),
        (timedelta(hours=1), "delta_trigger", {"seconds": 3600.0}),
        (relativedelta(months=1), "delta_trigger", {"months": 1}),
        (relativedelta(years=1, days=1), "delta_trigger", {"years": 1, "seconds": 86400.0}),
        (
            CronTriggerTimetable("@daily", timezone="Europe/Zurich"),
            "cron_trigger",
            {"expression": "@daily", "timezone": "Europe/Zurich"},
        ),
    ],
)
def test_schedule_becomes_a_timetable(schedule: Any, kind: str, arguments: dict[str, Any]) -> None:
    spec = DAG("d", schedule=schedule).timetable.to_spec()
    assert (spec.kind, dict(spec.arguments)) == (kind, arguments)


class NamedZone(tzinfo):
    """As pendulum's: a tzinfo with a ``name``."""

    name = "Asia/Tokyo"

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=9)


@pytest.mark.parametrize(
    ("start", "name", "instant"),
    [
        (datetime(2026, 1, 1), "UTC", "2026-01-01T00:00:00+00:00"),
        (datetime(2026, 1, 1, tzinfo=timezone.utc), "UTC", "2026-01-01T00:00:00+00:00"),
        (datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Zurich")), "Europe/Zurich", "2025-12-31T23:00:00+00:00"),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))), "Etc/GMT-2", "2025-12-31T22:00:00+00:00"),
        (datetime(2026, 1, 1, tzinfo=timezone(-timedelta(hours=5))), "Etc/GMT+5", "2026-01-01T05:00:00+00:00"),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5.5))), "+05:30", "2025-12-31T18:30:00+00:00"),
        (datetime(2026, 1, 1, tzinfo=NamedZone()), "Asia/Tokyo", "2025-12-31T15:00:00+00:00"),
    ],
)
def test_timezone_is_that_of_the_start_date(start: datetime, name: str, instant: str) -> None:
    made = DAG("d", start_date=start)
    assert made.timezone == name
    assert made.start_date is not None
    assert made.start_date.astimezone(timezone.utc).isoformat() == instant


def test_naive_start_date_takes_the_deployments_time_zone() -> None:
    with use_defaults(Defaults(timezone="America/New_York")):
        made = DAG("d", schedule="@daily", default_args={"start_date": datetime(2026, 1, 1)})
        assert DAG("e").timezone == "America/New_York"
    assert made.timezone == "America/New_York"
    assert made.start_date is not None
    assert made.start_date.utcoffset() == timedelta(hours=-5)
    assert dict(made.timetable.to_spec().arguments)["timezone"] == "America/New_York"


def test_offset_without_a_name_cannot_have_a_cron() -> None:
    with pytest.raises(ValueError, match=r"\+05:30"):
        DAG("d", schedule="@daily", start_date=datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5.5))))


def test_place_of_definition_is_recorded() -> None:
    made = DAG("d")
    assert (made.fileloc, made.lineno) == (__file__, line_here() - 1)
    task = EmptyOperator(
        task_id="a",
        dag=made,
    )
    assert task.fileloc == __file__
    assert line_here() - 5 <= task.lineno <= line_here() - 1


def test_cycle_names_its_tasks_and_the_line_that_closes_it() -> None:
    with DAG("d", schedule=None) as made:
        a, b, c = (EmptyOperator(task_id=name) for name in "abc")
        a >> b >> c
        c >> b
        closing = line_here() - 1
        a >> c
    with pytest.raises(AirflowDagCycleException, match="b -> c -> b") as caught:
        made.validate()
    assert (caught.value.path, caught.value.line) == (__file__, closing)
    assert isinstance(caught.value, DagDefinitionError)


def test_task_that_depends_on_itself_is_a_cycle() -> None:
    with DAG("d") as made:
        a = EmptyOperator(task_id="a")
        a >> a
    with pytest.raises(AirflowDagCycleException, match="a -> a"):
        made.validate()


def test_duplicate_ids_are_refused() -> None:
    with DAG("d") as made:
        EmptyOperator(task_id="a")
        with pytest.raises(DuplicateTaskIdFound, match="'a'"):
            EmptyOperator(task_id="a")
        with TaskGroup("g"):
            EmptyOperator(task_id="x")
        with pytest.raises(DuplicateTaskIdFound, match="'g'"):
            EmptyOperator(task_id="g")
        with pytest.raises(DuplicateTaskIdFound, match="'g'"):
            TaskGroup("g")
        with pytest.raises(DuplicateTaskIdFound, match=r"'g\.x'"):
            EmptyOperator(task_id="g.x")
    assert made.task_ids == ["a", "g.x"]


def test_scheduled_dag_needs_valid_params() -> None:
    DAG("d", schedule=None, params={"x": Param(type="integer")}).validate()
    DAG("d", schedule="@daily", params={"x": Param(3, type="integer")}).validate()
    made = DAG("d", schedule="@daily", params={"x": Param(type="integer")})
    with pytest.raises(DagDefinitionError, match="param x") as caught:
        made.validate()
    assert caught.value.line == made.lineno
    with pytest.raises(DagDefinitionError, match="is not of type 'integer'"):
        DAG("d", schedule="@daily", params={"x": Param("a", type="integer")}).validate()


def test_params_of_default_args_are_the_dags() -> None:
    made = DAG("d", default_args={"params": {"a": 1, "b": 1}, "retries": 1}, params={"b": 2})
    assert dict(made.params) == {"a": 1, "b": 2}
    assert made.default_args == {"retries": 1}


def test_missing_template_field_is_found() -> None:
    class Wrong(BaseOperator):
        template_fields = ("nowhere",)

    with DAG("d") as made:
        task = Wrong(task_id="a")
    with pytest.raises(DagDefinitionError, match="'nowhere' is a template field of Wrong") as caught:
        made.validate()
    assert caught.value.line == task.lineno


def test_tasks_can_be_found() -> None:
    with DAG("d") as made:
        a = EmptyOperator(task_id="a")
        with TaskGroup("g") as group:
            b = EmptyOperator(task_id="b")
        a >> b
    assert (made["a"], made["g"], made["g.b"]) == (a, group, b)
    assert (made.roots, made.leaves, made.tasks) == ([a], [b], [a, b])
    assert made.get_task("a") is a
    assert "g" in made
    assert made.topological_sort() == [a, b]
    with pytest.raises(KeyError, match="nothing"):
        made["nothing"]
    with pytest.raises(TaskNotFound, match="nothing"):
        made.get_task("nothing")


@pytest.mark.parametrize("name", ["test", "cli", "param", "add_result", "partial_subset"])
def test_unsupported_method_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedFeatureError, match=rf"dag\.{name}\(\)"):
        getattr(DAG("d"), name)()


def test_start_and_end_dates_of_tasks_lie_inside_the_dags() -> None:
    early, middle, late = (datetime(2026, month, 1, tzinfo=timezone.utc) for month in (1, 2, 3))
    with DAG("d", start_date=middle, end_date=middle):
        wide = EmptyOperator(task_id="wide", start_date=early, end_date=late)
        narrow = EmptyOperator(task_id="narrow", start_date=late, end_date=early)
        plain = EmptyOperator(task_id="plain")
    assert [(t.start_date, t.end_date) for t in (wide, narrow, plain)] == [
        (middle, middle),
        (late, early),
        (middle, middle),
    ]


def test_doc_md_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "about.md").write_text("# About", encoding="utf-8")
    made = DAG("d", doc_md="about.md")
    made.fileloc = str(tmp_path / "dags.py")
    assert made.doc_md == "# About"
    assert DAG("d", doc_md="missing.md").doc_md == "missing.md"


def test_label_is_kept() -> None:
    with DAG("d") as made:
        a, b, c = (EmptyOperator(task_id=name) for name in "abc")
        a >> Label("yes") >> [b, c]
        b << Label("back") << c
    assert made.get_edge_info("a", "b") == {"label": "yes"}
    assert made.get_edge_info("a", "c") == {"label": "yes"}
    assert made.get_edge_info("c", "b") == {"label": "back"}
    assert made.get_edge_info("b", "a") == {}


# ------------------------------------------------------------------------------------------------ @dag
def test_dag_decorator() -> None:
    @dag(schedule="@once", tags=["t"])
    def my_pipeline() -> None:
        """What it does.

        More.
        """
        EmptyOperator(task_id="a")

    made = my_pipeline()
    assert (made.dag_id, made.doc_md, made.task_ids, made.tags) == (
        "my_pipeline",
        "What it does.\n\nMore.",
        ["a"],
        {"t"},
    )
    assert made.fileloc == __file__
    assert my_pipeline() is not made


def test_dag_decorator_without_parentheses_and_with_an_id() -> None:
    @dag
    def plain() -> None: ...

    @dag("other", doc_md="own")
    def named() -> None:
        """Doc."""

    assert plain().dag_id == "plain"
    assert (named().dag_id, named().doc_md) == ("other", "own")


def test_dag_decorator_refuses_what_it_cannot_do() -> None:
    with pytest.raises(TypeError, match="nonsense"):
        dag(nonsense=1)
    with pytest.raises(UnsupportedFeatureError, match=r"with_args\(x\)"):

        @dag
        def with_args(x: int) -> None: ...
