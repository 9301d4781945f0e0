"""Objects spread over columns as the SDK does (`flattening_enabled`), each name made only once."""

from __future__ import annotations

import json
from typing import Any

from singer_sdk.mapper import StreamMap
from singer_sdk.singerlib.json import serialize_json

from .sdk_private import flatten_key

# Names of one object's members that are remembered; objects with free names may have any number.
MAX_NAMES = 10_000

encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Flattener:
    """Flattens records of JSON's types, with the same outcome as `singer_sdk.helpers._flattening.flatten_record`."""

    def __init__(self, stream_map: StreamMap) -> None:
        options = stream_map.flattening_options
        assert options is not None  # noqa: S101  # flattening is enabled
        self._options = options
        self._columns = frozenset(stream_map.transformed_schema.get("properties", {}))
        self._top = Level([])

    def flatten(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return a record with its objects spread over columns."""
        flat: dict[str, Any] = {}
        self._add(record, self._top, flat)
        return flat

    def _add(self, node: dict[str, Any], level: Level, flat: dict[str, Any]) -> None:
        names = level.names
        for name, value in node.items():
            key = names.get(name) or self._new_name(name, level)
            kind = type(value)
            if kind is not dict and kind is not list:
                flat[key] = value
            elif kind is dict and len(level.path) < self._options.max_level and key not in self._columns:
                self._add(value, level.below(name), flat)
            else:
                flat[key] = json_text(value)

    def _new_name(self, name: str, level: Level) -> str:
        if len(level.names) >= MAX_NAMES:
            level.names.clear()
        options = self._options
        key: str = flatten_key(name, level.path, options.separator, max_key_length=options.max_key_length)
        level.names[name] = key
        return key


class Level:
    """The objects at a place in records: the path to them, and the flattened names of their members."""

    __slots__ = ("_below", "names", "path")

    def __init__(self, path: list[str]) -> None:
        self.path = path
        self.names: dict[str, str] = {}
        self._below: dict[str, Level] = {}

    def below(self, name: str) -> Level:
        """Return the level of the objects in a member."""
        level = self._below.get(name)
        if level is None:
            if len(self._below) >= MAX_NAMES:
                self._below.clear()
            level = self._below[name] = Level([*self.path, name])
        return level


def json_text(value: dict[str, Any] | list[Any]) -> str:
    """Return an object or array as the SDK writes it."""
    if not value:
        return "{}" if type(value) is dict else "[]"
    try:
        return encode(value)
    except ValueError:  # not a finite number: the SDK writes null
        return serialize_json(value)
