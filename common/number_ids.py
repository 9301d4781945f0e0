"""Numeric ids: one form for each, and none that has lost digits, because several users would share it. Pure."""

from __future__ import annotations

import re

# Of a floating-point number: beyond it, several whole numbers are one.
LARGEST_EXACT = 2**53

# What spreadsheets make of long digits, of several ids the same.
SCIENTIFIC = re.compile(r"\d[.,]\d+E\+\d\d", re.ASCII)
LOST_DIGITS = "in scientific notation that has lost its last digits"


def whole_text(number: float) -> str | None:
    """Return a whole number as its digits; None for any other, and for one that is not exact."""
    return str(int(number)) if abs(number) <= LARGEST_EXACT and number.is_integer() else None


def id_text(value: object) -> str:
    """Return an id as text, a whole number without a fraction."""
    return (whole_text(value) if isinstance(value, float) else None) or str(value)


def has_lost_digits(text: str) -> bool:
    """Whether a text is a number such as Excel's `1.23457E+15`."""
    return "E+" in text and SCIENTIFIC.fullmatch(text) is not None
