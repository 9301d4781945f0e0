"""RECORD messages through stream maps, flattening and selected columns, as the SDK makes them, several times faster."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
from singer_sdk import Stream
from singer_sdk.contrib.msgspec import enc_hook
from singer_sdk.mapper import SameRecordTransform, StreamMap
from singer_sdk.singerlib.json import serialize_json

from tap_split_impressions.common.sdk_private import flatten_key
from tap_split_impressions.impressions.record import Impression


class MappedLine(msgspec.Struct, tag_field="type", tag="RECORD", gc=False):
    """A RECORD message."""

    stream: str
    record: dict[str, Any]
    time_extracted: str


encode_lines = msgspec.json.Encoder(enc_hook=enc_hook, decimal_format="number").encode_lines


class Mapper:
    """Applies a stream's maps to impressions.

    Args:
        maps: The stream's maps.
        deselected: Columns that the catalog leaves out.
    """

    def __init__(self, maps: list[StreamMap], deselected: list[str]) -> None:
        self._maps = [(one.stream_alias, transformer(one)) for one in maps]
        self._deselected = deselected

    @classmethod
    def of_stream(cls, stream: Stream) -> Mapper | None:
        """Return the mapper of a stream, or None when nothing changes what goes out."""
        maps = stream.stream_maps
        deselected = [name for name in stream.schema["properties"] if not stream.mask[("properties", name)]]
        is_plain = len(maps) == 1 and type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled
        return None if is_plain and not deselected else cls(maps, deselected)

    def lines(self, impressions: list[Impression], extracted: str) -> bytes:
        """Return RECORD messages; `extracted` is the time of extraction."""
        lines = []
        for impression in impressions:
            record = msgspec.structs.asdict(impression)
            for name in self._deselected:
                del record[name]
            for alias, transform in self._maps:
                mapped = transform(record)
                if mapped is not None:
                    lines.append(MappedLine(alias, mapped, extracted))
        return encode_lines(lines)


def transformer(stream_map: StreamMap) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    """Return what a map does to a record."""
    if type(stream_map) is SameRecordTransform and stream_map.flattening_enabled:
        return Flattener(stream_map).flatten
    return stream_map.transform


class Flattener:
    """Flattens records as the SDK does (`singer_sdk.helpers._flattening.flatten_record`), each key only once.

    Args:
        stream_map: The map whose options and schema count.
    """

    def __init__(self, stream_map: StreamMap) -> None:
        options = stream_map.flattening_options
        assert options is not None  # noqa: S101  (for mypy: flattening is enabled)
        self._columns = frozenset(stream_map.transformed_schema.get("properties", {}))
        self._most_levels = options.max_level

        @lru_cache(maxsize=65536)
        def key_of(path: tuple[str, ...]) -> str:
            return flatten_key(path[-1], list(path[:-1]), options.separator, max_key_length=options.max_key_length)

        self._key_of = key_of

    def flatten(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return a record with its objects spread over columns."""
        flat: dict[str, Any] = {}
        self._add(record, (), 0, flat)
        return flat

    def _add(self, node: dict[str, Any], path: tuple[str, ...], level: int, flat: dict[str, Any]) -> None:
        for name, value in node.items():
            is_object = isinstance(value, dict)
            if not path and not is_object and not isinstance(value, list):
                flat[name] = value  # a column of ours: its name stays as it is
                continue
            key = self._key_of((*path, name))
            if is_object and key not in self._columns and level < self._most_levels:
                self._add(value, (*path, name), level + 1, flat)
            else:
                flat[key] = serialize_json(value) if isinstance(value, (dict, list)) else value
