"""The keys of an Amplitude event and what each may hold. Pure.

Source: https://amplitude.com/docs/apis/analytics/http-v2, "Keys for the event argument"; keys marked SDK are sent by
the official SDKs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from target_amplitude.api.coerce import WRONG_TYPE, Count, clean_properties, clean_text, number, whole_number
from target_amplitude.common.record_paths import object_in

# These are keys of an identification, too: https://amplitude.com/docs/apis/analytics/identify
IDENTIFICATION_KEYS = (
    "app_version",
    "platform",
    "os_name",
    "os_version",
    "device_brand",
    "device_manufacturer",
    "device_model",
    "carrier",
    "country",
    "region",
    "city",
    "dma",
    "language",
)
TEXTS = (
    *IDENTIFICATION_KEYS,
    "productId",
    "revenueType",
    "currency",
    "ip",
    "idfa",
    "idfv",
    "adid",
    "android_id",
    "android_app_set_id",
    "user_agent",
    "version_name",  # SDK
    "partner_id",  # SDK
    "receipt",  # SDK
    "receiptSig",  # SDK
)
NUMBERS = ("price", "revenue", "location_lat", "location_lng")
WHOLE_NUMBERS = ("quantity", "event_id", "session_id")
FLAGS = ("$skip_user_properties_sync",)
OBJECTS = ("plan", "ingestion_metadata")
PLAIN_KEYS = (*TEXTS, *NUMBERS, *WHOLE_NUMBERS, *FLAGS, *OBJECTS)
ALIASES = {"product_id": "productId"}

# Without these an event would count with the wrong revenue.
MONEY = frozenset({"price", "revenue", "quantity"})


def _text(value: Any, count: Count) -> Any:
    if isinstance(value, (str, int, float)):
        return clean_text(str(value), count) or None
    count(WRONG_TYPE)
    return None


def _flag(value: Any, count: Count) -> Any:
    if isinstance(value, bool):
        return value
    count(WRONG_TYPE)
    return None


def _object(value: Any, count: Count) -> Any:
    if (members := object_in(value)) is not None:
        return clean_properties(members, count)
    count(WRONG_TYPE)
    return None


CONVERTERS: dict[str, Callable[[Any, Count], Any]] = {
    **dict.fromkeys(TEXTS, _text),
    **dict.fromkeys(NUMBERS, number),
    **dict.fromkeys(WHOLE_NUMBERS, whole_number),
    **dict.fromkeys(FLAGS, _flag),
    **dict.fromkeys(OBJECTS, _object),
}
