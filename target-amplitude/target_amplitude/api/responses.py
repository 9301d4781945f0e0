"""What each of Amplitude's answers means, as one table. Pure.

The rules follow https://amplitude.com/docs/apis/analytics/http-v2 ("Status codes"), .../batch-event-upload,
.../identify and .../http-api-batching-retries. A request that is answered 400 or 429 was refused as a whole.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from target_amplitude.api.endpoints import Route

# An id over its daily quota is counted anew every hour; asking once a minute costs nothing.
QUOTA_SECONDS = 60.0

INDEX_MAPS = {
    "events_with_invalid_fields": "its {} is not valid",
    "events_with_missing_fields": "its {} is missing",
    "events_with_invalid_id_lengths": "its {} is too short",
}
MAX_FIELD_CHARACTERS = 40


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status.
        content: The decoded JSON object; empty when the body is not one.
        text: The beginning of the body.
        retry_after: Seconds that the answer asks to wait.
        was_compressed: Whether the request was.
    """

    status: int
    content: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    retry_after: float | None = None
    was_compressed: bool = False

    @property
    def error(self) -> str:
        """The error's text in lower case; the legacy endpoints answer with a text such as `invalid_api_key`."""
        return str(self.content.get("error") or self.text).lower().replace("_", " ")


class Action(enum.Enum):
    """What to do about an answer."""

    ACCEPT = "everything was accepted"
    RETRY = "send the same again, after a wait"
    SORT = "leave out what the answer rejects, hold back what it throttles, send the rest at once"
    BISECT = "send each half alone; a single one is rejected"
    SEND_PLAIN = "send once more without compression; if it was not compressed, stop"
    STOP = "nothing can be delivered"


@dataclass(frozen=True)
class Named:
    """What an answer names: by position in the request, and by user or device id."""

    indexes: frozenset[int] = frozenset()
    ids: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.indexes or self.ids)


@dataclass(frozen=True)
class Reaction:
    """What to do about one answer.

    Attributes:
        action: What to do.
        message: Why, for people: a reason for `RETRY`, `SORT` and `BISECT`, a sentence for `STOP` and `SEND_PLAIN`.
        status: HTTP status.
        wait_seconds: How long to wait; None: as long as retries usually do.
        ingested: How many events Amplitude counted, where it says so.
        rejected: Position in the request → reason.
        throttled: What must wait.
        over_quota: What exceeds the daily quota of its id.
    """

    action: Action
    message: str = ""
    status: int = 0
    wait_seconds: float | None = None
    ingested: int | None = None
    rejected: Mapping[int, str] = field(default_factory=dict)
    throttled: Named = Named()
    over_quota: Named = Named()


Condition = Callable[[Answer, Route], bool]


def says(*texts: str) -> Condition:
    """Return a condition: the error holds one of some texts, in lower case."""
    return lambda answer, _: any(text in answer.error for text in texts)


def is_success(answer: Answer, route: Route) -> bool:
    """Whether a 200 is Amplitude's documented success; the Identify APIs answer with the text `success`."""
    if route.is_form and not answer.content:
        return answer.text.strip().lower() == "success"
    is_counted = route.is_form or type(answer.content.get("events_ingested")) is int
    return answer.content.get("code") == 200 and is_counted


def is_not_amplitudes(answer: Answer, route: Route) -> bool:
    """Whether an error page is a proxy's: Amplitude answers events in JSON, identifications in JSON or plain words."""
    text = answer.text.lstrip()
    return text.startswith("<") if route.is_form else bool(text) and not answer.content


def lacks_field(answer: Answer, _: Route) -> bool:
    """Whether the request as such lacks a field."""
    return bool(answer.content.get("missing_field"))


def names_events(answer: Answer, _: Route) -> bool:
    """Whether the answer names events, or ids."""
    return any(answer.content.get(name) for name in (*INDEX_MAPS, *THROTTLED_INDEXES, *THROTTLED_IDS, *QUOTA_IDS))


def always(_: Answer, __: Route) -> bool:
    """Hold for every answer."""
    return True


THROTTLED_INDEXES = ("silenced_events", "throttled_events")
THROTTLED_IDS = ("throttled_users", "throttled_devices")
QUOTA_IDS = ("exceeded_daily_quota_users", "exceeded_daily_quota_devices")

WRONG_KEY = (
    "Amplitude refuses the API key ({status}). Check the setting 'api_key' (the project's API key, not its secret key) "
    "and 'region': the key of an EU project is valid in the EU only."
)
NOT_THE_EVENTS = (
    "{path} refused the request itself, not its events ({status}): {error}. A proxy or gateway in between may have "
    "changed it. Check the setting 'api_url' and the proxy; no record was dropped."
)


@dataclass(frozen=True)
class Rule:
    """One row of the table: what to do about answers of some statuses that meet a condition."""

    statuses: range
    condition: Condition
    action: Action
    message: str = ""


def only(status: int) -> range:
    """Return a range of one status."""
    return range(status, status + 1)


# The first row that applies decides.
RULES = (
    Rule(only(200), is_success, Action.ACCEPT),
    Rule(range(200, 300), always, Action.RETRY, "the answer {status} is not Amplitude's (a proxy or a login page?)"),
    Rule(
        range(300, 400),
        always,
        Action.STOP,
        "{path} is redirected ({status}). Check the setting 'api_url' and the proxy.",
    ),
    Rule(only(400), says("invalid api key"), Action.STOP, WRONG_KEY),
    Rule(only(400), says("invalid request path"), Action.STOP, NOT_THE_EVENTS),
    Rule(only(400), says("missing request body", "invalid json request body"), Action.SEND_PLAIN, NOT_THE_EVENTS),
    Rule(only(400), is_not_amplitudes, Action.SEND_PLAIN, NOT_THE_EVENTS),
    Rule(only(400), lacks_field, Action.STOP, NOT_THE_EVENTS),
    Rule(only(400), names_events, Action.SORT, "throttled"),
    Rule(only(400), always, Action.BISECT, "refused by Amplitude (400)"),
    Rule(only(401), always, Action.STOP, WRONG_KEY),
    Rule(only(403), always, Action.BISECT, "refused by Amplitude's firewall (403)"),
    Rule(only(404), always, Action.STOP, "There is no {path} at this URL (404). Check the setting 'api_url'."),
    Rule(only(408), always, Action.RETRY, "Amplitude answered 408"),
    Rule(only(413), always, Action.BISECT, "larger than Amplitude accepts (413)"),
    Rule(only(415), always, Action.SEND_PLAIN, NOT_THE_EVENTS),
    Rule(only(429), names_events, Action.SORT, "throttled, too many events of one user or device (429)"),
    Rule(only(429), always, Action.RETRY, "Amplitude throttles the project (429)"),
    Rule(range(500, 600), always, Action.RETRY, "Amplitude answered {status}"),
    Rule(
        range(100, 1000),
        always,
        Action.STOP,
        "Amplitude answered {status} to {path}, which its API does not document. Check the setting 'api_url'.",
    ),
)
OVER_QUOTA = "over the daily quota of events of one user or device (429)"


def react(answer: Answer, route: Route, count: int) -> Reaction:
    """Return what to do about an answer.

    Args:
        answer: What came back.
        route: How the request was sent.
        count: How many events or identifications it held.
    """
    rule = next(rule for rule in RULES if answer.status in rule.statuses and rule.condition(answer, route))
    if rule.action is Action.SORT:
        return _sort(answer, route, count, rule.message)
    message = rule.message.format(status=answer.status, path=route.endpoint.path, error=_error_in_words(answer, route))
    ingested = answer.content.get("events_ingested") if rule.action is Action.ACCEPT else None
    wait = answer.retry_after
    if wait is None and answer.status == 429:
        wait = route.endpoint.project_throttle_seconds
    return Reaction(rule.action, message, answer.status, wait, ingested)


def _sort(answer: Answer, route: Route, count: int, message: str) -> Reaction:
    rejected: dict[int, str] = {}
    for name, words in INDEX_MAPS.items():
        fields = answer.content.get(name)
        for field_name, indexes in fields.items() if isinstance(fields, dict) else ():
            reason = f"refused by Amplitude ({answer.status}): {words.format(str(field_name)[:MAX_FIELD_CHARACTERS])}"
            rejected |= dict.fromkeys(_indexes(indexes, count), reason)
    silenced = _indexes(answer.content.get("silenced_events"), count)
    rejected |= dict.fromkeys(silenced, f"refused by Amplitude ({answer.status}): its id is silenced")
    indexes = _indexes(answer.content.get("throttled_events"), count) - rejected.keys()
    throttled = Named(indexes, _ids(answer, THROTTLED_IDS))
    over_quota = Named(ids=_ids(answer, QUOTA_IDS)) if answer.status == 429 else Named()
    if not rejected and not indexes and (answer.status == 400 or not (throttled or over_quota)):
        return _sort_without_names(answer, route)
    wait = answer.retry_after
    if wait is None:
        wait = QUOTA_SECONDS if over_quota and not throttled.ids else route.endpoint.throttle_seconds
    return Reaction(
        Action.SORT,
        OVER_QUOTA if over_quota else message,
        answer.status,
        wait,
        rejected=rejected,
        throttled=throttled,
        over_quota=over_quota,
    )


def _sort_without_names(answer: Answer, route: Route) -> Reaction:
    """Return the reaction to an answer that names nothing of this request."""
    if answer.status == 400:
        return Reaction(Action.BISECT, "refused by Amplitude (400)", 400)
    wait = route.endpoint.project_throttle_seconds if answer.retry_after is None else answer.retry_after
    return Reaction(Action.RETRY, "Amplitude throttles the project (429)", answer.status, wait)


def _error_in_words(answer: Answer, route: Route) -> str:
    """Return the documented part of an error: nothing that a proxy wrote, nothing that was sent."""
    if is_not_amplitudes(answer, route):
        return "the answer is a page of something else than Amplitude"
    if answer.content.get("missing_field"):
        return f"'{str(answer.content['missing_field'])[:MAX_FIELD_CHARACTERS]}' is missing"
    documented = ("invalid request path", "missing request body", "invalid json request body")
    return next((text for text in documented if text in answer.error), "no reason given")


def _indexes(value: Any, count: int) -> frozenset[int]:
    """Return the positions in a list that point into a request."""
    items: Iterable[Any] = value if isinstance(value, list) else ()
    return frozenset(item for item in items if type(item) is int and 0 <= item < count)


def _ids(answer: Answer, names: Iterable[str]) -> frozenset[str]:
    """Return the ids that some members of an answer name."""
    found: set[str] = set()
    for name in names:
        ids = answer.content.get(name)
        found.update(ids if isinstance(ids, dict) else ())
    return frozenset(found)
