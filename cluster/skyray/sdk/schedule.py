"""``schedule=`` of a DAG: what authors may write there, and as which core ``TimetableSpec`` it is stored.

Thin: when runs come is worked out by core/timetables. Here are only names, checks and data.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from typing import Any

from skyray.core.model import TimetableSpec
from skyray.exceptions import AirflowTimetableInvalid
from skyray.sdk import arguments
from skyray.sdk.unsupported import refuse, refuse_arguments

_NO_TIME = timedelta(0)
#: relativedelta's fields that set a moment instead of adding to it.
_ABSOLUTE = ("year", "month", "day", "weekday", "hour", "minute", "second", "microsecond", "leapdays")


class BaseTimetable:
    """What every ``schedule`` becomes. ``active_runs_limit`` bounds ``max_active_runs`` of its DAGs."""

    active_runs_limit: int | None = None
    can_be_scheduled = True
    summary = ""

    def to_spec(self) -> TimetableSpec:
        """As the core stores it."""
        raise NotImplementedError


@dataclass(frozen=True)
class _WordTimetable(BaseTimetable):
    """A schedule that is one word."""

    kind: str
    summary: str = ""

    @property
    def can_be_scheduled(self) -> bool:  # type: ignore[override]
        return self.kind != "null"

    @property
    def active_runs_limit(self) -> int | None:  # type: ignore[override]
        return 1 if self.kind == "continuous" else None

    def to_spec(self) -> TimetableSpec:
        return TimetableSpec(self.kind)


class _CronTimetable(BaseTimetable):
    kind = ""

    def __init__(self, cron: str, timezone: str | tzinfo) -> None:
        if not isinstance(cron, str):
            raise TypeError(f"a cron expression is a string, not {type(cron).__name__}: {cron!r}")
        _validate_cron(cron)
        self.expression = cron
        self.timezone = arguments.zone_name(timezone)
        self.summary = cron

    def to_spec(self) -> TimetableSpec:
        return TimetableSpec(self.kind, (("expression", self.expression), ("timezone", self.timezone)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.expression!r}, timezone={self.timezone!r})"


class CronTriggerTimetable(_CronTimetable):
    """A run at every tick of a cron expression. Its data interval has no length."""

    kind = "cron_trigger"

    def __init__(
        self,
        cron: str,
        *,
        timezone: str | tzinfo,
        interval: Any = _NO_TIME,
        run_immediately: bool | timedelta = False,
    ) -> None:
        refuse_arguments(
            "CronTriggerTimetable", {"interval": (interval, _NO_TIME), "run_immediately": (run_immediately, False)}
        )
        super().__init__(cron, timezone)


class CronDataIntervalTimetable(_CronTimetable):
    """A run at the end of every interval between two ticks of a cron expression."""

    kind = "cron_interval"


class _DeltaTimetable(BaseTimetable):
    kind = ""

    def __init__(self, delta: Any) -> None:
        self.delta = delta
        self._arguments = _delta_arguments(delta)
        self.summary = str(delta)

    def to_spec(self) -> TimetableSpec:
        return TimetableSpec(self.kind, self._arguments)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.delta!r})"


class DeltaTriggerTimetable(_DeltaTimetable):
    """A run every ``delta`` (a timedelta or a relativedelta). Its data interval has no length."""

    kind = "delta_trigger"

    def __init__(self, delta: Any, *, interval: Any = _NO_TIME) -> None:
        refuse_arguments("DeltaTriggerTimetable", {"interval": (interval, _NO_TIME)})
        super().__init__(delta)


class DeltaDataIntervalTimetable(_DeltaTimetable):
    """A run at the end of every interval of length ``delta``."""

    kind = "delta_interval"


def timetable_of(schedule: Any, timezone: str) -> BaseTimetable:
    """The timetable that an author's ``schedule`` means. Raises ``ValueError`` naming what it cannot be."""
    if schedule is None:
        return _WordTimetable("null", "None")
    if isinstance(schedule, BaseTimetable):
        return schedule
    if schedule == "@once":
        return _WordTimetable("once", "@once")
    if schedule == "@continuous":
        return _WordTimetable("continuous", "@continuous")
    if isinstance(schedule, str):
        return CronTriggerTimetable(schedule, timezone=timezone)
    if isinstance(schedule, timedelta) or _is_relativedelta(schedule):
        return DeltaTriggerTimetable(schedule)
    if isinstance(schedule, Collection):
        refuse(f"schedule={schedule!r} (assets)")
    if hasattr(schedule, "next_dagrun_info"):
        refuse(f"schedule={schedule!r} (a custom timetable)")
    raise ValueError(
        f"schedule={schedule!r} is no schedule; expected None, a cron expression, a preset such as @daily, "
        "a timedelta, a relativedelta or a timetable"
    )


def _validate_cron(expression: str) -> None:
    from skyray.core.timetables import validate_cron  # imports croniter, which a DAG without a cron need not pay for

    try:
        validate_cron(expression)
    except ValueError as error:
        raise AirflowTimetableInvalid(f"schedule {expression!r}: {error}") from None


def _is_relativedelta(value: Any) -> bool:
    return type(value).__name__ == "relativedelta" and hasattr(value, "months")


def _delta_arguments(delta: Any) -> tuple[tuple[str, Any], ...]:
    if isinstance(delta, timedelta):
        length = {"seconds": delta.total_seconds()}
    elif _is_relativedelta(delta):
        for name in _ABSOLUTE:
            if getattr(delta, name, None):
                refuse(f"relativedelta({name}=…) as a schedule")
        rest = timedelta(
            days=delta.days,
            hours=delta.hours,
            minutes=delta.minutes,
            seconds=delta.seconds,
            microseconds=delta.microseconds,
        )
        length = {"seconds": rest.total_seconds(), "months": delta.months, "years": delta.years}
    else:
        raise TypeError(f"delta must be a timedelta or a relativedelta, not {type(delta).__name__}: {delta!r}")
    if any(value < 0 for value in length.values()) or not any(length.values()):
        raise AirflowTimetableInvalid(f"the interval of a schedule must be positive; got {delta!r}")
    return tuple((name, value) for name, value in sorted(length.items()) if value)
