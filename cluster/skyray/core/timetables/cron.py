"""Timetables that follow a cron expression: one runs *at* each tick, the other *about* the time between two ticks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from skyray.core.timetables.base import RunInfo, optional_utc, utc
from skyray.core.timetables.cron_ticks import CronTicks

_GRACE_SHARE, _GRACE_LEAST = 10, timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class CronTriggerTimetable:
    """A run at each tick, about that instant: what ``schedule="0 0 * * *"`` means (Airflow 3)."""

    ticks: CronTicks
    active_runs_limit: int | None = None

    @property
    def description(self) -> str:
        """One line for people."""
        return f"at {self.ticks.expression} ({self.ticks.timezone_name})"

    def next_run(
        self, last: RunInfo | None, *, start: datetime | None, end: datetime | None, catchup: bool, now: datetime
    ) -> RunInfo | None:
        """The tick after the last run; without ``catchup``, the newest tick up to now if that is later."""
        now, start = utc(now), optional_utc(start)
        bounds: list[datetime] = []
        if last is not None:
            bounds.append(self.ticks.after(last.data_interval_end))
        if start is not None:
            bounds.append(self.ticks.at_or_after(start))
        if not bounds:
            tick = self._first_without_start(now)
        elif catchup:
            tick = max(bounds)
        else:
            tick = max(*bounds, self.ticks.at_or_before(now))
        return None if end is not None and tick > end else RunInfo.at(tick)

    def manual_interval(self, at: datetime) -> tuple[datetime, datetime]:
        """Empty, at the logical date."""
        return utc(at), utc(at)

    def _first_without_start(self, now: datetime) -> datetime:
        """The tick just past if it is not long past (10 % of the gap, at least 5 minutes), else the next one."""
        past, following = self.ticks.at_or_before(now), self.ticks.after(now)
        grace = max((following - past) / _GRACE_SHARE, _GRACE_LEAST)
        return past if now - past <= grace else following


@dataclass(frozen=True, slots=True)
class CronIntervalTimetable:
    """A run about the time from each tick to the next, once that is over (Airflow's CronDataIntervalTimetable)."""

    ticks: CronTicks
    active_runs_limit: int | None = None

    @property
    def description(self) -> str:
        """One line for people."""
        return f"after each interval of {self.ticks.expression} ({self.ticks.timezone_name})"

    def next_run(
        self, last: RunInfo | None, *, start: datetime | None, end: datetime | None, catchup: bool, now: datetime
    ) -> RunInfo | None:
        """The interval after the last run's; without ``catchup``, the newest complete one if that is later."""
        now, start = utc(now), optional_utc(start)
        bounds: list[datetime] = []
        if last is not None:
            bounds.append(self._continue(last))
        if start is not None:
            bounds.append(self.ticks.at_or_after(start))
        if not catchup or not bounds:
            bounds.append(self.ticks.before(self.ticks.at_or_before(now)))
        begin = max(bounds)
        return None if end is not None and begin > end else RunInfo.over(begin, self.ticks.after(begin))

    def manual_interval(self, at: datetime) -> tuple[datetime, datetime]:
        """The last interval that was complete at the logical date."""
        over = self.ticks.at_or_before(utc(at))
        return self.ticks.before(over), over

    def _continue(self, last: RunInfo) -> datetime:
        """Where the interval after ``last``'s begins: at its end, which is a tick unless the schedule was changed.

        After such a change it begins at the tick before (Airflow), as long as that is later than the last logical date.
        """
        aligned = self.ticks.at_or_before(last.data_interval_end)
        if aligned > last.logical_date:
            return aligned
        if last.data_interval_end > last.logical_date:
            return last.data_interval_end
        return self.ticks.after(last.logical_date)
