"""What a running task can know about itself: the context, and how author code gets it.

Filled by execution/ when an attempt starts; here are only its keys and the way to reach it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, TypedDict


class Context(TypedDict, total=False):
    """The dictionary that ``execute`` gets and that templates read. Keys have Airflow's names and meaning.

    From ``logical_date`` on, keys are only there if the run has a logical date.
    """

    dag: Any
    dag_run: Any
    task: Any
    ti: Any
    task_instance: Any
    run_id: str
    params: Any
    conn: Any
    var: Any
    macros: Any
    inlets: list[Any]
    outlets: list[Any]
    inlet_events: Any
    outlet_events: Any
    map_index_template: str | None
    triggering_asset_events: Any
    task_instance_key_str: str
    task_reschedule_count: int
    prev_start_date_success: Any
    prev_end_date_success: Any
    partition_key: str | None
    partition_date: Any
    task_state_store: Any
    asset_state_store: Any
    exception: BaseException | str | None
    reason: str | None
    expanded_ti_count: int | None
    try_number: int | None
    templates_dict: dict[str, Any] | None
    logical_date: Any
    ds: str
    ds_nodash: str
    ts: str
    ts_nodash: str
    ts_nodash_with_tz: str
    data_interval_start: Any
    data_interval_end: Any
    prev_data_interval_start_success: Any
    prev_data_interval_end_success: Any


#: Names that a task function may declare as parameters to receive them from the context.
KNOWN_CONTEXT_KEYS: frozenset[str] = frozenset(Context.__annotations__)

#: The context of the attempt that runs in this thread; None elsewhere. Set by execution/.
CURRENT_CONTEXT: ContextVar[Context | None] = ContextVar("skyray_current_context", default=None)


def get_current_context() -> Context:
    """The context of the running task. Raises ``RuntimeError`` outside of one."""
    context = CURRENT_CONTEXT.get()
    if context is None:
        raise RuntimeError("there is no context: get_current_context() works only while a task runs")
    return context


class ParsingContext(NamedTuple):
    """For which DAG and task a file is being imported; None where for all."""

    dag_id: str | None = None
    task_id: str | None = None


_EVERYTHING = ParsingContext()
_PARSING: ContextVar[ParsingContext] = ContextVar("skyray_parsing_context", default=_EVERYTHING)


def get_parsing_context() -> ParsingContext:
    """Lets a file that makes many DAGs make only the one that is needed: its ``dag_id`` is set in a worker."""
    return _PARSING.get()


@contextmanager
def parsing_context(dag_id: str | None = None, task_id: str | None = None) -> Iterator[None]:
    """Say for which DAG and task files are imported inside. For loaders."""
    token = _PARSING.set(ParsingContext(dag_id, task_id))
    try:
        yield
    finally:
        _PARSING.reset(token)
