"""``skyray status``: whether the deployment works, on one page, through the admin API."""

from __future__ import annotations

import click

from skyray.cli.options import client_options, connect, output_option
from skyray.cli.output import Row, dump, table


@click.command("status")
@client_options
@output_option
@click.pass_context
def command(context: click.Context) -> None:
    """Who leads, which actors and nodes live, pools, unfinished work, and how far the leaders are behind."""
    from skyray.api.display import to_dict

    with connect(context) as client:
        status = to_dict(client.get_status())
        address = client.address
    if dump(context, status):
        return
    click.echo(f"Skyray {status['version']}, admin API at {address}")
    _section("Leaders", status["leaders"], ("partition", "holder", "epoch", "since"))
    _section("Actors", status["actors"], ("name", "role", "state", "leads", "node_id", "pid"))
    _section(
        "Nodes", [_short(node) for node in status["nodes"]], ("node_id", "state", "address", "is_head", "resources")
    )
    _section("Pools", status["pools"], ("name", "slots", "occupied_slots", "running_slots", "queued_slots"))
    click.echo()
    click.echo(f"Unfinished runs            {_counts(status['runs'])}")
    click.echo(f"Unfinished task instances  {_counts(status['task_instances'])}")
    lag = status["command_lag_seconds"]
    click.echo(f"Scheduler lag              {'none' if lag is None else f'oldest request waits for {lag:.2f} s'}")


def _section(title: str, rows: list[Row], columns: tuple[str, ...]) -> None:
    click.echo()
    click.echo(click.style(title, bold=True))
    click.echo(table(rows, columns) if rows else "none")


def _short(node: Row) -> Row:
    """A node without the resources that Ray adds for its own use, memory in GiB."""
    shown = {}
    for name, quantity in node["resources"].items():
        if name.startswith("node:"):
            continue
        shown[name] = round(quantity / 2**30, 1) if "memory" in name else quantity
    return {**node, "resources": shown}


def _counts(by_state: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in by_state.items()) or "none"
