"""Whatever a service answers, a run ends with a sentence: no traceback, nothing accepted that was not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.amplitude import event, events_messages, members, members_messages
from support.processes import Result
from support.sandbox import Sandbox
from support.scripted import Answer, ScriptedServer, scripted

Config = dict[str, Any]
V4 = {"organization": "default", "project": "demo", "admin_api_key": "sat.demoAccount.test.token"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["objects", "data", "keys", "key", "id", "name", "totalCount", "count", "limit", "trafficType"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
PRESETS = ["login_page", "foreign_text", "empty_success", "nested_json", "huge_content_length", "not_http", "echo_403"]


@pytest.mark.parametrize("preset", [*PRESETS, "redirect_loop", "html_404"])
def test_events(config: Config, run_here: Callable[..., Result], sandbox: Sandbox, preset: str):
    config |= {"retry_timeout_seconds": 0}
    sandbox.plan(path="/api/events/bulk", preset=preset, times=None)
    result = run_here(config, events_messages(event(n) for n in range(3)))
    assert result.code == 1
    assert "Traceback" not in result.stderr
    assert "test-sdk-key" not in result.stderr
    assert result.metrics["records_sent"] == 0
    assert result.stdout == ""


def test_events_that_are_refused_with_an_echo(config: Config, run_here: Callable[..., Result], sandbox: Sandbox):
    sandbox.plan(path="/api/events/bulk", preset="echo_400", times=None)
    result = run_here(config, events_messages(event(n) for n in range(3)))
    assert result.code == 1
    assert result.metrics["records_rejected"] == 3  # kept, so STATE may pass
    assert "test-sdk-key" not in result.stderr
    assert "test-sdk-key" not in Path(config["rejects_path"]).read_text()


@pytest.mark.parametrize("preset", [*PRESETS, "echo_400", "rate_limit_reset_day", "retry_after_20_digits"])
@pytest.mark.parametrize("api", [{}, V4], ids=["v2", "v4"])
def test_segments(config: Config, run_here: Callable[..., Result], sandbox: Sandbox, api: Config, preset: str):
    config |= {"retry_timeout_seconds": 1} | api
    if api:
        del config["workspace_id"]
    sandbox.plan(preset=preset, times=None, skip=3)
    result = run_here(config, members_messages(members(3)))
    assert result.code == 1
    assert "Traceback" not in result.stderr
    assert "test-admin-key" not in result.stderr
    assert "sat.demoAccount" not in result.stderr
    assert result.stdout == ""


@pytest.fixture(scope="module")
def service() -> Any:
    """A service that answers every request alike."""
    with scripted(lambda _: Answer(b"")) as server:
        yield server


@pytest.mark.parametrize("api", [{}, V4], ids=["v2", "v4"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=JSON, status=st.sampled_from([200, 201, 204, 400, 404, 409, 418]))
def test_any_json_of_an_admin_api(
    config: Config, run_here: Callable[..., Result], service: ScriptedServer, api: Config, answer: Any, status: int
):
    body = msgspec.json.encode(answer)
    service.answer = lambda _: Answer(body, status, {"Content-Type": "application/json"})
    changes = {"admin_url": service.url, "retry_timeout_seconds": 0, "ledger_path": None} | api
    chosen = {k: v for k, v in (config | changes).items() if v is not None and not (api and k == "workspace_id")}
    result = run_here(chosen, members_messages(members(2)))  # fails with anything but a ConnectorError
    assert result.code in (0, 1)
