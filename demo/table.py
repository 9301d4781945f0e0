"""Tables for people, as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from demo.pipelines import Outcome

COLUMNS = {
    "records_read": "read",
    "records_sent": "sent",
    "records_deduplicated": "de-duplicated",
    "records_skipped": "skipped",
    "records_rejected": "rejected",
    "http_request_count": "requests",
}


def outcome_table(outcomes: Sequence[Outcome]) -> str:
    head = ["pipeline", *COLUMNS.values(), "seconds"]
    rows = [[o.pipeline.title, *(f"{o.count(metric):,}" for metric in COLUMNS), f"{o.seconds:.1f}"] for o in outcomes]
    first, *widths = (max(map(len, column)) for column in zip(head, *rows, strict=True))
    form = f"  {{:<{first}}}" + "".join(f"  {{:>{width}}}" for width in widths)
    rule = "  " + "─" * (first + sum(widths) + 2 * len(widths))
    return "\n".join([form.format(*head), rule, *(form.format(*row) for row in rows)])
