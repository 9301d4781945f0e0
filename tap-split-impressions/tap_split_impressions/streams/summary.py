"""What the closing summary says of the stream `impressions`."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tap_split_impressions.common.summary import Phrase, Summary
from tap_split_impressions.common.words import counted
from tap_split_impressions.folder.scan import Scan
from tap_split_impressions.impressions.filters import Filters


def of_files(metric: str, words: str) -> Phrase:
    """Return a phrase that is no metric and is left out when there is nothing to say."""
    return Phrase(metric, words, is_said_at_zero=False, is_metric=False, one=words.replace("files", "file", 1))


PHRASES = (
    Phrase("records_read", "read"),
    Phrase("records_sent", "sent", is_metric=False),  # its metric is `record_count` of the SDK
    Phrase("records_skipped", "skipped"),
    Phrase("records_rejected", "rejected"),
    of_files("files", "files"),
    of_files("files_unreadable", "files unreadable"),
    of_files("files_too_early", "files not opened, which arrived long before start_date"),
    of_files("files_repeated", "files skipped, equal to another one"),
)


def remarks(scan: Scan, summary: Summary) -> Iterator[str]:
    """Yield what a user should look at after a scan."""
    skipped = {reason: n for (metric, reason), n in summary.counts().items() if metric == "records_skipped" and n}
    if skipped and not summary["records_sent"]:
        yield _remark_on_filters(skipped, scan.filters)
    if count := scan.shaper.unreadable_properties:
        has = counted(count, "impression has", "impressions have")
        yield f"{has} properties that are not a JSON object; these are left empty."


def _remark_on_filters(skipped: dict[str, int], filters: Filters) -> str:
    reasons = ", ".join(f"{count:,} by {reason}" for reason, count in sorted(skipped.items()))
    seen = "; ".join(f"{name}: {', '.join(sorted(values))}" for name, values in filters.seen.items() if values)
    return (
        f"The settings let nothing through: {counted(sum(skipped.values()), 'impression was', 'impressions were')} "
        f"skipped ({reasons}). "
        + (f"There were {seen}. " if seen else "")
        + "The state moves past them: if that is wrong, correct the settings and run once without state."
    )


def lag_seconds(scan: Scan) -> int:
    """Return for how long the oldest unread file has waited; 0 when all are read."""
    waiting = [unread.file.arrived for unread in scan.reading.waiting()]
    return round(max(0.0, time.time() - min(waiting))) if waiting else 0
