"""A report every weekday at seven in Berlin, whatever the season.

Shows: a cron ``schedule`` with a time zone, ``catchup``, ``max_active_runs``, the run's logical date and data
interval, and that a scheduled DAG can be triggered by hand as well.

    skyray dags submit examples/cron_report.py
    skyray dags next cron_report -n 5
    skyray dags trigger cron_report --wait --logical-date 2026-03-30T07:00:00+02:00
"""

import pendulum

from skyray import dag, get_current_context, task


@dag(
    schedule="0 7 * * MON-FRI",
    start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Berlin"),
    catchup=False,  # True would make up for every weekday since the start date
    max_active_runs=1,
    tags=["example", "scheduled"],
)
def cron_report():
    @task
    def report() -> str:
        context = get_current_context()
        moment = context["logical_date"] or context["dag_run"].run_after
        text = f"report for {moment:%A, %d %B %Y}"
        print(text)
        return text

    report()


cron_report()
