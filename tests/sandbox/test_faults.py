"""Planned failures, over real connections."""

from __future__ import annotations

import gzip
import json
import threading
from typing import Any

import pytest
import requests

from support.sandbox import Sandbox

HEADERS = {"Authorization": "Bearer test-key"}
PATH = "/internal/api/v2/workspaces"


def get(sandbox: Sandbox) -> requests.Response:
    return requests.get(sandbox.url + PATH, headers=HEADERS, timeout=30)


def post_event(sandbox: Sandbox, key: str = "key") -> requests.Response:
    event = {"eventTypeId": "seen", "trafficTypeName": "user", "key": key, "timestamp": 1_767_261_655_000}
    return requests.post(sandbox.url + "/api/events/bulk", json=[event], headers=HEADERS, timeout=30)


def statuses(sandbox: Sandbox, count: int) -> list[int]:
    return [get(sandbox).status_code for _ in range(count)]


def test_a_status_with_body_and_headers(sandbox: Sandbox) -> None:
    sandbox.plan(
        path="/internal/*",
        kind="status",
        status=429,
        body={"code": 429, "message": "TOO_MANY_REQUESTS"},
        headers={"X-RateLimit-Reset-Seconds-Org": "3"},
    )
    answer = get(sandbox)
    assert answer.status_code == 429
    assert answer.json() == {"code": 429, "message": "TOO_MANY_REQUESTS"}
    assert answer.headers["X-RateLimit-Reset-Seconds-Org"] == "3"
    assert get(sandbox).status_code == 200
    assert [(one["status"], one["fault"]) for one in sandbox.requests()] == [(429, "status"), (200, None)]


def test_a_text_body(sandbox: Sandbox) -> None:
    sandbox.plan(kind="status", status=502, body="<html>Bad Gateway</html>", headers={"Content-Type": "text/html"})
    answer = get(sandbox)
    assert (answer.status_code, answer.text) == (502, "<html>Bad Gateway</html>")
    assert answer.headers["Content-Type"] == "text/html"


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ({}, [500, 200, 200, 200, 200, 200]),
        ({"times": 2}, [500, 500, 200, 200, 200, 200]),
        ({"times": None}, [500, 500, 500, 500, 500, 500]),
        ({"skip": 2}, [200, 200, 500, 200, 200, 200]),
        ({"every": 2, "times": None}, [200, 500, 200, 500, 200, 500]),
        ({"every": 2, "skip": 1, "times": 1}, [200, 200, 500, 200, 200, 200]),
        ({"method": "POST"}, [200, 200, 200, 200, 200, 200]),
        ({"path": "/batch"}, [200, 200, 200, 200, 200, 200]),
        ({"probability": 0.0, "times": None}, [200, 200, 200, 200, 200, 200]),
        ({"probability": 1.0, "times": 1}, [500, 200, 200, 200, 200, 200]),
    ],
)
def test_which_requests_are_hit(sandbox: Sandbox, plan: dict[str, Any], expected: list[int]) -> None:
    sandbox.plan(kind="status", status=500, **plan)
    assert statuses(sandbox, 6) == expected
    assert [one["hits"] for one in sandbox.faults()] == [expected.count(500)]


def test_chance_repeats_itself(sandbox: Sandbox) -> None:
    runs = []
    for _ in range(2):
        sandbox.reset()
        sandbox.plan(kind="status", probability=0.5, seed=7, times=None)
        runs.append(statuses(sandbox, 20))
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


def test_plans_fire_in_their_order(sandbox: Sandbox) -> None:
    sandbox.plan(kind="status", status=500)
    sandbox.plan(kind="status", status=503)
    assert statuses(sandbox, 3) == [500, 503, 200]


def test_a_plan_can_look_for_a_text_in_query_or_unzipped_body(sandbox: Sandbox) -> None:
    sandbox.plan(kind="status", when="user-7", times=None)
    assert post_event(sandbox, "user-1").status_code == 202
    assert post_event(sandbox, "user-7").status_code == 500
    body = json.dumps({"api_key": "test-api-key", "events": [{"event_type": "seen", "user_id": "user-7"}]})
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    zipped = gzip.compress(body.encode())
    assert requests.post(sandbox.url + "/batch", data=zipped, headers=headers, timeout=30).status_code == 500
    assert requests.get(f"{sandbox.url}{PATH}?name=user-7", headers=HEADERS, timeout=30).status_code == 500


def test_a_cut_connection_gives_no_answer_and_nothing_is_processed(sandbox: Sandbox) -> None:
    sandbox.plan(kind="cut")
    with pytest.raises(requests.ConnectionError):
        post_event(sandbox)
    assert sandbox.split_events() == []
    (request,) = sandbox.requests()
    assert (request["status"], request["fault"]) == (None, "cut")


def test_a_lost_answer_is_processed(sandbox: Sandbox) -> None:
    sandbox.plan(kind="lost")
    with pytest.raises(requests.ConnectionError):
        post_event(sandbox)
    assert len(sandbox.split_events()) == 1
    (request,) = sandbox.requests()
    assert (request["status"], request["fault"], request["items"]) == (None, "lost", 1)


def test_a_connection_that_is_kept_can_be_cut_too(sandbox: Sandbox) -> None:
    url = sandbox.url + PATH
    with requests.Session() as session:
        assert session.get(url, headers=HEADERS).status_code == 200
        sandbox.plan(kind="cut")
        with pytest.raises(requests.ConnectionError):
            session.get(url, headers=HEADERS)
        assert session.get(url, headers=HEADERS).status_code == 200


@pytest.mark.parametrize("content_length", [False, True])
def test_an_answer_is_cut_in_the_middle(sandbox: Sandbox, content_length: bool) -> None:
    whole = get(sandbox)
    sandbox.plan(kind="cut", after_bytes=10, content_length=content_length)
    with requests.get(sandbox.url + PATH, headers=HEADERS, stream=True, timeout=30) as answer:
        assert answer.status_code == 200
        assert answer.headers.get("Content-Length") == (str(len(whole.content)) if content_length else None)
        assert answer.raw.read(10) == whole.content[:10]
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            _ = answer.content


def test_a_delay_holds_nobody_else_up(sandbox: Sandbox) -> None:
    sandbox.plan(kind="delay", delay_seconds=3600, when="slow")
    finished = threading.Event()

    def wait() -> None:
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{sandbox.url}{PATH}?name=slow", headers=HEADERS, timeout=2)
        finished.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    sandbox.await_requests()
    assert get(sandbox).status_code == 200
    assert not finished.is_set()
    waiting.join()


def test_a_delayed_answer_comes(sandbox: Sandbox) -> None:
    sandbox.plan(kind="delay", delay_seconds=0.05)
    assert get(sandbox).status_code == 200
    (request,) = sandbox.requests()
    assert (request["fault"], request["seconds"] >= 0.05) == ("delay", True)


def test_plans_can_be_forgotten(sandbox: Sandbox) -> None:
    sandbox.plan(kind="status", times=None)
    sandbox.call("DELETE", "/faults")
    assert sandbox.faults() == []
    assert get(sandbox).status_code == 200


def test_the_sandboxes_own_addresses_are_never_hit_nor_listed(sandbox: Sandbox) -> None:
    sandbox.plan(kind="status", times=None)
    assert sandbox.requests() == []
    assert requests.get(sandbox.url + "/", timeout=30).status_code == 200


@pytest.mark.parametrize(
    "plan",
    [
        {"kind": "other"},
        {"kind": "cut", "time": 1},
        {"kind": "cut", "every": 0},
        {"kind": "status", "status": 7},
        {"kind": "delay", "times": "2"},
    ],
)
def test_a_bad_plan_is_refused(sandbox: Sandbox, plan: dict[str, Any]) -> None:
    answer = sandbox.http.post(sandbox.url + "/_sandbox/faults", json=[plan])
    assert answer.status_code == 400
    assert sandbox.faults() == []


def test_requests_are_listed_in_order_without_secrets(sandbox: Sandbox) -> None:
    requests.get(f"{sandbox.url}{PATH}?name=a%20b", headers=HEADERS, timeout=30)
    requests.get(sandbox.url + PATH, headers={"x-api-key": "test-token"}, timeout=30)
    requests.get(sandbox.url + "/none", timeout=30)
    first, second, third = sandbox.requests()
    assert (
        first
        | {
            "method": "GET",
            "path": PATH,
            "query": "name=a%20b",
            "status": 200,
            "bytes": 0,
            "items": 0,
            "fault": None,
        }
        == first
    )
    assert first["headers"]["authorization"] == "Bearer"
    assert second["headers"]["x-api-key"] == ""
    assert third["status"] == 404
