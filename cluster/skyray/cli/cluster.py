"""``skyray cluster``: nodes, actors, leaders."""

from __future__ import annotations

import click

from skyray.cli.lazy import LazyGroup
from skyray.cli.options import client_options, connect, output_option
from skyray.cli.output import show_rows


@click.group(cls=LazyGroup, later=("resources", "failover"))
def group() -> None:
    """Nodes, actors and leaders."""


@group.command()
@client_options
@output_option
@click.pass_context
def nodes(context: click.Context) -> None:
    """List the Ray nodes."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        rows = [to_dict(node) for node in client.list_nodes()]
    show_rows(context, rows, ("node_id", "address", "state", "is_head", "resources"), nothing="No nodes.")


@group.command()
@client_options
@output_option
@click.pass_context
def actors(context: click.Context) -> None:
    """List the control plane's actors."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        rows = [to_dict(actor) for actor in client.list_actors()]
    show_rows(context, rows, ("name", "role", "state", "leads", "pid", "node_id"), nothing="No actors.")


@group.command()
@client_options
@output_option
@click.pass_context
def leaders(context: click.Context) -> None:
    """List who leads each partition."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        rows = [to_dict(leader) for leader in client.list_leaders()]
    show_rows(context, rows, ("partition", "holder", "epoch", "since"), nothing="Nobody leads yet.")
