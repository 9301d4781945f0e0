"""Checks the shape of Singer messages. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConnectorError
from .services import Stream

Message = Mapping[str, Any]

FIX = "Fix the tap."


def record_of(message: Message) -> tuple[str, dict[str, Any]]:
    """Return the stream and the record of a RECORD message.

    Raises:
        ConnectorError: It has none.
    """
    stream = _stream_of(message)
    record = _member(message, "record")
    if not isinstance(record, dict):
        raise ConnectorError(f"Stream '{stream}': the record of a RECORD message is not an object. {FIX}")
    return stream, record


def schema_of(message: Message) -> Stream:
    """Return the stream that a SCHEMA message describes.

    Raises:
        ConnectorError: It describes none.
    """
    name, schema, keys = _stream_of(message), _member(message, "schema"), message.get("key_properties") or []
    if not isinstance(schema, dict):
        raise ConnectorError(f"Stream '{name}': the schema of a SCHEMA message is not an object. {FIX}")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ConnectorError(f"Stream '{name}': 'key_properties' of a SCHEMA message is not a list of columns. {FIX}")
    properties = schema.get("properties")
    if properties is None:
        schema = {**schema, "properties": {}}
    elif not isinstance(properties, dict):
        raise ConnectorError(f"Stream '{name}': 'properties' of a SCHEMA message is not an object. {FIX}")
    return Stream(name, schema, keys, is_incremental=bool(message.get("bookmark_properties")))


def batch_of(message: Message) -> tuple[str, list[str], bool]:
    """Return the stream of a BATCH message, the URLs of its JSON-lines files, and whether they are said to be gzip.

    Raises:
        ConnectorError: It names none, or files of another format.
    """
    stream, encoding, urls = _stream_of(message), _member(message, "encoding"), _member(message, "manifest")
    if not isinstance(encoding, dict):
        raise ConnectorError(f"Stream '{stream}': the 'encoding' of a BATCH message is not an object. {FIX}")
    if encoding.get("format") != "jsonl":
        raise ConnectorError(
            f"Stream '{stream}': batch files of format '{encoding.get('format')}' are not supported, only jsonl. "
            "Set 'batch_config.encoding.format' of the tap to 'jsonl'."
        )
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise ConnectorError(f"Stream '{stream}': the 'manifest' of a BATCH message is not a list of files. {FIX}")
    return stream, urls, encoding.get("compression") == "gzip"


def state_of(message: Message) -> dict[str, Any]:
    """Return the value of a STATE message.

    Raises:
        ConnectorError: It has none.
    """
    value = _member(message, "value")
    if not isinstance(value, dict):
        raise ConnectorError(f"The 'value' of a STATE message is not an object. {FIX}")
    return value


def version_of(message: Message) -> tuple[str, Any]:
    """Return the stream and the version of an ACTIVATE_VERSION message.

    Raises:
        ConnectorError: It has none.
    """
    return _stream_of(message), _member(message, "version")


def _stream_of(message: Message) -> str:
    stream = _member(message, "stream")
    if not isinstance(stream, str):
        raise ConnectorError(f"{_subject(message)} message's 'stream' is not a text. {FIX}")
    return stream


def _member(message: Message, name: str) -> Any:
    try:
        return message[name]
    except KeyError:
        raise ConnectorError(f"{_subject(message)} message has no '{name}'. {FIX}") from None


def _subject(message: Message) -> str:
    """Return the type of a message with its article, to begin a sentence with."""
    kind = message["type"]
    return f"An {kind}" if kind[0] in "AEIOU" else f"A {kind}"
