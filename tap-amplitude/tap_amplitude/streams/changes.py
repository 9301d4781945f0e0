"""Stream `cohort_changes`: who entered a cohort or left it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import blake2b

import msgspec

from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.common.folder.file import File
from tap_amplitude.common.words import counted
from tap_amplitude.files.changes import (
    InvalidMessageError,
    Message,
    check_csv,
    message_of,
    messages_in_csv,
    values_in,
)
from tap_amplitude.files.kinds import Kind
from tap_amplitude.files.scan import Opened
from tap_amplitude.records.schemas import COHORT_CHANGES
from tap_amplitude.records.times import rfc3339_of_epoch
from tap_amplitude.streams.base import Context, Record
from tap_amplitude.streams.files import FolderStream
from tap_amplitude.streams.state import bookmark_object

# A repeated message comes within hours. So many of the newest are remembered, with 6 bytes each.
REMEMBERED_MESSAGES, HASH_BYTES = 20_000, 6


class CohortChangesStream(FolderStream):
    """Who entered a cohort or left it: each message once, in the order in which the changes were computed."""

    name = "cohort_changes"
    fields = COHORT_CHANGES
    keys = ("message_id", "member_id")
    never_null = ("message_id", "cohort_id", "action", "computed_time", "member_id")
    counted_as = "cohort_changes"
    kinds = frozenset({Kind.CHANGES, Kind.CHANGES_CSV, Kind.RECEIVED})

    def wanted(self, file: File) -> bool | None:
        """Read every file: a change counts whatever the dates of events."""
        return True

    def get_records(self, context: Context) -> Iterable[Record]:
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
                try:
                    if opened.kind is Kind.CHANGES_CSV:
                        check_csv(opened.content)
                except InvalidMessageError as error:
                    scan.leave(opened.unread.file, error)
                    continue
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
            self.logger.warning(
                "%s holds %s not of a cohort push (%s).",
                path,
                counted(rejected, "record that is", "records that are"),
                reason,
            )


def messages_of(opened: Opened) -> Iterator[Message | InvalidMessageError]:
    """Yield the messages of a file, and what is wrong with those that are not messages."""
    arrived = int(opened.unread.file.arrived * 1000)
    if opened.kind is Kind.CHANGES_CSV:
        yield from messages_in_csv(opened.unread.file.path, opened.content, arrived)
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
