"""The instants that a cron expression names in a time zone, daylight saving included.

An expression speaks of wall clocks. Which instants that means is decided here, in one rule:

* a wall time that does not exist (clocks go forward) means the instant that the clock shows as later by the gap;
* a wall time that exists twice (clocks go back) means its second instant; both, if the expression runs in every hour.

Ticks are the *set* of those instants, so looking forward and backward always agree. (Airflow walks from tick to tick,
with the same answers, except that it loses the second of two shifted ticks: ``15,45 2 * * *`` when 02:00-03:00 is
missing runs at 03:15 and 03:45 here, at 03:15 only there.) Called by core/timetables/cron.py.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterBadDateError, CroniterError

#: Names for common expressions. ``@once`` and ``@continuous`` are timetables of their own.
PRESETS: dict[str, str] = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_SECOND = timedelta(seconds=1)
_FAR = timedelta(hours=26)  # no zone differs from itself, a day or a transition apart, by more
_SAME = timedelta(0)
_REFERENCE = datetime(2000, 1, 1)  # noqa: DTZ001 (a wall clock)
_RANDOM_OR_HASHED = re.compile(r"(?<![a-z])[hr](?![a-z])", re.IGNORECASE)


def validate_cron(expression: str) -> None:
    """Raise ``ValueError``, which says why, unless ``expression`` is a preset or a cron expression of 5 or 6 fields.

    The sixth field is seconds, at the end (croniter's and Airflow's order). Unlike Airflow, which lets it pass and then
    never runs, an expression that no date matches is refused; so are Jenkins' ``H`` and ``R``, whose ticks would be
    different ones after every restart.

    >>> validate_cron("0 0 31 2 *")
    Traceback (most recent call last):
    ValueError: cron expression '0 0 31 2 *' never matches: there is no such date
    """
    _parse(expression)


def _parse(expression: str) -> croniter:
    text = PRESETS.get(expression.strip(), expression.strip())
    named = f"cron expression {expression!r}"
    if text.startswith("@"):
        raise ValueError(f"{named} is not a preset; presets are {', '.join(PRESETS)}")
    fields = text.split()
    if len(fields) not in (5, 6):
        raise ValueError(
            f"{named} has {len(fields)} fields; expected 5 (minute hour day month weekday) or 6 (and second)"
        )
    if _RANDOM_OR_HASHED.search(text):
        raise ValueError(f"{named} uses H or R, which stand for a value chosen at random; write the value")
    try:
        cron = croniter(text, _REFERENCE)
        cron.get_next(datetime)
    except CroniterBadDateError:
        raise ValueError(f"{named} never matches: there is no such date") from None
    except (CroniterError, ValueError, KeyError) as error:
        raise ValueError(f"{named} is invalid: {error}") from None
    return cron


def zone(name: str) -> tzinfo:
    """The time zone of an IANA name. Raises ``ValueError`` for a name that the zone database does not have."""
    if name == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"time zone {name!r} is unknown; expected an IANA name such as Europe/Zurich") from None


class CronTicks:
    """The ticks of ``expression`` in the zone ``timezone_name``. Moments come and go as aware UTC datetimes.

    >>> CronTicks("30 2 * * *", "Europe/Zurich").after(datetime(2026, 3, 28, 12, tzinfo=timezone.utc)).isoformat()
    '2026-03-29T01:30:00+00:00'
    """

    __slots__ = ("_cron", "_every_hour", "_zone", "expression", "timezone_name")

    def __init__(self, expression: str, timezone_name: str) -> None:
        self.expression = expression
        self.timezone_name = timezone_name
        self._cron = _parse(expression)
        self._every_hour = self._cron.expanded[1] == ["*"]
        self._zone = zone(timezone_name)

    def after(self, moment: datetime) -> datetime:
        """The first tick later than ``moment``."""
        moment = moment.replace(microsecond=0)  # ticks lie on whole seconds
        offset = self._offset(moment)
        wall = _wall(moment, offset)
        tick = _instant(self._next(wall), offset)
        jump, highest, _ = self._unrest(moment, tick)
        if not jump:
            return tick
        # Near a transition the order of walls is not that of instants: look at all ticks that may be first.
        best: datetime | None = None
        wall -= jump + _SECOND
        while True:
            wall = self._next(wall)
            if best is not None and _instant(wall, highest) >= best:
                return best
            later = [each for each in self._instants(wall) if each > moment]
            best = min(later if best is None else [best, *later], default=None)

    def before(self, moment: datetime) -> datetime:
        """The last tick earlier than ``moment``."""
        if moment.microsecond:
            moment = moment.replace(microsecond=0) + _SECOND
        offset = self._offset(moment)
        wall = _wall(moment, offset)
        tick = _instant(self._previous(wall), offset)
        jump, _, lowest = self._unrest(moment, tick)
        if not jump:
            return tick
        best: datetime | None = None
        wall += jump + _SECOND
        while True:
            wall = self._previous(wall)
            if best is not None and _instant(wall, lowest) <= best:
                return best
            earlier = [each for each in self._instants(wall) if each < moment]
            best = max(earlier if best is None else [best, *earlier], default=None)

    def at_or_after(self, moment: datetime) -> datetime:
        """``moment`` if it is a tick, else the first one after it."""
        return self.after(moment - timedelta.resolution)

    def at_or_before(self, moment: datetime) -> datetime:
        """``moment`` if it is a tick, else the last one before it."""
        return self.before(moment + timedelta.resolution)

    def _next(self, wall: datetime) -> datetime:
        self._cron.set_current(wall, force=True)
        return self._cron.get_next(datetime)

    def _previous(self, wall: datetime) -> datetime:
        self._cron.set_current(wall, force=True)
        return self._cron.get_prev(datetime)

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self._zone).utcoffset() or _SAME

    def _unrest(self, *moments: datetime) -> tuple[timedelta, timedelta, timedelta]:
        """(jump, highest, lowest) of the zone's offsets near ``moments``; jump 0 if no transition can matter.

        A transition reorders ticks no farther away than it moves the clock. So look far for one, then, as far as the
        one found reaches, look again.
        """
        jump, highest, lowest = self._spread(moments, _FAR)
        if jump and not self._spread(moments, jump)[0]:
            return _SAME, highest, lowest
        return jump, highest, lowest

    def _spread(self, moments: tuple[datetime, ...], reach: timedelta) -> tuple[timedelta, timedelta, timedelta]:
        offsets = [self._offset(each + side) for each in moments for side in (-reach, _SAME, reach)]
        highest, lowest = max(offsets), min(offsets)
        return highest - lowest, highest, lowest

    def _instants(self, wall: datetime) -> tuple[datetime, ...]:
        """What a wall time means: the rule at the top of this file."""
        first = wall.replace(tzinfo=self._zone).utcoffset() or _SAME
        second = wall.replace(tzinfo=self._zone, fold=1).utcoffset() or _SAME
        if first == second:
            return (_instant(wall, first),)
        if first > second and self._every_hour:  # exists twice
            return _instant(wall, first), _instant(wall, second)
        return (_instant(wall, min(first, second)),)


def _wall(moment: datetime, offset: timedelta) -> datetime:
    return moment.replace(tzinfo=None) + offset


def _instant(wall: datetime, offset: timedelta) -> datetime:
    return (wall - offset).replace(tzinfo=timezone.utc)
