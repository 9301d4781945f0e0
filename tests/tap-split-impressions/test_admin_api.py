"""Names joined from the Admin API, its streams, its limits and its errors, against the sandbox."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.harness import TOKEN
from support.processes import Workplace
from support.receiver import Run, posted
from support.sandbox import Sandbox

PATHS = {"v2": "/internal/api/v2/*", "v4": "/fme/api/v4/*"}
SCOPES = {"v2": "ws-demo", "v4": "demoAccount/default/demo"}
HARNESS = {"admin_api_key": TOKEN, "organization": "default", "project": "demo"}


def settings(sandbox: Sandbox, api: str = "v2", **changes: Any) -> dict[str, Any]:
    given = HARNESS if api == "v4" else {"admin_api_key": "test-admin-key", "workspace_id": "ws-demo"}
    return {**given, "api_url": sandbox.url, **changes}


@pytest.fixture(params=["v2", "v4"])
def api(request: pytest.FixtureRequest) -> str:
    return request.param


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


def test_names_are_joined_in_one_pass(sandbox: Sandbox, api: str, rows: None, run: Run) -> None:
    result = run(**settings(sandbox, api, traffic_type="visitor"))
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


def test_the_lists_are_streams(sandbox: Sandbox, api: str, folder: Path, run: Run) -> None:
    result = run(**settings(sandbox, api))
    assert len(result.records("feature_flags")) == 8
    flag = next(flag for flag in result.records("feature_flags") if flag["name"] == "checkout_redesign")
    assert (flag["workspace_id"], flag["traffic_type_id"], flag["traffic_type"]) == (SCOPES[api], "tt-user", "user")
    assert flag["created_at"].endswith("Z")
    assert {environment["name"]: environment["production"] for environment in result.records("environments")} == {
        "Production": True,
        "Staging": False,
        "Development": False,
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


def test_long_lists_come_in_pages(sandbox: Sandbox, api: str, run: Run) -> None:
    create_segments(sandbox, 15)
    sandbox.call("POST", "/split/feature-flags", [{"name": f"flag_{number:03}"} for number in range(112)])
    result = run(**settings(sandbox, api))
    assert len({segment["name"] for segment in result.records("segments")}) == 15
    assert len({flag["name"] for flag in result.records("feature_flags")}) == 120
    path = {"v2": "/internal/api/v2/splits/ws/ws-demo", "v4": "/fme/api/v4/feature-flags"}[api]
    assert len(sandbox.requests(path)) == 3


def test_the_rate_limit_is_waited_out(sandbox: Sandbox, api: str, rows: None, run: Run) -> None:
    limits = {"X-RateLimit-Reset-Seconds-Org": "0", "X-RateLimit-Reset-Seconds-IP": "1"}
    sandbox.plan(path=PATHS[api], kind="status", status=429, headers=limits, times=1)
    result = run(**settings(sandbox, api))
    assert len(names(result)) == 3
    assert "trying again in 1.0 s" in result.stderr
    assert result.metrics["http_retry_count"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "cut"},
        {"kind": "lost"},
        {"kind": "cut", "after_bytes": 20},
        {"kind": "status", "status": 200, "body": "<html>maintenance</html>"},
        {"kind": "status", "status": 200, "body": "[" * 5000},
    ],
)
def test_transient_failures_are_retried(
    sandbox: Sandbox, api: str, rows: None, run: Run, fault: dict[str, Any]
) -> None:
    sandbox.plan(path=PATHS[api], times=1, **fault)
    result = run(**settings(sandbox, api))
    assert len(names(result)) == 3
    assert result.metrics["http_retry_count"] == 1


@pytest.mark.parametrize(
    ("api", "changes", "sentence"),
    [
        ("v2", {"admin_api_key": "wrong-admin-key"}, r"\(401\), sent as 'Authorization' and as 'x-api-key'"),
        ("v4", {"admin_api_key": "sat.demoAccount.wrong"}, r"\(401\), sent as 'x-api-key'. It must be a Harness token"),
        ("v2", {"workspace_id": "ws-nowhere"}, "Setting 'workspace_id': there is no workspace 'ws-nowhere'"),
        ("v2", {"workspace_id": "../../x?y#z"}, "Setting 'workspace_id': there is no workspace"),
        ("v4", {"project": "nowhere"}, "Check 'account', 'organization' and 'project'"),
        ("v4", {"account": "elsewhere"}, "403|Check 'account'"),
        ("v4", {"admin_api": "v2", "project": "nowhere"}, "no workspace belongs to project 'nowhere'"),
    ],
)
def test_errors_are_sentences(
    sandbox: Sandbox, rows: None, run: Run, api: str, changes: dict[str, str], sentence: str
) -> None:
    said = run(code=1, **settings(sandbox, api, **changes)).stderr
    assert re.search(sentence, said)
    assert "wrong" not in said.replace("is wrong", "")


@pytest.mark.parametrize(
    ("changes", "workspace"),
    [
        ({"workspace_id": "Demo"}, "ws-demo"),
        ({"workspace_id": "", "organization": "default", "project": "demo", "admin_api": "v2"}, "ws-demo"),
    ],
)
def test_a_workspace_is_found_by_name_or_project(
    sandbox: Sandbox, rows: None, run: Run, changes: dict[str, str], workspace: str
) -> None:
    result = run(**settings(sandbox, **changes))
    assert {row["workspace_id"] for row in result.records("environments")} == {workspace}


def test_the_other_header_is_tried_once_and_remembered(sandbox: Sandbox, rows: None, run: Run) -> None:
    result = run(**settings(sandbox, auth_header="x-unknown"))
    assert len(names(result)) == 3
    assert [request["status"] for request in sandbox.requests()].count(401) == 1


def test_no_permission_is_a_sentence(sandbox: Sandbox, api: str, rows: None, run: Run) -> None:
    sandbox.plan(path=PATHS[api], kind="status", status=403, times=None)
    assert re.search(r"may not list \w+ \(403\)", run(code=1, **settings(sandbox, api)).stderr)
    assert len(sandbox.requests()) <= 2


def test_an_api_that_stays_away_stops_the_run(sandbox: Sandbox, api: str, rows: None, run: Run) -> None:
    sandbox.plan(path=PATHS[api], kind="status", status=500, times=None)
    result = run(code=1, **settings(sandbox, api, retry_timeout_seconds=1))
    assert "Split answered 500. Gave up after" in result.stderr
    assert len(sandbox.requests()) >= 1


def test_a_signal_ends_the_wait_for_the_api(sandbox: Sandbox, rows: None, folder: Path, workplace: Workplace) -> None:
    sandbox.plan(path=PATHS["v2"], kind="status", status=429, headers={"Retry-After": "100"}, times=None)
    config = {"path": str(folder), "settle_seconds": 0, **settings(sandbox)}
    process = workplace.start(workplace.command("tap-split-impressions", config))
    said = ""
    while "trying again" not in said:
        said = process.stderr.readline()
    process.terminate()
    _, rest = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "bug" not in rest


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"workspace_id": "ws-demo", "organization": "default", "project": "demo"}, "'workspace_id' and 'project'"),
        ({"project": "demo"}, "'organization' and 'project' belong together"),
        ({"admin_api": "v4"}, "Setting 'organization' is missing; the Admin API v4 needs it."),
        ({"organization": "default", "project": "demo"}, "Setting 'account' is missing"),
        ({}, "Setting 'workspace_id' (or 'organization' and 'project') is missing"),
        ({"workspace_id": "ws-demo", "admin_api": "v5"}, "Setting 'admin_api' must be one of: auto, v2, v4."),
    ],
)
def test_settings_of_the_api_are_checked(workplace: Workplace, changes: dict[str, str], sentence: str) -> None:
    result = workplace.run("tap-split-impressions", {"path": ".", "admin_api_key": "test-admin-key", **changes})
    assert result.code == 1
    assert sentence in result.stderr


# --- --check


def test_check_prints_what_can_be_seen(
    sandbox: Sandbox, api: str, rows: None, folder: Path, workplace: Workplace
) -> None:
    config = {"path": str(folder), **settings(sandbox, api, environments=["Prodution"])}
    result = workplace.run("tap-split-impressions", config, "--check")
    assert result.code == 0, result.stderr
    assert f"Folder {folder}: 1 data file," in result.stdout
    assert "Newest file: a.jsonl, arrived 20" in result.stdout
    assert f"Admin API {api}: workspace {SCOPES[api]}." in result.stdout
    assert "Production (env-prod)" in result.stdout
    assert "the setting 'environments' matches none of them: Prodution." in result.stdout
    assert "Traffic types: account, anonymous, user." in result.stdout
    assert {request["method"] for request in sandbox.requests()} == {"GET"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"path": "nowhere"}, "there is no folder nowhere"),
        ({"admin_api_key": "wrong-admin-key"}, "Split refused the key in 'admin_api_key' (401)"),
        ({"workspace_id": "ws-nowhere"}, "there is no workspace 'ws-nowhere'"),
    ],
)
def test_check_fails_with_a_sentence(
    sandbox: Sandbox, folder: Path, workplace: Workplace, changes: dict[str, str], sentence: str
) -> None:
    config = {"path": str(folder), **settings(sandbox), **changes}
    result = workplace.run("tap-split-impressions", config, "--check")
    assert result.code == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
