"""A worker process of its own for tests that send real signals: ``python worker_process.py BUNDLE_DIR TASK_ID EVENTS``.

What it says goes to the file EVENTS, one JSON object a line.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

from skyray.core.messages import AttemptSpec, RunContext, Started
from skyray.core.model import ResourceSpec
from skyray.core.states import RunType
from skyray.execution.attempt import AttemptLimits, run_attempt
from skyray.parsing.bundle import pack


class FileServices:
    """Services that write down what they are told."""

    def __init__(self, content: bytes, events: Path) -> None:
        self._content = content
        self._fd = os.open(events, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(self, **event: Any) -> None:
        os.write(self._fd, json.dumps(event).encode() + b"\n")

    def fetch_bundle(self, digest: str) -> bytes:
        return self._content

    def read_xcom(self, *_: Any) -> list[tuple[int, bytes]]:
        return []

    def publish_log(self, attempt_id: int, log_path: str, offset: int, data: bytes) -> None:
        self.say(log=base64.b64encode(data).decode(), offset=offset)

    def started(self, started: Started) -> None:
        self.say(started=started.pid)


def main() -> None:
    folder, task_id, events, options = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4])
    bundle = pack(folder, max_bytes=1 << 20)
    services = FileServices(bundle.content, events)
    run = RunContext("d", "r1", RunType.MANUAL, 1, bundle.digest, "main.py", None, None, None, 1.0, 1.0, 1.0)
    resources = ResourceSpec()
    spec = AttemptSpec(
        *(7, 1, run, task_id, -1, 1, 0, "default_pool", 1, 1, resources),
        options.get("execution_timeout_seconds"),
        1.0,
    )
    limits = AttemptLimits(started_after_seconds=0.1, stop_grace_seconds=options.get("stop_grace_seconds", 2.0))
    result = run_attempt(spec, services=services, node_id="n", cache_dir=events.parent / "cache", limits=limits)
    services.say(
        kind=result.outcome.kind.value, error=result.outcome.error, log=base64.b64encode(result.log).decode(), end=True
    )


if __name__ == "__main__":
    main()
