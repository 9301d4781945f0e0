"""The template of segment names (`amp_{cohort_name}`). Pure."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from target_split.common.errors import hint
from target_split.common.record_paths import Getter, MappingError, getter
from target_split.mapping.names import SEGMENT_RULE, is_clean


def template_parts(template: str, columns: Mapping[str, Any]) -> list[str | Getter]:
    """Return a template (`amp_{cohort_name}`) as literal text and getters of columns.

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
            raise MappingError(f"Setting 'segment_name': there is no column '{column}'.{hint(column, columns)}")
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


def check_template(template: str) -> None:
    """Check the template of segment names.

    Raises:
        MappingError: It is malformed.
    """
    for literal, _, _, _ in template_pieces(template):
        if not is_clean(SEGMENT_RULE, literal):
            raise MappingError("Setting 'segment_name' may hold letters, digits, '-' and '_' beside columns in braces.")
