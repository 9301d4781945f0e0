"""What follows from each answer of Split's events API (https://docs.split.io/reference/create-events).

| answer | what follows |
| --- | --- |
| 2xx | accepted |
| 400, 422 | the request is halved until the bad event stands alone: that one is rejected, the others go on |
| 413 | halved; an event that is too large alone is rejected |
| 401, 403 | the run stops |
| 408, 425, 429, 5xx | tried again with patience, after as long as Split asks to wait |
| none, 502, 504 | nobody knows whether Split took it: `on_ambiguous` says whether it is tried again or skipped |
| anything else | the run stops |
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from target_split.api.client import PASSING, UNHEARD, Answer, AnswerLostError, Host, NotSentError
from target_split.common.errors import ConnectorError
from target_split.common.target.rejects import Rejects
from target_split.common.target.summary import Summary
from target_split.events.batching import Batch, Event, body_of
from target_split.events.ledger import Ledger

BULK_PATH = "/api/events/bulk"

BAD_EVENT = frozenset({400, 422})
TOO_LARGE = 413
KEY_REFUSED = frozenset({401, 403})

# Requests of unknown fate that are told one by one; the rest is only counted.
MOST_TOLD = 20

KEY_HINT = (
    "Split refused the key for events ({status}). Setting 'sdk_api_key' must be a server-side SDK key of the "
    "environment, not an Admin API key, and 'events_url' the host of that account."
)


@dataclass(frozen=True)
class Part:
    """Some events of a batch.

    Attributes:
        stream: Where they come from.
        events: The events.
    """

    stream: str
    events: Sequence[Event]

    @property
    def ids(self) -> list[bytes]:
        """Each event's id in the ledger; empty when there is no ledger."""
        return [event.id for event in self.events if event.id is not None]

    def halves(self) -> tuple[Part, Part]:
        """Return the first and the second half."""
        middle = len(self.events) // 2
        return Part(self.stream, self.events[:middle]), Part(self.stream, self.events[middle:])


@dataclass(frozen=True)
class Try:
    """How one try to post ended.

    Attributes:
        answer: Split's answer, if one came.
        why: What happened, in words.
        lost: Whether nobody knows what Split did.
    """

    answer: Answer | None
    why: str
    lost: bool


class Passage:
    """What the ledger is told of some events on their way.

    Attributes:
        unknown: Set once nobody knows any more whether Split took them.
    """

    def __init__(self, ledger: Ledger | None, part: Part) -> None:
        self.unknown = False
        self._ledger = ledger
        self._part = part
        self._entry: int | None = None

    def begin(self) -> None:
        """Write down that they are about to be posted."""
        if self._ledger is not None and self._entry is None:
            self._entry = self._ledger.posting(self._part.stream, self._part.ids)

    def accepted(self) -> None:
        """Write down that they were accepted, or count as such."""
        if self._ledger is not None and self._entry is not None:
            self._ledger.accepted(self._entry, self._part.ids)

    def refused(self, *, surely: bool = False) -> None:
        """Write down that they were not accepted; of unknown events only where it is sure."""
        if self._ledger is not None and self._entry is not None and (surely or not self.unknown):
            self._ledger.refused(self._entry)
            self._entry = None


class Posting:
    """Posts events. `deliver` may run in several threads.

    Args:
        host: The events API.
        ledger: What was accepted before; None without one.
        summary: Counts.
        rejects: Keeps events that can never be delivered.
        skip_unknown: Whether events of unknown fate are left, not posted again.
    """

    def __init__(
        self, host: Host, ledger: Ledger | None, summary: Summary, rejects: Rejects, *, skip_unknown: bool
    ) -> None:
        self._host = host
        self._ledger = ledger
        self._summary = summary
        self._rejects = rejects
        self._skip_unknown = skip_unknown
        self._told = 0
        self._lock = threading.Lock()

    def deliver(self, batch: Batch) -> None:
        """Post what of a batch was not accepted before; returns when all of it is accepted or rejected.

        Raises:
            ConnectorError: Split refuses everything, or patience is over.
        """
        part = self._unsent(batch)
        if part.events:
            self._deliver(part, None)

    def _unsent(self, batch: Batch) -> Part:
        part = Part(batch.stream, batch.events)
        if self._ledger is None:
            return part
        sifted = self._ledger.sift(part.ids)
        self._summary.add("records_deduplicated", len(batch.events) - len(sifted.fresh) - sifted.skipped)
        if sifted.skipped:
            self._summary.add("records_unknown", sifted.skipped, "skipped")
        if sifted.doubtful:
            self._summary.add("records_unknown", sifted.doubtful, "resent")
        if len(sifted.fresh) == len(batch.events):
            return part
        return Part(batch.stream, [batch.events[i] for i in sifted.fresh])

    def _deliver(self, part: Part, refused: Answer | None) -> bool:
        """Post events, in halves where Split refuses them.

        Args:
            part: The events.
            refused: Split's answer, where it is known already that it refuses the whole of them.

        Returns:
            Whether all were accepted.
        """
        refused = refused or self._post(part)
        if refused is None:
            return True
        if len(part.events) == 1:
            self._give_up(part, refused)
            return False
        first, second = part.halves()
        first_accepted = self._deliver(first, None)
        # A bad event is in one of the halves. A single event is posted all the same: never rejected on suspicion.
        known = first_accepted and refused.status in BAD_EVENT and len(second.events) > 1
        self._deliver(second, refused if known else None)
        return False

    def _post(self, part: Part) -> Answer | None:
        """Post one request, again and again while it may yet be accepted.

        Returns:
            None when it was accepted (or is left, being of unknown fate), else the answer that refuses it for good.
        """
        body = body_of([event.sent for event in part.events])
        passage = Passage(self._ledger, part)
        patience = self._host.patience("posting events")
        while True:
            passage.begin()
            tried = self._try(body)
            answer = tried.answer
            if answer is not None and answer.is_success:
                passage.accepted()
                self._summary.add("records_sent", len(part.events))
                return None
            if answer is not None and answer.status not in PASSING:
                # Events that Split refuses now, it refused before: an answer that was lost said the same.
                passage.refused(surely=is_about_events(answer))
                return refusal(answer)
            if tried.lost:
                self._tell(part, tried.why)
                if self._skip_unknown:
                    passage.accepted()
                    return None
                passage.unknown = True
            else:
                passage.refused()
            patience.wait(tried.why, None if answer is None else answer.wait_seconds)

    def _try(self, body: bytes) -> Try:
        try:
            answer = self._host.send("POST", BULK_PATH, body)
        except NotSentError as error:
            return Try(None, f"Split was not reached ({error}): check 'events_url'", lost=False)
        except AnswerLostError as error:
            return Try(None, f"no answer ({error})", lost=True)
        return Try(answer, f"Split answered {answer.status}", lost=answer.status in UNHEARD)

    def _tell(self, part: Part, why: str) -> None:
        """Note a request of unknown fate for the closing summary, by what the user can look up in Split."""
        self._summary.add("records_unknown", len(part.events), "skipped" if self._skip_unknown else "resent")
        with self._lock:
            self._told += 1
            if self._told == MOST_TOLD + 1:
                self._summary.note("Further requests of unknown fate are only counted, as records_unknown.")
            if self._told > MOST_TOLD:
                return
        times = [decode_time(event.sent).timestamp for event in part.events]
        self._summary.note(
            f"Of unknown fate ({why}), {'skipped' if self._skip_unknown else 'posted again'}: {len(part.events):,} "
            f"events of stream '{part.stream}' with timestamps {min(times)} to {max(times)}."
        )

    def _give_up(self, part: Part, refused: Answer) -> None:
        event = part.events[0]
        reason = "too large for Split" if refused.status == TOO_LARGE else "refused by Split"
        said = without(self._host.redacted(refused.message), msgspec.json.decode(event.sent))
        self._rejects.reject(part.stream, reason, event.origin, refused.status, event.sent, detail=said)


def is_about_events(answer: Answer) -> bool:
    """Whether an answer refuses just these events."""
    return answer.status in BAD_EVENT or answer.status == TOO_LARGE


def refusal(answer: Answer) -> Answer:
    """Return the answer when it is about the events.

    Raises:
        ConnectorError: It refuses whatever would be posted.
    """
    if is_about_events(answer):
        return answer
    if answer.status in KEY_REFUSED:
        raise ConnectorError(KEY_HINT.format(status=answer.status))
    raise ConnectorError(
        f"Split's events API answered {answer.status}, which it should not. Is 'events_url' the right host?"
    )


class Timestamp(msgspec.Struct):
    """The part of a serialised event that says when it happened."""

    timestamp: int


decode_time = msgspec.json.Decoder(Timestamp).decode


def without(message: str, event: dict[str, Any]) -> str:
    """Return Split's words without what is personal in an event."""
    private = [event["key"], *(v for v in (event.get("properties") or {}).values() if isinstance(v, str))]
    for text in sorted(private, key=len, reverse=True):
        if text:
            message = message.replace(text, "…")
    return message
