"""A service, or a proxy before it, that repeats what it was sent in any encoding makes no connector show a key."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from support.amplitude import event, events_messages, members, members_messages
from support.impressions import impression, messages
from support.inside import connector_class, process_kept
from support.processes import Workplace
from support.receiver import posted
from support.scripted import Answer, Request, ScriptedServer, scripted

KEY, SECRET = "planted/key+7c1==", "planted:secret 7c2&"
STATUSES = [200, 302, 400, 401, 403, 404, 429, 500]

RUNS: dict[str, tuple[str, dict[str, Any], list[dict[str, Any]]]] = {
    "tap-amplitude": (
        "tap-amplitude",
        {"api_key": KEY, "secret_key": SECRET, "start_date": "2026-03-14", "end_date": "2026-03-14T01:00:00Z"},
        [],
    ),
    "tap-split-impressions": ("tap-split-impressions", {"admin_api_key": KEY, "workspace_id": "ws-demo"}, []),
    "target-amplitude": ("target-amplitude", {"api_key": KEY}, list(messages([impression(1)]))),
    "target-amplitude, identify": (
        "target-amplitude",
        {"api_key": KEY, "load_as": "identify"},
        list(messages([impression(1)])),
    ),
    "target-split, events": ("target-split", {"sdk_api_key": KEY}, list(events_messages([event(1)]))),
    "target-split, segments": (
        "target-split",
        {"admin_api_key": KEY, "workspace_id": "ws-demo", "environment": "Production"},
        list(members_messages(members(2))),
    ),
}


def spellings(text: str) -> list[str]:
    raw = text.encode()
    encoded = [base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode().rstrip("=")]
    return [text, quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1], *encoded]


SPELLINGS = [*spellings(KEY), *spellings(SECRET), *spellings(f"{KEY}:{SECRET}")]


def echo(status: int) -> Any:
    """Repeat the request, its headers, and the keys in every spelling."""

    def answer(request: Request) -> Answer:
        said = {"code": status, "message": f"{request.headers.get('Authorization')} {' '.join(SPELLINGS)}"}
        said |= {"error": f"{' '.join(SPELLINGS)} {request.body[:300]!r}", "missing_field": KEY}
        return Answer(json.dumps(said).encode(), status=status, headers={"Location": f"http://127.0.0.1:1/{KEY}"})

    return answer


@pytest.fixture(params=STATUSES)
def echoing(request: pytest.FixtureRequest) -> Iterator[ScriptedServer]:
    with scripted(echo(request.param)) as server:
        yield server


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("arguments", [[], ["--check"]], ids=["run", "check"])
def test_no_spelling_of_a_key_is_shown(name: str, arguments: list[str], workplace: Workplace, echoing: ScriptedServer):
    plugin, config, lines = RUNS[name]
    urls = ("events_url", "admin_url") if plugin == "target-split" else ("api_url",)
    config = config | dict.fromkeys(urls, echoing.url)
    if plugin == "tap-split-impressions":
        workplace.file("in/a.jsonl", json.dumps(posted(1)) + "\n")
        config |= {"path": str(workplace.folder / "in"), "settle_seconds": 0}
    if plugin.startswith("target"):
        config |= {"rejects_path": str(workplace.folder / "rejects.jsonl")}
    config |= {"retry_timeout_seconds": 0}
    result = workplace.run(plugin, config, *arguments, messages=lines, inside=True)
    assert echoing.requests
    forbidden = SPELLINGS if "secret_key" in config else spellings(KEY)  # the others know no second secret
    assert [text for text in forbidden if text in result.stderr or text in result.stdout] == []


URLS = [
    ("tap-split-impressions", {"path": "."}, "api_url"),
    ("tap-amplitude", {"api_key": "k3y-1", "secret_key": "s3cret-1", "start_date": "2026-03-14"}, "api_url"),
    ("target-amplitude", {"api_key": "k3y-1"}, "api_url"),
    ("target-split", {"sdk_api_key": "k3y-1"}, "events_url"),
    ("target-split", {"sdk_api_key": "k3y-1"}, "admin_url"),
]


@pytest.mark.parametrize(("plugin", "config", "setting"), URLS)
@pytest.mark.parametrize(
    ("url", "warnings"), [("http://api.test", 1), ("https://api.test", 0), ("http://127.0.0.1:1", 0)]
)
def test_plain_text_over_a_network_is_warned_of_once(
    plugin: str,
    config: dict[str, Any],
    setting: str,
    url: str,
    warnings: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    """The settings alone decide: nothing is connected."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.WARNING)
    with process_kept():
        connector = connector_class(plugin)(config=config | {setting: url})
    connector.stopping.set()
    if hasattr(connector, "give_up"):
        connector.give_up()
    said = [message for message in caplog.messages if "plain text" in message]
    assert len(said) == warnings
    assert all(f"'{setting}'" in message for message in said)
