"""Getting at a Ray cluster from ``skyray up`` and ``down``: ours, or one that others run. Quick to say what is wrong.

Ray itself is patient (20 s and more) and silent where an address or a token is wrong, and aborts the process where
token mode is on without a token. Not for actors: those have ray_port.py.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from skyray.actors.local_ray import RAY_SETTINGS, client_environment
from skyray.errors import ClusterUnreachableError, InvalidInputError, PermissionDeniedError

_CONNECT_SECONDS = 3.0
_CHECK_SECONDS = 5.0
#: What Skyray wants of a Ray that others started, in the environment of every `ray start`.
_WANTED = (
    "RAY_health_check_initial_delay_ms",
    "RAY_health_check_period_ms",
    "RAY_health_check_timeout_ms",
    "RAY_health_check_failure_threshold",
    "RAY_grpc_client_keepalive_time_ms",
    "RAY_grpc_client_keepalive_timeout_ms",
)
_AUTH_HINT = (
    "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the token that the cluster was started with"
)


def use_local_token(token_path: Path) -> None:
    """Let this process, and Ray in it, know how to speak to a Ray of our own. Before Ray is imported."""
    os.environ.pop("RAY_AUTH_TOKEN", None)
    os.environ.pop("RAY_ADDRESS", None)
    os.environ.update(client_environment(token_path))


def use_token_at_hand() -> None:
    """Switch token mode on for this process if RAY_AUTH_MODE is not set but there is a token. Before Ray is imported.

    Raises ``PermissionDeniedError`` where the mode is on without a token: Ray would abort the process.
    """
    mode = os.environ.get("RAY_AUTH_MODE", "").lower()
    if mode == "token" and not _has_token():
        raise PermissionDeniedError(
            f"RAY_AUTH_MODE is token, but there is no token in {_token_file()}", hint=_AUTH_HINT
        )
    if not mode and _has_token():
        os.environ["RAY_AUTH_MODE"] = "token"


def check_address(address: str) -> None:
    """Raise within a few seconds if nothing can be reached at ``address`` ("host:port" of a head's GCS)."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "://" in address:
        raise InvalidInputError(
            f"ray_address is {address!r}; it must be host:port of the Ray cluster's head",
            hint="`ray start --head` printed it; Skyray connects as a driver, from one of the cluster's machines",
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ClusterUnreachableError(
            f"no Ray cluster answers at {address}: {reason}",
            hint="is it the address that `ray start --head` printed, and does a firewall let it through?",
        ) from None


def check_token(address: str) -> None:
    """Raise, at once, if the Ray at ``address`` wants a token that this process does not have."""
    import ray

    try:
        ray._raylet.GcsClient(address=address)
    except ray.exceptions.AuthenticationError:
        said = "does not accept the token that it was given" if _has_token() else "wants a token"
        raise PermissionDeniedError(f"the Ray cluster at {address} {said}", hint=_AUTH_HINT) from None
    except (ray.exceptions.RayError, OSError, RuntimeError) as error:
        raise ClusterUnreachableError(
            f"what answers at {address} is no Ray head: {str(error).splitlines()[0]}",
            hint="give the address of the GCS (the port of `ray start --head --port`), not of dashboard or client",
        ) from None


def _token_file() -> str:
    return os.environ.get("RAY_AUTH_TOKEN_PATH") or str(Path.home() / ".ray" / "auth_token")


def _has_token() -> bool:
    return bool(os.environ.get("RAY_AUTH_TOKEN")) or os.access(_token_file(), os.R_OK)


@contextlib.contextmanager
def connected(address: str, namespace: str, folder: Path) -> Iterator[None]:
    """This process as a driver of the cluster, for as long as the context lasts.

    ``folder`` is the working directory meanwhile: Ray puts a driver's on the import path of every worker.
    """
    import ray

    before = Path.cwd()
    os.chdir(folder)
    try:
        ray.init(
            address=address, namespace=namespace, log_to_driver=False, logging_level="ERROR", configure_logging=False
        )
    except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
        raise ClusterUnreachableError(
            f"cannot join the Ray cluster at {address} as a driver: {str(error).splitlines()[0]}",
            hint="run this on a machine of the cluster (one on which `ray start` runs), with the cluster's Ray version",
        ) from error
    finally:
        os.chdir(before)
    try:
        yield
    finally:
        ray.shutdown()


def advise(say: Callable[[str], None]) -> None:
    """Warn, once, if the connected Ray would notice dead and frozen nodes only slowly. Looks at the head's workers."""
    import ray

    def look(names: tuple[str, ...]) -> list[str]:
        return [name for name in names if not os.environ.get(name)]

    task = ray.remote(num_cpus=0, max_retries=0, resources={"node:__internal_head__": 0.001})(look)
    reference = task.remote(_WANTED)
    try:
        missing = ray.get(reference, timeout=_CHECK_SECONDS)
    except ray.exceptions.RayError:
        ray.cancel(reference, force=True)
        return  # a busy head, or one that runs no tasks (num-cpus 0 does, though): no reason to hold `up` back
    if missing:
        say(
            "warning: this Ray notices dead nodes only after up to a minute, frozen ones after minutes. "
            "Set these in the environment of every `ray start`: "
            + " ".join(f"{name}={RAY_SETTINGS[name]}" for name in missing)
        )
