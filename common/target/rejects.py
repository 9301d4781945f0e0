"""The file of records that can never be delivered, and the limits on their number."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from ..errors import ConnectorError
from ..summary import Summary
from .delivery import Origin


class Rejects:
    """Writes rejected records as JSON lines, mode 0600, and counts them. Safe to use from any thread.

    A line holds `time`, `stream`, `reason`, `status`, `record` (as the tap sent it) and `sent` (what was made of it).

    Args:
        path: The file; None to only count.
        limit: More rejects than this stop the run.
        summary: Counts rejects by reason.
    """

    def __init__(self, path: str | None, limit: int, summary: Summary) -> None:
        self._path = path
        self._limit = limit
        self._summary = summary
        self._lock = threading.Lock()
        self.count = 0

    def check(self) -> None:
        """Check that the file can be written.

        Raises:
            ConnectorError: It cannot; the message names the setting.
        """
        if self._path is None:
            return
        folder = Path(self._path).expanduser().absolute().parent
        if not os.access(folder, os.W_OK):
            raise ConnectorError(f"Setting 'rejects_path': the folder {folder} does not exist or cannot be written to.")

    def reject(  # noqa: PLR0913  # each is a member of the line
        self, stream: str, reason: str, record: Any, status: int | None = None, sent: Any = None, *, detail: str = ""
    ) -> None:
        """Keep a record that can never be delivered.

        Args:
            stream: Its stream.
            reason: Why, in words, without any of its values; also the reason by which it is counted.
            record: The record as the tap sent it, or its `Origin`.
            status: HTTP status that refused it, if one did.
            sent: What was made of it, if anything; bytes are JSON.
            detail: More about the reason, for the file alone.

        Raises:
            ConnectorError: There are more than the limit now, or the file cannot be written.
        """
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "stream": stream,
            "reason": f"{reason}: {detail}" if detail else reason,
            "status": status,
            "record": record.record() if isinstance(record, Origin) else record,
            "sent": msgspec.Raw(sent) if isinstance(sent, bytes) else sent,
        }
        self._summary.add("records_rejected", 1, reason, stream)
        with self._lock:
            self.count += 1
            if self._path is not None:
                self._append(self._path, json_line(line))
            if self.count > self._limit:
                raise ConnectorError(
                    f"More than {self._limit} records were rejected, the last because of: {reason}. "
                    "Fix the cause, or raise 'max_rejects'."
                )

    def _append(self, path: str, line: bytes) -> None:
        try:
            descriptor = os.open(Path(path).expanduser(), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                size = os.fstat(descriptor).st_size
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    line = b"\n" + line  # behind a line that a full disk cut short
                file.write(line)
        except OSError as error:
            raise ConnectorError(f"Setting 'rejects_path': cannot write {path}: {error.strerror}.") from error


def json_line(content: dict[str, Any]) -> bytes:
    """Return JSON on a line of its own, whatever the content holds."""
    try:
        text = msgspec.json.encode(content, enc_hook=str)
    except UnicodeEncodeError:  # lone surrogates: only Python's own writer can write them
        sent = content["sent"]
        plain = content | {"sent": msgspec.json.decode(sent)} if isinstance(sent, msgspec.Raw) else content
        text = json.dumps(plain, default=str).encode()
    except RecursionError:  # the reason alone, rather than nothing
        text = msgspec.json.encode(content | {"record": None, "sent": None})
    return text + b"\n"
