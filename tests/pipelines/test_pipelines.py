"""The project's own Meltano pipelines, end to end: jobs, schedules, second runs, what goes wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo import data
from demo.services import post, receiver
from support.meltano import Meltano
from support.sandbox import Sandbox
from support.sockets import free_port

NOW = datetime.now(UTC)
THIS_HOUR = NOW.replace(minute=0, second=0, microsecond=0)


@pytest.fixture(scope="module")
def impressions() -> list[dict[str, Any]]:
    return [row for row in data.impressions(NOW) if row["key"] not in data.REFUSED_KEYS][:500]


@pytest.fixture
def received(meltano: Meltano, impressions: list[dict[str, Any]], tmp_path: Path) -> list[dict[str, Any]]:
    """Impressions that came in through the receiver."""
    with receiver(meltano.impressions, tmp_path / "receiver.log") as url:
        post(url, data.webhook_batches(impressions))
    return impressions


def succeeds(result: Any) -> None:
    assert result.code == 0, result.stderr[-3000:]


def no_traceback_of_ours(result: Any) -> bool:
    """Meltano prints one of its own when a loader ends while it still writes to it."""
    ours = [line for line in result.stderr.splitlines() if "] tap-" in line or "] target-" in line]
    return not any("Traceback" in line for line in ours)


def test_impressions_become_events_once(meltano: Meltano, services: Sandbox, received: list[dict[str, Any]]) -> None:
    succeeds(meltano.run("run", "impressions-as-events"))
    stored = {(event["user_id"], event["time"]) for event in services.amplitude_events()}
    assert stored == {(row["key"], row["time"]) for row in received}
    before = len(services.requests())

    succeeds(meltano.run("run", "tap-split-impressions", "target-amplitude"))
    assert [r for r in services.requests()[before:] if r["path"] == "/batch"] == []


def test_the_three_ways_keep_states_of_their_own(
    meltano: Meltano, services: Sandbox, received: list[dict[str, Any]]
) -> None:
    production = [row for row in received if row["environmentName"] == "Production"]
    meltano.environment["TAP_SPLIT_IMPRESSIONS_ENVIRONMENTS"] = '["Production"]'
    succeeds(meltano.run("run", "impressions-as-user-properties"))
    assert {event["event_type"] for event in services.amplitude_events()} == {"$identify"}
    assert {user["user_id"] for user in services.amplitude_users()} == {row["key"] for row in production}

    succeeds(meltano.run("run", "impressions-as-exposures"))
    exposed = [row for row in production if row["treatment"] != "control"]
    events = [event for event in services.amplitude_events() if event["event_type"] != "$identify"]
    assert len(events) == len(exposed)


def test_events_go_to_split_by_a_schedule(meltano: Meltano, services: Sandbox) -> None:
    rows = data.product_events(THIS_HOUR - timedelta(hours=9), 3)
    services.put_export_rows(rows)
    start = (THIS_HOUR - timedelta(hours=12)).isoformat()

    succeeds(meltano.run("schedule", "run", "events-hourly", TAP_AMPLITUDE_START_DATE=start))
    stored = services.split_events()
    assert len(stored) == len([row for row in rows if row["user_id"]]) > 0
    assert all(event["eventTypeId"].startswith("amp.") for event in stored)

    succeeds(meltano.run("schedule", "run", "events-hourly", TAP_AMPLITUDE_START_DATE=start))
    assert services.split_events() == stored


def test_a_cohort_becomes_a_segment(meltano: Meltano, services: Sandbox) -> None:
    members = data.cohort_members()
    services.put_cohort(**data.COHORT, members=members)
    succeeds(meltano.run("run", "cohorts-to-segments"))
    (segment,) = services.split_segments()
    assert set(segment["keys"]) == {member["user_id"] for member in members if member["user_id"]}
    assert segment["environment_name"] == "Production"


def test_a_wrong_key_stops_the_run_and_keeps_the_state(
    meltano: Meltano, services: Sandbox, received: list[dict[str, Any]]
) -> None:
    failed = meltano.run("run", "impressions-as-events", TARGET_AMPLITUDE_API_KEY="wrong-key")
    assert failed.code != 0
    assert "api_key" in failed.stderr
    assert "wrong-key" not in failed.stderr
    assert no_traceback_of_ours(failed)

    succeeds(meltano.run("run", "impressions-as-events"))
    assert len(services.amplitude_events()) == len(received)


def test_services_that_do_not_answer_fail_the_run(
    meltano: Meltano, services: Sandbox, received: list[dict[str, Any]]
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    variables = {"TARGET_AMPLITUDE_API_URL": nowhere, "TARGET_AMPLITUDE_RETRY_TIMEOUT_SECONDS": "1"}
    failed = meltano.run("run", "impressions-as-events", **variables)
    assert failed.code != 0
    assert "Nothing listens at" in failed.stderr
    assert "Gave up after 1 s of retries" in failed.stderr
    assert no_traceback_of_ours(failed)

    services.put_export_rows(data.product_events(THIS_HOUR - timedelta(hours=9), 3))
    variables = {"TARGET_SPLIT_EVENTS_URL": nowhere, "TARGET_SPLIT_ADMIN_URL": nowhere}
    variables |= {"TARGET_SPLIT_RETRY_TIMEOUT_SECONDS": "1"}
    start = (THIS_HOUR - timedelta(hours=12)).isoformat()
    failed = meltano.run("run", "events-to-split", TAP_AMPLITUDE_START_DATE=start, **variables)
    assert failed.code != 0
    assert "retry_timeout_seconds" in failed.stderr, failed.stderr
    assert no_traceback_of_ours(failed)


def test_a_start_date_in_the_future_is_said_and_nothing_is_sent(meltano: Meltano, services: Sandbox) -> None:
    tomorrow = (NOW + timedelta(days=1)).isoformat()
    result = meltano.run("run", "events-to-split", TAP_AMPLITUDE_START_DATE=tomorrow)
    assert result.code != 0
    assert "'start_date' is in the future" in result.stderr
    assert services.split_events() == []


@pytest.mark.parametrize("plugin", ["target-amplitude", "target-split"])
def test_meltano_tests_a_loader_without_creating_anything(meltano: Meltano, services: Sandbox, plugin: str) -> None:
    # Meltano 4.4 stumbles over a loader that has ended by itself, so its own exit code says nothing here.
    tested = meltano.run("--log-level=debug", "config", "test", plugin)
    assert "Process return code: 0" in tested.stderr
    assert services.amplitude_events() == services.split_events() == services.split_segments() == []


def test_meltano_tests_the_taps(meltano: Meltano, services: Sandbox, received: list[dict[str, Any]]) -> None:
    services.put_export_rows(data.product_events(THIS_HOUR - timedelta(hours=9), 3))
    start = (THIS_HOUR - timedelta(hours=12)).isoformat()
    for plugin in ("tap-split-impressions", "tap-amplitude"):
        succeeds(meltano.run("config", "test", plugin, TAP_AMPLITUDE_START_DATE=start))
