"""The receiver: what Amplitude posts is on disk before it is told so, and the tap reads all of it once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.exports import export_row, rows_over
from support.receiver import AmplitudeReceiver, Receiver
from support.sandbox import Sandbox
from tap_amplitude.common.receiver.bodies import InvalidBodyError
from tap_amplitude.files.events import event_of_line
from tap_amplitude.receiver.payloads import lines_of

pytestmark = pytest.mark.kind("process")

Runs = Callable[..., Any]
TOKEN = "test-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
NOON = 1_773_489_600


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with AmplitudeReceiver(tmp_path / "pushed", "--token", TOKEN) as running:
        yield running


@pytest.fixture
def read(run_tap: Runs, tmp_path: Path) -> Runs:
    return lambda streams, **config: run_tap(
        streams, **{"path": str(tmp_path / "pushed"), "start_date": None, "api_key": None, "secret_key": None} | config
    )


def message(**changes: Any) -> dict[str, Any]:
    return {
        "cohort_name": "Power users",
        "cohort_id": "7khm89cz",
        "in_cohort": True,
        "computed_time": str(NOON),
        "message_id": "9baaa88f::enter::0",
        "users": [{"user_id": "a"}, {"user_id": "b"}],
    } | changes


def stored(body: Any) -> list[dict[str, Any]]:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return [json.loads(line) for line in lines_of(text, 5).lines.splitlines()]


def test_a_body_is_stored_as_it_came() -> None:
    assert stored(message()) == [{"received": 5, "message": message()}]
    event = export_row(1)
    assert stored(event) == [{"received": 5, "event": event}]
    assert stored(json.dumps(event, indent=1).encode()) == [{"received": 5, "event": event}]
    assert stored([event, message()]) == [{"received": 5, "event": event}, {"received": 5, "message": message()}]
    assert len(stored(json.dumps(event).encode() + b"\n" + json.dumps(event).encode())) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"in_cohort": ${input}}',
        b"{}",
        b"[]5",
        b"null",
        b'{"in_cohort":true}',
        b'{"event_type":5}',
        b'{"event_type":""}',
        b"[" * 100_000,
    ],
)
def test_what_is_neither_a_message_nor_an_event_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBodyError):
        lines_of(body, 0)


def test_one_bad_item_does_not_lose_the_rest() -> None:
    parsed = lines_of(json.dumps([message(), {"x": 1}]).encode(), 5)
    assert (parsed.accepted, parsed.rejected) == (1, 1)
    assert json.loads(parsed.rejects)["body"] == {"x": 1}


def test_an_event_without_a_uuid_gets_the_same_one_each_time() -> None:
    def uuid_of(**members: Any) -> str:
        row = {name: value for name, value in export_row(1, **members).items() if value is not ...}
        line = b'{"received":5,"event":' + json.dumps(row).encode() + b"}"
        return json.loads(event_of_line(line))["uuid"]

    assert uuid_of() == export_row(1)["uuid"]
    by_insert_id = uuid_of(uuid=None)
    assert by_insert_id == uuid_of(uuid=..., user_id="other")
    assert by_insert_id != uuid_of(uuid=..., **{"$insert_id": "other"})
    by_content = uuid_of(uuid=..., **{"$insert_id": None})
    assert by_content == uuid_of(uuid=..., **{"$insert_id": None})
    assert by_content != uuid_of(uuid=..., user_id="other", **{"$insert_id": None})


def test_pushed_changes_become_rows(sandbox: Sandbox, receiver: Receiver, read: Runs) -> None:
    def push(members: str, at: int, **options: Any) -> dict[str, Any]:
        users = [{"user_id": name} for name in members]
        sandbox.put_cohort(id="c1", name="c", members=users, last_computed=at)
        order = {"cohort_id": "c1", "url": f"{receiver.url}/amplitude", "headers": BEARER, "batch_size": 1, "copies": 3}
        return sandbox.call("POST", "/amplitude/push-cohort", order | options)

    assert push("abc", NOON, order="shuffled")["delivered"]
    assert push("bd", NOON + 60, order="reversed")["delivered"]
    assert receiver.stop() == 0
    result = read("cohort_changes")
    found = [(record["action"], record["user_id"]) for record in result.records("cohort_changes")]
    assert Counter(found[:3]) == Counter(("add", name) for name in "abc")
    assert Counter(found[3:]) == Counter([("add", "d"), ("remove", "a"), ("remove", "c")])
    assert read("cohort_changes", state=result.state).records("cohort_changes") == []


def test_streamed_events_become_events(sandbox: Sandbox, receiver: Receiver, read: Runs) -> None:
    rows = rows_over(hours=2, per_hour=30)
    sandbox.put_export_rows(rows)
    order = {"url": receiver.url, "headers": BEARER, "connections": 4, "from_start": True}
    counts = sandbox.call("POST", "/amplitude/stream-events", order)
    assert counts["delivered"] == 60
    receiver.post(json.dumps(message()).encode(), headers=BEARER)
    receiver.kill()  # what it left open is read as well
    result = read("events cohort_changes")
    assert result.error == ""
    assert Counter(r["uuid"] for r in result.records("events")) == Counter(row["uuid"] for row in rows)
    assert {record["export_hour"][:13] for record in result.records("events")} == {"2026-03-14T00", "2026-03-14T01"}
    assert len(result.records("cohort_changes")) == 2
    assert read("events cohort_changes", state=result.state).of_type("RECORD") == []


def test_answers_say_what_is_stored(receiver: Receiver, tmp_path: Path) -> None:
    body = json.dumps(message()).encode()
    assert receiver.post(body).status_code == 401
    assert receiver.post(b'{"in_cohort": ${x}}', headers=BEARER).status_code == 400
    assert receiver.post(body, headers=BEARER).json() == {"accepted": 1, "rejected": 0}
    files = list((tmp_path / "pushed").glob("amplitude-*"))
    assert [json.loads(line)["message"] for file in files for line in file.read_text().splitlines()] == [message()]
    assert receiver.http.get(f"{receiver.url}/health", timeout=10).status_code == 200
    assert receiver.http.get(f"{receiver.url}/metrics", timeout=10).status_code == 401
    metrics = receiver.http.get(f"{receiver.url}/metrics", headers=BEARER, timeout=10)
    assert "tap-amplitude" in metrics.text


def test_web_pages_may_send_from_allowed_origins(tmp_path: Path) -> None:
    origin = {"Origin": "https://shop.example"}
    with AmplitudeReceiver(tmp_path / "pushed", "--allow-origin", origin["Origin"]) as receiver:
        answer = receiver.http.post(receiver.url, json=message(), headers=origin)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, origin["Origin"])
