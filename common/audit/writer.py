"""Writes one run's part of an audit file."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from ..target.checkpoints import Hold
from ..target.delivery import Line, Origin
from ..target.services import Services, Stream
from ..timestamps import epoch_milliseconds
from .store import HOUR_MS, AuditStore
from .subject import Subject

BUFFERED_ROWS = 2_000
COMMIT_SECONDS = 2.0

encode = msgspec.json.Encoder().encode


class AuditWriter:
    """Appends to an audit file. STATE waits for the commit of what was read before it. Targets add what makes sinks."""

    def __init__(self, path: str, subject: Subject, services: Services) -> None:
        self.store = AuditStore(path, subject)
        self._services = services
        self._passes: dict[str, int] = {}
        self._hold: Hold | None = None
        self._rows: dict[str, list[Any]] = {"expected": [], "left_out": [], "arrived": [], "untold": []}
        self._sources: dict[str, Stream] = {}
        self._kept_schemas: set[str] = set()
        self._block: tuple[bytes, int] | None = None  # of the input, and its number
        self._committed = time.monotonic()

    def begin_pass(self, kind: str, settings: Mapping[str, Any]) -> None:
        """Begin a pass, unless this run did so before.

        Raises:
            ConnectorError: The settings on which keys depend changed since an earlier pass.
        """
        self.commit()
        if kind not in self._passes:
            self._passes[kind] = self.store.begin_pass(kind, settings)

    def add_source(self, stream: Stream) -> None:
        """Remember a stream as the tap describes it, before stream maps."""
        self._sources[stream.name] = stream
        self._kept_schemas.discard(stream.name)

    def add(self, table: str, row: Any) -> None:
        """Append a row."""
        self._begin()
        rows = self._rows[table]
        rows.append(row)
        if len(rows) >= BUFFERED_ROWS:
            self._write(table)

    def keep(self, origin: Origin) -> tuple[int, int]:
        """Keep the message in which a record came, before stream maps; return block and position."""
        self._begin()
        if origin.stream not in self._kept_schemas:
            self.store.add_schema(origin.stream, schema_message(self._sources[origin.stream]))
            self._kept_schemas.add(origin.stream)
        assert isinstance(origin, Line)  # noqa: S101  # replays are not audited
        if self._block is None or self._block[0] is not origin.block:
            self._block = (origin.block, self.store.add_lines(origin.messages()))
        return self._block[1], origin.position

    def commit_old(self) -> None:
        """Commit, unless the last commit was a moment ago: each one waits for the disk."""
        if time.monotonic() - self._committed >= COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Make durable what was read, and let STATE pass."""
        if self._hold is not None:
            for table in self._rows:
                self._write(table)
            self.store.commit()
            self._hold.done()
            self._hold = None
        self._committed = time.monotonic()

    def complete(self) -> None:
        """Add what can be told only when all of the input was read. To override."""

    def finish(self) -> None:
        """Commit, and note that the passes of this run read all of their input, unless the run is stopped."""
        self.commit()
        if not self._services.stopping.is_set():
            self.complete()
            self.commit()
        if not self._services.stopping.is_set():
            for number in self._passes.values():
                self.store.finish_pass(number)
        self.store.close()

    def close(self) -> None:
        """Close the file; what is not committed is dropped."""
        self.store.close()

    def _begin(self) -> None:
        if self._hold is None:
            self._hold = self._services.checkpoints.begin()
            self.store.begin()

    def _write(self, table: str) -> None:
        self.store.add(table, self._rows[table])
        self._rows[table].clear()


def hour_of(moment: Any) -> int | None:
    """Return the UTC hour of a time, in hours since 1970; None when there is none."""
    try:
        return None if moment is None else epoch_milliseconds(moment) // HOUR_MS
    except (ValueError, OverflowError, TypeError):
        return None


def schema_message(stream: Stream) -> bytes:
    """Return the SCHEMA message of a stream."""
    return encode(
        {"type": "SCHEMA", "stream": stream.name, "schema": stream.schema, "key_properties": stream.key_properties}
    )
