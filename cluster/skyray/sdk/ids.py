"""The rule for dag, task and group ids. Airflow's: letters, digits, dashes, dots and underscores."""

from __future__ import annotations

import re
from collections.abc import Container

_KEY = re.compile(r"[\w.-]+")
_GROUP_KEY = re.compile(r"[\w-]+")


def validate_key(key: object, *, max_length: int = 250) -> str:
    """Return ``key`` if it can be a dag or task id. Raises ``TypeError`` or ``ValueError``."""
    return _validate(key, _KEY, "dashes, dots and underscores", max_length)


def validate_group_key(key: object, *, max_length: int = 200) -> str:
    """Return ``key`` if it can be a TaskGroup's id: as a task id, without dots."""
    return _validate(key, _GROUP_KEY, "dashes and underscores", max_length)


def _validate(key: object, pattern: re.Pattern[str], allowed: str, max_length: int) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the key has to be a string, not {type(key).__name__}: {key!r}")
    if len(key) > max_length:
        raise ValueError(f"the key has to be at most {max_length} characters long, not {len(key)}: {key[:40]!r}...")
    if not pattern.fullmatch(key):
        raise ValueError(f"the key {key!r} has to be made of alphanumeric characters, {allowed} exclusively")
    return key


def unique_id(key: str, taken: Container[str], prefix: str = "") -> str:
    """``key``, or ``key__1``, ``key__2`` … : the first for which ``prefix + key`` is not taken.

    >>> unique_id("load", {"load", "load__1"})
    'load__2'
    """
    if prefix + key not in taken:
        return key
    stem = re.sub(r"__\d+\Z", "", key)
    number = 1
    while f"{prefix}{stem}__{number}" in taken:
        number += 1
    return f"{stem}__{number}"
