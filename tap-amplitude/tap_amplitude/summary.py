"""What the closing summary says, in this order."""

from __future__ import annotations

from tap_amplitude.common.summary import Phrase


def unless_zero(metric: str, words: str) -> Phrase:
    """Return a phrase that is left out when there is nothing to say; `record_count` of the SDK is its metric."""
    return Phrase(metric, words, is_said_at_zero=False, is_metric=False)


PHRASES = (
    unless_zero("events", "events"),
    unless_zero("hours", "hours with events"),
    unless_zero("empty_windows", "windows without events"),
    unless_zero("files", "files"),
    unless_zero("cohort_members", "cohort members"),
    unless_zero("cohort_changes", "cohort changes"),
    unless_zero("other_records", "other records"),
    Phrase("records_skipped", "skipped"),
    Phrase("values_nulled", "values of a wrong type made null"),
    Phrase("http_request_count", "requests", one="request"),
    Phrase("http_retry_count", "retries", one="retry"),
    Phrase("bytes_received", "bytes", one="byte"),
)
