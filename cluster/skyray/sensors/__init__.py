"""Tasks that wait for something, under the names of Airflow's standard provider: not supported yet.

The names can be imported; using one is refused by name.
"""

from __future__ import annotations

import importlib
from typing import Any

_MODULES = {
    "BaseSensorOperator": "base",
    "PokeReturnValue": "base",
    "BashSensor": "bash",
    "DateTimeSensor": "date_time",
    "DateTimeSensorAsync": "date_time",
    "DayOfWeekSensor": "weekday",
    "ExternalTaskMarker": "external_task",
    "ExternalTaskSensor": "external_task",
    "FileSensor": "filesystem",
    "PythonSensor": "python",
    "TimeDeltaSensor": "time_delta",
    "TimeDeltaSensorAsync": "time_delta",
    "TimeSensor": "time",
    "WaitSensor": "time_delta",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
