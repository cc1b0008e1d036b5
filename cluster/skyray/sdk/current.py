"""Which DAG and TaskGroup a new task belongs to: the stack of ``with`` blocks around it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skyray.sdk.dag import DAG
    from skyray.sdk.task_group import TaskGroup

_STACK: ContextVar[tuple[tuple[DAG, TaskGroup], ...]] = ContextVar("skyray_current_dag", default=())


def enter(dag: DAG, group: TaskGroup) -> None:
    """Make ``dag`` and ``group`` current."""
    _STACK.set((*_STACK.get(), (dag, group)))


def leave() -> None:
    """Undo the newest ``enter``."""
    _STACK.set(_STACK.get()[:-1])


def current_dag() -> DAG | None:
    """The DAG of the innermost ``with``, or None."""
    stack = _STACK.get()
    return stack[-1][0] if stack else None


def current_group(dag: DAG | None) -> TaskGroup | None:
    """The innermost TaskGroup that is open, if it is of ``dag``; else the root group of ``dag``; None without a DAG."""
    stack = _STACK.get()
    if stack and (dag is None or stack[-1][0] is dag):
        return stack[-1][1]
    return None if dag is None else dag.task_group
