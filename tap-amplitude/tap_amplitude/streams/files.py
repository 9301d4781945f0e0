"""Streams that read a folder of files: `events`, `merged_amplitude_ids` and `cohort_changes` of setting `path`."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, ClassVar

import msgspec
from singer_sdk import Tap

from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.common.folder.file import File
from tap_amplitude.common.sdk_private import BatchConfig
from tap_amplitude.export.lines import decompressed, whole_lines
from tap_amplitude.export.rows import Row, RowReader, Rows
from tap_amplitude.export.windows import beginning
from tap_amplitude.files.changes import InvalidMessageError, Message, message_of, messages_in_csv, values_in
from tap_amplitude.files.kinds import Kind, hour_of_name
from tap_amplitude.files.scan import STATE_SECONDS, Opened, Scan
from tap_amplitude.records.schemas import COHORT_CHANGES, MERGED_IDS
from tap_amplitude.records.times import parse_time, rfc3339, rfc3339_of_epoch
from tap_amplitude.streams.base import AmplitudeStream, Context, Record, Services
from tap_amplitude.streams.events import EventRowsStream, require_mostly_readable
from tap_amplitude.streams.state import bookmark_object, bookmark_time

# Makes a uuid for a streamed event that came without one: equal for an event that is posted twice.
NAMESPACE = uuid.UUID("5a0b7d39-6f0e-4f0b-9c39-0d6f1f8f0a51")
# A repeated message comes within hours. So many of the newest are remembered, with 6 bytes each.
REMEMBERED_MESSAGES, HASH_BYTES = 20_000, 6
# Streamed events are read in blocks of so many rows.
BLOCK_ROWS = 20


class FolderStream(AmplitudeStream):
    """A stream that reads files of some kinds.

    Its state holds `files`, the bookmark of `common/folder`: no file is skipped, each is read once.

    Attributes:
        kinds: What the files hold.
    """

    kinds: ClassVar[frozenset[Kind]]
    reads_api = False

    def __init__(self, tap: Tap, services: Services) -> None:
        self.selected_by_default = bool(tap.config.get("path"))
        super().__init__(tap, services)
        self._lag: float | None = None

    def scan(self) -> Scan | None:
        """Return the files to read; None, with a warning, without setting `path`."""
        if not self.config.get("path"):
            self.logger.warning("Stream '%s' reads nothing: it reads files. Set 'path' to their folder.", self.name)
            return None
        state = bookmark_object(self.name, self.stream_state, "files")
        return Scan.of(
            config=self.config,
            state=state,
            kinds=self.kinds,
            wanted=self.wanted,
            spool=self.services.spool,
            logger=self.logger,
        )

    def wanted(self, file: File) -> bool | None:
        """Whether to read a file: True, False for never, None for later."""
        hour = hour_of_name(file.path)
        if hour is None:
            return True
        start = self.config.get("start_date")
        if start and hour < beginning(parse_time(start)):
            return False
        end = self.config.get("end_date")
        return None if end and hour >= beginning(parse_time(end)) else True

    def finish(self, scan: Scan) -> None:
        """Write the last state, and note what could not be read."""
        self.write_state(files=scan.reading.bookmark.to_state())
        self.services.summary.add("files", scan.files)
        self._lag = scan.lag(time.time())
        if scan.damaged:
            self.services.refused.append(self.name)

    def bookmark_lag(self) -> float | None:
        """Return the age of the oldest file that stays unread, in seconds; None when nothing was read."""
        return self._lag

    def _increment_stream_state(self, latest_record: Record, *, context: Context = None) -> None:
        """Do nothing: no single record moves the bookmark, a file does."""

    def _write_starting_replication_value(self, context: Context) -> None:
        """Do nothing: the bookmark alone says where to begin."""


class FileEventsStream(FolderStream, EventRowsStream):
    """Raw events of exported files and of those that the receiver stored."""

    kinds = frozenset({Kind.EVENTS, Kind.RECEIVED})

    def get_batch_config(self, config: Any) -> BatchConfig | None:  # noqa: ARG002
        """Return none: files are handed over as records."""
        return None

    def wanted(self, file: File) -> bool | None:
        """Whether to read a file; hours that the Export API has delivered are not read again."""
        delivered = bookmark_time(self.name, self.stream_state, datetime.now(UTC))
        hour = hour_of_name(file.path)
        return False if hour and delivered and hour < delivered else super().wanted(file)

    def rows(self) -> Iterator[list[Row]]:
        """Yield all rows in blocks; the bookmark moves behind a file when the next one is taken."""
        scan = self.scan()
        if scan is None:
            return
        reader, written = RowReader(self._event_types), time.monotonic()
        for opened in scan:
            yield from self._rows_of(opened, reader)
            if time.monotonic() - written > STATE_SECONDS:
                scan.reading.finish(opened.unread)
                self.write_state(files=scan.reading.bookmark.to_state())
                written = time.monotonic()
        self.finish(scan)
        self._warn_if_all_skipped()

    def _rows_of(self, opened: Opened, reader: RowReader) -> Iterator[list[Row]]:
        good = bad = 0
        path, summary = opened.unread.file.path, self.services.summary
        arrived = datetime.fromtimestamp(opened.unread.file.arrived, UTC)
        hour = hour_of_name(path) or beginning(arrived)
        for rows in blocks_of(opened, reader, hour):
            good, bad = good + len(rows.good) + rows.skipped, bad + len(rows.unreadable)
            summary.add("events", len(rows.good))
            summary.add("values_nulled", rows.nulled, stream=self.name)
            summary.add("records_skipped", rows.skipped, reason="event_types", stream=self.name)
            if rows.unreadable:
                self._quarantine(hour, rows.unreadable)
            summary.progress(lambda: f"Reading {path}: {summary['events']:,} events so far.")
            yield rows.good
        require_mostly_readable(hour, good, bad)


def blocks_of(opened: Opened, reader: RowReader, hour: datetime) -> Iterator[Rows]:
    """Yield the rows of a file."""
    lines = whole_lines(decompressed(opened.content))
    if opened.kind is Kind.EVENTS:
        named = hour_of_name(opened.unread.file.path) is not None
        for block in lines:
            yield reader.read(block, rfc3339(hour), hour_of_upload=not named)
        return
    for block in lines:
        events = [event for line in block.split(b"\n") if line and (event := event_of_line(line))]
        if events:
            yield reader.read(b"\n".join(events), rfc3339(hour), hour_of_upload=True)


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


class MergedIdsStream(FolderStream):
    """Which Amplitude ids were merged into which."""

    name = "merged_amplitude_ids"
    fields = MERGED_IDS
    keys = ("amplitude_id", "merged_amplitude_id")
    kinds = frozenset({Kind.MERGED_IDS})

    def get_records(self, context: Context) -> Iterable[Record]:  # noqa: ARG002
        """Yield the rows of each file."""
        scan = self.scan()
        if scan is None:
            return
        for opened in scan:
            yield from values_in(opened.content)
        self.finish(scan)


class CohortChangesStream(FolderStream):
    """Who entered a cohort or left it: each message once, in the order in which the changes were computed."""

    name = "cohort_changes"
    fields = COHORT_CHANGES
    keys = ("message_id", "member_id")
    never_null = ("message_id", "cohort_id", "action", "computed_time", "member_id")
    counted_as = "cohort_changes"
    kinds = frozenset({Kind.CHANGES, Kind.CHANGES_CSV, Kind.RECEIVED})

    def wanted(self, file: File) -> bool | None:  # noqa: ARG002
        """Read every file: a change counts whatever the dates of events."""
        return True

    def get_records(self, context: Context) -> Iterable[Record]:  # noqa: ARG002
        """Yield a row for each user of each message, ordered by `computed_time`.

        The messages of a run wait on disk until all are there to be ordered.
        """
        scan = self.scan()
        if scan is None:
            return
        seen = self._remembered()
        encode, decode = msgspec.json.encode, msgspec.json.Decoder(Message).decode
        with self.services.spool.file() as file, closing(file):
            index: list[tuple[int, int, int, int]] = []
            for opened in scan:
                for message in self._messages(opened):
                    if (digest := digest_of(message.message_id)) in seen:
                        self.services.summary.add("records_skipped", reason="repeated message", stream=self.name)
                        continue
                    seen[digest] = None
                    line = encode(message)
                    index.append((message.computed, len(index), file.tell(), len(line)))
                    file.write(line)
            for _, _, position, length in sorted(index):
                file.seek(position)
                yield from rows_of(decode(file.read(length)))
        remembered = b"".join(list(seen)[-REMEMBERED_MESSAGES:])
        self.stream_state["messages"] = {"seen": base64.b64encode(remembered).decode()}
        self.finish(scan)

    def _remembered(self) -> dict[bytes, None]:
        """Return the messages of earlier runs.

        Raises:
            ConnectorError: The state is damaged.
        """
        text = bookmark_object(self.name, self.stream_state, "messages").get("seen", "")
        try:
            digests = base64.b64decode(text, validate=True)
        except (ValueError, TypeError) as error:
            raise ConnectorError(f"The state of stream '{self.name}' is damaged. Run without it.") from error
        return {digests[start : start + HASH_BYTES]: None for start in range(0, len(digests), HASH_BYTES)}

    def _messages(self, opened: Opened) -> Iterator[Message]:
        """Yield the messages of a file; what is not one is counted and named once a file."""
        path, rejected = opened.unread.file.path, 0
        reason = ""
        for message in messages_of(opened):
            if isinstance(message, InvalidMessageError):
                rejected, reason = rejected + 1, str(message)
            else:
                self.services.summary.add("records_skipped", message.without_id, reason="no id", stream=self.name)
                yield message
        if rejected:
            self.services.summary.add("records_skipped", rejected, reason="not a message", stream=self.name)
            self.logger.warning("%s holds %d records that are not cohort messages (%s).", path, rejected, reason)


def messages_of(opened: Opened) -> Iterator[Message | InvalidMessageError]:
    """Yield the messages of a file, and what is wrong with those that are not messages."""
    arrived = int(opened.unread.file.arrived * 1000)
    if opened.kind is Kind.CHANGES_CSV:
        try:
            yield from messages_in_csv(opened.unread.file.path, opened.content, arrived)
        except InvalidMessageError as error:
            yield error
        return
    for value in values_in(opened.content):
        received, body = arrived, value
        if opened.kind is Kind.RECEIVED and isinstance(value, dict):
            if "event" in value:
                continue
            received, body = value.get("received", arrived), value.get("message")
        for one in body if isinstance(body, list) else [body]:
            try:
                yield message_of(one, received)
            except InvalidMessageError as error:
                yield error


def rows_of(message: Message) -> Iterator[Record]:
    """Yield a row for each user of a message."""
    computed = rfc3339_of_epoch(message.computed / 1000)
    for user in message.users:
        yield {
            "message_id": message.message_id,
            "cohort_id": message.cohort_id,
            "cohort_name": message.cohort_name,
            "action": message.action,
            "computed_time": computed,
            "member_id": user.member_id,
            "user_id": user.user_id,
            "amplitude_id": user.amplitude_id,
            "user_properties": user.user_properties,
        }


def digest_of(message_id: str) -> bytes:
    """Return what stands for a message in the state."""
    return blake2b(message_id.encode(errors="replace"), digest_size=HASH_BYTES).digest()
