"""Compiles the schema that a tap sent: rules that no validator understands are left out. Pure.

Taps write what their libraries gave them: draft 3 and 4 beside draft 7, `"type": "date-time"`, keywords that are null,
patterns of other languages, references into the network. Such a rule is ignored, and said once; all others are kept.
Nothing is ever fetched.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

Schema = dict[str, Any]
Path = tuple[Any, ...]

# More broken rules than this, and it is not a JSON Schema that was meant.
MOST_DROPPED = 1_000

# Until draft 6, `true` beside `minimum` and `maximum`; since then, a number of its own.
BOOLEAN_IN_DRAFT_4 = ("exclusiveMinimum", "exclusiveMaximum")
VALIDATORS: dict[str, Any] = {
    "json-schema.org/draft-04/schema": jsonschema_rs.Draft4Validator,
    "json-schema.org/draft-06/schema": jsonschema_rs.Draft6Validator,
    "json-schema.org/draft-07/schema": jsonschema_rs.Draft7Validator,
    "json-schema.org/draft/2019-09/schema": jsonschema_rs.Draft201909Validator,
    "json-schema.org/draft/2020-12/schema": jsonschema_rs.Draft202012Validator,
}


class RecordValidator:
    """Tells how a record breaks its schema, without its values. Fast enough to stay on.

    Formats are not checked: taps write times in many ways, and sinks read them all.
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


@dataclass(frozen=True)
class Compiled:
    """A schema that can be compiled.

    Attributes:
        schema: The schema without `dropped`.
        validator: Checks records against it.
        dropped: Paths of the rules that are ignored.
    """

    schema: Schema
    validator: RecordValidator
    dropped: list[str]


def compiled(schema: Schema, required: list[str]) -> Compiled:
    """Compile a schema.

    Args:
        schema: As the tap sent it.
        required: Columns that every record must have, besides those of the schema.

    Raises:
        ValueError: It is not a JSON Schema.
    """
    schema = copy.deepcopy(schema)
    dropped = [drop(schema, path) for path in list(unresolvable(schema, schema))]
    given = schema.get("required")
    schema["required"] = list(dict.fromkeys([*(given if isinstance(given, list) else ()), *required]))
    validator_class = validator_class_of(schema)
    while True:
        try:
            validator = validator_class(schema, validate_formats=False)
        except jsonschema_rs.ValidationError as error:
            path = tuple(error.instance_path)
            if not path or len(dropped) >= MOST_DROPPED:
                raise ValueError("not a JSON Schema") from error
            dropped.append(drop(schema, path))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError("not a JSON Schema") from error
        else:
            return Compiled(schema, RecordValidator(validator), dropped)


def validator_class_of(schema: Schema) -> Any:
    """Return the validator of a schema's draft. An unknown name is taken out: draft 4 if it looks so, else 7."""
    named = schema.get("$schema")
    if isinstance(named, str):
        known = VALIDATORS.get(named.partition("://")[2].rstrip("#"))
        if known is not None:
            return known
    schema.pop("$schema", None)  # of a draft that no validator knows
    is_draft_4 = any(isinstance(rule.get(word), bool) for _, rule in rules(schema) for word in BOOLEAN_IN_DRAFT_4)
    return jsonschema_rs.Draft4Validator if is_draft_4 else jsonschema_rs.Draft7Validator


def unresolvable(schema: Schema, root: Schema) -> Iterator[Path]:
    """Yield the paths of references that lead out of a schema, or nowhere."""
    for path, rule in rules(schema):
        reference = rule.get("$ref")
        if isinstance(reference, str) and not resolves(reference, root):
            yield (*path, "$ref")


def resolves(reference: str, root: Schema) -> bool:
    """Whether a reference leads to a place in a schema."""
    if not reference.startswith("#"):
        return False
    place: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~").replace("%25", "%")
        if isinstance(place, dict) and name in place:
            place = place[name]
        elif isinstance(place, list) and name.isdecimal() and int(name) < len(place):
            place = place[int(name)]
        else:
            return False
    return True


def rules(schema: Any) -> Iterator[tuple[Path, Schema]]:
    """Yield the objects in a schema with their paths. Some are not rules, such as examples."""
    waiting: list[tuple[Path, Any]] = [((), schema)]
    while waiting:
        path, part = waiting.pop()
        if isinstance(part, dict):
            yield path, part
            waiting += [((*path, name), member) for name, member in part.items()]
        elif isinstance(part, list):
            waiting += [((*path, number), member) for number, member in enumerate(part)]


def drop(schema: Schema, path: Path) -> str:
    """Take out what stands at a path, or the closest member of an object around it; return that place in words."""
    place: Any = schema
    parents: list[tuple[int, Any]] = []
    for depth, name in enumerate(path):
        if isinstance(place, dict):
            parents.append((depth, place))
        place = place[name]
    depth, parent = parents[-1]
    if is_column(path[: depth + 1]):
        parent[path[depth]] = {}  # the column stays, without a rule
    else:
        del parent[path[depth]]
    return ".".join(str(part) for part in path[: depth + 1])


def is_column(path: Path) -> bool:
    """Whether a path leads to the rule of a column."""
    return len(path) > 1 and path[-2] == "properties"
