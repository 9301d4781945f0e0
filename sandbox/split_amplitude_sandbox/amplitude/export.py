"""The Export API: `GET /api/2/export`, a zip of gzipped JSON lines.

Source: https://amplitude.com/docs/apis/analytics/export.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import re
import tempfile
import zipfile
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import IO, Any

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from split_amplitude_sandbox.amplitude.answers import require_read_access
from split_amplitude_sandbox.amplitude.export_row import PROJECT_ID
from split_amplitude_sandbox.amplitude.rows import COLUMNS, encoded, file_name
from split_amplitude_sandbox.amplitude.services import Services
from split_amplitude_sandbox.calls import OWN, Calls, call, planting
from split_amplitude_sandbox.clock import MILLISECONDS_PER_HOUR, parse_ms, to_ms
from split_amplitude_sandbox.store import ndjson

HOUR_PATTERN = re.compile(r"\d{8}T\d{2}")
MAX_SPAN_HOURS = 365 * 24
ROWS_PER_FILE = 1000
CHUNK_BYTES = 65_536
PUT = (
    "INSERT INTO amplitude_events (uuid, exported_row, amplitude_id, event_type, export_hour, upload_ms,"
    " event_ms, session_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
SELECT = f"SELECT {COLUMNS} FROM amplitude_events WHERE export_hour = ? AND number > ? ORDER BY number LIMIT ?"  # noqa: S608  # no values in it


class Export(Calls[Services]):
    """Exports what arrived, by hours of `server_upload_time`."""

    @call("POST", f"{OWN}/amplitude/export-rows", planting)
    def put(self, body: bytes) -> int:
        """Store rows that are exported unchanged; `server_upload_time` decides the hour.

        Raises:
            ValueError: the body is not a list of objects, or a row has no such time.
        """
        rows = [_facts(text) for text in msgspec.json.decode(body, type=list[msgspec.Raw])]
        with self._services.store.transaction() as database:
            database.executemany(PUT, rows)
            self._services.store.count_arrivals("Amplitude export rows", {"": len(rows)})
        return len(rows)

    @call("POST", f"{OWN}/amplitude/export-entries", planting)
    def put_entries(self, body: bytes) -> int:
        """Add entries, name -> content, to each archive from now on; a name that ends in `/` is a directory."""
        entries = msgspec.json.decode(body, type=dict[str, str])
        for name, content in entries.items():
            self._services.store.put_document("export entry", name, [name, content])
        return len(entries)

    @call("GET", "/api/2/export")
    async def export(self, request: Request) -> Response:
        """Export all rows from the hour `start` to the hour `end`, both inclusive."""
        require_read_access(request)
        bounds = [_hour(request.query_params.get(name, "")) for name in ("start", "end")]
        first, last = bounds
        if first is None or last is None:
            return PlainTextResponse("start and end must be given as YYYYMMDDTHH", 400)
        if not 0 <= last - first < MAX_SPAN_HOURS:
            return PlainTextResponse("end must not be before start, nor more than 365 days after it", 400)
        hours = self._hours(first, last)
        if not hours:
            return PlainTextResponse("Raw data files were not found.", 404)
        archive = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is sent
        request.state.items = await self._write(archive, hours)
        return StreamingResponse(_chunks(archive), media_type="application/zip")

    def _hours(self, first: int, last: int) -> list[int]:
        """The hours that have rows and are old enough."""
        lag_ms = round(self._services.export_lag_hours * MILLISECONDS_PER_HOUR)
        newest = (self._services.clock.now_ms() - lag_ms) // MILLISECONDS_PER_HOUR - 1
        rows = self._services.store.database.execute(
            "SELECT DISTINCT export_hour FROM amplitude_events WHERE export_hour BETWEEN ? AND ? ORDER BY 1",
            (first, min(last, newest)),
        )
        return [hour for (hour,) in rows]

    async def _write(self, archive: IO[bytes], hours: Sequence[int]) -> int:
        """Write the archive file by file, each in a thread; return the number of rows."""
        count = 0
        with zipfile.ZipFile(archive, "w") as folder:
            for name, content in self._services.store.documents("export entry"):
                folder.writestr(name, content)
            for hour in hours:
                number, part = 0, 0
                while page := self._services.store.database.execute(SELECT, (hour, number, ROWS_PER_FILE)).fetchall():
                    await asyncio.to_thread(_add_file, folder, hour, part, page)
                    number, part = page[-1][0], part + 1
                    count += len(page)
        return count


def _hour(text: str) -> int | None:
    """Hours since the epoch of a `YYYYMMDDTHH`."""
    if not HOUR_PATTERN.fullmatch(text):
        return None
    try:
        moment = datetime.strptime(text, "%Y%m%dT%H").replace(tzinfo=UTC)
    except ValueError:
        return None
    return to_ms(moment) // MILLISECONDS_PER_HOUR


def _facts(text: msgspec.Raw) -> tuple[Any, ...]:
    row = msgspec.json.decode(text, type=dict[str, Any])
    upload_ms = parse_ms(str(row.get("server_upload_time")))
    event_time = row.get("event_time")
    return (
        _text(row.get("uuid")),
        bytes(text),
        _text(row.get("amplitude_id")),
        _text(row.get("event_type")),
        upload_ms // MILLISECONDS_PER_HOUR,
        upload_ms,
        parse_ms(event_time) if isinstance(event_time, str) else upload_ms,
        _text(row.get("session_id")),
    )


def _text(value: Any) -> str | None:
    """A value for a column; its affinity turns numbers back into numbers."""
    return None if value is None else str(value)


def _add_file(folder: zipfile.ZipFile, hour: int, part: int, page: list[tuple[Any, ...]]) -> None:
    """Add one file of an hour; its rows are unordered, because Amplitude promises no order."""
    rows = [encoded(columns) for columns in page]
    random.Random(hour).shuffle(rows)  # noqa: S311 - the same disorder every time
    content = gzip.compress(ndjson(rows), compresslevel=1, mtime=0)
    folder.writestr(f"{PROJECT_ID}/{file_name(hour, part)}", content)


async def _chunks(archive: IO[bytes]) -> AsyncIterator[bytes]:
    with archive:
        archive.seek(0)
        while chunk := archive.read(CHUNK_BYTES):
            yield chunk
