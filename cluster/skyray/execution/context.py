"""The context of an attempt: Airflow's keys (its documentation: "Templates reference"), each made when first used.

A dictionary, as in Airflow: it can be read, updated and unpacked. Making it costs next to nothing, so that a task that
looks at nothing does not pay for pendulum, params or macros. Called by attempt.py; read by operators and templates.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any, NoReturn

from skyray.core.messages import AttemptSpec
from skyray.errors import UnsupportedFeatureError
from skyray.execution.task_instance import RuntimeTaskInstance, moment

_PENDING: Any = object()


class AttemptContext(dict[str, Any]):
    """Keys are there from the start; a value is made by the method of ``_MAKERS`` when somebody asks for it."""

    __slots__ = ("_dag", "_spec", "_ti")
    _dag: Any
    _spec: AttemptSpec
    _ti: RuntimeTaskInstance

    def __init__(self, spec: AttemptSpec, dag: Any, ti: RuntimeTaskInstance) -> None:
        super().__init__(_PENDING_ALWAYS if spec.run.logical_date is None else _PENDING_WITH_DATE)
        self._spec = spec
        self._dag = dag
        self._ti = ti

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if value is _PENDING:
            value = self[key] = _MAKERS[key](self)
        return value

    def __missing__(self, key: str) -> NoReturn:
        if key in _UNSUPPORTED_KEYS:
            raise UnsupportedFeatureError(f"the context key {key!r} is not supported yet")
        raise KeyError(key)

    def get(self, key: str, default: Any = None) -> Any:
        """As of any dictionary; asking for a key that is not supported yet raises."""
        return self[key] if key in self or key in _UNSUPPORTED_KEYS else default

    # A dict's own methods, and ``**context``, would hand out what is still pending.
    def __iter__(self) -> Iterator[str]:
        return iter(list(super().__iter__()))

    def values(self) -> Any:
        """All values, made."""
        return dict(self).values()

    def items(self) -> Any:
        """All items, made."""
        return dict(self).items()

    def copy(self) -> dict[str, Any]:
        """A plain dictionary with everything made."""
        return dict(self)

    def pop(self, key: str, *default: Any) -> Any:
        """As of any dictionary."""
        if key in self:
            self[key]
        return super().pop(key, *default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """As of any dictionary."""
        return self[key] if key in self else super().setdefault(key, default)

    def __or__(self, other: Any) -> Any:
        return dict(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | dict(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("the task context cannot be pickled: take what you need out of it")

    def _date(self) -> datetime:
        date = self._spec.run.logical_date
        assert date is not None, "keys of the logical date exist only where there is one"
        return date.astimezone(timezone.utc)

    def _params(self) -> Any:
        from skyray.execution.params import merged_params

        return merged_params(self._dag, self._ti.task, self._spec.run.conf)

    def _instance_key(self) -> str:
        run = self._spec.run
        return f"{run.dag_id}__{self._spec.task_id}__{self['ds_nodash'] if run.logical_date else run.run_id}"


class _Refused:
    """A context value that is there, since nobody who unpacks the context wants it, but cannot be used."""

    def __init__(self, name: str, feature: str) -> None:
        self._words = f"{name} in the task context ({feature})"

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise UnsupportedFeatureError(f"{self._words} is not supported yet")

    def __getitem__(self, key: Any) -> NoReturn:
        raise UnsupportedFeatureError(f"{self._words} is not supported yet")

    def __repr__(self) -> str:
        return f"<{self._words}: not supported yet>"


def _refused(name: str, feature: str) -> Callable[[AttemptContext], Any]:
    return lambda _: _Refused(name, feature)


def ts(date: datetime) -> str:
    """``2026-01-02T03:04:05+00:00``"""
    return date.isoformat()


def ts_nodash(date: datetime) -> str:
    """``20260102T030405``"""
    return date.strftime("%Y%m%dT%H%M%S")


def ts_nodash_with_tz(date: datetime) -> str:
    """``20260102T030405+0000``"""
    return date.isoformat().replace("-", "").replace(":", "")


def ds(date: datetime) -> str:
    """``2026-01-02``"""
    return date.strftime("%Y-%m-%d")


def ds_nodash(date: datetime) -> str:
    """``20260102``"""
    return date.strftime("%Y%m%d")


_ALWAYS: dict[str, Callable[[AttemptContext], Any]] = {
    "dag": lambda c: c._dag,
    "dag_run": lambda c: c._ti.dag_run,
    "run_id": lambda c: c._spec.run.run_id,
    "task": lambda c: c._ti.task,
    "ti": lambda c: c._ti,
    "task_instance": lambda c: c._ti,
    "task_instance_key_str": AttemptContext._instance_key,
    "try_number": lambda c: c._spec.try_number,
    "params": AttemptContext._params,
    "macros": lambda c: importlib.import_module("skyray.execution.macros"),
    "map_index_template": lambda c: None,
    "expanded_ti_count": lambda c: None,
    "templates_dict": lambda c: None,
    "inlets": lambda c: [],
    "outlets": lambda c: [],
    "conn": _refused("conn", "connections"),
    "var": _refused("var", "variables"),
    "inlet_events": _refused("inlet_events", "assets"),
    "outlet_events": _refused("outlet_events", "assets"),
    "triggering_asset_events": _refused("triggering_asset_events", "assets"),
    "task_state_store": _refused("task_state_store", "the task state store"),
}
_WITH_DATE: dict[str, Callable[[AttemptContext], Any]] = {
    "logical_date": lambda c: moment(c._spec.run.logical_date),
    "ds": lambda c: ds(c._date()),
    "ds_nodash": lambda c: ds_nodash(c._date()),
    "ts": lambda c: ts(c._date()),
    "ts_nodash": lambda c: ts_nodash(c._date()),
    "ts_nodash_with_tz": lambda c: ts_nodash_with_tz(c._date()),
    "data_interval_start": lambda c: moment(c._spec.run.data_interval_start),
    "data_interval_end": lambda c: moment(c._spec.run.data_interval_end),
}
_MAKERS = {**_ALWAYS, **_WITH_DATE}
_PENDING_ALWAYS = dict.fromkeys(_ALWAYS, _PENDING)
_PENDING_WITH_DATE = dict.fromkeys(_MAKERS, _PENDING)
_UNSUPPORTED_KEYS = frozenset(
    {
        *("prev_start_date_success", "prev_end_date_success", "prev_data_interval_start_success"),
        *("prev_data_interval_end_success", "task_reschedule_count", "partition_key", "partition_date"),
        *("asset_state_store",),
    }
)
