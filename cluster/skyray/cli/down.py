"""``skyray down``: stop what ``skyray up`` started in this home, and nothing else. The work is actors/deployment.py."""

from __future__ import annotations

import click

from skyray.cli.options import client_options, output_option, settings_of
from skyray.cli.output import dump
from skyray.cli.up import say


@click.command("down")
@client_options
@click.option("--force", is_flag=True, help="Forget also what ran on a Ray cluster that is gone for good.")
@output_option
@click.pass_context
def command(context: click.Context, force: bool) -> None:
    """Stop the control plane, and the Ray and Postgres of our own, that `skyray up` started.

    A Ray cluster or a Postgres that was there before stays. Data stays too: the next `up` goes on where this one ended.
    """
    from skyray.actors import deployment

    settings = settings_of(context)
    stopped = deployment.down(settings.home_path, say=say, force=force)
    if not dump(context, {"home": str(settings.home_path), "stopped": stopped}) and not stopped:
        click.echo(f"nothing is running in {settings.home_path}")
