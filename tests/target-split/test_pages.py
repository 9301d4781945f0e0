"""Where lists of the Admin APIs end, whatever a page says of its length."""

from __future__ import annotations

from typing import Any

import pytest

from target_split.api.pages import is_last_page


def pages_read(total: int, says: dict[str, Any], served: int = 100) -> int:
    """Return how many rows are read of a list whose pages hold `served` rows and say `says`; `page` is their length."""
    offset = 0
    while True:
        rows = min(served, total - offset)
        offset += rows
        listed = {name: rows if value == "page" else value for name, value in says.items()}
        if is_last_page(listed, rows, offset, limit=100):
            return offset


@pytest.mark.parametrize("total", [0, 1, 99, 100, 101, 250, 300])
@pytest.mark.parametrize("name", ["totalCount", "count"])
def test_a_total_is_read_to_its_end(total: int, name: str):
    assert pages_read(total, {name: total}) == total
    assert pages_read(total, {name: total}, served=30) == total


@pytest.mark.parametrize("total", [0, 1, 99, 100, 101, 250, 300])
@pytest.mark.parametrize("says", [{}, {"count": "page"}, {"count": None}, {"totalCount": None}])
def test_without_a_total_a_page_that_is_not_full_is_the_last(total: int, says: dict[str, Any]):
    assert pages_read(total, says) == total


def test_a_service_that_lowers_the_limit_says_so():
    assert pages_read(250, {"limit": 30, "count": "page"}, served=30) == 250
