"""Param and ParamsDict."""

from __future__ import annotations

from typing import Any

import pytest

from skyray import Param, ParamsDict
from skyray.exceptions import ParamValidationError


@pytest.mark.parametrize(
    ("param", "value", "expected"),
    [
        (Param(3), None, 3),
        (Param(3, type="integer"), 5, 5),
        (Param(None, type=["null", "string"]), None, None),
        (Param("a", enum=["a", "b"]), "b", "b"),
        (Param("2026-01-01", type="string", format="date"), None, "2026-01-01"),
        (Param({"a": [1]}, type="object"), None, {"a": [1]}),
        (Param(schema={"type": "integer"}), 4, 4),
    ],
)
def test_resolve(param: Param, value: Any, expected: Any) -> None:
    assert (param.resolve() if value is None else param.resolve(value)) == expected


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Param().resolve(), "no default"),
        (lambda: Param("x", type="integer").resolve(), "'x' is not of type 'integer'"),
        (lambda: Param(3, type="integer", maximum=2).resolve(), "maximum of 2"),
        (lambda: Param("x", type="string", format="date").resolve(), "is not a 'date'"),
        (lambda: Param(3, type="nonsense").resolve(), "schema itself is wrong"),
        (lambda: Param(object()), "plain JSON"),
        (lambda: Param(float("nan")), "plain JSON"),
        (lambda: Param(1).resolve({1, 2}), "plain JSON"),
        (lambda: ParamsDict({"n": Param("x", type="integer")})["n"], "param n: 'x' is not"),
        (lambda: ParamsDict({"n": Param(1, type="integer")}).update({"n": "x"}), "param n: 'x' is not"),
        (lambda: ParamsDict({"n": Param()}).validate(), "param n: no value"),
    ],
)
def test_wrong_value_raises(make: Any, words: str) -> None:
    with pytest.raises(ParamValidationError, match=words):
        make()


def test_suppressed_errors_give_none() -> None:
    assert Param("x", type="integer").resolve(suppress_exception=True) is None
    assert ParamsDict({"n": Param()}, suppress_exception=True)["n"] is None


def test_params_dict_is_a_dictionary_of_values() -> None:
    params = ParamsDict({"a": 1, "b": Param("x", description="a letter", type="string")})
    params["a"] = 2
    params["c"] = 3
    del params["c"]
    assert dict(params) == {"a": 2, "b": "x"} == params.dump()
    assert list(params.items()) == [("a", 2), ("b", "x")]
    assert list(params.values()) == [2, "x"]
    assert (len(params), "a" in params, "z" in params) == (2, True, False)
    assert params.get_param("b").dump() == {"value": "x", "description": "a letter", "schema": {"type": "string"}}
    assert Param().dump() == {"description": None, "schema": {}}
    with pytest.raises(KeyError):
        params["z"]


def test_params_are_copied_not_shared() -> None:
    shared = Param(1, type="integer")
    first, second = ParamsDict({"n": shared}), ParamsDict({"n": shared})
    first["n"] = 5
    assert (first["n"], second["n"], shared.value) == (5, 1, 1)
    third = ParamsDict(first)
    third["n"] = 6
    assert first["n"] == 5
    assert third.get_param("n").schema == {"type": "integer"}
