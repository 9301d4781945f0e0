"""The template of segment names (`amp_{cohort_name}`). Pure."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from target_split.common.errors import hint
from target_split.common.record_paths import Getter, MappingError, getter


def template_parts(template: str, columns: Mapping[str, Any]) -> list[str | Getter]:
    """Return a template (`amp_{cohort_name}`) as literal text and what a record gives.

    Raises:
        MappingError: It is malformed, or names a column that the stream does not have.
    """
    parts: list[str | Getter] = []
    for literal, column, form, conversion in template_pieces(template):
        if literal:
            parts.append(literal)
        if column is None:
            continue
        if form or conversion or column not in columns:
            raise MappingError(
                f"Setting 'segment_name': there is no column '{column}' to put in.{hint(column, columns)}"
            )
        parts.append(getter((column,)))
    return parts


def template_pieces(template: str) -> list[tuple[str, str | None, str | None, str | None]]:
    """Parse a template.

    Raises:
        MappingError: It is malformed.
    """
    try:
        return list(string.Formatter().parse(template))
    except ValueError:
        raise MappingError("Setting 'segment_name': write columns in braces, as in 'amp_{cohort_name}'.") from None
