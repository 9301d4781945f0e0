"""Records that can never be delivered: what a line about one holds, and how many there may be."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from ..errors import ConnectorError
from ..summary import Summary
from ..words import counted
from .delivery import Origin

# The share of rejects means something only from this many records on.
LEAST_RECORDS_FOR_SHARE = 100

# What was made of a record is left out of a line that would be longer: the record itself is what counts.
LONGEST_LINE_BYTES = 10_000_000


# Settings that all targets have.
REJECT_SETTINGS: dict[str, dict[str, Any]] = {
    "rejects_path": {
        "type": ["string", "null"],
        "title": "Rejects",
        "description": "File that keeps records which can never be delivered (dead letters), as JSON lines. Default: "
        "NAME-rejects.jsonl in the working directory, made when it is needed. Send them again with --replay.",
    },
    "max_rejects": {
        "type": ["integer", "null"],
        "minimum": 0,
        "default": 1_000,
        "title": "Most rejects",
        "description": "More rejected records than this stop the run.",
    },
    "max_reject_share": {
        "type": ["number", "null"],
        "minimum": 0,
        "maximum": 1,
        "default": 0.2,
        "title": "Largest share of rejects",
        "description": "A larger share of rejected records stops the run, 0 to 1. It counts from 100 records on.",
    },
}


class RejectsWriter(Protocol):
    """Keeps the lines of rejects."""

    def write(self, line: bytes, origin: Any) -> None:
        """Keep a line, JSON with a line feed; `origin` is the record's `Origin`, where it is known."""


class Rejects:
    """Keeps rejected records as JSON lines and counts them. Safe to use from any thread.

    A line holds `time`, `stream`, `reason`, `status`, `record` (as the tap sent it) and `sent` (what was made of it).

    Args:
        writer: Keeps the lines; None to only count.
        summary: Counts rejects by reason.
        most: More rejects than this stop the run; None for any number.
        largest_share: A larger share of the records read stops the run, 0 to 1.
        records_read: Returns how many records were read so far.
    """

    def __init__(
        self,
        writer: RejectsWriter | None,
        summary: Summary,
        most: int | None = None,
        largest_share: float = 1.0,
        records_read: Callable[[], int] = lambda: 0,
    ) -> None:
        self._writer = writer
        self._summary = summary
        self._most = most
        self._largest_share = largest_share
        self._records_read = records_read
        self._lock = threading.Lock()
        self.count = 0

    def replace_writer(self, writer: RejectsWriter) -> None:
        """Keep rejects elsewhere from now on, any number of them."""
        self._writer = writer
        self._most = None

    def reject(  # noqa: PLR0913  # each is a member of the line
        self, stream: str, reason: str, record: Any, status: int | None = None, sent: Any = None, *, detail: str = ""
    ) -> None:
        """Keep a record that can never be delivered.

        Args:
            stream: Its stream; that of the `Origin` where one is given.
            reason: Why, in words, without any of its values; also the reason by which it is counted.
            record: The record as the tap sent it, or its `Origin`.
            status: HTTP status that refused it, if one did.
            sent: What was made of it, if anything; bytes are JSON.
            detail: More about the reason, for the file alone.

        Raises:
            ConnectorError: There are more than the limits now, or the file cannot be written.
        """
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "stream": record.stream if isinstance(record, Origin) else stream,
            "reason": f"{reason}: {detail}" if detail else reason,
            "status": status,
            "record": record.record() if isinstance(record, Origin) else record,
            "sent": msgspec.json.decode(sent) if isinstance(sent, bytes) else sent,
        }
        self._summary.add("records_rejected", 1, reason, stream)
        with self._lock:
            self.count += 1
            if self._writer is not None:
                self._writer.write(json_line(line), record)
        self.check_limits(reason)

    def check_limits(self, reason: str = "") -> None:
        """Check how many records were rejected.

        Args:
            reason: The last one, for the message.

        Raises:
            ConnectorError: More than the limits allow.
        """
        read = self._records_read()
        if self._most is None:
            return
        last = f", the last because of: {reason}" if reason else ""
        if self.count > self._most:
            raise ConnectorError(
                f"More than {counted(self._most, 'record was', 'records were')} rejected{last}. Fix the cause, or "
                "raise 'max_rejects'."
            )
        if read >= LEAST_RECORDS_FOR_SHARE and self.count > self._largest_share * read:
            raise ConnectorError(
                f"{self.count:,} of {read:,} records were rejected{last}. Fix the cause, or raise 'max_reject_share'."
            )


def json_line(content: dict[str, Any]) -> bytes:
    """Return JSON on a line of its own, whatever the content holds."""
    try:
        text = msgspec.json.encode(content, enc_hook=str)
    except UnicodeEncodeError:  # lone surrogates: only Python's own writer can write them
        text = json.dumps(content, default=str).encode()
    except RecursionError:  # the reason alone, rather than nothing
        text = msgspec.json.encode(content | {"record": None, "sent": None})
    if len(text) > LONGEST_LINE_BYTES and content.get("sent") is not None:
        return json_line(content | {"sent": None})
    return text + b"\n"
