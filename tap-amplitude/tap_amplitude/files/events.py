"""Events in files: rows of the raw export, and lines that the receiver stored. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from tap_amplitude.export.lines import decompressed, whole_lines
from tap_amplitude.export.rows import RowReader, Rows
from tap_amplitude.files.kinds import Kind, hour_of_name
from tap_amplitude.files.scan import Opened
from tap_amplitude.records.times import rfc3339

# Makes a uuid for a streamed event that came without one: equal for an event that is posted twice.
NAMESPACE = uuid.UUID("5a0b7d39-6f0e-4f0b-9c39-0d6f1f8f0a51")


def blocks_of(opened: Opened, reader: RowReader, hour: datetime) -> Iterator[Rows]:
    """Yield the rows of a file."""
    lines, export_hour = whole_lines(decompressed(opened.content)), rfc3339(hour)
    if opened.kind is Kind.EVENTS:
        named = hour_of_name(opened.unread.file.path) is not None
        for block in lines:
            yield reader.read(block, export_hour, hour_of_upload=not named)
        return
    for block in lines:
        events = [event for line in block.split(b"\n") if line and (event := event_of_line(line))]
        if events:
            yield reader.read(b"\n".join(events), export_hour, hour_of_upload=True)


class StoredLine(msgspec.Struct, gc=False):
    """A line that the receiver stored: an event, or a cohort message."""

    received: int
    event: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()


class EventIds(msgspec.Struct, gc=False):
    """What identifies a streamed event."""

    uuid: Any = None
    insert_id: Any = msgspec.field(name="$insert_id", default=None)


stored_line = msgspec.json.Decoder(StoredLine).decode
event_ids = msgspec.json.Decoder(EventIds).decode


def event_of_line(line: bytes) -> bytes:
    """Return the event in a stored line, with a `uuid`; nothing for a cohort message, the line for what is neither."""
    try:
        event = bytes(stored_line(line).event)
        ids = event_ids(event) if event else None
    except msgspec.MsgspecError:
        return line
    if ids is None or isinstance(ids.uuid, str):
        return event
    identity = f"insert_id {ids.insert_id}" if isinstance(ids.insert_id, str) else event.decode(errors="replace")
    return event.rstrip()[:-1] + b',"uuid":"%b"}' % str(uuid.uuid5(NAMESPACE, identity)).encode()
