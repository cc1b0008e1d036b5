"""XCom values to JSON bytes and back: plain JSON as it is, common Python types tagged, everything else refused.

    {"when": date(2026, 1, 2)}   <->   {"when": {"$type": "date", "value": "2026-01-02"}}

Not here: where values are kept. Called by the attempt (pushing) and the context (pulling). Never unpickles anything.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

TAG = "$type"
DEFAULT_MAX_BYTES = 16 << 20

_ADVICE = {
    "pandas": "write the frame to a file or object store and return its address, or return df.to_dict('records')",
    "polars": "write the frame to a file or object store and return its address, or return df.to_dicts()",
    "numpy": "return array.tolist() or scalar.item(), or save large arrays and return their address",
    "torch": "save the tensor to a file or object store and return its address, or return tensor.tolist()",
    "pydantic": "return model.model_dump(mode='json')",
}


def encode(value: Any, *, key: str, max_bytes: int = DEFAULT_MAX_BYTES) -> bytes:
    """The JSON of ``value``, which is pushed under ``key``.

    >>> encode([1, (2, 3)], key="return_value")
    b'[1,{"$type":"tuple","value":[2,3]}]'

    Raises ``TypeError`` naming key and type for what has no JSON form, ``ValueError`` where it is larger than allowed.
    """
    kind = type(value)
    if kind not in _SCALARS:
        try:
            value = _to_json(value, key)
        except RecursionError:
            raise ValueError(f"XCom {key!r} contains itself or is nested too deeply to be stored as JSON") from None
    elif kind is float and not math.isfinite(value):
        value = {TAG: "float", "value": repr(value)}
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        data = text.encode()
    except UnicodeEncodeError:  # lone surrogates, as os.fsdecode makes them
        data = json.dumps(value, separators=(",", ":")).encode()
    if len(data) > max_bytes:
        raise ValueError(
            f"XCom {key!r} is {len(data):,} bytes as JSON; at most {max_bytes:,} are allowed. "
            "Write it to a file or object store and return its address (or raise the xcom_max_bytes setting)"
        )
    return data


def decode(data: bytes) -> Any:
    """The value that ``encode`` was given. Raises ``ValueError`` for bytes that it did not make."""
    if b'"$type"' not in data:
        return json.loads(data)
    return json.loads(data, object_hook=_untag)


_SCALARS = frozenset({type(None), bool, int, float, str})
_PLAIN = frozenset({type(None), bool, int, str})


def _to_json(value: Any, key: str) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return value if math.isfinite(value) else {TAG: "float", "value": repr(value)}
    if kind is list:
        return [item if type(item) in _PLAIN else _to_json(item, key) for item in value]
    if kind is dict:
        return _dict_to_json(value, key)
    return _rich_to_json(value, key)


def _dict_to_json(value: dict[Any, Any], key: str) -> Any:
    for name in value:
        if type(name) is not str or name == TAG:
            pairs = [[_to_json(name, key), _to_json(item, key)] for name, item in value.items()]
            return {TAG: "dict", "value": pairs}
    return {name: item if type(item) in _PLAIN else _to_json(item, key) for name, item in value.items()}


def _rich_to_json(value: Any, key: str) -> Any:
    """Everything but exact JSON types. Subclasses lose their class as in Airflow: a str enum becomes its value."""
    match value:
        case bool() | int() | float() | str() if isinstance(value, Enum):
            return _to_json(value.value, key)
        case Enum():
            raise _refusal(value, key, f"return its name or value ({value.name!r})")
        case str():
            return str.__str__(value)
        case int():
            return int(value)
        case float():
            return _to_json(float(value), key)
        case dict():
            return _dict_to_json(value, key)
        case list():
            return [_to_json(item, key) for item in value]
        case tuple():
            return {TAG: "tuple", "value": [_to_json(item, key) for item in value]}
        case set() | frozenset():
            name = "set" if isinstance(value, set) else "frozenset"
            items = [_to_json(item, key) for item in value]
            return {TAG: name, "value": sorted(items, key=lambda item: json.dumps(item, sort_keys=True))}
        case datetime():
            return _datetime_to_json(value)
        case date():
            return {TAG: "date", "value": value.isoformat()}
        case time():
            return {TAG: "time", "value": value.isoformat()}
        case timedelta():  # exact: total_seconds() loses microseconds of long durations
            return {TAG: "timedelta", "value": [value.days, value.seconds, value.microseconds]}
        case Decimal():
            return {TAG: "decimal", "value": str(value)}
        case bytes() | bytearray():
            return {TAG: "bytes", "value": base64.b64encode(value).decode()}
        case UUID():
            return {TAG: "uuid", "value": str(value)}
        case PurePath():
            return {TAG: "path", "value": str(value)}
    raise _refusal(value, key)


def _datetime_to_json(value: datetime) -> dict[str, Any]:
    """ISO 8601 with offset; the zone's name and fold where it has one, so that arithmetic across DST stays right."""
    # datetime.isoformat of the class itself: subclasses (pendulum) may format otherwise.
    out: dict[str, Any] = {TAG: "datetime", "value": datetime.isoformat(value)}
    zone = getattr(value.tzinfo, "key", None) or getattr(value.tzinfo, "name", None)
    if isinstance(zone, str) and zone != "UTC":
        out["zone"] = zone
        if value.fold:
            out["fold"] = 1
    return out


def _refusal(value: Any, key: str, advice: str = "") -> TypeError:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    roots = [each.__module__.partition(".")[0] for each in kind.__mro__]
    advice = advice or next((_ADVICE[root] for root in roots if root in _ADVICE), "")
    if not advice and hasattr(kind, "__dataclass_fields__"):
        advice = "return dataclasses.asdict(value)"
    advice = advice or (
        "return JSON types (or datetime, timedelta, Decimal, tuple, set, bytes, UUID, Path), "
        "or set do_xcom_push=False if nobody reads it"
    )
    return TypeError(f"XCom {key!r} holds a value of type {name}, which cannot be stored as JSON: {advice}")


def _datetime_from_json(tagged: dict[str, Any]) -> datetime:
    moment = _fromisoformat(tagged["value"])
    name = tagged.get("zone")
    if name is None:
        return moment
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return moment
    wall = moment.replace(tzinfo=zone, fold=tagged.get("fold", 0))
    # The instant wins where this machine's time zone data disagrees about the wall clock.
    return wall if wall.utcoffset() == moment.utcoffset() else moment.astimezone(zone)


def _fromisoformat(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is not None and not moment.utcoffset() else moment


_DECODERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "float": lambda tagged: float(tagged["value"]),
    "dict": lambda tagged: dict(tagged["value"]),
    "tuple": lambda tagged: tuple(tagged["value"]),
    "set": lambda tagged: set(tagged["value"]),
    "frozenset": lambda tagged: frozenset(tagged["value"]),
    "datetime": _datetime_from_json,
    "date": lambda tagged: date.fromisoformat(tagged["value"]),
    "time": lambda tagged: time.fromisoformat(tagged["value"]),
    "timedelta": lambda tagged: timedelta(*tagged["value"]),
    "decimal": lambda tagged: Decimal(tagged["value"]),
    "bytes": lambda tagged: base64.b64decode(tagged["value"]),
    "uuid": lambda tagged: UUID(tagged["value"]),
    "path": lambda tagged: _path(tagged["value"]),
}


def _path(text: str) -> PurePath:
    from pathlib import Path

    return Path(text)


def _untag(item: dict[str, Any]) -> Any:
    tag = item.get(TAG)
    if tag is None:
        return item
    try:
        return _DECODERS[tag](item)
    except (KeyError, TypeError, ValueError, ArithmeticError, binascii.Error) as error:
        raise ValueError(f"stored XCom holds a malformed {tag!r}: {item!r:.200}") from error
