"""Retry delays to the second, as Airflow works them out."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyray.core.model import TaskSpec
from skyray.core.retry import MAX_BACKOFF_SECONDS, may_retry, retry_delay_seconds

DATE = datetime(2026, 1, 1, tzinfo=timezone.utc)


def delay(task: TaskSpec, try_number: int, *, logical_date: datetime | None = DATE, run_id: str = "r") -> float:
    return retry_delay_seconds(task, try_number=try_number, dag_id="d", logical_date=logical_date, run_id=run_id)


@pytest.mark.parametrize(("try_number", "seconds"), [(1, 89), (2, 155), (3, 338), (4, 713), (5, 1110)])
def test_backoff_is_airflows(try_number: int, seconds: int) -> None:
    assert delay(TaskSpec("t", retry_delay_seconds=60, retry_backoff=2), try_number) == seconds


def test_zone_of_the_logical_date_makes_no_difference() -> None:
    elsewhere = DATE.astimezone(timezone(timedelta(hours=5)))
    assert delay(TaskSpec("t", retry_delay_seconds=60, retry_backoff=2), 1, logical_date=elsewhere) == 89


@pytest.mark.parametrize("multiplier", [0.0, 1.0])
@pytest.mark.parametrize("seconds", [0.0, 0.5, 300.0, 200_000.0])
def test_delay_is_constant_without_backoff(multiplier: float, seconds: float) -> None:
    task = TaskSpec("t", retry_delay_seconds=seconds, retry_backoff=multiplier, max_retry_delay_seconds=10)
    assert [delay(task, n) for n in (1, 7)] == [seconds, seconds]


def test_backoff_ends_at_a_day() -> None:
    task = TaskSpec("t", retry_delay_seconds=60, retry_backoff=2)
    assert delay(task, 20) == delay(task, 5_000) == MAX_BACKOFF_SECONDS == 86_400


def test_authors_maximum_holds() -> None:
    assert delay(TaskSpec("t", retry_delay_seconds=60, retry_backoff=2, max_retry_delay_seconds=100), 3) == 100


def test_runs_without_logical_date_are_spread_by_run_id() -> None:
    task = TaskSpec("t", retry_delay_seconds=600, retry_backoff=2)
    assert len({delay(task, 1, logical_date=None, run_id=f"manual__{n}") for n in range(20)}) > 15


@given(
    seconds=st.floats(0, 1e6),
    multiplier=st.floats(0.01, 10).filter(lambda m: m != 1),
    try_number=st.integers(1, 2_000),
    maximum=st.none() | st.floats(0, 1e6),
)
def test_backoff_lies_within_its_bounds(
    seconds: float, multiplier: float, try_number: int, maximum: float | None
) -> None:
    task = TaskSpec("t", retry_delay_seconds=seconds, retry_backoff=multiplier, max_retry_delay_seconds=maximum)
    actual = delay(task, try_number)
    assert 0 <= actual <= min(86_400, 86_400 if maximum is None else maximum)
    try:
        base = max(1.0, seconds * multiplier ** (try_number - 1))
    except OverflowError:
        return
    assert actual >= min(base, 86_400, 86_400 if maximum is None else maximum)
    assert actual <= 2 * (base + 1)


@pytest.mark.parametrize(
    ("try_number", "max_tries", "may"),
    [(1, 0, False), (1, 1, True), (2, 1, False), (2, 2, True), (3, 2, False), (0, 0, False)],
)
def test_may_retry(try_number: int, max_tries: int, may: bool) -> None:
    assert may_retry(try_number, max_tries) is may
