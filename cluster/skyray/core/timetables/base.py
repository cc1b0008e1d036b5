"""What every timetable answers: RunInfo and the Timetable protocol. Called through core/timetables' package."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run that a timetable asks for. All four are aware and in UTC.

    The run may start at ``run_after``. Its ``logical_date`` is the start of its data interval, and names it.
    """

    logical_date: datetime
    data_interval_start: datetime
    data_interval_end: datetime
    run_after: datetime

    @classmethod
    def at(cls, moment: datetime) -> RunInfo:
        """A run whose data interval is empty: it runs at ``moment`` and speaks about ``moment``."""
        return cls(moment, moment, moment, moment)

    @classmethod
    def over(cls, begin: datetime, end: datetime) -> RunInfo:
        """A run about the time from ``begin`` to ``end``, which runs once that is over."""
        return cls(begin, begin, end, end)


class Timetable(Protocol):
    """When a DAG runs. Immutable, and a function of its arguments only: it neither reads a clock nor remembers.

    One instance is for one thread (a cron timetable moves a cursor while it works).
    """

    @property
    def active_runs_limit(self) -> int | None:
        """The most runs that the timetable allows at once, whatever ``max_active_runs`` says; ``None``: no limit."""
        ...

    @property
    def description(self) -> str:
        """One line for people."""
        ...

    def next_run(
        self, last: RunInfo | None, *, start: datetime | None, end: datetime | None, catchup: bool, now: datetime
    ) -> RunInfo | None:
        """The next run to create, possibly in the future; ``None`` if there will be none.

        ``last`` is the newest run that a timetable made (not necessarily this one: schedules change). The answer's
        ``logical_date`` and ``run_after`` are later than those of ``last``, so both stay unique, and its
        ``logical_date`` is never before ``start``. ``end`` is inclusive. Without ``catchup`` only the newest of the
        runs that are due is made. ``catchup`` without ``start`` has nothing to catch up from: the first run is as
        without it.
        """
        ...

    def manual_interval(self, at: datetime) -> tuple[datetime, datetime]:
        """The data interval of a run that a user triggers with logical date ``at``."""
        ...


def utc(moment: datetime) -> datetime:
    """``moment`` in UTC. Raises ``ValueError`` for a naive one: what it means is anybody's guess."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return moment.astimezone(timezone.utc)


def optional_utc(moment: datetime | None) -> datetime | None:
    """``utc``, for a bound that may be absent."""
    return None if moment is None else utc(moment)
