"""A small process that stays connected to Ray as the driver whose job the control plane's actors belong to.

Why: Ray ends idle workers of a finished job at once, whatever its settings for idle workers say (seen with Ray 2.60). A
task belongs to the job of the driver that made the actor that submits it. Were that driver ``skyray up --detach``
itself, every burst of tasks after a pause of a second would begin with a second or two of starting workers. If the
keeper dies nothing is lost but that warmth.

``python -m skyray.actors.keeper`` imports what the start needs, reads one request from standard input (settings hold
secrets: not for a command line), creates the actors, answers with one line of JSON, and stays until SIGTERM. Started
and ended by deployment.py; nobody else talks to it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from skyray.actors.processes import ProcessIdentity, identify, send, wait_until_gone
from skyray.errors import ClusterUnreachableError, SkyrayError
from skyray.settings import Settings

_END_SECONDS = 3.0


class Keeper:
    """A keeper that ``up`` has just started, before and while it creates the actors."""

    def __init__(self, home: Path) -> None:
        """Start the process, in a session of its own, with this process's environment. Its log is home/keeper.log."""
        log = os.open(home / "keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "skyray.actors.keeper"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=home,
                start_new_session=True,
            )
        finally:
            os.close(log)
        self.identity: ProcessIdentity | None = identify(self._process.pid)
        self._log = home / "keeper.log"

    def start_control_plane(self, settings: Settings, *, stop_first: bool) -> str:
        """Have it create the actors; returns the admin API's address. ``stop_first``: those that exist are in the way.

        Raises what it raised: ``SkyrayError`` with its code and hint.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"settings": asdict(settings), "stop_first": stop_first}
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.close()
            answer = json.loads(self._process.stdout.readline())
        except (OSError, ValueError):
            raise ClusterUnreachableError(
                "the process that starts the control plane ended", hint=f"see {self._log}"
            ) from None
        if "address" in answer:
            return str(answer["address"])
        error = SkyrayError(answer["message"], hint=answer["hint"])
        error.code = answer["code"]
        raise error


def end(identity: ProcessIdentity) -> None:
    """End a keeper, by force if it must be. No harm if it has ended."""
    send(identity, signal.SIGTERM)
    for left in wait_until_gone([identity], _END_SECONDS):
        send(left, signal.SIGKILL)
        wait_until_gone([left], _END_SECONDS)


# -------------------------------------------------------------------------------------------------- in the process
def main() -> int:
    """Serve one request, then stay."""
    for name in ("launch", "pools", "scheduler", "executor", "api", "dag_processor"):
        import_module(f"skyray.actors.{name}")
    line = sys.stdin.readline()
    if not line:
        return 0  # `up` gave up
    request = json.loads(line)
    return _keep(Settings(**request["settings"]), stop_first=bool(request["stop_first"]))


def _keep(settings: Settings, *, stop_first: bool) -> int:
    from skyray.actors import launch, ray_access

    wanted = {signal.SIGTERM, signal.SIGINT}
    try:
        with ray_access.connected(settings.ray_address, settings.ray_namespace, settings.home_path):
            if stop_first:
                launch.stop_control_plane(settings)
            address = launch.start_control_plane(settings)
            for each in wanted:
                signal.signal(each, lambda *_: os._exit(0))  # a driver that leaves politely takes seconds
            _answer({"address": address})
            while True:
                signal.pause()
    except SkyrayError as error:
        _answer({"message": error.message, "hint": error.hint, "code": error.code})
        return 1


def _answer(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    # Nobody reads on; what Ray may still print goes to the log.
    os.dup2(2, 1)


if __name__ == "__main__":
    sys.exit(main())
