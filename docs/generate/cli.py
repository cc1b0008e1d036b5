"""reference/cli.md, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
from docs.generate.markdown import code, notice, page, table

from skyray.cli.main import cli

SHARED = ("home", "api_address", "token", "token_file", "output")

_INTRODUCTION = """
`skyray NOUN VERB`. Every command that shows something takes `-o table|json|yaml`: a table is for people and may change;
in JSON and YAML the keys are the field names of the [admin API](admin-api.md)'s messages, times are RFC 3339 with an
offset, and states have Airflow's names in lower case. Errors go to standard error: one line, then a hint.
"""

_EXIT_CODES = """
| exit code | means |
|---|---|
| 0 | done |
| 1 | the thing asked about failed: a run that was waited for, a file that was submitted, a DAG under `dags test` |
| 2 | usage: an option, an argument or a value that cannot be |
| 3 | no cluster reached |
| 4 | what was named does not exist |
| 5 | conflict, or a precondition that does not hold |
| 6 | not allowed |
"""


def render() -> str:
    """The page."""
    parts = [notice("cli"), "# Command line", _INTRODUCTION, _EXIT_CODES, "## Options of every command"]
    parts.append(
        "They stand before the noun or after the verb. `up`, `down` and `db` take those that make sense there."
    )
    parts.append(_options([each for each in cli.params if each.name in SHARED]))
    for path, command in commands():
        if path != "skyray":
            parts += _section(path, command)
    return page(*parts)


def commands() -> Iterator[tuple[str, click.Command]]:
    """(how it is called, command) for the whole tree, in the order of the help."""
    yield from _walk("skyray", cli, click.Context(cli, info_name="skyray"))


def _walk(path: str, command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, name
            yield from _walk(f"{path} {name}", child, click.Context(child, info_name=name, parent=context))


def _section(path: str, command: click.Command) -> list[str]:
    level = "##" if path.count(" ") == 1 else "###"
    parts = [f"{level} {path}"]
    if isinstance(command, click.Group):
        parts.append(_help(command))
        later = sorted(getattr(command, "later", ()))
        if later:
            parts.append(f"Later versions will have {_listing(later)}; this one refuses them by name.")
        return parts
    usage = " ".join([path, *command.collect_usage_pieces(click.Context(command, info_name=path))])
    own = [each for each in command.params if isinstance(each, click.Option) and each.name not in SHARED]
    return [*parts, f"```\n{usage}\n```", _help(command), _options(own) if own else ""]


def _options(parameters: Sequence[click.Parameter]) -> str:
    rows = [_row(each) for each in parameters if isinstance(each, click.Option)]
    return table(("option", "what it does"), rows)


def _row(option: click.Option) -> tuple[str, str]:
    names = ", ".join([*option.opts, *option.secondary_opts])
    text = option.help or ""
    if option.show_default and isinstance(option.default, (int, float)):
        text += f" (default: {option.default:g})"
    return code(names if option.is_flag else f"{names} {_metavar(option)}"), text


def _metavar(option: click.Option) -> str:
    if option.metavar:
        return option.metavar
    if isinstance(option.type, click.Choice):
        return "|".join(option.type.choices)
    kinds = {click.IntRange: "N", click.Path: "PATH"}
    return kinds.get(type(option.type), "N" if option.type is click.FLOAT else "TEXT")


def _help(command: click.Command) -> str:
    text = (command.help or "").strip()
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _listing(names: list[str]) -> str:
    return " and ".join(code(name) for name in names) if len(names) < 3 else ", ".join(code(name) for name in names)
