"""docs/audit.md with Meltano: everything arrived, in both directions."""

from __future__ import annotations

import re
import shlex
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo import data
from demo.services import post, receiver
from support.meltano import ROOT, Meltano
from support.sandbox import Sandbox

PAGE = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
NOW = datetime.now(UTC)
START = {"TAP_AMPLITUDE_START_DATE": (NOW - timedelta(hours=14)).isoformat()}
PRODUCT_EVENTS = 200


@pytest.fixture
def project(meltano: Meltano, tmp_path: Path) -> Meltano:
    """The Meltano project in a folder of its own, which the audit file is written to."""
    shutil.copy(ROOT / "meltano.yml", tmp_path)
    meltano.project = tmp_path
    return meltano


def receive(meltano: Meltano, count: int) -> None:
    """Receive impressions of ten hours ago: they were uploaded before what the sandbox takes for now."""
    rows = [row for row in data.impressions(NOW - timedelta(hours=10)) if row["key"] not in data.REFUSED_KEYS][:count]
    with receiver(meltano.impressions, meltano.folder / "receiver.log") as url:
        post(url, [rows])


def test_the_commands_of_the_page(project: Meltano, services: Sandbox) -> None:
    commands = re.findall(r"^meltano (.+)$", PAGE.partition("## From a shell")[0], re.MULTILINE)
    assert len(commands) == 5
    audit, report, audit_split, report_split, both = (shlex.split(command) for command in commands)
    hour = NOW.replace(minute=0, second=0, microsecond=0)
    products = data.product_events(hour - timedelta(hours=9), 3)[:PRODUCT_EVENTS]
    services.put_export_rows(products)
    receive(project, 40)
    project.succeeds("run", "impressions-as-events")
    project.succeeds("run", "events-to-split", **START)
    posted = len(services.split_events())
    assert posted

    project.succeeds(*audit, **START)
    said = project.succeeds(*report)
    assert re.search(r"\b40\b", said.stdout), said.stdout
    assert "<html" in (project.folder / "audit.html").read_text(encoding="utf-8")
    assert len(services.amplitude_events()) == 40  # the audit sent nothing

    project.succeeds(*audit_split, **START)
    said = project.succeeds(*report_split)
    assert re.search(rf"^all .*\b{posted} +{posted} +0\b", said.stdout, re.MULTILINE), said.stdout
    assert "own event (40)" in said.stdout
    assert len(services.split_events()) == posted
    project.succeeds(*both)
    assert (project.folder / "audit.html").read_text(encoding="utf-8").count("<h2>") == 2
