"""docs/accounts.md, followed from an empty folder: clone, install, .env, check, dry run, run, look."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo import data
from demo.services import post, receiver
from support.meltano import ROOT
from support.sandbox import Sandbox

PAGE = (ROOT / "docs" / "accounts.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^ *((?:[A-Z_]+=\S+ )*meltano .+)$", re.MULTILINE)
NOW = datetime.now(UTC)
SETTINGS = {
    "TAP_AMPLITUDE_API_KEY": "sandbox-api-key",
    "TAP_AMPLITUDE_SECRET_KEY": "sandbox-secret-key",
    "TAP_AMPLITUDE_START_DATE": (NOW - timedelta(hours=14)).isoformat(),
    "TAP_AMPLITUDE_COHORT_NAMES": '["*"]',
    "TARGET_AMPLITUDE_API_KEY": "sandbox-api-key",
    "TARGET_SPLIT_SDK_API_KEY": "sandbox-sdk-key",
    "TARGET_SPLIT_ADMIN_API_KEY": "sandbox-admin-key",
    "TARGET_SPLIT_WORKSPACE_ID": "Demo",
    "TARGET_SPLIT_ENVIRONMENT": "Production",
}
SERVICES = (
    "TAP_SPLIT_IMPRESSIONS_API_URL",
    "TAP_AMPLITUDE_API_URL",
    "TARGET_AMPLITUDE_API_URL",
    "TARGET_SPLIT_EVENTS_URL",
    "TARGET_SPLIT_ADMIN_URL",
)
CHANGE_NOTHING = ("_DRY_RUN=true ", " --check")


class Newcomer:
    """Someone with an empty folder, the page, and nothing of Meltano in the environment but where the services are."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MELTANO", "VIRTUAL_ENV", "TAP_", "TARGET_"))
        }
        self._environment = inherited | dict.fromkeys(SERVICES, url)

    def run(self, commands: str) -> str:
        """Run commands, which must succeed; return all they print."""
        done = subprocess.run(
            ["bash", "-c", f"set -e\n{commands}"],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout

    def fill_in(self, settings: dict[str, str]) -> None:
        """Write settings into .env, each behind its name where the example has a line for it."""
        path = self.folder / "split-amplitude" / ".env"
        text = path.read_text(encoding="utf-8")
        for name, value in settings.items():
            line = f"{name}={value}"
            text, count = re.subn(rf"^{name}=.*$", lambda _, line=line: line, text, flags=re.MULTILINE)
            text += "" if count else f"{line}\n"
        path.write_text(text, encoding="utf-8")


def test_the_page_from_an_empty_folder(tmp_path: Path, services: Sandbox) -> None:
    newcomer = Newcomer(tmp_path, services.url)
    install = BLOCK.findall(PAGE)[0]
    newcomer.run(install.replace("REPOSITORY", str(ROOT)))
    impressions = tmp_path / "impressions"
    newcomer.fill_in(SETTINGS | {"TAP_SPLIT_IMPRESSIONS_PATH": str(impressions)})

    rows = [row for row in data.impressions(NOW) if row["key"] not in data.REFUSED_KEYS][:40]
    with receiver(impressions, tmp_path / "receiver.log") as url:
        post(url, [rows])
    members = data.cohort_members()
    services.put_export_rows(
        data.product_events(NOW.replace(minute=0, second=0, microsecond=0) - timedelta(hours=9), 1)
    )
    services.put_cohort(**data.COHORT, members=members)

    # The shell that the first block left: in the clone, its environment active, the environment prod.
    shell = "cd split-amplitude\n" + "\n".join(re.findall(r"^(?:source|export) .+$", install, re.MULTILINE))
    said: dict[str, str] = {}
    changed: list[str] = []
    for command in COMMAND.findall(PAGE):
        before = [services.amplitude_events(), services.split_events(), services.split_segments()]
        said[command] = newcomer.run(f"{shell}\n{command}")
        if before != [services.amplitude_events(), services.split_events(), services.split_segments()]:
            changed.append(command)

    assert [command for command in said if any(words in command for words in CHANGE_NOTHING)]
    assert changed == [command for command in said if not any(words in command for words in CHANGE_NOTHING)]
    assert changed == [
        "meltano invoke target-amplitude --send-test-event",
        "meltano run impressions-as-events",
        "meltano run impressions-as-exposures",
        "meltano run impressions-as-user-properties",
        "meltano run events-to-split",
        "meltano run cohorts-to-segments",
    ]
    (sender,) = {event["user_id"] for event in services.amplitude_events()} - {row["key"] for row in rows}
    assert sender in said["meltano invoke target-amplitude --send-test-event"]
    assert "eventTypeId" in said["TARGET_SPLIT_DRY_RUN=true meltano run tap-amplitude target-split"]
    (segment,) = services.split_segments()
    assert set(segment["keys"]) == {member["user_id"] for member in members if member["user_id"]}


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_is_filled_in_is_on_the_page_or_in_the_example(setting: str) -> None:
    assert setting in PAGE + (ROOT / ".env.example").read_text(encoding="utf-8")
