"""docs/audit.md with Meltano: everything arrived, then something did not."""

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
    audit, report = re.findall(r"^meltano (.+)$", PAGE.partition("## From a shell")[0], re.MULTILINE)
    receive(project, 40)
    project.succeeds("run", "impressions-as-events")
    project.succeeds(*shlex.split(audit), **START)
    said = project.succeeds(*shlex.split(report))
    assert re.search(r"\b40\b", said.stdout), said.stdout
    assert "<html" in (project.folder / "audit.html").read_text(encoding="utf-8")
    assert len(services.amplitude_events()) == 40  # the audit sent nothing
