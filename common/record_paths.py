"""The grammar of `mappings`: paths into a record, sources of a value, globs and filters. Pure.

A path begins with a record's column and reaches into objects by dots (`event_properties.cart.total`); a part that
itself holds a dot is written in double quotes (`event_properties."cart.total"`). An object may also be written as JSON
text. A source is a path, a list of paths (the first that gives a non-empty value), or `{"value": X}` for a literal.
Columns whose names begin with `_sdc_` can be read although a schema does not list them. All functions raise
`MappingError` for what is malformed.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from .errors import ConnectorError, hint
from .lenient_json import decoded

Record = Mapping[str, Any]
Getter = Callable[[Record], Any]
T = TypeVar("T")

PATH_PART = re.compile(r'"((?:[^"\\]|\\.)+)"|([^."]+)')


class MappingError(ConnectorError):
    """An invalid mapping. The message names the member and the closest known name."""


def parse_path(text: str) -> tuple[str, ...]:
    """Split a path into its parts, none of which is empty."""
    parts: list[str] = []
    position = 0
    while match := PATH_PART.match(text, position):
        quoted, plain = match.groups()
        parts.append(plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        position = match.end()
        if position == len(text):
            return tuple(parts)
        if text[position] != ".":
            break
        position += 1
    raise MappingError(
        f"'{text}' is not a path: write columns joined by dots, a part that holds a dot in double quotes."
    )


def getter(path: tuple[str, ...]) -> Getter:
    """Return a function that follows a path in a record; None where something on the way is missing."""
    first, rest = path[0], path[1:]
    if not rest:
        return lambda record: record.get(first)

    def follow(record: Record) -> Any:
        value = record.get(first)
        for part in rest:
            if not isinstance(value, dict) and (value := object_in(value)) is None:
                return None
            value = value.get(part)
        return value

    return follow


def object_in(value: Any) -> dict[str, Any] | None:
    """Return an object, also one written as JSON text, as warehouses give their columns of JSON; else None."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return None
    try:
        decoded_value = decoded(value.encode("utf-8", "surrogatepass"))
    except ValueError:
        return None
    return decoded_value if isinstance(decoded_value, dict) else None


def is_empty(value: Any) -> bool:
    """Whether a value counts as none at all: null, or a text without any visible character."""
    return value is None or (isinstance(value, str) and not value.strip())


def source_paths(source: Any) -> list[tuple[str, ...]]:
    """Return the paths that a source reads; none for a literal."""
    if isinstance(source, str):
        return [parse_path(source)]
    if isinstance(source, list) and source and all(isinstance(item, str) for item in source):
        return [parse_path(item) for item in source]
    if isinstance(source, dict) and source.keys() == {"value"}:
        return []
    raise MappingError(f'{source!r} is not a source: write a path, a list of paths, or {{"value": …}} for a literal.')


def source_getter(source: Any) -> Getter:
    """Return a function that reads a source from a record; None where it gives nothing."""
    paths = source_paths(source)
    if not paths:
        literal = source["value"]
        return lambda _: literal
    getters = [getter(path) for path in paths]
    if len(getters) == 1:
        return getters[0]

    def first_that_gives(record: Record) -> Any:
        for get in getters:
            if not is_empty(value := get(record)):
                return value
        return None

    return first_that_gives


def field_or_literal(member: Any) -> Getter:
    """Read a member whose bare text is a literal and whose `{"field": path}` reads the record (`event_type`)."""
    if isinstance(member, str):
        return lambda _: member
    return getter(field_path(member))


def field_path(member: Any) -> tuple[str, ...]:
    """Return the path of a `{"field": path}` member."""
    if isinstance(member, dict) and member.keys() == {"field"} and isinstance(member["field"], str):
        return parse_path(member["field"])
    raise MappingError(f'{member!r} must be a text, or {{"field": path}} to read it from the record.')


def glob_matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Return a case-sensitive test whether a text fits one of some globs (`*`, `?`, `[…]`)."""
    pattern = re.compile("|".join(fnmatch.translate(glob) for glob in globs) or r"(?!)")
    return lambda text: pattern.match(text) is not None


def first_match(stream: str, by_glob: Mapping[str, T]) -> T | None:
    """Return the entry of the first glob that fits a stream's name."""
    return next((entry for glob, entry in by_glob.items() if fnmatch.fnmatchcase(stream, glob)), None)


def filter_test(conditions: Mapping[str, Any]) -> Callable[[Record], bool]:
    """Return a test whether a record meets all of a filter's conditions.

    Args:
        conditions: By path, what the value must be: a list of values, or `{"include": [values], "exclude": [values]}`
            with either part optional. Texts are globs; other values, null among them, are compared as they are.
    """
    tests = [(getter(parse_path(path)), condition_test(path, condition)) for path, condition in conditions.items()]
    return lambda record: all(test(get(record)) for get, test in tests)


def condition_test(path: str, condition: Any) -> Callable[[Any], bool]:
    """Return a test whether a value meets one condition of a filter."""
    parts = condition if isinstance(condition, dict) else {"include": condition}
    if not parts or not parts.keys() <= {"include", "exclude"} or not all(isinstance(p, list) for p in parts.values()):
        raise MappingError(
            f"filter '{path}' must be a list of values or globs, or "
            '{"include": [values or globs], "exclude": [values or globs]}.'
        )
    if "exclude" not in parts:
        return value_test(parts["include"])
    is_excluded = value_test(parts["exclude"])
    if "include" not in parts:
        return lambda value: not is_excluded(value)
    is_included = value_test(parts["include"])
    return lambda value: is_included(value) and not is_excluded(value)


def value_test(accepted: list[Any]) -> Callable[[Any], bool]:
    """Return a test whether a value is one of those accepted; texts are globs."""
    matches_glob = glob_matcher([item for item in accepted if isinstance(item, str)])
    # By type as well: in Python 1 == True, in a record they differ.
    literals = [(type(item), item) for item in accepted if not isinstance(item, str)]
    return lambda value: matches_glob(value) if isinstance(value, str) else (type(value), value) in literals


def check_path(path: tuple[str, ...], schema: Mapping[str, Any]) -> None:
    """Check that a stream's schema can have a path.

    Args:
        path: Parsed path.
        schema: JSON Schema of the stream, or of the object the path begins in.

    Raises:
        MappingError: A closed object on the way has no such property; the message names the nearest.
    """
    properties = schema.get("properties")
    if not properties or schema.get("additionalProperties", False) not in (False, None):
        return  # open: anything may be inside
    if path[0].startswith("_sdc_"):
        return  # taps add these without listing them
    if path[0] not in properties:
        raise MappingError(f"there is no column '{path[0]}'.{hint(path[0], properties)}")
    if len(path) > 1:
        column = properties[path[0]]
        if not {"object", "string"} & set(types_of(column)):  # a text may hold an object as JSON
            raise MappingError(f"column '{path[0]}' is not an object: there is no '{path[1]}' inside.")
        check_path(path[1:], column)


def types_of(column: Mapping[str, Any]) -> list[str]:
    """Return the types that a column's schema names; objects where it names none, texts with a format left out."""
    types = column.get("type", "object")
    types = [types] if isinstance(types, str) else types
    return [one for one in types if one != "string" or "format" not in column]


def check_members(mapping: Mapping[str, Any], known: Iterable[str]) -> None:
    """Check the names of a mapping's members.

    Raises:
        MappingError: One is unknown; the message names the nearest.
    """
    known = list(known)
    for member in mapping:
        if member not in known:
            raise MappingError(f"'{member}' is not a member of a mapping.{hint(member, known)}")
