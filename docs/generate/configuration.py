"""reference/configuration.md, from ``skyray.settings`` and the options of commands that set the same fields."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any

from docs.generate.cli import commands
from docs.generate.markdown import code, notice, page, table

from skyray.settings import Settings

_INTRODUCTION = """
A deployment has one set of options. They are read once, where a command or an actor begins. Later in this list wins:

1. the default,
2. a line in `$SKYRAY_HOME/skyray.toml`, for instance `schedulers = 3`,
3. the environment variable,
4. the option on the command line, where there is one.

An option that does not exist, or a value of the wrong type, is an error that names file or variable, option and value.
Units are the last word of a name. A flag in the environment is `true` or `false` (or `1`/`0`, `yes`/`no`, `on`/`off`).

`skyray up` hands its options to all actors and writes them, except the token, to `deployment.json` in the home. They
hold until `skyray down`: a second `up` with others is refused.
"""

_EXAMPLE = """
## Example

```toml
# ~/.skyray/skyray.toml
ray_address = "10.0.0.5:6379"
database_url = "postgresql://skyray@db.internal/skyray"
schedulers = 3
dags_are_paused_at_creation = true
```
"""

_SECRETS = """
`database_url` and `token` are secrets: they are never logged, and the files of the home that hold them have mode 0600.
"""


def render() -> str:
    """The page."""
    return page(notice("configuration"), "# Configuration", _INTRODUCTION, _table(), _SECRETS, _EXAMPLE)


def _table() -> str:
    places: dict[str, dict[str, list[str]]] = {}
    for path, command in commands():
        for parameter in command.params:
            if parameter.name:
                how = parameter.opts[0] if parameter.param_type_name == "option" else parameter.name.upper()
                places.setdefault(parameter.name, {}).setdefault(how, []).append(path)
    rows = [_row(each, places.get(each.name, {})) for each in fields(Settings)]
    return table(("option", "default", "environment", "command line", "what it does"), rows)


def _row(field: Field[Any], places: dict[str, list[str]]) -> tuple[str, ...]:
    return (
        code(field.name),
        code(_shown(field.default)) if field.default != "" else "–",
        code(f"SKYRAY_{field.name.upper()}"),
        ", ".join(_place(how, paths) for how, paths in places.items()) or "–",
        field.metadata["description"],
    )


def _place(how: str, paths: list[str]) -> str:
    """An option, and whose it is; nothing more where it is everybody's."""
    return code(how) if "skyray" in paths else f"{code(how)} of {', '.join(code(path) for path in paths)}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value >= 1 << 20 and value % (1 << 20) == 0:
        return f"{value} ({value >> 20} MiB)"
    return str(value)
