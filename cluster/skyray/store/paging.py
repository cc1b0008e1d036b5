"""Page tokens: opaque to whoever passes them on, the sort key of a page's last row to us."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from skyray.errors import InvalidInputError

PAGE_SIZE_MAX = 10_000
_Row = TypeVar("_Row")


def encode_token(key: Sequence[str | int | float]) -> str:
    """A token that remembers ``key``."""
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


def decode_token(token: str, *kinds: type) -> tuple[Any, ...] | None:
    """The key in a token, its parts of ``kinds``; None for an empty token. ``InvalidInputError`` for one made up."""
    if not token:
        return None
    try:
        key = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        key = None
    if not isinstance(key, list) or [type(part) for part in key] != list(kinds):
        raise InvalidInputError(f"page_token {token[:80]!r} is none that this list has given")
    return tuple(key)


def checked_size(page_size: int) -> int:
    """The page size, if it is one."""
    if not 0 < page_size <= PAGE_SIZE_MAX:
        raise InvalidInputError(f"page_size is {page_size}; it must be 1..{PAGE_SIZE_MAX}")
    return page_size


def cut(
    rows: Sequence[_Row], page_size: int, key: Callable[[_Row], Sequence[str | int | float]]
) -> tuple[list[_Row], str]:
    """A page of the rows, of which one more than ``page_size`` was asked for, and the next page's token, if any."""
    page = list(rows[:page_size])
    return page, encode_token(key(page[-1])) if len(rows) > page_size else ""
