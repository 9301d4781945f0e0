"""The audit's HTML page: self-contained, with a chart, for people without this tool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from html import escape

from target_amplitude.audit.report import Counts, Line, Report

MAX_ROWS = 2_000
CHART_WIDTH, CHART_HEIGHT = 960, 220
# Bottom to top of each bar: name, color.
PARTS = (("arrived", "#2f7d4f"), ("too_recent", "#b9bfc6"), ("missing", "#c2410c"))

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1c2430 }
h1 { font-size: 1.4rem } .verdict { font-size: 1.1rem; font-weight: 600 }
.bad { color: #c2410c } .good { color: #2f7d4f }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #e3e6ea }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left }
svg { width: 100%; height: auto; margin: 1rem 0 } .key span { margin-right: 1.2rem }
.key i { display: inline-block; width: .8rem; height: .8rem; margin-right: .4rem; vertical-align: -1px }
"""


def page(report: Report, lines: Iterable[Line]) -> str:
    """Return the page.

    Args:
        report: The findings.
        lines: Counts by hour and flag; those with something to see are listed.
    """
    verdict = "Nothing is missing." if report.is_clean else f"{report.total.missing:,} records are missing."
    if report.problems:
        verdict = "The audit cannot tell."
    shown = [line for _, line in zip(range(MAX_ROWS), filter(is_notable, lines), strict=False)]
    more = f"<p>The first {MAX_ROWS:,} are shown.</p>" if len(shown) == MAX_ROWS else ""
    messages = "".join(f"<p>{escape(text)}</p>" for text in (*report.problems, *report.notes))
    listed = f"<h2>Hours and flags that differ</h2>{table(rows(shown))}{more}" if shown else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Audit: Split to Amplitude</title>'
        f"<style>{STYLE}</style></head><body><h1>Audit: what should be in Amplitude, and what is</h1>"
        f'<p class="verdict {"good" if report.is_clean else "bad"}">{escape(verdict)}</p>{messages}'
        f"{table([('all', '', report.total)])}{chart(report.hours)}{listed}</body></html>"
    )


def is_notable(line: Line) -> bool:
    """Whether a line has anything but arrived records."""
    counts = line.counts
    return bool(counts.missing or counts.duplicated or counts.rejected or counts.too_recent)


def rows(lines: Iterable[Line]) -> Iterator[tuple[str, str, Counts]]:
    """Yield hour, flag and counts of lines."""
    for line in lines:
        yield line.hour, line.flag, line.counts


def table(content: Iterable[tuple[str, str, Counts]]) -> str:
    """Return a table of counts."""
    names = ("Hour (UTC)", "Flag", "Expected", "Arrived", "Missing", "Duplicated", "Rejected", "Too recent")
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(
        f"<tr><td>{escape(hour)}</td><td>{escape(flag)}</td>"
        + "".join(f"<td>{count:,}</td>" for count in asdict(counts).values())
        + "</tr>"
        for hour, flag, counts in content
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def chart(hours: dict[str, Counts]) -> str:
    """Return a bar chart of the hours as SVG: arrived, too recent and missing records on top of each other."""
    known = {hour: counts for hour, counts in hours.items() if hour and counts.expected}
    if not known:
        return ""
    highest = max(counts.expected for counts in known.values())
    width = CHART_WIDTH / len(known)
    bars = "".join(
        bar(number * width, width, hour, counts, highest) for number, (hour, counts) in enumerate(known.items())
    )
    first, last = escape(min(known)), escape(max(known))
    key = "".join(f'<span><i style="background:{color}"></i>{name.replace("_", " ")}</span>' for name, color in PARTS)
    return (
        f'<svg viewBox="0 0 {CHART_WIDTH} {CHART_HEIGHT + 24}" role="img" aria-label="Expected records by hour">{bars}'
        f'<text x="0" y="{CHART_HEIGHT + 18}" font-size="13">{first}</text>'
        f'<text x="{CHART_WIDTH}" y="{CHART_HEIGHT + 18}" font-size="13" text-anchor="end">{last}, at most '
        f'{highest:,} an hour</text></svg><p class="key">{key}</p>'
    )


def bar(x: float, width: float, hour: str, counts: Counts, highest: int) -> str:
    """Return one hour's bar."""
    parts, y = [], float(CHART_HEIGHT)
    for name, color in PARTS:
        height = getattr(counts, name) / highest * CHART_HEIGHT
        if height:
            y -= height
            size = f'width="{max(width * 0.9, 0.5):.2f}" height="{height:.2f}"'
            parts.append(f'<rect x="{x:.2f}" y="{y:.2f}" {size} fill="{color}"/>')
    title = f"{hour}: {counts.expected:,} expected, {counts.arrived:,} arrived, {counts.missing:,} missing"
    return f"<g><title>{escape(title)}</title>{''.join(parts)}</g>"
