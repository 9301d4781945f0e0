"""docs/accounts.md, done in its order by someone who has but the keys: environment prod, settings from variables."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime, timedelta

from demo import data
from demo.services import post, receiver
from support.meltano import ROOT, Meltano
from support.processes import Result
from support.sandbox import Sandbox

PAGE = (ROOT / "docs" / "accounts.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"^ *((?:[A-Z_]+=\S+ )*)meltano (.+)$", re.MULTILINE)
NOW = datetime.now(UTC)
KEYS = {
    "MELTANO_ENVIRONMENT": "prod",
    "TAP_AMPLITUDE_API_KEY": "sandbox-api-key",
    "TAP_AMPLITUDE_SECRET_KEY": "sandbox-secret-key",
    "TAP_AMPLITUDE_START_DATE": (NOW - timedelta(hours=14)).isoformat(),
    "TARGET_AMPLITUDE_API_KEY": "sandbox-api-key",
    "TARGET_SPLIT_SDK_API_KEY": "sandbox-sdk-key",
    "TARGET_SPLIT_ADMIN_API_KEY": "sandbox-admin-key",
    "TARGET_SPLIT_WORKSPACE_ID": "Demo",
    "TARGET_SPLIT_ENVIRONMENT": "Production",
}


def test_each_command_of_the_page(meltano: Meltano, services: Sandbox) -> None:
    rows = [row for row in data.impressions(NOW) if row["key"] not in data.REFUSED_KEYS][:40]
    with receiver(meltano.impressions, meltano.folder / "receiver.log") as url:
        post(url, [rows])
    products = data.product_events(NOW.replace(minute=0, second=0, microsecond=0) - timedelta(hours=9), 1)
    members = data.cohort_members()
    services.put_export_rows(products)
    services.put_cohort(**data.COHORT, members=members)

    ran: dict[str, Result] = {}
    changed: dict[str, bool] = {}
    for variables, command in COMMAND.findall(PAGE):
        before = [services.amplitude_events(), services.split_events(), services.split_segments()]
        environment = KEYS | dict(one.split("=", 1) for one in variables.split())
        ran[variables + command] = meltano.succeeds(*shlex.split(command), **environment)
        changed[variables + command] = before != [
            services.amplitude_events(),
            services.split_events(),
            services.split_segments(),
        ]

    assert [command for command, change in changed.items() if not change] == [
        "TARGET_SPLIT_DRY_RUN=true run tap-amplitude target-split",
        "TARGET_SPLIT_DRY_RUN=true run tap-amplitude-cohorts target-split",
    ]
    assert set(changed) >= {
        "invoke target-amplitude --send-test-event",
        "run impressions-as-events",
        "run impressions-as-exposures",
        "run impressions-as-user-properties",
        "run events-to-split",
        "run cohorts-to-segments",
    }
    test_event = ran["invoke target-amplitude --send-test-event"]
    (sender,) = {event["user_id"] for event in services.amplitude_events()} - {row["key"] for row in rows}
    assert sender in test_event.stdout + test_event.stderr
    assert "eventTypeId" in ran["TARGET_SPLIT_DRY_RUN=true run tap-amplitude target-split"].stderr
    (segment,) = services.split_segments()
    assert set(segment["keys"]) == {member["user_id"] for member in members if member["user_id"]}
