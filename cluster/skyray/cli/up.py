"""``skyray up``: start a deployment, and stay with it until Ctrl-C unless ``--detach``. actors/deployment.py does it.

Standard output has the addresses only; what happens meanwhile goes to standard error.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from skyray.cli.options import client_options, output_option, settings_of
from skyray.cli.output import dump
from skyray.errors import ClusterUnreachableError, InvalidInputError

if TYPE_CHECKING:
    from skyray.actors.deployment_state import Deployment

_LOOK_SECONDS = 1.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command("up")
@click.argument("dags_dir", required=False, type=click.Path(exists=True, file_okay=False, resolve_path=True))
@client_options
@click.option("--ray-address", metavar="HOST:PORT", help="Ray cluster to use (default: a local Ray of our own).")
@click.option("--database-url", metavar="URL", help="Postgres 14+ to use (default: an embedded one under the home).")
@click.option("--ray-namespace", metavar="NAME", help="Ray namespace of all actors (default: skyray).")
@click.option("--schedulers", type=click.IntRange(1), help="Scheduler actors: one leads, the others stand by.")
@click.option("--executors", type=click.IntRange(1), help="Executor actors.")
@click.option("--num-cpus", type=click.IntRange(0), help="CPUs that the local Ray offers (default: the machine's).")
@click.option("--num-gpus", type=click.IntRange(0), help="GPUs that the local Ray offers (default: the machine's).")
@click.option("--resources", metavar="JSON", help="Custom resources of the local Ray, such as '{\"license\": 2}'.")
@click.option("--detach", "-d", is_flag=True, help="Return once a task can run, instead of staying until Ctrl-C.")
@output_option
@click.pass_context
def command(
    context: click.Context,
    /,
    dags_dir: str | None,
    num_cpus: int | None,
    num_gpus: int | None,
    resources: str | None,
    detach: bool,
    **options: Any,
) -> None:
    """Start a deployment: Postgres, Ray and the control plane, as far as they do not run yet.

    DAGS_DIR is a folder of DAG files to watch; DAGs can also be sent with `skyray dags submit`. Without --detach the
    deployment stops when this command is stopped. A deployment that runs already is left as it is.
    """
    from skyray.actors import deployment
    from skyray.actors.local_ray import LocalRayOptions

    settings = settings_of(context, dags_dir=dags_dir, **options)
    ray_options = LocalRayOptions(num_cpus, num_gpus, _resources(resources))
    if settings.ray_address and ray_options != LocalRayOptions():
        raise InvalidInputError(
            "--num-cpus, --num-gpus and --resources are for a local Ray, but a Ray address is given",
            hint="give them to the `ray start` of that cluster's nodes",
        )
    with interruptible():
        found, was_running = deployment.up(settings, ray_options, say=say)
    if was_running:
        say("everything was running already")
    _show(context, found)
    if detach or was_running:
        return
    say("Ctrl-C stops the deployment")
    _stay(found)
    say("stopping")
    deployment.down(settings.home_path, say=say)


def say(line: str) -> None:
    """A line about what happens, on standard error. If nobody can read it any more (a closed terminal), so be it."""
    with suppress(OSError):
        click.echo(f"skyray: {line}", err=True)


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt while the context lasts: the first of them.

    Further ones are ignored, so that an impatient second Ctrl-C does not keep the cleaning up from its end.
    """
    is_interrupted = False

    def interrupt(number: int, frame: object) -> None:
        nonlocal is_interrupted
        if not is_interrupted:
            is_interrupted = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stay(found: Deployment) -> None:
    """Wait for a signal, or for the end of the local Ray. A further one does not disturb the stopping."""
    stopped = threading.Event()
    for number in _STOP_SIGNALS:
        signal.signal(number, lambda *_: stopped.set())
    while not stopped.wait(_LOOK_SECONDS):
        if found.local_ray is not None and not found.local_ray.is_alive():
            raise ClusterUnreachableError(
                "the local Ray has died",
                hint=f"its logs are in {Path(found.local_ray.folder)}; `skyray up` starts it again where it was",
            )


def _show(context: click.Context, found: Deployment) -> None:
    addresses = found.addresses()
    if dump(context, addresses):
        return
    from skyray.store.engine import redact

    addresses["database_url"] = redact(addresses["database_url"])
    width = max(map(len, addresses))
    for name, value in addresses.items():
        click.echo(f"{name.ljust(width)}  {'-' if value is None else value}")


def _resources(text: str | None) -> dict[str, float]:
    if not text:
        return {}
    try:
        found = json.loads(text)
        assert isinstance(found, dict)
        return {str(name): float(quantity) for name, quantity in found.items()}
    except (ValueError, TypeError, AssertionError):
        raise InvalidInputError(f"--resources is {text!r}; it must be a JSON object of numbers") from None
