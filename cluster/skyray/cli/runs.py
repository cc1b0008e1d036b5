"""``skyray runs``: list, show, watch, cancel."""

from __future__ import annotations

import click

from skyray.cli.dags import RUN_COLUMNS
from skyray.cli.following import watch_run
from skyray.cli.lazy import LazyGroup
from skyray.cli.options import client_options, connect, output_option
from skyray.cli.output import show_one, show_rows

_STATES = click.Choice(["queued", "running", "success", "failed"])


@click.group(cls=LazyGroup, later=("clear", "set-state"))
def group() -> None:
    """List, show, watch and cancel runs."""


@group.command("list")
@click.argument("dag_id", default="")
@click.option("--state", "states", type=_STATES, multiple=True, help="Only runs in this state; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most this many.")
@client_options
@output_option
@click.pass_context
def list_(context: click.Context, dag_id: str, states: tuple[str, ...], limit: int) -> None:
    """List runs, of one DAG or of all, newest first."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        rows = [to_dict(run) for run in client.list_runs(dag_id, states=states, limit=limit)]
    show_rows(context, rows, RUN_COLUMNS, nothing="No runs.")


@group.command()
@click.argument("dag_id")
@click.argument("run_id")
@client_options
@output_option
@click.pass_context
def show(context: click.Context, dag_id: str, run_id: str) -> None:
    """Show one run."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        run = to_dict(client.get_run(dag_id, run_id))
    show_one(context, run)


@group.command()
@click.argument("dag_id")
@click.argument("run_id")
@client_options
@output_option
@click.pass_context
def watch(context: click.Context, dag_id: str, run_id: str) -> None:
    """Follow a run and its task instances until it has ended; exits with 1 if it failed.

    One line a change; with -o json or yaml each line is a JSON object.
    """
    with connect(context) as client:
        state = watch_run(context, client, dag_id, run_id)
    if state != "success":
        context.exit(1)


@group.command()
@click.argument("dag_id")
@click.argument("run_id")
@click.option("--note", help="A note on the run: why.")
@client_options
@output_option
@click.pass_context
def cancel(context: click.Context, dag_id: str, run_id: str, note: str | None) -> None:
    """Stop a run: its unfinished task instances are stopped and skipped, and it has failed."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        run = to_dict(client.cancel_run(dag_id, run_id, note=note))
    show_one(context, run)
