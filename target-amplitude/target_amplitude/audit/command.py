"""`--audit-report`: prints an audit's findings, as text or JSON, as an HTML page, and writes what is missing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
import msgspec

from target_amplitude.audit.page import page
from target_amplitude.audit.report import Findings, Report
from target_amplitude.audit.store import AuditStore
from target_amplitude.common.errors import ConnectorError

COLUMNS = ("expected", "arrived", "missing", "duplicated", "rejected", "too_recent")
REPORT_OPTIONS = [
    click.Option(
        ["--audit-report"],
        metavar="FILE",
        help="Print the report of an audit file and end, as JSON with --format json; exit code 1 when records are "
        "missing.",
    ),
    click.Option(["--html"], metavar="OUT", help="With --audit-report: also write an HTML page."),
    click.Option(["--missing"], metavar="OUT", help="With --audit-report: write missing records as Singer messages."),
]


def run_report(path: str, *, html: str | None, missing: str | None, as_json: bool) -> int:
    """Print the report; return the exit code: 1 when something is missing, or the audit cannot tell.

    Args:
        path: The audit file.
        html: File for the HTML page, if one is wanted.
        missing: File for the missing records as Singer messages, if they are wanted.
        as_json: Print JSON instead of a table.

    Raises:
        ConnectorError: A file cannot be read or written.
    """
    store = AuditStore(path)
    try:
        findings = Findings(store)
        report = findings.report()
        for line in json_lines(findings, report) if as_json else text_lines(findings, report):
            click.echo(line)
        if html:
            write_file(html, [page(report, findings.lines()).encode()])
        if missing:
            write_missing(missing, findings, report)
    finally:
        store.close()
    return 0 if report.is_clean else 1


def write_missing(path: str, findings: Findings, report: Report) -> None:
    """Write the missing records as Singer messages.

    Raises:
        ConnectorError: The audit cannot tell what is missing, or the file cannot be written.
    """
    if report.problems:
        raise ConnectorError(f"--missing: nothing is written, because the audit cannot tell. {report.problems[0]}")
    count = write_file(path, findings.missing_messages())
    click.echo(f"Wrote {count:,} lines to {path}. Send them: target-amplitude --config CONFIG < {path}", err=True)


def write_file(path: str, lines: Iterator[bytes] | list[bytes]) -> int:
    """Write lines to a private file; return their number.

    Raises:
        ConnectorError: The file cannot be written.
    """
    count = 0
    try:
        descriptor = os.open(Path(path).expanduser(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for line in lines:
                file.write(line + b"\n")
                count += 1
    except OSError as error:
        raise ConnectorError(f"{path} cannot be written: {error.strerror}.") from None
    return count


def text_lines(findings: Findings, report: Report) -> Iterator[str]:
    """Yield the report as a table."""
    form = "{:<16}  {:<32}" + "  {:>10}" * len(COLUMNS)
    yield form.format("hour (UTC)", "flag", *(name.replace("_", " ") for name in COLUMNS))
    for line in findings.lines():
        yield form.format(line.hour, line.flag[:32], *(f"{count:,}" for count in asdict(line.counts).values()))
    yield form.format("all", "", *(f"{count:,}" for count in asdict(report.total).values()))
    yield from report.problems
    yield from report.notes
    if report.is_clean:
        yield "Nothing is missing."


def json_lines(findings: Findings, report: Report) -> Iterator[str]:
    """Yield the report as one JSON object, a line of it for each hour and flag."""
    encode = msgspec.json.encode
    head = {
        "is_clean": report.is_clean,
        "total": asdict(report.total),
        "problems": report.problems,
        "notes": report.notes,
        "hours": [],
    }
    yield encode(head).decode().removesuffix("]}")
    separator = ""
    for line in findings.lines():
        yield separator + encode({"hour": line.hour, "flag": line.flag, **asdict(line.counts)}).decode()
        separator = ","
    yield "]}"
