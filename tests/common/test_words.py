"""Counts in messages."""

from __future__ import annotations

import pytest

from common.words import counted


@pytest.mark.parametrize(("count", "expected"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (1_024, "1,024 files")])
def test_what_is_counted_follows_its_number(count: int, expected: str):
    assert counted(count, "file") == expected


def test_the_plural_may_be_another_word():
    assert [counted(n, "record was", "records were") for n in (1, 3)] == ["1 record was", "3 records were"]
