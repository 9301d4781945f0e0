"""Validates records against their stream's schema, fast enough to stay on."""

from __future__ import annotations

from typing import Any


class RecordValidator:
    """Tells how a record breaks its schema, without saying its values.

    Formats are not checked: taps write times in many ways, and sinks read them all.

    Args:
        validator: Of `jsonschema_rs`.
    """

    def __init__(self, validator: Any) -> None:
        self._validator = validator
        self._is_valid = validator.is_valid

    def problem(self, record: dict[str, Any]) -> str | None:
        """Return which rule of the schema a record breaks, and where; None when it keeps them."""
        try:
            if self._is_valid(record):
                return None
            error = next(iter(self._validator.iter_errors(record)))
        except (ValueError, UnicodeError):
            return None  # a text that is not Unicode: sinks correct texts
        where = ".".join(str(part) for part in error.instance_path) or "the record"
        return f"schema: {where} breaks '{error.schema_path[-1]}'"
