"""Exported events as services have them, not as a generator makes them: each shape changes the usual rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Row = dict[str, Any]


def with_unknown_members(row: Row, number: int) -> Row:
    """Add members that the schema does not list, as Amplitude adds some now and then."""
    return row | {"display_name": f"Event {number % 5}", "is_sampled": False}


def with_nan(row: Row, number: int) -> Row:
    """Put NaN among the properties, which Python's own writer writes, and so many a tap."""
    return row | {"event_properties": row["event_properties"] | {"ratio": float("nan")}}


def with_half_a_surrogate_pair(row: Row, number: int) -> Row:
    """Cut a text within an emoji, as clients do that count UTF-16."""
    return row | {"event_properties": row["event_properties"] | {"title": "Autumn leaves \ud83d"}}


def with_a_long_text(row: Row, number: int) -> Row:
    """Put a text among the properties that is longer than Split takes."""
    return row | {"event_properties": row["event_properties"] | {"about": "x" * 300}}


def with_one_odd_row_in_twenty(row: Row, number: int) -> Row:
    """Make some rows odd."""
    return with_half_a_surrogate_pair(row, number) if number % 20 == 0 else row


SHAPES: dict[str, Callable[[Row, int], Row]] = {
    "unknown members": with_unknown_members,
    "NaN": with_nan,
    "half a surrogate pair": with_half_a_surrogate_pair,
    "a long text": with_a_long_text,
    "one odd row in 20": with_one_odd_row_in_twenty,
}


def shaped(rows: Iterator[Row], shape: Callable[[Row, int], Row]) -> Iterator[Row]:
    """Yield rows in a shape."""
    for number, row in enumerate(rows):
        yield shape(row, number)
