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
    """Return a table with a row for each pipeline."""
    rows = [[o.pipeline.title, *(f"{o.count(metric):,}" for metric in COLUMNS), f"{o.seconds:.1f}"] for o in outcomes]
    return text_table(["pipeline", *COLUMNS.values(), "seconds"], rows)


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns: the first to the left, figures to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) if not i else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  " + "  ".join([first, *others])

    return "\n".join([line(head), "  " + "─" * (sum(widths) + 2 * len(widths) - 2), *map(line, rows)])
