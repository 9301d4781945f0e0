"""Values made into properties that Split takes: texts, numbers, booleans; objects flattened, arrays as text. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import msgspec

from target_split.api.limits import LARGEST_LONG, MAX_PROPERTY_LENGTH, SMALLEST_LONG

Properties = dict[str, Any]

# Objects deeper than this become JSON text. Far beyond any real event, and within what Python can recurse.
MAX_DEPTH = 20

encode = msgspec.json.Encoder().encode

TRUNCATED = f"a property over {MAX_PROPERTY_LENGTH} characters"
NOT_FINITE = "a property that is not a finite number"
TOO_DEEP = "a property nested too deeply"


class Flattener:
    """Puts values among properties: objects by their parts, everything else as a scalar.

    Attributes:
        problems: What had to be truncated or left out of the record at hand.
    """

    def __init__(self, *, join_arrays: bool) -> None:
        self.problems: set[str] = set()
        self._join_arrays = join_arrays

    def put(self, name: str, value: Any, chosen: Properties) -> None:
        """Put a value, or what is in it."""
        if type(value) is dict:
            self.put_parts(value, name + ".", chosen, 1)
        elif name not in chosen and (scalar := self.scalar(value)) is not None:
            chosen[name] = scalar

    def put_parts(self, parts: Mapping[str, Any], prefix: str, chosen: Properties, depth: int) -> None:
        """Put the parts of an object."""
        for part, value in parts.items():
            kind, name = type(value), prefix + part
            if (
                (kind is str and len(value) <= MAX_PROPERTY_LENGTH)
                or (kind is int and SMALLEST_LONG <= value <= LARGEST_LONG)
                or (kind is float and isfinite(value))
                or kind is bool
            ):
                if name not in chosen:
                    chosen[name] = value
            elif kind is dict and depth < MAX_DEPTH:
                self.put_parts(value, name + ".", chosen, depth + 1)
            elif value is not None and name not in chosen and (scalar := self.scalar(value)) is not None:
                chosen[name] = scalar

    def put_matching(
        self, matches: Callable[[str], bool], parts: Mapping[str, Any], prefix: str, chosen: Properties, depth: int
    ) -> None:
        """Put those parts of an object whose names match a glob."""
        for part, value in parts.items():
            name = prefix + part
            if type(value) is dict and depth < MAX_DEPTH:
                self.put_matching(matches, value, name + ".", chosen, depth + 1)
            elif value is not None and name not in chosen and matches(name):
                scalar = self.scalar(value)
                if scalar is not None:
                    chosen[name] = scalar

    def scalar(self, value: Any) -> str | int | float | None:
        """Return what Split takes in place of a value; None for nothing."""
        kind = type(value)
        if kind is bool or value is None:
            return value  # type: ignore[no-any-return]  # `kind` tells
        if kind is int and SMALLEST_LONG <= value <= LARGEST_LONG:
            return value  # type: ignore[no-any-return]  # `kind` tells
        if kind is float:
            if isfinite(value):
                return value  # type: ignore[no-any-return]  # `kind` tells
            self.problems.add(NOT_FINITE)
            return None
        text = value if kind is str else self._text(value)
        if text is None or len(text) <= MAX_PROPERTY_LENGTH:
            return text
        self.problems.add(TRUNCATED)
        return text[:MAX_PROPERTY_LENGTH]

    def _text(self, value: Any) -> str | None:
        try:
            return joined(value) if self._join_arrays and isinstance(value, list) else json_text(value)
        except RecursionError:
            self.problems.add(TOO_DEEP)
            return None


def joined(items: list[Any]) -> str:
    """Return the items of an array joined by commas; nulls are left out, objects and arrays in it are JSON."""
    return ",".join(item if isinstance(item, str) else json_text(item) for item in items if item is not None)


def json_text(value: Any) -> str:
    """Return a value as JSON text.

    Raises:
        RecursionError: It is nested too deeply.
    """
    try:
        return encode(value).decode()
    except (UnicodeEncodeError, msgspec.MsgspecError, OverflowError):
        return str(value)  # beyond JSON: lone surrogates, integers over 64 bits
