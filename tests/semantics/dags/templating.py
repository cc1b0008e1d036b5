"""Templates in fields and files, macros, params; what does not exist without a logical date."""

from datetime import datetime, timezone

from skyray import DAG, Param, task
from skyray.operators import BashOperator, PythonOperator

EXPECTED = {}


def check(*args, **kwargs):
    for value, expected in args:
        assert value == expected, (value, expected)


def shout(text):
    return text.upper() + "!"


with DAG(
    "templates",
    params={"city": "Bern", "count": Param(3, type="integer", minimum=1)},
    user_defined_macros={"answer": 42, "shout": shout},
    user_defined_filters={"shout": shout},
    default_args={"params": {"street": "Gasse"}},
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
):
    PythonOperator(
        task_id="fields",
        python_callable=check,
        op_args=[
            ("{{ params.city }}", "Bern"),
            ("{{ params.count + 1 }}", "4"),
            ("{{ params.street }}", "Gasse"),
            ("{{ answer }} {{ shout('a') }} {{ 'b' | shout }}", "42 A! B!"),
            ("{{ dag.dag_id }}.{{ task.task_id }} {{ ti.try_number }}", "templates.fields 1"),
            ("{{ macros.ds_add('2026-01-01', 5) }}", "2026-01-06"),
            ("{{ macros.datetime(2026, 1, 2).year }} {{ macros.timedelta(days=1).days }}", "2026 1"),
            ("{{ macros.ds_format('2026-01-02', '%Y-%m-%d', '%d.%m.') }}", "02.01."),
            ("{{ dag_run.conf.get('x', 'none') }}", "none"),
            ({"deep": ["{{ params.city }}"]}, {"deep": ["Bern"]}),
            (("{{ 1 }}", 2), ("1", 2)),
            ("{{ run_id == dag_run.run_id }}", "True"),
            ("{% if params.count > 2 %}many{% else %}few{% endif %}", "many"),
        ],
    )
    BashOperator(
        task_id="file",
        bash_command="templates/say.sh",
        env={"GREETING": "{{ params.city | shout }}"},
        append_env=True,
    )
    PythonOperator(task_id="undefined", python_callable=check, op_args=["{{ nothing }}"])
    PythonOperator(task_id="date", python_callable=check, op_args=["{{ ds }}"])
    PythonOperator(task_id="syntax", python_callable=check, op_args=["{{ 1 + }}"])
    BashOperator(task_id="no_file", bash_command="templates/missing.sh")

EXPECTED["templates"] = {
    "run": "failed",
    "tasks": {
        "fields": "success",
        "file": "success",
        "undefined": "failed",
        "date": "failed",
        "syntax": "failed",
        "no_file": "failed",
    },
    "log": {
        ("file", 1): ["from a file: Bern BERN!"],
        ("undefined", 1): ["'nothing' is undefined"],
        ("date", 1): ["ds"],
        ("no_file", 1): ["templates/missing.sh"],
    },
}

with DAG("native", render_template_as_native_obj=True, params={"numbers": [1, 2], "n": 3}):
    PythonOperator(
        task_id="native",
        python_callable=check,
        op_args=[("{{ params.numbers }}", [1, 2]), ("{{ params.n }}", 3), ("a{{ params.n }}", "a3")],
    )
    PythonOperator(
        task_id="text", python_callable=check, op_args=[("{{ params.n }}", "3")], render_template_as_native_obj=False
    )

EXPECTED["native"] = {"run": "success", "tasks": {"native": "success", "text": "success"}}

with DAG("dated", schedule=None):

    @task
    def dates(ds, ds_nodash, ts, ts_nodash, logical_date, data_interval_start, data_interval_end):
        assert (ds, ds_nodash) == ("2026-03-01", "20260301")
        assert (ts, ts_nodash) == ("2026-03-01T10:30:00+00:00", "20260301T103000")
        assert logical_date.isoformat() == ts
        assert data_interval_start == data_interval_end == logical_date

    dates()
    PythonOperator(
        task_id="filters",
        python_callable=check,
        op_args=[
            (
                "{{ ds }} {{ logical_date | ds_nodash }} {{ ts_nodash_with_tz }}",
                "2026-03-01 20260301 20260301T103000+0000",
            )
        ],
    )

EXPECTED["dated"] = {
    "run": "success",
    "logical_date": "2026-03-01T12:30:00+02:00",
    "tasks": {"dates": "success", "filters": "success"},
}

with DAG("params", params={"n": Param(1, type="integer", maximum=5), "extra": None}):

    @task(params={"n": 2, "own": "o"})
    def overridden(params):
        assert dict(params) == {"n": 4, "extra": [1], "own": "o", "other": "ö"}, dict(params)

    @task
    def plain(params, dag_run):
        assert params["n"] == 4
        assert dag_run.conf["other"] == "ö"

    overridden()
    plain()

EXPECTED["params"] = {
    "run": "success",
    "conf": {"n": 4, "extra": [1], "other": "ö"},
    "tasks": {"overridden": "success", "plain": "success"},
}
