"""``skyray dags``: submit, list, show, trigger, pause, unpause, delete, next, errors; ``test`` is in dags_test.py."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from skyray.cli.following import follow_runs
from skyray.cli.lazy import LazyGroup
from skyray.cli.options import client_options, connect, output_option, settings_of
from skyray.cli.output import dump, output_of, show_one, show_rows, table
from skyray.cli.values import json_object, moment
from skyray.errors import SkyrayError

DAG_COLUMNS = ("dag_id", "is_paused", "dag_version", "schedule", "next_run_after", "tags", "path")
RUN_COLUMNS = ("dag_id", "run_id", "run_type", "state", "logical_date", "start_date", "end_date")
ERROR_COLUMNS = ("path", "line", "dag_id", "message")
TASK_COLUMNS = ("task_id", "operator", "upstream_task_ids", "trigger_rule", "retries", "pool", "resources")


@click.group(
    cls=LazyGroup,
    lazy={"test": ("skyray.cli.dags_test:command", "Run one DAG in this process, with neither Ray nor server.")},
)
def group() -> None:
    """Submit, list, trigger, pause, delete and test DAGs."""


@group.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--name", help="The bundle's name (default: that of the file or folder). A new one replaces the old one.")
@client_options
@output_option
@click.pass_context
def submit(context: click.Context, path: Path, name: str | None) -> None:
    """Send a DAG file or folder to the cluster; returns when its DAGs are live or refused.

    Exits with 1 if any file or DAG was refused.
    """
    from skyray.api.display import to_dict
    from skyray.parsing.bundle import pack

    bundle = pack(path, max_bytes=settings_of(context).bundle_max_bytes, name=name)
    with connect(context) as client:
        report = to_dict(client.submit_bundle(bundle.name, bundle.content))
    if not dump(context, report):
        if report["dags"]:
            click.echo(table(report["dags"], ("dag_id", "dag_version", "is_paused", "schedule", "path")))
        for dag_id in report["retired_dag_ids"]:
            click.echo(f"{dag_id}: no longer defined, retired")
        for error in report["import_errors"]:
            where = error["path"] + (f":{error['line']}" if error["line"] else "")
            click.echo(f"{click.style('refused', fg='red')} {where}: {error['message']}", err=True)
        if not report["dags"] and not report["import_errors"]:
            click.echo(f"No DAGs in {path}.", err=True)
    if report["import_errors"]:
        context.exit(1)


@group.command("list")
@click.option("--all", "include_retired", is_flag=True, help="Also DAGs whose file is gone.")
@client_options
@output_option
@click.pass_context
def list_(context: click.Context, include_retired: bool) -> None:
    """List DAGs."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        rows = [to_dict(dag) for dag in client.list_dags(include_retired=include_retired)]
    columns = (*DAG_COLUMNS, "is_retired") if include_retired else DAG_COLUMNS
    show_rows(context, rows, columns, nothing="No DAGs. `skyray dags submit PATH` sends some.")


@group.command()
@click.argument("dag_id")
@client_options
@output_option
@click.pass_context
def show(context: click.Context, dag_id: str) -> None:
    """Show one DAG and its tasks."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        dag = to_dict(client.get_dag(dag_id))
    show_one(context, dag, leave_out=("tasks",))
    if output_of(context) == "table":
        click.echo("\n" + table(dag["tasks"], TASK_COLUMNS))


@group.command()
@click.argument("dag_ids", metavar="DAG_ID...", nargs=-1, required=True)
@click.option("--conf", type=json_object, metavar="JSON", default="{}", help="The runs' conf, a JSON object.")
@click.option("--run-id", default="", help="The runs' id (default: made from the time).")
@click.option("--logical-date", type=moment, metavar="TIME", help="The runs' logical date (default: none).")
@click.option("--note", help="A note on the runs.")
@click.option("--wait", is_flag=True, help="Return when all runs have ended; exits with 1 if any failed.")
@click.option(
    "--timeout", type=float, metavar="SECONDS", help="With --wait: give up, with exit code 1, after this long."
)
@client_options
@output_option
@click.pass_context
def trigger(
    context: click.Context,
    dag_ids: tuple[str, ...],
    conf: str,
    run_id: str,
    logical_date: datetime | None,
    note: str | None,
    wait: bool,
    timeout: float | None,
) -> None:
    """Make a run of each DAG now.

    JSON and YAML are one object for one DAG_ID, an array for several.
    """
    from skyray.api.display import to_dict

    if timeout is not None and not wait:
        raise click.UsageError("--timeout needs --wait")
    with connect(context) as client:
        dags = [client.get_dag(dag_id) for dag_id in dict.fromkeys(dag_ids)]  # none is run if one does not exist
        runs = []
        try:
            for dag in dags:
                run = client.trigger_dag(dag.dag_id, run_id=run_id, logical_date=logical_date, conf=conf, note=note)
                runs.append(to_dict(run))
        except SkyrayError:
            if runs:
                _show_runs(context, runs)
            raise
        for paused in [dag.dag_id for dag in dags if dag.is_paused]:
            click.echo(f"DAG {paused} is paused: its run waits until `skyray dags unpause {paused}`", err=True)
        if wait:
            runs, ended = follow_runs(context, client, runs, timeout)
    _show_runs(context, runs)
    if wait and not ended:
        click.echo(f"Error: not all runs ended within {timeout:g} s", err=True)
        context.exit(1)
    if wait and any(run["state"] != "success" for run in runs):
        context.exit(1)


def _show_runs(context: click.Context, runs: list[dict[str, Any]]) -> None:
    if not dump(context, runs[0] if len(runs) == 1 else runs):
        click.echo(table(runs, RUN_COLUMNS))


@group.command()
@click.argument("dag_ids", metavar="DAG_ID...", nargs=-1, required=True)
@client_options
@output_option
@click.pass_context
def pause(context: click.Context, dag_ids: tuple[str, ...]) -> None:
    """Pause DAGs: no run is made or started, and running runs begin no further task."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        _show_dags(context, [to_dict(client.pause_dag(dag_id)) for dag_id in dag_ids])


@group.command()
@click.argument("dag_ids", metavar="DAG_ID...", nargs=-1, required=True)
@client_options
@output_option
@click.pass_context
def unpause(context: click.Context, dag_ids: tuple[str, ...]) -> None:
    """Let the schedules of DAGs make runs again."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        _show_dags(context, [to_dict(client.unpause_dag(dag_id)) for dag_id in dag_ids])


def _show_dags(context: click.Context, dags: list[dict[str, Any]]) -> None:
    if not dump(context, dags[0] if len(dags) == 1 else dags):
        click.echo(table(dags, ("dag_id", "is_paused", "next_run_after")))


@group.command()
@click.argument("dag_id")
@client_options
@click.pass_context
def delete(context: click.Context, dag_id: str) -> None:
    """Delete a DAG, its runs and all that is recorded of them. It comes back when its file is parsed next."""
    with connect(context) as client:
        client.delete_dag(dag_id)
    click.echo(f"{dag_id} deleted.", err=True)


@group.command("next")
@click.argument("dag_id")
@click.option("-n", "count", type=click.IntRange(min=1, max=1000), default=1, help="How many.")
@client_options
@output_option
@click.pass_context
def next_(context: click.Context, dag_id: str, count: int) -> None:
    """Show when the next scheduled runs of a DAG will be made."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        rows = [to_dict(run) for run in client.list_upcoming_runs(dag_id, count)]
    columns = ("run_after", "logical_date", "data_interval_start", "data_interval_end")
    show_rows(context, rows, columns, nothing=f"The schedule of {dag_id} makes no further run.")


@group.command()
@client_options
@output_option
@click.pass_context
def errors(context: click.Context) -> None:
    """List the DAG files, and DAGs in them, that are not live because of an error."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        rows = [to_dict(error) for error in client.list_import_errors()]
    show_rows(context, rows, ERROR_COLUMNS, nothing="No errors.")
