"""XCom values survive storage exactly, and what cannot is refused in words that help."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyray.execution.values import decode, encode

_ZONES = [timezone.utc, ZoneInfo("Europe/Zurich"), ZoneInfo("America/New_York"), timezone(timedelta(hours=5.5))]
_hashable = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.decimals(allow_nan=False),
    st.datetimes(timezones=st.sampled_from([None, *_ZONES]), allow_imaginary=True),
)
_values = st.recursive(
    _hashable | st.sets(_hashable) | st.frozensets(_hashable),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.just("$type"), inner)
        | st.dictionaries(_hashable, inner)
        | st.lists(inner).map(tuple)
    ),
    max_leaves=20,
)


def _same(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, datetime):
        return left.replace(tzinfo=None) == right.replace(tzinfo=None) and left.utcoffset() == right.utcoffset()
    return bool(left == right)


@settings(max_examples=300, deadline=None)
@given(_values)
def test_value_survives_round_trip(value: Any) -> None:
    data = encode(value, key="k")
    json.loads(data, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert _same(decode(data), value)


def test_not_a_number_survives() -> None:
    assert math.isnan(decode(encode({"x": [math.nan]}, key="k"))["x"][0])


def test_fold_and_zone_survive() -> None:
    moment = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Zurich"), fold=1)
    back = decode(encode(moment, key="k"))
    assert (back.tzinfo, back.fold, back.utcoffset()) == (moment.tzinfo, 1, timedelta(hours=1))


def test_pendulum_moment_comes_back_as_datetime_in_its_zone() -> None:
    import pendulum

    moment = pendulum.datetime(2026, 7, 1, 12, tz="Europe/Zurich")
    back = decode(encode([moment, pendulum.duration(days=1)], key="k"))
    assert back == [moment, timedelta(days=1)]
    assert back[0].tzinfo == ZoneInfo("Europe/Zurich")


def test_plain_json_is_untouched() -> None:
    value = {"a": [1, 2.5, None, True, "ü"], "b": {}}
    assert encode(value, key="k") == json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class _Color(str, enum.Enum):
    RED = "red"


class _Shape(enum.Enum):
    ROUND = 1


@dataclasses.dataclass
class _Point:
    x: int = 1


def test_str_enum_becomes_its_value() -> None:
    assert decode(encode([_Color.RED], key="k")) == ["red"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), ["'k'", "object", "do_xcom_push=False"]),
        (_Shape.ROUND, ["_Shape", "'ROUND'"]),
        ([{"a": _Point()}], ["_Point", "dataclasses.asdict"]),
        (lambda: None, ["function"]),
        (1j, ["complex"]),
    ],
)
def test_other_types_are_refused_by_name(value: Any, words: list[str]) -> None:
    with pytest.raises(TypeError) as caught:
        encode(value, key="k")
    for word in words:
        assert word in str(caught.value)


def test_numpy_pandas_pydantic_get_advice() -> None:
    for module, word in [("numpy", "tolist"), ("pandas.core.frame", "to_dict"), ("pydantic.main", "model_dump")]:
        kind = type("Thing", (), {"__module__": module})
        with pytest.raises(TypeError, match=word):
            encode(kind(), key="k")


def test_too_large_value_is_refused_with_sizes() -> None:
    with pytest.raises(ValueError, match=r"'big' is 1,002 bytes.*at most 1,000"):
        encode("x" * 1000, key="big", max_bytes=1000)


def test_value_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match="contains itself"):
        encode(value, key="k")


def test_malformed_tag_is_refused() -> None:
    with pytest.raises(ValueError, match="malformed 'date'"):
        decode(b'{"$type":"date","value":"nonsense"}')


def test_path_uuid_bytes_and_decimal_keep_their_class() -> None:
    value = (Path("/a/b"), UUID(int=1), b"\x00", Decimal("1.10"), time(1), date(2026, 1, 1))
    assert _same(decode(encode(value, key="k")), value)
