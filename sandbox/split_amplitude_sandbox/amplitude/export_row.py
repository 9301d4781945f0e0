"""One row of the Export API: the 55 fields that Amplitude makes of an event. No I/O.

Source: https://amplitude.com/docs/apis/analytics/export, "Export fields", and samples of real rows.
"""

from __future__ import annotations

import uuid
import zlib
from typing import Any, NamedTuple

import msgspec

from split_amplitude_sandbox.amplitude.event import Event, decode_event, truncated
from split_amplitude_sandbox.amplitude.exposure import EXPOSURE_EXPORTED, renamed
from split_amplitude_sandbox.clock import export_text

PROJECT_ID = 100_042
CLOCK_TOLERANCE_MS = 60_000
"""Smaller differences between the sender's clock and Amplitude's are ignored."""
DEFAULT_LIBRARY = "http/2.0"
PROCESSING_MS = 1793
DEVICE_NAMESPACE = uuid.UUID("6c1f0f4e-8a52-5d0e-9c1b-2f60a4f7b911")


class Stored(NamedTuple):
    """An event as the database stores it."""

    uuid: str
    event: bytes
    path: str
    amplitude_id: int
    event_type: str
    upload_ms: int
    client_upload_ms: int
    event_ms: int
    session_id: int
    user_properties: bytes
    user_created_ms: int | None


def export_row(stored: Stored) -> dict[str, Any]:
    """The row of an event, always the same."""
    event = decode_event(stored.event)
    properties = truncated(event.event_properties or {})
    exposure = stored.event_type == EXPOSURE_EXPORTED
    data: dict[str, Any] = {"path": stored.path, "group_first_event": {}, "group_ids": {}}
    if exposure or event.user_properties:
        data["user_properties_updated"] = True
    return {
        "$insert_id": truncated(event.insert_id),
        "$insert_key": None,
        "$schema": None,
        "adid": event.adid,
        "amplitude_attribution_ids": None,
        "amplitude_event_type": None,
        "amplitude_id": stored.amplitude_id,
        "app": PROJECT_ID,
        "city": event.city,
        "country": event.country,
        "data": data,
        "data_type": "event",
        "device_brand": event.device_brand,
        "device_carrier": event.carrier,
        "device_family": None,
        "device_id": truncated(event.device_id) or str(uuid.uuid5(DEVICE_NAMESPACE, event.user_id or "")),
        "device_manufacturer": event.device_manufacturer,
        "device_model": event.device_model,
        "device_type": None,
        "dma": event.dma,
        "event_id": event.event_id if event.event_id is not None else _event_id(stored.uuid),
        "event_properties": (renamed(properties) if exposure else properties) | _revenue(event),
        "event_type": truncated(stored.event_type),
        "global_user_properties": None,
        "group_properties": event.group_properties or {},
        "groups": event.groups or {},
        "idfa": event.idfa,
        "ip_address": event.ip,
        "is_attribution_event": None,
        "language": event.language,
        "library": event.library or DEFAULT_LIBRARY,
        "location_lat": event.location_lat,
        "location_lng": event.location_lng,
        "os_name": event.os_name,
        "os_version": event.os_version,
        "partner_id": event.partner_id,
        "paying": None,
        "plan": msgspec.to_builtins(event.plan) if event.plan else {},
        "platform": event.platform,
        "region": event.region,
        "sample_rate": None,
        "session_id": stored.session_id,
        "source_id": None,
        "start_version": None,
        "user_id": truncated(event.user_id),
        "user_properties": msgspec.Raw(stored.user_properties),
        "uuid": stored.uuid,
        "version_name": event.app_version or event.version_name,
    } | _times(stored)


def _times(stored: Stored) -> dict[str, str | None]:
    """The event's times, corrected as Amplitude does when the sender's clock is far off."""
    received = stored.upload_ms
    skew = received - stored.client_upload_ms
    corrected = stored.event_ms + skew if abs(skew) >= CLOCK_TOLERANCE_MS else stored.event_ms
    created = stored.user_created_ms
    return {
        "client_event_time": export_text(stored.event_ms),
        "client_upload_time": export_text(stored.client_upload_ms),
        "event_time": export_text(corrected),
        "processed_time": export_text(received + PROCESSING_MS),
        "server_received_time": export_text(received),
        "server_upload_time": export_text(stored.upload_ms),
        "user_creation_time": None if created is None else export_text(created),
    }


def _revenue(event: Event) -> dict[str, Any]:
    """The revenue keys, which are exported as event properties."""
    given = {
        "$price": event.price,
        "$quantity": event.quantity,
        "$revenue": event.revenue,
        "$productId": event.product_id,
        "$revenueType": event.revenue_type,
        "$currency": event.currency,
    }
    return {name: value for name, value in given.items() if value is not None}


def _event_id(row_uuid: str) -> int:
    """The large number that Amplitude assigns when none was sent."""
    return zlib.crc32(row_uuid.encode()) & 0x3FFF_FFFF
