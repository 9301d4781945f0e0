"""The closing summary of the stream `impressions`, in words and as Singer metrics."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable

from tap_split_impressions.common.metrics import count, gauge
from tap_split_impressions.folder.scan import Scan

Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]


def summarize(scan: Scan, seconds: float, stream: str, logger: Logger) -> None:
    """Log what a scan did.

    Args:
        scan: The scan.
        seconds: How long it took.
        stream: Name of the stream, for the metrics.
        logger: For the words.
    """
    counts = scan.counts
    count("records_read", counts.read, stream=stream)
    for metric, reasons in (("records_skipped", counts.skipped), ("records_rejected", counts.rejected)):
        for reason, number in reasons.items():
            count(metric, number, stream=stream, reason=reason)
    gauge("bookmark_lag_seconds", lag_seconds(scan), stream=stream)
    logger.info(
        "Read %d impressions from %d files in %.1f s: %d sent, %d skipped%s, %d not impressions, %d files unreadable.",
        counts.read,
        counts.files,
        seconds,
        counts.sent,
        counts.skipped.total(),
        in_words(counts.skipped),
        counts.rejected.total(),
        len(counts.damaged),
    )
    if counts.skipped and not counts.sent:
        warn_of_filters(scan, logger)
    if scan.shaper.unreadable_properties:
        logger.warning(
            "%d impressions had properties that are not a JSON object; these are left empty.",
            scan.shaper.unreadable_properties,
        )
    if counts.too_early:
        logger.info("%d files arrived long before start_date; they were not opened.", counts.too_early)
    if scan.reading.same_content:
        logger.info("%d files hold the same as another file; each was read once.", scan.reading.same_content)


def warn_of_filters(scan: Scan, logger: Logger) -> None:
    """Warn that the settings let nothing through, and tell what there was."""
    filters = scan.selection.filters
    seen = "; ".join(f"{name}: {listed(values)}" for name, values in filters.seen.items() if values)
    logger.warning(
        "The settings let nothing through: all %d impressions were skipped%s. %s"
        "The state moves past them: if that is wrong, correct the settings and run once without state.",
        scan.counts.skipped.total(),
        in_words(scan.counts.skipped),
        f"There were {seen}. " if seen else "",
    )


def lag_seconds(scan: Scan) -> int:
    """Return for how long the oldest unread file has waited; 0 when all are read."""
    waiting = [unread.file.arrived for unread in scan.reading.waiting()]
    return round(max(0.0, time.time() - min(waiting))) if waiting else 0


def in_words(reasons: Counter[str]) -> str:
    """Return counts by reason, in brackets, or an empty text."""
    text = ", ".join(f"{number} by {reason}" for reason, number in reasons.most_common())
    return f" ({text})" if text else ""


def listed(names: Iterable[str]) -> str:
    """Return names in alphabetical order."""
    return ", ".join(sorted(names))
