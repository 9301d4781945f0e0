"""Batches of events delivered: each accepted, rejected, or skipped because nobody knows whether Split has it.

`target_split.api.events` lists the reaction to each answer.
"""

from __future__ import annotations

import threading
from typing import Any

import msgspec

from target_split.api.client import Answer, Host
from target_split.api.events import BAD_EVENT, Action, Reaction, reaction_to
from target_split.common.errors import ConnectorError
from target_split.common.http import AnswerLostError, NotSentError
from target_split.common.target.services import Services
from target_split.common.words import counted
from target_split.events.batch import Batch
from target_split.events.transport import Transport
from target_split.ledger.ledger import Ledger

# Ambiguous requests that are listed one by one; the rest is only counted.
MAX_LISTED = 20


class Refusal(msgspec.Struct, frozen=True):
    """An answer that refuses a batch for good."""

    status: int
    reaction: Reaction
    said: str  # by Split


class EventSender:
    """Delivers batches. Safe to use from several threads.

    Args:
        transport: Carries a batch to Split.
        ledger: What was accepted before; None without one.
        host: Knows how long to retry, and which key no text may show.
        services: Count, and keep what can never be delivered.
        skip_ambiguous: Whether ambiguous events are skipped, not sent again.
    """

    def __init__(
        self, transport: Transport, ledger: Ledger | None, host: Host, services: Services, *, skip_ambiguous: bool
    ) -> None:
        self._transport = transport
        self._ledger = ledger
        self._host = host
        self._summary = services.summary
        self._logger = services.logger
        self._rejects = services.rejects
        self._skip_ambiguous = skip_ambiguous
        self._listed = 0
        self._lock = threading.Lock()

    def deliver(self, batch: Batch) -> None:
        """Post what of a batch was not accepted before; returns when all of it is accepted, skipped or rejected.

        Raises:
            ConnectorError: Split refuses everything, or the retry deadline is over.
        """
        unsent = self._without_accepted(batch)
        if unsent.events:
            self._deliver(unsent, None)
        batch.hold.done()

    def _without_accepted(self, batch: Batch) -> Batch:
        if self._ledger is None:
            return batch
        sifted = self._ledger.sift(batch.ids)
        known = len(batch.ids) - len(sifted.fresh) - sifted.skipped
        self._summary.add("records_deduplicated", known, stream=batch.stream)
        self._count_ambiguous(batch.stream, sifted.skipped, "skipped")
        self._count_ambiguous(batch.stream, sifted.resent, "resent")
        return batch.chosen(sifted.fresh)

    def _deliver(self, batch: Batch, refusal: Refusal | None) -> bool:
        """Post events, in halves where Split refuses them.

        Args:
            batch: The events.
            refusal: Split's answer, where it is known already that it refuses the whole of them.

        Returns:
            Whether all were accepted.
        """
        refusal = refusal or self._post(batch)
        if refusal is None:
            return True
        if len(batch.events) == 1:
            self._reject(batch, refusal)
            return False
        first, second = batch.halves()
        first_accepted = self._deliver(first, None)
        # A bad event is in one of the halves. A single event is posted all the same: never rejected on suspicion.
        known = first_accepted and refusal.reaction is BAD_EVENT and len(second.events) > 1
        self._deliver(second, refusal if known else None)
        return False

    def _post(self, batch: Batch) -> Refusal | None:
        """Post one request, again and again while it may yet be accepted.

        Returns:
            None when it was accepted (or skipped as ambiguous), else the answer that refuses its events for good.
        """
        retry, entry = self._host.new_retry(), LedgerEntry(self._ledger, batch)
        while True:
            entry.begin()
            answer: Answer | None = None
            try:
                answer = self._transport.post(batch)
                reaction, why = reaction_to(answer), f"Split answered {answer.status}"
            except NotSentError as error:
                reaction, why = Reaction(Action.RETRY), f"{error}: check 'events_url'"
            except AnswerLostError as error:
                reaction, why = Reaction(Action.RETRY_AMBIGUOUS), str(error)
            except ConnectorError:
                entry.refused()  # the request cannot be made
                raise
            if reaction.action is Action.ACCEPT:
                entry.accepted()
                metric, reason = self._transport.counts_as
                self._summary.add(metric, len(batch.events), reason, batch.stream)
                return None
            if reaction.action is Action.BISECT and answer is not None:
                # Events that Split refuses now, it refused before: an answer that was lost said the same.
                entry.refused(for_sure=True)
                return Refusal(answer.status, reaction, self._host.redacted(answer.message))
            if reaction.action is Action.STOP and answer is not None:
                entry.refused()
                said = self._host.redacted(answer.message) or "no message"
                raise ConnectorError(reaction.words.format(status=answer.status, said=said))
            if reaction.action is Action.RETRY_AMBIGUOUS:
                self._list_ambiguous(batch, why)
                if self._skip_ambiguous:
                    entry.accepted()
                    return None
                entry.is_ambiguous = True
            else:
                entry.refused()
            retry.wait(f"events: {why}", answer.retry_after if answer else None)

    def _count_ambiguous(self, stream: str, count: int, reason: str) -> None:
        if count:
            self._summary.add("records_ambiguous", count, reason, stream)

    def _list_ambiguous(self, batch: Batch, why: str) -> None:
        """Log an ambiguous request at once, by what the user can look up in Split: the run may be killed."""
        self._count_ambiguous(batch.stream, len(batch.events), "skipped" if self._skip_ambiguous else "resent")
        with self._lock:
            self._listed += 1
            if self._listed == MAX_LISTED + 1:
                self._logger.warning("Further ambiguous requests are only counted, as records_ambiguous.")
            if self._listed > MAX_LISTED:
                return
        times = [decode_time(event).timestamp for event in batch.events]
        self._logger.warning(
            "Ambiguous (%s), %s: %s of stream '%s' with timestamps %s to %s.",
            why,
            "skipped" if self._skip_ambiguous else "sent again",
            counted(len(batch.events), "event"),
            batch.stream,
            min(times),
            max(times),
        )

    def _reject(self, batch: Batch, refusal: Refusal) -> None:
        sent = batch.events[0]
        detail = without_values(refusal.said, msgspec.json.decode(sent))
        self._rejects.reject(
            batch.stream, refusal.reaction.words, batch.origins[0], refusal.status, sent, detail=detail
        )


class LedgerEntry:
    """What the ledger is told of a batch on its way.

    Attributes:
        is_ambiguous: Whether nobody knows any more if Split took it.
    """

    def __init__(self, ledger: Ledger | None, batch: Batch) -> None:
        self.is_ambiguous = False
        self._ledger = ledger
        self._batch = batch
        self._number: int | None = None

    def begin(self) -> None:
        """Write down that it is about to be posted."""
        if self._ledger is not None and self._number is None:
            self._number = self._ledger.posting(self._batch.stream, self._batch.ids)

    def accepted(self) -> None:
        """Write down that it was accepted, or counts as such."""
        if self._ledger is not None and self._number is not None:
            self._ledger.accepted(self._number, self._batch.ids)

    def refused(self, *, for_sure: bool = False) -> None:
        """Write down that it was not accepted; where it is ambiguous only if it is known for sure."""
        if self._ledger is not None and self._number is not None and (for_sure or not self.is_ambiguous):
            self._ledger.refused(self._number, self._batch.ids)
            self._number = None


class Timestamp(msgspec.Struct):
    """The part of a serialized event that says when it happened."""

    timestamp: int


decode_time = msgspec.json.Decoder(Timestamp).decode


def without_values(message: str, event: dict[str, Any]) -> str:
    """Return Split's words without what is personal in an event."""
    private = [event["key"], *(v for v in (event.get("properties") or {}).values() if isinstance(v, str))]
    for text in sorted(private, key=len, reverse=True):
        if text:
            message = message.replace(text, "***")
    return message
