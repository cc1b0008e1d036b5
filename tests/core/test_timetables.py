"""When DAGs run: every row of Airflow's timetables that we have, our differences, and what holds for all."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyray.core.model import TimetableSpec
from skyray.core.states import RunType
from skyray.core.timetables import (
    KINDS,
    RUN_ID_PATTERN,
    RunInfo,
    Timetable,
    build,
    run_id_for,
    validate_run_id,
)


def at(text: str) -> datetime:
    """2026-<text>, UTC: "03-08T05" or "03-08T05:30"."""
    day, _, clock = text.partition("T")
    return datetime.fromisoformat(f"2026-{day}T{clock if ':' in clock else f'{clock}:00'}:00+00:00")


NOW, START = at("03-10T10:30"), at("03-07T05")
DAY = timedelta(days=1)


def timetable(kind: str, **arguments: object) -> Timetable:
    return build(TimetableSpec(kind, tuple(sorted(arguments.items()))))


def cron(kind: str = "cron_trigger", expression: str = "@daily", zone: str = "UTC") -> Timetable:
    return timetable(kind, expression=expression, timezone=zone)


def first_runs(
    table: Timetable,
    count: int,
    *,
    start: datetime | None = START,
    end: datetime | None = None,
    catchup: bool = False,
    now: datetime = NOW,
    last: RunInfo | None = None,
) -> list[RunInfo]:
    """The next ``count`` runs, if each is created as soon as it is due."""
    runs: list[RunInfo] = []
    for _ in range(count):
        run = table.next_run(last, start=start, end=end, catchup=catchup, now=now)
        if run is None:
            break
        runs.append(run)
        last, now = run, max(now, run.run_after)
    return runs


def dates(runs: list[RunInfo]) -> list[datetime]:
    return [run.logical_date for run in runs]


# ---------------------------------------------------------------------------------------------------- cron_trigger
@pytest.mark.parametrize(
    ("catchup", "expected"),
    [(True, ["03-08T00", "03-09T00", "03-10T00", "03-11T00"]), (False, ["03-10T00", "03-11T00"])],
)
def test_cron_trigger(catchup: bool, expected: list[str]) -> None:
    runs = first_runs(cron(), len(expected), catchup=catchup)
    assert runs == [RunInfo.at(at(each)) for each in expected]


def test_cron_trigger_start_on_a_tick_is_the_first_run() -> None:
    assert dates(first_runs(cron(), 1, start=at("03-08T00"), catchup=True)) == [at("03-08T00")]


def test_cron_trigger_start_in_the_future_waits() -> None:
    for catchup in (True, False):
        assert dates(first_runs(cron(), 1, start=at("03-20T12"), catchup=catchup)) == [at("03-21T00")]


def test_cron_trigger_without_catchup_skips_what_a_pause_missed() -> None:
    last = RunInfo.at(at("02-01T00"))
    assert dates(first_runs(cron(), 2, last=last)) == [at("03-10T00"), at("03-11T00")]
    assert dates(first_runs(cron(), 2, last=last, catchup=True, start=at("01-01T00"))) == [
        at("02-02T00"),
        at("02-03T00"),
    ]


@pytest.mark.parametrize("catchup", [True, False])
@pytest.mark.parametrize(
    ("expression", "now", "expected"),
    [
        ("@daily", "03-10T00", "03-10T00"),  # on the tick
        ("@daily", "03-10T02:24", "03-10T00"),  # 10 % of the gap past it
        ("@daily", "03-10T02:25", "03-11T00"),
        ("@hourly", "03-10T10:06", "03-10T10"),
        ("@hourly", "03-10T10:07", "03-10T11"),
        ("*/10 * * * *", "03-10T10:05", "03-10T10"),  # at least 5 minutes
        ("*/10 * * * *", "03-10T10:06", "03-10T10:10"),
    ],
)
def test_cron_trigger_without_start_takes_the_tick_just_past(
    expression: str, now: str, expected: str, catchup: bool
) -> None:
    runs = first_runs(cron(expression=expression), 1, start=None, now=at(now), catchup=catchup)
    assert dates(runs) == [at(expected)]


def test_cron_trigger_end_is_inclusive_on_the_tick() -> None:
    assert dates(first_runs(cron(), 9, end=at("03-12T00"))) == [at("03-10T00"), at("03-11T00"), at("03-12T00")]
    assert dates(first_runs(cron(), 9, end=at("03-11T23:59"))) == [at("03-10T00"), at("03-11T00")]


def test_cron_follows_its_zone() -> None:
    runs = first_runs(cron(expression="0 6 * * *", zone="America/New_York"), 2, start=at("03-07T00"), catchup=True)
    assert dates(runs) == [at("03-07T11"), at("03-08T10")]  # clocks go forward on the 8th
    assert all(run.run_after.tzinfo is timezone.utc for run in runs)


# --------------------------------------------------------------------------------------------------- cron_interval
@pytest.mark.parametrize(
    ("catchup", "expected"), [(True, ["03-08T00", "03-09T00", "03-10T00"]), (False, ["03-09T00", "03-10T00"])]
)
def test_cron_interval(catchup: bool, expected: list[str]) -> None:
    runs = first_runs(cron("cron_interval"), len(expected), catchup=catchup)
    assert runs == [RunInfo.over(at(each), at(each) + DAY) for each in expected]


@pytest.mark.parametrize("start", [None, START])
def test_cron_interval_on_the_tick_takes_the_interval_that_ends_now(start: datetime | None) -> None:
    runs = first_runs(cron("cron_interval"), 1, start=start, now=at("03-10T00"))
    assert runs == [RunInfo.over(at("03-09T00"), at("03-10T00"))]


def test_cron_interval_end_is_inclusive_on_the_logical_date() -> None:
    runs = first_runs(cron("cron_interval"), 9, end=at("03-11T00"))
    assert dates(runs) == [at("03-09T00"), at("03-10T00"), at("03-11T00")]
    assert runs[-1].run_after == at("03-12T00")


def test_cron_interval_manual_run_is_about_the_last_complete_interval() -> None:
    table = cron("cron_interval")
    assert table.manual_interval(at("03-10T01")) == (at("03-09T00"), at("03-10T00"))
    assert table.manual_interval(at("03-10T00")) == (at("03-09T00"), at("03-10T00"))


def test_cron_interval_is_longer_where_clocks_go_back() -> None:
    runs = first_runs(cron("cron_interval", zone="Europe/Zurich"), 1, start=None, now=at("10-26T12"))
    assert runs == [RunInfo.over(at("10-24T22"), at("10-25T23"))]


# --------------------------------------------------------------------------------------------------- delta_trigger
def test_delta_trigger_catches_up_from_its_start() -> None:
    runs = first_runs(timetable("delta_trigger", seconds=86400), 5, catchup=True)
    assert runs == [RunInfo.at(START + n * DAY) for n in range(5)]


@pytest.mark.parametrize("start", [None, START])
def test_delta_trigger_without_catchup_begins_now(start: datetime | None) -> None:
    runs = first_runs(timetable("delta_trigger", seconds=86400), 3, start=start)
    assert runs == [RunInfo.at(NOW + n * DAY) for n in range(3)]


def test_delta_trigger_does_not_drift_with_a_late_scheduler() -> None:
    """Airflow's next run would be at ``now``, and so every later one."""
    table, last = timetable("delta_trigger", seconds=3600), RunInfo.at(NOW)
    late = NOW + timedelta(minutes=67)
    assert dates(first_runs(table, 2, last=last, now=late)) == [NOW + timedelta(hours=1), NOW + timedelta(hours=2)]
    after_a_pause = NOW + timedelta(hours=50, minutes=7)
    runs = first_runs(table, 2, last=last, now=after_a_pause)
    assert dates(runs) == [NOW + timedelta(hours=50), NOW + timedelta(hours=51)]


def test_months_keep_to_the_day_of_the_start() -> None:
    start = at("01-31T12")
    for kind in ("delta_trigger", "delta_interval"):
        runs = first_runs(timetable(kind, months=1), 5, start=start, catchup=True)
        assert [run.logical_date.date().isoformat()[5:] for run in runs] == [
            "01-31",
            "02-28",
            "03-31",
            "04-30",
            "05-31",
        ]


def test_years_and_a_rest() -> None:
    table = timetable("delta_trigger", years=1, seconds=60.5)
    runs = first_runs(table, 2, start=at("02-28T00"), catchup=True)
    assert runs[1].run_after == datetime(2027, 2, 28, 0, 1, 0, 500_000, tzinfo=timezone.utc)
    assert table.description == "every 1 year 1 minute 0.5 seconds"


# -------------------------------------------------------------------------------------------------- delta_interval
def test_delta_interval_catches_up_from_its_start() -> None:
    runs = first_runs(timetable("delta_interval", seconds=86400), 3, catchup=True)
    assert runs == [RunInfo.over(START + n * DAY, START + (n + 1) * DAY) for n in range(3)]


def test_delta_interval_without_catchup_keeps_the_phase_of_its_start() -> None:
    """Airflow: 03-09T00, counted from the epoch whatever the start date."""
    runs = first_runs(timetable("delta_interval", seconds=86400), 2)
    assert runs == [
        RunInfo.over(at("03-09T05"), at("03-10T05")),
        RunInfo.over(at("03-10T05"), at("03-11T05")),
    ]


def test_delta_interval_without_start_counts_from_the_epoch() -> None:
    table = timetable("delta_interval", seconds=86400)
    assert first_runs(table, 1, start=None) == [RunInfo.over(at("03-09T00"), at("03-10T00"))]
    assert first_runs(timetable("delta_interval", months=1), 1, start=None) == [
        RunInfo.over(at("02-01T00"), at("03-01T00"))
    ]


def test_delta_interval_first_one_may_lie_ahead() -> None:
    start = at("03-10T06")
    assert first_runs(timetable("delta_interval", seconds=86400), 1, start=start) == [RunInfo.over(start, start + DAY)]


def test_delta_interval_after_a_pause() -> None:
    table, last = timetable("delta_interval", seconds=86400), RunInfo.over(at("02-01T05"), at("02-02T05"))
    assert dates(first_runs(table, 1, last=last)) == [at("03-09T05")]
    assert dates(first_runs(table, 1, last=last, start=at("01-01T05"), catchup=True)) == [at("02-02T05")]


def test_delta_interval_manual_run_is_about_the_period_before() -> None:
    assert timetable("delta_interval", seconds=86400).manual_interval(NOW) == (NOW - DAY, NOW)
    march = datetime(2026, 3, 31, tzinfo=timezone.utc)
    assert timetable("delta_interval", months=1).manual_interval(march)[0].day == 28


# ------------------------------------------------------------------------------------------ null, once, continuous
def test_null_never_runs() -> None:
    assert first_runs(timetable("null"), 1) == []


@pytest.mark.parametrize("catchup", [True, False])
def test_once_runs_once(catchup: bool) -> None:
    once = timetable("once")
    assert first_runs(once, 5, catchup=catchup) == [RunInfo.at(START)]
    assert first_runs(once, 5, start=None, catchup=catchup) == [RunInfo.at(NOW)]
    assert first_runs(once, 5, start=at("05-01T00"), catchup=catchup) == [RunInfo.at(at("05-01T00"))]
    assert first_runs(once, 5, end=START, catchup=catchup) == [RunInfo.at(START)]
    assert first_runs(once, 5, end=START - DAY, catchup=catchup) == []


@pytest.mark.parametrize("catchup", [True, False])
def test_continuous_is_about_the_time_since_the_last_run(catchup: bool) -> None:
    table = timetable("continuous")
    assert table.active_runs_limit == 1
    first = table.next_run(None, start=START, end=None, catchup=catchup, now=NOW)
    assert first == RunInfo.over(START, NOW)
    later = NOW + timedelta(minutes=3)
    assert table.next_run(first, start=START, end=None, catchup=catchup, now=later) == RunInfo.over(NOW, later)
    assert table.next_run(first, start=START, end=NOW, catchup=catchup, now=later) is None


def test_continuous_keeps_dates_unique_at_one_instant() -> None:
    table = timetable("continuous")
    runs = [table.next_run(None, start=None, end=None, catchup=False, now=NOW)]
    for _ in range(3):
        runs.append(table.next_run(runs[-1], start=None, end=None, catchup=False, now=NOW))
    for earlier, later in pairwise(runs):
        assert earlier is not None
        assert later is not None
        assert earlier.logical_date < later.logical_date
        assert earlier.run_after < later.run_after


@pytest.mark.parametrize("kind", ["null", "once", "continuous", "cron_trigger", "delta_trigger"])
def test_manual_interval_is_empty(kind: str) -> None:
    arguments = {"cron_trigger": {"expression": "@daily"}, "delta_trigger": {"seconds": 60}}.get(kind, {})
    assert timetable(kind, **arguments).manual_interval(NOW) == (NOW, NOW)


# ----------------------------------------------------------------------------------------------- changed schedules
def test_interval_after_another_schedule_neither_repeats_a_date_nor_leaves_a_gap() -> None:
    daily = RunInfo.over(at("03-10T00"), at("03-11T00"))  # Tuesday
    weekly = cron("cron_interval", "@weekly").next_run(daily, start=START, end=None, catchup=True, now=NOW)
    assert weekly == RunInfo.over(at("03-11T00"), at("03-15T00"))
    half_past = cron("cron_interval", "30 * * * *").next_run(daily, start=START, end=None, catchup=True, now=NOW)
    assert half_past == RunInfo.over(at("03-10T23:30"), at("03-11T00:30"))  # as Airflow: from the tick before
    triggered = RunInfo.at(at("03-10T00"))
    for kind in (cron("cron_interval"), timetable("delta_interval", seconds=86400)):
        run = kind.next_run(triggered, start=at("03-01T00"), end=None, catchup=True, now=NOW)
        assert run == RunInfo.over(at("03-11T00"), at("03-12T00"))


# ------------------------------------------------------------------------------------------------ whatever the kind
_MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(timezone.utc))
_SPECS = st.one_of(
    st.sampled_from(["null", "once", "continuous"]).map(lambda kind: TimetableSpec(kind)),
    st.builds(
        lambda kind, expression, zone: TimetableSpec(kind, (("expression", expression), ("timezone", zone))),
        st.sampled_from(["cron_trigger", "cron_interval"]),
        st.sampled_from(
            ["@daily", "@hourly", "@weekly", "@monthly", "30 2 * * *", "*/20 1-3 * * *", "0 0 29 2 *", "0 0 * * * 30"]
        ),
        st.sampled_from(["UTC", "Europe/Zurich", "America/Havana", "Australia/Lord_Howe"]),
    ),
    st.builds(
        lambda kind, months, seconds: TimetableSpec(kind, (("months", months), ("seconds", seconds))),
        st.sampled_from(["delta_trigger", "delta_interval"]),
        st.integers(0, 14),
        st.integers(1, 10**7) | st.just(0.25) | st.just(86400),
    ),
)


@settings(deadline=None, max_examples=400)
@given(
    specs=st.lists(_SPECS, min_size=1, max_size=3),
    start=st.none() | _MOMENTS,
    end=st.none() | _MOMENTS,
    catchup=st.booleans(),
    now=_MOMENTS,
    pauses=st.lists(st.timedeltas(timedelta(0), timedelta(days=70)), min_size=6, max_size=6),
)
def test_runs_only_move_forward_between_start_and_end(
    specs: list[TimetableSpec],
    start: datetime | None,
    end: datetime | None,
    catchup: bool,
    now: datetime,
    pauses: list[timedelta],
) -> None:
    """Also where the schedule is changed between two runs, and whatever time passes between them."""
    tables = [build(spec) for spec in specs]
    last: RunInfo | None = None
    for step, pause in enumerate(pauses):
        table = tables[step % len(tables)]
        run = table.next_run(last, start=start, end=end, catchup=catchup, now=now)
        assert run == table.next_run(last, start=start, end=end, catchup=catchup, now=now)
        if run is None:
            continue
        assert run.logical_date == run.data_interval_start <= run.data_interval_end == run.run_after
        assert all(moment.tzinfo is timezone.utc for moment in (run.logical_date, run.run_after))
        assert start is None or run.logical_date >= start
        assert end is None or run.logical_date <= end
        if last is not None:
            assert run.logical_date > last.logical_date
            assert run.run_after > last.run_after
        now = max(now, run.run_after) + pause
        last = run


@settings(deadline=None)
@given(spec=_SPECS, start=st.none() | _MOMENTS, now=_MOMENTS, pause=st.timedeltas(timedelta(0), timedelta(days=400)))
def test_without_catchup_nothing_that_is_due_is_left(
    spec: TimetableSpec, start: datetime | None, now: datetime, pause: timedelta
) -> None:
    """After the run that is made once a pause is over, the next one lies ahead."""
    table = build(spec)
    last = table.next_run(None, start=start, end=None, catchup=False, now=now)
    now += pause
    if last is None or spec.kind == "continuous":
        return
    run = table.next_run(last, start=start, end=None, catchup=False, now=max(now, last.run_after))
    if run is not None and run.run_after <= now:
        following = table.next_run(run, start=start, end=None, catchup=False, now=now)
        assert following is not None
        assert following.run_after > now


@settings(deadline=None)
@given(spec=_SPECS, start=_MOMENTS, now=_MOMENTS, pauses=st.lists(st.integers(0, 10**6), min_size=5, max_size=5))
def test_catchup_makes_the_same_runs_whenever_it_is_asked(
    spec: TimetableSpec, start: datetime, now: datetime, pauses: list[int]
) -> None:
    if spec.kind == "continuous":  # about "until now" by nature
        return
    table = build(spec)
    prompt, late = None, None
    for pause in pauses:
        prompt = table.next_run(prompt, start=start, end=None, catchup=True, now=now)
        late = table.next_run(late, start=start, end=None, catchup=True, now=now + timedelta(seconds=pause))
        assert prompt == late


@pytest.mark.parametrize("kind", KINDS)
def test_naive_moments_are_refused(kind: str) -> None:
    arguments = {"expression": "@daily"} if kind.startswith("cron") else {"seconds": 60} if "delta" in kind else {}
    table = timetable(kind, **arguments)
    with pytest.raises(ValueError, match="no time zone"):
        table.manual_interval(datetime(2026, 1, 1))
    if kind not in ("null", "once"):
        with pytest.raises(ValueError, match="no time zone"):
            table.next_run(None, start=None, end=None, catchup=False, now=datetime(2026, 1, 1))


# ----------------------------------------------------------------------------------------------------------- build
@pytest.mark.parametrize(
    ("spec", "description"),
    [
        (TimetableSpec(), "never, triggered only"),
        (TimetableSpec("once"), "once, as soon as possible"),
        (TimetableSpec("continuous"), "continuously, one run at a time"),
        (TimetableSpec("cron_trigger", (("expression", "0 4 * * *"),)), "at 0 4 * * * (UTC)"),
        (
            TimetableSpec("cron_interval", (("expression", "@daily"), ("timezone", "Europe/Zurich"))),
            "after each interval of @daily (Europe/Zurich)",
        ),
        (TimetableSpec("delta_trigger", (("seconds", 93784),)), "every 1 day 2 hours 3 minutes 4 seconds"),
        (TimetableSpec("delta_interval", (("months", 3),)), "after every 3 months"),
    ],
)
def test_description(spec: TimetableSpec, description: str) -> None:
    assert build(spec).description == description


@pytest.mark.parametrize(
    ("kind", "arguments", "cause"),
    [
        ("lunar", {}, "unknown kind of timetable 'lunar'; known are null, once"),
        ("once", {"seconds": 3}, "'once' has no argument 'seconds'"),
        ("cron_trigger", {"expression": "@daily", "run_immediately": True}, "no argument 'run_immediately'"),
        ("cron_trigger", {}, "expected texts"),
        ("cron_trigger", {"expression": "0 0 31 2 *"}, "never matches"),
        ("cron_interval", {"expression": "@daily", "timezone": "Mars"}, "time zone 'Mars' is unknown"),
        ("delta_trigger", {}, "longer than zero"),
        ("delta_trigger", {"seconds": -60}, "cannot be negative"),
        ("delta_trigger", {"months": 1, "seconds": -86400}, "cannot be negative"),
        ("delta_interval", {"months": 1.5}, "no period"),
        ("delta_interval", {"seconds": float("inf")}, "no period"),
        ("delta_interval", {"seconds": "60"}, "no period"),
        ("delta_interval", {"years": 101}, "longer than a hundred years"),
    ],
)
def test_impossible_timetables_say_why(kind: str, arguments: dict[str, object], cause: str) -> None:
    with pytest.raises(ValueError, match=re.escape(cause)):
        timetable(kind, **arguments)


# --------------------------------------------------------------------------------------------------------- run ids
@pytest.mark.parametrize(
    ("run_type", "moment", "expected"),
    [
        (RunType.SCHEDULED, at("01-01T00"), "scheduled__2026-01-01T00:00:00+00:00"),
        (RunType.MANUAL, at("01-01T00") + timedelta(microseconds=5), "manual__2026-01-01T00:00:00.000005+00:00"),
        (
            RunType.BACKFILL,
            datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))),
            "backfill__2025-12-31T22:00:00+00:00",
        ),
    ],
)
def test_run_id(run_type: RunType, moment: datetime, expected: str) -> None:
    assert run_id_for(run_type, moment) == expected
    assert re.fullmatch(RUN_ID_PATTERN, expected)
    validate_run_id(expected, manual=False)


@pytest.mark.parametrize("text", ["nightly", "manual__2026-01-01", "a.b~c:d+e-f_1", "scheduled", "x" * 250])
def test_valid_manual_run_ids(text: str) -> None:
    validate_run_id(text, manual=True)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "cannot be empty"),
        ("x" * 251, "at most 250"),
        ("a b", "may only have"),
        ("a/b", "may only have"),
        ("a\n", "may only have"),
        ("é", "may only have"),
        *[(f"{each.value}__x", f"reserved for {each.value} runs") for each in RunType if each is not RunType.MANUAL],
    ],
)
def test_refused_manual_run_ids(text: str, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        validate_run_id(text, manual=True)
