"""How commands show things: a table for people, JSON or YAML for programs. Colour only on a terminal.

Everything shown is a dictionary with the keys of the admin API's messages; a table picks columns from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from skyray.cli.options import option_value

Row = Mapping[str, Any]
_CELL_CHARACTERS_MAX = 60
_COLOURS = {
    "success": "green",
    "failed": "red",
    "upstream_failed": "yellow",
    "running": "cyan",
    "queued": "bright_black",
    "up_for_retry": "yellow",
    "skipped": "magenta",
    "dead": "red",
}


def output_of(context: click.Context) -> str:
    """``table``, ``json`` or ``yaml``."""
    return str(option_value(context, "output") or "table")


def cell(value: Any) -> str:
    """A value in a table: times to the second in UTC, lists joined, nothing for None, one line always."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case str():
            return _short_time(value) or " ".join(value.split())
        case Mapping():
            return ", ".join(f"{name}={cell(item)}" for name, item in value.items())
        case list() | tuple():
            return ", ".join(cell(item) for item in value)
    return str(value)


def _short_time(text: str) -> str:
    if not (len(text) > 18 and text[4:5] == "-" and text[10:11] == "T"):
        return ""
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return ""


def coloured(text: str, padded: str = "") -> str:
    """``padded`` (default: the text) in the colour of the state that ``text`` names, if it names one."""
    colour = _COLOURS.get(text)
    return click.style(padded or text, fg=colour) if colour else padded or text


def table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Rows below the names of their columns, aligned. The last column is never cut."""
    cells = [[cell(row.get(name)) for name in columns] for row in rows]
    for line in cells:
        line[:-1] = [
            text if len(text) <= _CELL_CHARACTERS_MAX else text[: _CELL_CHARACTERS_MAX - 1] + "…" for text in line[:-1]
        ]
    heads = [name.upper() for name in columns]
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(columns))]
    lines = ["  ".join(head.ljust(width) for head, width in zip(heads, widths, strict=True)).rstrip()]
    for line in cells:
        lines.append(
            "  ".join(coloured(text, text.ljust(width)) for text, width in zip(line, widths, strict=True)).rstrip()
        )
    return "\n".join(lines)


def dump(context: click.Context, value: Any) -> bool:
    """Print ``value`` as JSON or YAML, if that was asked for; False where a table was."""
    match output_of(context):
        case "json":
            click.echo(json.dumps(value, indent=2, ensure_ascii=False))
        case "yaml":
            import yaml

            click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)
        case _:
            return False
    return True


def show_rows(context: click.Context, rows: Sequence[Row], columns: Sequence[str], *, nothing: str) -> None:
    """Show a list; ``nothing`` is what a person reads where it is empty."""
    if not dump(context, list(rows)):
        click.echo(table(rows, columns) if rows else nothing)


def show_one(context: click.Context, row: Row, *, leave_out: Sequence[str] = ()) -> None:
    """Show one thing: in a table, a line for each field that has a value, without ``leave_out``."""
    if dump(context, dict(row)):
        return
    shown = {name: cell(value) for name, value in row.items() if name not in leave_out and value not in (None, "", [])}
    width = max(map(len, shown), default=0)
    for name, text in shown.items():
        click.echo(f"{name.ljust(width)}  {coloured(text)}")
