"""After a run of events: which of their types Split has not seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from support.amplitude import event, events_messages
from support.processes import Result
from support.sandbox import Sandbox

Config = dict[str, Any]


@pytest.fixture
def run(config: Config, run_here: Callable[..., Result]) -> Callable[..., Result]:
    """Runs the target over v4 with events of today, as only those of the last 30 days count."""
    del config["workspace_id"]
    config |= {"organization": "default", "project": "demo", "admin_api_key": "sat.demoAccount.test.token"}
    now = datetime.fromtimestamp(time.time(), UTC).isoformat().replace("+00:00", "Z")
    rows = [event(n, event_type=kind, event_time=now) for n, kind in enumerate(("Song Played", "Checkout", "Search"))]
    return lambda **changes: run_here(config | changes, events_messages(rows))


def asked(sandbox: Sandbox) -> int:
    return len([r for r in sandbox.requests() if r["path"].endswith("/event-types")])


def test_all_seen(run, sandbox: Sandbox):
    result = run()
    assert result.code == 0, result.stderr
    assert "has not seen" not in result.stderr
    assert asked(sandbox) == 1


def test_some_unseen_are_named(run, sandbox: Sandbox):
    sandbox.call("POST", "/split/settings", {"unseen_event_types": ["amp.Checkout", "amp.S*"]})
    result = run()
    assert result.code == 0
    assert "has not seen these event types of this run yet: amp.Checkout, amp.Search, amp.Song_Played" in result.stderr
    assert "five minutes" in result.stderr


def test_off_by_a_setting(run, sandbox: Sandbox):
    sandbox.call("POST", "/split/settings", {"unseen_event_types": ["*"]})
    assert "has not seen" not in run(check_event_types=False).stderr
    assert asked(sandbox) == 0


def test_a_token_that_may_not_ask_costs_a_warning(run, sandbox: Sandbox):
    token = "sat.demoAccount.viewer.token"
    views = ["environments:view", "traffic-types:view"]
    sandbox.call("POST", "/split/tokens", [{"token": token, "permissions": views}])
    result = run(admin_api_key=token)
    assert result.code == 0
    assert result.state == {"read": 3}
    assert "is not known" in result.stderr
    assert "may not list event types (403)" in result.stderr


def test_v2_cannot_tell(run, sandbox: Sandbox):
    assert run(admin_api="v2").code == 0
    assert asked(sandbox) == 0
