"""The report as an HTML page: self-contained, with charts, for people without this tool."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from itertools import islice

from ..words import counted
from .report import Counts, Findings, Line, Report
from .subject import Subject

MAX_ROWS = 2_000
CHART_WIDTH, CHART_HEIGHT = 960, 220
WIDEST_BAR = 60
# Counts of lines that are shown: anything but arrived and skipped records.
NOTABLE = ("missing", "duplicated", "rejected", "too_recent", "ambiguous", "forgotten")
# Bottom to top of each bar: count, color.
PARTS = (("arrived", "#2f7d4f"), ("too_recent", "#b9bfc6"), ("ambiguous", "#d9a514"), ("missing", "#c2410c"))

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1c2430 }
h1 { font-size: 1.4rem } h2 { font-size: 1.2rem; margin-top: 2.5rem } h3 { font-size: 1rem }
.verdict { font-size: 1.1rem; font-weight: 600 } .bad { color: #c2410c } .good { color: #2f7d4f }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #e3e6ea }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left }
svg { width: 100%; height: auto; margin: 1rem 0 } .key span { margin-right: 1.2rem }
.key i { display: inline-block; width: .8rem; height: .8rem; margin-right: .4rem; vertical-align: -1px }
"""


def page(audits: Iterable[tuple[Findings, Report]]) -> str:
    """Return the page: a section for each audit."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Audit</title>'
        f"<style>{STYLE}</style></head><body><h1>Audit: what should have arrived, and what did</h1>"
        f"{''.join(section(findings, report) for findings, report in audits)}</body></html>"
    )


def section(findings: Findings, report: Report) -> str:
    """Return the section of an audit: totals, a chart, and the hours with something to see."""
    subject = findings.subject
    missing = counted(report.total.missing, "record is", "records are")
    verdict = "Nothing is missing." if report.is_clean else f"{missing} missing."
    if report.problems:
        verdict = "The audit cannot tell."
    notable = (line for line in findings.lines() if any(getattr(line.counts, name) for name in NOTABLE))
    shown = list(islice(notable, MAX_ROWS))
    more = f"<p>The first {MAX_ROWS:,} are shown.</p>" if len(shown) == MAX_ROWS else ""
    messages = "".join(f"<p>{escape(text)}</p>" for text in (*report.problems, *report.notes))
    differing = f"<h3>Where they differ, by hour and {escape(subject.group)}</h3>{table(subject, shown)}{more}"
    return (
        f'<h2>{escape(subject.title)}</h2><p class="verdict {"good" if report.is_clean else "bad"}">{escape(verdict)}'
        f"</p>{messages}{table(subject, [Line('all', '', report.total)])}{chart(subject, report.hours)}"
        f"{differing if shown else ''}"
    )


def table(subject: Subject, lines: Iterable[Line]) -> str:
    """Return a table of counts."""
    names = ("hour (UTC)", subject.group, *subject.columns.values())
    head = "".join(f"<th>{escape(name.capitalize().replace('utc', 'UTC'))}</th>" for name in names)
    body = "".join(
        f"<tr><td>{escape(line.hour)}</td><td>{escape(line.group)}</td>"
        + "".join(f"<td>{getattr(line.counts, name):,}</td>" for name in subject.columns)
        + "</tr>"
        for line in lines
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def chart(subject: Subject, hours: dict[str, Counts]) -> str:
    """Return a bar chart of the hours as SVG: what became of expected records, on top of each other."""
    known = {hour: counts for hour, counts in hours.items() if hour and counts.expected}
    if not known:
        return ""
    highest = max(counts.expected for counts in known.values())
    width = CHART_WIDTH / len(known)
    bars = "".join(
        _bar(subject, number * width, width, hour, counts, highest)
        for number, (hour, counts) in enumerate(known.items())
    )
    first, last = escape(min(known)), escape(max(known))
    key = "".join(
        f'<span><i style="background:{color}"></i>{subject.columns[name]}</span>'
        for name, color in PARTS
        if name in subject.columns
    )
    return (
        f'<svg viewBox="0 0 {CHART_WIDTH} {CHART_HEIGHT + 24}" role="img" aria-label="Expected records by hour">{bars}'
        f'<text x="0" y="{CHART_HEIGHT + 18}" font-size="13">{first}</text>'
        f'<text x="{CHART_WIDTH}" y="{CHART_HEIGHT + 18}" font-size="13" text-anchor="end">{last}, at most '
        f'{highest:,} an hour</text></svg><p class="key">{key}</p>'
    )


def _bar(subject: Subject, x: float, width: float, hour: str, counts: Counts, highest: int) -> str:  # noqa: PLR0913, PLR0917  # a rectangle
    parts, y = [], float(CHART_HEIGHT)
    for name, color in PARTS:
        height = getattr(counts, name) / highest * CHART_HEIGHT
        if height:
            y -= height
            size = f'width="{min(max(width * 0.9, 0.5), WIDEST_BAR):.2f}" height="{height:.2f}"'
            parts.append(f'<rect x="{x:.2f}" y="{y:.2f}" {size} fill="{color}"/>')
    said = ", ".join(
        f"{getattr(counts, name):,} {subject.columns[name]}" for name in ("expected", "arrived", "missing")
    )
    return f"<g><title>{escape(hour)}: {escape(said)}</title>{''.join(parts)}</g>"
