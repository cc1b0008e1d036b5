"""The ``skyray`` command: every noun by name, none imported before it is asked for."""

from __future__ import annotations

import click

from skyray.cli.lazy import LazyGroup
from skyray.cli.options import client_options, output_option

_NOUNS = {
    "up": ("skyray.cli.up:command", "Start the control plane, here or on a Ray cluster and Postgres."),
    "down": ("skyray.cli.down:command", "Stop what `up` started, and nothing else."),
    "status": ("skyray.cli.status:command", "Who leads, which actors and nodes live, pools, lag."),
    "demo": ("skyray.cli.demo:command", "Run the examples to their end, with a report."),
    "dags": ("skyray.cli.dags:group", "Submit, list, trigger, pause, delete and test DAGs."),
    "runs": ("skyray.cli.runs:group", "List, show, watch and cancel runs."),
    "tasks": ("skyray.cli.tasks:group", "List and show task instances; read their logs."),
    "pools": ("skyray.cli.pools:group", "List, show, set and delete pools."),
    "cluster": ("skyray.cli.cluster:group", "Nodes, actors and leaders."),
    "db": ("skyray.cli.db:group", "Migrate and check the database's schema."),
}


@click.group(
    cls=LazyGroup,
    lazy=_NOUNS,
    later=("backfill", "variables", "connections", "assets", "tokens"),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@client_options
@output_option
@click.version_option(package_name="skyray", prog_name="skyray")
def cli() -> None:
    """Skyray: Airflow's architecture on Ray.

    Exit codes: 0 done, 1 what was asked about failed, 2 usage, 3 no cluster reached, 4 not found, 5 conflict or failed
    precondition, 6 not allowed.
    """
