"""The context's keys, templates, params and XCom reading, as authors see them."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from tests.execution.conftest import Worker, xcoms_of

from skyray.core.messages import OutcomeKind
from skyray.execution.values import encode

HEADER = """
from datetime import date, datetime
from skyray.sdk.dag import DAG
from skyray.sdk.operator import BaseOperator
from skyray.sdk.param import Param
from skyray.sdk.xcom_arg import XComArg, literal
from skyray.sdk.context import get_current_context

class Do(BaseOperator):
    template_fields = ("value",)
    template_ext = (".sql",)
    def __init__(self, *, work=None, value=None, **kwargs):
        super().__init__(**kwargs)
        self.work, self.value = work, value
    def execute(self, context):
        return self.value if self.work is None else self.work(context)

def do(task_id, work=None, **kwargs):
    return Do(task_id=task_id, work=work, dag=dag, **kwargs)
"""
DAG_LINE = 'dag = DAG("d", schedule=None)\n'
WITH_DATE = {
    "logical_date": datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))),
    "data_interval_start": datetime(2026, 2, 28, tzinfo=timezone.utc),
    "data_interval_end": datetime(2026, 3, 1, tzinfo=timezone.utc),
}


def value_of(worker: Worker, task_id: str = "t", **changes: Any) -> Any:
    result = worker.attempt(task_id, **changes)
    assert result.outcome.kind is OutcomeKind.SUCCESS, result.log.decode()
    return xcoms_of(result).get("return_value")


def error_of(worker: Worker, task_id: str = "t", **changes: Any) -> str:
    outcome = worker.attempt(task_id, **changes).outcome
    assert outcome.kind in (OutcomeKind.FAILED, OutcomeKind.FAILED_FOR_GOOD)
    return outcome.error or ""


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("{{ ds }} {{ ds_nodash }}", "2026-02-28 20260228"),
        ("{{ ts }}", "2026-02-28T23:30:00+00:00"),
        ("{{ ts_nodash }} {{ ts_nodash_with_tz }}", "20260228T233000 20260228T233000+0000"),
        ("{{ logical_date.add(days=1) | ds }}", "2026-03-01"),
        ("{{ data_interval_start | ts }}", "2026-02-28T00:00:00+00:00"),
        ("{{ macros.ds_add(ds, 7) }}", "2026-03-07"),
        ("{{ macros.ds_format(ds, '%Y-%m-%d', '%d.%m.%y') }}", "28.02.26"),
        ("{{ macros.datetime(2026, 1, 1) + macros.timedelta(days=1) }}", "2026-01-02 00:00:00"),
        ("{{ macros.json.dumps([1]) }} {{ macros.dateutil.parser.parse('2026-01-02').day }}", "[1] 2"),
        ("{{ dag.dag_id }} {{ task.task_id }} {{ ti.try_number }} {{ run_id }}", "d t 1 r1"),
        ("{{ task_instance_key_str }}", "d__t__20260228"),
        ("{{ dag_run.conf['x'] }} {{ dag_run.run_type }} {{ dag_run.run_type.value }}", "5 manual manual"),
        ("{{ params.x }} {{ params.y }}", "5 2"),
        ("{% for i in range(3) %}{{ i }}{% endfor %}{# note #}", "012"),
        ("{{ double('a') }} {{ 'b' | twice }}", "aa bb"),
        ("{% do [].append(1) %}{{ none | ds }}", "None"),
        (["{{ ds }}", ("{{ ds }}",), {"k": "{{ ds }}", "{{ ds }}": 1}, 7], None),
    ],
)
def test_template_renders(make_worker: Callable[..., Worker], template: Any, rendered: str | None) -> None:
    source = (
        'dag = DAG("d", schedule=None, params={"x": 1, "y": 2}, user_defined_macros={"double": lambda s: s * 2},\n'
        '    user_defined_filters={"twice": lambda s: s * 2})\n'
        f"do('t', value={template!r})"
    )
    value = value_of(make_worker(HEADER + source), conf={"x": 5}, **WITH_DATE)
    if rendered is None:
        rendered = "2026-02-28"
        assert value == [rendered, (rendered,), {"k": rendered, "{{ ds }}": 1}, 7]
    else:
        assert value == rendered


def test_keys_of_the_logical_date_are_undefined_without_one(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(
        HEADER
        + DAG_LINE
        + "do('t', value='{{ ds }}')\ndo('k', lambda c: [k in c for k in ('ds', 'ti', 'logical_date')])"
    )
    assert error_of(worker) == "UndefinedError: 'ds' is undefined"
    assert value_of(worker, "k") == [False, True, False]


def test_native_objects_at_dag_and_task(make_worker: Callable[..., Worker]) -> None:
    source = 'dag = DAG("d", schedule=None, render_template_as_native_obj=True)\n'
    source += "do('t', value='{{ [1, 2] }}')\ndo('text', value='{{ [1, 2] }}', render_template_as_native_obj=False)"
    worker = make_worker(HEADER + source)
    assert value_of(worker) == [1, 2]
    assert value_of(worker, "text") == "[1, 2]"


def test_template_files_are_found_beside_the_dag(make_worker: Callable[..., Worker]) -> None:
    source = DAG_LINE + "do('t', value='query.sql')\ndo('gone', value='gone.sql')"
    worker = make_worker(HEADER + source, query__sql="select '{{ run_id }}'")
    assert value_of(worker) == "select 'r1'"
    assert error_of(worker, "gone").startswith("TemplateNotFound: 'gone.sql' not found in search path")


def test_text_made_while_running_can_be_rendered(make_worker: Callable[..., Worker]) -> None:
    source = "from skyray.sdk.task import task\n@task.bash\ndef t(): return 'echo {{ run_id }}'\nwith dag: t()"
    assert value_of(make_worker(HEADER + DAG_LINE + source)) == "r1"


def test_function_may_take_the_whole_context(make_worker: Callable[..., Worker]) -> None:
    source = """
from skyray.sdk.task import task
@task
def t(x, **context): return [x, context["task"].task_id, context["ti"].task.task_id, context["run_id"]]
with dag: t("{{ run_id }}")
"""
    assert value_of(make_worker(HEADER + DAG_LINE + source)) == ["r1", "t", "t", "r1"]


def test_nested_objects_with_template_fields_are_rendered_in_a_copy(make_worker: Callable[..., Worker]) -> None:
    source = """
class Query:
    template_fields = ("sql",)
    def __init__(self, sql):
        self.sql = sql
query = Query("{{ run_id }}")
do('t', lambda c: [dag.task_dict['t'].value[0].sql, c['task'].value[0].sql], value=[query])
"""
    assert value_of(make_worker(HEADER + DAG_LINE + source)) == ["{{ run_id }}", "r1"]


def test_xcoms_are_data_not_templates(make_worker: Callable[..., Worker]) -> None:
    source = DAG_LINE + "up = do('up')\ndo('t', value=[up.output, up.output['k'], literal('{{ x }}')])"
    worker = make_worker(HEADER + source)
    inputs = {("up", "return_value"): "{{ ds }}", ("up", "k"): (1,)}
    assert value_of(worker, inputs=inputs) == ["{{ ds }}", (1,), "{{ x }}"]
    assert value_of(worker, inputs={**inputs, ("up", "return_value"): None})[0] is None
    assert "no XCom with key 'k' was pushed by task 'up'" in error_of(
        worker, inputs={("up", "return_value"): 1, ("up", "k"): None}
    )


def test_xcom_that_was_too_large_to_send_is_asked_for(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(HEADER + DAG_LINE + "up = do('up')\ndo('t', value=up.output)")
    worker.services.xcoms["d", "r1", "up", "return_value"] = [(-1, encode("big", key="k"))]
    assert value_of(worker) == "big"


def test_xcom_pull_follows_the_rules(make_worker: Callable[..., Worker]) -> None:
    source = """
def work(c):
    pull = c['ti'].xcom_pull
    return [pull('one'), pull(['one', 'none', 'many']), pull('many'), pull('many', map_indexes=1), pull('none'),
        pull('none', default=3), pull('many', map_indexes=[1, 5], default=0), pull('one', map_indexes=None),
        pull(), pull('one', run_id='r0'), pull('one', dag_id='other')]
do('t', work)
do('prior', lambda c: c['ti'].xcom_pull('one', include_prior_dates=True))
"""
    worker = make_worker(HEADER + DAG_LINE + source)
    stored = worker.services.xcoms
    for (dag, run, task), values in {
        ("d", "r1", "one"): {-1: "a"},
        ("d", "r1", "many"): {0: 10, 1: 11},
        ("d", "r0", "one"): {-1: "old"},
        ("other", "r1", "one"): {-1: "foreign"},
    }.items():
        stored[dag, run, task, "return_value"] = [(index, encode(v, key="k")) for index, v in values.items()]
    assert value_of(worker) == [
        *("a", ["a", None, 10, 11], [10, 11], 11, None),
        *(3, [11, 0], "a", None, "old", "foreign"),
    ]
    assert "include_prior_dates=True) is not supported yet" in error_of(worker, "prior")


def test_params_are_merged_and_validated_before_the_task_runs(make_worker: Callable[..., Worker]) -> None:
    source = """
dag = DAG("d", schedule=None, params={"n": Param(1, type="integer"), "m": 2})
do('t', lambda c: dict(c['params']), params={"m": 3})
do('blind', lambda c: 1)
"""
    worker = make_worker(HEADER + source)
    assert value_of(worker) == {"n": 1, "m": 3}
    assert value_of(worker, conf={"n": 7, "extra": 1}) == {"n": 7, "m": 3, "extra": 1}
    assert error_of(worker, "blind", conf={"n": "x"}).startswith("ParamValidationError: invalid value of param n")
    assert value_of(worker, "blind") == 1


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("c['var'].value.x", "var in the task context (variables) is not supported yet"),
        ("c['conn'].db", "conn in the task context (connections) is not supported yet"),
        ("c['outlet_events']['a']", "assets) is not supported yet"),
        ("c['prev_start_date_success']", "'prev_start_date_success' is not supported yet"),
        ("c.get('task_reschedule_count')", "'task_reschedule_count' is not supported yet"),
        ("c['ti'].get_previous_dagrun()", "ti.get_previous_dagrun is not supported yet"),
        ("c['nonsense']", "KeyError"),
        ("c['ti'].nonsense", "AttributeError: ti has no attribute 'nonsense'"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(
    make_worker: Callable[..., Worker], expression: str, words: str
) -> None:
    assert words in error_of(make_worker(HEADER + DAG_LINE + f"do('t', lambda c: {expression})"))


def test_context_is_a_dictionary_like_any_other(make_worker: Callable[..., Worker]) -> None:
    source = """
def work(c):
    assert c is get_current_context()
    c["mine"] = 1
    c.update(more=2)
    unpacked = {**c}
    def keywords(run_id, mine, ds, **others):
        return [run_id, mine, ds, type(others["macros"]).__name__]
    items = [v for k, v in c.items() if k == "ds"]
    return [unpacked["run_id"], dict(c)["ds"], c.copy()["ts"][:4], keywords(**c), items, c.get("ds"),
        c.get("no", 5), c.setdefault("try_number", 9), c.pop("ds_nodash"), (c | {"z": 1})["ds"],
        len(c) == len(list(c.values())), type(c["logical_date"]).__module__.split(".")[0]]
do('t', work)
"""
    assert value_of(make_worker(HEADER + DAG_LINE + source), **WITH_DATE) == [
        *("r1", "2026-02-28", "2026", ["r1", 1, "2026-02-28", "module"], ["2026-02-28"]),
        *("2026-02-28", 5, 1, "20260228", "2026-02-28", True, "pendulum"),
    ]


def test_plain_task_imports_neither_jinja_nor_pendulum(make_worker: Callable[..., Worker]) -> None:
    source = "import sys\ndo('t', lambda c: print([m in sys.modules for m in ('jinja2', 'pendulum')]), value=['x'])"
    folder = make_worker(HEADER + DAG_LINE + source).cache_dir.parent
    script = Path(__file__).with_name("worker_process.py")
    subprocess.run([sys.executable, script, folder / "dags", "t", folder / "events", "{}"], check=True, timeout=60)
    assert base64.b64decode(json.loads((folder / "events").read_text())["log"]) == b"[False, False]\n"
