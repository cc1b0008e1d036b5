"""What requests may say, and that each fault names its field."""

from __future__ import annotations

import json

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from skyray.api import validate
from skyray.api.errors import FieldError
from skyray.core.model import DagSpec


@pytest.mark.parametrize("text", ["", "a\0b", "a\nb", "x" * 251])
def test_identifiers_that_name_nothing_are_refused(text: str) -> None:
    with pytest.raises(FieldError) as raised:
        validate.identifier("dag_id", text)
    assert raised.value.field == "dag_id"


@pytest.mark.parametrize("text", ["etl", "a.b-c", "größe", "x" * 250, "with space"])
def test_identifiers_may_be_anything_readable(text: str) -> None:
    assert validate.identifier("dag_id", text) == text


@pytest.mark.parametrize("text", ["[1]", "1", "null", "{", "{'a': 1}", '{"a": NaN}', '{"a": Infinity}', "[" * 100_000])
def test_conf_must_be_a_json_object(text: str) -> None:
    with pytest.raises(FieldError, match="conf") as raised:
        validate.conf(text)
    assert raised.value.field == "conf"


def test_conf_keeps_every_digit() -> None:
    assert validate.conf('{"n": 12345678901234567890123}') == {"n": 12345678901234567890123}
    assert validate.conf("") == {}


def test_conf_is_bounded() -> None:
    with pytest.raises(FieldError, match="bytes"):
        validate.conf(json.dumps({"a": "x" * validate.CONF_BYTES_MAX}))


SPEC = DagSpec(
    "etl",
    params=(
        ("count", {"value": 3, "schema": {"type": "integer", "minimum": 1}}),
        ("day", {"schema": {"type": "string", "format": "date"}}),
        ("free", {"value": None}),
    ),
)


def test_params_are_conf_over_defaults() -> None:
    validate.check_params(SPEC, {"day": "2026-01-01", "other": object})
    validate.check_params(SPEC, {"day": "2026-01-01", "count": 1, "free": [1]})


@pytest.mark.parametrize(
    ("conf", "field"),
    [
        ({"day": "2026-01-01", "count": 0}, "conf.count"),
        ({"day": "2026-01-01", "count": "3"}, "conf.count"),
        ({"day": "yesterday"}, "conf.day"),
        ({}, "conf.day"),
    ],
)
def test_a_param_that_breaks_its_schema_is_named(conf: dict, field: str) -> None:
    with pytest.raises(FieldError, match=field.removeprefix("conf.")) as raised:
        validate.check_params(SPEC, conf)
    assert raised.value.field == field


def test_schemas_are_not_fetched_from_anywhere() -> None:
    spec = DagSpec("etl", params=(("a", {"value": 1, "schema": {"$ref": "http://127.0.0.1:9/schema.json"}}),))
    with pytest.raises(FieldError, match="schema"):
        validate.check_params(spec, {})


@pytest.mark.parametrize("text", ["a b", "x" * 251, "scheduled__2026-01-01", "a/b", "é"])
def test_run_ids_that_users_may_not_choose(text: str) -> None:
    with pytest.raises(FieldError) as raised:
        validate.run_id(text)
    assert raised.value.field == "run_id"


def test_moments_out_of_range_are_refused() -> None:
    with pytest.raises(FieldError):
        validate.moment("logical_date", Timestamp(seconds=10**15))


def test_page_sizes() -> None:
    assert [validate.page_size(size) for size in (0, 7, 10**6)] == [100, 7, 1000]
    with pytest.raises(FieldError):
        validate.page_size(-1)
