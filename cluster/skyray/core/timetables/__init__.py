"""Timetables: when a DAG runs. Pure: a timetable is told what time it is.

``build`` makes one from a TimetableSpec (what the sdk serialized); core/world.py asks it for the next run, and for the
interval of runs that users trigger. The semantics are Airflow 3.3's, cell by cell in tests/core/test_timetables*.py;
where they differ on purpose, the module concerned says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from skyray.core.model import TimetableSpec
from skyray.core.timetables.base import RunInfo, Timetable
from skyray.core.timetables.cron import CronIntervalTimetable, CronTriggerTimetable
from skyray.core.timetables.cron_ticks import PRESETS, CronTicks, validate_cron
from skyray.core.timetables.delta import DeltaIntervalTimetable, DeltaTriggerTimetable, Period
from skyray.core.timetables.run_ids import RUN_ID_LENGTH_MAX, RUN_ID_PATTERN, run_id_for, validate_run_id
from skyray.core.timetables.simple import ContinuousTimetable, NullTimetable, OnceTimetable

__all__ = [
    "KINDS",
    "PRESETS",
    "RunInfo",
    "Timetable",
    "build",
    "validate_cron",
    "RUN_ID_LENGTH_MAX",
    "RUN_ID_PATTERN",
    "run_id_for",
    "validate_run_id",
]

_CRON = frozenset({"expression", "timezone"})
_DELTA = frozenset({"seconds", "months", "years"})
_NONE: frozenset[str] = frozenset()

_Builder = Callable[[Mapping[str, Any]], Timetable]


def _ticks(arguments: Mapping[str, Any]) -> CronTicks:
    expression, timezone_name = arguments.get("expression"), arguments.get("timezone", "UTC")
    if not isinstance(expression, str) or not isinstance(timezone_name, str):
        raise ValueError(f"expected texts for expression and timezone, not {expression!r} and {timezone_name!r}")
    return CronTicks(expression, timezone_name)


def _period(arguments: Mapping[str, Any]) -> Period:
    return Period.of(
        seconds=arguments.get("seconds", 0), months=arguments.get("months", 0), years=arguments.get("years", 0)
    )


_BUILDERS: dict[str, tuple[frozenset[str], _Builder]] = {
    "null": (_NONE, lambda arguments: NullTimetable()),
    "once": (_NONE, lambda arguments: OnceTimetable()),
    "continuous": (_NONE, lambda arguments: ContinuousTimetable()),
    "cron_trigger": (_CRON, lambda arguments: CronTriggerTimetable(_ticks(arguments))),
    "cron_interval": (_CRON, lambda arguments: CronIntervalTimetable(_ticks(arguments))),
    "delta_trigger": (_DELTA, lambda arguments: DeltaTriggerTimetable(_period(arguments))),
    "delta_interval": (_DELTA, lambda arguments: DeltaIntervalTimetable(_period(arguments))),
}

#: What TimetableSpec.kind can be.
KINDS: tuple[str, ...] = tuple(_BUILDERS)


def build(spec: TimetableSpec) -> Timetable:
    """The timetable that ``spec`` describes. Raises ``ValueError``, which says why, if there can be none.

    >>> build(TimetableSpec("cron_trigger", (("expression", "@daily"), ("timezone", "UTC")))).description
    'at @daily (UTC)'
    """
    if spec.kind not in _BUILDERS:
        raise ValueError(f"unknown kind of timetable {spec.kind!r}; known are {', '.join(KINDS)}")
    known, builder = _BUILDERS[spec.kind]
    arguments = dict(spec.arguments)
    if unknown := arguments.keys() - known:
        raise ValueError(f"timetable {spec.kind!r} has no argument {min(unknown)!r}")
    return builder(arguments)
