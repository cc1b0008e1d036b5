"""Pages of lists in memory: every item once, in order, and made-up tokens are refused."""

from __future__ import annotations

import pytest

from skyray.api.pages import page_of
from skyray.errors import InvalidInputError
from skyray.store.paging import encode_token


def test_pages_hold_every_item_once() -> None:
    items = [f"n{number:02}" for number in range(25)]
    seen, token = [], ""
    while True:
        page, token = page_of(items[::-1], str, 10, token)
        seen += page
        if not token:
            break
    assert seen == items


def test_an_empty_list_has_one_empty_page() -> None:
    assert page_of([], str, 0, "") == ([], "")


@pytest.mark.parametrize("token", ["?", "e30", encode_token([1]), encode_token(["a", "b"]), "\u00e9"])
def test_a_made_up_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidInputError, match="page_token"):
        page_of(["a", "b"], str, 1, token)
