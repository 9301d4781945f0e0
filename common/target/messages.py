"""Checks the shape of Singer messages. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    stream = stream_of(message)
    record = member(message, "record")
    if not isinstance(record, dict):
        raise ConnectorError(f"Stream '{stream}': the record of a RECORD message is not an object. {FIX}")
    return stream, record


def schema_of(message: Message) -> Stream:
    """Return the stream that a SCHEMA message describes.

    Raises:
        ConnectorError: It describes none.
    """
    name, schema, keys = stream_of(message), member(message, "schema"), message.get("key_properties") or []
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


@dataclass(frozen=True)
class BatchFiles:
    """What a BATCH message tells of.

    Attributes:
        stream: The stream.
        urls: Its files, JSON lines.
        are_packed: Whether they are said to be gzip.
    """

    stream: str
    urls: list[str]
    are_packed: bool


def batch_of(message: Message) -> BatchFiles:
    """Return the files of a BATCH message.

    Raises:
        ConnectorError: It names none, or files of another format.
    """
    stream, encoding, urls = stream_of(message), member(message, "encoding"), member(message, "manifest")
    if not isinstance(encoding, dict):
        raise ConnectorError(f"Stream '{stream}': the 'encoding' of a BATCH message is not an object. {FIX}")
    if encoding.get("format") != "jsonl":
        raise ConnectorError(
            f"Stream '{stream}': batch files of format '{encoding.get('format')}' are not supported, only jsonl. "
            "Set 'batch_config.encoding.format' of the tap to 'jsonl'."
        )
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise ConnectorError(f"Stream '{stream}': the 'manifest' of a BATCH message is not a list of files. {FIX}")
    return BatchFiles(stream, urls, encoding.get("compression") == "gzip")


def state_of(message: Message) -> dict[str, Any]:
    """Return the value of a STATE message.

    Raises:
        ConnectorError: It has none.
    """
    value = member(message, "value")
    if not isinstance(value, dict):
        raise ConnectorError(f"The 'value' of a STATE message is not an object. {FIX}")
    return value


def version_of(message: Message) -> tuple[str, Any]:
    """Return the stream and the version of an ACTIVATE_VERSION message.

    Raises:
        ConnectorError: It has none.
    """
    return stream_of(message), member(message, "version")


def stream_of(message: Message) -> str:
    """Return the stream that a message is about.

    Raises:
        ConnectorError: It names none.
    """
    stream = member(message, "stream")
    if not isinstance(stream, str):
        raise ConnectorError(f"{subject(message['type'])} message's 'stream' is not a text. {FIX}")
    return stream


def member(message: Message, name: str) -> Any:
    """Return a member of a message.

    Raises:
        ConnectorError: It is missing.
    """
    try:
        return message[name]
    except KeyError:
        raise ConnectorError(f"{subject(message['type'])} message has no '{name}'. {FIX}") from None


def subject(message_type: str) -> str:
    """Return the type of a message with its article, to begin a sentence with."""
    return f"An {message_type}" if message_type[0] in "AEIOU" else f"A {message_type}"
