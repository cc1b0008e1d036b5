"""What requests may say, checked before anything acts on it. Every fault is a FieldError that names the field.

Called by the services. Not here: whether things exist, or are in a state that allows the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import jsonschema
from google.protobuf.timestamp_pb2 import Timestamp
from referencing import Registry
from referencing.exceptions import Unresolvable

from skyray.api.display import moment_of
from skyray.api.errors import FieldError
from skyray.core.model import DagSpec, Json
from skyray.core.timetables import validate_run_id

IDENTIFIER_CHARACTERS_MAX = 250
NOTE_CHARACTERS_MAX = 1000
CONF_BYTES_MAX = 1 << 20
PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1000
_UNUSABLE_SCHEMA = (
    jsonschema.exceptions.SchemaError,
    jsonschema.exceptions.UnknownType,
    Unresolvable,
    re.error,
    RecursionError,
    TypeError,  # a keyword with a value of the wrong type
)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


def identifier(field: str, text: str) -> str:
    """``text``, if it can name anything: 1 to 250 characters, none of them a control character."""
    if not text:
        raise FieldError(field, f"{field} is missing")
    if len(text) > IDENTIFIER_CHARACTERS_MAX:
        raise FieldError(field, f"{field} has {len(text)} characters; at most {IDENTIFIER_CHARACTERS_MAX} are possible")
    if _UNPRINTABLE.search(text):
        raise FieldError(field, f"{field} {text!r} has control characters")
    return text


def free_text(field: str, text: str, characters_max: int = NOTE_CHARACTERS_MAX) -> str:
    """``text``, if it is not too long and can be stored."""
    if len(text) > characters_max:
        raise FieldError(field, f"{field} has {len(text)} characters; at most {characters_max} are possible")
    if "\0" in text:
        raise FieldError(field, f"{field} has a NUL character")
    return text


def request_id(text: str) -> str | None:
    """The client's name for the request; None where it gave none."""
    return identifier("request_id", text) if text else None


def page_size(size: int) -> int:
    """How many items to answer with."""
    if size < 0:
        raise FieldError("page_size", f"page_size is {size}; it must be 0 (the default) or more")
    return min(size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)


def one_of(field: str, values: Iterable[str], allowed: Sequence[str]) -> list[str]:
    """``values``, if each is among the words allowed."""
    found = list(values)
    for value in found:
        if value not in allowed:
            raise FieldError(field, f"{field} {value!r} is unknown", hint=f"known: {', '.join(allowed)}")
    return found


def map_index(value: int) -> int:
    """The index of a mapped task instance; -1: not mapped."""
    if value < -1:
        raise FieldError(
            "map_index", f"map_index is {value}; it must be 0 or more, or -1 for a task that is not mapped"
        )
    return value


def moment(field: str, stamp: Timestamp) -> datetime:
    """The timestamp as an aware datetime."""
    try:
        return moment_of(stamp)
    except (ValueError, OverflowError):
        raise FieldError(field, f"{field} is not between the years 1 and 9999") from None


def run_id(text: str) -> str:
    """A run id that a user may choose."""
    try:
        validate_run_id(text, manual=True)
    except ValueError as error:
        raise FieldError("run_id", str(error)) from None
    return text


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def conf(text: str) -> dict[str, Json]:
    """A run's conf: a JSON object; empty text is an empty one."""
    if len(text.encode()) > CONF_BYTES_MAX:
        raise FieldError("conf", f"conf has {len(text.encode())} bytes; at most {CONF_BYTES_MAX} are possible")
    try:
        found = json.loads(text or "{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FieldError("conf", f"conf is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise FieldError("conf", f"conf is not a JSON object but {text[:80]!r}")
    return found


def check_params(spec: DagSpec, given: dict[str, Json]) -> None:
    """Check what a run of the DAG would have as params – conf over defaults – against the params' schemas."""
    for name, param in spec.params:
        schema: dict[str, Any] = param.get("schema") or {}
        if name in given:
            value = given[name]
        elif "value" in param:
            value = param["value"]
        else:
            raise FieldError(f"conf.{name}", f"param {name!r} of DAG {spec.dag_id!r} has no default: conf must give it")
        try:
            validator = jsonschema.validators.validator_for(schema, default=jsonschema.Draft7Validator)
            checker = validator(schema, format_checker=jsonschema.FormatChecker(), registry=Registry())
            fault = jsonschema.exceptions.best_match(checker.iter_errors(value))
        except _UNUSABLE_SCHEMA as error:
            text = f"param {name!r} of DAG {spec.dag_id!r} has a schema that cannot be used: {error}"
            raise FieldError(f"conf.{name}", text) from None
        if fault is not None:
            raise FieldError(
                f"conf.{name}",
                f"param {name!r} of DAG {spec.dag_id!r} cannot be {json.dumps(value)[:200]}: {fault.message[:500]}",
            )
