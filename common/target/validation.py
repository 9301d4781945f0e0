"""Validates records against their stream's schema, fast enough to stay on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jsonschema_rs


class RustValidator:
    """Validates records with the `jsonschema-rs` library; says what is wrong without saying the value."""

    def __init__(self, schema: dict[str, Any], keys: Sequence[str] = ()) -> None:
        """Compile a schema. Formats are not checked: taps write times in many ways, and sinks read them all.

        Args:
            schema: JSON Schema of the records.
            keys: Key properties, which every record must have.

        Raises:
            ValueError: It is not a JSON Schema.
        """
        try:
            required = list(dict.fromkeys([*schema.get("required", ()), *keys]))  # no name may stand there twice
            self._validator = jsonschema_rs.validator_for({**schema, "required": required}, validate_formats=False)
        except (TypeError, jsonschema_rs.ValidationError) as error:
            raise ValueError("not a JSON Schema") from error
        self.is_valid: Callable[[Any], bool] = self._validator.is_valid

    def problem(self, record: dict[str, Any]) -> str:
        """Return which rule of the schema a record breaks, and where."""
        error = next(iter(self._validator.iter_errors(record)))
        where = ".".join(str(part) for part in error.instance_path) or "the record"
        return f"schema: {where} breaks '{error.schema_path[-1]}'"


def is_valid(validator: RustValidator, record: dict[str, Any]) -> bool:
    """Whether a record fits its schema. A text that is not Unicode counts as fitting: sinks correct texts."""
    try:
        return validator.is_valid(record)
    except (ValueError, UnicodeError):
        return True
