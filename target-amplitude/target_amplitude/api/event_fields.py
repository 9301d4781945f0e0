"""The keys of an Amplitude event and what each may hold. Pure.

Source: https://amplitude.com/docs/apis/analytics/http-v2, "Keys for the event argument"; those marked SDK come from
the official SDKs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from target_amplitude.api.limits import WRONG_TYPE, Count, clean_properties, clean_text, number, whole_number

TEXTS = (
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

# What an identification may hold beside ids and properties: https://amplitude.com/docs/apis/analytics/identify
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


def reader(key: str, count: Count) -> Callable[[Any], Any]:
    """Return a function that brings a value, not null, into the type of an event key; None where it cannot be."""
    if key in NUMBERS:
        return lambda value: number(value, count)
    if key in WHOLE_NUMBERS:
        return lambda value: whole_number(value, count)
    kinds: tuple[type, ...]
    convert: Callable[[Any], Any]
    if key in TEXTS:
        kinds, convert = (str, int, float), lambda value: clean_text(str(value), count) or None
    elif key in FLAGS:
        kinds, convert = (bool,), lambda value: value
    else:
        kinds, convert = (dict,), lambda value: clean_properties(value, count)

    def read(value: Any) -> Any:
        if isinstance(value, kinds):
            return convert(value)
        count(WRONG_TYPE)
        return None

    return read
