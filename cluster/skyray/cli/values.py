"""Values that commands take as text: JSON objects, moments. Wrong ones are usage errors that name the option."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import click


def json_object(text: str) -> str:
    """A JSON object. Stays text, so that every digit of its numbers is kept."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.BadParameter(f"{text!r} is not a JSON object, such as {json.dumps({'name': 'value'})!r}")
    return text


def moment(text: str) -> datetime:
    """A date or a moment in ISO 8601. UTC, where it has no offset."""
    try:
        found = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time such as 2026-01-31T06:00:00+01:00") from None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
