"""Pages of lists that are held in memory; those of the database are the store's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from skyray.api.validate import page_size
from skyray.store.paging import decode_token, encode_token

_Item = TypeVar("_Item")


def page_of(
    items: Sequence[_Item], key: Callable[[_Item], str | int], size: int, token: str
) -> tuple[list[_Item], str]:
    """The page of ``items`` after ``token`` in the order of ``key`` (unique), and the next page's token."""
    ordered = sorted(items, key=key)
    after = decode_token(token, type(key(ordered[0])) if ordered else str)
    if after is not None:
        ordered = [item for item in ordered if key(item) > after[0]]
    size = page_size(size)
    page = ordered[:size]
    return page, encode_token([key(page[-1])]) if len(ordered) > size else ""
