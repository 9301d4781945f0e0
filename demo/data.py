"""The demo's data, made from a seed: impressions as Split's webhook sends them, product events, a cohort.

It holds what real data holds: keys of all kinds, unicode, repeats, `control`, missing labels, ids Amplitude refuses.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

SEED = 7
IMPRESSIONS = 6_000
PRODUCT_EVENTS = 3_000
COHORT = {"id": "c0h0rt1", "name": "Köln power users"}

ENVIRONMENTS = {"env-prod": "Production", "env-staging": "Staging", "env-dev": "Development"}
USER_FLAGS = {
    "checkout_redesign": ["on", "off"],
    "new_search": ["v1", "v2", "v3"],
    "pricing_page": ["monthly", "yearly"],
    "onboarding_flow": ["short", "long"],
    "dark_mode": ["on", "off"],
    "recommendations_v2": ["on", "off"],
}
ACCOUNT_FLAGS = {"account_billing": ["on", "off"], "sso_login": ["saml", "off"]}
FLAGS = USER_FLAGS | ACCOUNT_FLAGS

ODD_KEYS = ["zoë@example.com", "東京-0001", "a", 'O\'Brien "quoted"', "user with spaces", "{curly}", "1", "näïve,comma"]
REFUSED_KEYS = ["anonymous", "null", "0"]  # Amplitude answers 400 to these ids
LABELS = ["in segment beta_customers", "default rule", "not in split", None]
SDKS = [("python", "10.7.0"), ("javascript", "11.4.1"), ("java", "4.18.0")]
EVENT_TYPES = ["[Amplitude] Page Viewed", "Checkout Completed", "Search", "Song Played ♪", "signup.completed"]

BATCH_SECONDS = 10

# Every exported row carries all 55 fields; these are null here.
EMPTY_FIELDS = (
    "$insert_key",
    "$schema",
    "adid",
    "amplitude_attribution_ids",
    "amplitude_event_type",
    "city",
    "client_upload_time",
    "country",
    "data_type",
    "device_brand",
    "device_carrier",
    "device_family",
    "device_manufacturer",
    "device_model",
    "device_type",
    "dma",
    "global_user_properties",
    "idfa",
    "ip_address",
    "is_attribution_event",
    "language",
    "library",
    "location_lat",
    "location_lng",
    "os_name",
    "os_version",
    "partner_id",
    "paying",
    "plan",
    "processed_time",
    "region",
    "sample_rate",
    "source_id",
    "start_version",
    "user_creation_time",
    "version_name",
)


def impressions(newest: datetime) -> list[dict[str, Any]]:
    """Return impressions of the hour before `newest`, in order of time, as the webhook's objects."""
    chance = random.Random(SEED)
    users = [f"user-{number:04}" for number in range(600)] + ODD_KEYS
    accounts = [f"acct-{number:03}" for number in range(80)]
    start = int((newest - timedelta(hours=1)).timestamp() * 1000)
    rows = [impression(chance, users, accounts, start + position * 600) for position in range(IMPRESSIONS)]
    for position, key in enumerate(REFUSED_KEYS):
        rows[100 * position]["key"] = key
    return rows


def impression(chance: random.Random, users: list[str], accounts: list[str], moment: int) -> dict[str, Any]:
    flag = chance.choice(list(FLAGS))
    environment = chance.choices(list(ENVIRONMENTS), weights=[8, 1, 1])[0]
    control = chance.random() < 0.03
    label = "not ready" if control else chance.choice(LABELS)
    sdk, version = chance.choice(SDKS)
    server = sdk != "javascript"
    return {
        "key": chance.choice(accounts if flag in ACCOUNT_FLAGS else users),
        "split": flag,
        "environmentId": environment,
        "environmentName": ENVIRONMENTS[environment],
        "treatment": "control" if control else chance.choice(FLAGS[flag]),
        "time": moment + chance.randrange(600),
        "bucketingKey": f"bucket-{chance.randrange(50)}" if chance.random() < 0.1 else None,
        "label": label,
        "machineName": "ip-10-2-4-19" if server else None,
        "machineIp": "10.2.4.19" if server else None,
        "splitVersionNumber": 1767000000456,
        "sdk": sdk,
        "sdkVersion": version,
        "properties": json.dumps({"plan": "gold", "ville": "Orléans"}) if chance.random() < 0.2 else None,
    }


def webhook_batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield impressions in batches of about ten seconds; some batches come twice, as Split repeats unanswered ones."""
    chance = random.Random(SEED)
    batch: list[dict[str, Any]] = []
    for row in rows:
        if batch and row["time"] - batch[0]["time"] >= BATCH_SECONDS * 1000:
            yield batch
            if chance.random() < 0.05:
                yield batch
            batch = []
        batch.append(row)
    yield batch


def product_events(first_hour: datetime, hours: int) -> list[dict[str, Any]]:
    """Return rows of the Export API, uploaded in `hours` hours from `first_hour` on."""
    chance = random.Random(SEED)
    return [
        product_event(chance, first_hour + timedelta(hours=hours) * (number / PRODUCT_EVENTS), number)
        for number in range(PRODUCT_EVENTS)
    ]


def product_event(chance: random.Random, uploaded: datetime, number: int) -> dict[str, Any]:
    """Return one exported event; a tenth is of anonymous users, who have no `user_id`."""
    happened = uploaded - timedelta(seconds=chance.randrange(60), microseconds=chance.randrange(10**6))
    user = chance.randrange(600)
    return dict.fromkeys(EMPTY_FIELDS) | {
        "$insert_id": f"{chance.getrandbits(128):032x}",
        "amplitude_id": 200_000_000_000 + user,
        "app": 100042,
        "device_id": f"device-{user:04}",
        "event_id": number,
        "event_type": chance.choice(EVENT_TYPES),
        "event_properties": {
            "cart": {"items": chance.randrange(9), "total": round(chance.random() * 90, 2)},
            "city": chance.choice(["Köln", "東京", "São Paulo"]),
            "tags": ["web", "été"],
        },
        "event_time": export_time(happened),
        "client_event_time": export_time(happened),
        "server_received_time": export_time(uploaded),
        "server_upload_time": export_time(uploaded),
        "session_id": -1,
        "user_id": None if chance.random() < 0.1 else f"user-{user:04}",
        "user_properties": {"plan": chance.choice(["free", "pro"])},
        "groups": {},
        "group_properties": {},
        "data": {},
        "platform": "Web",
        "uuid": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
    }


def cohort_members() -> list[dict[str, Any]]:
    return [
        {"amplitude_id": 200_000_000_000 + number, "user_id": f"user-{number:04}" if number % 9 else None}
        for number in range(250)
    ]


def export_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
