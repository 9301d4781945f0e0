"""The page, as a browser shows it."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest
import requests

from support.harness import call
from support.sandbox import Sandbox
from support.scripted import Answer, scripted

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine")
HEADERS = {"Authorization": "Bearer test-key"}
NASTY = "<img src=x onerror=alert(1)>"


def browse(sandbox: Sandbox, profile: Path, width: int = 1280) -> str:
    """The page after its first refresh, as markup."""
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile}",
        f"--window-size={width},2000",
        "--enable-logging=stderr",
        "--virtual-time-budget=3000",
        "--dump-dom",
        sandbox.url,
    ]
    shown = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=True)
    assert "CONSOLE" not in shown.stderr
    return shown.stdout


def rows(markup: str, table: str) -> list[list[str]]:
    """A table's texts, row by row, without its head."""
    (body,) = re.findall(rf'<table id="{table}".*?</table>', markup, re.DOTALL)
    return [
        [unescape(re.sub(r"<.*?>", " ", cell)).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)[1:]
    ]


def fill(sandbox: Sandbox) -> None:
    events = [{"event_type": name, "user_id": "user-0042"} for name in ("seen", "seen", NASTY)]
    body = {"api_key": "test-api-key", "events": events}
    sandbox.http.post(sandbox.url + "/batch", json=body)
    form = {
        "api_key": "test-api-key",
        "identification": '{"user_id": "user-0042", "user_properties": {"dark_mode": "on"}}',
    }
    sandbox.http.post(sandbox.url + "/identify", data=form)
    split_event = {"eventTypeId": "amp.seen", "trafficTypeName": "user", "key": "k", "timestamp": 1_767_261_655_000}
    sandbox.http.post(sandbox.url + "/api/events/bulk", json=[split_event] * 5, headers=HEADERS)
    keys = [f"key-{number}" for number in range(1200)]
    sandbox.call("POST", "/split/segments", [{"name": "power_users", "environment_id": "env-prod", "keys": keys}])
    sandbox.plan(path="/batch", kind="status", status=503, every=7, times=None)
    sandbox.plan(path="/none", preset="gzip_refused_415")
    call(sandbox, "GET", "/environments")
    sandbox.put_cohort(id="ab12cd3", name="Power users", members=[{"amplitude_id": 1, "user_id": "user-0042"}])
    with scripted(lambda _: Answer()) as receiver:
        sandbox.call("POST", "/amplitude/push-cohort", {"cohort_id": "ab12cd3", "url": receiver.url})


def test_the_page_needs_nothing_from_elsewhere(sandbox: Sandbox) -> None:
    answer = requests.get(sandbox.url + "/", timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert set(re.findall(r"https?://[^/'\"]+", answer.text)) == {"http://www.w3.org"}
    assert "/* style */" not in answer.text
    assert "/* script */" not in answer.text


def test_the_numbers_behind_the_page(sandbox: Sandbox) -> None:
    fill(sandbox)
    overview = sandbox.call("GET", "/overview")
    assert {kind: count for kind, count, _ in overview["totals"]} == {
        "Amplitude events": 3,
        "Amplitude identifications": 1,
        "Split events": 5,
        "Split segment keys": 1200,
    }
    assert {kind: sum(column) for kind, column in overview["chart"]["columns"].items()} == {
        "Amplitude events": 3,
        "Amplitude identifications": 1,
        "Split events": 5,
        "Split segment keys": 1200,
    }
    assert overview["routes"]["total"] == 1
    assert overview["segments"][0]["count"] == 1200
    assert len(overview["segments"][0]["keys"]) == 5
    for span in ("0", "3600", "86400"):
        columns = sandbox.call("GET", f"/overview?seconds={span}")["chart"]["columns"]
        assert sum(columns["Split events"]) == 5


@needs_browser
def test_a_browser_shows_what_arrived(sandbox: Sandbox, tmp_path: Path) -> None:
    fill(sandbox)
    markup = browse(sandbox, tmp_path)
    assert re.search(r'<span id="status-text">live</span>', markup)
    assert re.findall(r"<strong>([\d,]+)</strong>", markup) == ["3", "1", "5", "1,200"]
    assert markup.count("<rect") >= 5
    assert [row[:2] for row in rows(markup, "amplitude-events")] == [["seen", "2"], [NASTY, "1"]]
    assert [row[:2] for row in rows(markup, "split-events")] == [["amp.seen", "5"]]
    ((user, _, properties),) = rows(markup, "users")
    assert (user, properties.split()) == ("user-0042", ["dark_mode", "on"])
    ((name, environment, traffic_type, members, some),) = rows(markup, "segments")
    assert (name, environment, traffic_type, members) == ("power_users", "Production", "user", "1,200")
    assert "key-0" in some
    assert rows(markup, "faults") == [
        ["/batch", "answers 503", "always, every 7 requests", "0"],
        ["/none", "gzip_refused_415: answers 415", "always, if compressed", "0"],
    ]
    ((route, _, target, items, delivered),) = rows(markup, "routes")
    assert (route, items, delivered) == ("cohort webhook", "1", "yes")
    assert target.startswith("http://127.0.0.1:")
    assert [row[0] for row in rows(markup, "requests")] == [
        "GET /fme/api/v4/environments",
        "POST /api/events/bulk",
        "POST /identify",
        "POST /batch",
    ]


@needs_browser
def test_an_empty_sandbox_is_shown_on_a_phone(sandbox: Sandbox, tmp_path: Path) -> None:
    markup = browse(sandbox, tmp_path, width=390)
    for text in (
        "No event yet.",
        "No user yet.",
        "No segment yet.",
        "No request yet.",
        "None. Plan one with",
        "Nothing yet. Start",
    ):
        assert text in markup
