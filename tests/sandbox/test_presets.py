"""Failures with a name, and the kinds of failure behind them, over real connections."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import pytest
import requests

from support.sandbox import Sandbox
from support.waiting import await_true

PATH = "/internal/api/v2/workspaces"
HEADERS = {"Authorization": "Bearer test-key"}
DAY = 86_400


def get(sandbox: Sandbox, **options: Any) -> requests.Response:
    return requests.get(sandbox.url + PATH, headers=HEADERS, timeout=30, **options)


def post_gzip(sandbox: Sandbox) -> requests.Response:
    body = {"api_key": "test-api-key", "events": [{"event_type": "seen", "user_id": "user-0042"}]}
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    return requests.post(
        sandbox.url + "/batch", data=gzip.compress(json.dumps(body).encode()), headers=headers, timeout=30
    )


def answer_bytes(sandbox: Sandbox) -> bytes:
    """What comes over the wire until the sandbox closes the connection."""
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=30) as client:
        client.sendall(f"GET {PATH} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: client.recv(65_536), b""))


def presets(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    return sandbox.call("GET", "/faults/presets")


def test_every_preset_can_be_planned(sandbox: Sandbox) -> None:
    names = list(presets(sandbox))
    assert len(names) > 25
    sandbox.call("POST", "/faults", [{"preset": name, "path": "/none"} for name in names])
    assert [one["preset"] for one in sandbox.faults()] == names


def test_a_preset_can_be_changed(sandbox: Sandbox) -> None:
    sandbox.plan(preset="retry_after_day", status=503, path=PATH, times=2)
    answers = [get(sandbox) for _ in range(3)]
    assert [one.status_code for one in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "86400"


def test_an_unknown_preset_is_refused(sandbox: Sandbox) -> None:
    answer = sandbox.http.post(sandbox.url + "/_sandbox/faults", json=[{"preset": "none"}])
    assert answer.status_code == 400
    assert "presets" in answer.json()["error"]


@pytest.mark.parametrize(
    ("preset", "status", "text"),
    [
        ("login_page", 200, "<form"),
        ("foreign_code", 200, '{"code":400'),
        ("foreign_message", 200, '{"message":"login"}'),
        ("empty_success", 200, ""),
        ("html_404", 404, "404 Not Found"),
        ("redirect_to_404", 404, "Not Found"),
        ("nested_json", 200, "[[[["),
    ],
)
def test_what_is_not_the_service(sandbox: Sandbox, preset: str, status: int, text: str) -> None:
    sandbox.plan(preset=preset)
    answer = get(sandbox)
    assert answer.status_code == status
    assert text in answer.text


def test_a_content_length_of_five_thousand_digits(sandbox: Sandbox) -> None:
    sandbox.plan(preset="huge_content_length")
    head, _, body = answer_bytes(sandbox).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: " + b"9" * 5000 in head
    assert body == b"{}"
    assert get(sandbox).status_code == 200


def test_what_is_not_http(sandbox: Sandbox) -> None:
    sandbox.plan(preset="not_http")
    assert answer_bytes(sandbox) == b"SSH-2.0-OpenSSH_9.6\r\n"


@pytest.mark.parametrize(("preset", "status"), [("gzip_refused_400", 400), ("gzip_refused_415", 415)])
def test_a_proxy_that_refuses_gzip(sandbox: Sandbox, preset: str, status: int) -> None:
    sandbox.plan(preset=preset)
    assert post_gzip(sandbox).status_code == status
    assert get(sandbox).status_code == 200
    assert sandbox.amplitude_events() == []


def test_a_proxy_that_strips_the_encoding(sandbox: Sandbox) -> None:
    sandbox.plan(preset="encoding_stripped", times=1)
    refused = post_gzip(sandbox)
    assert (refused.status_code, refused.json()["error"]) == (400, "Invalid JSON request body")
    assert sandbox.requests()[0]["headers"]["content-encoding"] == "gzip"
    assert post_gzip(sandbox).status_code == 200


def forms(secret: str) -> list[str]:
    return [secret, base64.b64encode(secret.encode()).decode(), quote(secret, safe="")]


@pytest.mark.parametrize(
    ("request_options", "secrets"),
    [
        ({"headers": {"Authorization": "Bearer test/key+1"}}, ["test/key+1"]),
        ({"headers": {"x-api-key": "sat.demoAccount.test"}}, ["sat.demoAccount.test"]),
        (
            {"auth": ("test-api-key", "test-secret:key")},
            ["test-api-key", "test-secret:key", "test-api-key:test-secret:key"],
        ),
        ({"json": {"api_key": "test-json-key", "events": []}}, ["test-json-key"]),
        ({"data": {"api_key": "test form key"}}, ["test form key"]),
        ({"params": {"api_key": "test-query-key"}}, ["test-query-key"]),
    ],
)
def test_an_echo_shows_the_credentials_in_every_form(
    sandbox: Sandbox, request_options: dict[str, Any], secrets: list[str]
) -> None:
    sandbox.plan(preset="echo_403")
    answer = requests.post(sandbox.url + "/identify", timeout=30, **request_options)
    assert answer.status_code == 403
    assert [form for secret in secrets for form in forms(secret) if form not in answer.json()["message"]] == []
    assert [secret for secret in secrets if secret in json.dumps(sandbox.requests()[0]["headers"])] == []


def test_an_echo_of_a_zipped_body(sandbox: Sandbox) -> None:
    sandbox.plan(preset="echo_400")
    assert "test-api-key" in post_gzip(sandbox).json()["error"]


@pytest.mark.parametrize("content_length", [False, True])
def test_a_body_trickles(sandbox: Sandbox, content_length: bool) -> None:
    whole = get(sandbox).content
    sandbox.plan(preset="trickle", chunk_bytes=100, delay_seconds=0.01, content_length=content_length)
    answer = get(sandbox, stream=True)
    assert answer.headers.get("Content-Length") == (str(len(whole)) if content_length else None)
    assert answer.content == whole


def test_a_trickle_ends_with_its_client(sandbox: Sandbox) -> None:
    sandbox.plan(preset="trickle", delay_seconds=3600)
    with get(sandbox, stream=True) as answer:
        assert answer.raw.read(1) == b"{"
    await_true(lambda: sandbox.requests()[0]["seconds"] is not None)


@pytest.mark.parametrize(("preset", "offset"), [("clock_ahead", 30 * DAY), ("clock_behind", -30 * DAY)])
def test_the_clock_of_a_service_is_off(sandbox: Sandbox, preset: str, offset: int) -> None:
    def shown() -> float:
        return parsedate_to_datetime(get(sandbox).headers["Date"]).timestamp() - time.time()

    assert abs(shown()) < DAY
    sandbox.plan(preset=preset)
    assert abs(shown() - offset) < DAY
    assert "Date" in sandbox.http.get(sandbox.url + "/_sandbox/faults").headers
