"""Groups of commands whose modules are imported only when one of them runs: ``skyray --help`` stays instant.

Used by main.py for the nouns and by each noun for its verbs. Commands of the contract that this version does not have
are known by name: they say so, instead of "no such command".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

import click

from skyray.errors import InvalidInputError, SkyrayError

#: SkyrayError.code -> exit code, as the contract has it. Whatever is not here exits with 1.
EXIT_CODES = {"invalid": 2, "unreachable": 3, "not_found": 4, "conflict": 5, "fenced": 5, "not_allowed": 6}


class CommandFailed(click.ClickException):
    """A SkyrayError on its way to the terminal: one line on standard error, then the hint; and the exit code."""

    def __init__(self, error: SkyrayError) -> None:
        super().__init__(error.message)
        self.hint = error.hint
        self.exit_code = EXIT_CODES.get(error.code, 1)  # type: ignore[misc]  # click reads it here

    def show(self, file: Any = None) -> None:
        """Print it (click calls this)."""
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {self.message}", err=True, file=file)
        if self.hint:
            click.echo(f"Hint: {self.hint}", err=True, file=file)


def _say_not_supported(context: click.Context) -> None:
    raise InvalidInputError(f"`{context.command_path}` is not supported by this version of Skyray")


class LazyGroup(click.Group):
    """A group with ``lazy`` commands, name -> ("module:attribute", one line of help), and ``later``: names of commands
    that are to come. The outermost group turns every SkyrayError into a message and an exit code."""

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, tuple[str, str]] | None = None,
        later: Iterable[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})
        self.later = frozenset(later)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of what there is, in the order in which it was declared."""
        return [*self.commands, *(name for name in self.lazy if name not in self.commands)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported if need be."""
        if cmd_name in self.later:
            settings = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
            callback = click.pass_context(_say_not_supported)
            return click.Command(cmd_name, callback=callback, context_settings=settings, hidden=True)
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, attribute = self.lazy[cmd_name][0].split(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command), f"{module}:{attribute} is no command"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands for ``--help`` without importing any."""
        names = self.list_commands(ctx)
        width = formatter.width - 6 - max(map(len, names))
        rows = []
        for name in names:
            text = self.lazy[name][1] if name in self.lazy else self.commands[name].get_short_help_str(width)
            rows.append((name, text))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        if ctx.parent is not None:
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except SkyrayError as error:
            raise CommandFailed(error) from error
