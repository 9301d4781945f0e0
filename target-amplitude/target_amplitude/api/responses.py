"""What to do about each answer of Amplitude. Pure.

The rules, one for each kind of answer, follow https://amplitude.com/docs/apis/analytics/http-v2 ("Status codes"),
.../batch-event-upload and .../http-api-batching-retries. A request that is answered 400 or 429 was refused as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from target_amplitude.api.endpoints import Route

# 429 without naming ids is the project's rate: https://amplitude.com/docs/sdks/sdk-debugging, "wait 60 seconds"
PROJECT_THROTTLE_SECONDS = 60.0
# An id over its daily quota is counted anew every hour; looking once a minute costs nothing.
QUOTA_SECONDS = 60.0

INDEX_MAPS = {
    "events_with_invalid_fields": "its {} is not valid",
    "events_with_missing_fields": "its {} is missing",
    "events_with_invalid_id_lengths": "its {} is too short",
}


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status; 0 when no whole answer came.
        content: Decoded JSON object; empty when the body is none.
        text: The body's beginning, for answers that are no JSON.
        failure: Why no answer came, in words.
        retry_after: Seconds that the answer asks to wait.
    """

    status: int
    content: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    failure: str = ""
    retry_after: float | None = None

    def wait(self, seconds: float) -> float:
        """Return how long to wait: as the answer says, else the given seconds."""
        return seconds if self.retry_after is None else self.retry_after


@dataclass(frozen=True)
class Delivered:
    """All is taken. `ingested` is Amplitude's own count, where it gives one."""

    ingested: int | None = None


@dataclass(frozen=True)
class Again:
    """Send the same once more, after some seconds (None: as long as retries usually wait)."""

    why: str
    seconds: float | None = None


@dataclass(frozen=True)
class Sort:
    """Leave out what is rejected, let the throttled wait, send the rest at once.

    Attributes:
        rejected: Index → reason.
        held: Indexes that must wait.
        held_ids: User and device ids that must wait.
        seconds: How long.
        why: Why they wait, in words.
    """

    rejected: Mapping[int, str]
    held: frozenset[int] = frozenset()
    held_ids: frozenset[str] = frozenset()
    seconds: float = 0.0
    why: str = ""


@dataclass(frozen=True)
class Halve:
    """Send each half alone; a single thing is rejected. `firewall`: first make sure that it is not this machine."""

    reason: str
    firewall: bool = False


@dataclass(frozen=True)
class Stop:
    """Nothing can be delivered; the message says what to do."""

    message: str


Reaction = Delivered | Again | Sort | Halve | Stop


def react(answer: Answer, route: Route, count: int) -> Reaction:  # noqa: PLR0911  # one return a kind of answer
    """Return what to do about an answer to a request of `count` things."""
    status = answer.status
    if status == 0:
        return Again(answer.failure)
    if 200 <= status < 300:
        return react_to_success(answer, route)
    if status == 400:
        return react_to_refusal(answer, route, count)
    if status == 403:
        return Halve("refused by Amplitude's firewall (403)", firewall=True)
    if status == 413:
        return Halve("larger than Amplitude takes (413)")
    if status == 429:
        return react_to_throttle(answer, route, count)
    if status == 408 or status >= 500:
        return Again(f"Amplitude answers {status}", answer.retry_after)
    if status == 401:
        return Stop(wrong_key(status))
    if status == 404:
        return Stop(f"There is no {route.endpoint.path} at this address (404). Check the setting 'api_url'.")
    return Stop(f"Amplitude answers {status} to {route.endpoint.path}, which it documents nowhere. Check 'api_url'.")


def react_to_success(answer: Answer, route: Route) -> Reaction:
    """Return what to do about a 200: only Amplitude's own answer counts as one."""
    if route.is_form:
        return Delivered()  # the answer's body is not documented
    if not answer.content:
        return Again("the answer 200 is not Amplitude's (a proxy?)")
    ingested = answer.content.get("events_ingested")
    return Delivered(ingested if isinstance(ingested, int) else None)


def react_to_refusal(answer: Answer, route: Route, count: int) -> Reaction:
    """Return what to do about a 400."""
    error = str(answer.content.get("error") or answer.text).lower().replace("_", " ")
    if "invalid api key" in error:
        return Stop(wrong_key(400))
    missing = answer.content.get("missing_field")
    if missing:
        return Stop(f"Amplitude misses '{str(missing)[:40]}' in a request to {route.endpoint.path}: a fault of ours.")
    rejected: dict[int, str] = {}
    for name, words in INDEX_MAPS.items():
        fields = answer.content.get(name)
        for field_name, indexes in fields.items() if isinstance(fields, dict) else ():
            reason = "refused by Amplitude (400): " + words.format(str(field_name)[:40])
            rejected |= dict.fromkeys(valid_indexes(indexes, count), reason)
    silenced = valid_indexes(answer.content.get("silenced_events"), count)
    rejected |= dict.fromkeys(silenced, "refused by Amplitude (400): its id is silenced")
    held = valid_indexes(answer.content.get("throttled_events"), count) - rejected.keys()
    if rejected or held:
        return Sort(rejected, held, seconds=answer.wait(route.endpoint.throttle_seconds), why="throttled")
    return Halve("refused by Amplitude (400)")


def react_to_throttle(answer: Answer, route: Route, count: int) -> Reaction:
    """Return what to do about a 429: ids that are named wait, the others go on."""
    held = valid_indexes(answer.content.get("throttled_events"), count)
    throttled = ids_in(answer, "throttled_users", "throttled_devices")
    over_quota = ids_in(answer, "exceeded_daily_quota_users", "exceeded_daily_quota_devices")
    if over_quota:
        why, seconds = "over the daily quota of events of one user or device (429)", QUOTA_SECONDS
    elif held or throttled:
        why, seconds = "throttled, too many events of one user or device (429)", route.endpoint.throttle_seconds
    else:
        wait = IDENTIFY_WAIT if route.is_form else PROJECT_THROTTLE_SECONDS
        return Again("Amplitude throttles the project (429)", answer.wait(wait))
    return Sort({}, held, throttled | over_quota, answer.wait(seconds), why)


# "wait 15 seconds and keep retrying": https://amplitude.com/docs/apis/analytics/identify, status 429
IDENTIFY_WAIT = 15.0


def valid_indexes(value: Any, count: int) -> frozenset[int]:
    """Return the indexes in a list that point into a request."""
    items: Iterable[Any] = value if isinstance(value, list) else ()
    return frozenset(item for item in items if type(item) is int and 0 <= item < count)


def ids_in(answer: Answer, *names: str) -> frozenset[str]:
    """Return the ids that some members of an answer name."""
    found: set[str] = set()
    for name in names:
        ids = answer.content.get(name)
        found.update(ids if isinstance(ids, dict) else ())
    return frozenset(found)


def wrong_key(status: int) -> str:
    """Return the sentence about a key that Amplitude refuses."""
    return (
        f"Amplitude refuses the API key ({status}). Check the setting 'api_key' - the project's API key, not its "
        "secret key - and 'region': a key of an EU project is known in the EU only."
    )
