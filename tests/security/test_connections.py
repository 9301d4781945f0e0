"""Certificates are checked by every connector; no redirect is followed to another host."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme

from support.amplitude import members, members_messages
from support.impressions import impression, messages
from support.processes import Result, Workplace
from support.receiver import posted
from support.scripted import Answer, Request, ScriptedServer, scripted

Run = tuple[str, dict[str, Any], list[dict[str, Any]]]

KEY = "planted-key-8d1"
TWICE = {"retry_timeout_seconds": 1}  # the targets' taste for trying again


def runs_at(url: str, folder: Path) -> dict[str, Run]:
    """A run of each connector that must ask a server before it can do anything."""
    folder.mkdir(exist_ok=True)
    (folder / "impressions.jsonl").write_text(json.dumps(posted(1)) + "\n", encoding="utf-8")
    seen = {"event_type": "seen", "key": "key", "time": "time"}
    cohort = members_messages(members(3))
    event = list(messages([impression(1)]))
    segments = {"admin_url": url, "admin_api_key": KEY, "workspace_id": "ws-demo", "environment": "Production"} | TWICE
    amplitude = {"api_url": url, "api_key": KEY}
    return {
        "events of tap-amplitude": (
            "tap-amplitude",
            amplitude | {"secret_key": KEY, "start_date": "2026-03-14", "end_date": "2026-03-15"},
            [],
        ),
        "tap-split-impressions": (
            "tap-split-impressions",
            {"path": str(folder), "settle_seconds": 0, "api_url": url, "admin_api_key": KEY, "workspace_id": "ws-demo"},
            [],
        ),
        "events of target-amplitude": ("target-amplitude", amplitude | TWICE, event),
        "identifications of target-amplitude": ("target-amplitude", amplitude | TWICE | {"load_as": "identify"}, event),
        "events of target-split": (
            "target-split",
            {"events_url": url, "sdk_api_key": KEY, "mappings": {"*": seen}} | TWICE,
            event,
        ),
        "segments of target-split": ("target-split", segments, cohort),
        "segments with another header": ("target-split", segments | {"auth_header": "x-api-key"}, cohort),
    }


def run_all(workplace: Workplace, runs: dict[str, Run]) -> dict[str, Result]:
    """Run them side by side: most of their time they wait before they try again."""
    with ThreadPoolExecutor(len(runs)) as threads:
        begun = {}
        for name, (plugin, config, received) in runs.items():
            own = Workplace(workplace.file(f"{name}/.keep", "").parent)
            begun[name] = threads.submit(own.run, plugin, config, messages=received)
        return {name: run.result() for name, run in begun.items()}


@pytest.fixture
def strangers_certificate() -> ssl.SSLContext:
    """A server's side of TLS with a certificate that nobody here trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_certificate_that_is_not_trusted_is_refused(
    workplace: Workplace, strangers_certificate: ssl.SSLContext
) -> None:
    with scripted(lambda _: Answer(b"[]"), strangers_certificate) as server:
        results = run_all(workplace, runs_at(server.url, workplace.folder / "in"))
    assert server.requests == []
    for name, result in results.items():
        assert result.code == 1, name
        assert "Traceback" not in result.stderr, name
        errors = [line for line in result.stderr.splitlines() if "| ERROR" in line]
        assert len(errors) == 1, errors
        assert "TLS certificate verification failed for 127.0.0.1" in errors[0], name
        assert KEY not in result.stderr, name


@pytest.fixture
def redirecting() -> Iterator[tuple[ScriptedServer, ScriptedServer]]:
    """A server that sends every request on to another host, and that host."""

    def onward(asked: Request) -> Answer:
        return Answer(status=307, headers={"Location": f"http://localhost:{other.port}{asked.path}"})

    with scripted(lambda _: Answer(b"{}")) as other, scripted(onward) as server:
        yield server, other


def test_no_redirect_is_followed(workplace: Workplace, redirecting: tuple[ScriptedServer, ScriptedServer]) -> None:
    server, other = redirecting
    results = run_all(workplace, runs_at(server.url, workplace.folder / "in"))
    assert len(server.requests) >= len(results)
    assert any(KEY in str(request) for request in server.requests)
    assert other.requests == []
    assert {name: result.code for name, result in results.items()} == dict.fromkeys(results, 1)
