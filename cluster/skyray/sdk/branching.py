"""Skipping what comes after: which tasks a branch or a short circuit skips, and the operators' common part.

The decision is made in the worker and leaves it as ``DownstreamTasksSkipped``; the scheduler acts on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from skyray.exceptions import AirflowException, DownstreamTasksSkipped
from skyray.sdk.context import Context
from skyray.sdk.dag import DAG
from skyray.sdk.operator import BaseOperator

#: XCom in which a task remembers what it followed or skipped, so that a task cleared later is skipped again.
XCOM_SKIPMIXIN_KEY = "skipmixin_key"
XCOM_SKIPMIXIN_FOLLOWED = "followed"
XCOM_SKIPMIXIN_SKIPPED = "skipped"

BranchChoice: TypeAlias = "str | Iterable[str] | None"


def branch_targets(dag: DAG, chosen: BranchChoice) -> list[str]:
    """Task ids that a branch's return value means: groups become their first tasks. None means none.

    Raises ``AirflowException`` for anything else than ids of tasks or groups of ``dag``.
    """
    if chosen is None:
        return []
    if not isinstance(chosen, (str, Iterable)):
        raise AirflowException(
            "a branch must return None, a task or group id, or a collection of ids; "
            f"got {type(chosen).__name__}: {chosen!r}"
        )
    names = [chosen] if isinstance(chosen, str) else list(chosen)
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise AirflowException(f"a branch must return ids, which are strings; got {wrong!r}")
    groups = dag.task_group_dict
    targets: dict[str, None] = {}
    missing = []
    for name in names:
        if name in dag.task_dict:
            targets[name] = None
        elif name in groups:
            targets.update(dict.fromkeys(task.task_id for task in groups[name].get_roots()))
        else:
            missing.append(name)
    if missing:
        raise AirflowException(
            f"a branch must return ids of tasks or groups of DAG {dag.dag_id!r}; there are none called "
            f"{', '.join(sorted(map(repr, missing)))}"
        )
    return list(targets)


def tasks_to_skip(task: BaseOperator, followed: Iterable[str]) -> list[str]:
    """Direct downstream tasks of ``task`` that are neither followed nor downstream of a followed one, sorted.

    So a task that joins the branches again runs, although it may also be a direct child of the branching task.
    """
    reached = set(followed)
    for task_id in list(reached):
        reached |= task.dag.get_task(task_id).get_flat_relative_ids(upstream=False)
    return sorted(task.downstream_task_ids - reached)


class SkipMixin:
    """For operators that skip tasks downstream of them."""

    def skip(self, ti: Any, tasks: Iterable[BaseOperator | str]) -> None:
        """Skip ``tasks``: ends this task, as a success. Does nothing if there are none."""
        task_ids = sorted({task if isinstance(task, str) else task.task_id for task in tasks})
        if not task_ids:
            return
        ti.xcom_push(key=XCOM_SKIPMIXIN_KEY, value={XCOM_SKIPMIXIN_SKIPPED: task_ids})
        raise DownstreamTasksSkipped(tasks=task_ids)

    def skip_all_except(self, ti: Any, branch_task_ids: BranchChoice) -> None:
        """Skip the direct downstream tasks that ``branch_task_ids`` does not lead to: ends this task, as a success."""
        task: BaseOperator = ti.task
        followed = branch_targets(task.dag, branch_task_ids)
        skipped = tasks_to_skip(task, followed)
        ti.xcom_push(key=XCOM_SKIPMIXIN_KEY, value={XCOM_SKIPMIXIN_FOLLOWED: followed})
        if skipped:
            raise DownstreamTasksSkipped(tasks=skipped)


class BranchMixIn(SkipMixin):
    """For operators that choose which of the tasks downstream of them run."""

    def do_branch(self, context: Context, branches_to_execute: BranchChoice) -> BranchChoice:
        """Follow ``branches_to_execute`` and skip the others. Returns it where nothing is to be skipped."""
        if branches_to_execute is not None and not isinstance(branches_to_execute, (str, Sequence)):
            branches_to_execute = (
                list(branches_to_execute) if isinstance(branches_to_execute, Iterable) else branches_to_execute
            )
        self.skip_all_except(context["ti"], branches_to_execute)
        return branches_to_execute


class BaseBranchOperator(BaseOperator, BranchMixIn):
    """A task that chooses which of the tasks downstream of it run. Subclasses write ``choose_branch``.

    >>> class Weekend(BaseBranchOperator):
    ...     def choose_branch(self, context):
    ...         return "rest" if context["logical_date"].weekday() >= 5 else "work"
    """

    def choose_branch(self, context: Context) -> BranchChoice:
        """The id, or ids, of tasks or groups to follow; None to skip all that comes directly after."""
        raise NotImplementedError(f"{type(self).__name__} has no choose_branch()")

    def execute(self, context: Context) -> Any:
        return self.do_branch(context, self.choose_branch(context))
