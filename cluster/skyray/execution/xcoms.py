"""The XComs of one attempt: what it pushed so far, and what it can read of others.

Values pushed are encoded at once and leave with the outcome. Values read come from those sent along, else from the
services. Not here: Airflow's calling conventions (task_instance.py). Called by attempt.py and the task instance.
"""

from __future__ import annotations

from typing import Any

from skyray.core.messages import AttemptSpec
from skyray.execution.services import WorkerServices
from skyray.execution.values import decode, encode

RETURN_KEY = "return_value"


class AttemptXComs:
    """Pushes and reads on behalf of the attempt ``spec``."""

    __slots__ = ("_inputs", "_max_bytes", "_pushed", "_services", "_spec")

    def __init__(self, spec: AttemptSpec, services: WorkerServices, max_bytes: int) -> None:
        self._spec = spec
        self._services = services
        self._max_bytes = max_bytes
        self._pushed: dict[str, bytes] = {}
        self._inputs = dict(spec.inputs)

    @property
    def pushed(self) -> tuple[tuple[str, bytes], ...]:
        """What leaves with the outcome."""
        return tuple(self._pushed.items())

    def push(self, key: str, value: Any) -> None:
        """Keep a value; pushing the same key again replaces it. Raises ``TypeError``/``ValueError`` as ``encode``."""
        if not isinstance(key, str) or not key:
            raise TypeError(f"an XCom key has to be a non-empty string, not {key!r}")
        self._pushed[key] = encode(value, key=key, max_bytes=self._max_bytes)

    def read(
        self, task_id: str, key: str, map_index: int | None, *, dag_id: str | None = None, run_id: str | None = None
    ) -> list[Any]:
        """The values stored under one key, by map index; ``map_index`` None: those of every map index."""
        spec = self._spec
        is_own_run = dag_id in (None, spec.run.dag_id) and run_id in (None, spec.run.run_id)
        if is_own_run and map_index in (None, -1, spec.map_index):
            if task_id == spec.task_id and key in self._pushed and map_index in (None, spec.map_index):
                return [decode(self._pushed[key])]
            if map_index in (None, -1) and (task_id, key) in self._inputs:
                data = self._inputs[task_id, key]
                return [] if data is None else [decode(data)]
        stored = self._services.read_xcom(dag_id or spec.run.dag_id, run_id or spec.run.run_id, task_id, key, map_index)
        return [decode(data) for _, data in stored]
