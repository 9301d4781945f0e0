"""The rules for events of HTTP V2 and Batch: keys, types, ids, depth. No I/O.

Source: https://amplitude.com/docs/apis/analytics/http-v2, "Keys for the event argument" and "Limits".
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from split_amplitude_sandbox.amplitude import user_properties

MAX_DEPTH = 40
MAX_STRING_LENGTH = 1024
DEFAULT_MIN_ID_LENGTH = 5
MAX_GROUP_TYPES = 5
MAX_GROUP_VALUES = 10
FORBIDDEN_IDS = frozenset(
    {
        *("anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", ""),
        *("00000000-0000-0000-0000-000000000000", "{}", "lmy47d", "0", "-1"),
    }
)

Long = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Plan(msgspec.Struct):
    """The tracking plan an event belongs to."""

    branch: str | None = None
    source: str | None = None
    version: str | None = None
    version_id: str | None = msgspec.field(name="versionId", default=None)


class Event(msgspec.Struct):
    """One event. Unknown keys are ignored."""

    event_type: str | None = None
    user_id: str | None = None
    device_id: str | None = None
    time: Long | None = None
    insert_id: str | None = None
    event_properties: dict[str, Any] | None = None
    user_properties: dict[str, Any] | None = None
    groups: dict[str, Any] | None = None
    group_properties: dict[str, Any] | None = None
    skip_user_properties_sync: bool | None = msgspec.field(name="$skip_user_properties_sync", default=None)
    user_agent: str | None = None
    app_version: str | None = None
    version_name: str | None = None
    platform: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    device_brand: str | None = None
    device_manufacturer: str | None = None
    device_model: str | None = None
    carrier: str | None = None
    country: str | None = None
    region: str | None = None
    city: str | None = None
    dma: str | None = None
    language: str | None = None
    price: float | None = None
    quantity: int | None = None
    revenue: float | None = None
    product_id: str | None = msgspec.field(name="productId", default=None)
    revenue_type: str | None = msgspec.field(name="revenueType", default=None)
    currency: str | None = None
    location_lat: float | None = None
    location_lng: float | None = None
    ip: str | None = None
    idfa: str | None = None
    idfv: str | None = None
    adid: str | None = None
    android_id: str | None = None
    android_app_set_id: str | None = None
    event_id: Long | None = None
    session_id: Long | None = None
    partner_id: str | None = None
    plan: Plan | None = None
    library: str | None = None

    @property
    def identity(self) -> str:
        """What tells users apart: the user id, otherwise the device id."""
        return f"u:{self.user_id}" if self.user_id else f"d:{self.device_id}"


class Problems:
    """Why events of a request are refused: field -> indexes, for each reason."""

    def __init__(self) -> None:
        self.invalid: dict[str, list[int]] = {}
        self.missing: dict[str, list[int]] = {}
        self.id_lengths: dict[str, list[int]] = {}

    def __bool__(self) -> bool:
        return bool(self.invalid or self.missing or self.id_lengths)

    def answer(self, *, all_indexes: bool) -> dict[str, Any]:
        """The body of a 400.

        HTTP V2 names the first failing event of each field, Batch all of them (the two pages differ).
        """

        def shown(indexes: dict[str, list[int]]) -> dict[str, list[int]]:
            return indexes if all_indexes else {field: [first] for field, (first, *_) in indexes.items()}

        body: dict[str, Any] = {"code": 400, "error": "Invalid field values on some events"}
        if self.invalid or self.missing:
            body |= {
                "missing_field": None,
                "events_with_invalid_fields": shown(self.invalid),
                "events_with_missing_fields": shown(self.missing),
            }
        else:
            body["error"] = "Invalid id length for user_id or device_id"
        if self.id_lengths:
            body["events_with_invalid_id_lengths"] = shown(self.id_lengths)
        return body


decode_event = msgspec.json.Decoder(Event).decode
_FIELD_OF_ERROR = re.compile(r"\$\.([^.\[`]+)")


def read_events(texts: list[msgspec.Raw], min_id_length: int) -> tuple[list[Event], Problems]:
    """Decode and check events; the list is complete only when there are no problems.

    An id that is too short is removed from an event that has another one, also from its text.
    """
    problems = Problems()
    events = []
    for index, text in enumerate(texts):
        try:
            event = decode_event(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            found = _FIELD_OF_ERROR.search(str(error))
            problems.invalid.setdefault(found[1] if found else "event", []).append(index)
        else:
            removed = _check(event, index, min_id_length, problems)
            _check_depth(event, text, index, problems)
            if removed:
                members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
                texts[index] = msgspec.Raw(msgspec.json.encode({k: v for k, v in members.items() if k != removed}))
                event = decode_event(texts[index])
            events.append(event)
    return events, problems


def _check(event: Event, index: int, min_id_length: int, problems: Problems) -> str | None:
    """Note what is wrong with an event; return which of its ids is too short, if it has another one."""
    if not event.event_type:
        problems.missing.setdefault("event_type", []).append(index)
    if event.user_id is None and event.device_id is None:
        problems.missing.setdefault("user_id", []).append(index)
    ids = {field: one for field in ("user_id", "device_id") if (one := getattr(event, field)) is not None}
    for field in [field for field, one in ids.items() if is_forbidden(one)]:
        problems.invalid.setdefault(field, []).append(index)
    short = [field for field, one in ids.items() if not is_forbidden(one) and len(one) < min_id_length]
    for field in short if len(short) == len(ids) else []:
        problems.id_lengths.setdefault(field, []).append(index)
    if event.user_properties and not user_properties.are_valid(event.user_properties):
        problems.invalid.setdefault("user_properties", []).append(index)
    if event.groups and not groups_fit(event.groups):
        problems.invalid.setdefault("groups", []).append(index)
    return short[0] if len(short) == 1 < len(ids) else None


def is_forbidden(identity: str) -> bool:
    """Whether an id is a placeholder; case and surrounding spaces do not matter."""
    return identity.strip().lower() in FORBIDDEN_IDS


def groups_fit(groups: dict[str, Any]) -> bool:
    """Whether there are at most 5 group types and 10 group values."""
    values = sum(len(value) if isinstance(value, list) else 1 for value in groups.values())
    return len(groups) <= MAX_GROUP_TYPES and values <= MAX_GROUP_VALUES


def _check_depth(event: Event, text: msgspec.Raw, index: int, problems: Problems) -> None:
    content = bytes(text)
    if content.count(b"{") + content.count(b"[") <= MAX_DEPTH:
        return
    for field in ("event_properties", "user_properties", "group_properties"):
        if depth(getattr(event, field)) > MAX_DEPTH:
            problems.invalid.setdefault(field, []).append(index)


def depth(value: Any) -> int:
    """How deeply objects and lists are nested."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def truncated(value: Any) -> Any:
    """A value with its texts truncated to the length that Amplitude stores."""
    if isinstance(value, str):
        return value[:MAX_STRING_LENGTH]
    if isinstance(value, dict):
        return {name: truncated(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [truncated(inner) for inner in value]
    return value
