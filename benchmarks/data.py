"""Seeded synthetic input of the documented shapes: exported events of about 1.7 kB, impressions, archives."""

from __future__ import annotations

import gzip
import random
import uuid
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

SEED = 20260314
START = datetime(2026, 3, 14, tzinfo=UTC)
FLAGS = [f"flag_{number:02}" for number in range(20)]
TREATMENTS = ["on", "off", "control", "v2"]
EVENT_TYPES = ["Page Viewed", "[Amplitude] Start Session", "Song Played", "Checkout Completed", "Search"]
ENVIRONMENT = {"environmentId": "3b0c7a10-11aa-11ee-9d02-aa11bb22cc33", "environmentName": "Production"}
NULL_FIELDS = (
    "$insert_key",
    "$schema",
    "adid",
    "amplitude_attribution_ids",
    "amplitude_event_type",
    "device_carrier",
    "dma",
    "global_user_properties",
    "idfa",
    "is_attribution_event",
    "location_lat",
    "location_lng",
    "partner_id",
    "paying",
    "sample_rate",
    "source_id",
    "start_version",
)


def export_time(moment: datetime) -> str:
    """Write a time as the Export API does."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def export_rows(count: int, hours: int = 1) -> Iterator[dict[str, Any]]:
    """Yield rows of the Export API with all 55 fields, spread evenly over some hours, in order of upload."""
    chance = random.Random(SEED)
    for number in range(count):
        uploaded = START + timedelta(hours=hours) * (number / count)
        happened = uploaded - timedelta(seconds=chance.randrange(90), microseconds=chance.randrange(10**6))
        user = chance.randrange(5_000)
        row: dict[str, Any] = dict.fromkeys(NULL_FIELDS)
        row |= {
            "$insert_id": f"{chance.getrandbits(128):032x}",
            "amplitude_id": 200_000_000_000 + user,
            "app": 100042,
            "city": "Kōbe",
            "client_event_time": export_time(happened),
            "client_upload_time": export_time(uploaded - timedelta(seconds=1)),
            "country": "Japan",
            "data": {"path": "/2/httpapi", "group_first_event": {}, "group_ids": {}},
            "data_type": "event",
            "device_brand": "Apple",
            "device_family": "Apple iPhone",
            "device_id": f"device-{user:06}",
            "device_manufacturer": "Apple",
            "device_model": "iPhone17,1",
            "device_type": "Apple iPhone 16 Pro",
            "event_id": number,
            "event_properties": {
                "title": "さくら ♪" if number % 7 == 0 else "Autumn leaves",
                "seconds": round(chance.random() * 300, 3),
                "cart": {"items": chance.randrange(9), "total": round(chance.random() * 90, 2), "currency": "EUR"},
                "tags": ["été", "sale", "web"],
                "path": f"/shop/items/{chance.randrange(10_000)}?ref=mail",
            },
            "event_time": export_time(happened),
            "event_type": EVENT_TYPES[number % len(EVENT_TYPES)],
            "group_properties": {},
            "groups": {},
            "ip_address": "203.0.113.9",
            "language": "English",
            "library": "http/2.0",
            "os_name": "iOS",
            "os_version": "19.1",
            "plan": {},
            "platform": "iOS",
            "processed_time": export_time(uploaded + timedelta(seconds=2)),
            "region": "Hyōgo",
            "server_received_time": export_time(uploaded - timedelta(seconds=1)),
            "server_upload_time": export_time(uploaded),
            "session_id": 1773475190000 + user,
            "user_creation_time": export_time(START - timedelta(days=90)),
            "user_id": None if number % 11 == 0 else f"user-{user:06}",
            "user_properties": {"plan": "pro", "[Experiment] checkout_redesign": "on", "interests": ["chess", "été"]},
            "uuid": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            "version_name": "4.2.0",
        }
        yield row


def write_archive(path: Path, rows: Iterator[dict[str, Any]], per_entry: int = 50_000) -> None:
    """Write rows as an export archive: gzipped JSON lines by hour and partition, in a zip."""
    encode = msgspec.json.Encoder().encode
    waiting: dict[str, list[bytes]] = {}
    partitions: Counter[str] = Counter()

    def write(archive: zipfile.ZipFile, hour: str) -> None:
        lines = b"\n".join(waiting.pop(hour)) + b"\n"
        archive.writestr(f"100042/100042_{hour}#{partitions[hour]}.json.gz", gzip.compress(lines, 6))
        partitions[hour] += 1

    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for row in rows:
            date, _, clock = row["server_upload_time"].partition(" ")
            hour = f"{date}_{int(clock[:2])}"  # the service does not pad the hour
            waiting.setdefault(hour, []).append(encode(row))
            if len(waiting[hour]) >= per_entry:
                write(archive, hour)
        for hour in list(waiting):
            write(archive, hour)


def webhook_impressions(count: int) -> Iterator[dict[str, Any]]:
    """Yield impressions as Split's outgoing webhook sends them."""
    chance = random.Random(SEED)
    start = int(START.timestamp() * 1000)
    for number in range(count):
        yield {
            "key": f"user-{chance.randrange(50_000):06}",
            "split": chance.choice(FLAGS),
            **ENVIRONMENT,
            "treatment": chance.choice(TREATMENTS),
            "time": start + number * 3,
            "bucketingKey": None,
            "label": "in segment beta_customers" if number % 3 else "default rule",
            "machineName": "ip-10-2-4-19",
            "machineIp": "10.2.4.19",
            "splitVersionNumber": 1767000000456,
            "sdk": "python",
            "sdkVersion": "10.4.0",
            "properties": '{"plan":"gold"}' if number % 5 == 0 else None,
        }


def singer_lines(
    stream: str, schema: dict[str, Any], keys: list[str], records: Iterator[dict[str, Any]]
) -> Iterator[bytes]:
    """Yield the lines a tap writes: SCHEMA, RECORDs with a STATE every 10,000, and a last STATE."""
    encode = msgspec.json.Encoder().encode
    yield encode({"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": keys}) + b"\n"
    number = 0
    for number, record in enumerate(records, start=1):
        yield encode({"type": "RECORD", "stream": stream, "record": record}) + b"\n"
        if number % 10_000 == 0:
            yield encode({"type": "STATE", "value": {"bookmarks": {stream: {"read": number}}}}) + b"\n"
    yield encode({"type": "STATE", "value": {"bookmarks": {stream: {"read": number}}}}) + b"\n"
