"""What an audit found: per hour and flag or event type, and which records are missing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta

from .store import HOUR_MS, AuditStore

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Each key once: when and what it was, how many copies of it arrived, whether it is too recent to tell (whether it can
# have been uploaded shortly before, or after, the newest upload that arrived), and what else keeps it from being told.
OUTCOMES = """
CREATE TEMP TABLE outcomes AS
SELECT *, arrived = 0 AND untold IS NULL
    AND (:newest IS NULL OR (since IS NOT NULL AND since > :newest - :recent)) AS is_recent
FROM (SELECT e.*, (SELECT COUNT(DISTINCT a.copy) FROM arrived a WHERE a.key = e.key) AS arrived,
        (SELECT u.kind FROM untold u WHERE u.key = e.key) AS untold
    FROM (SELECT key, MIN(hour) AS hour, MIN(label) AS label, MAX(since) AS since, MAX(block) AS block,
        MAX(position) AS position FROM expected GROUP BY key) e)
"""
IS_MISSING = "arrived = 0 AND NOT is_recent AND untold IS NULL"
LINES = f"""
CREATE TEMP TABLE counts AS
SELECT hour, IFNULL(name, '') AS name, SUM(expected), SUM(arrived), SUM(missing), SUM(ambiguous), SUM(forgotten),
    SUM(duplicated), SUM(rejected), SUM(skipped), SUM(too_recent)
FROM (
    SELECT hour, label, COUNT(*) AS expected, SUM(arrived > 0) AS arrived, SUM({IS_MISSING}) AS missing,
        SUM(arrived = 0 AND untold IS 'ambiguous') AS ambiguous,
        SUM(arrived = 0 AND untold IS 'forgotten') AS forgotten,
        SUM(arrived > 1) AS duplicated, 0 AS rejected, 0 AS skipped, SUM(is_recent) AS too_recent
    FROM outcomes GROUP BY hour, label
    UNION ALL
    SELECT hour, label, 0, 0, 0, 0, 0, 0, COUNT(DISTINCT CASE kind WHEN 'rejected' THEN key END),
        COUNT(DISTINCT CASE kind WHEN 'skipped' THEN key END), 0
    FROM left_out GROUP BY hour, label
) LEFT JOIN labels ON number = label GROUP BY hour, name ORDER BY hour, name
"""  # noqa: S608  # our own words
MISSING = f"SELECT DISTINCT block, position FROM outcomes WHERE {IS_MISSING} ORDER BY block, position"  # noqa: S608  # no values in it
OLD_MISSING = f"SELECT COUNT(*) FROM outcomes WHERE {IS_MISSING} AND IFNULL(since, 0) < ?"  # noqa: S608  # no values in it
REASONS = "SELECT reason, COUNT(DISTINCT key) FROM left_out WHERE kind = ? GROUP BY reason ORDER BY 2 DESC, 1"
UPLOADED = "SELECT MIN(upload_hour), MAX(upload_hour) FROM arrived"
EXPECTED_HOURS = "SELECT MIN(hour), MAX(hour) FROM expected"
NEWEST_RUN = "SELECT is_finished FROM passes WHERE kind = ? ORDER BY number DESC LIMIT 1"


@dataclass
class Counts:
    """How many records there were of each kind.

    Attributes:
        expected: Distinct keys that should have arrived.
        arrived: Of these, how many did.
        missing: Of these, how many did not.
        ambiguous: Of these, how many were sent without an answer.
        forgotten: Of these, how many are too old for what is known of arrivals.
        duplicated: Of those that arrived, how many did more than once.
        rejected: Records that the target rejects before sending them.
        skipped: Records that the target skips.
        too_recent: Of those that did not arrive, how many may still be on their way.
    """

    expected: int = 0
    arrived: int = 0
    missing: int = 0
    ambiguous: int = 0
    forgotten: int = 0
    duplicated: int = 0
    rejected: int = 0
    skipped: int = 0
    too_recent: int = 0

    def add(self, other: Counts) -> None:
        """Add other counts."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Line:
    """Counts of one hour (UTC; empty without a time) and one flag or event type."""

    hour: str
    group: str
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
    """Evaluates an audit file, as of `now` in epoch seconds."""

    def __init__(self, store: AuditStore, now: float | None = None) -> None:
        self.subject = store.subject
        self._query = store.query
        self._kept_lines = store.lines
        store.index()
        self._first, self._newest = next(self._query(UPLOADED))
        list(self._query(OUTCOMES, {"newest": self._newest, "recent": self.subject.recent_hours}))
        list(self._query(LINES))
        self._now_hour = int((time.time() if now is None else now) * 1000) // HOUR_MS

    def lines(self) -> Iterator[Line]:
        """Yield the counts by hour and flag or event type, in this order."""
        for hour, group, *counts in self._query("SELECT * FROM counts"):
            yield Line(hour_text(hour), group, Counts(*counts))

    def report(self) -> Report:
        """Return the findings, without the lines by flag or event type."""
        report = Report()
        for line in self.lines():
            report.total.add(line.counts)
            report.hours.setdefault(line.hour, Counts()).add(line.counts)
        report.problems = list(self._problems(report.total))
        report.notes = list(self._notes(report.total))
        return report

    def missing_messages(self) -> Iterator[bytes]:
        """Yield SCHEMA messages and the RECORD messages of missing records, as the tap wrote them."""
        for (message,) in self._query("SELECT message FROM schemas"):
            yield message
        yield from self._kept_lines((block, position) for block, position in self._query(MISSING))

    def _problems(self, total: Counts) -> Iterator[str]:
        last = None
        for kind, (what, advice) in self.subject.passes.items():
            last = next(self._query(NEWEST_RUN, (kind,)), None)
            if last is None:
                yield f"No pass has {what}. {advice}"
            elif not last[0]:
                yield (
                    f"The last pass that {what} did not finish, so the figures are incomplete. Run it again; what it "
                    "read is kept."
                )
        if total.expected and not total.arrived and last is not None:
            nothing = self.subject.no_arrivals if self._newest is None else self.subject.nothing_arrived
            yield self._said(nothing, total)

    def _notes(self, total: Counts) -> Iterator[str]:
        for name, text in self.subject.notes.items():
            if count := getattr(total, name):
                yield self._said(text, total, count)
        for kind in ("rejected", "skipped"):
            reasons = [f"{reason} ({count:,})" for reason, count in self._query(REASONS, (kind,))]
            if reasons:
                yield f"{kind.capitalize()}: {', '.join(reasons)}."
        if not total.missing:
            return
        hours = self.subject.deduplicated_hours
        old = 0 if hours is None else next(self._query(OLD_MISSING, (self._now_hour - hours,)))[0]
        yield self._said(self.subject.resend_late if old else self.subject.resend, total, old)

    def _said(self, text: str, total: Counts, count: int = 0) -> str:
        first, last = next(self._query(EXPECTED_HOURS))
        return text.format(
            count=f"{count:,}",
            missing=f"{total.missing:,}",
            first=hour_text(first),
            last=hour_text(last),
            oldest=hour_text(self._first),
            newest=hour_text(self._newest),
        )


def hour_text(hour: int | None) -> str:
    """Return an hour since 1970 as text, `2026-03-14 09:00`; empty when there is none."""
    if hour is None:
        return ""
    return (EPOCH + timedelta(hours=hour)).strftime("%Y-%m-%d %H:00")
