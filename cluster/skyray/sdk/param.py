"""Params: named values of a run, with a default and a JSON schema.

jsonschema is imported only when a value is checked against a schema, never when a DAG file is read without one.
"""

from __future__ import annotations

import json
from collections.abc import ItemsView, Iterator, Mapping, MutableMapping, ValuesView
from typing import Any

from skyray.exceptions import ParamValidationError


class _NotSet:
    """The type of ``NOTSET``: no value was given (None is a value)."""

    def __repr__(self) -> str:
        return "NOTSET"

    def __bool__(self) -> bool:
        return False


NOTSET: Any = _NotSet()


class Param:
    """One param. Keyword arguments beyond ``default`` and ``description`` are its JSON schema.

    >>> Param(3, type="integer", minimum=1).resolve(5)
    5
    """

    def __init__(self, default: Any = NOTSET, description: str | None = None, **kwargs: Any) -> None:
        if default is not NOTSET:
            _check_json(default)
        schema = dict(kwargs.pop("schema", {}))
        self.value = default
        self.description = description
        self.schema: dict[str, Any] = {**schema, **kwargs}

    @property
    def has_value(self) -> bool:
        """Whether there is a value (a default, or one that was set)."""
        return self.value is not NOTSET

    def resolve(self, value: Any = NOTSET, suppress_exception: bool = False) -> Any:
        """Check ``value`` (or the default) and return it; it becomes the param's value.

        Raises ``ParamValidationError`` unless ``suppress_exception``, which gives None then.
        """
        final = self.value if value is NOTSET else value
        try:
            if final is NOTSET:
                raise ParamValidationError("no value was passed and the param has no default")
            _check_json(final)
            if self.schema:
                _check_schema(final, self.schema)
        except ParamValidationError:
            if suppress_exception:
                return None
            raise
        self.value = final
        return final

    def dump(self) -> dict[str, Any]:
        """The param as plain data: ``value`` (left out if there is none), ``description``, ``schema``."""
        out: dict[str, Any] = {} if self.value is NOTSET else {"value": self.value}
        return {**out, "description": self.description, "schema": self.schema}

    def copy(self) -> Param:
        """A param of its own with the same value and schema."""
        return Param(self.value, self.description, schema=self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Param) and self.dump() == other.dump()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Param({self.value!r}, description={self.description!r}, schema={self.schema!r})"


class ParamsDict(MutableMapping[str, Any]):
    """Params by name. Reading gives values; ``get_param`` gives the ``Param``."""

    def __init__(self, dict_obj: Mapping[str, Any] | None = None, suppress_exception: bool = False) -> None:
        self._params: dict[str, Param] = {}
        self.suppress_exception = suppress_exception
        if dict_obj is not None and not isinstance(dict_obj, Mapping):
            raise TypeError(f"params must be a mapping of names to values, not {type(dict_obj).__name__}: {dict_obj!r}")
        source = dict_obj._params if isinstance(dict_obj, ParamsDict) else dict_obj or {}
        for name, value in source.items():
            if not isinstance(name, str):
                raise TypeError(f"params: its names must be strings; got {name!r}")
            self._params[name] = _named(name, value)

    def __getitem__(self, key: str) -> Any:
        param = self._params[key]
        try:
            return param.resolve(suppress_exception=self.suppress_exception)
        except ParamValidationError as error:
            raise ParamValidationError(f"invalid value of param {key}: {error}") from None

    def __setitem__(self, key: str, value: Any) -> None:
        known = self._params.get(key)
        if isinstance(value, Param) or known is None:
            self._params[key] = _named(key, value)
            return
        try:
            known.resolve(value, suppress_exception=self.suppress_exception)
        except ParamValidationError as error:
            raise ParamValidationError(f"invalid value of param {key}: {error}") from None

    def __delitem__(self, key: str) -> None:
        del self._params[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def items(self) -> ItemsView[str, Any]:
        """Names and values."""
        return ItemsView(self)

    def values(self) -> ValuesView[Any]:
        """Values."""
        return ValuesView(self)

    def get_param(self, key: str) -> Param:
        """The ``Param`` of that name, without resolving it."""
        return self._params[key]

    def dump(self) -> dict[str, Any]:
        """Names and values as a plain dictionary, each value checked."""
        return {name: self[name] for name in self}

    def validate(self) -> dict[str, Any]:
        """As ``dump``; raises ``ParamValidationError`` that names the first param whose value does not fit."""
        return self.dump()

    def __repr__(self) -> str:
        return f"ParamsDict({self._params!r})"


def _named(name: str, value: Any) -> Param:
    try:
        return value.copy() if isinstance(value, Param) else Param(value)
    except ParamValidationError as error:
        raise ParamValidationError(f"invalid value of param {name}: {error}") from None


def _check_json(value: Any) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ParamValidationError(f"values of params must be plain JSON; {value!r} is not: {error}") from None


def _check_schema(value: Any, schema: dict[str, Any]) -> None:
    import jsonschema

    try:
        jsonschema.validate(value, schema, format_checker=jsonschema.FormatChecker())
    except jsonschema.ValidationError as error:
        raise ParamValidationError(error.message) from None
    except jsonschema.SchemaError as error:
        raise ParamValidationError(f"the schema itself is wrong: {error.message}") from None
