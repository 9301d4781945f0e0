"""`--audit-report`: prints an audit's findings, as text or JSON, as an HTML page, and writes what is missing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import click
import msgspec

from ..errors import ConnectorError
from ..words import counted
from .page import page
from .report import Counts, Findings, Report
from .store import AuditStore
from .subject import Subject


def run_report(paths: Sequence[str], *, html: str | None, missing: str | None, as_json: bool) -> int:
    """Print the report; return the exit code: 1 when something is missing, or the audit cannot tell.

    JSON is an object for each file, on a line of its own. `missing` is the file for missing records as Singer messages.

    Raises:
        ConnectorError: A file cannot be read or written.
    """
    if missing and len(paths) > 1:
        raise ConnectorError("--missing writes the records of one audit: name one file with --audit-report.")
    with ExitStack() as files:
        stores = [files.enter_context(closing(AuditStore(path))) for path in paths]
        audits = [(findings, findings.report()) for findings in map(Findings, stores)]
        for number, (findings, report) in enumerate(audits):
            if as_json:
                print_json(findings, report)
            else:
                _print_text(findings, report, is_first=not number)
        if html:
            write_file(html, [page(audits).encode()])
        if missing:
            write_missing(missing, *audits[0])
    return 0 if all(report.is_clean for _, report in audits) else 1


def write_missing(path: str, findings: Findings, report: Report) -> None:
    """Write the missing records as Singer messages, unless the audit cannot tell which are.

    Raises:
        ConnectorError: The audit cannot tell what is missing, or the file cannot be written.
    """
    if report.problems:
        raise ConnectorError(f"--missing: nothing is written, because the audit cannot tell. {report.problems[0]}")
    count = write_file(path, findings.missing_messages())
    click.echo(
        f"Wrote {counted(count, 'line')} to {path}. Send them: {findings.subject.target} --config CONFIG < {path}",
        err=True,
    )


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


def _print_text(findings: Findings, report: Report, *, is_first: bool) -> None:
    subject = findings.subject
    widths = [max(len(name), 10) for name in subject.columns.values()]
    form = "{:<16}  {:<32}" + "".join(f"  {{:>{width}}}" for width in widths)
    click.echo(subject.title if is_first else f"\n{subject.title}")
    click.echo(form.format("hour (UTC)", subject.group, *subject.columns.values()))
    for line in findings.lines():
        click.echo(form.format(line.hour, line.group[:32], *figures(subject, line.counts)))
    click.echo(form.format("all", "", *figures(subject, report.total)))
    for sentence in (*report.problems, *report.notes):
        click.echo(sentence)
    if report.is_clean:
        click.echo("Nothing is missing.")


def figures(subject: Subject, counts: Counts) -> list[str]:
    """Return the counts that a table shows, as text."""
    return [f"{getattr(counts, name):,}" for name in subject.columns]


def print_json(findings: Findings, report: Report) -> None:
    """Print the report as one JSON object on a line, piece by piece: there may be many hours and flags."""
    subject, encode = findings.subject, msgspec.json.encode
    head = {
        "title": subject.title,
        "is_clean": report.is_clean,
        "total": named(subject, report.total),
        "problems": report.problems,
        "notes": report.notes,
        "hours": [],
    }
    click.echo(encode(head).decode().removesuffix("]}"), nl=False)
    separator, group = "", subject.group.replace(" ", "_")
    for line in findings.lines():
        piece = encode({"hour": line.hour, group: line.group, **named(subject, line.counts)}).decode()
        click.echo(separator + piece, nl=False)
        separator = ","
    click.echo("]}")


def named(subject: Subject, counts: Counts) -> dict[str, int]:
    """Return the counts by their names in the report."""
    return {name.replace(" ", "_"): getattr(counts, field) for field, name in subject.columns.items()}
