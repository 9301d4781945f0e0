"""The file of records that can never be delivered, and the bound on their number.

The same file stands in both targets (they share no library); a test holds the copies equal.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from ..errors import ConnectorError


class Rejects:
    """Writes rejected records as JSON lines (time, stream, reason, status, record), mode 0600. Thread-safe.

    Args:
        path: Where to; None only counts them.
        limit: More rejects than this stop the run.
        logger: For the one warning when there is no path.
    """

    def __init__(self, path: str | None, limit: int, logger: logging.Logger) -> None:
        self._path = path
        self._limit = limit
        self._logger = logger
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

    def write(self, stream: str, reason: str, record: Any, status: int | None = None) -> None:
        """Keep a record that can never be delivered.

        Args:
            stream: Its stream.
            reason: Why, in words, without any of its values.
            record: The record as it came, or what was made of it.
            status: HTTP status that refused it, if one did.

        Raises:
            ConnectorError: There are more than the limit now, or the file cannot be written.
        """
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "stream": stream,
            "reason": reason,
            "status": status,
            "record": record,
        }
        with self._lock:
            self.count += 1
            if self._path is None:
                if self.count == 1:
                    self._logger.warning("A record is rejected (%s). Set 'rejects_path' to keep such records.", reason)
            else:
                self._append(self._path, json_line(line))
            if self.count > self._limit:
                raise ConnectorError(
                    f"More than {self._limit} records were rejected, the last because of: {reason}. "
                    "Mend the cause, or raise 'max_rejects'."
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
    except UnicodeEncodeError:  # lone surrogates: only Python's own writer can put them into words
        text = json.dumps(content, default=str).encode()
    except RecursionError:  # the reason alone, rather than nothing
        text = msgspec.json.encode(content | {"record": None})
    return text + b"\n"
