"""Cron expressions on wall clocks: daylight saving, and what is refused."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from skyray.core.timetables import PRESETS, validate_cron
from skyray.core.timetables.cron_ticks import CronTicks


def on_gap_day(expression: str, begin: str = "01:00:00+01:00", end: str = "05:00:00+02:00") -> list[str]:
    return _walls(expression, f"2026-03-29T{begin}", f"2026-03-29T{end}")


def on_fold_day(expression: str, begin: str = "01:00:00+02:00", end: str = "05:00:00+01:00") -> list[str]:
    return _walls(expression, f"2026-10-25T{begin}", f"2026-10-25T{end}")


def _walls(expression: str, begin: str, end: str, zone: str = "Europe/Zurich") -> list[str]:
    """Ticks from ``begin`` to before ``end``, as a clock in the zone shows them: "02:30+02"."""
    ticks = CronTicks(expression, zone)
    moment = ticks.at_or_after(datetime.fromisoformat(begin).astimezone(timezone.utc))
    stop = datetime.fromisoformat(end)
    walls = []
    while moment < stop:
        assert moment.tzinfo is timezone.utc
        walls.append(f"{moment.astimezone(ZoneInfo(zone)):%H:%M%z}"[:8])
        moment = ticks.after(moment)
    return walls


# Clocks in Zurich: 2026-03-29 02:00 -> 03:00, 2026-10-25 03:00 -> 02:00.
@pytest.mark.parametrize(
    ("expression", "gap_day", "fold_day"),
    [
        ("30 2 * * *", ["03:30+02"], ["02:30+01"]),
        ("0 3 * * *", ["03:00+02"], ["03:00+01"]),
        (
            "0 * * * *",
            ["01:00+01", "03:00+02", "04:00+02"],
            ["01:00+02", "02:00+02", "02:00+01", "03:00+01", "04:00+01"],
        ),
        (
            "*/30 * * * *",
            ["01:00+01", "01:30+01", "03:00+02", "03:30+02", "04:00+02", "04:30+02"],
            [
                "01:00+02",
                "01:30+02",
                "02:00+02",
                "02:30+02",
                "02:00+01",
                "02:30+01",
                "03:00+01",
                "03:30+01",
                "04:00+01",
                "04:30+01",
            ],
        ),
        ("0 */2 * * *", ["03:00+02", "04:00+02"], ["02:00+01", "04:00+01"]),
        ("0 2,3 * * *", ["03:00+02"], ["02:00+01", "03:00+01"]),
        ("30 1-4 * * *", ["01:30+01", "03:30+02", "04:30+02"], ["01:30+02", "02:30+01", "03:30+01", "04:30+01"]),
        # Every hour of some days only is still every hour; Airflow is an hour late on the first of them after a change.
        ("0 * 29 3 *", ["01:00+01", "03:00+02", "04:00+02"], []),
        # Both shifted ticks stay; Airflow loses the second.
        ("15,45 2 * * *", ["03:15+02", "03:45+02"], ["02:15+01", "02:45+01"]),
    ],
)
def test_daylight_saving(expression: str, gap_day: list[str], fold_day: list[str]) -> None:
    assert on_gap_day(expression) == gap_day
    assert on_fold_day(expression) == fold_day


def test_gap_of_half_an_hour() -> None:
    """Lord Howe Island: 2026-10-04 02:00+10:30 -> 02:30+11."""
    walls = _walls("0,15 1-3 * * *", "2026-10-04T01:00:00+10:30", "2026-10-04T04:00:00+11:00", "Australia/Lord_Howe")
    assert walls == ["01:00+10", "01:15+10", "02:30+11", "02:45+11", "03:00+11", "03:15+11"]


def test_day_that_does_not_exist() -> None:
    """Samoa left out 30 December 2011: its midnight is the next one, once."""
    ticks = CronTicks("0 0 * * *", "Pacific/Apia")
    moment = datetime(2011, 12, 29, tzinfo=timezone.utc)
    found = []
    for _ in range(3):
        moment = ticks.after(moment)
        found.append(moment.isoformat())
    assert found == ["2011-12-29T10:00:00+00:00", "2011-12-30T10:00:00+00:00", "2011-12-31T10:00:00+00:00"]


def test_day_of_month_or_day_of_week() -> None:
    ticks = CronTicks("0 0 13 * 5", "UTC")
    moment, days = datetime(2026, 4, 1, tzinfo=timezone.utc), []
    for _ in range(5):
        moment = ticks.after(moment)
        days.append(moment.day)
    assert days == [3, 10, 13, 17, 24]


def test_sixth_field_is_seconds() -> None:
    ticks = CronTicks("0 12 * * * 15,45", "UTC")
    first = ticks.after(datetime(2026, 1, 1, tzinfo=timezone.utc))
    assert [first.isoformat()[11:19], ticks.after(first).isoformat()[11:19]] == ["12:00:15", "12:00:45"]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid(name: str) -> None:
    validate_cron(name)
    assert CronTicks(name, "UTC").at_or_after(datetime(2026, 1, 1, tzinfo=timezone.utc)).minute == 0


@pytest.mark.parametrize(
    "expression",
    ["0 0 * * *", "*/5 * * * *", "0 0 29 2 *", "0 0 31 2 1", "0 0 L * *", "0 9 * * MON-FRI", "0 0 * * 1#2"],
)
def test_valid_expressions(expression: str) -> None:
    validate_cron(expression)


@pytest.mark.parametrize(
    ("expression", "cause"),
    [
        ("0 0 31 2 *", "never matches: there is no such date"),
        ("0 0 30 2 *", "never matches"),
        ("0 0 31 4,6 *", "never matches"),
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields; expected 5"),
        ("0 0 * * * 0 2030", "has 7 fields"),
        ("60 * * * *", "out of range"),
        ("0 0 * * 5#6", "is invalid"),
        ("a b c d e", "is invalid"),
        ("0 0 1 FOO *", "is invalid"),
        ("@dayly", "is not a preset; presets are @hourly"),
        ("@once", "is not a preset"),
        ("H * * * *", "uses H or R"),
        ("R(0-30)/5 * * * *", "uses H or R"),
        ("*/0 * * * *", "is invalid"),
    ],
)
def test_invalid_expressions_say_why(expression: str, cause: str) -> None:
    with pytest.raises(ValueError, match=cause) as caught:
        validate_cron(expression)
    assert repr(expression) in str(caught.value)


def test_unknown_zone_is_named() -> None:
    for name in ("Europe/Zürich", "Mars/Olympus", "", "../etc/passwd", "Europe"):
        with pytest.raises(ValueError, match="time zone"):
            CronTicks("@daily", name)


ZONES = ["UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana"]
EXPRESSIONS = [
    "*/12 * * * *",
    "0 * * * *",
    "30 * * * *",
    "0,30 1-4 * * *",
    "15,45 2 * * *",
    "0 */2 * * *",
    "30 2 * * *",
    "0 0 * * *",
    "59 23 * * *",
    "5 * 29 3 *",
    "0 * 1 * *",
    "30 1 25 10 *",
]
# Around transitions of 2011 (Samoa) and 2026 (the others), where ticks are hard, and any time.
NEAR = [
    datetime(2026, 3, 29, 1),
    datetime(2026, 10, 25, 1),
    datetime(2026, 3, 8, 7),
    datetime(2026, 11, 1, 6),
    datetime(2026, 4, 4, 15),
    datetime(2026, 10, 3, 15, 30),
    datetime(2011, 12, 30, 10),
    datetime(2026, 3, 8, 5),
    datetime(2026, 6, 15),
]
FROM_NEAR = st.builds(
    lambda seconds, micro: timedelta(seconds=seconds, microseconds=micro),
    st.integers(-30 * 3600, 30 * 3600) | st.integers(-16, 16).map(lambda quarters: quarters * 900),
    st.sampled_from([0, 0, 1, 999_999]),
)


@cache
def _all_ticks(expression: str, zone: str, near: datetime) -> list[datetime]:
    """The rule of cron_ticks, written down a second time: every wall tick of a week, translated."""
    info = ZoneInfo(zone)
    wall = near - timedelta(days=3.5)
    end = wall + timedelta(days=7)
    cron = croniter(expression, wall)
    found = set()
    while (wall := cron.get_next(datetime)) <= end:
        instants = [wall.replace(tzinfo=info, fold=fold).astimezone(timezone.utc) for fold in (0, 1)]
        exists = [each.astimezone(info).replace(tzinfo=None) == wall for each in instants]
        if all(exists) and expression.split()[1] == "*":
            found.update(instants)
        else:
            found.add(max(instants))
    return sorted(found)


@settings(deadline=None, max_examples=300)
@given(
    expression=st.sampled_from(EXPRESSIONS), zone=st.sampled_from(ZONES), near=st.sampled_from(NEAR), offset=FROM_NEAR
)
def test_neighbours_agree_with_the_rule(expression: str, zone: str, near: datetime, offset: timedelta) -> None:
    every = _all_ticks(expression, zone, near)
    moment = near.replace(tzinfo=timezone.utc) + offset
    ticks = CronTicks(expression, zone)
    after, before = ticks.after(moment), ticks.before(moment)
    assert before < moment < after
    known = timedelta(days=1)  # farther away, ``every`` may have ended
    assert after - moment > known or after == next(each for each in every if each > moment)
    assert moment - before > known or before == next(each for each in reversed(every) if each < moment)
    assert not any(before < each < after and each != moment for each in every)
    is_tick = moment in every
    assert ticks.before(after) == (moment if is_tick else before)
    assert ticks.after(before) == (moment if is_tick else after)
    assert ticks.at_or_after(moment) == (moment if is_tick else after)
    assert ticks.at_or_before(moment) == (moment if is_tick else before)


def test_last_tick_is_found_from_now() -> None:
    """Not by walking there from the last run: one step, however long the pause was."""

    class Counting(CronTicks):
        steps = 0

        def _previous(self, wall: datetime) -> datetime:
            self.steps += 1
            return super()._previous(wall)

    ticks = Counting("* * * * * *", "Europe/Zurich")
    assert ticks.at_or_before(datetime(2031, 7, 1, tzinfo=timezone.utc)) == datetime(2031, 7, 1, tzinfo=timezone.utc)
    assert ticks.steps == 1
