"""A DAG in the scheduler's memory: its live version, its timetable, and its queue of runs."""

from __future__ import annotations

from datetime import datetime, timezone

from skyray.core.active_run import ActiveRun
from skyray.core.model import DagRecord, Run
from skyray.core.states import RunType
from skyray.core.structure import Structure
from skyray.core.timetables import RunInfo, Timetable, build


def utc(seconds: float) -> datetime:
    """Epoch seconds as an aware datetime."""
    return datetime.fromtimestamp(seconds, tz=timezone.utc)


class DagState:
    """One DAG: what is live, which runs are unfinished, and when the next one is due.

    ``queued`` and ``running`` hold runs by ``seq``; backfill runs do not count against ``max_active_runs``.
    ``taken_dates``: logical dates of runs that the timetable did not make; a tick on one of them makes no second run.
    """

    __slots__ = ("last", "next", "planned_for", "queued", "record", "running", "structure", "taken_dates", "timetable")

    def __init__(self, record: DagRecord, structure: Structure) -> None:
        self.record = record
        self.structure = structure
        self.timetable: Timetable = build(structure.spec.timetable)
        self.queued: dict[int, ActiveRun] = {}
        self.running: dict[int, ActiveRun] = {}
        self.last: RunInfo | None = None
        self.next: RunInfo | None = None
        self.planned_for: datetime | None = None  # the timer that is set
        self.taken_dates: set[datetime] = set()

    def change_version(self, structure: Structure) -> None:
        """A new version is live. Unfinished runs keep theirs."""
        if structure.spec.timetable != self.structure.spec.timetable:
            self.timetable = build(structure.spec.timetable)
        self.structure = structure

    @property
    def max_active_runs(self) -> int:
        """The author's limit, or the timetable's where that is lower (``@continuous``: 1)."""
        limit = self.timetable.active_runs_limit
        stated = self.structure.spec.max_active_runs
        return stated if limit is None else min(stated, limit)

    def count_running(self) -> int:
        """Running runs that count against max_active_runs."""
        return sum(1 for each in self.running.values() if each.run.run_type is not RunType.BACKFILL)

    def count_unfinished(self) -> int:
        """Queued and running runs that count against the creation of further scheduled runs."""
        queued = sum(1 for each in self.queued.values() if each.run.run_type is not RunType.BACKFILL)
        return queued + self.count_running()

    def plan_next(self, now: float) -> RunInfo | None:
        """Work out the next scheduled run; None while paused, retired, at its limit, or without one to come."""
        if self.record.is_paused or self.record.is_retired or self.count_unfinished() >= self.max_active_runs:
            self.next = None
            return None
        try:
            self.next = self._next_free(now)
        except (ValueError, ArithmeticError):  # as in Airflow, a timetable that fails has no next run
            self.next = None
        return self.next

    def _next_free(self, now: float) -> RunInfo | None:
        spec = self.structure.spec
        while True:
            info = self.timetable.next_run(
                self.last, start=spec.start_date, end=spec.end_date, catchup=spec.catchup, now=utc(now)
            )
            if info is None or info.logical_date not in self.taken_dates:
                return info
            self.taken_dates.discard(info.logical_date)
            self.last = info


def run_info_of(run: Run) -> RunInfo | None:
    """The timetable's view of a stored run."""
    if run.logical_date is None:
        return None
    return RunInfo(
        logical_date=run.logical_date,
        data_interval_start=run.data_interval_start or run.logical_date,
        data_interval_end=run.data_interval_end or run.logical_date,
        run_after=utc(run.run_after),
    )
