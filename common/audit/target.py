"""Audits in a target: their part of a run, and `--audit-report` on the command line."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..target.services import Stream
from ..target.target import StreamingTarget
from .writer import AuditWriter


class AuditedTarget(StreamingTarget):
    """Base of targets whose deliveries can be audited.

    Attributes:
        audit: Writes the audit file; None in a run that delivers.
    """

    audit: AuditWriter | None = None

    def note_schema(self, stream: Stream) -> None:
        """Remember a stream as the tap describes it."""
        super().note_schema(stream)
        if self.audit is not None:
            self.audit.add_source(stream)

    def tick(self) -> None:
        """Do what is due now and then."""
        if self.audit is not None:
            self.audit.commit_old()
        super().tick()

    def process_endofpipe(self) -> None:
        """End the passes of the audit, or deliver what is left."""
        self._count_read()
        if self.audit is not None:
            self.audit.finish()
        super().process_endofpipe()

    def give_up(self) -> None:
        """Close the audit file; what is not committed is dropped."""
        if self.audit is not None:
            self.audit.close()

    @classmethod
    def invoke(
        cls,
        *,
        audit_report: tuple[str, ...] = (),
        html: str | None = None,
        missing: str | None = None,
        **options: Any,
    ) -> None:
        """Run the target from the command line, or report on audits."""
        if not audit_report or options.get("about"):
            super().invoke(**options)
            return
        from .command import run_report  # noqa: PLC0415  # no other command needs it

        as_json = options.get("about_format") == "json"
        sys.exit(run_report(audit_report, html=html, missing=missing, as_json=as_json))

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command line, with `--audit-report`."""
        command = super().get_singer_command()
        command.params += [
            click.Option(
                ["--audit-report"],
                metavar="FILE",
                multiple=True,
                help="Print the report of an audit file and end, as JSON with --format json; exit code 1 when records "
                "are missing. May be given several times.",
            ),
            click.Option(["--html"], metavar="OUT", help="With --audit-report: also write an HTML page."),
            click.Option(
                ["--missing"], metavar="OUT", help="With --audit-report: write missing records as Singer messages."
            ),
        ]
        return command
