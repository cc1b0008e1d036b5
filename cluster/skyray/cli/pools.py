"""``skyray pools``: list, show, set, delete."""

from __future__ import annotations

import click

from skyray.cli.lazy import LazyGroup
from skyray.cli.options import client_options, connect, output_option
from skyray.cli.output import show_one, show_rows

POOL_COLUMNS = ("name", "slots", "occupied_slots", "running_slots", "queued_slots", "description")


@click.group(cls=LazyGroup)
def group() -> None:
    """List, show, set and delete pools."""


@group.command("list")
@client_options
@output_option
@click.pass_context
def list_(context: click.Context) -> None:
    """List pools and how full they are."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        rows = [to_dict(pool) for pool in client.list_pools()]
    show_rows(context, rows, POOL_COLUMNS, nothing="No pools.")


@group.command()
@click.argument("name")
@client_options
@output_option
@click.pass_context
def show(context: click.Context, name: str) -> None:
    """Show one pool."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        pool = to_dict(client.get_pool(name))
    show_one(context, pool)


@group.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("slots", type=click.IntRange(min=-1))
@click.option("--description", help="What it is for (default: as it is).")
@click.option("--include-deferred/--exclude-deferred", default=None, help="Whether deferred tasks keep their slots.")
@client_options
@output_option
@click.pass_context
def set_(context: click.Context, name: str, slots: int, description: str | None, include_deferred: bool | None) -> None:
    """Make a pool of SLOTS slots (-1: without limit), or change one."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        pool = to_dict(client.set_pool(name, slots, description=description, include_deferred=include_deferred))
    show_one(context, pool)


@group.command()
@click.argument("name")
@client_options
@click.pass_context
def delete(context: click.Context, name: str) -> None:
    """Delete a pool that no task is in."""
    with connect(context) as client:
        client.delete_pool(name)
    click.echo(f"Pool {name} deleted.", err=True)
