"""The `prod` environment of meltano.yml with a copy of `.env.example` in which only the keys are filled in."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo import data
from demo.services import post, receiver
from support.meltano import ROOT, Meltano
from support.sandbox import Sandbox

NOW = datetime.now(UTC)
KEYS = {
    "TARGET_AMPLITUDE_API_KEY": "sandbox-api-key",
    "TAP_AMPLITUDE_API_KEY": "sandbox-api-key",
    "TAP_AMPLITUDE_SECRET_KEY": "sandbox-secret-key",
    "TARGET_SPLIT_SDK_API_KEY": "sandbox-sdk-key",
}
JOBS = ("impressions-as-events", "impressions-as-exposures", "impressions-as-user-properties")


@pytest.fixture
def project(meltano: Meltano) -> Meltano:
    """The project in a folder of its own, with a `.env` in place of settings in the environment."""
    folder = meltano.folder / "project"
    folder.mkdir()
    shutil.copy(ROOT / "meltano.yml", folder)
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    for name, key in (KEYS | {"TAP_SPLIT_IMPRESSIONS_PATH": str(meltano.impressions)}).items():
        text, found = re.subn(rf"^{name}=$", f"{name}={key}", text, flags=re.MULTILINE)
        assert found == 1, name
    (folder / ".env").write_text(text, encoding="utf-8")
    meltano.project = folder
    kept = {name: value for name, value in meltano.environment.items() if name.endswith("_URL")}
    kept |= {name: value for name, value in meltano.environment.items() if name.startswith("MELTANO_")}
    meltano.environment = kept | {"MELTANO_ENVIRONMENT": "prod"}
    return meltano


def test_impressions_arrive_whichever_way_they_are_sent(project: Meltano, services: Sandbox, tmp_path: Path) -> None:
    rows = [row for row in data.impressions(NOW) if row["key"] not in data.REFUSED_KEYS][:40]
    with receiver(project.impressions, tmp_path / "receiver.log") as url:
        post(url, [rows])
    for job in JOBS:
        project.succeeds("run", job)
    events = services.amplitude_events()
    assert len([event for event in events if event["event_type"] == "get_treatment"]) == len(rows)
    assert {user["user_id"] for user in services.amplitude_users()} == {row["key"] for row in rows}


def test_events_arrive_in_split_without_an_environment_name(project: Meltano, services: Sandbox) -> None:
    rows = data.product_events(NOW.replace(minute=0, second=0, microsecond=0) - timedelta(hours=9), 1)
    services.put_export_rows(rows)
    start = (NOW - timedelta(hours=14)).isoformat()
    project.succeeds("run", "events-to-split", TAP_AMPLITUDE_START_DATE=start)
    stored = services.split_events()
    assert len(stored) == len([row for row in rows if row["user_id"]]) > 0
    assert not [event for event in stored if event.get("environmentName") == ""]
