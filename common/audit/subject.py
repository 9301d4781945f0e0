"""What an audit is about, in words: kept in its file, so that any target can report on it."""

from __future__ import annotations

import msgspec


class Subject(msgspec.Struct, frozen=True):
    """What an audit is about.

    Sentences are templates: `{count}` is a number of records, `{missing}` that of missing ones, `{first}` and `{last}`
    are the hours of expected records, `{oldest}` and `{newest}` those of uploads that arrived.

    Attributes:
        target: Name of the target that delivers.
        title: Heading of the report.
        group: What records are counted by, beside the hour.
        columns: Name of each count in the report, by its name in `Counts`, in order.
        passes: By kind of pass, what it has done, and how to run it.
        nothing_arrived: That other records arrived, but none that was expected.
        no_arrivals: That nothing arrived at all.
        notes: What follows from a count, by its name in `Counts`.
        recent_hours: Hours before the newest arrival within which a record may still be on its way.
        deduplicated_hours: For how long the service recognizes a record that it is sent again; None for ever.
        resend: How missing records can be sent again.
        resend_late: The same when some are older than that.
    """

    target: str
    title: str
    group: str
    columns: dict[str, str]
    passes: dict[str, tuple[str, str]]
    nothing_arrived: str
    no_arrivals: str
    notes: dict[str, str]
    recent_hours: int
    deduplicated_hours: int | None
    resend: str
    resend_late: str
