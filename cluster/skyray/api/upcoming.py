"""Which runs a DAG's schedule will make next, asked of its timetable as the scheduler does. Pure, but for the clock."""

from __future__ import annotations

from datetime import datetime, timezone

from skyray.api.errors import FieldError
from skyray.core.dags import run_info_of
from skyray.core.model import DagSpec, Run
from skyray.core.timetables import RunInfo, build
from skyray.store.paging import decode_token, encode_token

_KINDS_OF_ONE = frozenset({"continuous"})  # a next run depends on when the last one ends: only one can be foretold


def upcoming_runs(spec: DagSpec, last_run: Run | None, count: int, token: str) -> tuple[list[RunInfo], str]:
    """The next ``count`` runs after ``last_run`` (the newest one that the schedule has made), and a page token.

    What is due already comes first. A paused DAG's are those that it would make if it were unpaused now.
    """
    timetable = build(spec.timetable)
    key = decode_token(token, str, str, str, str)
    last = None if last_run is None else run_info_of(last_run)
    if key is not None:
        last = _info_of(key)
    now = datetime.now(timezone.utc)
    found: list[RunInfo] = []
    while len(found) < count:
        info = timetable.next_run(last, start=spec.start_date, end=spec.end_date, catchup=spec.catchup, now=now)
        if info is None:
            return found, ""
        found.append(info)
        last = info
        if spec.timetable.kind in _KINDS_OF_ONE:
            return found, ""
    assert last is not None, "count is at least 1"
    moments = (last.logical_date, last.data_interval_start, last.data_interval_end, last.run_after)
    return found, encode_token([moment.isoformat() for moment in moments])


def _info_of(key: tuple[str, ...]) -> RunInfo:
    try:
        return RunInfo(*(datetime.fromisoformat(part).astimezone(timezone.utc) for part in key))
    except (ValueError, OverflowError):
        raise FieldError("page_token", "page_token is none that this list has given") from None
