"""What an audit found: per hour and flag, and which records are missing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta

from target_amplitude.audit.store import HOUR_MS, AuditStore

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Exports lag: Amplitude makes an hour available about two hours after its end, and uploads follow their records.
RECENT_HOURS = 3
# https://amplitude.com/docs/apis/analytics/http-v2, "Event deduplication"
DEDUPLICATION_HOURS = 7 * 24

# Each insert id once: when and what it was, how many events (uuids) of it arrived, and whether it is too recent to
# tell: whether it can have been uploaded shortly before, or after, the newest hour of the export.
OUTCOMES = """
CREATE TEMP TABLE outcomes AS
SELECT *, arrived = 0 AND (:newest IS NULL OR (since IS NOT NULL AND since > :newest - :recent)) AS is_recent
FROM (SELECT e.*, (SELECT COUNT(DISTINCT a.uuid) FROM arrived a WHERE a.key = e.key) AS arrived
    FROM (SELECT key, MIN(hour) AS hour, MIN(label) AS label, MAX(since) AS since, MAX(block) AS block,
        MAX(position) AS position FROM expected GROUP BY key) e)
"""
LINES = """
SELECT hour, name, SUM(expected), SUM(arrived), SUM(missing), SUM(duplicated), SUM(rejected), SUM(too_recent) FROM (
    SELECT hour, label, COUNT(*) AS expected, SUM(arrived > 0) AS arrived,
        SUM(arrived = 0 AND NOT is_recent) AS missing, SUM(arrived > 1) AS duplicated, 0 AS rejected,
        SUM(is_recent) AS too_recent
    FROM outcomes GROUP BY hour, label
    UNION ALL
    SELECT hour, label, 0, 0, 0, 0, COUNT(DISTINCT key), 0 FROM rejected GROUP BY hour, label
) LEFT JOIN labels ON number = label GROUP BY hour, name ORDER BY hour, name
"""
MISSING = "SELECT block, position FROM outcomes WHERE arrived = 0 AND NOT is_recent ORDER BY block, position"
OLD_MISSING = "SELECT COUNT(*) FROM outcomes WHERE arrived = 0 AND NOT is_recent AND IFNULL(since, 0) < ?"
UPLOADED = "SELECT MIN(upload_hour), MAX(upload_hour) FROM arrived"
EXPECTED_HOURS = "SELECT MIN(hour), MAX(hour) FROM expected"


@dataclass
class Counts:
    """How many records there were of each kind.

    Attributes:
        expected: Distinct insert ids that should have arrived.
        arrived: Of these, how many did.
        missing: Of these, how many did not.
        duplicated: Of those that arrived, how many did more than once.
        rejected: Records that target-amplitude rejects before sending them.
        too_recent: Of those that did not arrive, how many may still be on their way into the export.
    """

    expected: int = 0
    arrived: int = 0
    missing: int = 0
    duplicated: int = 0
    rejected: int = 0
    too_recent: int = 0

    def add(self, other: Counts) -> None:
        """Add other counts."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Line:
    """Counts of one hour (UTC; empty without a time) and one flag or event type."""

    hour: str
    flag: str
    counts: Counts


@dataclass
class Report:
    """An audit's findings.

    Attributes:
        total: Counts of everything.
        problems: Why the figures cannot be relied on, in sentences.
        notes: What else is to be known, in sentences.
        hours: Counts by hour.
    """

    total: Counts = field(default_factory=Counts)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hours: dict[str, Counts] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is missing and nothing keeps the audit from saying so."""
        return not self.total.missing and not self.problems


class Findings:
    """Evaluates an audit file.

    Args:
        store: The file.
        now: Epoch seconds.
    """

    def __init__(self, store: AuditStore, now: float | None = None) -> None:
        self._database = store.database
        self._kept_lines = store.lines
        store.index()
        self._first, self._newest = self._database.execute(UPLOADED).fetchone()
        self._database.execute(OUTCOMES, {"newest": self._newest, "recent": RECENT_HOURS})
        now_hour = int((time.time() if now is None else now) * 1000) // HOUR_MS
        self._deduplicated_since = now_hour - DEDUPLICATION_HOURS

    def lines(self) -> Iterator[Line]:
        """Yield the counts by hour and flag, in this order."""
        for hour, label, *counts in self._database.execute(LINES):
            yield Line(hour_text(hour), label or "", Counts(*counts))

    def report(self) -> Report:
        """Return the findings, without the lines by flag."""
        report = Report()
        for line in self.lines():
            report.total.add(line.counts)
            report.hours.setdefault(line.hour, Counts()).add(line.counts)
        report.problems = list(self._problems(report.total))
        report.notes = list(self._notes(report.total))
        return report

    def missing_messages(self) -> Iterator[bytes]:
        """Yield SCHEMA messages and the RECORD messages of missing records, as the tap wrote them."""
        for (message,) in self._database.execute("SELECT message FROM schemas"):
            yield message
        rows = self._database.execute(MISSING)
        yield from self._kept_lines((block, position) for block, position in rows if block is not None)

    def _problems(self, total: Counts) -> Iterator[str]:
        for kind, what, advice in (
            ("expected", "records as expected", "the source of the load"),
            ("arrived", "exported events", "tap-amplitude's stream 'events'"),
        ):
            last = self._database.execute(
                "SELECT is_finished FROM passes WHERE kind = ? ORDER BY number DESC", (kind,)
            ).fetchone()
            if last is None:
                yield f"No pass has noted {what}. Run {advice} into target-amplitude with 'audit_path' set."
            elif not last[0]:
                yield (
                    f"The last pass that noted {what} did not finish, so the figures are incomplete. Run it again; "
                    "what it read is kept."
                )
        if total.expected and not total.arrived and self._newest is not None:
            first, last_hour = self._database.execute(EXPECTED_HOURS).fetchone()
            yield (
                f"No expected record is in the export: the records are of {hour_text(first)} to "
                f"{hour_text(last_hour)}, the export covers uploads of {hour_text(self._first)} to "
                f"{hour_text(self._newest)} (UTC). Export the hours in which they were uploaded, from the same "
                "project, and audit with the settings of the load."
            )

    def _notes(self, total: Counts) -> Iterator[str]:
        if total.too_recent:
            yield (
                f"{total.too_recent:,} records are too recent to tell: they may have been uploaded later than "
                f"{RECENT_HOURS} hours before the end of the export ({hour_text(self._newest)} UTC). Audit them later."
            )
        if not total.missing:
            return
        old = self._database.execute(OLD_MISSING, (self._deduplicated_since,)).fetchone()[0]
        if old:
            yield (
                f"{old:,} of {total.missing:,} missing records are older than the 7 days for which Amplitude "
                "recognizes an insert_id. If one of them was accepted after the export was read, sending it again "
                "counts it twice."
            )
        else:
            yield (
                f"All {total.missing:,} missing records are within the 7 days for which Amplitude recognizes an "
                "insert_id: sending them again cannot count them twice."
            )


def hour_text(hour: int | None) -> str:
    """Return an hour since 1970 as text, `2026-03-14 09:00`; empty when there is none."""
    if hour is None:
        return ""
    return (EPOCH + timedelta(hours=hour)).strftime("%Y-%m-%d %H:00")
