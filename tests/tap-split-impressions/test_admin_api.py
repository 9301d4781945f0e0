"""Names joined from the Admin API, its streams, its limits and its errors, against the sandbox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.receiver import Run, posted
from support.sandbox import Sandbox
from tap_split_impressions.common.cli import ConnectorError

LOOKUPS = "/internal/api/v2/*"


def settings(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    return {"admin_api_key": "test-admin-key", "workspace_id": "ws-demo", "api_url": sandbox.url, **changes}


@pytest.fixture
def rows(folder: Path) -> None:
    """Impressions as S3 gives them, without names; one flag is a user's, one nobody's any more."""
    items = [
        posted(1, environmentName=None, trafficTypeId="tt-account"),
        posted(2, environmentName=None),
        posted(3, environmentName=None, split="deleted_since", environmentId="env-gone"),
    ]
    (folder / "a.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))


def names(result: Any) -> list[tuple[str, str | None]]:
    return [(record["traffic_type"], record["environment_name"]) for record in result.records("impressions")]


def test_names_are_joined_in_one_pass(sandbox: Sandbox, rows: None, run: Run) -> None:
    result = run(**settings(sandbox, traffic_type="visitor"))
    assert names(result) == [("account", "Production"), ("user", "Production"), ("visitor", None)]
    # Four lists, each once, although the streams send them as well.
    paths = [request["path"] for request in sandbox.requests()]
    assert len(paths) == len(set(paths)) == 4
    assert result.metrics["http_request_count"] == 4


def test_without_a_key_the_default_stands(sandbox: Sandbox, rows: None, run: Run) -> None:
    assert names(run()) == [("user", None)] * 3
    assert sandbox.requests() == []


def test_environments_are_selected_by_joined_names(sandbox: Sandbox, rows: None, run: Run) -> None:
    assert len(names(run(**settings(sandbox, environments=["Production"])))) == 2


def test_the_lists_are_streams(sandbox: Sandbox, folder: Path, run: Run) -> None:
    result = run(**settings(sandbox))
    assert len(result.records("feature_flags")) == 8
    flag = next(flag for flag in result.records("feature_flags") if flag["name"] == "checkout_redesign")
    assert (flag["workspace_id"], flag["traffic_type_id"], flag["traffic_type"]) == ("ws-demo", "tt-user", "user")
    assert flag["created_at"].endswith("Z")
    assert {environment["name"] for environment in result.records("environments")} == {
        "Production",
        "Staging",
        "Development",
    }
    assert {kind["id"] for kind in result.records("traffic_types")} == {"tt-user", "tt-account", "tt-anonymous"}
    assert result.of_type("SCHEMA")[-1]["stream"] == "traffic_types"


def create_segments(sandbox: Sandbox, count: int) -> None:
    for number in range(count):
        sandbox.http.post(
            f"{sandbox.url}/internal/api/v2/segments/ws/ws-demo/trafficTypes/user",
            json={"name": f"segment_{number:03}", "description": "made for a test"},
            headers={"Authorization": "Bearer test-admin-key"},
            timeout=30,
        ).raise_for_status()


def test_long_lists_come_in_pages(sandbox: Sandbox, run: Run) -> None:
    create_segments(sandbox, 15)
    sandbox.call("POST", "/split/feature-flags", [{"name": f"flag_{number:03}"} for number in range(112)])
    result = run(**settings(sandbox))
    assert len({segment["name"] for segment in result.records("segments")}) == 15
    assert len({flag["name"] for flag in result.records("feature_flags")}) == 120
    assert len(sandbox.requests("/internal/api/v2/splits/ws/ws-demo")) == 3


def test_the_rate_limit_is_waited_out(sandbox: Sandbox, rows: None, run: Run) -> None:
    limits = {"X-RateLimit-Reset-Seconds-Org": "0", "X-RateLimit-Reset-Seconds-IP": "1"}
    sandbox.plan(path=LOOKUPS, kind="status", status=429, headers=limits, times=2)
    result = run(**settings(sandbox))
    assert len(names(result)) == 3
    assert "asks to wait 1 s" in result.stderr
    assert result.metrics["http_retry_count"] == 2


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "cut"},
        {"kind": "lost"},
        {"kind": "cut", "after_bytes": 20},
        {"kind": "status", "status": 200, "body": "<html>maintenance</html>"},
    ],
)
def test_what_can_pass_is_tried_again(sandbox: Sandbox, rows: None, run: Run, fault: dict[str, Any]) -> None:
    sandbox.plan(path=LOOKUPS, times=1, **fault)
    result = run(**settings(sandbox))
    assert len(names(result)) == 3
    assert result.metrics["http_retry_count"] == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"admin_api_key": "wrong-admin-key"}, "does not accept 'admin_api_key'"),
        ({"workspace_id": "ws-nowhere"}, "There is no workspace with the id in 'workspace_id'"),
        ({"workspace_id": "../../x?y#z"}, "There is no workspace with the id in 'workspace_id'"),
    ],
)
def test_errors_are_sentences(sandbox: Sandbox, rows: None, run: Run, changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConnectorError, match=sentence) as failure:
        run(**settings(sandbox, **changes))
    assert "wrong-admin-key" not in str(failure.value)


def test_no_permission_is_a_sentence(sandbox: Sandbox, rows: None, run: Run) -> None:
    sandbox.plan(path=LOOKUPS, kind="status", status=403, times=None)
    with pytest.raises(ConnectorError, match="may not read this workspace"):
        run(**settings(sandbox))
    assert len(sandbox.requests()) == 1


def test_an_api_that_stays_away_stops_the_run(
    sandbox: Sandbox, rows: None, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backoff._sync.time.sleep", lambda seconds: None)
    sandbox.plan(path=LOOKUPS, kind="status", status=500, times=None)
    with pytest.raises(ConnectorError, match=r"did not answer after 5 tries \(status 500\)"):
        run(**settings(sandbox))
    assert len(sandbox.requests()) == 5
