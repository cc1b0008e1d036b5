"""The timetables without a rhythm: never, once, and always one more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from skyray.core.timetables.base import RunInfo, optional_utc, utc

_TICK = timedelta.resolution  # the least that tells two datetimes apart


@dataclass(frozen=True, slots=True)
class NullTimetable:
    """``schedule=None``: runs are triggered, never scheduled."""

    active_runs_limit: int | None = None
    description: str = "never, triggered only"

    def next_run(
        self, last: RunInfo | None, *, start: datetime | None, end: datetime | None, catchup: bool, now: datetime
    ) -> RunInfo | None:
        """Never any."""
        return None

    def manual_interval(self, at: datetime) -> tuple[datetime, datetime]:
        """Empty, at the logical date."""
        return utc(at), utc(at)


@dataclass(frozen=True, slots=True)
class OnceTimetable:
    """``@once``: at the start date, or as soon as possible where there is none. ``catchup`` makes no difference."""

    active_runs_limit: int | None = None
    description: str = "once, as soon as possible"

    def next_run(
        self, last: RunInfo | None, *, start: datetime | None, end: datetime | None, catchup: bool, now: datetime
    ) -> RunInfo | None:
        """The one run, unless there was one."""
        if last is not None:
            return None
        moment = utc(now if start is None else start)
        return None if end is not None and moment > end else RunInfo.at(moment)

    def manual_interval(self, at: datetime) -> tuple[datetime, datetime]:
        """Empty, at the logical date."""
        return utc(at), utc(at)


@dataclass(frozen=True, slots=True)
class ContinuousTimetable:
    """``@continuous``: one run after another, each about the time since the last one's interval ended."""

    active_runs_limit: int | None = 1
    description: str = "continuously, one run at a time"

    def next_run(
        self, last: RunInfo | None, *, start: datetime | None, end: datetime | None, catchup: bool, now: datetime
    ) -> RunInfo | None:
        """From the last run's end (or the start date) until now; ``catchup`` makes no difference.

        Where the clock has not moved since the last run, the new one is a microsecond later: dates stay unique.
        """
        now, start = utc(now), optional_utc(start)
        if last is None:
            begin = now if start is None else start
            over = max(begin, now)
        else:
            begin = max(last.data_interval_end, last.logical_date + _TICK)
            if start is not None:
                begin = max(begin, start)
            over = max(begin, now, last.run_after + _TICK)
        return None if end is not None and over > end else RunInfo.over(begin, over)

    def manual_interval(self, at: datetime) -> tuple[datetime, datetime]:
        """Empty, at the logical date."""
        return utc(at), utc(at)
