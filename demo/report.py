"""The picture of a run: one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template

from demo.compare import Compared
from demo.pipelines import Outcome

TEMPLATE = Path(__file__).with_name("report.html")
ROW_HEIGHT = 28
LABEL_WIDTH = 230
CHART_WIDTH = 640

# Whether what is sent counts toward the event volume (Amplitude's pages "Limits" and "Event tracking").
WAYS = {
    "target-amplitude": ("as events", True),
    "target-amplitude-exposure": ("as exposures", False),
    "target-amplitude-identify": ("as user properties", False),
}


def page(first: Sequence[Outcome], second: Sequence[Outcome], sides: Sequence[Compared]) -> str:
    equal = not any(side.difference for side in sides)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        verdict="Both sides are equal" if equal else "The two sides differ",
        verdict_class="good" if equal else "bad",
        pipelines="".join(pipeline(*pair) for pair in zip(first, second, strict=True)),
        timeline=timeline([*first, *second]),
        sides="".join(cells(side.what, f"{side.count:,}", side.verdict) for side in sides),
        rejects="".join(
            cells(outcome.pipeline.title, reason, f"{count:,}")
            for outcome in first
            for reason, count in outcome.reasons("records_rejected").items()
        ),
        volume=volume(first),
    )


def pipeline(first: Outcome, second: Outcome) -> str:
    """Return the boxes of one pipeline: the tap, what passed, the target, what it did."""
    passed = f"{first.count('records_read'):,} read"
    counts = [("sent", "records_sent"), ("de-duplicated", "records_deduplicated"), ("skipped", "records_skipped")]
    counts += [("rejected", "records_rejected"), ("requests", "http_request_count")]
    facts = "".join(f"<li><b>{first.count(metric):,}</b> {word}</li>" for word, metric in counts)
    again = second.count("records_sent")
    return (
        f'<article><h3>{escape(first.pipeline.title)}</h3><div class="flow">'
        f'<span class="box">{escape(first.pipeline.tap)}</span><span class="arrow">{passed} →</span>'
        f'<span class="box">{escape(first.pipeline.target)}</span></div><ul>{facts}</ul>'
        f"<p>{first.seconds:.1f} s; second run: {again:,} sent{' ✓' if not again else ''}</p></article>"
    )


def timeline(outcomes: Sequence[Outcome]) -> str:
    begin = min(outcome.started for outcome in outcomes)
    span = max(outcome.started + outcome.seconds for outcome in outcomes) - begin
    bars = []
    for row, outcome in enumerate(outcomes):
        left = LABEL_WIDTH + (outcome.started - begin) / span * CHART_WIDTH
        width = max(outcome.seconds / span * CHART_WIDTH, 2)
        top = row * ROW_HEIGHT
        number = 1 if row < len(outcomes) // 2 else 2
        bars.append(
            f'<text x="0" y="{top + 18}">{escape(outcome.pipeline.title)}</text>'
            f'<rect class="run{number}" x="{left:.1f}" y="{top + 5}" width="{width:.1f}" height="18" rx="3">'
            f"<title>{outcome.seconds:.1f} s</title></rect>"
        )
    height = len(outcomes) * ROW_HEIGHT
    return f'<svg viewBox="0 0 {LABEL_WIDTH + CHART_WIDTH} {height}" role="img">{"".join(bars)}</svg>'


def volume(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for outcome in outcomes:
        if outcome.pipeline.target in WAYS:
            name, billed = WAYS[outcome.pipeline.target]
            sent = outcome.count("records_sent")
            requests = outcome.count("http_request_count")
            rows.append(
                cells(name, f"{outcome.count('records_read'):,}", f"{requests:,}", f"{sent if billed else 0:,}")
            )
    return "".join(rows)


def cells(*texts: str) -> str:
    return "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in texts) + "</tr>"
