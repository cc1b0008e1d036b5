"""Timetables that follow a fixed period: absolute time in UTC, no daylight saving.

Both keep a *phase*: their moments are anchor + k · period. The anchor is the start date, or the first run where that
was made elsewhere. So a late scheduler, a pause or a restart never moves later runs. Airflow differs here, by what look
like mistakes: without catchup its interval timetable ignores the start date's phase, and its trigger timetable drifts
by every delay.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from skyray.core.timetables.base import RunInfo, optional_utc, utc

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MEAN_MONTH = timedelta(days=146097 / 4800)  # of the Gregorian calendar; only ever a first guess
_LONGEST = timedelta(days=36525)


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time: calendar months and an exact rest. Neither is negative, at least one is positive."""

    months: int
    rest: timedelta

    def __post_init__(self) -> None:
        if self.months < 0 or self.rest < timedelta(0):
            raise ValueError(f"a period cannot be negative: months={self.months}, seconds={self.rest.total_seconds()}")
        if not self.months and not self.rest:
            raise ValueError("a period must be longer than zero")
        if self.months > 1200 or self.rest > _LONGEST:
            raise ValueError("a period cannot be longer than a hundred years")

    @classmethod
    def of(cls, *, seconds: float = 0, months: int = 0, years: int = 0) -> Period:
        """A period from a timetable's arguments. Raises ``ValueError`` for what is no length of time."""
        try:
            return cls(months=operator.index(months) + 12 * operator.index(years), rest=timedelta(seconds=seconds))
        except (TypeError, OverflowError) as error:
            raise ValueError(f"no period: seconds={seconds!r}, months={months!r}, years={years!r}: {error}") from None

    def __str__(self) -> str:
        years, months = divmod(self.months, 12)
        minutes, seconds = divmod(self.rest.seconds, 60)
        hours, minutes = divmod(minutes, 60)
        exact = seconds + self.rest.microseconds / 1_000_000
        named = (
            (years, "year"),
            (months, "month"),
            (self.rest.days, "day"),
            (hours, "hour"),
            (minutes, "minute"),
            (exact, "second"),
        )
        return " ".join(f"{number:g} {unit}{'' if number == 1 else 's'}" for number, unit in named if number)

    def point(self, anchor: datetime, k: int) -> datetime:
        """anchor + k · period, worked out in one step: a month after the last of January is the last of February, and
        two months after it the last of March."""
        return _add_months(anchor, k * self.months) + k * self.rest

    def index(self, anchor: datetime, moment: datetime) -> int:
        """The greatest k with ``point(anchor, k)`` ≤ ``moment``."""
        if not self.months:
            return (moment - anchor) // self.rest
        k = int((moment - anchor) / (self.months * _MEAN_MONTH + self.rest))
        while self.point(anchor, k) > moment:
            k -= 1
        while self.point(anchor, k + 1) <= moment:
            k += 1
        return k

    def anchor_for(self, start: datetime | None, moment: datetime) -> datetime:
        """``start`` if ``moment`` lies on its phase, else ``moment`` (there is no start, or the schedule changed)."""
        if start is not None and self.point(start, self.index(start, moment)) == moment:
            return start
        return moment


def _add_months(moment: datetime, months: int) -> datetime:
    if not months:
        return moment
    year, month0 = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = moment.day
    while True:
        try:
            return moment.replace(year=year, month=month0 + 1, day=day)
        except ValueError:
            if day <= 28:
                raise
            day -= 1


@dataclass(frozen=True, slots=True)
class DeltaTriggerTimetable:
    """A run every period, about that instant: what ``schedule=timedelta(...)`` means (Airflow 3)."""

    period: Period
    active_runs_limit: int | None = None

    @property
    def description(self) -> str:
        """One line for people."""
        return f"every {self.period}"

    def next_run(
        self, last: RunInfo | None, *, start: datetime | None, end: datetime | None, catchup: bool, now: datetime
    ) -> RunInfo | None:
        """One period after the last run; without ``catchup``, the newest such moment up to now if that is later.

        The first run is at the start date with ``catchup``, and now without.
        """
        now, start = utc(now), optional_utc(start)
        if last is None:
            moment = now if start is None else start if catchup else max(start, now)
        else:
            anchor = self.period.anchor_for(start, last.run_after)
            k = self.period.index(anchor, last.run_after) + 1
            if not catchup:
                k = max(k, self.period.index(anchor, now))
            moment = self.period.point(anchor, k)
            if start is not None:
                moment = max(moment, start)
        return None if end is not None and moment > end else RunInfo.at(moment)

    def manual_interval(self, at: datetime) -> tuple[datetime, datetime]:
        """Empty, at the logical date."""
        return utc(at), utc(at)


@dataclass(frozen=True, slots=True)
class DeltaIntervalTimetable:
    """A run about each period, once that is over (Airflow's DeltaDataIntervalTimetable)."""

    period: Period
    active_runs_limit: int | None = None

    @property
    def description(self) -> str:
        """One line for people."""
        return f"after every {self.period}"

    def next_run(
        self, last: RunInfo | None, *, start: datetime | None, end: datetime | None, catchup: bool, now: datetime
    ) -> RunInfo | None:
        """The period after the last run's; without ``catchup``, the newest complete one if that is later.

        Periods are counted from the start date, and from the epoch where there is none.
        """
        now, start = utc(now), optional_utc(start)
        bounds: list[datetime] = [] if start is None else [start]
        if last is None:
            anchor = _EPOCH if start is None else start
        else:
            resume = last.data_interval_end
            anchor = self.period.anchor_for(start, resume)
            if resume <= last.logical_date:  # an empty interval, of another schedule: its date is taken
                resume = self.period.point(anchor, self.period.index(anchor, resume) + 1)
            bounds.append(resume)
        if not catchup or not bounds:
            bounds.append(self.period.point(anchor, self.period.index(anchor, now) - 1))
        begin = max(bounds)
        if end is not None and begin > end:
            return None
        if begin == start:
            anchor = start
        return RunInfo.over(begin, self.period.point(anchor, self.period.index(anchor, begin) + 1))

    def manual_interval(self, at: datetime) -> tuple[datetime, datetime]:
        """The period that ends at the logical date."""
        return self.period.point(utc(at), -1), utc(at)
