"""Export rows and archives of the documented shape, and others."""

from __future__ import annotations

import gzip
import io
import json
import uuid
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

PROJECT = 100042
NULL_FIELDS = (
    "$insert_key $schema adid amplitude_attribution_ids amplitude_event_type city country device_brand device_carrier"
    " device_family device_manufacturer device_model device_type dma global_user_properties idfa ip_address"
    " is_attribution_event language location_lat location_lng os_name os_version partner_id paying platform region"
    " sample_rate source_id start_version version_name"
)


def export_row(number: int, uploaded: str = "2026-03-14 09:26:53.589000", **members: Any) -> dict[str, Any]:
    """One row with all 55 fields; the number makes its ids its own."""
    row: dict[str, Any] = dict.fromkeys(NULL_FIELDS.split())
    row |= {
        "$insert_id": f"insert-{number}",
        "amplitude_id": 200_000_000_000 + number,
        "app": PROJECT,
        "client_event_time": uploaded,
        "client_upload_time": uploaded,
        "data": {"path": "/batch", "group_first_event": {}, "group_ids": {}},
        "data_type": "event",
        "device_id": f"device-{number}",
        "event_id": number,
        "event_properties": {"number": number, "title": "さくら ♪"},
        "event_time": uploaded,
        "event_type": "get_treatment",
        "group_properties": {},
        "groups": {},
        "library": "http/2.0",
        "plan": {},
        "processed_time": uploaded,
        "server_received_time": uploaded,
        "server_upload_time": uploaded,
        "session_id": -1,
        "user_creation_time": None,
        "user_id": f"user-{number}",
        "user_properties": {"plan": "pro"},
        "uuid": str(uuid.UUID(int=number)),
    }
    return row | members


def rows_over(hours: int, per_hour: int, start: datetime = datetime(2026, 3, 14, tzinfo=UTC)) -> list[Any]:
    """Rows spread over whole hours."""
    moments = [
        start + timedelta(hours=hour, seconds=3599 * index / max(per_hour, 1))
        for hour in range(hours)
        for index in range(per_hour)
    ]
    return [export_row(number, f"{moment:%Y-%m-%d %H:%M:%S.%f}") for number, moment in enumerate(moments)]


def lines_of(rows: Iterable[Mapping[str, Any] | bytes]) -> bytes:
    """Rows, or raw lines, as an entry's content."""
    return b"".join((r if isinstance(r, bytes) else json.dumps(r, ensure_ascii=False).encode()) + b"\n" for r in rows)


def entry_name(hour: int = 9, part: int = 0, day: str = "2026-03-14") -> str:
    return f"{PROJECT}/{PROJECT}_{day}_{hour}#{part}.json.gz"


def zip_of(entries: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of raw entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def archive_of(entries: Mapping[str, Iterable[Mapping[str, Any] | bytes]]) -> bytes:
    """An archive of gzipped rows by entry name."""
    return zip_of({name: gzip.compress(lines_of(rows), 1) for name, rows in entries.items()})
