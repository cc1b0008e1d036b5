"""A worker's surroundings in memory: services that remember, and DAG files packed as bundles."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from skyray.core.messages import AttemptSpec, RunContext, Started
from skyray.core.model import ResourceSpec
from skyray.core.states import RunType
from skyray.execution.attempt import AttemptLimits, WorkerResult, run_attempt
from skyray.execution.values import decode, encode
from skyray.parsing.bundle import pack
from skyray.parsing.isolation import BUNDLES


@dataclass
class MemoryServices:
    """Keeps what a worker says, and answers from dictionaries."""

    bundles: dict[str, bytes] = field(default_factory=dict)
    xcoms: dict[tuple[str, str, str, str], list[tuple[int, bytes]]] = field(default_factory=dict)
    published: list[tuple[int, str, int, bytes]] = field(default_factory=list)
    starts: list[Started] = field(default_factory=list)
    fetches: list[str] = field(default_factory=list)
    log_arrived: threading.Condition = field(default_factory=threading.Condition)

    def fetch_bundle(self, digest: str) -> bytes:
        self.fetches.append(digest)
        return self.bundles[digest]

    def read_xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str, map_index: int | None
    ) -> list[tuple[int, bytes]]:
        found = self.xcoms.get((dag_id, run_id, task_id, key), [])
        return [item for item in found if map_index is None or item[0] == map_index]

    def publish_log(self, attempt_id: int, log_path: str, offset: int, data: bytes) -> None:
        with self.log_arrived:
            self.published.append((attempt_id, log_path, offset, data))
            self.log_arrived.notify_all()

    def started(self, started: Started) -> None:
        self.starts.append(started)


@dataclass
class Worker:
    """Runs attempts at the tasks of one DAG file in this process."""

    services: MemoryServices
    cache_dir: Path
    run: RunContext
    limits: AttemptLimits = field(default_factory=AttemptLimits)
    attempts: int = 0

    def spec(self, task_id: str, **changes: Any) -> AttemptSpec:
        self.attempts += 1
        run_changes = {name: changes.pop(name) for name in list(changes) if name in RunContext.__dataclass_fields__}
        inputs = tuple(
            ((task, key), None if value is None else encode(value, key=key))
            for (task, key), value in changes.pop("inputs", {}).items()
        )
        spec = AttemptSpec(
            attempt_id=self.attempts,
            ti_id=1,
            run=replace(self.run, **run_changes),
            task_id=task_id,
            map_index=-1,
            try_number=1,
            max_tries=0,
            pool="default_pool",
            pool_slots=1,
            priority_weight=1,
            resources=ResourceSpec(),
            execution_timeout_seconds=None,
            queued_at=1.0,
            inputs=inputs,
        )
        return replace(spec, **changes)

    def attempt(self, task_id: str, **changes: Any) -> WorkerResult:
        return run_attempt(
            self.spec(task_id, **changes),
            services=self.services,
            node_id="node-1",
            cache_dir=self.cache_dir,
            limits=self.limits,
        )


def xcoms_of(result: WorkerResult) -> dict[str, Any]:
    """What an attempt pushed."""
    return {key: decode(value) for key, value in result.outcome.xcoms}


@pytest.fixture
def make_worker(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """``make_worker(source, **other_files)``: a worker for a bundle whose DAG file ``main.py`` defines DAG ``d``."""

    def make(source: str, **files: str) -> Worker:
        folder = tmp_path / "dags"
        folder.mkdir()
        (folder / "main.py").write_text(textwrap.dedent(source))
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(text)
        bundle = pack(folder, max_bytes=1 << 20)
        run = RunContext(
            dag_id="d",
            run_id="r1",
            run_type=RunType.MANUAL,
            dag_version=1,
            bundle_digest=bundle.digest,
            relative_path="main.py",
            logical_date=None,
            data_interval_start=None,
            data_interval_end=None,
            run_after=1.0,
            queued_at=1.0,
            start_date=2.0,
        )
        return Worker(MemoryServices({bundle.digest: bundle.content}), tmp_path / "cache", run)

    yield make
    BUNDLES.forget()
