"""Ids that Amplitude refuses for now: throttled, over the daily quota, silenced.

Sources: https://amplitude.com/docs/apis/analytics/http-v2 and
https://amplitude.com/docs/apis/analytics/batch-event-upload. The real services count; here the settings name the ids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from split_amplitude_sandbox.amplitude.event import Event
from split_amplitude_sandbox.amplitude.settings import AmplitudeSettings, Answers

EVENTS_PER_SECOND = {"/2/httpapi": 30, "/batch": 1000}
DAILY_QUOTA = 500_000

Getter = Callable[[Event], str | None]
USER: Getter = attrgetter("user_id")
DEVICE: Getter = attrgetter("device_id")


def refusal(path: str, events: Sequence[Event], settings: AmplitudeSettings) -> dict[str, Any] | None:
    """The body of the 400 or 429 for a request with ids that are refused, or None.

    A refused request counts down what the settings say of its ids. Daily quotas exist for Batch only.
    """
    silenced = [index for index, one in enumerate(events) if one.device_id in settings.silenced_devices]
    if silenced:
        return _silenced(path, events, silenced)
    known: dict[str, tuple[Answers, Getter, int]] = {
        "throttled_devices": (settings.throttled_devices, DEVICE, EVENTS_PER_SECOND[path] + 1),
        "throttled_users": (settings.throttled_users, USER, EVENTS_PER_SECOND[path] + 1),
    }
    if path == "/batch":
        known |= {
            "exceeded_daily_quota_users": (settings.over_daily_quota_users, USER, DAILY_QUOTA + 1),
            "exceeded_daily_quota_devices": (settings.over_daily_quota_devices, DEVICE, DAILY_QUOTA + 1),
        }
    maps: dict[str, dict[str, int]] = {}
    indexes: set[int] = set()
    for member, (ids, identity, count) in known.items():
        hit = {index: one for index, event in enumerate(events) if (one := identity(event)) in ids and one is not None}
        maps[member] = dict.fromkeys(hit.values(), count)
        indexes |= set(hit)
        _count_down(ids, maps[member])
    if not indexes:
        return None
    return {
        "code": 429,
        "error": "Too many requests for some devices and users",
        "eps_threshold": EVENTS_PER_SECOND[path],
        **maps,
        "throttled_events": sorted(indexes),
    }


def _silenced(path: str, events: Sequence[Event], indexes: list[int]) -> dict[str, Any]:
    return {
        "code": 400,
        "error": "Events silenced for device_id",
        "eps_threshold": EVENTS_PER_SECOND[path],
        "exceeded_daily_quota_devices": {},
        "silenced_devices": sorted({str(events[index].device_id) for index in indexes}),
        "silenced_events": indexes,
        "throttled_devices": {},
        "throttled_events": [],
    }


def _count_down(ids: Answers, hit: dict[str, int]) -> None:
    for identity in hit:
        left = ids[identity]
        if left is not None and left <= 1:
            del ids[identity]
        elif left is not None:
            ids[identity] = left - 1
