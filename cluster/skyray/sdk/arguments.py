"""Checks and conversions of what authors pass to tasks and DAGs, so that a mistake is reported at their own line.

Called by operator.py and dag.py. Each function returns the value to keep, or raises ``TypeError``/``ValueError`` with
the argument's name and value.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from skyray.sdk.defaults import current_defaults
from skyray.sdk.enums import TriggerRule, WeightRule
from skyray.sdk.unsupported import refuse

_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1


def of_type(name: str, value: Any, *kinds: type) -> Any:
    """``value`` if it is None or one of ``kinds`` (a bool is no int here)."""
    if value is None or (isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds)):
        return value
    expected = " or ".join(kind.__name__ for kind in kinds)
    raise TypeError(f"{name} must be of type {expected}, not {type(value).__name__}: {value!r}")


def flag(name: str, value: Any) -> bool:
    """A bool."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return value


def whole_number(name: str, value: Any, *, at_least: int) -> int:
    """An int that is not below ``at_least``."""
    number = of_type(name, value, int)
    if number is None:
        raise TypeError(f"{name} must be a whole number, not None")
    if number < at_least:
        raise ValueError(f"{name} must be at least {at_least}; got {value!r}")
    return int(number)


def retries(value: Any) -> int:
    """``retries``: None means the deployment's default."""
    return current_defaults().retries if value is None else whole_number("retries", value, at_least=0)


def backoff(value: Any) -> float:
    """``retry_exponential_backoff``: a multiplier. True means 2.0, as in Airflow 2."""
    if isinstance(value, bool):
        return 2.0 if value else 0.0
    number = of_type("retry_exponential_backoff", value, int, float)
    if number is None or not 0 <= number < float("inf"):
        raise ValueError(f"retry_exponential_backoff must be a number that is not negative; got {value!r}")
    return float(number)


def duration(name: str, value: Any, *, numbers: bool = True) -> timedelta | None:
    """A timedelta, or (with ``numbers``) a number of seconds. Never negative."""
    if value is None:
        return None
    if numbers and isinstance(value, (int, float)) and not isinstance(value, bool):
        value = timedelta(seconds=value)
    if not isinstance(value, timedelta):
        expected = "a timedelta or a number of seconds" if numbers else "a timedelta"
        raise TypeError(f"{name} must be {expected}, not {type(value).__name__}: {value!r}")
    if value < timedelta(0):
        raise ValueError(f"{name} cannot be negative; got {value!r}")
    return value


def trigger_rule(value: Any) -> TriggerRule:
    """A TriggerRule. The one for teardown tasks is refused with them."""
    try:
        rule = TriggerRule(value)
    except ValueError:
        known = ", ".join(sorted(TriggerRule.all_triggers()))
        raise ValueError(f"trigger_rule must be one of {known}; got {value!r}") from None
    if rule is TriggerRule.ALL_DONE_SETUP_SUCCESS:
        refuse(f"trigger_rule={rule.value!r} (only for teardown tasks)")
    return rule


def weight_rule(value: Any) -> WeightRule:
    """A WeightRule. Custom strategies are refused."""
    if isinstance(value, str):
        try:
            return WeightRule(value)
        except ValueError:
            known = ", ".join(sorted(WeightRule.all_weight_rules()))
            raise ValueError(f"weight_rule must be one of {known}; got {value!r}") from None
    if isinstance(value, (int, float, list, dict, tuple)) or value is None:
        raise TypeError(f"weight_rule must be a string or a WeightRule, not {type(value).__name__}: {value!r}")
    refuse(f"weight_rule={value!r} (a custom priority weight strategy)", hint="use downstream, upstream or absolute")


def priority_weight(value: Any) -> int:
    """An int, brought into 32 bits."""
    number = of_type("priority_weight", value, int)
    if number is None:
        raise TypeError("priority_weight must be of type int, not None")
    return max(_INT32_MIN, min(_INT32_MAX, int(number)))


def zone(name: str) -> tzinfo:
    """The time zone of that name. Raises ``ValueError`` if there is none."""
    if name.upper() == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}") from None


def moment(name: str, value: Any) -> datetime | None:
    """An aware datetime: a naive one is taken to be in the deployment's default time zone."""
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, not {type(value).__name__}: {value!r}")
    return value.replace(tzinfo=zone(current_defaults().timezone)) if value.utcoffset() is None else value


def zone_name(value: datetime | tzinfo | str) -> str:
    """The IANA name of a time zone (zoneinfo's or pendulum's, by duck typing).

    Fixed offsets of whole hours have one, too: ``Etc/GMT-1`` is one hour *ahead* of UTC. Others are ``+HH:MM``, which
    no cron schedule can follow.
    """
    if isinstance(value, str):
        zone(value)
        return value
    place = value.tzinfo if isinstance(value, datetime) else value
    for attribute in ("key", "name", "zone"):
        name = getattr(place, attribute, None)
        if isinstance(name, str) and name[:1].isalpha():
            return "UTC" if name.upper() in ("UTC", "Z") else name
    if not isinstance(place, tzinfo):
        raise TypeError(f"a time zone is a name or a tzinfo, not {type(value).__name__}: {value!r}")
    offset = place.utcoffset(value if isinstance(value, datetime) else None)
    if offset is None:
        raise ValueError(f"the time zone {place!r} has neither a name nor a fixed offset")
    if not offset:
        return "UTC"
    hours, rest = divmod(abs(offset), timedelta(hours=1))
    ahead = offset > timedelta(0)
    if not rest and hours <= (14 if ahead else 12):
        return f"Etc/GMT{'-' if ahead else '+'}{hours}"
    return f"{'+' if ahead else '-'}{hours:02}:{rest // timedelta(minutes=1):02}"


def strings(name: str, value: Iterable[str] | None) -> tuple[str, ...]:
    """A collection of strings, and not one string by mistake."""
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a collection of strings, not {type(value).__name__}: {value!r}")
    items = tuple(value)
    for item in items:
        if not isinstance(item, str):
            raise TypeError(f"{name}: expected strings; got {item!r}")
    return items
