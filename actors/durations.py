"""How long attempts took lately, by name, to guess how long the next will take. Called by runner_leases.py."""

from __future__ import annotations

from collections import OrderedDict

_NAMES_MAX = 20_000


class Durations:
    """Moving averages, of tasks and of whole DAGs. A wrong guess costs little: a runner gives back what has to wait."""

    def __init__(self) -> None:
        self._seconds: OrderedDict[str, float] = OrderedDict()

    def learn(self, name: str, seconds: float) -> None:
        """An attempt of ``dag_id.task_id`` took this long."""
        self._learn(name, seconds)
        self._learn(_dag_of(name), seconds)

    def guess(self, name: str) -> float | None:
        """How long one of ``dag_id.task_id`` may take: as others of that task, else as others of its DAG did."""
        seconds = self._seconds.get(name)
        return self._seconds.get(_dag_of(name)) if seconds is None else seconds

    def _learn(self, name: str, seconds: float) -> None:
        before = self._seconds.get(name)
        if before is None:
            self._seconds[name] = seconds
            if len(self._seconds) > _NAMES_MAX:
                self._seconds.popitem(last=False)
        else:
            self._seconds[name] = before + (seconds - before) / 4
            self._seconds.move_to_end(name)


def _dag_of(name: str) -> str:
    """A key that is no name of a task: identifiers hold no space."""
    return name.partition(".")[0] + " "
