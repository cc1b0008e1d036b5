"""What the runs of a folder of examples have to come to: ``expected.toml``, read, and held against what happened.

Plain data in, lines of text out. Called by demo.py.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from skyray.errors import InvalidInputError, NotFoundError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "expected.toml"


@dataclass(frozen=True, slots=True)
class ExpectedRun:
    """One run to make, and how it has to end. Of tasks, by id: the states that are right, the number of tries."""

    dag_id: str
    conf: Mapping[str, Any] = field(default_factory=dict)
    logical_date: datetime | None = None
    state: str = "success"
    tasks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tries: Mapping[str, int] = field(default_factory=dict)
    needs: str = ""

    @property
    def note(self) -> str:
        """A word about what this machine lacks; empty where it lacks nothing."""
        if self.needs and importlib.util.find_spec(self.needs) is None:
            return f"{self.needs} is not installed: its tasks skip themselves"
        return ""

    def faults(self, state: str, tasks: Sequence[Mapping[str, Any]]) -> list[str]:
        """What is not as expected of an ended run, given its state and its task instances (admin API fields)."""
        found = []
        if state != self.state:
            failed = [f"{task['task_id']}: {task['error']}" for task in tasks if task["error"]]
            found.append(f"ended as {state}, not {self.state}" + "".join(f"; {line}" for line in failed))
        by_id = {task["task_id"]: task for task in tasks}
        for task_id in (*self.tasks, *self.tries):
            if task_id not in by_id:
                found.append(f"has no task {task_id}")
        for task_id, states in self.tasks.items():
            if task_id in by_id and by_id[task_id]["state"] not in states:
                found.append(f"{task_id} is {by_id[task_id]['state']}, not {' or '.join(states)}")
        for task_id, tries in self.tries.items():
            if task_id in by_id and by_id[task_id]["try_number"] != tries:
                found.append(f"{task_id} took {by_id[task_id]['try_number']} tries, not {tries}")
        return found


@dataclass(frozen=True, slots=True)
class Expectations:
    """All of a folder's expectations: ``pools`` (name -> slots) to be made before, and runs."""

    pools: Mapping[str, int]
    runs: tuple[ExpectedRun, ...]

    def faults(self, dag_ids: Sequence[str]) -> list[str]:
        """Where the folder's DAGs and the file do not fit together."""
        named = {run.dag_id for run in self.runs}
        missing = [f"{dag_id} is in {FILE}, but no example defines it" for dag_id in sorted(named - set(dag_ids))]
        return missing + [f"{dag_id} is not in {FILE}" for dag_id in sorted(set(dag_ids) - named)]


def read_expectations(folder: Path) -> Expectations:
    """Read ``expected.toml`` of a folder. Raises ``NotFoundError`` or ``InvalidInputError``."""
    path = folder / FILE
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"{folder} has no {FILE}", hint="it says how each example has to end") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{path}: {error}") from None
    try:
        pools = {str(name): int(slots) for name, slots in data.pop("pools", {}).items()}
        runs = tuple(_run(item) for item in data.pop("run", ()))
        if data:
            raise ValueError(f"unknown table {next(iter(data))!r}")
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InvalidInputError(f"{path}: {error}") from None
    return Expectations(pools, runs)


def _run(item: Mapping[str, Any]) -> ExpectedRun:
    values = dict(item)
    if "logical_date" in values:
        moment = values["logical_date"]
        values["logical_date"] = moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
        if values["logical_date"].tzinfo is None:
            raise ValueError(f"logical_date {moment} of {values['dag_id']} has no time zone")
    values["tasks"] = {
        task_id: (states,) if isinstance(states, str) else tuple(states)
        for task_id, states in values.get("tasks", {}).items()
    }
    json.dumps(values.get("conf", {}))
    return ExpectedRun(**values)
