"""``skyray tasks``: list, show, logs."""

from __future__ import annotations

import click

from skyray.cli.lazy import LazyGroup
from skyray.cli.options import client_options, connect, output_option
from skyray.cli.output import dump, output_of, show_one, show_rows, table

TI_COLUMNS = ("task_id", "map_index", "state", "try_number", "queued_at", "start_date", "end_date", "pool", "error")
WAITING_COLUMNS = (*TI_COLUMNS, "waiting_for")
ATTEMPT_COLUMNS = ("try_number", "state", "queued_at", "start_date", "end_date", "node_id", "pid", "error")
_map_index_option = click.option(
    "--map-index", type=click.IntRange(min=0), help="Which of a mapped task's instances (default: it is not mapped)."
)


@click.group(cls=LazyGroup, later=("clear", "set-state"))
def group() -> None:
    """List and show task instances; read their logs."""


@group.command("list")
@click.argument("dag_id")
@click.argument("run_id")
@click.option("--state", "states", multiple=True, help="Only those in this state; may be repeated.")
@client_options
@output_option
@click.pass_context
def list_(context: click.Context, dag_id: str, run_id: str, states: tuple[str, ...]) -> None:
    """List the task instances of a run."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        rows = [to_dict(ti) for ti in client.list_task_instances(dag_id, run_id, states=states)]
    is_waiting = any(row["waiting_for"] for row in rows)
    show_rows(context, rows, WAITING_COLUMNS if is_waiting else TI_COLUMNS, nothing="No task instances.")


@group.command()
@click.argument("dag_id")
@click.argument("run_id")
@click.argument("task_id")
@_map_index_option
@client_options
@output_option
@click.pass_context
def show(context: click.Context, dag_id: str, run_id: str, task_id: str, map_index: int | None) -> None:
    """Show one task instance, its attempts, and what it waits for."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        ti = to_dict(client.get_task_instance(dag_id, run_id, task_id, map_index))
    show_one(context, ti, leave_out=("attempts",))
    if output_of(context) == "table" and ti["attempts"]:
        click.echo("\n" + table(ti["attempts"], ATTEMPT_COLUMNS))


@group.command()
@click.argument("dag_id")
@click.argument("run_id")
@click.argument("task_id")
@_map_index_option
@click.option("--try", "try_number", type=click.IntRange(min=1), help="Which try (default: the newest).")
@click.option("-f", "--follow", is_flag=True, help="Go on until the try has ended.")
@client_options
@output_option
@click.pass_context
def logs(
    context: click.Context,
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: int | None,
    try_number: int | None,
    follow: bool,
) -> None:
    """Print what a task wrote, as it wrote it.

    With -o json or yaml: an object with its identifiers and the content, once all of it is there.
    """
    as_it_comes = output_of(context) == "table"
    content = bytearray()
    shown_try = try_number or 0
    with connect(context) as client:
        for part in client.stream_logs(
            dag_id, run_id, task_id, map_index=map_index, try_number=try_number or 0, follow=follow
        ):
            shown_try = part.try_number
            if as_it_comes:
                click.echo(part.content, nl=False)
            else:
                content += part.content
    if not as_it_comes:
        record = {
            "dag_id": dag_id,
            "run_id": run_id,
            "task_id": task_id,
            "map_index": -1 if map_index is None else map_index,
            "try_number": shown_try,
            "content": content.decode("utf-8", errors="replace"),
        }
        dump(context, record)
