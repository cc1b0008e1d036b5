"""The options that every command shares, and what they lead to: settings, and a client of the admin API.

``--home``, ``--api-address``, ``--token``, ``--token-file`` and ``-o`` may stand before the noun or after the verb.
They are kept in ``click.Context.meta``, so commands need no parameters for them:

    @click.command("list")
    @client_options
    @output_option
    @click.pass_context
    def list_(context: click.Context) -> None:
        with connect(context) as client: ...
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from skyray.errors import ClusterUnreachableError, InvalidInputError
from skyray.settings import Settings, load_settings

if TYPE_CHECKING:
    from skyray.api.client import Client

_Command = TypeVar("_Command", bound=Callable[..., Any])
_KEY = "skyray."


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    if value is not None:
        context.meta[f"{_KEY}{parameter.name}"] = value
    return value


def _option(*names: str, **kwargs: Any) -> Callable[[_Command], _Command]:
    return click.option(*names, expose_value=False, callback=_keep, **kwargs)


def home_option(command: _Command) -> _Command:
    """Add ``--home``."""
    return _option("--home", metavar="DIR", help="Folder of the deployment (SKYRAY_HOME; default ~/.skyray).")(command)


def client_options(command: _Command) -> _Command:
    """Add the options that say where the admin API is, and who asks."""
    for add in (
        _option("--token-file", metavar="FILE", help="File that holds the token."),
        _option("--token", metavar="TOKEN", help="Token to present (SKYRAY_TOKEN; default: HOME/token)."),
        _option("--api-address", metavar="HOST:PORT", help="Admin API (SKYRAY_API_ADDRESS; default: as `up` said)."),
        home_option,
    ):
        command = add(command)
    return command


def output_option(command: _Command) -> _Command:
    """Add ``-o table|json|yaml``."""
    return _option(
        "-o", "--output", type=click.Choice(["table", "json", "yaml"]), help="How to show it (default: table)."
    )(command)


def option_value(context: click.Context, name: str) -> Any:
    """The value of a shared option (``home``, ``api_address``, ``token``, ``token_file``, ``output``), or None."""
    return context.meta.get(f"{_KEY}{name}")


def settings_of(context: click.Context, **more: Any) -> Settings:
    """Settings from file, environment, the shared options, and ``more`` (None: not given)."""
    shared = {name: option_value(context, name) for name in ("home", "api_address", "token")}
    return load_settings(**{**shared, **{name: value for name, value in more.items() if value is not None}})


def deployment_of(settings: Settings) -> dict[str, Any]:
    """What ``skyray up`` wrote to ``deployment.json`` under the home; empty where there is none."""
    path = settings.home_path / "deployment.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"cannot read {path}: {error}") from None
    if not isinstance(found, dict):
        raise InvalidInputError(f"{path} is not a JSON object")
    return found


def api_address_of(settings: Settings) -> str:
    """Where the admin API listens: as the settings say; where they say nothing, as ``skyray up`` wrote down."""
    is_given = settings.api_address != Settings.api_address or bool(os.environ.get("SKYRAY_API_ADDRESS"))
    if is_given and not settings.api_address.endswith(":0"):
        return settings.api_address
    address = deployment_of(settings).get("api_address")
    if not address:
        raise ClusterUnreachableError(
            f"no deployment under {settings.home_path}",
            hint="`skyray up` starts one; --home, --api-address or SKYRAY_API_ADDRESS say where another one is",
        )
    return str(address)


def token_of(context: click.Context, settings: Settings) -> str:
    """The token to present: ``--token-file``, else the settings', else the home's; empty where there is none."""
    file = option_value(context, "token_file")
    if not file and settings.token:
        return settings.token
    path = Path(file) if file else settings.token_path
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        if file:
            raise InvalidInputError(f"no token file {path}") from None
        return ""
    except OSError as error:
        raise InvalidInputError(f"cannot read the token from {path}: {error.strerror}") from None


def connect(context: click.Context) -> Client:
    """A client of the deployment that the shared options name. Use it in ``with``."""
    settings = settings_of(context)
    address, token = api_address_of(settings), token_of(context, settings)
    from skyray.api.client import Client  # grpc takes 0.1 s to import: not before a command needs it

    return Client(address, token=token)
