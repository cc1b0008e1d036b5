"""Columns of values as Postgres array literals: one string for a whole column, which Postgres reads fastest.

Called by the writers, which pass them to ``unnest(%(ids)s::bigint[], …)``. Text that Postgres cannot store (NUL, lone
surrogates: users' error messages have them) is replaced here, since a refused statement would stop a leader.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

UNSTORABLE = "\N{REPLACEMENT CHARACTER}"


def numbers(values: Iterable[int | float | None]) -> str:
    """A literal for ``bigint[]``, ``integer[]`` or ``float8[]``.

    >>> numbers([1, None, 2.5])
    '{1,NULL,2.5}'
    """
    return "{" + ",".join(["NULL" if value is None else repr(value) for value in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    r"""A literal for ``text[]`` or ``json[]``.

    >>> print(texts(["a", None, 'say "hi"']))
    {"a",NULL,"say \"hi\""}
    """
    joined = ",".join(["NULL" if value is None else f'"{_escaped(value)}"' for value in values])
    return "{" + storable(joined) + "}"


def moments(values: Iterable[datetime | None]) -> str:
    """A literal for ``timestamptz[]``."""
    return "{" + ",".join(["NULL" if value is None else f'"{value.isoformat()}"' for value in values]) + "}"


def storable(text: str) -> str:
    """The text with what Postgres cannot store replaced."""
    if "\x00" in text:
        text = text.replace("\x00", UNSTORABLE)
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


def _escaped(text: str) -> str:
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if '"' in text:
        text = text.replace('"', '\\"')
    return text
