"""Split's events API: where it is, and the reaction to each answer (https://docs.split.io/reference/create-events).

| answer | reaction |
| --- | --- |
| 202 | accepted |
| 400, 422 | bisected until the bad event stands alone: that one is rejected, the others go on |
| 413 | bisected; an event that is too large alone is rejected |
| 400 about the request as such | the run stops |
| 401, 403 | the run stops |
| 408, 425, 429, 500, 503 | retried, after as long as Split asks to wait |
| none after bytes were sent, 502, 504 | ambiguous: `on_ambiguous` says whether it is retried or skipped |
| a web page, a redirect, any other 2xx, anything else | the run stops: it is not this API that answers |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from target_split.api.client import Answer

BULK_PATH = "/api/events/bulk"
EVENTS_URL = "https://events.split.io"


class Action(Enum):
    """What to do after an answer."""

    ACCEPT = "accept"
    BISECT = "bisect"
    RETRY = "retry"
    RETRY_AMBIGUOUS = "retry ambiguous"
    STOP = "stop"


@dataclass(frozen=True)
class Reaction:
    """What to do after an answer, and the words for it.

    Attributes:
        action: What to do.
        words: The reason of a reject, or the message of a run that stops.
    """

    action: Action
    words: str = ""


KEY_REFUSED = Reaction(
    Action.STOP,
    "Split refused the key for events ({status}). Setting 'sdk_api_key' must be a server-side SDK key of the "
    "environment, not an Admin API key, and 'events_url' the host of that account.",
)
REQUEST_REFUSED = Reaction(
    Action.STOP,
    "Split refused the request as such ({status}: {said}), not single events. Check 'events_url', and whether a proxy "
    "changes requests.",
)
UNKNOWN = Reaction(
    Action.STOP,
    "The answer {status} is not one of Split's events API, which accepts events with 202. Check 'events_url', and "
    "whether a proxy or a login page stands in between.",
)
BAD_EVENT = Reaction(Action.BISECT, "refused by Split")
TOO_LARGE = Reaction(Action.BISECT, "too large for Split")

REACTIONS = {
    202: Reaction(Action.ACCEPT),
    **dict.fromkeys((400, 422), BAD_EVENT),
    413: TOO_LARGE,
    **dict.fromkeys((401, 403), KEY_REFUSED),
    **dict.fromkeys((408, 425, 429, 500, 503), Reaction(Action.RETRY)),
    # From a gateway, which does not know what Split did.
    **dict.fromkeys((502, 504), Reaction(Action.RETRY_AMBIGUOUS)),
}

# What such a service says of a request that it cannot read, whatever events are in it.
REQUEST_WORDS = ("invalid request path", "missing request body", "invalid json", "not valid json", "not a json")


def reaction_to(answer: Answer) -> Reaction:
    """Return the reaction to an answer."""
    reaction = REACTIONS.get(answer.status, UNKNOWN)
    if reaction.action in (Action.RETRY, Action.RETRY_AMBIGUOUS):
        return reaction  # also with a gateway's web page
    if answer.is_foreign:
        return KEY_REFUSED if reaction is KEY_REFUSED else UNKNOWN
    if reaction is BAD_EVENT and any(words in answer.message.lower() for words in REQUEST_WORDS):
        return REQUEST_REFUSED
    return reaction
