"""``skyray db``: migrate and check the schema. Unlike the other nouns these talk to Postgres, not to the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from skyray.cli.lazy import LazyGroup
from skyray.cli.options import deployment_of, home_option, output_option, settings_of
from skyray.cli.output import show_one
from skyray.errors import DatabaseVersionError, InvalidInputError

_database_option: Callable[[Any], Any] = click.option(
    "--database-url", metavar="URL", help="postgresql://… (SKYRAY_DATABASE_URL; default: as `skyray up` said)."
)


@click.group(cls=LazyGroup, later=("clean",))
def group() -> None:
    """Migrate and check the database's schema."""


def _url(context: click.Context, database_url: str | None) -> str:
    settings = settings_of(context, database_url=database_url)
    url = settings.database_url or str(deployment_of(settings).get("database_url") or "")
    if not url:
        raise InvalidInputError("no database given", hint="--database-url or SKYRAY_DATABASE_URL says which")
    return url


@group.command()
@_database_option
@home_option
@output_option
@click.pass_context
def migrate(context: click.Context, database_url: str | None) -> None:
    """Bring the schema up to this version of Skyray."""
    from skyray.store.migrate import check as status_of
    from skyray.store.migrate import migrate as bring_up

    url = _url(context, database_url)
    bring_up(url)
    _show(context, status_of(url))


@group.command()
@_database_option
@home_option
@output_option
@click.pass_context
def check(context: click.Context, database_url: str | None) -> None:
    """Say whether the schema is what this version of Skyray needs; exits with 5 if it is not."""
    from skyray.store.migrate import check as status_of

    status = status_of(_url(context, database_url))
    _show(context, status)
    if status.state != "current":
        hint = "use a newer Skyray" if status.state == "ahead" else "`skyray db migrate` brings it up"
        raise DatabaseVersionError(f"the schema is {status.state}", hint=hint)


def _show(context: click.Context, status: Any) -> None:
    show_one(context, {"state": status.state, "current": status.current, "head": status.head})
